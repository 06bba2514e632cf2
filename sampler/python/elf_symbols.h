/*
 * A few named symbols of an ELF image, from .dynsym (which stripped files keep) and .symtab, and a section by
 * name. Hostile input: every count and offset is checked against the file. Sampler thread only.
 */
#ifndef N1_SAMPLER_PYTHON_ELF_SYMBOLS_H
#define N1_SAMPLER_PYTHON_ELF_SYMBOLS_H

#include "sampler/target/elf_image.h"

struct n1_elf_symbol {
    const char *name;
    uint64_t vaddr, size; /* 0, 0: not found */
};

/* Fills what it finds of `count` symbols; the first definition of a name wins. Returns how many were found,
 * or -errno when the file's tables cannot be read. */
int n1_elf_symbols_find(const struct n1_elf_image *image, struct n1_elf_symbol *symbols, size_t count);

/* Virtual address and size of a section; false when there is none of that name. */
bool n1_elf_section_find(const struct n1_elf_image *image, const char *name, uint64_t *ret_vaddr,
                         uint64_t *ret_size);

#endif
