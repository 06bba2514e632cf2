/*
 * libunwind over a copied stack: the fall-back for frames that no compact rule describes, and the oracle of
 * the tests. Own accessors: the stack copy, and module bytes read from files; never UPT, never the live
 * target. One instance serves all processes; its cache is flushed when the (space, generation) it was used
 * with changes. Sampler thread only.
 */
#ifndef N1_SAMPLER_WALK_LIBUNWIND_H
#define N1_SAMPLER_WALK_LIBUNWIND_H

#include "sampler/engine/sample.h"
#include "sampler/target/space.h"
#include "sampler/walk/arch.h"

struct n1_libunwind;

/* Returns 0 or -ENOMEM. */
int n1_libunwind_create(struct n1_libunwind **ret_lu);
void n1_libunwind_destroy(struct n1_libunwind *lu);

/* One step from the frame `depth` (0 = leaf) of the walk of `state`, whose registers so far are `*regs`.
 * Steps from the leaf, so that all callee-saved registers are known; when libunwind's own chain does not pass
 * through `*regs`, starts at them. Returns 1 and the caller's registers, 0 at the outermost frame, -ENODATA
 * when it finds no way.
 * `*ret_interrupted`: the frame left was a signal trampoline. */
int n1_libunwind_step(struct n1_libunwind *lu, struct n1_space *space, const struct n1_user_state *state,
                      size_t depth, struct n1_frame_regs *regs, bool *ret_interrupted);

/* The whole chain by libunwind alone: up to `cap` pcs, leaf first. Returns their number; `*ret_complete` when
 * the outermost frame was reached, not an error. */
size_t n1_libunwind_chain(struct n1_libunwind *lu, struct n1_space *space, const struct n1_user_state *state,
                          uint64_t *pcs, size_t cap, bool *ret_complete);

#endif
