/*
 * Threads by getdents64 over /proc/PID/task: no stdio, one sorted merge a scan, one file read per new thread.
 */
#include "sampler/target/threads.h"

#include "sampler/target/proc_stat.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct entry {
    pid_t tid;
    uint64_t inode;
};

struct listing {
    struct entry *list;
    size_t count, cap;
    bool truncated;
};

struct dirent64_head { /* linux_dirent64 of getdents64(2) */
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

static int listing_add(struct listing *l, pid_t tid, uint64_t inode)
{
    if (l->count == N1_THREADS_MAX) {
        l->truncated = true;
        return 0;
    }
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct entry *list = realloc(l->list, cap * sizeof(*list));
        if (!list)
            return -ENOMEM;
        l->list = list;
        l->cap = cap;
    }
    l->list[l->count++] = (struct entry){tid, inode};
    return 0;
}

static int entry_order(const void *a, const void *b)
{
    pid_t x = ((const struct entry *)a)->tid, y = ((const struct entry *)b)->tid;

    return x < y ? -1 : x > y;
}

static int listing_read(struct listing *l, int proc_fd)
{
    _Alignas(8) char buffer[16384];
    int fd = openat(proc_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = 0;

    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    for (;;) {
        long n = syscall(SYS_getdents64, fd, buffer, sizeof(buffer));
        if (n <= 0) {
            err = n < 0 && errno != ENOENT ? -errno : 0;
            break;
        }
        for (long at = 0; at < n && !err;) {
            const struct dirent64_head *d = (const void *)(buffer + at);
            at += d->length;
            long tid = strtol(d->name, NULL, 10);
            if (tid > 0)
                err = listing_add(l, (pid_t)tid, d->inode);
        }
        if (err)
            break;
    }
    close(fd);
    if (err)
        return err;
    /* The kernel lists in order of creation, which is mostly that of the tids, and may repeat a tid under
     * churn. */
    qsort(l->list, l->count, sizeof(*l->list), entry_order);
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (kept == 0 || l->list[kept - 1].tid != l->list[i].tid)
            l->list[kept++] = l->list[i];
    }
    l->count = kept;
    return kept ? 0 : -ESRCH;
}

void n1_threads_init(struct n1_threads *threads)
{
    *threads = (struct n1_threads){0};
}

void n1_threads_finish(struct n1_threads *threads)
{
    free(threads->list);
    *threads = (struct n1_threads){0};
}

static void read_identity(struct n1_thread *thread, int proc_fd)
{
    char path[40];
    struct n1_proc_stat stat;

    snprintf(path, sizeof(path), "task/%d/stat", thread->tid);
    if (n1_proc_stat_read(proc_fd, path, &stat))
        return;
    thread->start_ticks = stat.start_ticks;
    memcpy(thread->name, stat.comm,
           sizeof(thread->name) < sizeof(stat.comm) ? sizeof(thread->name) : sizeof(stat.comm));
    thread->name[sizeof(thread->name) - 1] = 0;
}

static void tell_gone(const struct n1_threads_sink *sink, const struct n1_thread *thread)
{
    if (sink && sink->gone)
        sink->gone(sink->context, thread);
}

int n1_threads_scan(struct n1_threads *threads, int proc_fd, const struct n1_threads_sink *sink)
{
    struct listing now = {0};
    struct n1_thread *merged = NULL;
    size_t old = 0, count = 0;
    int err = listing_read(&now, proc_fd);

    if (err == -ESRCH)
        now.count = 0;
    else if (err)
        goto out;
    merged = calloc(now.count ? now.count : 1, sizeof(*merged));
    if (!merged) {
        err = -ENOMEM;
        goto out;
    }
    for (size_t i = 0; i < now.count; i++) {
        while (old < threads->count && threads->list[old].tid < now.list[i].tid)
            tell_gone(sink, &threads->list[old++]);
        struct n1_thread *thread = &merged[count++];
        if (old < threads->count && threads->list[old].tid == now.list[i].tid) {
            *thread = threads->list[old++];
            if (thread->inode == now.list[i].inode)
                continue;
            /* Another inode: another task, or only a dentry that was dropped and made again. */
            struct n1_thread again = {.tid = now.list[i].tid};
            read_identity(&again, proc_fd);
            if (again.start_ticks == thread->start_ticks) {
                thread->inode = now.list[i].inode;
                continue;
            }
            tell_gone(sink, thread);
        }
        *thread = (struct n1_thread){.tid = now.list[i].tid, .inode = now.list[i].inode};
        read_identity(thread, proc_fd);
        if (sink && sink->born)
            sink->born(sink->context, thread);
    }
    while (old < threads->count)
        tell_gone(sink, &threads->list[old++]);
    free(threads->list);
    threads->list = merged;
    threads->count = count;
    threads->cap = now.count ? now.count : 1;
    threads->truncated = now.truncated;
out:
    free(now.list);
    return err;
}

const struct n1_thread *n1_threads_find(const struct n1_threads *threads, pid_t tid)
{
    size_t low = 0, high = threads->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (threads->list[mid].tid < tid)
            low = mid + 1;
        else
            high = mid;
    }
    return low < threads->count && threads->list[low].tid == tid ? &threads->list[low] : NULL;
}

ssize_t n1_threads_list(int proc_fd, pid_t **tids, size_t *cap)
{
    struct listing now = {0};
    int err = listing_read(&now, proc_fd);

    if (err && err != -ESRCH) {
        free(now.list);
        return err;
    }
    if (now.count > *cap) {
        pid_t *grown = realloc(*tids, now.count * sizeof(*grown));
        if (!grown) {
            free(now.list);
            return -ENOMEM;
        }
        *tids = grown;
        *cap = now.count;
    }
    for (size_t i = 0; i < now.count; i++)
        (*tids)[i] = now.list[i].tid;
    free(now.list);
    return (ssize_t)now.count;
}
