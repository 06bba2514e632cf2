/*
 * From what an engine delivers to the model: raw samples are walked, their frames and chains interned,
 * threads get their slots, mappings and processes are kept up to date. Sampler thread only.
 */
#ifndef N1_SAMPLER_FEED_H
#define N1_SAMPLER_FEED_H

#include "sampler/engine/engine.h"
#include "sampler/feed_python.h"
#include "sampler/naming.h"
#include "sampler/targets.h"
#include "sampler/walk/walker.h"

/* How much of the copied stacks the walks need, since the copy was last resized. */
struct n1_stack_need {
    uint64_t walks, too_short;
    uint64_t most_bytes;
    uint32_t copied; /* bytes copied at most, 0: not known; a stack that ended before is not cured by more */
};

struct n1_feed {
    struct n1_writer *w;
    struct n1_targets *targets;
    struct n1_naming *naming;
    struct n1_walker *walker;
    struct n1_caller caller;
    bool kernel_frames;            /* permitted */
    bool dump;                     /* samples are stacks of a dump */
    bool children;                 /* processes that a target forks become targets */
    uint32_t last_node, last_leaf; /* of the latest stack entered */
    n1_ns last_sample;             /* time of the latest sample delivered */
    uint64_t throttled;
    struct n1_stack_need need;
    struct n1_feed_python python;
    struct n1_error python_why; /* why a CPython target shows native frames only; code 0: no reason */
    struct n1_walk walk;        /* of the last chain */
    struct n1_walk_frame frames[N1_WALK_FRAMES_MAX];
};

/* The sink that an engine delivers into; `feed` must outlive the engine. */
struct n1_engine_sink n1_feed_sink(struct n1_feed *feed);

/* The model's frame of a walked one; its name is asked for in due course. */
uint32_t n1_feed_frame(struct n1_feed *feed, struct n1_target *t, const struct n1_walk_frame *frame);

/* Walks a raw sample's stack and interns it: returns the chain's node, with the leaf's frame in *ret_leaf; 0
 * where something did not fit. *flags gets N1_SAMPLE_TRUNCATED when the walk ended early. */
uint32_t n1_feed_chain(struct n1_feed *feed, struct n1_target *t, const struct n1_raw_sample *raw,
                       uint32_t *flags, uint32_t *ret_leaf);

/* The thread's slot in the model, made when it is new; 0 without memory. */
uint32_t n1_feed_slot(struct n1_feed *feed, struct n1_target *t, pid_t tid, n1_ns time);

/* Enters one stack of a thread: used by the sink and by dumps. `cpu` UINT32_MAX: the thread was blocked. */
void n1_feed_stack(struct n1_feed *feed, struct n1_target *t, uint32_t slot, const struct n1_raw_sample *raw,
                   uint32_t flags);

#endif
