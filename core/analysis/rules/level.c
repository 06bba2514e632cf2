/*
 * A host that has a twentieth of its memory left is as near to its end as a cgroup with twice that: page
 * cache of others can still be taken back there, so its part counts for half.
 */
#include "core/analysis/rules/level.h"

#include <math.h>

#define STALE_NS (10 * N1_SECOND_NS)
#define HOST_PART 0.5
#define PPM 1e6

static const struct n1_level_shape shapes[N1_RULE_COUNT] = {
    [N1_RULE_MEMORY_LIMIT] = {true, .below = true, .lasts = 2, .over = 1.25, .scale = PPM},
    [N1_RULE_MEMORY_EVENTS] = {true, .lasts = 2, .over = 0.5, .scale = 1},
    [N1_RULE_OUT_OF_MEMORY] = {true, .lasts = 1, .over = 0.5, .scale = 1},
    [N1_RULE_GC_PRESSURE] = {true, .lasts = 3, .over = 0.7, .scale = PPM},
    [N1_RULE_HOT_SHIFT] = {true, .lasts = 1, .over = 0.6, .scale = PPM},
};

const struct n1_level_shape *n1_level_shape(enum n1_rule rule)
{
    return &shapes[rule];
}

static struct n1_level_rate *rate_of(struct n1_levels *l, enum n1_metric_id metric)
{
    switch (metric) {
    case N1_METRIC_CGROUP_MEM_HIGH:
        return &l->high;
    case N1_METRIC_CGROUP_MEM_MAX:
        return &l->max;
    case N1_METRIC_CGROUP_MEM_OOM:
        return &l->oom;
    case N1_METRIC_CGROUP_MEM_OOM_KILL:
        return &l->oom_kill;
    case N1_METRIC_GC_CPU:
        return &l->gc;
    case N1_METRIC_CPU_TOTAL:
        return &l->cpu;
    default:
        return NULL;
    }
}

static struct n1_metric_point *gauge_of(struct n1_levels *l, enum n1_metric_id metric)
{
    switch (metric) {
    case N1_METRIC_CGROUP_MEM_HEADROOM:
        return &l->headroom;
    case N1_METRIC_CGROUP_MEM_LIMIT:
        return &l->limit;
    case N1_METRIC_HOST_MEM_AVAILABLE:
        return &l->available;
    case N1_METRIC_HOST_MEM_TOTAL:
        return &l->total;
    case N1_METRIC_HOST_SWAP_FREE:
        return &l->swap_free;
    default:
        return NULL;
    }
}

void n1_levels_init(struct n1_levels *levels)
{
    *levels = (struct n1_levels){.shift = NAN};
    levels->high.per_second = levels->max.per_second = levels->oom.per_second = NAN;
    levels->oom_kill.per_second = levels->gc.per_second = levels->cpu.per_second = NAN;
}

bool n1_levels_wants(enum n1_metric_id metric)
{
    static struct n1_levels none;
    return rate_of(&none, metric) || gauge_of(&none, metric);
}

void n1_levels_feed(struct n1_levels *levels, enum n1_metric_id metric, const struct n1_metric_point *point)
{
    struct n1_metric_point *gauge = gauge_of(levels, metric);
    struct n1_level_rate *rate = rate_of(levels, metric);
    if (!point->valid)
        return;
    if (gauge)
        *gauge = *point;
    if (!rate || (rate->known && point->time <= rate->last.time))
        return;
    bool follows = rate->known && point->value >= rate->last.value;
    rate->per_second = follows ? (double)(point->value - rate->last.value) * (double)N1_SECOND_NS /
                                     (double)(point->time - rate->last.time)
                               : NAN;
    rate->last = *point;
    rate->known = true;
}

static bool fresh(const struct n1_metric_point *point, n1_ns now)
{
    return point->valid && now < point->time + STALE_NS;
}

static double rate(const struct n1_level_rate *r, n1_ns now)
{
    return r->known && now < r->last.time + STALE_NS ? r->per_second : NAN;
}

static double memory_left(const struct n1_levels *l, n1_ns now, const char **ret_resource)
{
    double left = NAN;
    if (fresh(&l->headroom, now) && fresh(&l->limit, now) && l->limit.value > 0) {
        left = (double)l->headroom.value / (double)l->limit.value;
        *ret_resource = "memory.max of the cgroup";
    }
    if (fresh(&l->available, now) && fresh(&l->total, now) && l->total.value > 0) {
        double free =
            (double)l->available.value + (fresh(&l->swap_free, now) ? (double)l->swap_free.value : 0);
        double host = free / (double)l->total.value / HOST_PART;
        if (isnan(left) || host < left) {
            left = host;
            *ret_resource = "memory of the host (MemAvailable and swap)";
        }
    }
    return left * PPM;
}

static double sum(double a, double b)
{
    return isnan(a) ? b : isnan(b) ? a : a + b;
}

double n1_level_value(const struct n1_levels *levels, const struct n1_rule_params *p, enum n1_rule rule,
                      n1_ns now, const char **ret_resource)
{
    *ret_resource = NULL;
    switch (rule) {
    case N1_RULE_MEMORY_LIMIT:
        return memory_left(levels, now, ret_resource);
    case N1_RULE_MEMORY_EVENTS:
        *ret_resource = "memory.events high, max";
        return sum(rate(&levels->high, now), rate(&levels->max, now));
    case N1_RULE_OUT_OF_MEMORY:
        *ret_resource = "memory.events oom, oom_kill";
        return ceil(sum(rate(&levels->oom, now), rate(&levels->oom_kill, now)) - 1e-9);
    case N1_RULE_GC_PRESSURE: {
        double gc = rate(&levels->gc, now), cpu = rate(&levels->cpu, now);
        if (isnan(gc) || isnan(cpu) || cpu <= 0)
            return NAN;
        return gc < p->min_step * 1e9 ? 0 : fmin(gc / cpu, 1) * PPM;
    }
    case N1_RULE_HOT_SHIFT:
        return now < levels->shift_time + STALE_NS ? levels->shift * PPM : NAN;
    default:
        return NAN;
    }
}
