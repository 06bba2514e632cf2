/*
 * The functions of a JSON report, its hotspots and its call tree. Times of execution are CPU seconds of a
 * function and what it called in each whole second of the window, those in which it was not seen as 0.
 */
#include "core/report/json_private.h"

#include "n1/stat.h"

#include <math.h>
#include <string.h>

#define HOTSPOTS 20

static void execution(struct n1_json *j, cJSON *o, const struct n1_profile_function *f)
{
    struct n1_stat_summary s;
    struct n1_stat_trend t;
    cJSON *time = cJSON_AddObjectToObject(o, "execution_time");
    n1_history_function(j->history, f->id, true, j->second_ns);
    for (size_t i = 0; i < j->seconds; i++)
        j->second_values[i] = n1_json_seconds(j->second_ns[j->all_seconds - j->seconds + i]);
    if (n1_stat_summarise(j->second_values, j->seconds, &s) ||
        n1_stat_trend(j->second_values, j->seconds, &t)) {
        j->failed = true;
        return;
    }
    n1_json_number(time, "total", s.count ? s.total : NAN);
    n1_json_number(time, "mean", s.mean);
    n1_json_number(time, "median", s.median);
    n1_json_number(time, "min", s.min);
    n1_json_number(time, "max", s.max);
    n1_json_number(time, "std", s.std);
    cJSON *trend = cJSON_AddObjectToObject(o, "performance_trends");
    const char *name = n1_trend_name(t.trend);
    cJSON_AddItemToObject(trend, "trend", name ? cJSON_CreateString(name) : cJSON_CreateNull());
    n1_json_number(trend, "slope", t.slope);
    n1_json_number(trend, "volatility", t.volatility);
}

static void memory(struct n1_json *j, cJSON *o, size_t function)
{
    uint64_t bytes = j->facts.bytes[function], resident = j->facts.resident[function];
    cJSON *usage = cJSON_AddObjectToObject(o, "memory_usage");
    n1_json_number(usage, "total", bytes == N1_FACT_UNKNOWN ? NAN : (double)bytes);
    n1_json_number(usage, "mean",
                   bytes == N1_FACT_UNKNOWN || j->all_seconds == 0 ? NAN
                                                                   : (double)bytes / (double)j->all_seconds);
    n1_json_number(o, "rss_peak", resident == N1_FACT_UNKNOWN ? NAN : (double)resident);
}

/* Moves *at over the lines of `function`. */
static void lines(struct n1_json *j, cJSON *o, uint32_t function, size_t *at)
{
    char file[N1_REPORT_TEXT], key[N1_REPORT_TEXT + 16];
    cJSON *all = cJSON_AddObjectToObject(o, "lines");
    for (; *at < j->facts.line_count && j->facts.lines[*at].function == function; ++*at) {
        const struct n1_fact_line *l = &j->facts.lines[*at];
        snprintf(key, sizeof key, "%s:%u", n1_report_text(j->report, l->file, file), l->line);
        if (cJSON_GetObjectItemCaseSensitive(all, key))
            continue; /* two files of one name, after redaction */
        cJSON *line = cJSON_AddObjectToObject(all, key);
        n1_json_number(line, "self", n1_json_seconds(l->self_ns));
        n1_json_number(line, "total", n1_json_seconds(l->total_ns));
        n1_json_number(line, "memory", l->bytes == N1_FACT_UNKNOWN ? NAN : (double)l->bytes);
    }
}

static cJSON *function_of(struct n1_json *j, uint32_t index, size_t *line)
{
    const struct n1_report *report = j->report;
    const struct n1_profile_function *f = &report->functions[index];
    struct n1_model_function model;
    struct n1_model_module module;
    n1_reader_function(report->reader, f->function, &model);
    n1_reader_module(report->reader, f->module, &module);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", f->name);
    n1_json_text(j, o, "module", module.path);
    n1_json_text(j, o, "file", model.file);
    n1_json_number(o, "line", model.file && model.line ? model.line : NAN);
    cJSON_AddStringToObject(o, "kind", n1_report_kind(f->kind));
    n1_json_number(o, "self_seconds", n1_json_seconds(f->self_ns));
    n1_json_number(o, "total_seconds", n1_json_seconds(f->total_ns));
    n1_json_number(o, "self_percent", n1_json_percent(f->self_ns, report->summary->weight_ns));
    n1_json_number(o, "total_percent", n1_json_percent(f->total_ns, report->summary->weight_ns));
    cJSON_AddStringToObject(o, "basis", "sampled");
    n1_json_number(o, "measurements", (double)j->seconds);
    cJSON_AddNullToObject(o, "call_count");
    execution(j, o, f);
    memory(j, o, index);
    lines(j, o, index, line);
    return o;
}

void n1_json_functions(struct n1_json *j)
{
    size_t line = 0;
    fputs(",\n\"functions\":{", j->out);
    for (size_t i = 0; i < j->report->function_count; i++) {
        fputs(i ? ",\n" : "\n", j->out);
        n1_json_key(j, j->report->keys[i]);
        n1_json_put(j, function_of(j, (uint32_t)i, &line));
    }
    fputs("}", j->out);
}

void n1_json_hotspots(struct n1_json *j)
{
    const struct n1_report *report = j->report;
    size_t top = report->options->top ? report->options->top : HOTSPOTS;
    cJSON *all = cJSON_CreateArray();
    for (size_t i = 0; i < report->function_count && i < top && report->functions[i].self_samples > 0; i++) {
        const struct n1_profile_function *f = &report->functions[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "function", report->keys[i]);
        n1_json_number(o, "self_seconds", n1_json_seconds(f->self_ns));
        n1_json_number(o, "self_percent", n1_json_percent(f->self_ns, report->summary->weight_ns));
        n1_json_number(o, "total_percent", n1_json_percent(f->total_ns, report->summary->weight_ns));
        n1_json_number(o, "error_percent",
                       100 * n1_profile_share_error(f->self_samples, report->summary->samples));
        n1_json_number(o, "samples", (double)f->self_samples);
        cJSON_AddItemToArray(all, o);
    }
    n1_json_member(j, "hotspots", all);
}

/* Flat, parents first, because stacks nest deeper than parsers do: [parent, function, self ns, samples in
 * subtree]. */
void n1_json_tree(struct n1_json *j)
{
    const struct n1_report *report = j->report;
    fputs(",\n\"call_tree\":{\"columns\":[\"parent\",\"function\",\"self_ns\",\"samples\"],\"functions\":[",
          j->out);
    for (size_t i = 0; i < report->function_count; i++) {
        fputs(i ? "," : "", j->out);
        n1_json_put(j, cJSON_CreateString(report->keys[i]));
    }
    fputs("],\n\"nodes\":[", j->out);
    for (size_t i = 0; i < report->node_count; i++) {
        const struct n1_profile_node *n = &report->nodes[i];
        long long function = n->function == UINT32_MAX ? (i == 0 ? -1 : -2) : (long long)n->function;
        fprintf(j->out, "%s[%lld,%lld,%llu,%llu]", i ? "," : "", i == 0 ? -1 : (long long)n->parent, function,
                (unsigned long long)n->self_ns, (unsigned long long)n->samples);
    }
    fputs("]}", j->out);
}
