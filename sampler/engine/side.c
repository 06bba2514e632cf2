/*
 * Rings belong to events of our own that count nothing, one per CPU, as those of the engine do; the sources'
 * events are directed into them. Which source a record is of follows from its event's id.
 */
#include "sampler/engine/side.h"

#include "sampler/engine/perf_attr.h"
#include "sampler/engine/perf_record.h"
#include "sampler/engine/perf_ring.h"
#include "sampler/target/threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#define SLACK_NS UINT64_C(2000000)
enum { CPUS_MAX = 1024, RING_LEAST = 64 << 10, RING_DEFAULT = 4 << 20, RING_MOST = 4 << 20 };

struct side_ring {
    struct n1_perf_ring ring;
    int fd;
    n1_ns front_ns;
    bool has_front;
};

struct side_event {
    uint64_t id;
    int fd;
    unsigned source;
    UT_hash_handle hh;
};

struct side_process {
    pid_t pid;
    int proc_fd; /* borrowed */
    struct side_event *events;
    size_t count, cap;
    uint64_t counted[N1_SIDE_SOURCES_MAX]; /* by events that are closed */
    struct side_process *next;
};

struct n1_side {
    struct n1_side_config config;
    n1_side_sink *sink;
    void *context;
    struct n1_side_stats stats;
    struct side_ring *rings;
    int ring_count;
    int epoll_fd;
    bool kernel; /* permitted */
    struct side_process *processes;
    struct side_event *by_id;
    void *bounce;
    n1_ns delivered_ns;
    pid_t *tids;
    size_t tids_cap;
};

static void fill_attr(const struct n1_side *side, const struct n1_side_source *source,
                      struct perf_event_attr *attr)
{
    memset(attr, 0, sizeof *attr);
    attr->size = sizeof *attr;
    attr->type = source->type;
    attr->config = source->config;
    attr->config1 = source->config1;
    attr->config2 = source->config2;
    attr->use_clockid = 1;
    attr->clockid = CLOCK_MONOTONIC;
    attr->exclude_hv = 1;
    attr->exclude_kernel = !(source->kernel && side->kernel);
    attr->inherit = 1;
    attr->inherit_thread = !side->config.children;
    attr->sample_id_all = 1;
    if (!source->period)
        return;
    attr->sample_period = source->period;
    /* Asked for the period, the kernel reports every single occurrence of a software event instead. */
    attr->sample_type =
        (N1_PERF_SAMPLE_COMMON & ~(uint64_t)PERF_SAMPLE_PERIOD) | PERF_SAMPLE_ADDR | PERF_SAMPLE_REGS_USER;
    attr->sample_regs_user = N1_PERF_USER_REGS;
    if (source->stack_bytes) {
        attr->sample_type |= PERF_SAMPLE_STACK_USER;
        attr->sample_stack_user = source->stack_bytes;
    }
}

static int open_rings(struct n1_side *side, size_t bytes)
{
    struct perf_event_attr attr;
    struct epoll_event wake = {.events = EPOLLIN};

    n1_perf_attr_ring(&attr, (uint32_t)bytes / 2);
    for (int cpu = 0; cpu < CPUS_MAX && side->ring_count < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
        struct side_ring *ring = &side->rings[cpu];
        ring->fd = n1_perf_open(&attr, 0, cpu, 0);
        if (ring->fd == -ENODEV || ring->fd == -EINVAL) { /* a hole in the numbering */
            ring->fd = -1;
            continue;
        }
        if (ring->fd < 0)
            return ring->fd;
        int rc = n1_perf_ring_map(&ring->ring, ring->fd, bytes);
        if (rc < 0)
            return rc;
        if (epoll_ctl(side->epoll_fd, EPOLL_CTL_ADD, ring->fd, &wake))
            return -errno;
        side->ring_count++;
        side->stats.pinned_bytes += ring->ring.map_bytes;
        side->stats.fds++;
    }
    return side->ring_count ? 0 : -ENODEV;
}

