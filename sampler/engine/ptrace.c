/*
 * The engine: its deadlines, its processes, its settings. A drain serves the deadlines that passed, and stays
 * some milliseconds longer when a thread is still on its way to its stop, so that it does not stand there
 * while this process does something else.
 */
#include "sampler/engine/ptrace_internal.h"

#include "sampler/engine/hurry.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define STAY_NS (40 * MS)
#define NUDGE_NS (5 * MS)    /* a stop tells by SIGCHLD; a look each tells since when */
#define LAST_NS N1_SECOND_NS /* a busy machine lets a thread wait for its CPU so long */
#define STACK_BYTES 16384

enum { NO_SUCH_PID = 0x3fffffff }; /* above the kernel's limit of 2^22 */

int n1_ptrace_probe(void)
{
    if (ptrace(PTRACE_SEIZE, NO_SUCH_PID, NULL, NULL) && errno != ESRCH)
        return -errno;
    return 0;
}

/* Threads are looked for every 100 ms, of a thousand every second. */
static n1_ns scan_period(const struct ptrace_process *p)
{
    return (p->count < 100 ? 100 : p->count > 1000 ? 1000 : p->count) * MS;
}

static void serve(struct n1_ptrace *e, uint64_t deadlines)
{
    struct ptrace_choice choices[4 * N1_PTRACE_BURST_MAX];
    n1_ns now = n1_time_mono();
    for (size_t i = 0; i < e->process_count; i++)
        if (now - e->processes[i].scanned >= scan_period(&e->processes[i]))
            ptrace_scan(e, &e->processes[i], now);
    e->stats.missed += deadlines - 1;
    e->credit += (double)N1_PTRACE_RATE_MAX_HZ / e->stats.rate_used_hz;
    if (e->credit > N1_PTRACE_BURST_MAX)
        e->credit = N1_PTRACE_BURST_MAX;
    size_t count = ptrace_choose(e, now, choices, sizeof(choices) / sizeof(*choices));
    uint64_t changes = e->changes;
    for (size_t i = 0; i < count && e->credit >= 1 && changes == e->changes; i++) {
        if (now < choices[i].process->rest_until)
            continue;
        unsigned held = e->hold_count;
        bool taken = ptrace_take(e, choices[i].process, choices[i].thread);
        if (taken || e->hold_count > held)
            e->credit -= 1;
    }
}

static void drain(void *self, bool all)
{
    struct n1_ptrace *e = self;
    struct signalfd_siginfo info;
    n1_ns start = n1_time_mono();
    (void)all; /* nothing is kept back */
    n1_ticks_take(&e->nudge);
    while (read(e->stops_fd, &info, sizeof(info)) == sizeof(info)) {}
    for (;;) {
        uint64_t deadlines = n1_ticks_take(&e->ticks);
        bool soon = ptrace_collect(e);
        if (e->hold_count) /* we are at work: the guard's time starts anew */
            ptrace_guard(e, true);
        if (deadlines && !e->paused)
            serve(e, deadlines);
        else if (!soon)
            break;
        else
            ptrace_sleep(MS); /* or until one stops; a look each, so that it is known since when */
        if (n1_time_mono() - start > STAY_NS) /* the rest of the sampler has work, too */
            break;
    }
    bool held = e->hold_count > 0;
    ptrace_guard(e, held);
    if (held != (e->nudge.period_ns > 0))
        n1_ticks_set(&e->nudge, held ? NUDGE_NS : 0);
}

static int set_rate(void *self, uint32_t rate_hz)
{
    struct n1_ptrace *e = self;
    e->stats.rate_asked_hz = rate_hz;
    e->stats.rate_used_hz = n1_ptrace_rate_used(rate_hz);
    e->stats.period_ns = N1_SECOND_NS / e->stats.rate_used_hz;
    return n1_ticks_set(&e->ticks, e->paused ? 0 : e->stats.period_ns);
}

static int set_stack(void *self, uint32_t bytes)
{
    struct n1_ptrace *e = self;
    e->stats.stack_bytes = bytes > PTRACE_STACK_MAX ? PTRACE_STACK_MAX : bytes / 8 * 8;
    return 0;
}

static int pause_engine(void *self, bool paused)
{
    struct n1_ptrace *e = self;
    e->paused = paused;
    for (size_t i = 0; i < e->process_count && !paused; i++)
        for (size_t k = 0; k < e->processes[i].count; k++) { /* the pause belongs to no sample */
            e->processes[i].threads[k].run_ns = UINT64_MAX;
            e->processes[i].threads[k].owed_ns = 0;
        }
    return n1_ticks_set(&e->ticks, paused ? 0 : e->stats.period_ns);
}

