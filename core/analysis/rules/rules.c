/*
 * The rules over one process: values of one-second steps, and per rule the state of its episode (hysteresis).
 * A step is counted from the handle's creation; values of a step are of the last point that fell into it, for
 * counters the rate since the step before. Values are in the rule's unit (CPU: ppm of a core), times n1_ns.
 * The handle owns everything.
 */
#include "n1/rule.h"

#include "core/analysis/rules/detect.h"
#include "core/analysis/rules/level.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum {
    STEPS = N1_RULE_STEPS,
    GAP_S = 5,        /* a counter's rate is spread over a gap as long as that, no longer */
    UNKNOWN_S = 10,   /* an episode whose figure is unknown for so long is over */
    LEVEL_S = 3,      /* seconds looked at for a level: all but one of them stand there */
    CALM_S = 3,       /* evaluations below the line that end an episode */
    EPISODES_S = 300, /* episodes in the past are looked beyond, so far */
    BEFORE_S = 60,
    BEFORE_LEAST_S = 10,
    SHORT_S = 5,     /* episodes shorter than that, */
    SHORT_MANY = 3,  /* so many of them */
    SHORT_IN_S = 120 /* within so long, are how the process is: they count as its past from then on */
};
static const size_t growth_scales[] = {1, 10, 60}; /* times window_s */
#define N1_PEAK_MATTERS_S 120 /* shorter growth must also pass the peak of before we came */

enum which_series {
    CPU,
    RSS,
    THREADS,
    FDS,
    LOCK_WAIT,
    DEAD,
    DISK_WAIT,
    DEEP,
    QUEUE,
    STOLEN,
    THROTTLE,
    MEM_STALL,
    IO_STALLED,
    SERIES_COUNT
};

/* The last STEPS seconds of one figure, in a ring: step s lies at s % STEPS. */
struct series {
    float value[STEPS];
    bool excluded[STEPS];
    int64_t next; /* step after the last one written */
    bool has_base;
    int64_t base_step;
    struct n1_metric_point base; /* counters: last point of the step before the last */
    struct n1_metric_point last;
    int64_t last_step;
};

struct episode {
    bool open;
    bool growing; /* by growth, not by a jump */
    int64_t since, begun, refreshed, calm, unknown;
    size_t window; /* of growth */
    double expected, threshold, highest, per_second;
    int64_t shorts[SHORT_MANY]; /* when the last short episodes began */
    int64_t last_end;
    int64_t grown_until; /* end of the last growth, which longer windows would see once more */
    int64_t settled;     /* the past before this step is another level's */
    int64_t beyond;      /* level rules: evaluations in a row beyond it */
    bool quiet;          /* … settled at the level: silent until it comes back */
    const char *resource;
};

struct n1_rules {
    n1_ns origin;
    struct n1_rule_params params[N1_RULE_COUNT];
    struct series series[SERIES_COUNT];
    struct episode episodes[N1_RULE_COUNT];
    struct n1_levels levels;
    double peak_before; /* resident peak when we came; 0 unknown */
    double fd_limit;    /* 0 unknown */
    bool gone, gone_told;
    n1_ns gone_time;
    int exit_status;
    float flat[STEPS]; /* the ring of the series under test, oldest first */
    bool flat_excluded[STEPS];
};

