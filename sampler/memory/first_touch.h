/*
 * Who touches memory first: samples of page faults, taken only while somebody asks. Each stands for as many
 * faults as the period says, and so for that many pages; the period follows the target's rate of faults, so
 * that there are at most some hundred samples a second. Kinds: by the mapping, the page tables of relatives
 * (copy-on-write) and the stack pointer. First touch is not keeping: a page that is given back and used
 * again is not touched first again. Sampler thread only.
 */
#ifndef N1_SAMPLER_MEMORY_FIRST_TOUCH_H
#define N1_SAMPLER_MEMORY_FIRST_TOUCH_H

#include "sampler/engine/side.h"
#include "sampler/feed.h"

struct n1_touch;

/* Starts on all targets that live. Errors: those of n1_side_create() and n1_side_add() of the first. */
int n1_touch_start(struct n1_feed *feed, struct n1_touch **ret_touch, struct n1_error *reterr);
/* Ends it: what was sampled is delivered first. NULL is fine. */
void n1_touch_stop(struct n1_touch *touch);

int n1_touch_fd(const struct n1_touch *touch);
void n1_touch_drain(struct n1_touch *touch);
/* Once a second: targets that came, and the period. */
void n1_touch_tick(struct n1_touch *touch, n1_ns now);
/* A target has ended, and what it did has been drained. NULL is fine. */
void n1_touch_forget(struct n1_touch *touch, pid_t pid);

/* Faults that a sample stands for now, and samples lost so far. */
uint64_t n1_touch_period(const struct n1_touch *touch);
uint64_t n1_touch_lost(const struct n1_touch *touch);
size_t n1_touch_pinned(const struct n1_touch *touch);

/* The period that follows from `period` and `samples` (with those lost) in `ns`: unchanged while there are
 * between 40 and 500 samples a second, else a prime near what gives 200; at least 31, so that a burst after a
 * quiet time cannot flood the rings. Pure. */
uint64_t n1_touch_next_period(uint64_t period, uint64_t samples, n1_ns ns);

#endif
