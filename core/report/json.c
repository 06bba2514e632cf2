/*
 * The JSON report "n1top.report/1": the frame of the object, who was watched and by what. Small values are
 * made with cJSON and written at once, so that memory does not grow with the report. What is unknown is null:
 * cJSON writes a number that is none (NAN) as null, and so do we.
 */
#include "core/report/json_private.h"

#include "n1/stat.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void n1_json_put(struct n1_json *j, cJSON *value)
{
    char *text = value ? cJSON_PrintUnformatted(value) : NULL;
    if (!text)
        j->failed = true;
    else
        fputs(text, j->out);
    cJSON_free(text);
    cJSON_Delete(value);
}

void n1_json_key(struct n1_json *j, const char *key)
{
    n1_json_put(j, cJSON_CreateString(key));
    fputc(':', j->out);
}

void n1_json_member(struct n1_json *j, const char *key, cJSON *value)
{
    fputs(",\n", j->out);
    n1_json_key(j, key);
    n1_json_put(j, value);
}

void n1_json_number(cJSON *object, const char *key, double value)
{
    cJSON_AddItemToObject(object, key, isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

void n1_json_text(const struct n1_json *j, cJSON *object, const char *key, uint32_t string)
{
    char text[N1_REPORT_TEXT];
    if (string == 0)
        cJSON_AddNullToObject(object, key);
    else
        cJSON_AddStringToObject(object, key, n1_report_text(j->report, string, text));
}

double n1_json_seconds(uint64_t ns)
{
    return (double)ns / (double)N1_SECOND_NS;
}

double n1_json_epoch(const struct n1_json *j, n1_ns time)
{
    /* the model's wall clock in whole microseconds: finer digits of a double would be noise */
    return (double)(n1_reader_wall_ns(j->report->reader, time) / 1000) / 1e6;
}

double n1_json_percent(uint64_t part, uint64_t whole)
{
    return whole ? 100 * (double)part / (double)whole : NAN;
}

/* "key=value,key=value" as an object. */
static cJSON *labels_of(const struct n1_json *j, uint32_t string)
{
    char text[N1_REPORT_TEXT], *rest = text, *part;
    cJSON *object = cJSON_CreateObject();
    n1_report_text(j->report, string, text);
    while ((part = strsep(&rest, ","))) {
        char *value = strchr(part, '=');
        if (!value || value == part)
            continue;
        *value++ = '\0';
        if (!cJSON_GetObjectItemCaseSensitive(object, part))
            cJSON_AddStringToObject(object, part, value);
    }
    return object;
}

static void targets(struct n1_json *j)
{
    struct n1_reader *r = j->report->reader;
    uint64_t head = n1_reader_count(r, N1_SEGMENT_PROCESSES, NULL);
    const char *between = "\n";
    struct n1_model_process p;
    fputs(",\n\"targets\":[", j->out);
    for (uint32_t id = 1; id < head; id++) {
        if (!n1_reader_process(r, id, &p))
            continue;
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "pid", p.pid);
        n1_json_text(j, o, "exe", p.exe);
        n1_json_text(j, o, "cmdline", p.cmdline);
        n1_json_text(j, o, "runtime", p.runtime);
        /* start times count from boot, as the model's clock does as long as the host never slept */
        uint64_t ticks = n1_reader_clock_ticks(r);
        uint64_t up = p.start_ticks / ticks * N1_SECOND_NS + p.start_ticks % ticks * N1_SECOND_NS / ticks;
        n1_json_number(o, "started", p.start_ticks ? n1_json_epoch(j, up) : NAN);
        cJSON_AddItemToObject(o, "labels", labels_of(j, p.labels));
        fputs(between, j->out);
        between = ",\n";
        n1_json_put(j, o);
    }
    fputs("]", j->out);
}

static void sampler(struct n1_json *j)
{
    static const char *const engines[] = {"none", "perf", "ptrace", "nonstop"};
    static const char *const governors[] = {"nothing", "own CPU limit", "own memory limit",
                                            "many context switches"};
    const struct n1_reader *r = j->report->reader;
    uint64_t engine = n1_reader_self(r, N1_SELF_ENGINE), period = n1_reader_self(r, N1_SELF_PERIOD_NS);
    cJSON *o = cJSON_CreateObject(), *pause = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "engine", engine < 4 ? engines[engine] : engines[0]);
    const char *why = n1_engine_why_text(n1_reader_self(r, N1_SELF_ENGINE_WHY));
    if (why[0])
        cJSON_AddStringToObject(o, "engine_reason", why);
    else
        cJSON_AddNullToObject(o, "engine_reason");
    n1_json_number(o, "interval", period ? n1_json_seconds(period) : NAN);
    uint64_t governor = n1_reader_self(r, N1_SELF_GOVERNOR);
    n1_json_number(o, "rate_asked", (double)n1_reader_self(r, N1_SELF_RATE_ASKED));
    n1_json_number(o, "rate_used", (double)n1_reader_self(r, N1_SELF_RATE_USED));
    cJSON_AddStringToObject(o, "rate_lowered_by", governor < 4 ? governors[governor] : governors[0]);
    n1_json_number(o, "target_cpu_seconds", n1_json_seconds(n1_reader_self(r, N1_SELF_TARGET_CPU_NS)));
    n1_json_number(o, "sampled_cpu_seconds", n1_json_seconds(n1_reader_self(r, N1_SELF_SAMPLED_NS)));
    n1_json_number(o, "samples", (double)n1_reader_self(r, N1_SELF_SAMPLES));
    n1_json_number(o, "lost", (double)n1_reader_self(r, N1_SELF_LOST));
    n1_json_number(o, "truncated", (double)n1_reader_self(r, N1_SELF_TRUNCATED));
    n1_json_number(o, "rejected", (double)n1_reader_self(r, N1_SELF_REJECTED));
    n1_json_number(o, "missed", (double)n1_reader_self(r, N1_SELF_MISSED));
    n1_json_number(o, "races", (double)n1_reader_self(r, N1_SELF_RACES));
    n1_json_number(o, "cpu_seconds", n1_json_seconds(n1_reader_self(r, N1_SELF_CPU_NS)));
    n1_json_number(o, "memory_bytes", (double)n1_reader_self(r, N1_SELF_MEMORY_BYTES));
    n1_json_number(pause, "p50", (double)n1_reader_self(r, N1_SELF_PAUSE_P50_NS) / 1e3);
    n1_json_number(pause, "p99", (double)n1_reader_self(r, N1_SELF_PAUSE_P99_NS) / 1e3);
    cJSON_AddItemToObject(o, "pause_us", pause);
    n1_json_member(j, "sampler", o);
}

