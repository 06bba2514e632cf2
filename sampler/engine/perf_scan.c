/*
 * The scan mode, for processes with so many threads or CPUs that inherited events would slow the creation of
 * threads: nothing is inherited. Threads are listed every 100 ms; those that have run get an event that
 * follows them over the CPUs, with a small ring of its own. When rings run out, the thread idle longest gives
 * up its own; threads that ran and got none are counted.
 */
#include "sampler/engine/perf_internal.h"

#include "sampler/target/proc_stat.h"
#include "sampler/target/threads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SCAN_NS (100 * UINT64_C(1000000))
#define RUNTIMES_NS N1_SECOND_NS
#define IDLE_NS (2 * N1_SECOND_NS)

enum {
    SAMPLE_BYTES = N1_PERF_STACK_SMALL_BYTES + 1024,
    RINGS_MIN = 8,
    READ_NS = 6000, /* to open, read and close a schedstat file */
    COST_FACTOR = 200,
};

/* A ring holds what one busy thread gives in 40 ms, and no less than seven samples. */
static size_t ring_bytes(const struct n1_perf *perf)
{
    size_t wanted = SAMPLE_BYTES * ((size_t)perf->stats.rate_used_hz / 25);
    size_t bytes = 2 * N1_PERF_RING_MIN_BYTES;

    while (bytes < wanted && bytes < N1_PERF_RING_MAX_BYTES)
        bytes *= 2;
    return bytes;
}

static uint64_t runtime_ns(int proc_fd, pid_t tid)
{
    char path[48], text[128];

    snprintf(path, sizeof(path), "task/%d/schedstat", tid);
    return n1_proc_read(proc_fd, path, text, sizeof(text), NULL) ? 0 : strtoull(text, NULL, 10);
}

static void give_up(struct perf_scanned *thread)
{
    if (!thread->slot)
        return;
    ioctl(thread->slot->fd, PERF_EVENT_IOC_DISABLE, 0);
    thread->slot->dying = true;
    thread->slot = NULL;
}

static void forget(struct perf_process *process, struct perf_scanned *thread)
{
    give_up(thread);
    HASH_DEL(process->scanned, thread);
    free(thread);
}

static bool room_for(const struct n1_perf *perf, size_t bytes)
{
    size_t rings = perf->ring_count - (size_t)perf->cpu_count;

    return rings < RINGS_MIN || perf->stats.pinned_bytes + bytes <= perf->config.budget_bytes;
}

/* Gives the thread an event and a ring. False when rings ran out or the kernel refused. */
static bool watch(struct n1_perf *perf, struct perf_process *process, struct perf_scanned *thread, n1_ns now)
{
    struct n1_perf_event_spec spec = perf_spec(perf, process);
    struct perf_event_attr attr;
    size_t bytes = ring_bytes(perf);

    if (!room_for(perf, bytes))
        return false;
    struct perf_ring_slot *slot = calloc(1, sizeof(*slot));
    if (!slot)
        return false;
    if (spec.stack_bytes > N1_PERF_STACK_SMALL_BYTES)
        spec.stack_bytes = N1_PERF_STACK_SMALL_BYTES;
    n1_perf_attr_event(&attr, &spec, &perf->rights);
    attr.watermark = 1;
    attr.wakeup_watermark = (uint32_t)(bytes / 2);
    slot->tid = thread->tid;
    slot->fd = n1_perf_open(&attr, thread->tid, -1, 0);
    int err = slot->fd < 0 ? slot->fd : 0;
    if (!err && slot->fd >= perf->fd_limit - N1_PERF_FD_RESERVE)
        err = -EMFILE;
    if (!err)
        err = n1_perf_ring_map(&slot->ring, slot->fd, bytes);
    if (!err)
        err = perf_ring_add(perf, slot);
    if (err) {
        if (err != -ESRCH)
            perf_count_unopened(perf, 1, err);
        n1_perf_ring_unmap(&slot->ring);
        if (slot->fd >= 0)
            close(slot->fd);
        free(slot);
        return false;
    }
    thread->slot = slot;
    thread->active_ns = now;
    return true;
}

