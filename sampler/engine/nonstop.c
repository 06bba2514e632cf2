/*
 * Which threads run. The kernel brings a running thread's time up to date only at its own ticks, 1 to 10 ms
 * apart, and when the thread is put off its CPU; so a thread is looked at closely (is it running now?) while
 * its time has moved lately, and only every few deadlines when it has not. A sample stands for the time since
 * the last deadline; what a thread's samples stand for may run ahead of its CPU time by AHEAD_MOST, which
 * drops those of a thread that waits for a CPU.
 */
#include "sampler/engine/nonstop.h"

#include "sampler/engine/hurry.h"
#include "sampler/target/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { IDLE_EVERY = 8, RATE_MOST = 20000 };
#define MOVED_LATELY_NS (20 * UINT64_C(1000000))
#define AHEAD_MOST_NS (12 * INT64_C(1000000))
#define BEHIND_MOST_NS (100 * INT64_C(1000000))
#define SCAN_PERIOD_NS (N1_SECOND_NS / 5)

struct thread {
    pid_t tid;
    int schedstat, syscall; /* files */
    uint64_t run_ns;
    int64_t owed_ns; /* CPU time that no sample stands for yet */
    n1_ns moved;
};

struct process {
    pid_t pid;
    int proc_fd;
    struct thread *threads; /* in rising order of tid */
    size_t count;
    n1_ns scanned;
};

struct n1_nonstop {
    struct n1_engine_sink sink;
    struct n1_engine_stats stats;
    bool paused;
    uint64_t ticks; /* deadlines served */
    int timer;
    struct process *processes;
    size_t count;
    pid_t *tids;
    size_t tids_cap;
    n1_ns last; /* deadline served last */
};

static void close_thread(struct thread *t)
{
    close(t->schedstat);
    close(t->syscall);
}

