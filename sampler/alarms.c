/*
 * Rules know series, the model knows stacks: here the two meet. For CPU the culprits are the functions whose
 * CPU time grew over the episode. A jump of memory, threads or descriptors takes next to no CPU time: there
 * the first suspect is what newly stands on a blocked thread's stack as it happens; for memory then what grew
 * in the seconds around the jump, which touched it.
 */
#include "sampler/alarms.h"

#include "sampler/waits/waits.h"

#include "n1/culprit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const n1_ns BORDER_NS = N1_SECOND_NS;
static const n1_ns SHIFT_PERIOD_NS = 5 * N1_SECOND_NS, SHIFT_NOW_NS = 10 * N1_SECOND_NS;
static const n1_ns SHIFT_BEFORE_NS = 60 * N1_SECOND_NS;
static const n1_ns SEEN_PERIOD_NS = 20 * N1_SECOND_NS;
enum { SEEN_OFTEN = 8 }; /* stacks that are known before looks become seldom */

int n1_alarms_init(struct n1_alarms *alarms, struct n1_feed *feed, const struct n1_config *config,
                   struct n1_error *reterr)
{
    *alarms = (struct n1_alarms){.w = feed->w, .feed = feed};
    int rc = n1_rule_configure(alarms->params, config, reterr);
    if (rc < 0)
        return rc;
    size_t bytes;
    void *base = n1_writer_base(alarms->w, &bytes);
    rc = n1_reader_open_memory(base, bytes, &alarms->reader, reterr);
    if (rc < 0)
        return rc;
    alarms->before = n1_profile_create();
    alarms->now = n1_profile_create();
    alarms->waits_before = n1_wait_view_create();
    alarms->waits_now = n1_wait_view_create();
    return alarms->before && alarms->now && alarms->waits_before && alarms->waits_now
               ? 0
               : n1_error_set(reterr, -ENOMEM, "out of memory");
}

void n1_alarms_finish(struct n1_alarms *alarms)
{
    for (size_t i = 0; i < alarms->open_count; i++)
        free(alarms->open[i].stacks);
    n1_profile_destroy(alarms->before);
    n1_profile_destroy(alarms->now);
    n1_wait_view_destroy(alarms->waits_before);
    n1_wait_view_destroy(alarms->waits_now);
    n1_reader_close(alarms->reader);
    *alarms = (struct n1_alarms){0};
}

/* What the metrics measured in this pass. */
static void feed_points(struct n1_rules *rules, const struct n1_metrics *m, n1_ns now)
{
    const struct n1_metric_point *points = n1_metrics_points(m);
    for (int id = 0; id < N1_METRIC_COUNT; id++)
        if (n1_rules_wants((enum n1_metric_id)id) && points[id].valid && points[id].time >= now)
            n1_rules_feed(rules, (enum n1_metric_id)id, &points[id], 1);
}

static void feed_waits(struct n1_target *t, n1_ns now)
{
    struct n1_metric_point points[N1_METRIC_COUNT];
    n1_waits_points(t, now, points);
    for (int id = N1_METRIC_WAIT_LOCK; id <= N1_METRIC_WAIT_DEEP; id++)
        if (n1_rules_wants((enum n1_metric_id)id) && points[id].valid)
            n1_rules_feed(t->rules, (enum n1_metric_id)id, &points[id], 1);
}

/* Did the CPU time go elsewhere? The last ten seconds against the minute before them. */
static void feed_shift(struct n1_alarms *alarms, struct n1_target *t, n1_ns now)
{
    struct n1_filter filter = {.process = t->id};
    n1_ns border = now - SHIFT_NOW_NS, from = border > SHIFT_BEFORE_NS ? border - SHIFT_BEFORE_NS : 0;
    struct n1_window recent = {border, now}, past = {from > t->attached_at ? from : t->attached_at, border};
    if (past.from + SHIFT_NOW_NS > past.to || n1_reader_begin(alarms->reader) < 0)
        return;
    if (n1_profile_update(alarms->now, alarms->reader, recent, &filter, NULL) == 0 &&
        n1_profile_update(alarms->before, alarms->reader, past, &filter, NULL) == 0)
        n1_rules_feed_shift(t->rules, now, n1_profile_shift(alarms->before, alarms->now));
    n1_reader_end(alarms->reader);
}

static bool is_jump(const struct n1_rule_event *event)
{
    return (event->rule == N1_RULE_MEMORY_SPIKE || event->rule == N1_RULE_THREAD_GROWTH ||
            event->rule == N1_RULE_FD_GROWTH) &&
           event->per_second <= 0;
}

