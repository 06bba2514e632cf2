/*
 * glibc keeps the tid in the struct that a pthread_t points to, at a place that all versions of the last
 * decade share; the main thread, whose tid is known, proves it or shows another place.
 */
#include "sampler/python/tids.h"

#include "sampler/target/threads.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GLIBC_TID_OFFSET = 720, PTHREAD_LOOKED_AT = 1536 };

void n1_py_tids_init(struct n1_py_tids *tids, const struct n1_process *process)
{
    *tids = (struct n1_py_tids){.pid = process->pid,
                                .ns_pid = process->ns_pid ? process->ns_pid : process->pid,
                                .proc_fd = process->proc_fd,
                                .tid_offset = -1};
}

void n1_py_tids_finish(struct n1_py_tids *tids)
{
    free(tids->pairs);
    tids->pairs = NULL;
    tids->count = tids->capacity = 0;
}

/* The last number of the line NSpid of a thread's status. */
static pid_t inner_tid(int proc_fd, pid_t tid)
{
    char path[48], text[4096];
    snprintf(path, sizeof(path), "task/%d/status", (int)tid);
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    char *line = strstr(text, "\nNSpid:");
    if (!line)
        return 0;
    long last = 0;
    for (char *at = line + 7, *end; *at && *at != '\n'; at = end) {
        long value = strtol(at, &end, 10);
        if (end == at)
            break;
        last = value;
    }
    return (pid_t)last;
}

static int by_inner(const void *a, const void *b)
{
    const struct n1_py_tid_pair *x = a, *y = b;
    return x->inner < y->inner ? -1 : x->inner > y->inner;
}

void n1_py_tids_refresh(struct n1_py_tids *tids, n1_ns now)
{
    if (tids->ns_pid == tids->pid)
        return;
    pid_t *list = NULL;
    size_t cap = 0;
    ssize_t n = n1_threads_list(tids->proc_fd, &list, &cap);
    tids->read = now;
    if (n > 0 && (size_t)n > tids->capacity) {
        struct n1_py_tid_pair *more = realloc(tids->pairs, (size_t)n * sizeof(*more));
        if (more) {
            tids->pairs = more;
            tids->capacity = (size_t)n;
        }
    }
    tids->count = 0;
    for (ssize_t i = 0; i < n && tids->count < tids->capacity; i++) {
        pid_t inner = inner_tid(tids->proc_fd, list[i]);
        if (inner > 0)
            tids->pairs[tids->count++] = (struct n1_py_tid_pair){inner, list[i]};
    }
    if (tids->count)
        qsort(tids->pairs, tids->count, sizeof(*tids->pairs), by_inner);
    free(list);
}

static pid_t outer_of(const struct n1_py_tids *tids, uint64_t inner)
{
    if (inner > INT32_MAX)
        return 0;
    if (tids->ns_pid == tids->pid)
        return (pid_t)inner;
    struct n1_py_tid_pair key = {.inner = (pid_t)inner};
    const struct n1_py_tid_pair *pair =
        tids->count ? bsearch(&key, tids->pairs, tids->count, sizeof(key), by_inner) : NULL;
    return pair ? pair->outer : 0;
}

/* A thread exists when its folder does; that is what makes a guess of the place certain. */
static bool is_thread(const struct n1_py_tids *tids, pid_t outer)
{
    char path[32];
    snprintf(path, sizeof(path), "task/%d", (int)outer);
    return outer > 0 && faccessat(tids->proc_fd, path, F_OK, 0) == 0;
}

static void find_offset(struct n1_py_tids *tids, struct n1_memory *memory, uint64_t pthread)
{
    uint8_t bytes[PTHREAD_LOOKED_AT];
    int32_t value;
    if (!n1_memory_read(memory, pthread, bytes, sizeof(bytes)))
        return;
    memcpy(&value, bytes + GLIBC_TID_OFFSET, sizeof(value));
    if (value > 0 && is_thread(tids, outer_of(tids, (uint64_t)value))) {
        tids->tid_offset = GLIBC_TID_OFFSET;
        return;
    }
    for (int64_t at = 0; at + 4 <= PTHREAD_LOOKED_AT; at += 4) {
        memcpy(&value, bytes + at, sizeof(value));
        if (value == tids->ns_pid) {
            tids->tid_offset = at;
            return;
        }
    }
}

pid_t n1_py_tids_outer(struct n1_py_tids *tids, struct n1_memory *memory, uint64_t identity, bool is_tid)
{
    uint32_t value;
    if (is_tid)
        return outer_of(tids, identity);
    if (tids->tid_offset < 0)
        find_offset(tids, memory, identity);
    if (tids->tid_offset < 0 || !n1_memory_u32(memory, identity + (uint64_t)tids->tid_offset, &value))
        return 0;
    return outer_of(tids, value);
}
