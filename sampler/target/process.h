/*
 * A target process: opened by pidfd first, so that no later step can hit another process that got the same
 * PID; who it is; whether the caller may profile it; and how it ended. All text in it is the target's own
 * bytes: untrusted, not sanitised. Sampler thread only.
 */
#ifndef N1_SAMPLER_TARGET_PROCESS_H
#define N1_SAMPLER_TARGET_PROCESS_H

#include "n1/error.h"
#include "n1/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* For whom a process is opened. The uid is the *caller's* real one, never that of file capabilities. */
struct n1_caller {
    uid_t uid;
    bool in_allowed_group; /* member of the group that the configuration allows to profile everybody's
                              processes */
};

enum n1_exit_kind {
    N1_EXIT_UNKNOWN, /* it ended, and nothing told us how */
    N1_EXIT_CODE,    /* value is the exit status */
    N1_EXIT_SIGNAL,  /* value is the signal */
};

struct n1_exit {
    enum n1_exit_kind kind;
    int value;
    bool core_dumped;
};

struct n1_process {
    pid_t pid, ppid;
    int pidfd;            /* readable once the whole process has ended */
    int proc_fd;          /* the folder /proc/PID of exactly this process (O_PATH) */
    uint64_t start_ticks; /* field 22 of stat, clock ticks since boot: with the pid it is the identity */
    n1_ns start_ns;       /* the same on CLOCK_MONOTONIC, to a clock tick; may lie before its zero (then 0) */
    uid_t uid;            /* real */
    char state;           /* as of the last n1_process_refresh: R S D T t Z… */
    pid_t ns_pid;         /* its PID in its own namespace; pid when it has none */
    char comm[64];
    char exe[4096];     /* link text, perhaps with " (deleted)"; empty: not readable */
    char cgroup[4096];  /* cgroup v2 path, else the v1 path of the first controller; empty: unknown */
    char container[65]; /* 64 hex digits when the cgroup path names a container, else empty */
    char *cmdline;      /* arguments, each terminated; NULL when empty or not readable */
    size_t cmdline_len; /* bytes, capped at 64 KiB */
    bool ended;
    struct n1_exit exit; /* valid once ended */
};

/* The caller as this program was started: real uid, and membership of the group `allow_group` (NULL or empty:
 * none). */
struct n1_caller n1_caller_self(const char *allow_group);

/* Opens the process `pid` for `caller`. N1_E_NO_PROCESS: there is none, it is a zombie, or it ended
 * meanwhile; N1_E_NOT_PERMITTED: another user's, or closed by the kernel; N1_E_USAGE: a thread's id, a kernel
 * thread, or this program itself. Each with its reason. A stopped process is opened. The result is the
 * caller's, to close. */
int n1_process_open(pid_t pid, const struct n1_caller *caller, struct n1_process **ret_process,
                    struct n1_error *reterr);

/* Closes and frees; NULL is fine. The target is untouched. */
void n1_process_close(struct n1_process *process);

/* Reads state, name, exe and command line again, and checks the owner rule again: after an exec the process
 * may be somebody else's. Returns 0, -ESRCH when it ended, or N1_E_NOT_PERMITTED. */
int n1_process_refresh(struct n1_process *process, const struct n1_caller *caller, struct n1_error *reterr);

/* True once the process has ended; then `exit` is set. Never blocks. A child of ours is reaped. */
bool n1_process_poll(struct n1_process *process);

/* CPU time the whole process used so far, its ended threads included, in nanoseconds (its CPU-time clock).
 * Returns 0 or -errno. */
int n1_process_cpu_ns(pid_t pid, uint64_t *ret_ns);

/* Finds 64 hexadecimal digits in a cgroup path that stand alone: a container's id. False when there are none.
 */
bool n1_process_container_id(const char *cgroup, char ret_id[65]);

#endif
