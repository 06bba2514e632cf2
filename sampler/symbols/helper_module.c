/* A module inside the symbol helper; see helper_module.h. */
#include "sampler/symbols/helper_module.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

struct n1_helper_module *n1_helper_module_create(enum n1_symbol_module_kind kind, int take_fd,
                                                 bool debug_settled)
{
    struct n1_helper_module *module = calloc(1, sizeof(*module));
    if (!module) {
        if (take_fd >= 0)
            close(take_fd);
        return NULL;
    }
    module->kind = kind;
    module->fd = take_fd;
    module->debug_fd = -1;
    module->debug_state = debug_settled ? N1_DEBUG_SETTLED : N1_DEBUG_UNASKED;
    module->elf_status = N1_SYMBOL_NO_FILE;
    if (kind == N1_SYMBOL_ELF && take_fd >= 0) {
        module->elf_status = n1_elf_init(&module->elf, take_fd);
        module->elf_open = module->elf_status == N1_SYMBOL_FOUND;
    } else if (kind == N1_SYMBOL_PERF_MAP) {
        n1_perf_map_init(&module->map, take_fd);
    }
    return module;
}

void n1_helper_module_close_lines(struct n1_helper_module *module)
{
    n1_lines_close(module->lines);
    module->lines = NULL;
    module->lines_tried = false;
}

void n1_helper_module_destroy(struct n1_helper_module *module)
{
    if (!module)
        return;
    n1_helper_module_close_lines(module);
    n1_kernel_reading_end(module->reading);
    n1_symbol_table_finish(&module->table);
    n1_fde_starts_finish(&module->starts);
    if (module->kind == N1_SYMBOL_PERF_MAP)
        n1_perf_map_finish(&module->map);
    if (module->elf_open)
        n1_elf_finish(&module->elf);
    if (module->debug_open)
        n1_elf_finish(&module->debug);
    if (module->debug_fd >= 0)
        close(module->debug_fd);
    if (module->fd >= 0)
        close(module->fd);
    free(module);
}

static bool has_lines(const struct n1_elf *elf)
{
    return n1_elf_section(elf, ".debug_line") || n1_elf_section(elf, ".zdebug_line");
}

bool n1_helper_module_needs_debug(struct n1_helper_module *module, unsigned flags)
{
    if (!module->elf_open || module->debug_state == N1_DEBUG_SETTLED)
        return false;
    if (module->debug_state == N1_DEBUG_ASKED)
        return true;
    return n1_symbol_table_wants_debug(&module->elf) || (flags && !has_lines(&module->elf));
}

static bool build_ids_match(const struct n1_elf *a, const struct n1_elf *b)
{
    uint8_t a_id[N1_WIRE_BUILD_ID_MAX], b_id[N1_WIRE_BUILD_ID_MAX];
    size_t a_len = n1_elf_build_id(a, a_id, sizeof(a_id)), b_len = n1_elf_build_id(b, b_id, sizeof(b_id));
    return a_len > 0 && a_len == b_len && memcmp(a_id, b_id, a_len) == 0;
}

static bool crc_matches(const struct n1_elf *file, uint32_t expected)
{
    static uint8_t chunk[65536];
    uLong crc = crc32(0, Z_NULL, 0);
    for (uint64_t at = 0; at < file->size;) {
        size_t len = file->size - at < sizeof(chunk) ? (size_t)(file->size - at) : sizeof(chunk);
        if (!n1_elf_read(file, at, chunk, len))
            return false;
        crc = crc32(crc, chunk, (uInt)len);
        at += len;
    }
    return crc == expected;
}

bool n1_helper_module_take_debug(struct n1_helper_module *module, int take_fd, bool by_crc)
{
    struct n1_elf debug;
    char name[256];
    uint32_t crc;
    if (module->debug_open || !module->elf_open || n1_elf_init(&debug, take_fd) != N1_SYMBOL_FOUND) {
        close(take_fd);
        return false;
    }
    bool accepted = by_crc
                        ? n1_elf_debuglink(&module->elf, name, sizeof(name), &crc) && crc_matches(&debug, crc)
                        : build_ids_match(&module->elf, &debug);
    if (!accepted) {
        n1_elf_finish(&debug);
        close(take_fd);
        return false;
    }
    module->debug = debug;
    module->debug_open = true;
    module->debug_fd = take_fd;
    module->debug_state = N1_DEBUG_SETTLED;
    if (module->table_built && n1_symbol_table_wants_debug(&module->elf)) {
        n1_symbol_table_finish(&module->table);
        module->table_built = false;
    }
    n1_helper_module_close_lines(module);
    return true;
}

bool n1_helper_module_prepare(struct n1_helper_module *module)
{
    if (module->kind != N1_SYMBOL_KALLSYMS || module->table_built)
        return false;
    if (!module->reading && module->fd >= 0)
        module->reading = n1_kernel_reading_begin(module->fd);
    module->table_status = N1_SYMBOL_UNREADABLE;
    if (module->reading && n1_kernel_reading_step(module->reading, &module->table, &module->table_status))
        return true;
    module->table_built = true;
    n1_kernel_reading_end(module->reading);
    module->reading = NULL;
    if (module->table_status != N1_SYMBOL_FOUND)
        n1_symbol_table_finish(&module->table);
    return false;
}

enum n1_symbol_status n1_helper_module_find(struct n1_helper_module *module, uint64_t addr,
                                            struct n1_symbol_hit *ret_hit)
{
    if (module->fd < 0)
        return N1_SYMBOL_NO_FILE;
    if (module->kind == N1_SYMBOL_PERF_MAP) {
        if (n1_perf_map_find(&module->map, addr, ret_hit))
            return N1_SYMBOL_FOUND;
        enum n1_symbol_status status = n1_perf_map_refresh(&module->map);
        if (status != N1_SYMBOL_FOUND)
            return status;
        return n1_perf_map_find(&module->map, addr, ret_hit) ? N1_SYMBOL_FOUND : N1_SYMBOL_NO_SYMBOL;
    }
    while (n1_helper_module_prepare(module))
        ;
    if (!module->table_built) {
        module->table_built = true;
        if (!module->elf_open)
            module->table_status = module->elf_status;
        else
            module->table_status = n1_symbol_table_build(&module->table, &module->elf,
                                                         module->debug_open ? &module->debug : NULL);
        if (module->table_status != N1_SYMBOL_FOUND)
            n1_symbol_table_finish(&module->table);
    }
    if (module->table_status == N1_SYMBOL_FOUND && n1_symbol_table_find(&module->table, addr, ret_hit))
        return N1_SYMBOL_FOUND;
    if (module->elf_open)
        n1_fde_starts_find(&module->starts, &module->elf, addr, &ret_hit->start, &ret_hit->size);
    return module->table_status != N1_SYMBOL_FOUND ? module->table_status : N1_SYMBOL_NO_SYMBOL;
}

enum n1_symbol_status n1_helper_module_find_line(struct n1_helper_module *module, uint64_t addr,
                                                 unsigned flags, struct n1_line_answer *ret_answer)
{
    if (!module->elf_open)
        return N1_SYMBOL_NO_LINES;
    if (!module->lines_tried) {
        module->lines_tried = true;
        int fd = has_lines(&module->elf)                           ? module->fd
                 : module->debug_open && has_lines(&module->debug) ? module->debug_fd
                                                                   : -1;
        module->lines_status = fd < 0 ? N1_SYMBOL_NO_LINES : n1_lines_open(&module->lines, fd);
    }
    if (module->lines_status != N1_SYMBOL_FOUND)
        return module->lines_status;
    return n1_lines_find(module->lines, addr, flags, ret_answer);
}
