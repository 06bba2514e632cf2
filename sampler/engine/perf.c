/*
 * The engine: its rings and its settings. A ring belongs to an event of our own that counts nothing, one per
 * CPU, so that rings outlive every target; the targets' events are directed into them.
 */
#include "sampler/engine/perf_internal.h"

#include "sampler/engine/hurry.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define FIRST_DRAIN_NS 30000000L

enum { CPUS_MAX = 4096 };

unsigned perf_cpus_for_rules(const struct n1_perf *perf)
{
    return perf->config.assume_cpus ? perf->config.assume_cpus : (unsigned)perf->cpu_count;
}

/* The list has the form "0-3,8,10-11". */
static int read_cpus(struct n1_perf *perf)
{
    char text[4096] = "";
    int fd = open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        close(fd);
    perf->cpus = calloc(CPUS_MAX, sizeof(*perf->cpus));
    if (!perf->cpus)
        return -ENOMEM;
    if (n <= 0)
        snprintf(text, sizeof(text), "0-%ld", sysconf(_SC_NPROCESSORS_ONLN) - 1);
    for (char *p = text; *p >= '0' && *p <= '9';) {
        long first = strtol(p, &p, 10), last = first;
        if (*p == '-')
            last = strtol(p + 1, &p, 10);
        for (long cpu = first; cpu <= last && perf->cpu_count < CPUS_MAX; cpu++)
            perf->cpus[perf->cpu_count++] = (int)cpu;
        if (*p == ',')
            p++;
    }
    return perf->cpu_count ? 0 : -ENODEV;
}

static void raise_fd_limit(struct n1_perf *perf)
{
    struct rlimit limit;

    perf->fd_limit = 1024;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        if (!setrlimit(RLIMIT_NOFILE, &raised))
            limit = raised;
    }
    perf->fd_limit = limit.rlim_cur > 1u << 24 ? 1 << 24 : (int)limit.rlim_cur;
}

/* The bit that processors keep zero and hypervisors set: leaf 1, ECX, bit 31. */
static bool in_virtual_machine(void)
{
#ifdef __x86_64__
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && c >> 31;
#else
    return false;
#endif
}