static bool open_thread(const struct process *p, pid_t tid, struct thread *ret, n1_ns now)
{
    char path[48];
    *ret = (struct thread){.tid = tid, .run_ns = UINT64_MAX, .moved = now};
    snprintf(path, sizeof(path), "task/%d/schedstat", (int)tid);
    ret->schedstat = openat(p->proc_fd, path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof(path), "task/%d/syscall", (int)tid);
    ret->syscall = openat(p->proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (ret->schedstat >= 0 && ret->syscall >= 0)
        return true;
    if (ret->schedstat >= 0)
        close(ret->schedstat);
    if (ret->syscall >= 0)
        close(ret->syscall);
    return false;
}

static int by_tid(const void *a, const void *b)
{
    const pid_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Opens what is new and closes what is gone. */
static void scan(struct n1_nonstop *n, struct process *p, n1_ns now)
{
    ssize_t found = n1_threads_list(p->proc_fd, &n->tids, &n->tids_cap);
    p->scanned = now;
    if (found < 0)
        return;
    struct thread *list = malloc(((size_t)found + 1) * sizeof(*list));
    if (!list)
        return;
    qsort(n->tids, (size_t)found, sizeof(*n->tids), by_tid);
    size_t count = 0, old = 0;
    for (size_t i = 0; i < (size_t)found; i++) {
        while (old < p->count && p->threads[old].tid < n->tids[i])
            close_thread(&p->threads[old++]);
        if (old < p->count && p->threads[old].tid == n->tids[i])
            list[count++] = p->threads[old++];
        else if (open_thread(p, n->tids[i], &list[count], now))
            count++;
    }
    while (old < p->count)
        close_thread(&p->threads[old++]);
    free(p->threads);
    p->threads = list;
    p->count = count;
}

static int arm(struct n1_nonstop *n)
{
    struct itimerspec timer = {0};
    if (!n->paused) {
        uint64_t period = n->stats.period_ns;
        timer.it_interval = (struct timespec){(time_t)(period / N1_SECOND_NS), (long)(period % N1_SECOND_NS)};
        timer.it_value = timer.it_interval;
    }
    n->last = n1_time_mono();
    return timerfd_settime(n->timer, 0, &timer, NULL) < 0 ? -errno : 0;
}

static int set_rate(void *self, uint32_t rate_hz)
{
    struct n1_nonstop *n = self;
    n->stats.rate_asked_hz = rate_hz;
    n->stats.rate_used_hz = rate_hz < 1 ? 1 : rate_hz > RATE_MOST ? RATE_MOST : rate_hz;
    n->stats.period_ns = N1_SECOND_NS / n->stats.rate_used_hz;
    return arm(n);
}

static int pause_engine(void *self, bool paused)
{
    struct n1_nonstop *n = self;
    n->paused = paused;
    return arm(n);
}

static void close_process(struct process *p)
{
    for (size_t i = 0; i < p->count; i++)
        close_thread(&p->threads[i]);
    free(p->threads);
    close(p->proc_fd);
}

static void destroy(void *self)
{
    struct n1_nonstop *n = self;
    for (size_t i = 0; i < n->count; i++)
        close_process(&n->processes[i]);
    free(n->processes);
    free(n->tids);
    if (n->timer >= 0)
        close(n->timer);
    free(n);
}

static int add_process(void *self, pid_t pid, struct n1_error *reterr)
{
    struct n1_nonstop *n = self;
    char path[32];
    struct process *more = realloc(n->processes, (n->count + 1) * sizeof(*more));
    if (!more)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    n->processes = more;
    struct process *p = &n->processes[n->count];
    *p = (struct process){.pid = pid};
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    p->proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (p->proc_fd < 0)
        return n1_error_set(reterr, N1_E_NO_PROCESS, "no process %d", (int)pid);
    n->count++;
    scan(n, p, n1_time_mono());
    return 0;
}

static void remove_process(void *self, pid_t pid)
{
    struct n1_nonstop *n = self;
    for (size_t i = 0; i < n->count; i++) {
        if (n->processes[i].pid != pid)
            continue;
        close_process(&n->processes[i]);
        n->processes[i] = n->processes[--n->count];
        return;
    }
}

static int fd_of(const void *self)
{
    return ((const struct n1_nonstop *)self)->timer;
}

static void stats_of(const void *self, struct n1_engine_stats *ret)
{
    *ret = ((const struct n1_nonstop *)self)->stats;
}

static bool read_run(const struct thread *t, uint64_t *ret)
{
    char text[96];
    ssize_t len = pread(t->schedstat, text, sizeof(text) - 1, 0);
    if (len <= 0)
        return false;
    text[len] = '\0';
    *ret = strtoull(text, NULL, 10);
    return true;
}

static bool is_running(const struct thread *t)
{
    char text[8];
    return pread(t->syscall, text, sizeof(text), 0) >= 7 && !memcmp(text, "running", 7);
}

static void look(struct n1_nonstop *n, const struct process *p, struct thread *t, n1_ns now,
                 uint64_t stands_for)
{
    uint64_t run;
    if (!read_run(t, &run))
        return;
    if (t->run_ns == UINT64_MAX)
        t->run_ns = run;
    if (run != t->run_ns) {
        t->owed_ns += (int64_t)(run - t->run_ns);
        t->run_ns = run;
        t->moved = now;
        if (t->owed_ns > BEHIND_MOST_NS)
            t->owed_ns = BEHIND_MOST_NS;
    }
    if (now - t->moved > MOVED_LATELY_NS || t->owed_ns < -AHEAD_MOST_NS || !is_running(t))
        return;
    t->owed_ns -= (int64_t)stands_for;
    if (n->sink.stopped)
        n->sink.stopped(n->sink.context, p->pid, t->tid, NULL);
    struct n1_raw_sample sample = {
        .time = now, .pid = p->pid, .tid = t->tid, .weight_ns = stands_for, .cpu = UINT32_MAX};
    n->sink.sample(n->sink.context, &sample);
}

static void drain(void *self, bool all)
{
    struct n1_nonstop *n = self;
    uint64_t deadlines;
    (void)all; /* nothing is ever held back */
    if (read(n->timer, &deadlines, sizeof(deadlines)) != sizeof(deadlines) || !deadlines)
        return;
    n->ticks++;
    n->stats.missed += deadlines - 1;
    n1_ns now = n1_time_mono();
    uint64_t stands_for = deadlines * n->stats.period_ns;
    for (size_t i = 0; i < n->count; i++) {
        struct process *p = &n->processes[i];
        if (now - p->scanned > SCAN_PERIOD_NS)
            scan(n, p, now);
        for (size_t t = 0; t < p->count; t++) {
            struct thread *thread = &p->threads[t];
            if (now - thread->moved <= MOVED_LATELY_NS || (n->ticks + t) % IDLE_EVERY == 0)
                look(n, p, thread, now, stands_for);
        }
    }
}

static const struct n1_engine_ops ops = {
    .kind = N1_ENGINE_NONSTOP,
    .add_process = add_process,
    .remove_process = remove_process,
    .fd = fd_of,
    .drain = drain,
    .set_rate = set_rate,
    .pause = pause_engine,
    .stats = stats_of,
    .destroy = destroy,
};

int n1_nonstop_create(uint32_t rate_hz, const struct n1_engine_sink *sink, struct n1_engine *ret,
                      struct n1_error *reterr)
{
    struct n1_nonstop *n = calloc(1, sizeof(*n));
    if (!n)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    n->sink = *sink;
    n1_engine_hurry();
    n->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int rc = n->timer < 0 ? -errno : set_rate(n, rate_hz);
    if (rc < 0) {
        destroy(n);
        return n1_error_set(reterr, rc, "cannot make a timer: %s", strerror(-rc));
    }
    *ret = (struct n1_engine){&ops, n};
    return 0;
}