static void close_rings(struct n1_side *side)
{
    for (int cpu = 0; cpu < CPUS_MAX; cpu++) {
        n1_perf_ring_unmap(&side->rings[cpu].ring);
        if (side->rings[cpu].fd >= 0)
            close(side->rings[cpu].fd);
        side->rings[cpu].fd = -1;
    }
    side->ring_count = 0;
    side->stats.pinned_bytes = 0;
    side->stats.fds = 0;
}

static size_t share_of(size_t bytes)
{
    size_t cpus = (size_t)sysconf(_SC_NPROCESSORS_ONLN), share = RING_MOST;
    while (share > RING_LEAST && share * cpus > bytes)
        share /= 2;
    return share;
}

int n1_side_create(const struct n1_side_config *config, n1_side_sink *sink, void *context,
                   struct n1_side **ret_side, struct n1_error *reterr)
{
    struct n1_perf_rights rights;
    int rc = n1_perf_rights_probe(&rights, false, reterr);
    if (rc < 0)
        return rc;
    struct n1_side *side = calloc(1, sizeof *side);
    if (side) {
        side->rings = calloc(CPUS_MAX, sizeof *side->rings);
        side->bounce = aligned_alloc(64, N1_PERF_RECORD_MAX_BYTES);
    }
    if (!side || !side->rings || !side->bounce) {
        n1_side_destroy(side);
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    }
    for (int cpu = 0; cpu < CPUS_MAX; cpu++)
        side->rings[cpu].fd = -1;
    side->config = *config;
    side->sink = sink;
    side->context = context;
    side->kernel = rights.kernel;
    side->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    rc = side->epoll_fd < 0 ? -errno : -EPERM;
    for (size_t bytes = share_of(config->ring_bytes ? config->ring_bytes : RING_DEFAULT);
         rc == -EPERM && bytes >= RING_LEAST; bytes /= 2) {
        rc = open_rings(side, bytes);
        if (rc < 0)
            close_rings(side);
    }
    if (rc < 0) {
        n1_side_destroy(side);
        return rc == -EPERM ? n1_error_hint(reterr, N1_E_NOT_PERMITTED,
                                            "raise kernel.perf_event_mlock_kb or the limit of locked memory",
                                            "no memory may be pinned for the rings of side events")
                            : n1_perf_refused(rc, "opening side events", reterr);
    }
    *ret_side = side;
    return 0;
}

static void close_event(struct n1_side *side, struct side_process *process, struct side_event *event)
{
    struct side_event *known;
    uint64_t count;

    if (event->fd < 0)
        return;
    if (read(event->fd, &count, sizeof count) == sizeof count)
        process->counted[event->source] += count;
    HASH_FIND(hh, side->by_id, &event->id, sizeof event->id, known);
    if (known == event)
        HASH_DEL(side->by_id, event);
    close(event->fd);
    event->fd = -1;
    side->stats.fds--;
}

static void destroy_process(struct n1_side *side, struct side_process *process)
{
    for (size_t i = 0; i < process->count; i++)
        close_event(side, process, &process->events[i]);
    free(process->events);
    free(process);
}

void n1_side_destroy(struct n1_side *side)
{
    if (!side)
        return;
    while (side->processes) {
        struct side_process *process = side->processes;
        side->processes = process->next;
        destroy_process(side, process);
    }
    if (side->rings)
        close_rings(side);
    if (side->epoll_fd > 0)
        close(side->epoll_fd);
    free(side->rings);
    free(side->bounce);
    free(side->tids);
    free(side);
}

/* Opens `source` on one thread and CPU into `event`. */
static int open_event(struct n1_side *side, struct side_event *event, unsigned source, pid_t tid, int cpu)
{
    struct perf_event_attr attr;

    fill_attr(side, &side->config.sources[source], &attr);
    int fd = n1_perf_open(&attr, tid, cpu, 0);
    if (fd == -EINVAL && attr.inherit_thread) { /* a kernel before 5.13 */
        attr.inherit_thread = 0;
        fd = n1_perf_open(&attr, tid, cpu, 0);
    }
    if (fd < 0)
        return fd;
    int rc = 0;
    if (side->config.sources[source].period && ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, side->rings[cpu].fd))
        rc = -errno;
    else if (ioctl(fd, PERF_EVENT_IOC_ID, &event->id))
        rc = -errno;
    if (rc < 0) {
        close(fd);
        return rc;
    }
    event->fd = fd;
    event->source = source;
    side->stats.fds++;
    HASH_ADD(hh, side->by_id, id, sizeof event->id, event);
    return 0;
}

