/*
 * Waits of the targets' threads as episodes, without stopping anybody. A sweep reads every thread's schedstat
 * by a kept descriptor; one that has not been put on a CPU since it was seen blocked still waits for the same
 * thing and costs no more. Others are looked at: /proc/TID/syscall, one read of the stack, and schedstat
 * again, which tells whether the thread moved meanwhile. Sampler thread only.
 *
 * How long: the kernel counts what a thread ran and what it queued for a CPU, so what is left between two
 * reads is time blocked, to the nanosecond. That time goes to the waits seen at its two ends, half and half,
 * to the one where there is one, or to the next one seen. So the sum over a thread is exact and the split
 * into classes without bias; a wait's own start and end are as precise as the sweep is often.
 */
#ifndef N1_SAMPLER_WAITS_WAITS_H
#define N1_SAMPLER_WAITS_WAITS_H

#include "sampler/feed.h"

struct n1_waits;
struct n1_wait_set;

struct n1_waits_stats {
    uint64_t sweeps, reads, looks; /* threads whose schedstat was read; that were looked at more closely */
    uint64_t moved;                /* looks in vain: the thread woke meanwhile */
    n1_ns cost_ns, last_ns;        /* CPU time of all sweeps, and of the last one */
    n1_ns period_ns;               /* mean time between two sweeps now */
};

/* `rate_hz` sweeps a second (1 to 100) as long as they cost little. `feed` is borrowed. */
int n1_waits_create(struct n1_feed *feed, unsigned rate_hz, struct n1_waits **ret);
void n1_waits_destroy(struct n1_waits *waits); /* NULL is fine */

/* When the next sweep is due. */
n1_ns n1_waits_due(const struct n1_waits *waits);
/* One sweep over all targets; sets the next time. */
void n1_waits_sweep(struct n1_waits *waits, n1_ns now);
/* Waits that last are over, or no longer watched, as of `now`. */
void n1_waits_end(struct n1_waits *waits, struct n1_target *t, n1_ns now);
void n1_waits_remap(struct n1_waits *waits, const struct n1_remap *remap);
void n1_waits_stats(const struct n1_waits *waits, struct n1_waits_stats *ret);

/* One look at every thread of a target, for a dump: an open wait for each that is blocked. */
void n1_waits_look(struct n1_waits *waits, struct n1_target *t, n1_ns now);

/* A target's figures of waits (N1_METRIC_WAIT_*) into an array by metric id; the others are left alone. What
 * is not known, because nothing has been swept yet or the kernel refuses, is invalid. */
void n1_waits_points(const struct n1_target *t, n1_ns now, struct n1_metric_point *ret);
/* Why they are invalid, static. */
const char *n1_waits_reason(const struct n1_target *t);

void n1_wait_set_destroy(struct n1_wait_set *set); /* of a target that goes; NULL is fine */

#endif
