/*
 * Inside sampler/waits/: the threads of one target with what is known of each. set.c keeps the list and its
 * descriptors, sweep.c decides what their times mean, deadlock.c looks for cycles.
 */
#ifndef N1_SAMPLER_WAITS_SET_H
#define N1_SAMPLER_WAITS_SET_H

#include "sampler/waits/resource.h"
#include "sampler/waits/waits.h"

enum { N1_WAIT_FRAMES = 8, N1_WAIT_PLACES = 4 };

/* A stack once seen where a thread blocks: the same place again is the same stack nearly always. */
struct n1_wait_place {
    uint64_t sp, pc;
    uint32_t node, leaf; /* leaf 0: free */
};

struct n1_sched_times {
    uint64_t run_ns, queue_ns, slices; /* /proc/PID/task/TID/schedstat */
};

struct n1_wait_thread {
    pid_t tid, ns_tid; /* ns_tid: as the target numbers it */
    uint64_t inode;    /* of /proc/PID/task/TID: its identity */
    uint32_t slot;
    int fd; /* of schedstat; -1: not kept */
    bool known;
    n1_ns read_at; /* when `times` was read */
    struct n1_sched_times times;
    bool blocked; /* it was, at read_at */
    bool open;    /* and stands in the model */
    uint64_t index;
    n1_ns start, last_end;
    uint64_t pending_ns; /* blocked time that belongs to no wait yet */
    unsigned skip;       /* sweeps to pass over it */
    enum n1_wait_class wait_class;
    uint32_t flags, owner, resource; /* as told: enum n1_wait_flags; slot; string */
    struct n1_lock lock;
    uint64_t args[6];
    uint32_t node, leaf; /* of its last blocked stack */
    struct n1_wait_place places[N1_WAIT_PLACES];
    unsigned next_place;
    uint32_t frames[N1_WAIT_FRAMES];
    uint32_t frame_count; /* 0: names were looked at */
    uint64_t queue_ns;    /* of `times`, when the run queue was last written */
    n1_ns queue_at;
};

struct n1_wait_set {
    struct n1_wait_thread *list; /* by tid */
    size_t count, capacity, kept, turn;
    n1_ns synced, cycles_at;
    uint64_t class_ns[N1_WAIT_OTHER + 1]; /* blocked so far, by class */
    bool refused;                         /* the kernel does not tell what its threads wait for */
    n1_ns refused_at;
    struct n1_sockets sockets;
};

/* Brings the list in line with the target's. Descriptors of threads that went are closed; their open waits
 * end at `now`. */
int n1_wait_set_sync(struct n1_wait_set *set, struct n1_target *t, struct n1_writer *w, n1_ns now);
/* A thread's times: 0, -ESRCH when it is gone, -EOPNOTSUPP when this kernel does not count, -errno. */
int n1_wait_set_read(struct n1_wait_set *set, const struct n1_target *t, struct n1_wait_thread *thread,
                     struct n1_sched_times *ret);
/* When a thread that is blocked was last put off a CPU, by the scheduler's own note of it; 0 when that is not
 * there, or not certain to a tenth: the note is of a clock that stands still while a hypervisor runs others.
 */
n1_ns n1_wait_set_since(const struct n1_target *t, pid_t tid, n1_ns now);
struct n1_wait_thread *n1_wait_set_find(const struct n1_wait_set *set, pid_t ns_tid);
void n1_wait_set_remap(struct n1_wait_set *set, const struct n1_remap *remap);

/* Ends a thread's open wait. */
void n1_wait_thread_close(struct n1_wait_thread *thread, struct n1_writer *w, n1_ns end);

/* Marks the waits of threads that wait for each other in a circle; every lock is read again first. Returns
 * how many threads are in circles. */
size_t n1_wait_deadlocks(struct n1_wait_set *set, const struct n1_target *t, struct n1_writer *w);
bool n1_wait_set_lives(const void *set, pid_t ns_tid);

#endif
