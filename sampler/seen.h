/*
 * What stands on the stacks of a target's blocked threads, to tell what is new there: a culprit that opens
 * files, starts threads or holds memory need not burn CPU, but it is often still on a stack when the figures
 * jump. Stacks are read without a stop (blocked.h), at most 64 a look. Sampler thread only.
 */
#ifndef N1_SAMPLER_SEEN_H
#define N1_SAMPLER_SEEN_H

#include "sampler/feed.h"

enum { N1_SEEN_THREADS = 64, N1_SEEN_FRAMES = 64 };

/* Frames of blocked threads' stacks at one moment, root first; names come a moment later. */
struct n1_stacks {
    n1_ns time;
    size_t count;
    struct {
        uint32_t frames[N1_SEEN_FRAMES]; /* model ids */
        uint32_t len;
    } stacks[N1_SEEN_THREADS];
};

/* Functions that have been seen on blocked stacks, as a set of model ids. */
struct n1_seen {
    uint64_t *bits;
    size_t capacity;           /* ids */
    size_t looks;              /* stacks folded in */
    struct n1_stacks *waiting; /* taken when nothing was unusual; NULL: none */
};

void n1_seen_finish(struct n1_seen *seen);
/* Forgets everything: function ids have changed. */
void n1_seen_clear(struct n1_seen *seen);

/* Reads the stacks of the blocked threads of `t` (those of its last scan) as they stand now, the oldest
 * first. */
void n1_stacks_take(struct n1_feed *feed, struct n1_target *t, struct n1_stacks *ret);

/* True when every frame of `stacks` has a name, or will never have one. */
bool n1_stacks_named(const struct n1_stacks *stacks, const struct n1_writer *w);

/* Adds the functions of `stacks` that have names by now. */
void n1_seen_add(struct n1_seen *seen, const struct n1_writer *w, const struct n1_stacks *stacks);

/* Has `stacks` (copied) wait for n1_seen_settle(): an anomaly is known a second or more after it has begun,
 * and its culprit must not have become usual in between. n1_seen_doubt() drops what waits, because an anomaly
 * was found. */
void n1_seen_wait(struct n1_seen *seen, const struct n1_stacks *stacks);
void n1_seen_doubt(struct n1_seen *seen);
/* Adds what has waited for N1_SEEN_WAIT_NS, or for its names, but those for N1_SEEN_NAMES_NS at most. True
 * when nothing waits (any more). */
#define N1_SEEN_WAIT_NS (5 * N1_SECOND_NS)
#define N1_SEEN_NAMES_NS (30 * N1_SECOND_NS)
bool n1_seen_settle(struct n1_seen *seen, const struct n1_writer *w, n1_ns now);

/* The functions by which the stacks depart from what was seen before: on each stack the first one from the
 * root that is new. Each once; at most `cap`; returns how many. 0 when nothing was ever seen before. */
size_t n1_seen_new(const struct n1_seen *seen, const struct n1_writer *w, const struct n1_stacks *stacks,
                   uint32_t *ret_functions, size_t cap);

#endif
