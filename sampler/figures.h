/*
 * The once-a-second figures: metrics of targets and host into their series, threads' run and wait times, and
 * what the sampler says of itself. Sampler thread only.
 */
#ifndef N1_SAMPLER_FIGURES_H
#define N1_SAMPLER_FIGURES_H

#include "sampler/engine/engine.h"
#include "sampler/naming.h"
#include "sampler/targets.h"

struct n1_figures {
    uint64_t damaged_told; /* of the engine's stats, already in the model */
    struct n1_writer *w;
    struct n1_metrics *host;
    struct n1_series_set host_series;
    n1_ns memory_read; /* when our own PSS was read last */
};

void n1_figures_init(struct n1_figures *f, struct n1_writer *w);
void n1_figures_finish(struct n1_figures *f);

/* Reads what is due of every target that lives, and of the host. */
void n1_figures_read(struct n1_figures *f, struct n1_targets *targets, n1_ns now);
/* CPU, memory, rate and losses of the sampler. `engine` may be none. */
void n1_figures_self(struct n1_figures *f, struct n1_targets *targets, const struct n1_naming *naming,
                     const struct n1_engine *engine, n1_ns now);
/* What the samples account for: CPU time of the targets since the last look against the weight of their
 * samples. `sampling`: they were sampled all the while; a pause is left out. */
void n1_figures_coverage(struct n1_figures *f, struct n1_targets *targets, bool sampling);
void n1_figures_remap(struct n1_figures *f, struct n1_targets *targets);

#endif