static const struct {
    enum n1_metric_id metric;
    bool counter;
    double scale; /* to the rule's unit */
} sources[SERIES_COUNT] = {
    [CPU] = {N1_METRIC_CPU_TOTAL, true, 1e-3}, /* ns a second to ppm of a core */
    [RSS] = {N1_METRIC_MEM_RSS, false, 1},
    [THREADS] = {N1_METRIC_THREADS, false, 1},
    [FDS] = {N1_METRIC_FDS, false, 1},
    [LOCK_WAIT] = {N1_METRIC_WAIT_LOCK, true, 1e-3}, /* ns a second to ppm of a thread's time */
    [DEAD] = {N1_METRIC_WAIT_DEADLOCKED, false, 1},
    [DISK_WAIT] = {N1_METRIC_WAIT_DISK, true, 1e-3},
    [DEEP] = {N1_METRIC_WAIT_DEEP, false, 1},
    [QUEUE] = {N1_METRIC_CPU_WAIT, true, 1e-3},
    [STOLEN] = {N1_METRIC_HOST_CPU_STEAL, true, 1e-3},
    [THROTTLE] = {N1_METRIC_CGROUP_CPU_THROTTLED_TIME, true, 1e-3},
    [MEM_STALL] = {N1_METRIC_CGROUP_PSI_MEM_SOME_TOTAL, true, 1e-3},
    [IO_STALLED] = {N1_METRIC_CGROUP_PSI_IO_FULL_TOTAL, true, 1e-3},
};

static const struct {
    enum which_series series;
    bool jump, sharp, growth;
    bool level;        /* it fires by its level */
    bool at_once;      /* … the first second */
    double step_scale; /* of min_step, or level, to the unit */
} shapes[N1_RULE_COUNT] = {
    [N1_RULE_CPU_SPIKE] = {CPU, .jump = true, .step_scale = 1e6},
    [N1_RULE_MEMORY_SPIKE] = {RSS, .jump = true, .sharp = true, .step_scale = 1048576},
    [N1_RULE_MEMORY_GROWTH] = {RSS, .growth = true, .step_scale = 1048576},
    [N1_RULE_THREAD_GROWTH] = {THREADS, .jump = true, .growth = true, .step_scale = 1},
    [N1_RULE_FD_GROWTH] = {FDS, .jump = true, .growth = true, .step_scale = 1},
    [N1_RULE_MEMORY_LIMIT] = {SERIES_COUNT},
    [N1_RULE_MEMORY_EVENTS] = {SERIES_COUNT},
    [N1_RULE_OUT_OF_MEMORY] = {SERIES_COUNT},
    [N1_RULE_GC_PRESSURE] = {SERIES_COUNT},
    [N1_RULE_HOT_SHIFT] = {SERIES_COUNT},
    [N1_RULE_LOCK_CONTENTION] = {LOCK_WAIT, .jump = true, .step_scale = 1e6},
    [N1_RULE_DEADLOCK] = {DEAD, .level = true, .at_once = true, .step_scale = 1},
    [N1_RULE_IO_STALL] = {DISK_WAIT, .jump = true, .step_scale = 1e6},
    [N1_RULE_UNINTERRUPTIBLE] = {DEEP, .level = true, .at_once = true, .step_scale = 1e9},
    [N1_RULE_RUN_QUEUE] = {QUEUE, .jump = true, .step_scale = 1e6},
    [N1_RULE_STEAL] = {STOLEN, .jump = true, .step_scale = 1e6},
    [N1_RULE_THROTTLED] = {THROTTLE, .level = true, .step_scale = 1e6},
    [N1_RULE_MEMORY_PRESSURE] = {MEM_STALL, .level = true, .step_scale = 1e6},
    [N1_RULE_IO_PRESSURE] = {IO_STALLED, .jump = true, .step_scale = 1e6},
    [N1_RULE_TARGET_GONE] = {SERIES_COUNT},
};

struct n1_rules *n1_rules_create(const struct n1_rule_params params[N1_RULE_COUNT], n1_ns now)
{
    struct n1_rules *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->origin = now;
    memcpy(r->params, params, sizeof r->params);
    n1_levels_init(&r->levels);
    for (int rule = 0; rule < N1_RULE_COUNT; rule++)
        for (int i = 0; i < SHORT_MANY; i++)
            r->episodes[rule].shorts[i] = -SHORT_IN_S - 1;
    return r;
}

void n1_rules_destroy(struct n1_rules *rules)
{
    free(rules);
}

