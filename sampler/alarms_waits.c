/*
 * Who is behind an episode of waiting. For locks and storage: the functions and the resource whose waiting
 * grew most against the time before, with the owner of the lock. For CPUs that are not given (quota,
 * hypervisor, queue): the functions that ran most, and what limits them.
 */
#include "sampler/alarms.h"

#include <stdio.h>
#include <string.h>

enum { KINDS_MAX = 256 };

static const struct {
    bool waits;       /* of threads, by classes; else of CPU time not given */
    uint32_t classes; /* bits */
    const char *file; /* of the cgroup, which sets the limit or counts */
} kinds[N1_RULE_COUNT] = {
    [N1_RULE_LOCK_CONTENTION] = {true, 1 << N1_WAIT_LOCK | 1 << N1_WAIT_GIL, NULL},
    [N1_RULE_DEADLOCK] = {true, 1 << N1_WAIT_LOCK | 1 << N1_WAIT_OTHER, NULL},
    [N1_RULE_IO_STALL] = {true, 1 << N1_WAIT_DISK, NULL},
    [N1_RULE_UNINTERRUPTIBLE] = {true, UINT32_MAX, NULL},
    [N1_RULE_IO_PRESSURE] = {true, 1 << N1_WAIT_DISK, "io.pressure"},
    [N1_RULE_RUN_QUEUE] = {true, 1 << N1_WAIT_RUN_QUEUE, NULL},
    [N1_RULE_STEAL] = {false, 0, NULL},
    [N1_RULE_THROTTLED] = {false, 0, "cpu.max"},
    [N1_RULE_MEMORY_PRESSURE] = {false, 0, "memory.max"},
};

bool n1_alarm_of_waits(enum n1_rule rule)
{
    return rule < N1_RULE_COUNT && (kinds[rule].waits || kinds[rule].file || rule == N1_RULE_STEAL);
}

static double seconds(struct n1_window w)
{
    return w.to > w.from ? (double)(w.to - w.from) / (double)N1_SECOND_NS : 0;
}

/* Waiting by one key: a function or a resource. */
struct kind {
    uint64_t key;
    uint32_t id; /* model id of the function or the string */
    uint64_t now_ns, before_ns;
};

static void add(struct kind *list, size_t *count, uint64_t key, uint32_t id, uint64_t now_ns,
                uint64_t before_ns)
{
    size_t i = 0;
    while (i < *count && list[i].key != key)
        i++;
    if (i == KINDS_MAX)
        return;
    if (i == *count)
        list[(*count)++] = (struct kind){.key = key};
    if (id)
        list[i].id = id;
    list[i].now_ns += now_ns;
    list[i].before_ns += before_ns;
}

/* Rows are the largest first, so a table that is full has what matters. */
static size_t gather(const struct n1_alarms *alarms, bool functions, struct kind list[KINDS_MAX])
{
    size_t count = 0, n;
    const struct n1_wait_row *rows = n1_wait_rows(alarms->waits_now, &n);
    for (size_t i = 0; i < n; i++)
        add(list, &count, functions ? rows[i].function_id : rows[i].resource,
            functions ? rows[i].model_function : rows[i].resource, rows[i].ns, 0);
    rows = n1_wait_rows(alarms->waits_before, &n);
    for (size_t i = 0; i < n; i++)
        add(list, &count, functions ? rows[i].function_id : rows[i].resource, 0, 0, rows[i].ns);
    return count;
}

static double growth(const struct kind *k, double now_s, double before_s)
{
    double before = before_s > 0 ? (double)k->before_ns / before_s : 0;
    return now_s > 0 ? (double)k->now_ns / now_s - before : 0;
}

/* The one that grew most of those not taken yet; -1 when none did. */
static ptrdiff_t largest(const struct kind *list, size_t count, const bool *taken, double now_s,
                         double before_s)
{
    ptrdiff_t best = -1;
    for (size_t i = 0; i < count; i++)
        if (list[i].id && !taken[i] && growth(&list[i], now_s, before_s) > 0 &&
            (best < 0 || growth(&list[i], now_s, before_s) > growth(&list[best], now_s, before_s)))
            best = (ptrdiff_t)i;
    return best;
}

static uint32_t ppm(uint64_t part, uint64_t whole)
{
    return whole ? (uint32_t)((double)part / (double)whole * 1e6 + 0.5) : 0;
}

static void functions(const struct n1_alarms *alarms, struct n1_model_anomaly *entry, double now_s,
                      double before_s)
{
    static struct kind list[KINDS_MAX];
    bool taken[KINDS_MAX] = {false};
    size_t count = gather(alarms, true, list);
    double first = 0;
    for (size_t n = 0; n < N1_ANOMALY_CULPRITS; n++) {
        ptrdiff_t at = largest(list, count, taken, now_s, before_s);
        double grown = at < 0 ? 0 : growth(&list[at], now_s, before_s);
        if (at < 0 || grown < first / 10)
            break;
        taken[at] = true;
        first = n == 0 ? grown : first;
        entry->culprit[n] = list[at].id;
        entry->share_ppm[n] = ppm(list[at].now_ns, n1_wait_totals(alarms->waits_now)->all_ns);
        entry->before_ppm[n] = ppm(list[at].before_ns, n1_wait_totals(alarms->waits_before)->all_ns);
    }
}

