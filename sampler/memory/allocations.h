/*
 * Exact tracing of a target's allocator over a bounded span: probes (uprobes, by perf_event_open) at the
 * returns of malloc and its kin and at the entry of free. They are breakpoints that the kernel puts into its
 * copy of the page for this process: the one thing n1top writes into a target, so only on request. They are
 * gone when the trace is closed, on whatever way, the death of the sampler included.
 *
 * A start first counts calls for a quarter of a second and predicts the cost; a trace over its budget is not
 * begun, and one that becomes too costly ends by itself. When calls are many, one in so many allocations is
 * followed to its end (all frees are seen), and figures are scaled. Sampler thread only.
 */
#ifndef N1_SAMPLER_MEMORY_ALLOCATIONS_H
#define N1_SAMPLER_MEMORY_ALLOCATIONS_H

#include "sampler/feed.h"

struct n1_allocations;

enum n1_allocations_state {
    N1_ALLOCATIONS_COUNTING, /* the cost is being predicted */
    N1_ALLOCATIONS_TRACING,
    N1_ALLOCATIONS_REFUSED, /* over budget: n1_allocations_cost() tells */
    N1_ALLOCATIONS_STOPPED  /* by itself: too costly; what was seen can be published */
};

/* Begins with the counting. `budget`: the part of one CPU that it may cost the target (0.02 is 2 %); it ends
 * by itself at twice that. Errors: N1_E_FAILED (no allocator, or one that must not be probed),
 * N1_E_NOT_PERMITTED (needs CAP_PERFMON or root), -errno. */
int n1_allocations_start(struct n1_feed *feed, struct n1_target *t, double budget,
                         struct n1_allocations **ret, struct n1_error *reterr);
/* Takes every probe away. NULL is fine. */
void n1_allocations_destroy(struct n1_allocations *a);

int n1_allocations_fd(const struct n1_allocations *a); /* to poll for reading; -1 while there is none */
/* Takes what came; often. Returns the state. */
enum n1_allocations_state n1_allocations_drain(struct n1_allocations *a);

/* Predicted or current cost to the target, as a part of one CPU; calls a second; one in how many allocations
 * is followed. */
struct n1_allocations_cost {
    double cpu, calls_per_s;
    uint64_t one_in;
    uint64_t lost; /* probes whose record found no room; each time all blocks are forgotten */
};
struct n1_allocations_cost n1_allocations_cost(const struct n1_allocations *a);

/* Writes what was found into the model's MEMORY ring: an entry of kind KEPT for each stack whose live bytes
 * grew steadily. Returns how many. */
size_t n1_allocations_publish(struct n1_allocations *a);

#endif
