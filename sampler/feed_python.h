/*
 * The Python part of a sample: the chain that an engine has read at the instant of the sample becomes frames
 * of the model, merged with the native ones where there are any. Sampler thread only.
 */
#ifndef N1_SAMPLER_FEED_PYTHON_H
#define N1_SAMPLER_FEED_PYTHON_H

#include "sampler/python/merge.h"
#include "sampler/python/python.h"
#include "sampler/walk/walker.h"

struct n1_feed;
struct n1_target;

struct n1_feed_python {
    struct n1_py_chain_reader *reader; /* NULL until the first CPython target */
    bool there;                        /* a chain of `tid` waits for its sample */
    pid_t pid, tid;
    uint64_t read, rejected; /* chains; those thrown away as inconsistent */
    struct n1_py_chain chain;
    struct n1_python_stack stack;
    struct n1_merge_frame merged[N1_WALK_FRAMES_MAX + N1_PY_FRAMES_MAX];
};

void n1_feed_python_finish(struct n1_feed_python *f);

/* Looks whether the target runs CPython, at its start and once a second while it has not; keeps its list of
 * threads fresh. `force` also when a look has said no. */
void n1_feed_python_look(struct n1_feed *feed, struct n1_target *t, n1_ns now, bool force);

/* The engine's callback `stopped`: reads the chain now. `running`: the thread is not stopped. */
void n1_feed_python_read(struct n1_feed *feed, pid_t pid, pid_t tid, bool running);

/* The chain that waits for this thread's sample as a stack; NULL when there is none. Rejected ones have an
 * `end` that says so. */
struct n1_python_stack *n1_feed_python_take(struct n1_feed *feed, struct n1_target *t, pid_t tid, n1_ns now);

/* Merges a stack with the native frames of the same instant (feed->frames, feed->walk); the result, leaf
 * first, is feed->python.merged. Returns how many frames there are. */
size_t n1_feed_python_merge(struct n1_feed *feed, struct n1_target *t, const struct n1_python_stack *stack);

/* A frame of the interpreter itself, such as "[gc]". */
uint32_t n1_feed_python_mark(struct n1_feed *feed, struct n1_target *t, const char *name,
                             enum n1_function_kind kind);

#endif