static uint32_t share_ppm(const struct n1_profile *p, uint64_t id)
{
    size_t count;
    ptrdiff_t at = n1_profile_find(p, id);
    const struct n1_profile_function *f = n1_profile_functions(p, &count);
    uint64_t whole = n1_profile_summary(p)->weight_ns;
    return at < 0 || !whole ? 0 : (uint32_t)((double)f[at].total_ns / (double)whole * 1e6 + 0.5);
}

static bool of_memory(const struct n1_rule_event *event)
{
    return event->rule == N1_RULE_MEMORY_SPIKE || event->rule == N1_RULE_MEMORY_GROWTH ||
           event->rule == N1_RULE_MEMORY_LIMIT || event->rule == N1_RULE_MEMORY_EVENTS ||
           event->rule == N1_RULE_OUT_OF_MEMORY;
}

/* Page faults say who touched the memory, if they were sampled when it was. */
static bool by_faults(const struct n1_alarms *alarms, const struct n1_rule_event *event)
{
    return of_memory(event) && alarms->touched_since && event->start > alarms->touched_since + 3 * BORDER_NS;
}

/* Fills the two profiles: the episode (of a jump: the seconds around it) and the time before it. */
static bool compare(struct n1_alarms *alarms, const struct n1_target *t, const struct n1_rule_event *event,
                    n1_ns now)
{
    struct n1_filter filter = {.process = t->id};
    n1_ns end = event->end ? event->end : now;
    /* What changes a level does so up to a second before it is measured; that second belongs to neither side.
     */
    n1_ns from = event->start;
    n1_ns clear = from > BORDER_NS ? from - BORDER_NS : 0;
    if (is_jump(event) && end > event->start + 2 * BORDER_NS)
        end = event->start + 2 * BORDER_NS;
    if (by_faults(alarms, event)) { /* touched before it was measured */
        filter.of = N1_OF_MEMORY;
        from = clear > BORDER_NS ? clear - BORDER_NS : 0;
        clear = from;
    }
    struct n1_window span = {from, end};
    struct n1_window past = {event->before > t->attached_at ? event->before : t->attached_at, clear};
    return span.from < span.to && past.from < past.to &&
           n1_profile_update(alarms->now, alarms->reader, span, &filter, NULL) == 0 &&
           n1_profile_update(alarms->before, alarms->reader, past, &filter, NULL) == 0;
}

static void add_culprit(struct n1_model_anomaly *entry, size_t *count, uint32_t function, uint32_t now_ppm,
                        uint32_t before_ppm)
{
    for (size_t i = 0; i < *count; i++)
        if (entry->culprit[i] == function)
            return;
    if (*count == N1_ANOMALY_CULPRITS || !function)
        return;
    entry->culprit[*count] = function;
    entry->share_ppm[*count] = now_ppm;
    entry->before_ppm[(*count)++] = before_ppm;
}

static uint64_t profile_id(const struct n1_profile *p, uint32_t function)
{
    size_t count;
    const struct n1_profile_function *f = n1_profile_functions(p, &count);
    for (size_t i = 0; i < count; i++)
        if (f[i].function == function)
            return f[i].id;
    return 0;
}

/* Whoever opens descriptors or starts threads at once is on no sample; who is, would be named for nothing. */
static bool takes_no_cpu(const struct n1_rule_event *event)
{
    return event->rule == N1_RULE_OUT_OF_MEMORY || (is_jump(event) && event->rule != N1_RULE_MEMORY_SPIKE);
}

