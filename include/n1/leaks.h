/*
 * Does a process grow, and who keeps what it took: over the model. Pure over the reader, between
 * n1_reader_begin() and n1_reader_end(); any thread.
 */
#ifndef N1_LEAKS_H
#define N1_LEAKS_H

#include "n1/metric.h"
#include "n1/profile.h"

/* Growth of a gauge of a process over a window, its first third left out: programs warm up. */
struct n1_growth {
    bool known;       /* there are enough points */
    bool significant; /* steady (Mann-Kendall, p <= 0.01, of blocks longer than the autocorrelation), 1 MB or
                         more over the window at its pace */
    double first, last; /* value at the begin and the end of what was looked at */
    double per_second;  /* Theil-Sen slope */
    double seconds;     /* looked at */
    double p;           /* NAN when unknown */
};
/* Returns 0 or -ENOMEM. */
int n1_growth_of(struct n1_reader *r, enum n1_metric_id metric, uint32_t process, struct n1_window window,
                 struct n1_growth *ret);

/* What the last look for leaks in the window found. */
struct n1_keeper {
    enum n1_memory_kind kind; /* KEPT: a stack of calls whose blocks grew; MAPPED: a mapping that stayed */
    uint64_t bytes, blocks;   /* blocks: of KEPT */
    uint64_t address;         /* of MAPPED */
    uint32_t node, leaf; /* stack (model ids): of KEPT the allocator's caller is the leaf; of MAPPED of the
                            one that touched most of it first, 0: not seen */
    double touched;      /* MAPPED: the part of what was touched in it that this stack touched */
};
/* Fills up to `cap`, largest first of each kind, KEPT before MAPPED; returns how many there are of both, at
 * most 1024. */
size_t n1_keepers(struct n1_reader *r, struct n1_window window, struct n1_keeper *ret, size_t cap);

#endif