static int add_process(void *self, pid_t pid, struct n1_error *reterr)
{
    struct n1_ptrace *e = self;
    char path[32];
    for (size_t i = 0; i < e->process_count; i++)
        if (e->processes[i].pid == pid)
            return 0;
    int rc = n1_ptrace_permitted(pid, reterr);
    if (rc < 0)
        return rc;
    struct ptrace_process *more = realloc(e->processes, (e->process_count + 1) * sizeof(*more));
    if (!more)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    e->processes = more;
    e->changes++;
    struct ptrace_process *p = &more[e->process_count];
    *p = (struct ptrace_process){.pid = pid};
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    p->proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (p->proc_fd < 0)
        return n1_error_set(reterr, N1_E_NO_PROCESS, "no process %d", (int)pid);
    e->process_count++;
    ptrace_scan(e, p, n1_time_mono());
    return 0;
}

static void remove_process(void *self, pid_t pid)
{
    struct n1_ptrace *e = self;
    for (size_t i = 0; i < e->process_count; i++) {
        if (e->processes[i].pid != pid)
            continue;
        e->changes++;
        ptrace_threads_finish(&e->processes[i]);
        close(e->processes[i].proc_fd);
        e->processes[i] = e->processes[--e->process_count];
        return;
    }
}

static int fd_of(const void *self)
{
    const struct n1_ptrace *e = self;
    return e->epoll_fd;
}

static void stats_of(const void *self, struct n1_engine_stats *ret)
{
    const struct n1_ptrace *e = self;
    *ret = e->stats;
    ret->pause_p50_ns = n1_pauses_quantile(&e->pauses, 0.5);
    ret->pause_p99_ns = n1_pauses_quantile(&e->pauses, 0.99);
}

/* What is still on its way to a stop is waited for, or a system call that it cuts short would go uncounted;
 * the rest the kernel lets go when we end. */
static void destroy(void *self)
{
    struct n1_ptrace *e = self;
    n1_ns start = n1_time_mono();
    while (ptrace_collect(e) || (e->hold_count && n1_time_mono() - start < LAST_NS))
        ptrace_sleep(MS);
    ptrace_guard(e, false);
    ptrace_guard_finish(e);
    if (e->cpus > 1)
        sched_setaffinity(0, sizeof(e->allowed), &e->allowed);
    while (e->process_count)
        remove_process(e, e->processes[0].pid);
    n1_ticks_finish(&e->ticks);
    n1_ticks_finish(&e->nudge);
    if (e->stops_fd >= 0)
        close(e->stops_fd);
    if (e->epoll_fd >= 0)
        close(e->epoll_fd);
    free(e->processes);
    free(e->tids);
    free(e);
}

static const struct n1_engine_ops ops = {
    .kind = N1_ENGINE_PTRACE,
    .add_process = add_process,
    .remove_process = remove_process,
    .fd = fd_of,
    .drain = drain,
    .set_rate = set_rate,
    .set_stack = set_stack,
    .pause = pause_engine,
    .stats = stats_of,
    .destroy = destroy,
};

/* Up to three descriptors a thread: as many as may be had. */
static void raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int watch_fd(struct n1_ptrace *e, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int watch_ticks(struct n1_ptrace *e, struct n1_ticks *ticks)
{
    int rc = n1_ticks_init(ticks);
    return rc == 0 ? watch_fd(e, ticks->fd) : rc;
}

int n1_ptrace_create(const struct n1_ptrace_config *config, const struct n1_engine_sink *sink,
                     struct n1_engine *ret, struct n1_error *reterr)
{
    sigset_t set;
    int rc = n1_ptrace_probe();
    if (rc < 0)
        return n1_error_hint(reterr, N1_E_NOT_PERMITTED,
                             "allow ptrace in the container's seccomp profile or add CAP_SYS_PTRACE",
                             "ptrace refused (%s): a seccomp filter forbids it", strerror(-rc));
    struct n1_ptrace *e = calloc(1, sizeof(*e));
    if (!e)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    e->sink = *sink;
    e->ticks.fd = e->nudge.fd = e->stops_fd = -1;
    e->cpus = sched_getaffinity(0, sizeof(e->allowed), &e->allowed) ? 1 : (unsigned)CPU_COUNT(&e->allowed);
    raise_fd_limit();
    n1_engine_hurry();
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    set_stack(e, config->stack_bytes ? config->stack_bytes : STACK_BYTES);
    e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    rc = e->epoll_fd < 0 ? -errno : watch_ticks(e, &e->ticks);
    if (rc == 0)
        rc = watch_ticks(e, &e->nudge);
    if (rc == 0) {
        e->stops_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
        rc = e->stops_fd < 0 ? -errno : watch_fd(e, e->stops_fd);
    }
    if (rc == 0)
        rc = ptrace_guard_make(e);
    if (rc == 0)
        rc = set_rate(e, config->rate_hz ? config->rate_hz : 99);
    if (rc < 0) {
        destroy(e);
        return n1_error_set(reterr, rc, "cannot start the engine: %s", strerror(-rc));
    }
    *ret = (struct n1_engine){&ops, e};
    return 0;
}
