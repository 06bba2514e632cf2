/*
 * A value is pushed when the pass measured it anew; a value that became unknown is pushed once as unknown,
 * with its reason, so that the screen shows a dash and not the last figure for ever.
 */
#include "sampler/figures.h"

#include "sampler/waits/waits.h"

#include "n1/metric.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MEMORY_PERIOD_S = 5 };

void n1_figures_init(struct n1_figures *f, struct n1_writer *w)
{
    *f = (struct n1_figures){.w = w};
    n1_metrics_create(&f->host, 0, NULL, NULL);
}

void n1_figures_finish(struct n1_figures *f)
{
    n1_metrics_destroy(f->host);
    f->host = NULL;
}

static bool of_waits(int id)
{
    return id >= N1_METRIC_WAIT_LOCK && id <= N1_METRIC_WAIT_DEEP;
}

static void push_waits(struct n1_figures *f, struct n1_target *t, n1_ns now)
{
    struct n1_metric_point points[N1_METRIC_COUNT];
    struct n1_series_set *series = &t->series;
    n1_waits_points(t, now, points);
    for (int id = N1_METRIC_WAIT_LOCK; id <= N1_METRIC_WAIT_DEEP; id++) {
        if (!series->id[id])
            series->id[id] = n1_writer_series(f->w, (uint32_t)id, t->id);
        if (series->id[id] && points[id].valid)
            n1_writer_point(f->w, series->id[id], now, points[id].value);
        else if (series->id[id] && !series->unknown[id])
            n1_writer_point_unknown(f->w, series->id[id], now, n1_writer_string_z(f->w, n1_waits_reason(t)));
        series->unknown[id] = !points[id].valid;
    }
}

static void push(struct n1_figures *f, const struct n1_metrics *m, struct n1_series_set *series,
                 enum n1_metric_scope scope, uint32_t scope_id, n1_ns now)
{
    const struct n1_metric_point *points = n1_metrics_points(m);
    for (int id = 0; id < N1_METRIC_COUNT; id++) {
        if (n1_metric_info((enum n1_metric_id)id)->scope != scope || of_waits(id))
            continue;
        if (!series->id[id])
            series->id[id] = n1_writer_series(f->w, (uint32_t)id, scope_id);
        if (!series->id[id])
            continue;
        if (points[id].valid && points[id].time >= now)
            n1_writer_point(f->w, series->id[id], now, points[id].value);
        else if (!points[id].valid && !series->unknown[id])
            n1_writer_point_unknown(f->w, series->id[id], now,
                                    n1_writer_string_z(f->w, n1_metrics_reason(m, id)));
        series->unknown[id] = !points[id].valid;
    }
}

static void push_threads(struct n1_figures *f, struct n1_target *t)
{
    size_t count;
    const struct n1_thread_times *times = n1_metrics_threads(t->metrics, &count);
    for (size_t i = 0; i < count; i++) {
        const struct n1_roster_entry *entry = n1_roster_find(&t->roster, times[i].tid);
        if (entry && entry->slot && times[i].times_valid)
            n1_writer_thread_times(f->w, entry->slot, (uint64_t)times[i].run_ns, (uint64_t)times[i].wait_ns);
    }
}

void n1_figures_read(struct n1_figures *f, struct n1_targets *targets, n1_ns now)
{
    if (f->host && n1_metrics_read(f->host, now) == 0)
        push(f, f->host, &f->host_series, N1_SCOPE_HOST, 0, now);
    for (size_t i = 0; i < targets->count; i++) {
        struct n1_target *t = targets->items[i];
        if (t->gone || !t->metrics || n1_metrics_read(t->metrics, now) < 0)
            continue;
        push(f, t->metrics, &t->series, N1_SCOPE_PROCESS, t->id, now);
        push_waits(f, t, now);
        push_threads(f, t);
        char state = n1_metrics_state(t->metrics);
        n1_writer_process_state(f->w, t->id,
                                state == 'T' || state == 't' ? N1_PROCESS_STOPPED : N1_PROCESS_RUNNING,
                                N1_STATUS_UNKNOWN, 0);
    }
}

/* Kernel CPU time since we attached: what an engine without kernel rights cannot see. */
static uint64_t hidden_ns(struct n1_targets *targets)
{
    uint64_t sum = targets->buried_hidden_ns;
    for (size_t i = 0; i < targets->count; i++)
        sum += n1_target_hidden_ns(targets->items[i]);
    return sum;
}

