/*
 * The figures of one process, or of the host, from /proc and the cgroup files: what n1/metric.h declares,
 * read with a bounded cost. Each group of figures is a source with its own cadence: a source that took C ns
 * of CPU is not read again before C / share has gone by, so that a huge target makes its figures older, never
 * the sampler dearer. A value that is not read in a pass stays, with the time it was measured.
 *
 * One struct is for one thread; nothing here stops or writes to the target. Texts read are bounded and
 * checked.
 */
#ifndef N1_SAMPLER_METRICS_METRICS_H
#define N1_SAMPLER_METRICS_METRICS_H

#include "n1/error.h"
#include "n1/metric.h"

#include <sys/types.h>

struct n1_metrics;

/* Where the files are; a NULL member is the system's own. With a `proc` of its own (a recorded tree in a
 * test) no system call about the process is made beside reading these files. */
struct n1_metric_roots {
    const char *proc;   /* "/proc" */
    const char *cgroup; /* "/sys/fs/cgroup" */
};

/* Scheduler figures of one thread. A tid that is used again is a new entry with a new serial. */
struct n1_thread_times {
    pid_t tid;
    uint32_t serial;  /* of the entry, from 1, never used again for this process */
    bool times_valid; /* run, wait, slices at `time` */
    bool switches_valid;
    bool named, collector; /* the name was read; it is a garbage collector's */
    n1_ns time;            /* when run, wait and slices were read */
    n1_ns switches_time;   /* when the two below were read */
    int64_t run_ns;        /* on a CPU, /proc/PID/task/TID/schedstat */
    int64_t wait_ns;       /* runnable without a CPU */
    int64_t slices;        /* times put on a CPU */
    int64_t voluntary;     /* /proc/PID/task/TID/status */
    int64_t involuntary;
};

/* Prepares to read the figures of process `pid`, or of the host when `pid` is 0. `roots` may be NULL. Nothing
 * is read yet. Returns 0, -ESRCH with N1_E_NO_PROCESS's text when there is no such process, or another
 * -errno. The caller owns *ret and ends it with n1_metrics_destroy. */
int n1_metrics_create(struct n1_metrics **ret, pid_t pid, const struct n1_metric_roots *roots,
                      struct n1_error *reterr);
void n1_metrics_destroy(struct n1_metrics *m);

/* Reads every source that is due at `now` (CLOCK_MONOTONIC ns, not before the last pass). Returns 0, or
 * -ESRCH once the process is gone: then every value is invalid for good. A process that became another after
 * its pid was used again is never read: the handle is bound to the first one. About 100 us when nothing
 * costly is due. */
int n1_metrics_read(struct n1_metrics *m, n1_ns now);

/* The values by id (N1_METRIC_COUNT of them), valid until the next pass. `time` of a point is that of the
 * pass that measured it, so a caller pushes those whose time is the pass's. Metrics of other scopes stay
 * invalid. */
const struct n1_metric_point *n1_metrics_points(const struct n1_metrics *m);

/* Why a value is invalid, static text for the screen: "permission", "no cgroup", "kernel without PSI", "no
 * limit";
 * "" while it is valid. */
const char *n1_metrics_reason(const struct n1_metrics *m, int id);

/* State letter of the process as /proc/PID/stat has it ('R', 'S', 'D', 'T', 'Z', …); 0 before the first pass
 * and for the host, 'X' when gone. 'Z' is given only when no thread is left. */
char n1_metrics_state(const struct n1_metrics *m);

/* The threads of the last sweep, in order of tid, valid until the next pass; *ret_count may be 0. */
const struct n1_thread_times *n1_metrics_threads(const struct n1_metrics *m, size_t *ret_count);

/* CPU time this thread has spent in n1_metrics_read for this handle, ns: for the sampler's own figures. */
n1_ns n1_metrics_cost_ns(const struct n1_metrics *m);

#endif