static void summary(struct n1_json *j)
{
    cJSON *o = cJSON_CreateObject(), *range = cJSON_CreateObject();
    n1_json_number(o, "total_functions", (double)j->report->function_count);
    n1_json_number(o, "total_measurements", (double)j->report->function_count * (double)j->seconds);
    n1_json_number(range, "start", n1_json_epoch(j, j->report->summary->window.from));
    n1_json_number(range, "end", n1_json_epoch(j, j->report->summary->window.to));
    cJSON_AddItemToObject(o, "time_range", range);
    n1_json_member(j, "summary", o);
}

static cJSON *filter_of(struct n1_json *j, const struct n1_filter *f)
{
    struct n1_model_process process;
    struct n1_model_thread thread;
    if (!f || (!f->process && !f->thread && !f->kinds && !(f->text && *f->text)))
        return cJSON_CreateNull();
    cJSON *o = cJSON_CreateObject(), *kinds = cJSON_CreateArray();
    char text[N1_REPORT_TEXT];
    n1_json_number(o, "pid", n1_reader_process(j->report->reader, f->process, &process) ? process.pid : NAN);
    n1_json_number(o, "tid", n1_reader_thread(j->report->reader, f->thread, &thread) ? thread.tid : NAN);
    for (uint32_t k = 0; k < N1_KIND_COUNT; k++)
        if (f->kinds >> k & 1)
            cJSON_AddItemToArray(kinds, cJSON_CreateString(n1_report_kind(k)));
    cJSON_AddItemToObject(o, "kinds", kinds);
    n1_sanitise(text, sizeof text, f->text ? f->text : "", f->text ? strlen(f->text) : 0);
    cJSON_AddStringToObject(o, "text", text);
    cJSON_AddBoolToObject(o, "regex", f->regex);
    return o;
}

