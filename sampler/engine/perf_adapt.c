/*
 * Each second, and more often at first, a process is looked at again: when more threads came than inherited
 * events are good for, when they live too short to be sampled by them, or when it switches so often that
 * timers of threads slow it down, it is watched in another way from then on. It never goes back: flapping
 * would cost more.
 */
#include "sampler/engine/perf_internal.h"

#include "sampler/target/proc_stat.h"
#include "sampler/target/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT_WINDOWS = 4, BLIND_WINDOWS = 2, POOL_EVENTS = 64 };

#define SHORT_WINDOW_NS (N1_SECOND_NS / 4)
#define BLIND_CPU_NS (100 * UINT64_C(1000000))

void perf_choice_fill(const struct n1_perf *perf, const struct perf_process *process,
                      struct n1_perf_choice *choice)
{
    choice->cpus = perf_cpus_for_rules(perf);
    if (process->mode != N1_PERF_MODE_INHERIT ||
        !process->windows) { /* else its events have their descriptors */
        int room = perf->fd_limit - N1_PERF_FD_RESERVE - (int)perf->stats.fds;
        choice->events_room = room > 1 ? (unsigned)room : 1;
    }
    choice->births_per_s = process->births_per_s;
    choice->switches_per_s = process->switches_per_s;
    choice->virtual_machine = perf->virtual_machine;
    choice->system = perf->rights.system;
    choice->blind = process->blind;
}

/* Whether much of the CPU time of the last window could not be sampled. Each event fires only when its thread
 * has used a whole period on its CPU: threads that end before that go unseen, and so does a large pool, of
 * which each thread uses little on each CPU. */
static bool window_was_blind(const struct n1_perf *perf, struct perf_process *process, n1_ns span)
{
    uint64_t cpu_ns, sampled_ns = process->sampled_ns - process->window_sampled_ns;

    process->window_sampled_ns = process->sampled_ns;
    if (n1_process_cpu_ns(process->pid, &cpu_ns))
        return false;
    uint64_t used_ns = cpu_ns - process->window_cpu_ns;
    process->window_cpu_ns = cpu_ns;
    process->cpu_ns_per_s = (uint64_t)((double)used_ns * (double)N1_SECOND_NS / (double)span);
    unsigned events = HASH_COUNT(process->events.threads) * perf_cpus_for_rules(perf);
    bool prone = process->births_per_s > N1_PERF_CHURN_PER_S || events >= POOL_EVENTS;
    return perf->rights.kernel && !perf->stats.paused && prone && used_ns > BLIND_CPU_NS &&
           sampled_ns < used_ns / 10 * 9;
}

/* How often the threads sampled lately were put on a CPU (the third figure of schedstat) since the last look.
 */
static uint64_t count_switches(struct perf_process *process)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < N1_PERF_BUSY; i++) {
        struct perf_busy *busy = &process->busy[i];
        char path[48], text[128];
        if (!busy->tid)
            continue;
        snprintf(path, sizeof(path), "task/%d/schedstat", busy->tid);
        const char *last =
            n1_proc_read(process->proc_fd, path, text, sizeof(text), NULL) ? NULL : strrchr(text, ' ');
        if (!last) {
            busy->tid = 0;
            continue;
        }
        uint64_t slices = strtoull(last, NULL, 10);
        if (busy->known && slices > busy->slices)
            total += slices - busy->slices;
        busy->slices = slices;
        busy->known = true;
    }
    return total;
}

static unsigned per_second(uint64_t count, n1_ns span)
{
    return (unsigned)((double)count * (double)N1_SECOND_NS / (double)span);
}

void perf_adapt(struct n1_perf *perf, struct perf_process *process, n1_ns now)
{
    n1_ns span = now - process->window_ns;

    if (span < (process->windows < SHORT_WINDOWS ? SHORT_WINDOW_NS : N1_SECOND_NS))
        return;
    process->window_ns = now;
    process->births_per_s = per_second(process->births_in_window, span);
    process->births_in_window = 0;
    process->switches_per_s = per_second(count_switches(process), span);
    bool blind = window_was_blind(perf, process, span);
    if (process->windows++ == 0) /* it began at no known time */
        return;
    process->blind_windows = blind ? process->blind_windows + 1 : 0;
    if (process->blind_windows == BLIND_WINDOWS)
        process->blind = true;
    if (process->root || process->users > 1 || process->mode != N1_PERF_MODE_INHERIT || process->on_exec)
        return;
    struct n1_perf_choice choice = {.threads = HASH_COUNT(process->events.threads)};
    perf_choice_fill(perf, process, &choice);
    uint32_t divisor = process->divisor ? process->divisor : 1;
    if (!choice.system)
        divisor = n1_perf_slow_divisor(perf->stats.rate_used_hz, process->switches_per_s,
                                       process->cpu_ns_per_s, perf->virtual_machine);
    if (divisor < process->divisor)
        divisor = process->divisor;
    if (n1_perf_mode_choose(&choice) == N1_PERF_MODE_INHERIT &&
        divisor == (process->divisor ? process->divisor : 1))
        return;
    process->divisor = divisor;
    int err = perf_events_replace(perf, process);
    if (err && err != -ESRCH)
        perf_count_unopened(perf, 1, err);
}
