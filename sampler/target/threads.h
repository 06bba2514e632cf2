/*
 * The list of a process's threads as /proc/PID/task shows it, kept up to date by scanning. A tid that was
 * reused between two scans is noticed (the kernel gives the new task's folder another inode), so a slot never
 * changes its thread silently. Names are the target's own bytes: untrusted, not sanitised. Sampler thread
 * only.
 */
#ifndef N1_SAMPLER_TARGET_THREADS_H
#define N1_SAMPLER_TARGET_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { N1_THREAD_NAME_CAP = 64, N1_THREADS_MAX = 1 << 17 };

struct n1_thread {
    pid_t tid;
    uint64_t inode;       /* of /proc/PID/task/TID; identity while the scan runs */
    uint64_t start_ticks; /* /proc/PID/task/TID/stat field 22, clock ticks since boot; 0: not known */
    char name[N1_THREAD_NAME_CAP]; /* field 2 of the same file, raw bytes, terminated; may be empty */
};

/* What a scan found out; NULL members are not called. `thread` is valid during the call. */
struct n1_threads_sink {
    void *context;
    void (*born)(void *context, const struct n1_thread *thread);
    void (*gone)(void *context, const struct n1_thread *thread);
};

struct n1_threads {
    struct n1_thread *list; /* in rising order of tid */
    size_t count, cap;
    bool truncated; /* more than N1_THREADS_MAX threads: the rest was not listed */
};

/* An empty list; finish gives the memory back. */
void n1_threads_init(struct n1_threads *threads);
void n1_threads_finish(struct n1_threads *threads);

/* Lists the threads of the process whose /proc folder is open as `proc_fd`, and reads start time and name of
 * the new ones. Returns 0, -ESRCH when the process is gone (the list is then empty, `gone` was called for
 * all), or another -errno. Costs about 1 us a thread, and 10 us more for each new one. */
int n1_threads_scan(struct n1_threads *threads, int proc_fd, const struct n1_threads_sink *sink);

/* The thread with this tid, or NULL. Valid until the next scan. */
const struct n1_thread *n1_threads_find(const struct n1_threads *threads, pid_t tid);

/* Only the tids: fills `*tids` (grown by realloc, `*cap` entries) with the threads of `proc_fd`; returns
 * their number (0: the process is gone) or -errno. */
ssize_t n1_threads_list(int proc_fd, pid_t **tids, size_t *cap);

#endif
