/*
 * Side events: perf events beside the CPU clock, with small rings of their own, opened only while somebody
 * asks for them: page faults, and probes on functions. The target is not stopped; nothing of them is left
 * when they are closed.
 *
 * Each source is one kind of event, opened for every thread of the processes (threads that come later inherit
 * it). Samples of all sources are delivered in time order. Threads born in the instant of the opening may be
 * missed. Sampler thread only.
 */
#ifndef N1_SAMPLER_ENGINE_SIDE_H
#define N1_SAMPLER_ENGINE_SIDE_H

#include "sampler/engine/sample.h"

#include "n1/error.h"

enum { N1_SIDE_SOURCES_MAX = 32, N1_SIDE_EVENTS_MAX = 8192 };

/* What to count and what to tell of each sample. */
struct n1_side_source {
    uint32_t type; /* as perf_event_open(2) takes them */
    uint64_t config, config1, config2;
    uint64_t period;      /* occurrences a sample stands for; 0: count only */
    uint32_t stack_bytes; /* of user stack copied; 0: none, registers only */
    bool kernel;          /* occurrences in kernel mode too, where permitted */
};

struct n1_side_config {
    struct n1_side_source sources[N1_SIDE_SOURCES_MAX];
    unsigned source_count;
    size_t ring_bytes; /* pinned in all; 0: 4 MiB. Each CPU gets a share, at least 64 KiB */
    bool children;     /* processes that are forked inherit the events, too */
};

/* One occurrence: raw->weight_ns is the period of the event, `address` what the event tells (page faults: the
 * address touched). Borrowed until it returns. */
typedef void n1_side_sink(void *context, unsigned source, const struct n1_raw_sample *raw, uint64_t address);

struct n1_side_stats {
    uint64_t samples, lost, damaged;
    size_t pinned_bytes;
    uint32_t fds;
};

struct n1_side;

/* Makes the rings; no event is opened yet. Returns 0, N1_E_NOT_PERMITTED or -errno with the reason. */
int n1_side_create(const struct n1_side_config *config, n1_side_sink *sink, void *context,
                   struct n1_side **ret_side, struct n1_error *reterr);
void n1_side_destroy(struct n1_side *side); /* NULL is fine */

/* Opens the sources for the threads of the process whose /proc folder is `proc_fd`. Returns 0 (also when it
 * is there already), N1_E_NO_PROCESS, N1_E_NOT_PERMITTED, -E2BIG (threads times CPUs times sources are more
 * than N1_SIDE_EVENTS_MAX) or -errno; then nothing of it is open. */
int n1_side_add(struct n1_side *side, pid_t pid, int proc_fd, struct n1_error *reterr);
void n1_side_remove(struct n1_side *side, pid_t pid);

/* Changes a source's period (not from or to 0) for all threads: closes its events and opens them anew, so
 * what happens within a fraction of a millisecond is not counted. */
void n1_side_set_period(struct n1_side *side, unsigned source, uint64_t period);

/* How often a source occurred in a process so far (its inherited events included), whatever its period. */
uint64_t n1_side_count(const struct n1_side *side, pid_t pid, unsigned source);

/* A descriptor to poll for reading: some ring is half full. */
int n1_side_fd(const struct n1_side *side);

/* Delivers what there is, up to about 2 ms ago, in time order; `all`: everything. Returns how many. */
size_t n1_side_drain(struct n1_side *side, bool all);

void n1_side_stats(const struct n1_side *side, struct n1_side_stats *ret_stats);

#endif
