/*
 * Samples counted by what they have in common: chain, leaf and the flags that matter to figures. Adding and
 * taking away are the same call with the sign in the figures, so a sliding window costs what moves. Internal
 * to core/analysis/. Sums wrap on absurd input and never trap.
 */
#ifndef CORE_ANALYSIS_TALLY_H
#define CORE_ANALYSIS_TALLY_H

#include "n1/model.h"

#include <stdbool.h>
#include <stddef.h>

#define N1_TALLY_FLAGS (N1_TALLY_TRUNCATED | N1_TALLY_IN_KERNEL | N1_TALLY_HIDDEN)
enum { N1_TALLY_TRUNCATED = 1, N1_TALLY_IN_KERNEL = 2, N1_TALLY_HIDDEN = 4, N1_TALLY_SHIFT = 3 };

struct n1_tally_entry {
    uint64_t ns;
    uint32_t count;
    uint32_t node, leaf; /* model ids */
    uint32_t bits;       /* flags, and above them the holder's fold node plus one, 0: not asked yet */
};

struct n1_tally {
    struct n1_tally_entry *entries;
    uint32_t *table; /* open hash: index plus one */
    size_t count, cap, table_cap;
    size_t spent; /* entries whose count fell to zero; thrown out at the next growth */
    bool keep;    /* never throw out: the holder keeps indices */
};

void n1_tally_finish(struct n1_tally *t);
void n1_tally_clear(struct n1_tally *t);
/* Bits of an entry from enum n1_sample_flags. */
uint32_t n1_tally_flags(uint32_t sample_flags);
/* Index of the entry of (node, leaf, flags), made when missing; SIZE_MAX when out of memory. */
size_t n1_tally_at(struct n1_tally *t, uint32_t node, uint32_t leaf, uint32_t flags);
/* Adds `count` samples of `ns` in all (both may be "negative"). 0 or -ENOMEM. */
int n1_tally_add(struct n1_tally *t, uint32_t node, uint32_t leaf, uint32_t flags, uint32_t count,
                 uint64_t ns);
/* Forgets the fold nodes of all entries. */
void n1_tally_void_nodes(struct n1_tally *t);

#endif
