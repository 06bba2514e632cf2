/*
 * Which threads are worth a stop. The scheduler's statistics of each thread stay open; a thread whose time
 * moved lately is read at every deadline, the others in turn, so that a thousand idle threads cost little.
 * The kernel brings the time of a running thread up to date at its own ticks only, 1 to 10 ms apart, so "ran
 * lately" is wider than that.
 */
#include "sampler/engine/ptrace_internal.h"

#include "sampler/target/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IDLE_EVERY = 16 };
#define MOVED_LATELY_NS (100 * UINT64_C(1000000))
#define OWED_MOST_NS (20 * N1_SECOND_NS)

static int open_file(const struct ptrace_process *p, pid_t tid, const char *name)
{
    char path[48];
    snprintf(path, sizeof(path), "task/%d/%s", (int)tid, name);
    return openat(p->proc_fd, path, O_RDONLY | O_CLOEXEC);
}

static void close_thread(struct ptrace_thread *t)
{
    if (t->schedstat >= 0)
        close(t->schedstat);
    if (t->syscall >= 0)
        close(t->syscall);
    if (t->stat >= 0)
        close(t->stat);
}

static int by_tid(const void *a, const void *b)
{
    const pid_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Opens what is new and closes what is gone. A tid that was used again shows by its file, which answers
 * ESRCH, and is opened anew. */
void ptrace_scan(struct n1_ptrace *e, struct ptrace_process *p, n1_ns now)
{
    ssize_t found = n1_threads_list(p->proc_fd, &e->tids, &e->tids_cap);
    p->scanned = now;
    if (found < 0)
        return;
    struct ptrace_thread *list = malloc(((size_t)found + 1) * sizeof(*list));
    if (!list)
        return;
    qsort(e->tids, (size_t)found, sizeof(*e->tids), by_tid);
    size_t count = 0, old = 0;
    for (size_t i = 0; i < (size_t)found; i++) {
        while (old < p->count && p->threads[old].tid < e->tids[i])
            close_thread(&p->threads[old++]);
        if (old < p->count && p->threads[old].tid == e->tids[i]) {
            if (p->threads[old].schedstat >= 0) {
                list[count++] = p->threads[old++];
                continue;
            }
            close_thread(&p->threads[old++]);
        }
        struct ptrace_thread t = {
            .tid = e->tids[i], .run_ns = UINT64_MAX, .moved = now, .syscall = -1, .stat = -1};
        t.schedstat = open_file(p, t.tid, "schedstat");
        if (t.schedstat >= 0)
            list[count++] = t;
        else if (errno == EMFILE || errno == ENFILE)
            e->stats.missed++;
    }
    while (old < p->count)
        close_thread(&p->threads[old++]);
    free(p->threads);
    p->threads = list;
    p->count = count;
}

void ptrace_threads_finish(struct ptrace_process *p)
{
    for (size_t i = 0; i < p->count; i++)
        close_thread(&p->threads[i]);
    free(p->threads);
    p->threads = NULL;
    p->count = 0;
}

/* The first and the third of its three figures. */
static bool read_schedstat(const struct ptrace_thread *t, uint64_t *ret_run, uint64_t *ret_slices)
{
    char text[96], *at = text;
    uint64_t figures[3];
    ssize_t len = pread(t->schedstat, text, sizeof(text) - 1, 0);
    if (len <= 0)
        return false;
    text[len] = '\0';
    for (int i = 0; i < 3; i++)
        figures[i] = strtoull(at, &at, 10);
    *ret_run = figures[0];
    *ret_slices = figures[2];
    return true;
}

static void read_run(struct ptrace_thread *t, n1_ns now)
{
    uint64_t run, slices;
    if (!read_schedstat(t, &run, &slices)) { /* it ended */
        close_thread(t);
        t->schedstat = t->syscall = t->stat = -1;
        return;
    }
    if (t->run_ns == UINT64_MAX || run < t->run_ns || slices < t->slices) {
        t->run_ns = run;
        t->slices = slices;
    }
    t->owed_slices += slices - t->slices;
    t->slices = slices;
    if (run == t->run_ns)
        return;
    t->owed_ns += run - t->run_ns;
    if (t->owed_ns > OWED_MOST_NS)
        t->owed_ns = OWED_MOST_NS;
    t->run_ns = run;
    t->moved = now;
}

size_t ptrace_choose(struct n1_ptrace *e, n1_ns now, struct ptrace_choice *ret, size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < e->process_count; i++) {
        struct ptrace_process *p = &e->processes[i];
        for (size_t k = 0; k < p->count; k++) {
            struct ptrace_thread *t = &p->threads[k];
            bool lately = now - t->moved <= MOVED_LATELY_NS;
            if (t->schedstat < 0 || (!lately && (e->ticks.served + k) % IDLE_EVERY))
                continue;
            read_run(t, now);
            if (!n1_ptrace_worth(t->owed_ns, t->owed_slices) || now - t->moved > MOVED_LATELY_NS ||
                now < t->rest_until || now < p->rest_until)
                continue;
            size_t at = count < most ? count++ : most;
            for (; at > 0 && ret[at - 1].thread->owed_ns < t->owed_ns; at--)
                if (at < most)
                    ret[at] = ret[at - 1];
            if (at < most)
                ret[at] = (struct ptrace_choice){p, t};
        }
    }
    return count;
}

int ptrace_running(const struct ptrace_process *p, struct ptrace_thread *t)
{
    char text[8];
    if (t->syscall < 0)
        t->syscall = open_file(p, t->tid, "syscall");
    if (t->syscall < 0)
        return -errno;
    ssize_t len = pread(t->syscall, text, sizeof(text), 0);
    if (len < 0)
        return -errno;
    return len >= 7 && !memcmp(text, "running", 7);
}

bool ptrace_slices(const struct ptrace_thread *t, uint64_t *ret)
{
    uint64_t run;
    return read_schedstat(t, &run, ret);
}

int ptrace_cpu(const struct ptrace_process *p, struct ptrace_thread *t)
{
    enum { FIELD = 39, AFTER_NAME = 3 };
    char text[1024];
    if (t->stat < 0)
        t->stat = open_file(p, t->tid, "stat");
    ssize_t len = t->stat < 0 ? 0 : pread(t->stat, text, sizeof(text) - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    const char *at = strrchr(text, ')'); /* the name before it may hold anything */
    for (int i = AFTER_NAME - 1; at && i < FIELD; i++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    return at && *at >= '0' && *at <= '9' ? atoi(at) : -1;
}

struct ptrace_thread *ptrace_thread_find(struct n1_ptrace *e, pid_t pid, pid_t tid)
{
    for (size_t i = 0; i < e->process_count; i++)
        for (size_t k = 0; e->processes[i].pid == pid && k < e->processes[i].count; k++)
            if (e->processes[i].threads[k].tid == tid)
                return &e->processes[i].threads[k];
    return NULL;
}