/* The owner that the open waits for this resource name, appended to its text. */
static uint32_t with_owner(struct n1_alarms *alarms, uint32_t resource)
{
    size_t n;
    char text[512];
    struct n1_model_thread owner;
    const struct n1_wait_open *open = n1_wait_open(alarms->waits_now, &n);
    for (size_t i = 0; i < n; i++) {
        if (open[i].resource != resource || !open[i].owner ||
            !n1_reader_thread(alarms->reader, open[i].owner, &owner))
            continue;
        snprintf(text, sizeof text, "%.300s, held by thread %u \"%.60s\"",
                 n1_reader_string(alarms->reader, resource), owner.tid,
                 n1_reader_string(alarms->reader, owner.name));
        return n1_writer_string_z(alarms->w, text);
    }
    return resource;
}

/* Of waits that go on only those count which the episode is about. */
static uint32_t marked(const struct n1_alarms *alarms, uint32_t flag, struct n1_model_anomaly *entry)
{
    size_t n, rows_n, found = 0;
    uint32_t resource = 0;
    const struct n1_wait_open *open = n1_wait_open(alarms->waits_now, &n);
    const struct n1_wait_row *rows = n1_wait_rows(alarms->waits_now, &rows_n);
    uint32_t culprits[N1_ANOMALY_CULPRITS] = {0};
    for (size_t i = 0; i < n && found < N1_ANOMALY_CULPRITS; i++) {
        if (!(open[i].flags & flag))
            continue;
        resource = resource ? resource : open[i].resource;
        uint32_t function = 0;
        for (size_t k = 0; k < rows_n && !function; k++)
            if (rows[k].function == open[i].function && rows[k].resource == open[i].resource)
                function = rows[k].model_function;
        bool known = !function;
        for (size_t k = 0; k < found; k++)
            known |= culprits[k] == function;
        if (!known)
            culprits[found++] = function;
    }
    if (found) /* when it is over nothing is marked any more: what was found stays */
        memcpy(entry->culprit, culprits, sizeof culprits);
    return resource;
}

/* Those who ran most: it is their time that is not given. */
static void runners(struct n1_alarms *alarms, const struct n1_target *t, struct n1_model_anomaly *entry,
                    struct n1_window span)
{
    struct n1_filter filter = {.process = t->id};
    size_t count, n = 0;
    if (n1_profile_update(alarms->now, alarms->reader, span, &filter, NULL))
        return;
    const struct n1_profile_function *f = n1_profile_functions(alarms->now, &count);
    uint64_t whole = n1_profile_summary(alarms->now)->weight_ns;
    for (size_t i = 0; i < count && n < N1_ANOMALY_CULPRITS; i++) {
        if (!f[i].function || f[i].kind == N1_KIND_KERNEL || f[i].self_ns < whole / 20)
            continue;
        entry->culprit[n] = f[i].function;
        entry->share_ppm[n++] = ppm(f[i].self_ns, whole);
    }
}

void n1_alarm_waits(struct n1_alarms *alarms, const struct n1_target *t, struct n1_alarm *alarm, n1_ns now)
{
    enum n1_rule rule = alarm->event.rule;
    struct n1_model_anomaly *entry = &alarm->entry;
    struct n1_filter filter = {.process = t->id, .wait_classes = kinds[rule].classes};
    struct n1_window span = {alarm->event.start, alarm->event.end ? alarm->event.end : now};
    struct n1_window past = {alarm->event.before > t->attached_at ? alarm->event.before : t->attached_at,
                             alarm->event.start};
    uint32_t resource = 0;
    if (span.from >= span.to)
        span.from = span.to - N1_SECOND_NS;
    if (kinds[rule].waits &&
        n1_wait_view_update(alarms->waits_now, alarms->reader, span, &filter, NULL) == 0 &&
        n1_wait_view_update(alarms->waits_before, alarms->reader, past, &filter, NULL) == 0) {
        if (rule == N1_RULE_DEADLOCK || rule == N1_RULE_UNINTERRUPTIBLE) {
            resource = marked(alarms, rule == N1_RULE_DEADLOCK ? N1_WAIT_DEAD : N1_WAIT_DEEP, entry);
        } else {
            static struct kind list[KINDS_MAX];
            const bool taken[KINDS_MAX] = {false};
            functions(alarms, entry, seconds(span), seconds(past));
            size_t count = gather(alarms, false, list);
            ptrdiff_t at = largest(list, count, taken, seconds(span), seconds(past));
            resource = at < 0 ? 0 : list[at].id;
        }
        resource = resource ? with_owner(alarms, resource) : 0;
    } else if (!kinds[rule].waits) {
        runners(alarms, t, entry, span);
    }
    if (!resource && kinds[rule].file) {
        char text[4200];
        snprintf(text, sizeof text, "%s of cgroup %s", kinds[rule].file, t->process->cgroup);
        resource = n1_writer_string_z(alarms->w, text);
    }
    if (resource)
        entry->resource = resource;
}
