/*
 * Fuzz entry of the symbol tables: the first byte chooses the reader, the rest is an ELF file, a perf map,
 * kernel symbols, or a mangled name. A name found must lie in a range that covers the address asked for.
 */
#include "sampler/symbols/demangle.h"
#include "sampler/symbols/fde_starts.h"
#include "sampler/symbols/perf_map.h"
#include "sampler/symbols/symbol_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_hit(const struct n1_symbol_hit *hit, uint64_t addr)
{
    if (addr < hit->start || addr - hit->start >= hit->size || !hit->linkage[0] ||
        strlen(hit->linkage) >= sizeof(hit->linkage))
        abort();
}

static void ask_table(struct n1_symbol_table *table)
{
    struct n1_symbol_hit hit;
    for (size_t i = 0; i < table->count && i < 64; i++) {
        uint64_t addr = table->base + table->entries[i].addr;
        if (n1_symbol_table_find(table, addr, &hit))
            check_hit(&hit, addr);
    }
    for (uint64_t addr = 0; addr < 0x8000; addr += 67)
        if (n1_symbol_table_find(table, addr, &hit))
            check_hit(&hit, addr);
}

static void try_elf(const uint8_t *data, size_t size)
{
    struct n1_elf elf;
    struct n1_symbol_table table;
    uint8_t id[64];
    char link[256];
    uint32_t crc;
    if (n1_elf_init_memory(&elf, data, size) != N1_SYMBOL_FOUND)
        return;
    if (n1_elf_build_id(&elf, id, sizeof(id)) > sizeof(id))
        abort();
    n1_elf_debuglink(&elf, link, sizeof(link), &crc);
    if (n1_symbol_table_build(&table, &elf, &elf) == N1_SYMBOL_FOUND)
        ask_table(&table);
    n1_symbol_table_finish(&table);
    struct n1_fde_starts starts = {0};
    for (uint64_t addr = 0; addr < 0x8000; addr += 67) {
        uint64_t start, length;
        if (n1_fde_starts_find(&starts, &elf, addr, &start, &length) && start > addr)
            abort();
    }
    n1_fde_starts_finish(&starts);
    n1_elf_finish(&elf);
}

static void try_text(const uint8_t *data, size_t size, bool kernel)
{
    static int fd = -1;
    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        return;
    if (kernel) {
        struct n1_symbol_table table;
        if (n1_symbol_table_build_kernel(&table, fd) == N1_SYMBOL_FOUND)
            ask_table(&table);
        n1_symbol_table_finish(&table);
        return;
    }
    struct n1_perf_map map;
    struct n1_symbol_hit hit;
    n1_perf_map_init(&map, fd);
    n1_perf_map_refresh(&map);
    for (size_t i = 0; i < map.count; i++) {
        if (i > 0 && map.ranges[i].start < map.ranges[i - 1].start + map.ranges[i - 1].size)
            abort();
        if (n1_perf_map_find(&map, map.ranges[i].start, &hit))
            check_hit(&hit, map.ranges[i].start);
    }
    n1_perf_map_finish(&map);
}

static void try_name(const uint8_t *data, size_t size)
{
    char name[5000], out[512];
    if (size >= sizeof(name))
        size = sizeof(name) - 1;
    memcpy(name, data, size);
    name[size] = '\0';
    n1_demangle(name, out, sizeof(out));
    if (strlen(out) >= sizeof(out))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0] % 4) {
    case 0:
        try_elf(data + 1, size - 1);
        break;
    case 1:
        try_text(data + 1, size - 1, false);
        break;
    case 2:
        try_text(data + 1, size - 1, true);
        break;
    default:
        try_name(data + 1, size - 1);
        break;
    }
    return 0;
}
