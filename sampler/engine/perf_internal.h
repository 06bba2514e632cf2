/*
 * What the files of engine A share; nobody else includes it. perf.c owns the engine and its rings,
 * perf_target.c the processes, perf_events.c their events, perf_drain.c the way of a record from the rings to
 * the sink, perf_adapt.c the change of mode, perf_duplicate.c samples that would count twice, perf_scan.c the
 * scan mode, perf_cgroup.c the finding of a target's cgroup.
 */
#ifndef N1_SAMPLER_ENGINE_PERF_INTERNAL_H
#define N1_SAMPLER_ENGINE_PERF_INTERNAL_H

#include "sampler/engine/perf.h"
#include "sampler/engine/perf_attr.h"
#include "sampler/engine/perf_ring.h"

#include <uthash.h>

enum {
    N1_PERF_EPOCHS = 4,
    N1_PERF_BUSY = 16,
    N1_PERF_FD_RESERVE = 64, /* descriptors left to the rest of the program */
};

/* A ring in use: of a CPU (tid 0), or of one thread in scan mode. */
struct perf_ring_slot {
    struct n1_perf_ring ring;
    int fd;
    pid_t tid;
    bool dying;     /* freed once it is empty */
    n1_ns front_ns; /* time of the oldest record while rings are merged */
};

/* The events of one thread that was opened by its tid. Closing them would also end those that other threads
 * inherited from it, so they stay open when the thread ends. */
struct perf_thread {
    pid_t tid;
    int *fds; /* one per CPU, -1: not open */
    UT_hash_handle hh;
    struct perf_thread *next; /* among the ended ones */
};

/* All events of a process under one setting; replaced as a whole. */
struct perf_events {
    struct perf_thread *threads; /* by tid */
    struct perf_thread *ended;
    int *cgroup_fds; /* one per CPU; NULL: not in cgroup mode */
    bool system;     /* uses the engine's events on all CPUs */
};

struct perf_birth {
    pid_t tid;
    n1_ns time;
    UT_hash_handle hh;
};

/* A thread of a process in scan mode. */
struct perf_scanned {
    pid_t tid;
    struct perf_ring_slot *slot; /* NULL: without a ring */
    uint64_t run_ns;             /* CPU time as last read; 0: never */
    n1_ns active_ns;             /* when it was last found to have run */
    n1_ns seen_ns;               /* of the last scan that listed it */
    UT_hash_handle hh;
};

struct perf_busy {
    pid_t tid;       /* 0: none */
    bool known;      /* slices is */
    uint64_t slices; /* times it was put on a CPU, as last read */
};

struct perf_process {
    pid_t pid;
    int proc_fd;
    enum n1_perf_mode mode;
    struct perf_events events;
    struct perf_process *root; /* the process whose events this one inherited; NULL: it has its own */
    unsigned users;            /* processes that live on these events, itself included while it is watched */
    bool on_exec;              /* the exec it waits for has not come */
    n1_ns exit_ns;             /* its first thread has ended; 0: not yet */
    n1_ns covered_ns;          /* when all threads listed had their events */
    n1_ns audit_ns;            /* when to look for threads that slipped through; 0: done */
    struct perf_birth *births; /* reported since covered_ns; only while audits go on */
    uint64_t sampled_ns, cpu_start_ns; /* weight of samples, and the CPU clock when it was added */
    bool cpu_known;
    unsigned births_in_window, births_per_s; /* for the churn */
    struct perf_busy busy[N1_PERF_BUSY];     /* threads sampled lately, by tid modulo their number */
    unsigned switches_per_s;
    uint64_t cpu_ns_per_s;                     /* in the last window */
    uint32_t divisor;                          /* of its rate, for its many context switches; 0 or 1: none */
    unsigned windows;                          /* since it was opened */
    uint64_t window_sampled_ns, window_cpu_ns; /* both totals at its start */
    unsigned blind_windows;                    /* in a row with too few samples for the CPU time */
    bool blind;
    n1_ns window_ns;
    struct perf_scanned *scanned; /* scan mode: its threads */
    n1_ns scan_ns;                /* scan mode: next scan */
    n1_ns scan_runtimes_ns;       /* scan mode: next reading of the CPU times */
    struct perf_process *next;    /* among the orphaned */
    UT_hash_handle hh;
};

/* A period in force from a time on; a sample with another period at its time is of the other set of events.
 */
struct perf_epoch {
    n1_ns from_ns;
    uint64_t period_ns;
};

/* An event that may double an inherited one. */
struct perf_suspect {
    uint64_t id;
    int *fd; /* in its perf_thread */
    UT_hash_handle hh;
};

