/*
 * Engines with deadlines of their own: at each one it looks which threads run, and takes a sample of them.
 * Either a thread is stopped for a few reads (engine ptrace), then a sample has registers and stack; or it
 * runs on (engine nonstop), then it has none. In both the sink's `stopped` reads what else belongs to this
 * instant. A thread's samples stand for the CPU time that its scheduler statistics show. Sampler thread only.
 */
#ifndef N1_SAMPLER_ENGINE_NONSTOP_H
#define N1_SAMPLER_ENGINE_NONSTOP_H

#include "sampler/engine/engine.h"

/* Creates the engine; `stop`: each thread is stopped for its sample. `sink` is copied. Returns 0, -ENOMEM or
 * -errno. */
int n1_nonstop_create(uint32_t rate_hz, bool stop, const struct n1_engine_sink *sink, struct n1_engine *ret,
                      struct n1_error *reterr);

#endif