static int open_source(struct n1_side *side, struct side_process *process, unsigned source, ssize_t threads)
{
    int rc = -ESRCH;
    for (ssize_t t = 0; t < threads; t++) {
        for (int cpu = 0; cpu < CPUS_MAX; cpu++) {
            if (side->rings[cpu].fd < 0)
                continue;
            struct side_event *event = &process->events[process->count];
            event->fd = -1;
            int one = open_event(side, event, source, side->tids[t], cpu);
            if (one == 0) {
                process->count++;
                rc = 0;
            } else if (one != -ESRCH) {
                return one;
            }
        }
    }
    return rc;
}

static struct side_process *find(const struct n1_side *side, pid_t pid)
{
    struct side_process *process = side->processes;
    while (process && process->pid != pid)
        process = process->next;
    return process;
}

int n1_side_add(struct n1_side *side, pid_t pid, int proc_fd, struct n1_error *reterr)
{
    if (find(side, pid))
        return 0;
    ssize_t threads = n1_threads_list(proc_fd, &side->tids, &side->tids_cap);
    if (threads <= 0)
        return n1_error_set(reterr, N1_E_NO_PROCESS, "process %d is gone", (int)pid);
    size_t need = (size_t)threads * (size_t)side->ring_count * side->config.source_count;
    if (need + side->stats.fds > N1_SIDE_EVENTS_MAX)
        return n1_error_set(reterr, -E2BIG, "%zd threads on %d CPUs are too many to watch one by one",
                            threads, side->ring_count);
    struct side_process *process = calloc(1, sizeof *process);
    if (process)
        process->events = calloc(need, sizeof *process->events); /* hashed by address: never moved */
    if (!process || !process->events) {
        free(process);
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    }
    process->pid = pid;
    process->proc_fd = proc_fd;
    process->cap = need;
    int rc = 0;
    for (unsigned s = 0; s < side->config.source_count && rc == 0; s++)
        rc = open_source(side, process, s, threads);
    if (rc < 0) {
        destroy_process(side, process);
        return rc == -ESRCH ? n1_error_set(reterr, N1_E_NO_PROCESS, "process %d is gone", (int)pid)
                            : n1_perf_refused(rc, "opening side events", reterr);
    }
    process->next = side->processes;
    side->processes = process;
    return 0;
}

void n1_side_remove(struct n1_side *side, pid_t pid)
{
    for (struct side_process **at = &side->processes; *at; at = &(*at)->next) {
        struct side_process *process = *at;
        if (process->pid != pid)
            continue;
        *at = process->next;
        destroy_process(side, process);
        return;
    }
}

/* Threads came and went since: they are listed anew, and inherited events end with their ancestors'. */
static void reopen(struct n1_side *side, struct side_process *process)
{
    ssize_t threads = n1_threads_list(process->proc_fd, &side->tids, &side->tids_cap);
    size_t per_source = process->cap / side->config.source_count;

    for (size_t i = 0; i < process->count; i++)
        close_event(side, process, &process->events[i]);
    process->count = 0;
    if (threads <= 0)
        return;
    size_t need = (size_t)threads * (size_t)side->ring_count;
    if (need > per_source) {
        struct side_event *more = need * side->config.source_count + side->stats.fds <= N1_SIDE_EVENTS_MAX
                                      ? calloc(need * side->config.source_count, sizeof *more)
                                      : NULL;
        if (!more)
            threads = (ssize_t)(per_source / (size_t)side->ring_count);
        else {
            free(process->events);
            process->events = more;
            process->cap = need * side->config.source_count;
        }
    }
    for (unsigned s = 0; s < side->config.source_count; s++)
        open_source(side, process, s, threads);
}

