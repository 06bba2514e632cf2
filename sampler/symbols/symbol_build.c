/*
 * Builds a symbol table from an ELF file, its debug file, or its packed mini debug information. The symbol
 * section is read in chunks and never kept; names stay in the file.
 */
#include "sampler/symbols/symbol_table.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_SYMBOLS 2048
#define MINI_STRINGS_MAX (64U << 20)

struct build {
    struct n1_symbol_table *table;
    const struct n1_elf *code;  /* whose executable segments bound what is accepted */
    const struct n1_elf *names; /* whose symbol section is read */
    uint64_t strings_size;
    enum n1_symbol_source source;
};

/* Where the section or segment that holds a symbol ends; 0 when the symbol does not lie in code. */
static uint64_t code_end(const struct build *build, const Elf64_Sym *symbol)
{
    uint64_t end = 0;
    for (size_t i = 0; i < build->code->exec_count; i++)
        if (symbol->st_value >= build->code->exec[i].start && symbol->st_value < build->code->exec[i].end)
            end = build->code->exec[i].end;
    if (end == 0 || symbol->st_shndx == SHN_XINDEX)
        return end;
    if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= build->names->section_count)
        return 0;
    const Elf64_Shdr *section = &build->names->sections[symbol->st_shndx];
    if (!(section->sh_flags & SHF_EXECINSTR) || symbol->st_value < section->sh_addr ||
        symbol->st_value - section->sh_addr >= section->sh_size)
        return 0;
    uint64_t section_end = section->sh_addr + section->sh_size;
    return section_end > section->sh_addr && section_end < end ? section_end : end;
}

static bool add_symbol(const struct build *build, const Elf64_Sym *symbol)
{
    unsigned type = ELF64_ST_TYPE(symbol->st_info), bind = ELF64_ST_BIND(symbol->st_info);
    enum n1_symbol_class class = bind == STB_LOCAL  ? N1_CLASS_LOCAL
                                 : bind == STB_WEAK ? N1_CLASS_WEAK
                                                    : N1_CLASS_GLOBAL;
    if (symbol->st_name == 0 || symbol->st_name >= build->strings_size)
        return true;
    if (type == STT_NOTYPE) {
        /* Local labels are jump targets and mapping symbols ($x, $d), never functions. */
        if (class == N1_CLASS_LOCAL)
            return true;
        class = N1_CLASS_LABEL;
    } else if (type != STT_FUNC && type != STT_GNU_IFUNC) {
        return true;
    }
    uint64_t end = code_end(build, symbol);
    if (end == 0)
        return true;
    return n1_symbol_table_add(build->table, symbol->st_value, symbol->st_size, end - symbol->st_value,
                               symbol->st_name, build->source, class);
}

static enum n1_symbol_status add_symbols(const struct build *build, const Elf64_Shdr *section)
{
    Elf64_Sym *chunk = malloc(CHUNK_SYMBOLS * sizeof(*chunk));
    enum n1_symbol_status status = chunk ? N1_SYMBOL_FOUND : N1_SYMBOL_TOO_LARGE;
    uint64_t left = section->sh_size / sizeof(Elf64_Sym), offset = section->sh_offset;
    while (status == N1_SYMBOL_FOUND && left > 0) {
        size_t count = left < CHUNK_SYMBOLS ? left : CHUNK_SYMBOLS;
        if (!n1_elf_read(build->names, offset, chunk, count * sizeof(*chunk)))
            status = N1_SYMBOL_UNREADABLE;
        for (size_t i = 0; i < count && status == N1_SYMBOL_FOUND; i++)
            if (!add_symbol(build, &chunk[i]))
                status = N1_SYMBOL_TOO_LARGE;
        offset += count * sizeof(*chunk);
        left -= count;
    }
    free(chunk);
    return status;
}

/* The string section of a symbol section, or NULL. */
static const Elf64_Shdr *strings_of(const struct n1_elf *elf, const Elf64_Shdr *section)
{
    if (section->sh_link == 0 || section->sh_link >= elf->section_count)
        return NULL;
    const Elf64_Shdr *strings = &elf->sections[section->sh_link];
    return n1_elf_section_holds(elf, strings) ? strings : NULL;
}

