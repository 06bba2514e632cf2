/*
 * Where the stores lie in the memory: how the limit is split among them, and whether a header's segment table
 * is one that can be trusted. Pure functions.
 */
#ifndef N1_CORE_MODEL_LAYOUT_H
#define N1_CORE_MODEL_LAYOUT_H

#include "n1/model.h"

#define N1_LAYOUT_BYTES_MIN (UINT64_C(4) << 20)
#define N1_LAYOUT_BYTES_MAX (UINT64_C(16) << 30)

/* Splits `bytes` (N1_LAYOUT_BYTES_MIN … MAX) into capacities. */
void n1_layout_split(uint64_t bytes, uint64_t capacity[N1_SEGMENT_COUNT]);

/* Fills the segment table from capacities (each at least 1). Returns the bytes needed, 0 when they cannot be
 * had. */
uint64_t n1_layout_place(const uint64_t capacity[N1_SEGMENT_COUNT], struct n1_model_segment *segments);

/* Checks the table of a header of `bytes` of memory: kinds, strides, alignment, ranges, overlaps. On failure
 * returns the reason, else NULL. */
const char *n1_layout_check(const struct n1_model_segment *segments, uint64_t bytes);

/* Tables whose ids are 32-bit and begin at 1. STRING_BYTES is neither a table of ids nor a ring. */
int n1_layout_is_ring(enum n1_segment_kind kind);

#endif
