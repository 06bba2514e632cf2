/*
 * A module's own symbol table: functions sorted by address in 12 bytes each, names left in the file and read
 * when asked for. Built once per module in the symbol helper; a look-up is a binary search and one small
 * read. Addresses are the module's ELF virtual addresses (absolute for the kernel), sizes bytes. One thread
 * per object.
 */
#ifndef N1_SAMPLER_SYMBOLS_SYMBOL_TABLE_H
#define N1_SAMPLER_SYMBOLS_SYMBOL_TABLE_H

#include "sampler/symbols/elf_file.h"

#define N1_SYMBOL_LINKAGE_MAX 4096 /* bytes of a mangled name with its NUL; longer ones are cut */

struct n1_symbol_entry {
    uint32_t addr; /* from the table's base */
    uint32_t bits; /* size, class, string source, overlap: see symbol_table.c */
    uint32_t name; /* offset in its string table */
};

enum n1_symbol_source {
    N1_SOURCE_SYMTAB,
    N1_SOURCE_DEBUGDATA,
    N1_SOURCE_DYNSYM,
    N1_SOURCE_PLT,
    N1_SOURCE_COUNT
};

/* Where the names of one source lie: a part of a file, or memory that the table owns. */
struct n1_symbol_strings {
    struct n1_elf elf; /* used as a byte reader only; never finished through the table */
    uint64_t start, end;
};

struct n1_symbol_table {
    uint64_t base;
    struct n1_symbol_entry *entries;
    size_t count, capacity;
    struct n1_symbol_strings strings[N1_SOURCE_COUNT];
    uint8_t
        *owned[2]; /* texts of N1_SOURCE_SYMTAB (kernel) and N1_SOURCE_DEBUGDATA when they are in memory */
};

enum n1_symbol_class { N1_CLASS_LABEL, N1_CLASS_LOCAL, N1_CLASS_WEAK, N1_CLASS_GLOBAL };

struct n1_symbol_hit {
    uint64_t start, size;
    char linkage[N1_SYMBOL_LINKAGE_MAX]; /* as in the file, version suffix removed, "@plt" added for stubs */
};

/* True when `elf` has no .symtab, so that a separate debug file would name more. */
bool n1_symbol_table_wants_debug(const struct n1_elf *elf);
/* Builds from the best source: .symtab of `elf`, else of `debug` (may be NULL), else .gnu_debugdata and
 * .dynsym, always with the PLT stubs. Both files must stay open as long as the table. Returns N1_SYMBOL_FOUND
 * or why not; n1_symbol_table_finish is always safe. */
enum n1_symbol_status n1_symbol_table_build(struct n1_symbol_table *table, const struct n1_elf *elf,
                                            const struct n1_elf *debug);
/* Builds from the text of /proc/kallsyms behind `fd` (read to its end). NOT_PERMITTED when its addresses are
 * 0. */
enum n1_symbol_status n1_symbol_table_build_kernel(struct n1_symbol_table *table, int fd);

/* The same in steps of one read, since it takes 0.1 s of CPU time and more when CPUs are wanted by many:
 * begin (NULL without memory or when `fd` cannot be read), step until it returns false, which fills table and
 * status; then end (NULL is fine, at any time). `fd` stays the caller's. */
struct n1_kernel_reading;
struct n1_kernel_reading *n1_kernel_reading_begin(int fd);
bool n1_kernel_reading_step(struct n1_kernel_reading *reading, struct n1_symbol_table *ret_table,
                            enum n1_symbol_status *ret_status);
void n1_kernel_reading_end(struct n1_kernel_reading *reading);
void n1_symbol_table_finish(struct n1_symbol_table *table);

/* The function that covers `addr`. Among functions at one address a fixed order decides: named over local,
 * fewer leading underscores, shorter, global over weak, then by name. False when none covers it. */
bool n1_symbol_table_find(const struct n1_symbol_table *table, uint64_t addr, struct n1_symbol_hit *ret_hit);

/* For the builders: appends one function; `size` 0 means unknown, then it reaches to the next symbol but at
 * most to `limit`. False when out of memory. */
bool n1_symbol_table_add(struct n1_symbol_table *table, uint64_t addr, uint64_t size, uint64_t limit,
                         uint32_t name, enum n1_symbol_source source, enum n1_symbol_class class);
/* For the builders: sorts, gives unknown sizes a bound, drops labels inside functions. False when out of
 * memory. */
bool n1_symbol_table_seal(struct n1_symbol_table *table);
/* For the builder: adds the PLT stubs of `elf` (x86-64), named after the function they jump to. */
bool n1_symbol_table_add_plt(struct n1_symbol_table *table, const struct n1_elf *elf);
/* For the builder: unpacks .gnu_debugdata (xz). Returns the ELF image, which the caller frees, or NULL. */
uint8_t *n1_debugdata_unpack(const struct n1_elf *elf, size_t *ret_len);

#endif
