/*
 * Engine without stopping: at absolute deadlines it looks which threads run and asks, through the sink's
 * `stopped`, for a copy of their Python stacks while they run on. It has no native stacks. A thread's samples
 * stand for the CPU time that its scheduler statistics show. Sampler thread only.
 */
#ifndef N1_SAMPLER_ENGINE_NONSTOP_H
#define N1_SAMPLER_ENGINE_NONSTOP_H

#include "sampler/engine/engine.h"

/* Creates the engine. `sink` is copied. Returns 0, -ENOMEM or -errno. */
int n1_nonstop_create(uint32_t rate_hz, const struct n1_engine_sink *sink, struct n1_engine *ret,
                      struct n1_error *reterr);

#endif