/* The step nearest to `time`, so that a tick a little early or late is still a step of its own. */
static int64_t step_of(const struct n1_rules *r, n1_ns time)
{
    return time < r->origin ? 0 : (int64_t)((time - r->origin + N1_SECOND_NS / 2) / N1_SECOND_NS);
}

static n1_ns time_of(const struct n1_rules *r, int64_t step)
{
    return r->origin + (n1_ns)(step > 0 ? step : 0) * N1_SECOND_NS;
}

/* Makes room up to and including `step`; what was not measured in between is unknown. */
static void advance(struct series *s, int64_t step)
{
    if (step - s->next >= STEPS)
        s->next = step - STEPS + 1;
    for (; s->next <= step; s->next++) {
        s->value[s->next % STEPS] = NAN;
        s->excluded[s->next % STEPS] = false;
    }
}

static void set(struct series *s, int64_t step, double value)
{
    if (step >= 0 && step < s->next && step >= s->next - STEPS)
        s->value[step % STEPS] = (float)value;
}

static void feed_counter(struct series *s, int64_t step, const struct n1_metric_point *point, double scale)
{
    if (s->has_base && (point->value < s->last.value || point->time <= s->last.time)) {
        s->has_base = false; /* begun anew: the rate over the restart is unknown */
        s->last_step = -1;
    }
    if (s->last_step >= 0 && s->last_step < step) {
        s->base = s->last;
        s->base_step = s->last_step;
        s->has_base = true;
    }
    s->last = *point;
    s->last_step = step;
    if (!s->has_base || point->time <= s->base.time || point->value < s->base.value)
        return;
    double rate = (double)(point->value - s->base.value) /
                  ((double)(point->time - s->base.time) / (double)N1_SECOND_NS) * scale;
    if (step - s->base_step > GAP_S)
        return;
    for (int64_t i = s->base_step + 1; i <= step; i++)
        set(s, i, rate);
}

bool n1_rules_wants(enum n1_metric_id metric)
{
    for (int i = 0; i < SERIES_COUNT; i++)
        if (sources[i].metric == metric)
            return true;
    return metric == N1_METRIC_MEM_RSS_PEAK || metric == N1_METRIC_FDS_LIMIT || n1_levels_wants(metric);
}

void n1_rules_feed(struct n1_rules *r, enum n1_metric_id metric, const struct n1_metric_point *points,
                   size_t count)
{
    for (size_t k = 0; k < count; k++) {
        if (!points[k].valid)
            continue;
        if (metric == N1_METRIC_MEM_RSS_PEAK && r->peak_before <= 0)
            r->peak_before = (double)points[k].value;
        if (metric == N1_METRIC_FDS_LIMIT)
            r->fd_limit = (double)points[k].value;
        n1_levels_feed(&r->levels, metric, &points[k]);
        int64_t step = step_of(r, points[k].time);
        for (int i = 0; i < SERIES_COUNT; i++) {
            struct series *s = &r->series[i];
            if (sources[i].metric != metric || (s->next > 0 && step < s->next - 1))
                continue;
            if (s->next == 0)
                s->last_step = -1;
            advance(s, step);
            if (sources[i].counter)
                feed_counter(s, step, &points[k], sources[i].scale);
            else
                set(s, step, (double)points[k].value * sources[i].scale);
        }
    }
}

void n1_rules_feed_shift(struct n1_rules *rules, n1_ns time, double shift)
{
    rules->levels.shift = shift;
    rules->levels.shift_time = time;
}

void n1_rules_gone(struct n1_rules *r, n1_ns when, int exit_status)
{
    r->gone = true;
    r->gone_time = when;
    r->exit_status = exit_status;
}

/* The series up to `now`, oldest first, from `from` on. */
static struct n1_steps flatten(struct n1_rules *r, const struct series *s, int64_t from)
{
    int64_t first = s->next > STEPS ? s->next - STEPS : 0;
    size_t n = 0;

