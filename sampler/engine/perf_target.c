/*
 * The processes that are watched: added, forked, their threads coming and going, removed, and all their
 * events made anew when a setting changes. A child that inherited its parent's events keeps them alive after
 * the parent ended.
 */
#include "sampler/engine/perf_internal.h"

#include "sampler/target/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct perf_process *perf_process_find(struct n1_perf *perf, pid_t pid)
{
    struct perf_process *process;

    HASH_FIND_INT(perf->processes, &pid, process);
    return process;
}

static void free_process(struct n1_perf *perf, struct perf_process *process)
{
    perf_events_close(perf, &process->events);
    perf_scan_end_process(process);
    perf_births_forget(process);
    if (process->proc_fd >= 0)
        close(process->proc_fd);
    free(process);
}

static void release_events(struct n1_perf *perf, struct perf_process *owner)
{
    if (--owner->users)
        return;
    for (struct perf_process **at = &perf->orphaned; *at; at = &(*at)->next) {
        if (*at == owner) {
            *at = owner->next;
            break;
        }
    }
    free_process(perf, owner);
}

int n1_perf_add_process(struct n1_perf *perf, pid_t pid, unsigned flags, struct n1_error *reterr)
{
    char path[32];

    if (perf_process_find(perf, pid))
        return 0;
    struct perf_process *process = calloc(1, sizeof(*process));
    if (!process)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    process->pid = pid;
    process->users = 1;
    process->on_exec = flags & N1_PERF_ON_EXEC;
    snprintf(path, sizeof(path), "/proc/%d", pid);
    process->proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool cpu_known = !n1_process_cpu_ns(pid, &process->cpu_start_ns);
    int err = process->proc_fd < 0 ? -ESRCH : perf_events_open(perf, process);
    if (err) {
        free_process(perf, process);
        return n1_perf_refused(err, "sampling by perf_event_open", reterr);
    }
    /* Threads began to be sampled one after another meanwhile: on average in the middle. */
    process->cpu_known = cpu_known && !n1_process_cpu_ns(pid, &process->window_cpu_ns);
    process->cpu_start_ns += (process->window_cpu_ns - process->cpu_start_ns) / 2;
    HASH_ADD_INT(perf->processes, pid, process);
    return 0;
}

void n1_perf_remove_process(struct n1_perf *perf, pid_t pid)
{
    struct perf_process *process = perf_process_find(perf, pid);

    if (!process)
        return;
    HASH_DEL(perf->processes, process);
    perf->last = NULL;
    if (process->root) {
        release_events(perf, process->root);
        process->root = NULL;
    }
    if (process->users > 1) { /* children live on these events */
        process->next = perf->orphaned;
        perf->orphaned = process;
    }
    release_events(perf, process);
}

void perf_process_forked(struct n1_perf *perf, pid_t parent_pid, pid_t pid)
{
    struct perf_process *parent = perf_process_find(perf, parent_pid);
    struct perf_process *stale = perf_process_find(perf, pid);
    char path[32];

    if (!perf->config.follow_children || !parent || stale || parent->mode == N1_PERF_MODE_SCAN)
        return;
    struct perf_process *process = calloc(1, sizeof(*process));
    if (!process)
        return;
    process->pid = pid;
    process->users = 1;
    process->mode = parent->mode;
    process->root = parent->root ? parent->root : parent;
    process->root->users++;
    snprintf(path, sizeof(path), "/proc/%d", pid);
    process->proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    HASH_ADD_INT(perf->processes, pid, process);
}

void perf_thread_born(struct n1_perf *perf, pid_t pid, pid_t tid, n1_ns time)
{
    struct perf_process *process = perf_process_find(perf, pid);

    if (!process)
        return;
    process->births_in_window++;
    if (!process->audit_ns)
        return;
    struct perf_birth *birth;
    HASH_FIND_INT(process->births, &tid, birth);
    if (!birth) {
        birth = calloc(1, sizeof(*birth));
        if (!birth)
            return;
        birth->tid = tid;
        HASH_ADD_INT(process->births, tid, birth);
    }
    birth->time = time;
}

void perf_thread_ended(struct n1_perf *perf, pid_t pid, pid_t tid)
{
    struct perf_process *process = perf_process_find(perf, pid);
    struct perf_thread *thread;
    struct perf_birth *birth;

    perf_duplicate_thread_ended(perf, tid);
    if (!process)
        return;
    if (tid == pid)
        process->exit_ns = n1_time_mono();
    if (process->mode == N1_PERF_MODE_SCAN)
        perf_scan_end_thread(process, tid);
    HASH_FIND_INT(process->births, &tid, birth);
    if (birth) {
        HASH_DEL(process->births, birth);
        free(birth);
    }
    HASH_FIND_INT(process->events.threads, &tid, thread);
    if (thread) {
        HASH_DEL(process->events.threads, thread);
        thread->next = process->events.ended;
        process->events.ended = thread;
    }
}