void n1_side_set_period(struct n1_side *side, unsigned source, uint64_t period)
{
    if (source >= side->config.source_count || side->config.sources[source].period == period || !period)
        return;
    side->config.sources[source].period = period;
    for (struct side_process *process = side->processes; process; process = process->next)
        reopen(side, process);
}

uint64_t n1_side_count(const struct n1_side *side, pid_t pid, unsigned source)
{
    const struct side_process *process = find(side, pid);
    if (!process || source >= side->config.source_count)
        return 0;
    uint64_t sum = process->counted[source], count;
    for (size_t i = 0; i < process->count; i++)
        if (process->events[i].source == source && process->events[i].fd >= 0 &&
            read(process->events[i].fd, &count, sizeof count) == sizeof count)
            sum += count;
    return sum;
}

int n1_side_fd(const struct n1_side *side)
{
    return side->epoll_fd;
}

static void load_front(struct side_ring *ring, n1_ns cut)
{
    struct perf_event_header header;

    ring->has_front = n1_perf_ring_peek(&ring->ring, &header);
    if (!ring->has_front)
        return;
    ring->front_ns = 0; /* what has no time comes at once */
    if (header.type == PERF_RECORD_SAMPLE) {
        size_t offset = n1_perf_record_time_offset(&header);
        ring->front_ns = offset ? n1_perf_ring_word(&ring->ring, offset) : 0;
    }
    ring->has_front = ring->front_ns <= cut;
}

static void deliver(struct n1_side *side, struct side_ring *ring)
{
    struct perf_event_header header;

    if (!n1_perf_ring_peek(&ring->ring, &header))
        return;
    const void *record = n1_perf_ring_record(&ring->ring, header.size, side->bounce);
    if (header.type == PERF_RECORD_SAMPLE) {
        struct n1_raw_sample raw;
        struct side_event *event;
        uint64_t address, id = n1_perf_record_id(record, header.size);
        HASH_FIND(hh, side->by_id, &id, sizeof id, event);
        if (event) { /* else of an event that has been closed: its period is not known any more */
            bool stack = side->config.sources[event->source].stack_bytes > 0;
            if (n1_perf_record_side(record, header.size, stack, &raw, &address)) {
                side->stats.damaged++;
            } else {
                side->stats.samples++;
                raw.weight_ns = side->config.sources[event->source].period;
                side->sink(side->context, event->source, &raw, address);
            }
        }
    } else if (header.type == PERF_RECORD_LOST || header.type == PERF_RECORD_LOST_SAMPLES) {
        side->stats.lost += n1_perf_record_lost(record, header.size);
    }
    n1_perf_ring_consume(&ring->ring, header.size);
}

size_t n1_side_drain(struct n1_side *side, bool all)
{
    n1_ns cut = all ? UINT64_MAX : n1_time_mono() - SLACK_NS;
    struct epoll_event events[16];
    size_t delivered = 0;

    epoll_wait(side->epoll_fd, events, 16, 0);
    for (int cpu = 0; cpu < CPUS_MAX; cpu++) {
        side->rings[cpu].has_front = false;
        if (side->rings[cpu].fd < 0)
            continue;
        n1_perf_ring_refresh(&side->rings[cpu].ring);
        load_front(&side->rings[cpu], cut);
    }
    for (;;) {
        struct side_ring *first = NULL;
        for (int cpu = 0, seen = 0; seen < side->ring_count && cpu < CPUS_MAX; cpu++) {
            struct side_ring *ring = &side->rings[cpu];
            seen += ring->fd >= 0;
            if (ring->has_front && (!first || ring->front_ns < first->front_ns))
                first = ring;
        }
        if (!first)
            return delivered;
        deliver(side, first);
        delivered++;
        load_front(first, cut);
    }
}

void n1_side_stats(const struct n1_side *side, struct n1_side_stats *ret_stats)
{
    *ret_stats = side->stats;
    for (int cpu = 0; cpu < CPUS_MAX; cpu++)
        ret_stats->damaged += side->rings[cpu].ring.damaged;
}