struct perf_seen_key {
    int32_t tid;
    uint32_t cpu;
};

/* Which event a thread was sampled by on a CPU. */
struct perf_seen {
    struct perf_seen_key key;
    uint64_t id;
    unsigned count;
    n1_ns switched_ns;
    UT_hash_handle hh;
};

struct n1_perf {
    struct n1_perf_config config;
    struct n1_engine_sink sink;
    struct n1_perf_rights rights;
    struct n1_perf_stats stats;
    int cpu_count;
    int *cpus;
    struct perf_ring_slot *cpu_rings; /* one per CPU, fixed */
    struct perf_ring_slot **rings;    /* all that are drained: those of the CPUs, then those of scan mode */
    size_t ring_count, ring_cap;
    struct perf_ring_slot **heap; /* by front_ns, while merging */
    size_t heap_count;
    int epoll_fd, timer_fd;
    int fd_limit;
    bool virtual_machine;
    void *bounce;
    struct perf_process *processes; /* by pid */
    struct perf_process *orphaned;  /* removed, but children live on their events */
    struct perf_process *last;      /* the process of the last sample */
    struct perf_epoch epochs[N1_PERF_EPOCHS];
    unsigned epoch_count;
    unsigned generation;
    uint64_t period_ns; /* of events opened now */
    n1_ns delivered_ns; /* time of the newest record delivered */
    int *system_fds;    /* events on all CPUs; NULL: none */
    unsigned system_users;
    struct perf_suspect *suspects;
    struct perf_seen *seen;
    n1_ns switched_ns; /* when a double was last closed */
    pid_t *tids;
    size_t tids_cap;
};

/* perf.c */
unsigned perf_cpus_for_rules(const struct n1_perf *perf);
int perf_ring_add(struct n1_perf *perf, struct perf_ring_slot *slot); /* to the drained ones and to epoll */

/* perf_target.c */
struct perf_process *perf_process_find(struct n1_perf *perf, pid_t pid);
void perf_process_forked(struct n1_perf *perf, pid_t parent_pid, pid_t pid);
void perf_thread_born(struct n1_perf *perf, pid_t pid, pid_t tid, n1_ns time);
void perf_thread_ended(struct n1_perf *perf, pid_t pid, pid_t tid);
int perf_reopen_all(struct n1_perf *perf); /* under new settings, without gap or overlap */
void perf_housekeeping(struct n1_perf *perf, n1_ns now);
void perf_adapt(struct n1_perf *perf, struct perf_process *process, n1_ns now);
int perf_events_replace(struct n1_perf *perf, struct perf_process *process);
void perf_choice_fill(const struct n1_perf *perf, const struct perf_process *process,
                      struct n1_perf_choice *choice);
void perf_processes_finish(struct n1_perf *perf);
struct n1_perf_event_spec perf_spec(const struct n1_perf *perf, const struct perf_process *process);
uint64_t perf_period_of(const struct perf_process *process, uint64_t period_ns);
void perf_count_unopened(struct n1_perf *perf, uint64_t events, int err);

/* perf_events.c */
int perf_events_open(struct n1_perf *perf, struct perf_process *process); /* in the mode that fits it now */
void perf_events_close(struct n1_perf *perf, struct perf_events *events);
void perf_events_close_on_cpus(struct n1_perf *perf,
                               int **fds); /* cgroup's or the system's; *fds becomes NULL */
void perf_audit(struct n1_perf *perf, struct perf_process *process, n1_ns now);
void perf_births_forget(struct perf_process *process);

/* perf_duplicate.c */
bool perf_duplicate(struct n1_perf *perf, pid_t tid, uint32_t cpu, uint64_t id, n1_ns time);
void perf_duplicate_suspect(struct n1_perf *perf, int *fd);
void perf_duplicate_forget_fd(struct n1_perf *perf, const int *fd);
void perf_duplicate_thread_ended(struct n1_perf *perf, pid_t tid);
void perf_duplicate_settle(struct n1_perf *perf); /* drops the memory once nothing is in doubt */
void perf_duplicate_finish(struct n1_perf *perf);

/* perf_scan.c */
void perf_scan(struct n1_perf *perf, struct perf_process *process, n1_ns now);
void perf_scan_end_thread(struct perf_process *process, pid_t tid);
void perf_scan_end_process(struct perf_process *process);
void perf_scan_reap(struct n1_perf *perf,
                    bool all); /* frees the rings given up, once empty, or all of scan mode */

/* perf_cgroup.c */
int perf_cgroup_open(int proc_fd,
                     pid_t pid); /* fd of the folder of a cgroup that holds only this process, or -errno */

#endif