static enum n1_symbol_status add_section(struct n1_symbol_table *table, const struct n1_elf *code,
                                         const struct n1_elf *names, uint32_t type,
                                         enum n1_symbol_source source)
{
    const Elf64_Shdr *section = n1_elf_section_of_type(names, type);
    const Elf64_Shdr *strings = section ? strings_of(names, section) : NULL;
    if (!strings)
        return section ? N1_SYMBOL_DAMAGED : N1_SYMBOL_STRIPPED;
    struct n1_symbol_strings *kept = &table->strings[source];
    *kept = (struct n1_symbol_strings){{.fd = names->fd, .mem = names->mem, .size = names->size},
                                       strings->sh_offset,
                                       strings->sh_offset + strings->sh_size};
    struct build build = {table, code, names, strings->sh_size, source};
    return add_symbols(&build, section);
}

/* Adds what .gnu_debugdata holds and keeps of the unpacked image only its strings. */
static enum n1_symbol_status add_debugdata(struct n1_symbol_table *table, const struct n1_elf *elf)
{
    size_t size;
    uint8_t *image = n1_debugdata_unpack(elf, &size);
    if (!image)
        return N1_SYMBOL_STRIPPED;
    struct n1_elf mini;
    enum n1_symbol_status status = n1_elf_init_memory(&mini, image, size);
    if (status == N1_SYMBOL_FOUND) {
        status = add_section(table, elf, &mini, SHT_SYMTAB, N1_SOURCE_DEBUGDATA);
        struct n1_symbol_strings *strings = &table->strings[N1_SOURCE_DEBUGDATA];
        uint64_t len = strings->end - strings->start;
        if (status == N1_SYMBOL_FOUND && len > 0 && len <= MINI_STRINGS_MAX) {
            table->owned[1] = malloc(len);
            if (table->owned[1])
                memcpy(table->owned[1], image + strings->start, len);
        }
        *strings =
            (struct n1_symbol_strings){{.fd = -1, .mem = table->owned[1], .size = table->owned[1] ? len : 0},
                                       0,
                                       table->owned[1] ? len : 0};
        n1_elf_finish(&mini);
    }
    free(image);
    return status;
}

bool n1_symbol_table_wants_debug(const struct n1_elf *elf)
{
    return n1_elf_section_of_type(elf, SHT_SYMTAB) == NULL;
}

static enum n1_symbol_status add_best(struct n1_symbol_table *table, const struct n1_elf *elf,
                                      const struct n1_elf *debug)
{
    enum n1_symbol_status status = add_section(table, elf, elf, SHT_SYMTAB, N1_SOURCE_SYMTAB);
    if (status == N1_SYMBOL_FOUND && table->count > 0)
        return status;
    if (debug) {
        status = add_section(table, elf, debug, SHT_SYMTAB, N1_SOURCE_SYMTAB);
        if (status == N1_SYMBOL_FOUND && table->count > 0)
            return status;
    }
    enum n1_symbol_status mini = add_debugdata(table, elf);
    enum n1_symbol_status dynamic = add_section(table, elf, elf, SHT_DYNSYM, N1_SOURCE_DYNSYM);
    if (table->count > 0)
        return N1_SYMBOL_FOUND;
    if (mini == N1_SYMBOL_TOO_LARGE || dynamic == N1_SYMBOL_TOO_LARGE)
        return N1_SYMBOL_TOO_LARGE;
    return status == N1_SYMBOL_DAMAGED || dynamic == N1_SYMBOL_DAMAGED ? N1_SYMBOL_DAMAGED
                                                                       : N1_SYMBOL_STRIPPED;
}

enum n1_symbol_status n1_symbol_table_build(struct n1_symbol_table *table, const struct n1_elf *elf,
                                            const struct n1_elf *debug)
{
    *table = (struct n1_symbol_table){.base = UINT64_MAX};
    for (size_t i = 0; i < elf->exec_count; i++)
        if (elf->exec[i].start < table->base)
            table->base = elf->exec[i].start;
    enum n1_symbol_status status = add_best(table, elf, debug);
    if (status != N1_SYMBOL_FOUND && status != N1_SYMBOL_STRIPPED)
        return status;
    if (!n1_symbol_table_add_plt(table, elf) || !n1_symbol_table_seal(table))
        return N1_SYMBOL_TOO_LARGE;
    return table->count > 0 ? N1_SYMBOL_FOUND : status == N1_SYMBOL_FOUND ? N1_SYMBOL_STRIPPED : status;
}
