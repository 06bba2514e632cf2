/*
 * A bounds-checked reader of 64-bit little-endian ELF files: headers, sections and notes, by pread from a
 * descriptor or from a memory image, never mapped, so that a file truncated under us gives an error and not
 * SIGBUS. Every offset, size and count in the file is hostile. Addresses are ELF virtual addresses, sizes are
 * bytes. One thread at a time per object; used in the symbol helper only.
 */
#ifndef N1_SAMPLER_SYMBOLS_ELF_FILE_H
#define N1_SAMPLER_SYMBOLS_ELF_FILE_H

#include "sampler/symbols/symbols.h"

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define N1_ELF_EXEC_MAX 16

struct n1_elf_range {
    uint64_t start, end; /* [start, end) */
};

struct n1_elf {
    int fd;             /* -1 when the image lies in memory; not owned */
    const uint8_t *mem; /* memory image or NULL; not owned */
    uint64_t size;      /* bytes of the file or the image */
    uint16_t machine;   /* EM_* */
    Elf64_Shdr *sections;
    size_t section_count;
    uint32_t names;                            /* index of the section-name table, 0 when there is none */
    struct n1_elf_range exec[N1_ELF_EXEC_MAX]; /* executable load segments in file order */
    size_t exec_count;
};

/* Reads the headers of the file behind `fd` (borrowed, must stay open as long as `elf`). Returns
 * N1_SYMBOL_FOUND or why it cannot be used; n1_elf_finish is needed only after N1_SYMBOL_FOUND. */
enum n1_symbol_status n1_elf_init(struct n1_elf *elf, int fd);
/* The same over a memory image of `size` bytes, which must outlive `elf`. */
enum n1_symbol_status n1_elf_init_memory(struct n1_elf *elf, const void *image, size_t size);
void n1_elf_finish(struct n1_elf *elf);

/* Reads exactly `len` bytes at file offset `offset`; false when the file does not hold them or reading fails.
 */
bool n1_elf_read(const struct n1_elf *elf, uint64_t offset, void *out, size_t len);
/* Reads at most `cap` - 1 bytes of a NUL-terminated text at `offset` of a string table that ends at file
 * offset `end`, always terminates; returns its length, 0 when there is none. */
size_t n1_elf_read_text(const struct n1_elf *elf, uint64_t offset, uint64_t end, char *out, size_t cap);

/* The first section called `name` whose bytes lie inside the file, or NULL. */
const Elf64_Shdr *n1_elf_section(const struct n1_elf *elf, const char *name);
/* The first section of `type` whose bytes lie inside the file, or NULL. */
const Elf64_Shdr *n1_elf_section_of_type(const struct n1_elf *elf, uint32_t type);
/* True when the section's bytes lie inside the file (never for SHT_NOBITS). */
bool n1_elf_section_holds(const struct n1_elf *elf, const Elf64_Shdr *section);
/* Reads a whole section of at most `max` bytes; the caller frees. NULL when absent, too large or out of
 * memory. */
uint8_t *n1_elf_section_read(const struct n1_elf *elf, const Elf64_Shdr *section, size_t max,
                             size_t *ret_len);

/* Copies the GNU build id (1 to `cap` bytes) and returns its length, 0 when there is none. */
size_t n1_elf_build_id(const struct n1_elf *elf, uint8_t *out, size_t cap);
/* Reads .gnu_debuglink: a base name without a slash into `name` and the file's CRC-32. False when there is
 * none. */
bool n1_elf_debuglink(const struct n1_elf *elf, char *name, size_t cap, uint32_t *ret_crc);
/* True when [addr, addr+1) lies in an executable segment. */
bool n1_elf_is_exec(const struct n1_elf *elf, uint64_t addr);

#endif