    if (first < from)
        first = from;
    for (int64_t i = first; i < s->next; i++, n++) {
        r->flat[n] = s->value[i % STEPS];
        r->flat_excluded[n] = s->excluded[i % STEPS];
    }
    return (struct n1_steps){r->flat, r->flat_excluded, n};
}

static void exclude(struct series *s, int64_t from, int64_t to, bool excluded)
{
    if (from < s->next - STEPS)
        from = s->next - STEPS;
    for (int64_t i = from < 0 ? 0 : from; i <= to && i < s->next; i++)
        s->excluded[i % STEPS] = excluded;
}

static enum n1_severity severity_of(const struct n1_rules *r, enum n1_rule rule)
{
    enum n1_severity severity = n1_rule_info((int)rule)->severity;

    if (rule == N1_RULE_FD_GROWTH && r->fd_limit > 0 && r->episodes[rule].highest >= 0.8 * r->fd_limit)
        severity = N1_SEVERITY_CRITICAL;
    if (rule == N1_RULE_MEMORY_LIMIT && r->episodes[rule].highest <= r->episodes[rule].expected / 3)
        severity = N1_SEVERITY_CRITICAL;
    if (rule == N1_RULE_TARGET_GONE && r->exit_status >= 0)
        severity = WIFSIGNALED(r->exit_status)        ? N1_SEVERITY_CRITICAL
                   : WEXITSTATUS(r->exit_status) == 0 ? N1_SEVERITY_INFO
                                                      : severity;
    return severity;
}

static struct n1_rule_event event_of(const struct n1_rules *r, enum n1_rule rule, enum n1_rule_phase phase,
                                     n1_ns end)
{
    const struct episode *e = &r->episodes[rule];
    /* a minute of what it was like, without the episode before this one as far as that leaves enough */
    int64_t before = e->since - BEFORE_S;
    if (e->last_end > before)
        before = e->last_end < e->since - BEFORE_LEAST_S ? e->last_end : e->since - BEFORE_LEAST_S;

    return (struct n1_rule_event){.rule = rule,
                                  .phase = phase,
                                  .severity = severity_of(r, rule),
                                  .start = time_of(r, e->since),
                                  .end = end,
                                  .before = time_of(r, before),
                                  .value = (int64_t)e->highest,
                                  .expected = (int64_t)e->expected,
                                  .per_second = e->per_second,
                                  .resource = e->resource};
}

/* Three bursts of less than 5 s within two minutes are how the process is: from then on they are part of its
 * past. */
static bool is_habit(struct episode *e, int64_t now)
{
    if (now - e->begun >= SHORT_S)
        return false;
    memmove(e->shorts, e->shorts + 1, (SHORT_MANY - 1) * sizeof *e->shorts);
    e->shorts[SHORT_MANY - 1] = e->begun;
    return e->begun - e->shorts[0] <= SHORT_IN_S;
}

/* A jump is over when it fell half-way back, or when its level has lasted so long that it is the new one. */
static bool is_over(struct n1_rules *r, enum n1_rule rule, struct n1_steps steps, int64_t now)
{
    struct episode *e = &r->episodes[rule];
    struct series *s = &r->series[shapes[rule].series];
    double level = steps.count ? (double)steps.value[steps.count - 1] : NAN;

    e->unknown = isnan(level) ? e->unknown + 1 : 0;
    if (isnan(level))
        return e->unknown >= UNKNOWN_S;
    e->highest = fmax(e->highest, level);
    if (e->growing) {
        double grown = n1_detect_grown(steps, e->window);
        e->calm = level < e->expected || !(grown >= e->threshold / 2) ? e->calm + 1 : 0;
        return e->calm >= CALM_S;
    }
    e->calm = level < e->expected + e->threshold / 2 ? e->calm + 1 : 0;
    if (e->calm >= CALM_S)
        return true;
    if (shapes[rule].level || (double)(now - e->begun) < r->params[rule].settle_s)
        return false;
    exclude(s, e->since, now, false);
    e->settled = e->since;
    return true;
}

