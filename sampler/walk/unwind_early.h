/*
 * Rules one at a time, while the compact table of a large module is still being built: the sorted index in
 * .eh_frame_hdr leads to the one FDE of an address, which is run up to it. Gives what the table gives, some
 * 50 times slower. The bytes are hostile. Immutable but for the reader's cache: one thread.
 */
#ifndef N1_SAMPLER_WALK_UNWIND_EARLY_H
#define N1_SAMPLER_WALK_UNWIND_EARLY_H

#include "sampler/target/elf_image.h"
#include "sampler/walk/arch.h"
#include "sampler/walk/ehframe.h"

struct n1_unwind_early;

/* Reads both sections into memory. NULL when there is no index of the usual form that covers .eh_frame, or no
 * memory. */
struct n1_unwind_early *n1_unwind_early_create(const struct n1_elf_image *image);
void n1_unwind_early_destroy(struct n1_unwind_early *early);

/* The .eh_frame that was read, for the builder of the table; any thread, until destroy. */
const struct n1_cfi_section *n1_unwind_early_section(const struct n1_unwind_early *early);

/* The rule at an ELF virtual address; kind NONE where none is known. */
struct n1_unwind_rule n1_unwind_early_find(struct n1_unwind_early *early, uint64_t vaddr);

#endif