int perf_ring_add(struct n1_perf *perf, struct perf_ring_slot *slot)
{
    /* Edge-triggered: the event of a thread that ended would be "ready" for ever. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = slot};

    if (perf->ring_count == perf->ring_cap) {
        size_t cap = perf->ring_cap ? perf->ring_cap * 2 : (size_t)perf->cpu_count + 16;
        struct perf_ring_slot **rings = realloc(perf->rings, cap * sizeof(*rings));
        if (!rings)
            return -ENOMEM;
        perf->rings = rings;
        struct perf_ring_slot **heap = realloc(perf->heap, cap * sizeof(*heap));
        if (!heap)
            return -ENOMEM;
        perf->heap = heap;
        perf->ring_cap = cap;
    }
    if (epoll_ctl(perf->epoll_fd, EPOLL_CTL_ADD, slot->fd, &event))
        return -errno;
    perf->rings[perf->ring_count++] = slot;
    perf->stats.pinned_bytes += slot->ring.map_bytes;
    perf->stats.fds++;
    return 0;
}

static void close_rings(struct n1_perf *perf)
{
    for (int i = 0; i < perf->cpu_count && perf->cpu_rings; i++) {
        n1_perf_ring_unmap(&perf->cpu_rings[i].ring);
        if (perf->cpu_rings[i].fd >= 0)
            close(perf->cpu_rings[i].fd);
        perf->cpu_rings[i].fd = -1;
    }
}

static int open_rings(struct n1_perf *perf, size_t data_bytes)
{
    struct perf_event_attr attr;

    n1_perf_attr_ring(&attr,
                      n1_perf_watermark_bytes(data_bytes, perf->stats.rate_used_hz, perf->config.drain_ms));
    for (int i = 0; i < perf->cpu_count; i++) {
        struct perf_ring_slot *slot = &perf->cpu_rings[i];
        slot->fd = n1_perf_open(&attr, 0, perf->cpus[i], 0);
        int err = slot->fd < 0 ? slot->fd : n1_perf_ring_map(&slot->ring, slot->fd, data_bytes);
        if (err) {
            close_rings(perf);
            return err;
        }
    }
    return 0;
}

static int make_rings(struct n1_perf *perf, struct n1_error *reterr)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    unsigned rings = perf_cpus_for_rules(perf);
    size_t bytes;
    int err = -EPERM;

    perf->cpu_rings = calloc((size_t)perf->cpu_count, sizeof(*perf->cpu_rings));
    if (!perf->cpu_rings)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    for (int i = 0; i < perf->cpu_count; i++)
        perf->cpu_rings[i].fd = -1;
    for (bytes = n1_perf_ring_bytes(rings, perf->config.budget_bytes, page_bytes);
         bytes >= N1_PERF_RING_MIN_BYTES; bytes /= 2) {
        err = open_rings(perf, bytes);
        if (err != -EPERM && err != -ENOMEM)
            break;
    }
    if (err == -EPERM || err == -ENOMEM)
        return n1_error_hint(reterr, N1_E_NOT_PERMITTED,
                             "raise kernel.perf_event_mlock_kb or the limit of locked memory (ulimit -l)",
                             "no memory may be pinned for perf rings, not even %d KiB a CPU",
                             N1_PERF_RING_MIN_BYTES / 1024);
    if (err)
        return n1_perf_refused(err, "opening perf rings", reterr);
    for (int i = 0; i < perf->cpu_count; i++) {
        err = perf_ring_add(perf, &perf->cpu_rings[i]);
        if (err)
            return n1_error_set(reterr, err, "cannot watch the perf rings: %s", strerror(-err));
    }
    perf->stats.ring_bytes = bytes;
    return 0;
}

static int make_timer(struct n1_perf *perf)
{
    struct epoll_event event = {.events = EPOLLIN};

    perf->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (perf->timer_fd < 0 || epoll_ctl(perf->epoll_fd, EPOLL_CTL_ADD, perf->timer_fd, &event))
        return -errno;
    struct timespec every = {perf->config.drain_ms / 1000, perf->config.drain_ms % 1000 * 1000000L};
    /* Who attaches waits for the first function. */
    struct timespec first = {0, FIRST_DRAIN_NS};
    struct itimerspec timer = {every, perf->config.drain_ms * 1000000L > FIRST_DRAIN_NS ? first : every};
    return timerfd_settime(perf->timer_fd, 0, &timer, NULL) ? -errno : 0;
}

/* The lowest bit of the period tells two following settings apart, even at the same rate. */
static void choose_period(struct n1_perf *perf)
{
    perf->generation++;
    perf->period_ns =
        perf->stats.paused ? 0 : n1_perf_period_ns(perf->stats.rate_used_hz) + (perf->generation & 1);
}

int n1_perf_create(const struct n1_perf_config *config, const struct n1_engine_sink *sink,
                   struct n1_perf **ret_perf, struct n1_error *reterr)
{
    struct n1_perf *perf = calloc(1, sizeof(*perf));
    int err;

    if (!perf)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    perf->config = *config;
    perf->sink = *sink;
    perf->timer_fd = -1;
    if (!perf->config.rate_hz)
        perf->config.rate_hz = 99;
    if (!perf->config.budget_bytes)
        perf->config.budget_bytes = N1_PERF_BUDGET_BYTES;
    if (!perf->config.drain_ms)
        perf->config.drain_ms = 100;
    perf->stats.rate_asked_hz = perf->config.rate_hz;
    perf->stats.rate_used_hz = n1_perf_rate_used(perf->config.rate_hz);
    perf->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    perf->bounce = aligned_alloc(64, N1_PERF_RECORD_MAX_BYTES);
    err = perf->epoll_fd < 0 ? -errno : !perf->bounce ? -ENOMEM : read_cpus(perf);
    if (err) {
        n1_error_set(reterr, err, "cannot start the engine: %s", strerror(-err));
        goto fail;
    }
    raise_fd_limit(perf);
    n1_engine_hurry();
    perf->virtual_machine = in_virtual_machine();
    err = n1_perf_rights_probe(&perf->rights, config->user_only, reterr);
    if (!err)
        err = make_rings(perf, reterr);
    if (err)
        goto fail;
    err = make_timer(perf);
    if (err) {
        n1_error_set(reterr, err, "cannot make a timer: %s", strerror(-err));
        goto fail;
    }
    perf->stats.stack_bytes = n1_perf_stack_bytes(config->stack_bytes, perf->stats.ring_bytes);
    choose_period(perf);
    perf->epochs[0] = (struct perf_epoch){0, perf->period_ns};
    perf->epoch_count = 1;
    *ret_perf = perf;
    return 0;
fail:
    n1_perf_destroy(perf);
    return err;
}

