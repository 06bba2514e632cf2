/*
 * The events themselves. A process is opened by listing its threads and giving each an event per CPU, again
 * and again until a list holds nobody new. Threads born meanwhile get events under suspicion of being doubles
 * (see perf_duplicate.c), and later audits look for those whose creation was under way when their creator was
 * opened.
 */
#include "sampler/engine/perf_internal.h"

#include "sampler/target/threads.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PASSES_MAX = 16 };

/* A thread whose creation was reported later than this after its process was opened did inherit: its creator
 * had its events before it began to create it. */
#define BIRTH_MARGIN_NS (100 * UINT64_C(1000000))
#define FIRST_AUDIT_NS (150 * UINT64_C(1000000))
#define SECOND_AUDIT_NS N1_SECOND_NS

/* Events on all CPUs tick with a period of their own, so that a process that has others does not count twice.
 */
uint64_t perf_period_of(const struct perf_process *process, uint64_t period_ns)
{
    if (process->divisor > 1 && process->mode == N1_PERF_MODE_INHERIT)
        return period_ns * process->divisor;
    return period_ns && process->mode == N1_PERF_MODE_SYSTEM ? period_ns + 2 : period_ns;
}

struct n1_perf_event_spec perf_spec(const struct n1_perf *perf, const struct perf_process *process)
{
    return (struct n1_perf_event_spec){.period_ns = perf_period_of(process, perf->period_ns),
                                       .stack_bytes = perf->stats.stack_bytes,
                                       .inherit = process->mode == N1_PERF_MODE_INHERIT,
                                       .children = perf->config.follow_children,
                                       .on_exec = process->on_exec};
}

void perf_count_unopened(struct n1_perf *perf, uint64_t events, int err)
{
    perf->stats.unopened += events;
    perf->stats.unopened_errno = -err;
}

static void close_event(struct n1_perf *perf, int *fd)
{
    if (*fd < 0)
        return;
    if (perf->suspects)
        perf_duplicate_forget_fd(perf, fd);
    close(*fd);
    *fd = -1;
    perf->stats.fds--;
}

static void close_thread(struct n1_perf *perf, struct perf_thread *thread)
{
    for (int i = 0; i < perf->cpu_count; i++)
        close_event(perf, &thread->fds[i]);
    free(thread->fds);
    free(thread);
}

void perf_events_close_on_cpus(struct n1_perf *perf, int **fds)
{
    for (int i = 0; i < perf->cpu_count && *fds; i++)
        close_event(perf, &(*fds)[i]);
    free(*fds);
    *fds = NULL;
}

void perf_events_close(struct n1_perf *perf, struct perf_events *events)
{
    struct perf_thread *thread, *next;

    HASH_ITER(hh, events->threads, thread, next)
    {
        HASH_DEL(events->threads, thread);
        close_thread(perf, thread);
    }
    while ((thread = events->ended)) {
        events->ended = thread->next;
        close_thread(perf, thread);
    }
    perf_events_close_on_cpus(perf, &events->cgroup_fds);
    if (events->system && --perf->system_users == 0)
        perf_events_close_on_cpus(perf, &perf->system_fds);
    *events = (struct perf_events){0};
}

/* Opens one event and directs it into the ring of its CPU. */
static int open_event(struct n1_perf *perf, const struct perf_event_attr *attr, pid_t pid, int cpu_index,
                      unsigned long flags)
{
    int fd = n1_perf_open(attr, pid, perf->cpus[cpu_index], flags);

    if (fd < 0)
        return fd;
    if (fd >= perf->fd_limit - N1_PERF_FD_RESERVE) {
        close(fd);
        return -EMFILE;
    }
    if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, perf->cpu_rings[cpu_index].fd)) {
        int err = -errno;
        close(fd);
        return err;
    }
    perf->stats.fds++;
    return fd;
}

/* Opens the events of one thread. Returns 0 (too few descriptors are only counted), -ESRCH when it is gone,
 * or the reason why none could be opened. */
static int open_thread(struct n1_perf *perf, struct perf_process *process, pid_t tid, bool suspect)
{
    struct n1_perf_event_spec spec = perf_spec(perf, process);
    struct perf_event_attr attr;
    int opened = 0, err = 0;
    struct perf_thread *thread = calloc(1, sizeof(*thread));
    int *fds = thread ? malloc((size_t)perf->cpu_count * sizeof(*fds)) : NULL;

    if (!fds) {
        free(thread);
        return -ENOMEM;
    }
    thread->tid = tid;
    thread->fds = fds;
    n1_perf_attr_event(&attr, &spec, &perf->rights);
    for (int i = 0; i < perf->cpu_count; i++) {
        fds[i] = -1;
        if (err && err != -ENODEV)
            continue;
        int fd = open_event(perf, &attr, tid, i, 0);
        if (fd < 0) {
            err = fd;
            continue;
        }
        fds[i] = fd;
        opened++;
        if (suspect)
            perf_duplicate_suspect(perf, &fds[i]);
    }
    if (err == -ESRCH && !opened) {
        close_thread(perf, thread);
        return -ESRCH;
    }
    if (err && err != -ESRCH)
        perf_count_unopened(perf, (uint64_t)(perf->cpu_count - opened), err);
    if (!opened && err != -EMFILE && err != -ENFILE) {
        close_thread(perf, thread);
        return err;
    }
    HASH_ADD_INT(process->events.threads, tid, thread);
    return 0;
}

