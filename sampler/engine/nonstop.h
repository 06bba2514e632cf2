/*
 * Engine without stopping: at absolute deadlines it looks which threads run and asks, through the sink's
 * `stopped`, for a copy of their Python stacks while they run on. It has no native stacks. A thread's samples
 * stand for the CPU time that its scheduler statistics show. Sampler thread only; the sink is called from
 * n1_nonstop_drain() only.
 */
#ifndef N1_SAMPLER_ENGINE_NONSTOP_H
#define N1_SAMPLER_ENGINE_NONSTOP_H

#include "sampler/engine/engine.h"

struct n1_nonstop;

struct n1_nonstop_stats {
    uint32_t rate_asked_hz, rate_used_hz;
    uint64_t period_ns;
    uint64_t ticks;  /* deadlines served */
    uint64_t missed; /* deadlines that passed while an earlier one was served */
    bool paused;
};

int n1_nonstop_create(uint32_t rate_hz, const struct n1_engine_sink *sink, struct n1_nonstop **ret,
                      struct n1_error *reterr);
void n1_nonstop_destroy(struct n1_nonstop *n);
/* Samples the threads of a process from now on. Returns 0, N1_E_NO_PROCESS, -ENOMEM. */
int n1_nonstop_add_process(struct n1_nonstop *n, pid_t pid, struct n1_error *reterr);
void n1_nonstop_remove_process(struct n1_nonstop *n, pid_t pid);
/* Readable at a deadline; stays the engine's. */
int n1_nonstop_fd(const struct n1_nonstop *n);
/* Serves the deadlines that have passed; returns the number of samples delivered. */
size_t n1_nonstop_drain(struct n1_nonstop *n);
int n1_nonstop_set_rate(struct n1_nonstop *n, uint32_t rate_hz);
int n1_nonstop_pause(struct n1_nonstop *n, bool paused);
void n1_nonstop_stats(const struct n1_nonstop *n, struct n1_nonstop_stats *ret);

#endif
