/*
 * Section headers lead to the symbol tables; they are read whole, since a look-up by hash would not serve
 * .symtab.
 */
#include "sampler/python/elf_symbols.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTIONS_MAX 16384
#define TABLE_MAX_BYTES (UINT64_C(64) << 20)

struct sections {
    Elf64_Shdr *list;
    size_t count, names; /* names: index of the section of names */
};

/* `len` bytes at `offset` with a zero byte after them; NULL when they are not all in the file. */
static uint8_t *load(const struct n1_elf_image *image, uint64_t offset, uint64_t len)
{
    if (len > TABLE_MAX_BYTES || offset > image->size || len > image->size - offset)
        return NULL;
    uint8_t *bytes = malloc((size_t)len + 1);
    if (!bytes)
        return NULL;
    if (n1_elf_image_read(image, offset, bytes, (size_t)len) != (int64_t)len) {
        free(bytes);
        return NULL;
    }
    bytes[len] = 0;
    return bytes;
}

static bool load_sections(const struct n1_elf_image *image, struct sections *ret)
{
    Elf64_Ehdr header;
    if (n1_elf_image_read(image, 0, &header, sizeof(header)) != sizeof(header) ||
        header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum == 0 || header.e_shnum > SECTIONS_MAX ||
        header.e_shstrndx >= header.e_shnum)
        return false;
    ret->list = (Elf64_Shdr *)load(image, header.e_shoff, header.e_shnum * sizeof(Elf64_Shdr));
    ret->count = header.e_shnum;
    ret->names = header.e_shstrndx;
    return ret->list != NULL;
}

static int take(const Elf64_Sym *table, size_t entries, const char *strings, size_t strings_len,
                struct n1_elf_symbol *symbols, size_t count)
{
    int found = 0;
    for (size_t i = 0; i < entries; i++) {
        if (table[i].st_shndx == SHN_UNDEF || table[i].st_name >= strings_len)
            continue;
        const char *name = strings + table[i].st_name;
        if (name[0] != '_' && name[0] != 'P')
            continue;
        for (size_t s = 0; s < count; s++) {
            if (symbols[s].vaddr || strcmp(symbols[s].name, name))
                continue;
            symbols[s].vaddr = table[i].st_value;
            symbols[s].size = table[i].st_size;
            found++;
        }
    }
    return found;
}

int n1_elf_symbols_find(const struct n1_elf_image *image, struct n1_elf_symbol *symbols, size_t count)
{
    struct sections sections;
    if (!load_sections(image, &sections))
        return -ENOENT;
    int found = 0;
    static const uint32_t types[] = {SHT_DYNSYM, SHT_SYMTAB};
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < sections.count && (size_t)found < count; i++) {
            const Elf64_Shdr *s = &sections.list[i];
            if (s->sh_type != types[t] || s->sh_link >= sections.count)
                continue;
            const Elf64_Shdr *names = &sections.list[s->sh_link];
            uint8_t *table = load(image, s->sh_offset, s->sh_size);
            uint8_t *strings = load(image, names->sh_offset, names->sh_size);
            if (table && strings) /* strings end with the zero byte that load() adds */
                found += take((const Elf64_Sym *)table, (size_t)s->sh_size / sizeof(Elf64_Sym),
                              (const char *)strings, (size_t)names->sh_size, symbols, count);
            free(table);
            free(strings);
        }
    }
    free(sections.list);
    return found;
}

bool n1_elf_section_find(const struct n1_elf_image *image, const char *name, uint64_t *ret_vaddr,
                         uint64_t *ret_size)
{
    struct sections sections;
    if (!load_sections(image, &sections))
        return false;
    const Elf64_Shdr *names = &sections.list[sections.names];
    char *strings = (char *)load(image, names->sh_offset, names->sh_size);
    bool found = false;
    for (size_t i = 0; strings && i < sections.count && !found; i++) {
        const Elf64_Shdr *s = &sections.list[i];
        if (s->sh_name >= names->sh_size || strcmp(strings + s->sh_name, name))
            continue;
        *ret_vaddr = s->sh_addr;
        *ret_size = s->sh_size;
        found = true;
    }
    free(strings);
    free(sections.list);
    return found;
}
