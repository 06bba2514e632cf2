/*
 * The walker: from the registers and the copied stack of one thread to the chain of frames, leaf first. One
 * walker serves every feed and every process. Order at each frame: compact unwind table, PLT rule, frame
 * pointer where no rule is known (JIT code), libunwind; then the walk ends and says why. Nothing of the
 * target is touched but its files. Sampler thread only.
 */
#ifndef N1_SAMPLER_WALK_WALKER_H
#define N1_SAMPLER_WALK_WALKER_H

#include "sampler/engine/sample.h"
#include "sampler/target/space.h"
#include "sampler/walk/arch.h"

#define N1_WALK_FRAMES_MAX 512

enum n1_frame_flag {
    N1_FRAME_CALLER = 1, /* pc is a return address */
    N1_FRAME_SIGNAL = 2, /* trampoline of a signal handler; the next frame was interrupted, not called */
    N1_FRAME_BY_FP = 4,  /* found by the frame pointer: right for JIT code, a guess elsewhere */
    N1_FRAME_BY_LIBUNWIND = 8, /* found by libunwind */
};

struct n1_walk_frame {
    uint64_t pc;     /* address in the target: of the instruction (leaf, interrupted) or of the return */
    uint64_t offset; /* where in the module; for callers of the byte before pc, so inside the call */
    struct n1_module
        *module;    /* borrowed until the address space changes; NULL: address in no known mapping */
    uint32_t flags; /* enum n1_frame_flag */
};

/* X(code, text): how a walk ended. */
#define N1_WALK_END_MAP(X)                                                                                   \
    X(COMPLETE, "complete")                                                                                  \
    X(NO_STACK, "no user stack was copied")                                                                  \
    X(SHORT, "the stack copy is too short")                                                                  \
    X(NO_RULE, "no unwind information")                                                                      \
    X(BAD_FP, "the frame pointer is not usable")                                                             \
    X(UNMAPPED, "a return address lies in no known code")                                                    \
    X(TOO_DEEP, "more frames than are kept")                                                                 \
    X(LOOP, "the stack does not lead upwards")                                                               \
    X(LIBUNWIND, "libunwind found no caller")

enum n1_walk_end {
#define X(code, text) N1_WALK_##code,
    N1_WALK_END_MAP(X)
#undef X
        N1_WALK_ENDS
};

struct n1_walk {
    size_t count;         /* frames filled */
    enum n1_walk_end end; /* everything but COMPLETE means truncated */
    uint32_t libunwind;   /* steps that needed libunwind */
    uint64_t stack_used;  /* bytes of the stack copy that the frames found lie in */
};

/* Counts since the walker was created. */
struct n1_walker_counters {
    uint64_t walks, frames;
    uint64_t ends[N1_WALK_ENDS];
    uint64_t steps[N1_UNWIND_KINDS]; /* steps by kind of rule; NONE = by frame pointer */
    uint64_t cache_misses;
    uint64_t walks_with_libunwind, libunwind_steps;
};

struct n1_walker;

/* A walker keeping at most `max_frames` a chain (1 to 512). Returns 0, -EINVAL, -ENOMEM. About 0.6 MB. */
int n1_walker_create(size_t max_frames, struct n1_walker **ret_walker);
void n1_walker_destroy(struct n1_walker *walker);

/* Walks `state` in `space` into `frames` (capacity `cap`). May open modules and build their tables at the
 * first hit (up to 2 ms; those of large modules are built aside, see unwind.h); otherwise allocates nothing.
 * The tables stay with the modules. */
void n1_walker_walk(struct n1_walker *walker, struct n1_space *space, const struct n1_user_state *state,
                    struct n1_walk_frame *frames, size_t cap, struct n1_walk *ret_walk);

const struct n1_walker_counters *n1_walker_counters(const struct n1_walker *walker);

/* One line of plain English for an end. */
const char *n1_walk_end_text(enum n1_walk_end end);

#endif