/* Culprits as far as they can be told now; what was found before stays when nothing better is. */
static void find_culprits(struct n1_alarms *alarms, const struct n1_target *t, struct n1_alarm *alarm,
                          n1_ns now)
{
    uint32_t chosen[N1_ANOMALY_CULPRITS], fresh[N1_ANOMALY_CULPRITS];
    struct n1_model_anomaly found = {0};
    size_t count = 0, news = 0;
    if (n1_alarm_of_waits(alarm->event.rule)) {
        if (n1_reader_begin(alarms->reader) >= 0)
            n1_alarm_waits(alarms, t, alarm, now);
        return;
    }
    if (alarm->stacks && t->seen && !by_faults(alarms, &alarm->event))
        news = n1_seen_new(t->seen, alarms->w, alarm->stacks, fresh, N1_ANOMALY_CULPRITS);
    if (n1_reader_begin(alarms->reader) < 0)
        return;
    bool compared = compare(alarms, t, &alarm->event, now);
    for (size_t i = 0; i < news; i++) {
        uint64_t id = compared ? profile_id(alarms->now, fresh[i]) : 0;
        uint32_t before = id ? share_ppm(alarms->before, id) : 0;
        if (!before) /* it ran before, just never blocked: not new */
            add_culprit(&found, &count, fresh[i], id ? share_ppm(alarms->now, id) : 0, 0);
    }
    if (compared && (by_faults(alarms, &alarm->event) || !takes_no_cpu(&alarm->event))) {
        size_t functions,
            n = n1_culprits_of_profiles(alarms->before, alarms->now, chosen, N1_ANOMALY_CULPRITS);
        const struct n1_profile_function *list = n1_profile_functions(alarms->now, &functions);
        /* The likeliest may have no name yet: then it is not the next one either; it is asked again later. */
        for (size_t i = 0; i < n && chosen[i] < functions && list[chosen[i]].function; i++)
            add_culprit(&found, &count, list[chosen[i]].function, share_ppm(alarms->now, list[chosen[i]].id),
                        share_ppm(alarms->before, list[chosen[i]].id));
    }
    n1_reader_end(alarms->reader);
    if (!count)
        return;
    memcpy(alarm->entry.culprit, found.culprit, sizeof found.culprit);
    memcpy(alarm->entry.share_ppm, found.share_ppm, sizeof found.share_ppm);
    memcpy(alarm->entry.before_ppm, found.before_ppm, sizeof found.before_ppm);
}

static void describe(struct n1_alarms *alarms, const struct n1_target *t, struct n1_alarm *alarm)
{
    const struct n1_rule_event *event = &alarm->event;
    const struct n1_rule_info *info = n1_rule_info((int)event->rule);
    char text[256];
    size_t len = n1_rule_describe(text, sizeof text, event);
    /* Who ran is not quite who touched the memory: said, so that nobody takes it for a measured fact. */
    if (of_memory(event) && event->rule != N1_RULE_OUT_OF_MEMORY && len < sizeof text)
        len += (size_t)snprintf(text + len, sizeof text - len,
                                by_faults(alarms, event) ? " (functions by first touch)"
                                                         : " (functions by CPU time)");
    len = len < sizeof text ? len : sizeof text - 1;
    struct n1_model_anomaly *entry = &alarm->entry;
    entry->start = event->start;
    entry->end = event->end;
    entry->process = t->id;
    entry->rule = n1_writer_string_z(alarms->w, info->name);
    entry->severity = event->severity;
    entry->unit = n1_writer_string_z(alarms->w, n1_metric_unit_name(info->unit));
    entry->value = event->value;
    entry->expected = event->expected;
    entry->text = n1_writer_string(alarms->w, text, len);
    entry->resource = n1_writer_string_z(alarms->w, event->resource);
}

/* One that has ended may still wait for its names. */
static struct n1_alarm *find_open(struct n1_alarms *alarms, pid_t pid, enum n1_rule rule)
{
    for (size_t i = 0; i < alarms->open_count; i++)
        if (alarms->open[i].pid == pid && alarms->open[i].event.rule == rule && !alarms->open[i].event.end)
            return &alarms->open[i];
    return NULL;
}

static void close_alarm(struct n1_alarms *alarms, struct n1_alarm *alarm)
{
    free(alarm->stacks);
    *alarm = alarms->open[--alarms->open_count];
}

static void on_event(struct n1_alarms *alarms, struct n1_target *t, const struct n1_rule_event *event,
                     n1_ns now)
{
    struct n1_alarm *alarm = find_open(alarms, t->pid, event->rule);
    bool begins = !alarm;
    if (begins) {
        if (alarms->open_count == N1_ALARMS_OPEN_MAX)
            return;
        alarm = &alarms->open[alarms->open_count++];
        *alarm = (struct n1_alarm){.pid = t->pid, .begun = now};
        if (is_jump(event) && !t->gone && !n1_alarm_of_waits(event->rule))
            alarm->stacks = malloc(sizeof *alarm->stacks);
        if (alarm->stacks) {
            n1_stacks_take(alarms->feed, t, alarm->stacks);
            alarm->look_again = true;
        }
    }
    alarm->event = *event;
    describe(alarms, t, alarm);
    find_culprits(alarms, t, alarm, now);
    if (begins && n1_alarm_of_waits(event->rule) && !t->gone)
        alarm->look_again = true;
    if (begins)
        alarm->index = n1_writer_anomaly(alarms->w, &alarm->entry);
    else
        n1_writer_anomaly_update(alarms->w, alarm->index, &alarm->entry);
    if (event->end && !alarm->look_again)
        close_alarm(alarms, alarm);
}

