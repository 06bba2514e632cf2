/*
 * The seam between an engine and the rest of the sampler: an engine takes samples and reports what happened
 * to the tasks it watches, all in time order, through one sink. Sampler thread only.
 */
#ifndef N1_SAMPLER_ENGINE_ENGINE_H
#define N1_SAMPLER_ENGINE_ENGINE_H

#include "sampler/engine/sample.h"

#include "n1/error.h"
#include "n1/model.h"

/* A file or anonymous range that became executable in a task (perf's MMAP2, or a scan of /proc/PID/maps). */
struct n1_mmap_event {
    pid_t pid;
    uint64_t start, end; /* addresses in the target */
    uint64_t file_offset;
    uint32_t dev_major, dev_minor;
    uint64_t inode;
    const char *path; /* as the kernel gives it: "//anon", "[vdso]", "/usr/lib/x.so", perhaps " (deleted)" */
};

/* Callbacks; `context` comes back first. A NULL member is not called. Events of one drain come in time order.
 */
struct n1_engine_sink {
    void *context;
    void (*sample)(void *context, const struct n1_raw_sample *sample);
    /* The thread is stopped, or (engine nonstop, user NULL) running: what must be read now is read here. Its
     * sample follows. Nothing but reads of its memory may be done. */
    void (*stopped)(void *context, pid_t pid, pid_t tid, const struct n1_user_state *user);
    void (*mmap)(void *context, n1_ns time, const struct n1_mmap_event *event);
    void (*comm)(void *context, n1_ns time, pid_t pid, pid_t tid, const char *name, bool exec);
    void (*fork)(void *context, n1_ns time, pid_t pid, pid_t tid, pid_t parent_pid, pid_t parent_tid);
    void (*exit)(void *context, n1_ns time, pid_t pid, pid_t tid);
    void (*lost)(void *context, n1_ns time, uint64_t count); /* samples the kernel had no room for */
    void (*race)(void *context); /* a stop cut a system call of the target short (EINTR, a short write) */
    void (*throttle)(void *context, n1_ns time,
                     bool throttled); /* the kernel lowered the rate, or gave it back */
};

/* What every engine can say of itself; counts since it was created. */
struct n1_engine_stats {
    uint32_t rate_asked_hz, rate_used_hz;
    uint32_t slowed_hz;   /* what a process of many context switches is sampled at instead; 0: none is */
    uint64_t period_ns;   /* CPU time that one sample stands for; 0 while paused */
    uint32_t stack_bytes; /* user stack copied with a sample; 0: none */
    size_t pinned_bytes;  /* pages pinned for rings */
    bool kernel_frames;   /* kernel mode is sampled */
    uint64_t damaged;     /* records or reads that made no sense and were thrown away */
    uint64_t missed;      /* samples that were due and could not be taken */
    uint64_t traced;      /* threads left alone because another traces them */
    pid_t traced_by;      /* who did so last */
    uint64_t pause_p50_ns, pause_p99_ns; /* how long threads were stopped; 0: never */
};

/* The operations of an engine. Sampler thread only; the sink is called from drain only (`race` from destroy
 * too), and may remove processes. Return values: 0 or a negative code. */
struct n1_engine_ops {
    enum n1_engine_kind kind;
    /* Samples all threads of a process from now on, also those being born; 0 when it is there already. */
    int (*add_process)(void *engine, pid_t pid, struct n1_error *reterr);
    void (*remove_process)(void *engine, pid_t pid);
    int (*fd)(const void *engine); /* readable when it is time to drain; stays the engine's */
    /* Delivers what is due, in time order; with `all` everything that is there. */
    void (*drain)(void *engine, bool all);
    int (*set_rate)(void *engine, uint32_t rate_hz);
    int (*set_stack)(void *engine, uint32_t bytes); /* NULL: the engine has no choice */
    int (*pause)(void *engine, bool paused);
    void (*stats)(const void *engine, struct n1_engine_stats *ret);
    void (*destroy)(void *engine); /* nothing of it stays in a target */
};

/* An engine at work; `ops` NULL: none is. */
struct n1_engine {
    const struct n1_engine_ops *ops;
    void *self;
};

#endif
