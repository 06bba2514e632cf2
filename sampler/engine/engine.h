/*
 * The seam between an engine and the rest of the sampler: an engine takes samples and reports what happened
 * to the tasks it watches, all in time order, through one sink. Sampler thread only.
 */
#ifndef N1_SAMPLER_ENGINE_ENGINE_H
#define N1_SAMPLER_ENGINE_ENGINE_H

#include "sampler/engine/sample.h"

#include "n1/error.h"

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
    void (*throttle)(void *context, n1_ns time,
                     bool throttled); /* the kernel lowered the rate, or gave it back */
};

#endif
