/*
 * What the files of engine B share.
 */
#ifndef N1_SAMPLER_ENGINE_PTRACE_INTERNAL_H
#define N1_SAMPLER_ENGINE_PTRACE_INTERNAL_H

#include "sampler/engine/ptrace.h"
#include "sampler/engine/ptrace_plan.h"
#include "sampler/engine/ticks.h"

#include <sched.h>
#include <time.h>

enum { PTRACE_HOLDS_MAX = 64, PTRACE_STACK_MAX = 32768, PTRACE_GUARDS = 3 };

struct ptrace_thread {
    pid_t tid;
    int schedstat, syscall, stat; /* files of /proc/PID/task/TID; the last two -1: not open yet */
    uint64_t run_ns;              /* as schedstat told last; UINT64_MAX: not read yet */
    uint64_t owed_ns;             /* CPU time that no sample stands for yet */
    uint64_t slices;              /* times it was given a CPU, as schedstat told last */
    uint64_t owed_slices;         /* the same since its last sample */
    n1_ns moved;                  /* when run_ns was seen to grow */
    n1_ns rest_until, rest_ns;
};

struct ptrace_process {
    pid_t pid;
    int proc_fd;
    struct ptrace_thread *threads; /* in rising order of tid */
    size_t count;
    n1_ns scanned;
    n1_ns rest_until; /* another tracer has it */
};

/* A thread that was seized and not let go yet: it stands still, or will as soon as it gets a CPU. */
struct ptrace_hold {
    pid_t pid, tid;
    n1_ns since;
    n1_ns running; /* the last time at which it was seen not to stand yet */
    bool dead;     /* waits for the rest of its process to end; checked seldom */
    n1_ns checked;
};

struct n1_ptrace {
    struct n1_engine_sink sink;
    struct n1_engine_stats stats;
    struct n1_pauses pauses;
    struct n1_ticks ticks, nudge;
    int epoll_fd, stops_fd; /* stops_fd: SIGCHLD, which says that a thread came to its stop */
    unsigned cpus;          /* that we may run on */
    cpu_set_t allowed;      /* the same, as it was at the start */
    double credit;          /* stops that may be made now */
    bool paused;
    struct ptrace_process *processes;
    size_t process_count;
    uint64_t changes; /* of the list: the sink may remove a process in the midst of a deadline */
    pid_t *tids;
    size_t tids_cap;
    struct ptrace_hold holds[PTRACE_HOLDS_MAX];
    unsigned hold_count;
    timer_t guard[PTRACE_GUARDS];
    bool guard_made[PTRACE_GUARDS], guarded;
    uint8_t stack[PTRACE_STACK_MAX];
};

/* ptrace_threads.c */
void ptrace_scan(struct n1_ptrace *e, struct ptrace_process *p, n1_ns now);
void ptrace_threads_finish(struct ptrace_process *p);
/* Brings owed times up to date and puts up to `most` threads that ran lately, those owed most first, into
 * `ret`; returns their number. */
struct ptrace_choice {
    struct ptrace_process *process;
    struct ptrace_thread *thread;
};
size_t ptrace_choose(struct n1_ptrace *e, n1_ns now, struct ptrace_choice *ret, size_t most);
/* 1: on a CPU or about to be, 0: inside a system call, -errno. */
int ptrace_running(const struct ptrace_process *p, struct ptrace_thread *t);
/* How often the thread was given a CPU; false when it ended. */
bool ptrace_slices(const struct ptrace_thread *t, uint64_t *ret);
/* The CPU it ran on last; -1: not known. */
int ptrace_cpu(const struct ptrace_process *p, struct ptrace_thread *t);
struct ptrace_thread *ptrace_thread_find(struct n1_ptrace *e, pid_t pid, pid_t tid);

/* ptrace_stop.c */
int ptrace_guard_make(struct n1_ptrace *e);
void ptrace_guard_finish(struct n1_ptrace *e);
void ptrace_guard(struct n1_ptrace *e, bool on);
/* Stops, reads, lets go and delivers. Returns true when that gave a sample. */
bool ptrace_take(struct n1_ptrace *e, struct ptrace_process *p, struct ptrace_thread *t);
/* Lets go of threads that came to their stop late; true while some have not and may soon. */
bool ptrace_collect(struct n1_ptrace *e);
/* Sleeps until a thread stops, or for so long. */
void ptrace_sleep(n1_ns ns);

#endif