static bool detect(struct n1_rules *r, enum n1_rule rule, int64_t now)
{
    struct episode *e = &r->episodes[rule];
    const struct n1_rule_params *p = &r->params[rule];
    const struct series *s = &r->series[shapes[rule].series];
    double min_step = p->min_step * shapes[rule].step_scale;

    if (shapes[rule].level) {
        double line = p->level * shapes[rule].step_scale;
        struct n1_steps steps = flatten(r, s, now + 1 - LEVEL_S);
        struct n1_detected d = n1_detect_level(steps, line, shapes[rule].at_once ? 1 : LEVEL_S - 1);
        if (!d.raised || line <= 0)
            return false;
        e->growing = false;
        e->since = now - (int64_t)d.ago;
        e->expected = 0;
        e->threshold = line;
        e->highest = d.value;
        e->per_second = 0;
        return true;
    }
    if (shapes[rule].jump) {
        int64_t reach = now - N1_RULE_PAST - EPISODES_S;
        struct n1_steps steps = flatten(r, s, e->settled > reach ? e->settled : reach);
        struct n1_detected d = n1_detect_jump(steps, p, min_step, shapes[rule].sharp);
        if (d.raised) {
            e->growing = false;
            e->since = now - (int64_t)d.ago; /* the second that was the first to stand out began then */
            e->expected = d.expected;
            e->threshold = d.threshold;
            e->highest = d.value;
            e->per_second = 0;
            return true;
        }
    }
    for (size_t i = 0; shapes[rule].growth && i < sizeof growth_scales / sizeof *growth_scales; i++) {
        size_t window = (size_t)p->window_s * growth_scales[i];
        if (window + 1 >= STEPS || now - (int64_t)window < e->grown_until ||
            (growth_scales[i] > 1 && now % (int64_t)(growth_scales[i] / 2) != 0))
            continue;
        if (!n1_detect_climbs(flatten(r, s, now + 1 - (int64_t)window), p, min_step, window))
            continue;
        struct n1_detected d = n1_detect_growth(flatten(r, s, 0), p, min_step, window);
        if (!d.raised ||
            (shapes[rule].series == RSS && window < N1_PEAK_MATTERS_S && d.value <= r->peak_before))
            continue;
        e->growing = true;
        e->window = window;
        e->since = now - (int64_t)window;
        e->expected = d.expected;
        e->threshold = d.threshold;
        e->highest = d.value;
        e->per_second = (d.value - d.expected) / (double)window;
        return true;
    }
    return false;
}

static size_t evaluate_rule(struct n1_rules *r, enum n1_rule rule, int64_t now, struct n1_rule_event *ret)
{
    struct episode *e = &r->episodes[rule];
    struct series *s = &r->series[shapes[rule].series];

    if (s->next == 0)
        return 0;
    advance(s, now);
    if (!e->open) {
        if (r->gone || !detect(r, rule, now))
            return 0;
        e->open = true;
        e->begun = e->refreshed = now;
        e->calm = e->unknown = 0;
        if (!e->growing)
            exclude(s, e->since - 1, now, true);
        *ret = event_of(r, rule, N1_RULE_BEGIN, 0);
        return 1;
    }
    if (!e->growing)
        exclude(s, now, now, true);
    bool over = is_over(r, rule, flatten(r, s, e->growing ? now + 1 - (int64_t)e->window : now), now);
    if (over || r->gone) {
        e->open = false;
        int64_t end = over ? now - (e->calm >= CALM_S ? CALM_S : 0) : now;
        if (e->growing)
            e->grown_until = end;
        else if (is_habit(e, end))
            exclude(s, e->since - 1, now, false);
        n1_ns end_time = time_of(r, end > e->since ? end : e->since);
        *ret = event_of(r, rule, N1_RULE_END, r->gone && !over ? r->gone_time : end_time);
        e->last_end = now;
        return 1;
    }
    if ((now - e->begun >= 5 && e->refreshed < e->begun + 5) ||
        (now - e->begun >= 30 && e->refreshed < e->begun + 30)) {
        e->refreshed = now;
        *ret = event_of(r, rule, N1_RULE_REFRESH, 0);
        return 1;
    }
    return 0;
}

