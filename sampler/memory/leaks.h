/*
 * One look for leaks in one process: which large mappings came and stayed, and, where it is permitted and not
 * too dear, what its allocator's blocks do. Sampler thread only.
 */
#ifndef N1_SAMPLER_MEMORY_LEAKS_H
#define N1_SAMPLER_MEMORY_LEAKS_H

#include "sampler/memory/allocations.h"
#include "sampler/memory/regions.h"

#include "n1/control.h"

struct n1_leaks {
    struct n1_feed *feed;
    struct n1_target *target; /* NULL: no look is being taken */
    struct n1_regions before; /* mappings at the begin */
    struct n1_allocations *allocations;
    bool undecided; /* the begin has not been answered */
    bool told;      /* that tracing ended by itself */
};

/* Returns 1 when it will be known a little later whether the allocator is traced (n1_leaks_drain() tells), 0
 * when it is not to be, or why it is not (the look goes on without). Another look is ended first. */
int n1_leaks_begin(struct n1_leaks *leaks, struct n1_feed *feed, struct n1_target *t,
                   enum n1_control_leaks how, struct n1_error *reterr);
/* Often. Returns 1 when the begin is to be answered now, with *reterr; 2 when tracing ended by itself, with
 * the reason there; else 0. */
int n1_leaks_drain(struct n1_leaks *leaks, struct n1_error *reterr);
/* Publishes what was found and takes every probe away; nothing happens when there is no look. */
void n1_leaks_end(struct n1_leaks *leaks);

int n1_leaks_fd(const struct n1_leaks *leaks); /* to poll for reading; -1: nothing */

#endif