static void window(struct n1_json *j)
{
    static const char *const names[] = {"", "samples", "seconds", "mixed"};
    const struct n1_profile_summary *s = j->report->summary;
    cJSON *o = cJSON_CreateObject();
    n1_json_number(o, "start", n1_json_epoch(j, s->window.from));
    n1_json_number(o, "end", n1_json_epoch(j, s->window.to));
    n1_json_number(o, "seconds", n1_json_seconds(s->window.to - s->window.from));
    cJSON_AddStringToObject(o, "resolution", names[s->resolution]);
    n1_json_number(o, "samples", (double)s->samples);
    n1_json_number(o, "cpu_seconds", n1_json_seconds(s->weight_ns));
    n1_json_number(o, "all_samples", (double)s->all_samples);
    n1_json_number(o, "all_cpu_seconds", n1_json_seconds(s->all_ns));
    n1_json_number(o, "truncated", (double)s->truncated);
    n1_json_number(o, "in_kernel", (double)s->in_kernel);
    n1_json_number(o, "kernel_hidden_seconds", n1_json_seconds(s->kernel_hidden_ns));
    n1_json_number(o, "lost", (double)s->lost);
    cJSON_AddItemToObject(o, "filter", filter_of(j, j->report->options->filter));
    n1_json_member(j, "window", o);
}

static void gc(struct n1_json *j)
{
    if (j->facts.gc_samples == 0) {
        n1_json_member(j, "gc", cJSON_CreateNull());
        return;
    }
    cJSON *o = cJSON_CreateObject();
    n1_json_number(o, "samples", (double)j->facts.gc_samples);
    n1_json_number(o, "cpu_seconds", n1_json_seconds(j->facts.gc_ns));
    n1_json_member(j, "gc", o);
}

static void regressions(struct n1_json *j)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddBoolToObject(o, "regression_detected", false);
    cJSON_AddItemToObject(o, "issues", cJSON_CreateArray());
    n1_json_member(j, "regressions", o);
}

static int write_report(FILE *out, struct n1_report *report, struct n1_error *reterr)
{
    struct n1_json j = {.out = out, .report = report, .history = n1_history_create()};
    uint32_t first;
    int rc = j.history ? n1_history_update(j.history, report->reader, report->options->window,
                                           report->options->filter, reterr)
                       : -ENOMEM;
    if (rc == 0) {
        size_t most = report->options->max_history;
        j.all_seconds = n1_history_seconds(j.history, &first);
        j.seconds = most && most < j.all_seconds ? most : j.all_seconds;
        j.second_ns = calloc(j.all_seconds + 1, sizeof *j.second_ns);
        j.second_values = calloc(j.seconds + 1, sizeof *j.second_values);
        rc = j.second_ns && j.second_values ? n1_facts_init(&j.facts, report) : -ENOMEM;
    }
    if (rc == 0) {
        fputs("{\"schema\":\"n1top.report/1\",\n\"n1top\":{\"version\":\"" N1_VERSION "\"}", out);
        targets(&j);
        sampler(&j);
        summary(&j);
        n1_json_functions(&j);
        n1_json_hotspots(&j);
        n1_json_threads(&j);
        n1_json_memory(&j);
        n1_json_io(&j);
        n1_json_waits(&j);
        gc(&j);
        n1_json_anomalies(&j);
        regressions(&j);
        n1_json_tree(&j);
        window(&j);
        fputs("}\n", out);
        rc = j.failed ? -ENOMEM : 0;
    }
    if (rc == -ENOMEM)
        n1_error_set(reterr, rc, "no memory for a report");
    n1_facts_finish(&j.facts);
    n1_history_destroy(j.history);
    free(j.second_ns);
    free(j.second_values);
    return rc;
}

int n1_report_write_json(FILE *out, struct n1_reader *r, const struct n1_report_options *o,
                         struct n1_error *reterr)
{
    return n1_report_run(out, r, o, write_report, reterr);
}
