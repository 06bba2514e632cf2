/*
 * How long a sampler goes on with nobody watching: a clock and a budget, without a clock or figures of its
 * own, so that a test can turn them. Sampler thread only.
 */
#ifndef N1_SAMPLER_VIEWERS_LINGER_H
#define N1_SAMPLER_VIEWERS_LINGER_H

#include "n1/time.h"

#include <stdbool.h>
#include <stdint.h>

#define N1_LINGER_WINDOW_NS (30 * N1_SECOND_NS) /* over which the CPU budget is judged */

struct n1_linger {
    n1_ns span;            /* how long, from when the last screen has gone; 0: not at all */
    double cpu_percent;    /* of one CPU; 0: no limit */
    uint64_t memory_bytes; /* 0: no limit */
    n1_ns since;           /* alone since; 0: watched */
    n1_ns mark;            /* beginning of the window … */
    uint64_t cpu_mark;     /* … and the CPU time used until then, ns */
};

enum n1_linger_verdict {
    N1_LINGER_STAY,
    N1_LINGER_TIME,  /* the time is over: end */
    N1_LINGER_CPU,   /* a whole window cost more than the budget: stop sampling, keep what there is */
    N1_LINGER_MEMORY /* more memory than the budget: end */
};

/* The last screen has gone, or one has come. */
void n1_linger_alone(struct n1_linger *l, n1_ns now, uint64_t cpu_ns);
void n1_linger_joined(struct n1_linger *l);
/* Nanoseconds left; 0 while somebody watches. */
n1_ns n1_linger_left(const struct n1_linger *l, n1_ns now);
/* What is due now, with what the sampler has cost so far. STAY while somebody watches. */
enum n1_linger_verdict n1_linger_look(struct n1_linger *l, n1_ns now, uint64_t cpu_ns, uint64_t memory_bytes);

#endif
