/*
 * From the rings to the sink. Each ring is nearly in time order and they are merged by a heap. Records newer
 * than a cut stay for the next time: the cut is taken before the heads are read, and lies SLACK_NS back
 * because a record gets its time a little before it becomes visible.
 */
#include "sampler/engine/perf_internal.h"
#include "sampler/engine/perf_record.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define SLACK_NS (2 * UINT64_C(1000000))

static void heap_down(struct n1_perf *perf, size_t at)
{
    struct perf_ring_slot **heap = perf->heap;

    for (;;) {
        size_t least = at, child = 2 * at + 1;
        if (child < perf->heap_count && heap[child]->front_ns < heap[least]->front_ns)
            least = child;
        if (child + 1 < perf->heap_count && heap[child + 1]->front_ns < heap[least]->front_ns)
            least = child + 1;
        if (least == at)
            return;
        struct perf_ring_slot *slot = heap[at];
        heap[at] = heap[least];
        heap[least] = slot;
        at = least;
    }
}

/* Finds the time of a ring's oldest record; false when there is none up to the cut. */
static bool load_front(struct perf_ring_slot *slot, n1_ns cut)
{
    struct perf_event_header header;

    if (!n1_perf_ring_peek(&slot->ring, &header))
        return false;
    size_t offset = n1_perf_record_time_offset(&header);
    slot->front_ns = offset ? n1_perf_ring_word(&slot->ring, offset) : 0;
    return slot->front_ns <= cut;
}

static uint64_t period_at(const struct n1_perf *perf, n1_ns time)
{
    unsigned i = perf->epoch_count - 1;

    while (i > 0 && perf->epochs[i].from_ns > time)
        i--;
    return perf->epochs[i].period_ns;
}

static void deliver_sample(struct n1_perf *perf, const struct perf_ring_slot *slot, const void *record,
                           size_t size, n1_ns time)
{
    struct n1_raw_sample sample;
    uint64_t id;

    /* Events on whole CPUs see everybody: most records are not ours, and their far ends need not be fetched.
     */
    pid_t pid = n1_perf_record_sample_pid(record, size);
    if (!perf->last || perf->last->pid != pid)
        perf->last = perf_process_find(perf, pid);
    if (!perf->last) {
        perf->stats.foreign++;
        return;
    }
    if (n1_perf_record_sample(record, size, perf->rights.kernel, &sample, &id)) {
        perf->stats.damaged++;
        return;
    }
    /* Of two sets of events that run together, only the one in force for this process counts. */
    if (!slot->tid && sample.weight_ns != perf_period_of(perf->last, period_at(perf, sample.time)))
        return;
    bool current = sample.time >= perf->epochs[perf->epoch_count - 1].from_ns;
    if (current && !slot->tid && perf_duplicate(perf, sample.tid, sample.cpu, id, sample.time)) {
        perf->stats.duplicates++;
        return;
    }
    sample.time = time;
    struct perf_busy *busy = &perf->last->busy[(unsigned)sample.tid % N1_PERF_BUSY];
    if (busy->tid != sample.tid)
        *busy = (struct perf_busy){.tid = sample.tid};
    perf->last->sampled_ns += sample.weight_ns;
    perf->stats.samples++;
    if (perf->sink.sample)
        perf->sink.sample(perf->sink.context, &sample);
}

static void deliver_mmap(struct n1_perf *perf, const void *record, size_t size, n1_ns time)
{
    struct n1_mmap_event event;

    if (n1_perf_record_mmap(record, size, &event))
        perf->stats.damaged++;
    else if (perf_process_find(perf, event.pid) && perf->sink.mmap)
        perf->sink.mmap(perf->sink.context, time, &event);
}

static void deliver_comm(struct n1_perf *perf, const void *record, size_t size, n1_ns time, bool exec)
{
    const char *name;
    pid_t pid, tid;

    if (n1_perf_record_comm(record, size, &pid, &tid, &name)) {
        perf->stats.damaged++;
        return;
    }
    struct perf_process *process = perf_process_find(perf, pid);
    if (!process)
        return;
    if (exec)
        process->on_exec = false;
    if (perf->sink.comm)
        perf->sink.comm(perf->sink.context, time, pid, tid, name, exec);
}