/* Takes the ring of the thread that has been idle longest, if that is long enough. */
static bool evict_idle(struct perf_process *process, n1_ns now)
{
    struct perf_scanned *thread, *next, *idlest = NULL;

    HASH_ITER(hh, process->scanned, thread, next)
    {
        if (thread->slot && (!idlest || thread->active_ns < idlest->active_ns))
            idlest = thread;
    }
    if (!idlest || now < idlest->active_ns + IDLE_NS)
        return false;
    give_up(idlest);
    return true;
}

/* A new thread is taken to run; of a known one the CPU time tells. */
static void look_at(struct n1_perf *perf, struct perf_process *process, pid_t tid, bool runtimes, n1_ns now)
{
    struct perf_scanned *thread;

    HASH_FIND_INT(process->scanned, &tid, thread);
    bool known = thread;
    if (!known) {
        thread = calloc(1, sizeof(*thread));
        if (!thread)
            return;
        thread->tid = tid;
        HASH_ADD_INT(process->scanned, tid, thread);
    }
    thread->seen_ns = now;
    if (!known && watch(perf, process, thread, now))
        return;
    if (known && !runtimes)
        return;
    uint64_t run_ns = runtime_ns(process->proc_fd, tid);
    bool ran = known && run_ns != thread->run_ns;
    thread->run_ns = run_ns;
    if (!ran)
        return;
    thread->active_ns = now;
    if (thread->slot || watch(perf, process, thread, now))
        return;
    /* The ring given up is only free after it was drained: this thread gets it at the next look. */
    if (!evict_idle(process, now))
        perf->stats.unwatched++;
}

void perf_scan(struct n1_perf *perf, struct perf_process *process, n1_ns now)
{
    struct perf_scanned *thread, *next;

    if (now < process->scan_ns)
        return;
    process->scan_ns = now + SCAN_NS;
    ssize_t count = n1_threads_list(process->proc_fd, &perf->tids, &perf->tids_cap);
    if (count < 0) {
        perf_count_unopened(perf, 1, (int)count);
        return;
    }
    bool runtimes = now >= process->scan_runtimes_ns;
    for (ssize_t i = 0; i < count; i++)
        look_at(perf, process, perf->tids[i], runtimes, now);
    HASH_ITER(hh, process->scanned, thread, next)
    {
        if (thread->seen_ns != now)
            forget(process, thread);
    }
    if (runtimes) { /* at most half a percent of a core goes into reading CPU times */
        n1_ns rest = (n1_ns)count * READ_NS * COST_FACTOR;
        process->scan_runtimes_ns = now + (rest > RUNTIMES_NS ? rest : RUNTIMES_NS);
    }
}

void perf_scan_end_thread(struct perf_process *process, pid_t tid)
{
    struct perf_scanned *thread;

    HASH_FIND_INT(process->scanned, &tid, thread);
    if (thread)
        forget(process, thread);
}

void perf_scan_end_process(struct perf_process *process)
{
    struct perf_scanned *thread, *next;

    HASH_ITER(hh, process->scanned, thread, next)
    {
        forget(process, thread);
    }
    process->scan_ns = 0;
    process->scan_runtimes_ns = 0;
}

void perf_scan_reap(struct n1_perf *perf, bool all)
{
    size_t kept = (size_t)perf->cpu_count;

    for (size_t i = kept; i < perf->ring_count; i++) {
        struct perf_ring_slot *slot = perf->rings[i];
        n1_perf_ring_refresh(&slot->ring);
        if (!all && (!slot->dying || slot->ring.head != slot->ring.tail)) {
            perf->rings[kept++] = slot;
            continue;
        }
        perf->stats.damaged += slot->ring.damaged;
        perf->stats.pinned_bytes -= slot->ring.map_bytes;
        perf->stats.fds--;
        n1_perf_ring_unmap(&slot->ring);
        close(slot->fd);
        free(slot);
    }
    if (perf->ring_count > kept)
        perf->ring_count = kept;
}
