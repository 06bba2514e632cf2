/*
 * What names an interpreter's thread (its tid in the target's own namespace, or before 3.11 a pthread_t) and
 * the tid by which the sampler knows it. Sampler thread only.
 */
#ifndef N1_SAMPLER_PYTHON_TIDS_H
#define N1_SAMPLER_PYTHON_TIDS_H

#include "sampler/python/memory.h"
#include "sampler/target/process.h"

struct n1_py_tid_pair {
    pid_t inner, outer;
};

struct n1_py_tids {
    pid_t pid, ns_pid;
    int proc_fd;                  /* borrowed */
    int64_t tid_offset;           /* of the tid inside a pthread_t's struct; -1 unknown */
    struct n1_py_tid_pair *pairs; /* in rising order of inner; only in another PID namespace */
    size_t count, capacity;
    n1_ns read;
};

void n1_py_tids_init(struct n1_py_tids *tids, const struct n1_process *process);
void n1_py_tids_finish(struct n1_py_tids *tids);
/* Reads the namespace's pairs again, when the process is in another one. */
void n1_py_tids_refresh(struct n1_py_tids *tids, n1_ns now);
/* The tid of a thread by what its state shows; 0 when there is none. `is_tid`: identity is a tid, else a
 * pthread_t, whose struct is looked into. */
pid_t n1_py_tids_outer(struct n1_py_tids *tids, struct n1_memory *memory, uint64_t identity, bool is_tid);

#endif