static void deliver_task(struct n1_perf *perf, const void *record, size_t size, n1_ns time, bool fork)
{
    pid_t pid, parent_pid, tid, parent_tid;

    if (n1_perf_record_task(record, size, &pid, &parent_pid, &tid, &parent_tid)) {
        perf->stats.damaged++;
        return;
    }
    if (!fork) {
        if (!perf_process_find(perf, pid))
            return;
        if (perf->sink.exit)
            perf->sink.exit(perf->sink.context, time, pid, tid);
        perf_thread_ended(perf, pid, tid);
        return;
    }
    if (!perf_process_find(perf, parent_pid) && !perf_process_find(perf, pid))
        return;
    if (pid != parent_pid)
        perf_process_forked(perf, parent_pid, pid);
    else
        perf_thread_born(perf, pid, tid, time);
    if (perf->sink.fork)
        perf->sink.fork(perf->sink.context, time, pid, tid, parent_pid, parent_tid);
}

static void deliver(struct n1_perf *perf, const struct perf_ring_slot *slot,
                    const struct perf_event_header *header)
{
    const void *record = n1_perf_ring_record(&slot->ring, header->size, perf->bounce);
    n1_ns time = slot->front_ns;

    if (time < perf->delivered_ns) {
        perf->stats.late++;
        time = perf->delivered_ns;
    }
    perf->delivered_ns = time;
    perf->stats.records++;
    switch (header->type) {
    case PERF_RECORD_SAMPLE:
        deliver_sample(perf, slot, record, header->size, time);
        break;
    case PERF_RECORD_MMAP:
    case PERF_RECORD_MMAP2:
        deliver_mmap(perf, record, header->size, time);
        break;
    case PERF_RECORD_COMM:
        deliver_comm(perf, record, header->size, time, header->misc & PERF_RECORD_MISC_COMM_EXEC);
        break;
    case PERF_RECORD_FORK:
    case PERF_RECORD_EXIT:
        deliver_task(perf, record, header->size, time, header->type == PERF_RECORD_FORK);
        break;
    case PERF_RECORD_LOST:
    case PERF_RECORD_LOST_SAMPLES: {
        uint64_t lost = n1_perf_record_lost(record, header->size);
        perf->stats.lost += lost;
        if (perf->sink.lost)
            perf->sink.lost(perf->sink.context, time, lost);
        break;
    }
    case PERF_RECORD_THROTTLE:
    case PERF_RECORD_UNTHROTTLE:
        perf->stats.throttled += header->type == PERF_RECORD_THROTTLE;
        if (perf->sink.throttle)
            perf->sink.throttle(perf->sink.context, time, header->type == PERF_RECORD_THROTTLE);
        break;
    default:
        break;
    }
}

static size_t merge(struct n1_perf *perf, n1_ns cut)
{
    struct perf_event_header header;
    size_t delivered = 0;

    perf->heap_count = 0;
    for (size_t i = 0; i < perf->ring_count; i++) {
        n1_perf_ring_refresh(&perf->rings[i]->ring);
        if (load_front(perf->rings[i], cut))
            perf->heap[perf->heap_count++] = perf->rings[i];
    }
    for (size_t i = perf->heap_count / 2; i-- > 0;)
        heap_down(perf, i);
    while (perf->heap_count) {
        struct perf_ring_slot *slot = perf->heap[0];
        if (n1_perf_ring_peek(&slot->ring, &header)) {
            deliver(perf, slot, &header);
            n1_perf_ring_consume(&slot->ring, header.size);
            delivered++;
        }
        if (!load_front(slot, cut))
            perf->heap[0] = perf->heap[--perf->heap_count];
        heap_down(perf, 0);
    }
    return delivered;
}

static size_t drain(struct n1_perf *perf, bool all)
{
    struct epoll_event events[16];
    uint64_t ticks;

    if (read(perf->timer_fd, &ticks, sizeof(ticks)) < 0)
        ticks = 0; /* woken by a watermark */
    /* Takes the wake-ups off the list; the bound is for rings that are filled faster than this loop turns. */
    for (size_t left = perf->ring_count / 16 + 1; left && epoll_wait(perf->epoll_fd, events, 16, 0) == 16;
         left--)
        ;
    n1_ns now = n1_time_mono();
    size_t delivered = merge(perf, all ? UINT64_MAX : now - SLACK_NS);
    perf_housekeeping(perf, now);
    return delivered;
}

size_t n1_perf_drain(struct n1_perf *perf)
{
    return drain(perf, false);
}

size_t n1_perf_flush(struct n1_perf *perf)
{
    return drain(perf, true);
}
