/*
 * What a module is unwound by: its compact table, or, while a thread of its own builds a large one (node: 40
 * to 130 ms, in which the kernel's rings would overflow at high rates), rules looked up one at a time. Both
 * give the same. The builder reads the module's image and the section's bytes, which do not change, and hands
 * over one pointer at its end. Sampler thread, but for the builder.
 */
#ifndef N1_SAMPLER_WALK_UNWIND_H
#define N1_SAMPLER_WALK_UNWIND_H

#include "sampler/target/elf_image.h"
#include "sampler/walk/unwind_table.h"

#include "n1/time.h"

/* Size of .eh_frame from which the table is built aside; below, building takes less than 2 ms. */
#define N1_UNWIND_ASIDE_BYTES (256 * 1024)

struct n1_unwind;

/* `image` must outlive the result. NULL without memory. */
struct n1_unwind *n1_unwind_create(const struct n1_elf_image *image);
/* Waits for a builder at work. */
void n1_unwind_destroy(struct n1_unwind *unwind);

/* The rule at an ELF virtual address; kind NONE where none is known. */
struct n1_unwind_rule n1_unwind_find(struct n1_unwind *unwind, uint64_t vaddr);

/* The table once it is there, else NULL; `ret_build_ns` how long its building took. */
const struct n1_unwind_table *n1_unwind_table_of(const struct n1_unwind *unwind, n1_ns *ret_build_ns);

/* Waits until the table is there: for tests and benches. */
void n1_unwind_finish_build(struct n1_unwind *unwind);

#endif
