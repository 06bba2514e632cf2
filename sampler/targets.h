/*
 * The processes being watched: one struct n1_target each, from attach to exit. Sampler thread only; owns
 * everything it holds.
 */
#ifndef N1_SAMPLER_TARGETS_H
#define N1_SAMPLER_TARGETS_H

#include "sampler/metrics/metrics.h"
#include "sampler/roster.h"
#include "sampler/target/process.h"
#include "sampler/target/space.h"
#include "sampler/target/threads.h"

#include "n1/rule.h"
#include "n1/writer.h"

/* The model's series of one scope, by metric. */
struct n1_series_set {
    uint32_t id[N1_METRIC_COUNT];  /* 0: not made yet */
    bool unknown[N1_METRIC_COUNT]; /* the last point pushed said "unknown" */
};

struct n1_seen;
struct n1_python;
struct n1_wait_set;

struct n1_target {
    pid_t pid;
    uint32_t id;                /* in the model */
    struct n1_process *process; /* identity and pidfd */
    struct n1_space space;
    struct n1_python *python; /* NULL: not CPython, or not known yet */
    bool no_python;           /* it has been looked for, and is not there */
    bool python_told;         /* why it cannot be read has been said */
    n1_ns space_loaded;       /* when the mappings were last read again for want of one */
    struct n1_roster roster;
    struct n1_threads threads;  /* of the last scan */
    struct n1_metrics *metrics; /* NULL when they cannot be read */
    struct n1_series_set series;
    uint64_t sampled_ns; /* weight of its samples so far */
    uint64_t cpu_read_ns,
        sampled_read_ns;       /* its CPU clock and sampled_ns at the last look; UINT64_MAX: no look */
    uint64_t hidden_base_ns;   /* kernel CPU time before we attached; UINT64_MAX: not known yet */
    struct n1_rules *rules;    /* its anomaly rules; NULL until the first look */
    struct n1_seen *seen;      /* functions on its blocked stacks when nothing was unusual */
    struct n1_wait_set *waits; /* what its threads wait for; NULL until the first sweep */
    n1_ns next_shift;          /* when to ask whether the CPU time went elsewhere */
    n1_ns next_seen;           /* when to look at them again */
    n1_ns attached_at, ended_at;
    int exit_status; /* wait(2) status once gone, -1 unknown */
    bool rules_over; /* the last look at a target that is gone has been taken */
    bool gone;
    bool child; /* followed, not asked for */
};

struct n1_targets {
    struct n1_target **items;
    size_t count, capacity, last; /* last: index of the last hit */
    size_t alive;
    uint64_t buried_hidden_ns; /* n1_target_hidden_ns() of those that were buried */
    bool full;                 /* a child was not taken: N1_TARGETS_MAX are watched */
    const char *labels;        /* "key=value,key=value" for every process; borrowed, NULL: none */
    struct n1_modules modules;
};

void n1_targets_init(struct n1_targets *targets);
void n1_targets_finish(struct n1_targets *targets);

/* Opens the process for `caller`, enters it into the model with its threads. Errors as n1_process_open(). */
int n1_targets_add(struct n1_targets *targets, pid_t pid, const struct n1_caller *caller, struct n1_writer *w,
                   struct n1_target **ret, struct n1_error *reterr);
struct n1_target *n1_targets_find(struct n1_targets *targets, pid_t pid);

/* Adds a child that a target forked, unless as many are watched as can be. */
int n1_targets_adopt(struct n1_targets *targets, pid_t pid, const struct n1_caller *caller,
                     struct n1_writer *w, struct n1_target **ret, struct n1_error *reterr);
/* Gives up children that are gone and of which all has been told: a build or a shell script has thousands,
 * each with a dozen descriptors. */
void n1_targets_bury(struct n1_targets *targets);

/* Kernel CPU time since it was attached; 0 as long as it is not known. */
uint64_t n1_target_hidden_ns(struct n1_target *t);

/* Lists the threads of a target again and brings roster and model up to date. */
void n1_target_scan_threads(struct n1_target *t, struct n1_writer *w, n1_ns now);
/* Children that the process has now, from /proc/PID/task/TID/children of every thread; returns how many were
 * stored. */
size_t n1_target_children(const struct n1_target *t, pid_t *ret, size_t cap);
/* Identity after an exec: exe, command line, name; mappings are forgotten and read again. */
void n1_target_exec(struct n1_target *t, const struct n1_caller *caller, struct n1_writer *w);
/* Enters the end of a target into the model. */
void n1_target_ended(struct n1_targets *targets, struct n1_target *t, struct n1_writer *w, n1_ns now);

void n1_targets_remap(struct n1_targets *targets, const struct n1_remap *remap);

#endif
