/*
 * Engine A behind the table of operations that every engine has.
 */
#include "sampler/engine/perf.h"

static int add_process(void *self, pid_t pid, struct n1_error *reterr)
{
    return n1_perf_add_process(self, pid, 0, reterr);
}

static void remove_process(void *self, pid_t pid)
{
    n1_perf_remove_process(self, pid);
}

static int fd_of(const void *self)
{
    return n1_perf_fd(self);
}

static void drain(void *self, bool all)
{
    if (all)
        n1_perf_flush(self);
    else
        n1_perf_drain(self);
}

static int set_rate(void *self, uint32_t rate_hz)
{
    return n1_perf_set_rate(self, rate_hz);
}

static int set_stack(void *self, uint32_t bytes)
{
    return n1_perf_set_stack(self, bytes);
}

static int pause_engine(void *self, bool paused)
{
    return n1_perf_pause(self, paused);
}

static void stats_of(const void *self, struct n1_engine_stats *ret)
{
    struct n1_perf_stats stats;
    n1_perf_stats(self, &stats);
    *ret = (struct n1_engine_stats){
        .rate_asked_hz = stats.rate_asked_hz,
        .rate_used_hz = stats.rate_used_hz,
        .slowed_hz = stats.slowed_hz,
        .period_ns = stats.period_ns,
        .stack_bytes = stats.stack_bytes,
        .pinned_bytes = stats.pinned_bytes,
        .kernel_frames = stats.kernel_frames,
        .damaged = stats.damaged,
    };
}

static void destroy(void *self)
{
    n1_perf_destroy(self);
}

static const struct n1_engine_ops ops = {
    .kind = N1_ENGINE_PERF,
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

struct n1_engine n1_perf_engine(struct n1_perf *perf)
{
    return (struct n1_engine){&ops, perf};
}
