/*
 * Keeps the sampler inside limits.cpu_percent and limits.memory_mb by lowering the sampling rate in steps,
 * and raises it again when that has become affordable. Pure: figures in, a rate out; it works for any engine.
 * Called once a second.
 */
#ifndef N1_SAMPLER_GOVERNOR_H
#define N1_SAMPLER_GOVERNOR_H

#include "n1/model.h"
#include "n1/time.h"

#include <stdbool.h>

#define N1_GOVERNOR_SECONDS 5 /* a mean of so many seconds is judged: names and tables come in bursts */

struct n1_governor {
    double cpu_percent;    /* limit, of one CPU; 0: none */
    uint64_t memory_bytes; /* limit; 0: none */
    uint32_t asked_hz;     /* rate asked for by the user; 0: not known yet */
    uint32_t rate_hz;      /* in force */
    enum n1_governor_reason reason;
    n1_ns last;
    uint64_t last_cpu_ns;
    double shares[N1_GOVERNOR_SECONDS]; /* own CPU of the last seconds in % of one CPU */
    unsigned seconds;                   /* of them known, since the last change of the rate */
    unsigned calm;                      /* seconds in a row in which twice the rate could be afforded */
    unsigned calm_needed;               /* doubles each time a raise did not last */
    n1_ns raised;                       /* when the rate was last raised; 0: never */
    n1_ns memory_lowered;               /* when memory last lowered it */
};

void n1_governor_init(struct n1_governor *g, double cpu_percent, uint64_t memory_bytes);

/* How limits.memory_mb is divided: the model, the engine's rings, and the rest for tables and names. */
void n1_governor_split(uint64_t limit_bytes, uint64_t *ret_model_bytes, uint64_t *ret_ring_bytes);

/* The user asks for another rate: it is in force at once, and judged anew. */
void n1_governor_asked(struct n1_governor *g, uint32_t hz);

/* `cpu_ns`: CPU time used by the sampler and its helpers so far; `memory_bytes`: PSS and pinned pages.
 * Returns the rate that should be in force; it differs from g->rate_hz when it is to be changed, and
 * n1_governor_applied() is then due. */
uint32_t n1_governor_look(struct n1_governor *g, n1_ns now, uint64_t cpu_ns, uint64_t memory_bytes);

/* The rate was changed to what n1_governor_look() said; `failed`: it could not be. */
void n1_governor_applied(struct n1_governor *g, n1_ns now, uint32_t hz, bool failed);

/* Mean own CPU of the seconds judged, in % of one CPU; < 0: not known. */
double n1_governor_share(const struct n1_governor *g);

#endif