void n1_perf_destroy(struct n1_perf *perf)
{
    if (!perf)
        return;
    perf_processes_finish(perf);
    perf_scan_reap(perf, true);
    perf_duplicate_finish(perf);
    close_rings(perf);
    if (perf->timer_fd >= 0)
        close(perf->timer_fd);
    if (perf->epoll_fd >= 0)
        close(perf->epoll_fd);
    free(perf->cpu_rings);
    free(perf->rings);
    free(perf->heap);
    free(perf->cpus);
    free(perf->bounce);
    free(perf->tids);
    free(perf);
}

int n1_perf_fd(const struct n1_perf *perf)
{
    return perf->epoll_fd;
}

int n1_perf_set_rate(struct n1_perf *perf, uint32_t rate_hz)
{
    struct n1_perf_stats before = perf->stats;
    uint64_t period_ns = perf->period_ns;

    perf->stats.rate_asked_hz = rate_hz;
    perf->stats.rate_used_hz = n1_perf_rate_used(rate_hz);
    if (perf->stats.paused || before.rate_used_hz == perf->stats.rate_used_hz)
        return 0;
    choose_period(perf);
    int err = perf_reopen_all(perf);
    if (err) {
        perf->stats.rate_asked_hz = before.rate_asked_hz;
        perf->stats.rate_used_hz = before.rate_used_hz;
        perf->period_ns = period_ns;
    }
    return err;
}

int n1_perf_set_stack(struct n1_perf *perf, uint32_t stack_bytes)
{
    uint32_t before = perf->stats.stack_bytes;
    uint64_t period_ns = perf->period_ns;

    perf->stats.stack_bytes = n1_perf_stack_bytes(stack_bytes, perf->stats.ring_bytes);
    if (perf->stats.paused || before == perf->stats.stack_bytes)
        return 0;
    choose_period(perf);
    int err = perf_reopen_all(perf);
    if (err) {
        perf->stats.stack_bytes = before;
        perf->period_ns = period_ns;
    }
    return err;
}

int n1_perf_pause(struct n1_perf *perf, bool paused)
{
    uint64_t period_ns = perf->period_ns;

    if (perf->stats.paused == paused)
        return 0;
    perf->stats.paused = paused;
    choose_period(perf);
    int err = perf_reopen_all(perf);
    if (err) {
        perf->stats.paused = !paused;
        perf->period_ns = period_ns;
    }
    return err;
}

void n1_perf_stats(const struct n1_perf *perf, struct n1_perf_stats *ret_stats)
{
    *ret_stats = perf->stats;
    ret_stats->period_ns = perf->period_ns;
    ret_stats->rings = (uint32_t)perf->ring_count;
    for (const struct perf_process *p = perf->processes; p; p = p->hh.next)
        if (p->divisor > 1 && p->mode == N1_PERF_MODE_INHERIT)
            ret_stats->slowed_hz = ret_stats->rate_used_hz / p->divisor;
    ret_stats->kernel_frames = perf->rights.kernel;
    ret_stats->kernel_refusal = perf->rights.kernel_refusal;
    for (size_t i = 0; i < perf->ring_count; i++)
        ret_stats->damaged += perf->rings[i]->ring.damaged;
}