/* Gives a process other events, in the mode that fits it now. */
int perf_events_replace(struct n1_perf *perf, struct perf_process *process)
{
    perf_events_close(perf, &process->events);
    process->audit_ns = 0;
    perf_births_forget(process);
    return perf_events_open(perf, process);
}

/* A child that was followed and is gone. One that ended before anybody looked at it is no target, and nobody
 * but us would ever remove it; a first thread may end before the others, so the PID is asked, too. */
static bool has_vanished(const struct perf_process *process, n1_ns now)
{
    uint64_t cpu_ns;

    return process->root && process->exit_ns && now > process->exit_ns + N1_SECOND_NS &&
           n1_process_cpu_ns(process->pid, &cpu_ns) < 0;
}

void perf_housekeeping(struct n1_perf *perf, n1_ns now)
{
    struct perf_process *process, *next;

    HASH_ITER(hh, perf->processes, process, next)
    {
        if (has_vanished(process, now)) {
            n1_perf_remove_process(perf, process->pid);
            continue;
        }
        if (process->mode == N1_PERF_MODE_SCAN)
            perf_scan(perf, process, now);
        else if (process->audit_ns && now >= process->audit_ns)
            perf_audit(perf, process, now);
        perf_adapt(perf, process, now);
    }
    perf_scan_reap(perf, false);
    perf_duplicate_settle(perf);
}

/* A child process that lived on inherited events gets its own with the new settings. */
int perf_reopen_all(struct n1_perf *perf)
{
    struct perf_process *process, *next;
    unsigned count = HASH_COUNT(perf->processes), done = 0;
    struct perf_events *old = calloc(count ? count : 1, sizeof(*old));
    bool room = (int64_t)perf->stats.fds * 2 < perf->fd_limit - N1_PERF_FD_RESERVE;

    if (!old)
        return -ENOMEM;
    int *old_system = perf->system_fds;
    perf->system_fds = NULL;
    perf->system_users = 0;
    perf_duplicate_finish(perf);
    HASH_ITER(hh, perf->processes, process, next)
    {
        perf_scan_end_process(process);
        process->events.system = false;
        if (room) {
            old[done] = process->events;
            process->events = (struct perf_events){0};
        } else {
            perf_events_close(perf, &process->events);
        }
        done++;
        int err = process->proc_fd < 0 ? -ESRCH : perf_events_open(perf, process);
        if (err && err != -ESRCH)
            perf_count_unopened(perf, 1, err);
    }
    if (perf->epoch_count == N1_PERF_EPOCHS) {
        memmove(perf->epochs, perf->epochs + 1, (N1_PERF_EPOCHS - 1) * sizeof(perf->epochs[0]));
        perf->epoch_count--;
    }
    perf->epochs[perf->epoch_count++] = (struct perf_epoch){n1_time_mono(), perf->period_ns};
    for (unsigned i = 0; i < done; i++)
        perf_events_close(perf, &old[i]);
    free(old);
    perf_events_close_on_cpus(perf, &old_system);
    HASH_ITER(hh, perf->processes, process, next)
    {
        if (process->root) {
            struct perf_process *root = process->root;
            process->root = NULL;
            release_events(perf, root);
        }
    }
    return 0;
}

void perf_processes_finish(struct n1_perf *perf)
{
    struct perf_process *process, *next;

    HASH_ITER(hh, perf->processes, process, next)
    {
        HASH_DEL(perf->processes, process);
        free_process(perf, process);
    }
    while ((process = perf->orphaned)) {
        perf->orphaned = process->next;
        free_process(perf, process);
    }
}

bool n1_perf_process_info(const struct n1_perf *perf, pid_t pid, struct n1_perf_process_info *ret_info)
{
    const struct perf_process *process;
    uint64_t cpu_ns = 0;

    HASH_FIND_INT(perf->processes, &pid, process);
    if (!process)
        return false;
    bool known = process->cpu_known && !n1_process_cpu_ns(pid, &cpu_ns);
    *ret_info = (struct n1_perf_process_info){.mode = process->mode,
                                              .births_per_s = process->births_per_s,
                                              .switches_per_s = process->switches_per_s,
                                              .cpu_known = known,
                                              .cpu_ns = known ? cpu_ns - process->cpu_start_ns : 0,
                                              .sampled_ns = process->sampled_ns};
    return true;
}
