/*
 * Stops one thread for the time of a few reads: seize, interrupt, registers, stack, whatever the caller reads
 * in between, detach. Between two stops nothing is traced: a debugger can attach, and signals take their
 * course. A guardian process ends the tracer when a stop is older than 100 ms, since a frozen tracer would
 * mean a frozen target; the kernel then lets the thread go. Sampler thread only.
 */
#ifndef N1_SAMPLER_ENGINE_SHORT_STOP_H
#define N1_SAMPLER_ENGINE_SHORT_STOP_H

#include "sampler/engine/sample.h"

#include "n1/error.h"

struct n1_short_stop;

struct n1_short_stop_stats {
    uint64_t stops;
    uint64_t refused;                /* seizing was not permitted, or a debugger is there */
    uint64_t slow;                   /* did not stop in time; let go as soon as it does */
    uint64_t interrupted;            /* system calls that returned early because of a stop */
    uint64_t p50_ns, p99_ns, max_ns; /* how long threads were stopped */
};

int n1_short_stop_create(struct n1_short_stop **ret, struct n1_error *reterr);
/* Lets go whatever is still held; NULL is fine. */
void n1_short_stop_destroy(struct n1_short_stop *s);

/* Stops a thread that was running a moment ago, fills *user (its stack bytes stay valid until the next call),
 * calls `read` with it and lets the thread go. Returns 0; -EPERM refused, -ESRCH gone, -ETIMEDOUT it did not
 * stop within 2 ms. */
int n1_short_stop_take(struct n1_short_stop *s, pid_t tid,
                       void (*read)(void *context, const struct n1_user_state *user), void *context,
                       struct n1_user_state *user);
/* Threads that did not stop in time: looks whether one has, and lets it go. Call at each deadline. */
void n1_short_stop_late(struct n1_short_stop *s);

void n1_short_stop_stats(const struct n1_short_stop *s, struct n1_short_stop_stats *ret);

#endif
