/*
 * Absolute deadlines on CLOCK_MONOTONIC: the n-th lies n periods after the start, so late service does not
 * add up, and deadlines that passed unserved are counted. The kernel's timer descriptors are not subject to
 * timer slack. Sampler thread only.
 */
#ifndef N1_SAMPLER_ENGINE_TICKS_H
#define N1_SAMPLER_ENGINE_TICKS_H

#include "n1/time.h"

#include <stdint.h>

struct n1_ticks {
    int fd; /* readable once a deadline has passed; -1: not open */
    uint64_t period_ns;
    uint64_t served, missed; /* deadlines: taken in time to be one of their own, and those that were not */
};

/* Makes the descriptor; no deadline yet. Returns 0 or -errno. */
int n1_ticks_init(struct n1_ticks *ticks);
void n1_ticks_finish(struct n1_ticks *ticks);

/* Deadlines every `period_ns` from now on; 0: none. Returns 0 or -errno. */
int n1_ticks_set(struct n1_ticks *ticks, uint64_t period_ns);

/* The number of deadlines that passed since the last call; 0: none. All but one count as missed. */
uint64_t n1_ticks_take(struct n1_ticks *ticks);

#endif
