/*
 * What the samples of a running thread stand for. A stack that is copied while its thread runs on is often
 * torn, and the shorter its top function runs, the more often; throwing torn ones away would show long
 * functions too large. The function on top at the instant of the sample is known even then: it is "drawn",
 * and the sample goes to the next whole stack that has it on top. Sampler thread only; owns no memory.
 */
#ifndef N1_SAMPLER_PYTHON_DRAWS_H
#define N1_SAMPLER_PYTHON_DRAWS_H

#include "n1/time.h"

#include <stddef.h>
#include <stdint.h>

enum { N1_PY_DRAWS = 32 };

/* One thread's samples that wait for a whole stack; all zero: none. */
struct n1_py_draws {
    struct n1_py_draw {
        uint64_t code;      /* code object on top; 0: no Python code ran */
        uint64_t weight_ns; /* CPU time of all its samples that wait */
        uint32_t samples;
        n1_ns first; /* monotonic time of the oldest */
    } open[N1_PY_DRAWS];
    size_t count;
};

/* Adds a sample of `weight_ns` that drew `code`. When there is no room, the oldest is dropped: its CPU time
 * then belongs to no function. */
void n1_py_draws_add(struct n1_py_draws *draws, uint64_t code, uint64_t weight_ns, n1_ns now);

/* Takes one of the samples that wait for `code`; returns what it stands for in ns, 0 when none waits. */
uint64_t n1_py_draws_take(struct n1_py_draws *draws, uint64_t code);

/* Takes one of the samples for whose code no whole stack has come for N1_PY_DRAWS_WAIT_NS: a function that is
 * briefer than two copies never shows one. Returns what it stands for in ns, 0 when there is none. */
#define N1_PY_DRAWS_WAIT_NS N1_SECOND_NS
uint64_t n1_py_draws_overdue(struct n1_py_draws *draws, n1_ns now, uint64_t *ret_code);

#endif