/* Names that were asked for at the begin of an episode are there a second later, on a busy host later still.
 */
static void look_again(struct n1_alarms *alarms, struct n1_targets *targets, n1_ns now)
{
    for (size_t i = alarms->open_count; i-- > 0;) {
        struct n1_alarm *alarm = &alarms->open[i];
        struct n1_target *t = n1_targets_find(targets, alarm->pid);
        if (!t) /* a child that was buried */
            close_alarm(alarms, alarm);
        if (!alarm->look_again || !t || now < alarm->begun + N1_SECOND_NS / 2)
            continue;
        alarm->look_again = alarm->stacks && now < alarm->begun + N1_SEEN_NAMES_NS &&
                            !n1_stacks_named(alarm->stacks, alarms->w);
        find_culprits(alarms, t, alarm, now);
        n1_writer_anomaly_update(alarms->w, alarm->index, &alarm->entry);
        if (alarm->event.end && !alarm->look_again)
            close_alarm(alarms, alarm);
    }
}

/* What blocked threads do when nothing is unusual: looked at soon after attaching, then now and then. */
static void learn(struct n1_alarms *alarms, struct n1_target *t, n1_ns now)
{
    static struct n1_stacks stacks;
    if (!t->seen)
        t->seen = calloc(1, sizeof *t->seen);
    if (!t->seen)
        return;
    for (size_t i = 0; i < alarms->open_count; i++)
        if (alarms->open[i].pid == t->pid) {
            n1_seen_doubt(t->seen);
            return;
        }
    if (!n1_seen_settle(t->seen, alarms->w, now) || now < t->next_seen)
        return;
    n1_stacks_take(alarms->feed, t, &stacks);
    if (stacks.count)
        n1_seen_wait(t->seen, &stacks);
    t->next_seen = now + (t->seen->looks >= SEEN_OFTEN ? SEEN_PERIOD_NS : N1_SECOND_NS);
}

static void look_at(struct n1_alarms *alarms, struct n1_target *t, n1_ns now)
{
    struct n1_rule_event events[2 * N1_RULE_COUNT];
    if (!t->rules) {
        t->rules = n1_rules_create(alarms->params, now);
        t->attached_at = now;
    }
    if (!t->rules)
        return;
    if (t->gone) {
        n1_rules_gone(t->rules, t->ended_at, t->exit_status);
        t->rules_over = true;
    } else if (t->metrics) {
        feed_points(t->rules, t->metrics, now);
        feed_waits(t, now);
        if (alarms->host)
            feed_points(t->rules, alarms->host, now);
        if (now >= t->next_shift && alarms->params[N1_RULE_HOT_SHIFT].enabled > 0) {
            t->next_shift = now + SHIFT_PERIOD_NS;
            feed_shift(alarms, t, now);
        }
    }
    size_t n = n1_rules_evaluate(t->rules, now, events, 2 * N1_RULE_COUNT);
    for (size_t i = 0; i < n; i++)
        on_event(alarms, t, &events[i], now);
    if (!t->gone)
        learn(alarms, t, now);
}

void n1_alarms_look(struct n1_alarms *alarms, struct n1_targets *targets, n1_ns now)
{
    look_again(alarms, targets, now);
    for (size_t i = 0; i < targets->count; i++)
        if (!targets->items[i]->rules_over)
            look_at(alarms, targets->items[i], now);
}

void n1_alarms_remap(struct n1_alarms *alarms, struct n1_targets *targets, const struct n1_remap *remap)
{
    for (size_t i = alarms->open_count; i-- > 0;) {
        struct n1_model_anomaly *entry = &alarms->open[i].entry;
        entry->process = n1_remap_process(remap, entry->process);
        entry->rule = n1_remap_string(remap, entry->rule);
        entry->unit = n1_remap_string(remap, entry->unit);
        entry->text = n1_remap_string(remap, entry->text);
        entry->resource = n1_remap_string(remap, entry->resource);
        for (size_t c = 0; c < N1_ANOMALY_CULPRITS; c++)
            entry->culprit[c] = n1_remap_function(remap, entry->culprit[c]);
        free(alarms->open[i].stacks);
        alarms->open[i].stacks = NULL;
        alarms->open[i].look_again = false;
        if (alarms->open[i].event.end) /* it was only kept for its names */
            close_alarm(alarms, &alarms->open[i]);
    }
    for (size_t i = 0; i < targets->count; i++) {
        if (targets->items[i]->seen)
            n1_seen_clear(targets->items[i]->seen);
        targets->items[i]->next_seen = 0;
    }
}