static bool surely_inherited(const struct perf_process *process, pid_t tid)
{
    struct perf_birth *birth;

    HASH_FIND_INT(process->births, &tid, birth);
    return birth && birth->time > process->covered_ns + BIRTH_MARGIN_NS;
}

/* One pass over the threads. `*ret_new` is how many were not known. */
static int open_pass(struct n1_perf *perf, struct perf_process *process, bool suspect, unsigned *ret_new)
{
    ssize_t count = n1_threads_list(process->proc_fd, &perf->tids, &perf->tids_cap);
    struct perf_thread *thread;
    int err = 0;

    *ret_new = 0;
    if (count <= 0)
        return count ? (int)count : -ESRCH;
    for (ssize_t i = 0; i < count; i++) {
        HASH_FIND_INT(process->events.threads, &perf->tids[i], thread);
        if (thread || surely_inherited(process, perf->tids[i]))
            continue;
        err = open_thread(perf, process, perf->tids[i], suspect);
        if (err == -ESRCH)
            continue;
        if (err)
            return err;
        ++*ret_new;
    }
    return 0;
}

void perf_births_forget(struct perf_process *process)
{
    struct perf_birth *birth, *next;

    HASH_ITER(hh, process->births, birth, next)
    {
        HASH_DEL(process->births, birth);
        free(birth);
    }
}

static int open_inherit(struct n1_perf *perf, struct perf_process *process)
{
    unsigned found = 1;
    int err = 0;

    perf_births_forget(process);
    process->covered_ns = UINT64_MAX - BIRTH_MARGIN_NS;
    for (int pass = 0; pass < PASSES_MAX && found && !err; pass++)
        err = open_pass(perf, process, pass > 0, &found);
    process->covered_ns = n1_time_mono();
    process->audit_ns = process->covered_ns + FIRST_AUDIT_NS;
    return err;
}

void perf_audit(struct n1_perf *perf, struct perf_process *process, n1_ns now)
{
    unsigned found;
    bool first = process->audit_ns < process->covered_ns + SECOND_AUDIT_NS;
    int err = open_pass(perf, process, true, &found);

    if (err && err != -ESRCH)
        perf_count_unopened(perf, 1, err);
    process->audit_ns = first ? process->covered_ns + SECOND_AUDIT_NS : 0;
    if (first && process->audit_ns < now)
        process->audit_ns = now + FIRST_AUDIT_NS;
    if (!process->audit_ns)
        perf_births_forget(process);
}

/* One event per CPU on whatever `pid` and `flags` say. Returns 0 with the fds, or -errno with none. */
static int open_on_cpus(struct n1_perf *perf, const struct perf_process *process, pid_t pid,
                        unsigned long flags, int **ret_fds)
{
    struct n1_perf_event_spec spec = perf_spec(perf, process);
    struct perf_event_attr attr;
    int *fds = malloc((size_t)perf->cpu_count * sizeof(*fds));
    int err = 0;

    if (!fds)
        return -ENOMEM;
    spec.on_exec = false;
    n1_perf_attr_event(&attr, &spec, &perf->rights);
    for (int i = 0; i < perf->cpu_count; i++) {
        int fd = err ? -1 : open_event(perf, &attr, pid, i, flags);
        if (fd < 0 && !err)
            err = fd;
        fds[i] = fd < 0 ? -1 : fd;
    }
    if (err)
        perf_events_close_on_cpus(perf, &fds);
    else
        *ret_fds = fds;
    return err;
}

static int open_cgroup(struct n1_perf *perf, struct perf_process *process)
{
    int folder = perf_cgroup_open(process->proc_fd, process->pid);

    if (folder < 0)
        return folder;
    int err = open_on_cpus(perf, process, folder, PERF_FLAG_PID_CGROUP, &process->events.cgroup_fds);
    close(folder);
    return err;
}

/* The events on all CPUs are shared by the processes that need them. */
static int open_system(struct n1_perf *perf, struct perf_process *process)
{
    int err = perf->system_fds ? 0 : open_on_cpus(perf, process, -1, 0, &perf->system_fds);

    if (!err) {
        perf->system_users++;
        process->events.system = true;
    }
    return err;
}

/* Gives a process its events, in the mode that fits it now; each mode that fails makes room for the next. */
int perf_events_open(struct n1_perf *perf, struct perf_process *process)
{
    ssize_t threads = n1_threads_list(process->proc_fd, &perf->tids, &perf->tids_cap);
    struct n1_perf_choice choice = {.threads = (unsigned)threads, .own_cgroup = perf->rights.system};

    if (threads <= 0)
        return threads ? (int)threads : -ESRCH;
    perf_choice_fill(perf, process, &choice);
    for (;;) {
        process->mode = n1_perf_mode_choose(&choice);
        switch (process->mode) {
        case N1_PERF_MODE_CGROUP:
            if (!open_cgroup(perf, process))
                return 0;
            choice.own_cgroup = false;
            continue;
        case N1_PERF_MODE_SYSTEM:
            if (!open_system(perf, process))
                return 0;
            choice.system = false;
            continue;
        case N1_PERF_MODE_INHERIT:
            return open_inherit(perf, process);
        case N1_PERF_MODE_SCAN:
            perf_scan(perf, process, n1_time_mono());
            return 0;
        }
    }
}
