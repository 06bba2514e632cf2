/*
 * Which entries of the model tell of a window: samples of the fine ring by their times, and, for what the
 * ring no longer holds, a range of the per-second rows before them. The two never tell of the same second.
 * Internal to core/.
 */
#ifndef CORE_ANALYSIS_SPAN_H
#define CORE_ANALYSIS_SPAN_H

#include "n1/profile.h"

struct n1_range {
    uint64_t from, to; /* ring indices, half open */
};

struct n1_span {
    struct n1_window window; /* really covered */
    enum n1_resolution resolution;
    struct n1_range rows;
    struct n1_window samples; /* times; empty: none */
};

void n1_span_plan(const struct n1_reader *r, struct n1_window window, struct n1_span *ret);

/* Rows of whole finished seconds inside the window: [*ret_first, return value) in seconds since creation, of
 * the last day at most (a clock of the model is no reason to allocate without end). */
#define N1_SPAN_SECONDS_MAX UINT64_C(86400)
uint32_t n1_span_seconds(const struct n1_reader *r, struct n1_window window, uint32_t *ret_first,
                         struct n1_range *ret_rows);

/* How far out of order samples may lie in the ring: threads are drained one after another. */
#define N1_SPAN_DISORDER_NS (2 * N1_SECOND_NS)
/* Indices between which all samples with times in [from, to) lie, and others too. */
struct n1_range n1_span_indices(const struct n1_reader *r, n1_ns from, n1_ns to);

/* What samples and rows have in common. */
struct n1_span_entry {
    uint64_t index;
    n1_ns time; /* rows: the start of the second */
    uint64_t ns;
    uint32_t thread, node, leaf, flags;
    uint32_t count, second; /* second: rows only */
};

/* Calls `each` for every entry of a range of indices; dumps, which stand for no time, are left out. Stops at
 * the first result that is not 0 and returns it. *ret_lost grows by what was lapped meanwhile. */
typedef int n1_span_each(void *context, const struct n1_span_entry *entry);
int n1_span_samples(const struct n1_reader *r, struct n1_range range, n1_span_each *each, void *context,
                    uint64_t *ret_lost);
int n1_span_rows(const struct n1_reader *r, struct n1_range range, n1_span_each *each, void *context,
                 uint64_t *ret_lost);

/* Calls `each` for every entry of a planned span, rows first. */
int n1_span_walk(const struct n1_reader *r, const struct n1_span *span, n1_span_each *each, void *context);

#endif
