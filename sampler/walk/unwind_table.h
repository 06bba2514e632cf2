/*
 * The compact unwind table of one module: rows {u32 pc, 4-byte rule} sorted by pc, a row being valid up to
 * the next one. Built once from .eh_frame (and .debug_frame, which Go writes), then the sections' bytes are
 * dropped. A row of kind NONE ends a function that is not followed by another. pcs are relative to `base`, an
 * ELF virtual address. Immutable once built: any thread.
 */
#ifndef N1_SAMPLER_WALK_UNWIND_TABLE_H
#define N1_SAMPLER_WALK_UNWIND_TABLE_H

#include "sampler/target/elf_image.h"
#include "sampler/walk/arch.h"

struct n1_unwind_row {
    uint32_t pc;
    struct n1_unwind_rule rule;
};

struct n1_unwind_table {
    uint64_t base;
    struct n1_unwind_row *rows;
    size_t count;
    size_t fde_count;      /* functions described */
    size_t fallback_count; /* rows of kind FALLBACK */
    bool full;             /* rows were left out (4 M limit): the rest is FALLBACK */
};

/* Builds the table of an image. A module without unwind sections gets an empty table. NULL without memory. */
struct n1_unwind_table *n1_unwind_table_build(const struct n1_elf_image *image);

/* The same from sections in memory; `image` gives only the code range and may be NULL (no check of ranges).
 * Either section may be NULL. */
struct n1_unwind_table *n1_unwind_table_build_sections(const struct n1_elf_image *image,
                                                       const struct n1_cfi_section *eh_frame,
                                                       const struct n1_cfi_section *debug_frame);

void n1_unwind_table_destroy(struct n1_unwind_table *table);

/* The rule at an ELF virtual address; kind NONE where none is known. */
struct n1_unwind_rule n1_unwind_table_find(const struct n1_unwind_table *table, uint64_t vaddr);

#endif