static uint64_t pss_of(pid_t pid)
{
    char path[64], text[2048];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    uint64_t kb = 0;
    while (fgets(text, sizeof text, file))
        if (!strncmp(text, "Pss:", 4))
            kb = strtoull(text + 4, NULL, 10);
    fclose(file);
    return kb * 1024;
}

static uint64_t cpu_of(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    uint64_t run = fgets(text, sizeof text, file) ? strtoull(text, NULL, 10) : 0;
    fclose(file);
    return run;
}

void n1_figures_self(struct n1_figures *f, struct n1_targets *targets, const struct n1_naming *naming,
                     const struct n1_engine *engine, n1_ns now)
{
    struct rusage own, ended;
    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &ended);
    pid_t helper = n1_naming_helper_pid(naming);
    uint64_t cpu = 0;
    const struct timeval *parts[] = {&own.ru_utime, &own.ru_stime, &ended.ru_utime, &ended.ru_stime};
    for (size_t i = 0; i < 4; i++)
        cpu += (uint64_t)parts[i]->tv_sec * N1_SECOND_NS + (uint64_t)parts[i]->tv_usec * 1000;
    n1_writer_self(f->w, N1_SELF_CPU_NS, cpu + (helper ? cpu_of(helper) : 0));
    if (now - f->memory_read >= MEMORY_PERIOD_S * N1_SECOND_NS) {
        f->memory_read = now;
        n1_writer_self(f->w, N1_SELF_MEMORY_BYTES, pss_of(getpid()) + (helper ? pss_of(helper) : 0));
    }
    if (!engine->ops)
        return;
    struct n1_engine_stats stats;
    engine->ops->stats(engine->self, &stats);
    n1_writer_self(f->w, N1_SELF_RATE_ASKED, stats.rate_asked_hz);
    n1_writer_self(f->w, N1_SELF_RATE_USED, stats.slowed_hz ? stats.slowed_hz : stats.rate_used_hz);
    if (stats.period_ns) /* a recording ends paused, and its samples still stand for something */
        n1_writer_self(f->w, N1_SELF_PERIOD_NS, stats.period_ns);
    n1_writer_self(f->w, N1_SELF_PINNED_BYTES, stats.pinned_bytes);
    n1_writer_self(f->w, N1_SELF_KERNEL_FRAMES, stats.kernel_frames);
    n1_writer_self(f->w, N1_SELF_PAUSE_P50_NS, stats.pause_p50_ns);
    n1_writer_self(f->w, N1_SELF_PAUSE_P99_NS, stats.pause_p99_ns);
    n1_writer_self(f->w, N1_SELF_MISSED, stats.missed);
    n1_writer_self_add(f->w, N1_SELF_REJECTED, stats.damaged - f->damaged_told);
    f->damaged_told = stats.damaged;
    /* The other engines weigh a sample by the thread's whole CPU time: in them kernel time is its caller's.
     */
    bool hides = engine->ops->kind == N1_ENGINE_PERF && !stats.kernel_frames;
    n1_writer_self(f->w, N1_SELF_KERNEL_HIDDEN_NS, hides ? hidden_ns(targets) : 0);
}

void n1_figures_coverage(struct n1_figures *f, struct n1_targets *targets, bool sampling)
{
    for (size_t i = 0; i < targets->count; i++) {
        struct n1_target *t = targets->items[i];
        uint64_t cpu_ns;
        if (t->gone || n1_process_cpu_ns(t->pid, &cpu_ns) < 0)
            continue;
        if (sampling && t->cpu_read_ns <= cpu_ns) {
            n1_writer_self_add(f->w, N1_SELF_TARGET_CPU_NS, cpu_ns - t->cpu_read_ns);
            n1_writer_self_add(f->w, N1_SELF_SAMPLED_NS, t->sampled_ns - t->sampled_read_ns);
        }
        t->cpu_read_ns = cpu_ns;
        t->sampled_read_ns = t->sampled_ns;
    }
}

void n1_figures_remap(struct n1_figures *f, struct n1_targets *targets)
{
    /* Series are interned by metric and scope: asking again gives the new ids. */
    memset(f->host_series.id, 0, sizeof f->host_series.id);
    for (size_t i = 0; i < targets->count; i++)
        memset(targets->items[i]->series.id, 0, sizeof targets->items[i]->series.id);
}