/* An episode begins when the figure stays beyond the level, and ends when it came back some way, or has been
 * there so long that it is how the process is (then silence until it has come back). */
static size_t evaluate_level(struct n1_rules *r, enum n1_rule rule, n1_ns now_ns, struct n1_rule_event *ret)
{
    const struct n1_level_shape *shape = n1_level_shape(rule);
    const struct n1_rule_params *p = &r->params[rule];
    struct episode *e = &r->episodes[rule];
    const char *resource;
    int64_t now = step_of(r, now_ns);
    double level = p->level * shape->scale;
    double value = n1_level_value(&r->levels, p, rule, now_ns, &resource);
    bool known = !isnan(value);
    bool beyond = known && (shape->below ? value <= level : value >= level);
    bool back = known && (shape->below ? value > level * shape->over : value < level * shape->over);

    e->beyond = beyond ? e->beyond + 1 : 0;
    if (!e->open) {
        if (back)
            e->quiet = false;
        if (r->gone || e->quiet || e->beyond < shape->lasts)
            return 0;
        *e = (struct episode){.open = true,
                              .begun = now,
                              .refreshed = now,
                              .since = now - shape->lasts,
                              .expected = level,
                              .highest = value,
                              .last_end = e->last_end,
                              .resource = resource};
        *ret = event_of(r, rule, N1_RULE_BEGIN, 0);
        return 1;
    }
    if (known)
        e->highest = shape->below ? fmin(e->highest, value) : fmax(e->highest, value);
    e->calm = back ? e->calm + 1 : 0;
    e->unknown = known ? 0 : e->unknown + 1;
    bool settled = (double)(now - e->begun) >= p->settle_s;
    if (e->calm >= CALM_S || e->unknown >= UNKNOWN_S || settled || r->gone) {
        e->open = false;
        e->quiet = settled;
        e->last_end = now;
        *ret = event_of(r, rule, N1_RULE_END, r->gone ? r->gone_time : now_ns);
        return 1;
    }
    if ((now - e->begun >= 5 && e->refreshed < e->begun + 5) ||
        (now - e->begun >= 30 && e->refreshed < e->begun + 30)) {
        e->refreshed = now;
        *ret = event_of(r, rule, N1_RULE_REFRESH, 0);
        return 1;
    }
    return 0;
}

size_t n1_rules_evaluate(struct n1_rules *r, n1_ns now, struct n1_rule_event *ret, size_t cap)
{
    size_t n = 0;
    int64_t step = step_of(r, now);

    for (int rule = 0; rule < N1_RULE_COUNT && n < cap; rule++)
        if (r->params[rule].enabled > 0 && shapes[rule].series < SERIES_COUNT)
            n += evaluate_rule(r, (enum n1_rule)rule, step, &ret[n]);
        else if (r->params[rule].enabled > 0 && n1_level_shape((enum n1_rule)rule)->is_level)
            n += evaluate_level(r, (enum n1_rule)rule, now, &ret[n]);
    if (r->gone && !r->gone_told && r->params[N1_RULE_TARGET_GONE].enabled > 0 && n < cap) {
        r->gone_told = true;
        r->episodes[N1_RULE_TARGET_GONE].since = step_of(r, r->gone_time);
        ret[n] = event_of(r, N1_RULE_TARGET_GONE, N1_RULE_BEGIN, r->gone_time);
        ret[n].start = r->gone_time;
        ret[n].value = r->exit_status;
        ret[n].exit_status = r->exit_status;
        n++;
    }
    return n;
}
