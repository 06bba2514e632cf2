/*
 * Names the PLT stubs. A stub is `jmp *slot(%rip)`, perhaps behind endbr64 and a bnd prefix; the relocation
 * of that slot names the function. Decoding the jump serves .plt, .plt.sec and .plt.got alike, whatever the
 * linker's layout.
 */
#include "sampler/symbols/symbol_table.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 200000
#define STUBS_MAX_BYTES (4U << 20)
#define RELOCATIONS_MAX_BYTES (1U << 20) /* of .rela.dyn, from its end: the relative ones come first */

struct slot {
    uint64_t addr;
    uint32_t symbol;
};

struct slots {
    struct slot *items;
    size_t count, capacity;
};

static bool add_slot(struct slots *slots, const Elf64_Rela *relocation)
{
    uint64_t type = ELF64_R_TYPE(relocation->r_info);
    if ((type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) || slots->count >= SLOTS_MAX)
        return true;
    if (slots->count == slots->capacity) {
        size_t capacity = slots->capacity ? slots->capacity * 2 : 256;
        struct slot *grown = realloc(slots->items, capacity * sizeof(*grown));
        if (!grown)
            return false;
        slots->items = grown;
        slots->capacity = capacity;
    }
    slots->items[slots->count++] =
        (struct slot){relocation->r_offset, (uint32_t)ELF64_R_SYM(relocation->r_info)};
    return true;
}

static bool add_slots(struct slots *slots, const struct n1_elf *elf, const Elf64_Shdr *section,
                      size_t max_bytes)
{
    uint64_t size = section->sh_size - section->sh_size % sizeof(Elf64_Rela);
    uint64_t offset = section->sh_offset;
    if (size > max_bytes) {
        uint64_t skipped = (size - max_bytes) / sizeof(Elf64_Rela) * sizeof(Elf64_Rela);
        offset += skipped;
        size -= skipped;
    }
    while (size > 0) {
        Elf64_Rela chunk[128];
        size_t bytes = size < sizeof(chunk) ? (size_t)size : sizeof(chunk);
        if (!n1_elf_read(elf, offset, chunk, bytes))
            return true;
        for (size_t i = 0; i < bytes / sizeof(Elf64_Rela); i++)
            if (!add_slot(slots, &chunk[i]))
                return false;
        size -= bytes;
        offset += bytes;
    }
    return true;
}

static int compare_slots(const void *a, const void *b)
{
    const struct slot *x = a, *y = b;
    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* The address that the stub's jump goes through, 0 when these bytes are no stub. */
static uint64_t jump_slot(const uint8_t *bytes, size_t len, uint64_t addr)
{
    static const uint8_t endbr64[4] = {0xf3, 0x0f, 0x1e, 0xfa};
    size_t at = 0;
    int32_t distance;
    if (len >= sizeof(endbr64) && memcmp(bytes, endbr64, sizeof(endbr64)) == 0)
        at += sizeof(endbr64);
    if (at < len && bytes[at] == 0xf2)
        at++;
    if (len - at < 6 || bytes[at] != 0xff || bytes[at + 1] != 0x25)
        return 0;
    memcpy(&distance, bytes + at + 2, sizeof(distance));
    return addr + at + 6 + (uint64_t)(int64_t)distance;
}

static bool add_stubs(struct n1_symbol_table *table, const struct n1_elf *elf, const Elf64_Shdr *stubs,
                      const struct slots *slots, const Elf64_Shdr *symbols, uint64_t strings_size)
{
    size_t len, step = stubs->sh_entsize == 8 ? 8 : 16;
    uint8_t *bytes = n1_elf_section_read(elf, stubs, STUBS_MAX_BYTES, &len);
    bool ok = true;
    for (size_t at = 0; bytes && ok && at + step <= len; at += step) {
        struct slot key = {.addr = jump_slot(bytes + at, step, stubs->sh_addr + at)};
        const struct slot *slot =
            key.addr ? bsearch(&key, slots->items, slots->count, sizeof(key), compare_slots) : NULL;
        Elf64_Sym symbol;
        if (!slot || slot->symbol == 0 || slot->symbol >= symbols->sh_size / sizeof(symbol) ||
            !n1_elf_read(elf, symbols->sh_offset + slot->symbol * sizeof(symbol), &symbol, sizeof(symbol)) ||
            symbol.st_name == 0 || symbol.st_name >= strings_size)
            continue;
        ok = n1_symbol_table_add(table, stubs->sh_addr + at, step, step, symbol.st_name, N1_SOURCE_PLT,
                                 N1_CLASS_LOCAL);
    }
    free(bytes);
    return ok;
}

bool n1_symbol_table_add_plt(struct n1_symbol_table *table, const struct n1_elf *elf)
{
    static const char *const stub_sections[] = {".plt", ".plt.sec", ".plt.got"};
    const Elf64_Shdr *symbols = n1_elf_section_of_type(elf, SHT_DYNSYM);
    if (elf->machine != EM_X86_64 || !symbols || symbols->sh_link == 0 ||
        symbols->sh_link >= elf->section_count)
        return true;
    const Elf64_Shdr *strings = &elf->sections[symbols->sh_link];
    if (!n1_elf_section_holds(elf, strings))
        return true;
    struct slots slots = {0};
    bool ok = true;
    const Elf64_Shdr *jumps = n1_elf_section(elf, ".rela.plt"), *data = n1_elf_section(elf, ".rela.dyn");
    if (jumps)
        ok = add_slots(&slots, elf, jumps, STUBS_MAX_BYTES);
    if (ok && data)
        ok = add_slots(&slots, elf, data, RELOCATIONS_MAX_BYTES);
    if (slots.count > 0)
        qsort(slots.items, slots.count, sizeof(*slots.items), compare_slots);
    table->strings[N1_SOURCE_PLT] =
        (struct n1_symbol_strings){{.fd = elf->fd, .mem = elf->mem, .size = elf->size},
                                   strings->sh_offset,
                                   strings->sh_offset + strings->sh_size};
    for (size_t i = 0; ok && slots.count > 0 && i < sizeof(stub_sections) / sizeof(stub_sections[0]); i++) {
        const Elf64_Shdr *stubs = n1_elf_section(elf, stub_sections[i]);
        if (stubs)
            ok = add_stubs(table, elf, stubs, &slots, symbols, strings->sh_size);
    }
    free(slots.items);
    return ok;
}
