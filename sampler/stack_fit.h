/*
 * Fitting the bytes of stack that the kernel copies with each sample to what the walks need: copying is most
 * of what a sample costs the target beyond the timer tick itself, and most stacks are shallow. A copy that
 * runs over the end of the stack costs 5.5 us more (a page fault in a virtual machine), each cold KiB about
 * 0.7 us.
 */
#ifndef N1_SAMPLER_STACK_FIT_H
#define N1_SAMPLER_STACK_FIT_H

#include "sampler/engine/engine.h"
#include "sampler/feed.h"

struct n1_stack_fit {
    uint32_t too_little;   /* stacks were cut short with so many bytes: never again as few; 0: never */
    uint32_t failed_bytes; /* a size the engine refused; not tried again */
};

/* The size to copy from now on, given the present one and the need seen with it: `bytes` itself when nothing
 * speaks for a change. Pure. 1 KiB to 32 KiB. */
uint32_t n1_stack_fit_bytes(const struct n1_stack_fit *fit, const struct n1_stack_need *need, uint32_t bytes);

/* Applies it; `need` starts anew after a change. Returns 1 when more is copied than before, -1 when less,
 * else 0. */
int n1_stack_fit(struct n1_stack_fit *fit, struct n1_stack_need *need, const struct n1_engine *engine);

#endif
