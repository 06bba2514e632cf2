/*
 * Inside sampler/metrics/: what a source of figures is, and what it may use of the handle. A source reads one
 * file or a few that belong together, puts the values it found and refuses those it could not have, each with
 * a reason.
 */
#ifndef N1_SAMPLER_METRICS_SOURCE_H
#define N1_SAMPLER_METRICS_SOURCE_H

#include "sampler/metrics/metrics.h"
#include "sampler/metrics/text.h"

#include <dirent.h>

#define N1_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define N1_TEXT_CAP (64 * 1024)

/* Reasons that several sources give; others are literals where they arise. Static, so they compare and never
 * dangle. */
#define N1_WHY_GONE "process gone"
#define N1_WHY_NO_LIMIT "no limit"
#define N1_WHY_NO_MM "no address space (kernel thread or zombie)"
#define N1_WHY_OLD_KERNEL "not on this kernel"
#define N1_WHY_UNREADABLE "unreadable text"

/* One number of a "key value" file. Several fields with one id are summed (uss). */
struct n1_field {
    const char *key;
    enum n1_metric_id id;
    int64_t scale; /* to the metric's unit */
    bool may_miss; /* its absence leaves the sum as it is: kernels before it had nothing to add */
};

struct n1_source {
    const char *name;
    int (*read)(struct n1_metrics *m,
                const struct n1_source *source); /* 0 or -errno; values are put before */
    const struct n1_field *fields; /* every metric it may put: all are refused when read fails */
    size_t n_fields;
    n1_ns period_ns;     /* least time between two reads; 0: every pass */
    uint32_t share_ppm;  /* of one core that it may cost on average */
    bool late;           /* not in the first pass, which should be quick: one period later */
    const char *missing; /* reason when the file is not there */
};

/* Due times and cost of one source in one handle. */
struct n1_source_state {
    n1_ns due;
    n1_ns cost_ns; /* CPU time of the last read */
};

struct n1_cgroup;
struct n1_threads;

struct n1_metrics {
    pid_t pid;     /* 0: the host */
    int dirfd;     /* of /proc/PID, which stays bound to this process; /proc for the host */
    bool own_proc; /* the real /proc: system calls about the pid make sense */
    bool gone;
    char state;          /* of /proc/PID/stat */
    int64_t num_threads; /* of /proc/PID/stat */
    int64_t tick_ns;     /* one clock tick of /proc's times */
    n1_ns now;           /* of the running pass */
    n1_ns cost_ns;
    char mm_dir[24]; /* "" or "task/TID/": a thread that still has the address space when the first has ended
                      */
    int fd_stat, fd_status, fd_io, fd_cgroup;
    int fd_host_stat, fd_meminfo;
    int fd_pressure[3];
    struct n1_threads *threads;
    struct n1_cgroup *cgroup;
    const struct n1_source *const *sources;
    size_t n_sources;
    struct n1_source_state states[16];
    struct n1_metric_point points[N1_METRIC_COUNT];
    const char *reasons[N1_METRIC_COUNT];
    char text[N1_TEXT_CAP]; /* of the file being read */
};

void n1_source_put(struct n1_metrics *m, enum n1_metric_id id, int64_t value);
void n1_source_refuse(struct n1_metrics *m, enum n1_metric_id id, const char *reason);
/* The reason for -errno of a source; static text. */
const char *n1_source_reason(const struct n1_source *source, int err);
/* Puts every field found in the "key value" lines of `text`, and refuses the others with `absent`. */
void n1_source_put_fields(struct n1_metrics *m, const struct n1_field *fields, size_t n, struct n1_text text,
                          const char *absent);

extern const struct n1_source n1_source_stat, n1_source_status, n1_source_io, n1_source_fds, n1_source_limits;
extern const struct n1_source n1_source_smaps, n1_source_maps;
extern const struct n1_source n1_source_threads, n1_source_switches;
extern const struct n1_source n1_source_cgroup, n1_source_cgroup_pressure;
extern const struct n1_source n1_source_host_stat, n1_source_host_memory, n1_source_host_pressure;

/* Pressure text of one resource into its four metrics, SOME_AVG10 first. 0 or -EBADMSG. */
int n1_pressure_put(struct n1_metrics *m, enum n1_metric_id first, struct n1_text text);
void n1_pressure_refuse(struct n1_metrics *m, enum n1_metric_id first, const char *reason);

int n1_threads_create(struct n1_threads **ret, int proc_dirfd);
void n1_threads_destroy(struct n1_threads *t);
const struct n1_thread_times *n1_threads_all(const struct n1_threads *t, size_t *ret_count);

int n1_cgroup_create(struct n1_cgroup **ret, const char *proc, const char *root);
void n1_cgroup_destroy(struct n1_cgroup *c);

#endif
