/*
 * What a JSON report says beside the functions: threads, memory and I/O as measured, anomalies.
 */
#include "core/report/json_private.h"

#include "n1/metric.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_MAX 16384
#define POINTS_SHOWN 600
#define CHUNK 256

static uint32_t pid_of(const struct n1_json *j, uint32_t process)
{
    struct n1_model_process p;
    return n1_reader_process(j->report->reader, process, &p) ? p.pid : 0;
}

struct thread_rank {
    uint32_t id;
    uint64_t ns;
};

static int by_time(const void *a, const void *b)
{
    const struct thread_rank *x = a, *y = b;
    if (x->ns != y->ns)
        return x->ns < y->ns ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

void n1_json_threads(struct n1_json *j)
{
    const struct n1_report *report = j->report;
    struct n1_model_thread t;
    size_t count = 0;
    struct thread_rank *rank = calloc(j->facts.thread_count + 1, sizeof *rank);
    cJSON *all = cJSON_CreateArray();
    for (uint32_t id = 1; rank && id < j->facts.thread_count; id++)
        if (j->facts.thread_samples[id] > 0)
            rank[count++] = (struct thread_rank){id, j->facts.thread_ns[id]};
    if (rank)
        qsort(rank, count, sizeof *rank, by_time);
    else
        j->failed = true;
    for (size_t i = 0; i < count; i++) {
        n1_reader_thread(report->reader, rank[i].id, &t);
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "pid", pid_of(j, t.process));
        cJSON_AddNumberToObject(o, "tid", t.tid);
        n1_json_text(j, o, "name", t.name);
        n1_json_number(o, "cpu_seconds", n1_json_seconds(rank[i].ns));
        n1_json_number(o, "cpu_percent", n1_json_percent(rank[i].ns, report->summary->weight_ns));
        n1_json_number(o, "samples", (double)j->facts.thread_samples[rank[i].id]);
        cJSON_AddItemToArray(all, o);
    }
    free(rank);
    n1_json_member(j, "threads", all);
}

/* At most POINTS_SHOWN points: of each run of neighbours the largest value, so that no peak is lost. */
static cJSON *points_of(const struct n1_json *j, const struct n1_model_point *points, size_t count)
{
    cJSON *all = cJSON_CreateArray();
    size_t step = (count + POINTS_SHOWN - 1) / POINTS_SHOWN;
    for (size_t i = 0; i < count; i += step) {
        const struct n1_model_point *largest = &points[i];
        for (size_t k = i; k < i + step && k < count; k++)
            if ((largest->time & N1_POINT_INVALID) ||
                (!(points[k].time & N1_POINT_INVALID) && points[k].value > largest->value))
                largest = &points[k];
        cJSON *pair = cJSON_CreateArray();
        cJSON_AddItemToArray(pair, cJSON_CreateNumber(n1_json_epoch(j, largest->time & ~N1_POINT_INVALID)));
        cJSON_AddItemToArray(pair, largest->time & N1_POINT_INVALID
                                       ? cJSON_CreateNull()
                                       : cJSON_CreateNumber((double)largest->value));
        cJSON_AddItemToArray(all, pair);
    }
    return all;
}

void n1_json_memory(struct n1_json *j)
{
    struct n1_reader *r = j->report->reader;
    struct n1_window w = j->report->summary->window;
    const struct n1_filter *f = j->report->options->filter;
    struct n1_model_point *points = calloc(POINTS_MAX, sizeof *points);
    uint64_t processes = n1_reader_count(r, N1_SEGMENT_PROCESSES, NULL);
    const char *between = "\n";
    fputs(",\n\"memory\":{\"series\":[", j->out);
    for (int id = 0; points && id < N1_METRIC_COUNT; id++) {
        const struct n1_metric_info *info = n1_metric_info(id);
        if (strncmp(info->name, "mem.", 4) != 0)
            continue;
        for (uint32_t process = 1; process < processes; process++) {
            uint32_t series = n1_reader_series_find(r, (uint32_t)id, process);
            if (series == 0 || (f && f->process && f->process != process))
                continue;
            size_t count = n1_reader_points(r, series, w.from, w.to, points, POINTS_MAX);
            if (count == 0)
                continue;
            cJSON *o = cJSON_CreateObject();
            cJSON_AddStringToObject(o, "metric", info->name);
            cJSON_AddStringToObject(o, "unit", n1_metric_unit_name((int)info->unit));
            cJSON_AddNumberToObject(o, "pid", pid_of(j, process));
            cJSON_AddItemToObject(o, "points", points_of(j, points, count));
            fputs(between, j->out);
            between = ",\n";
            n1_json_put(j, o);
        }
    }
    fputs("]}", j->out);
    j->failed |= !points;
    free(points);
}

/* How much a counter grew in the window over all processes, NAN when nobody knows. */
static double growth(struct n1_json *j, struct n1_model_point *points, int metric)
{
    struct n1_reader *r = j->report->reader;
    struct n1_window w = j->report->summary->window;
    const struct n1_filter *f = j->report->options->filter;
    uint64_t processes = n1_reader_count(r, N1_SEGMENT_PROCESSES, NULL);
    double sum = NAN;
    for (uint32_t process = 1; process < processes; process++) {
        uint32_t series = n1_reader_series_find(r, (uint32_t)metric, process);
        if (series == 0 || (f && f->process && f->process != process))
            continue;
        size_t count = n1_reader_points(r, series, w.from, w.to, points, POINTS_MAX);
        const struct n1_model_point *first = NULL, *last = NULL;
        for (size_t i = 0; i < count; i++) {
            if (points[i].time & N1_POINT_INVALID)
                continue;
            first = first ? first : &points[i];
            last = &points[i];
        }
        if (first != last && last->value >= first->value)
            sum = (isnan(sum) ? 0 : sum) + ((double)last->value - (double)first->value);
    }
    return sum;
}

void n1_json_io(struct n1_json *j)
{
    static const struct {
        const char *key;
        int metric;
    } figures[] = {
        {"read_bytes", N1_METRIC_IO_READ_BYTES}, {"write_bytes", N1_METRIC_IO_WRITE_BYTES},
        {"read_chars", N1_METRIC_IO_READ_CHARS}, {"write_chars", N1_METRIC_IO_WRITE_CHARS},
        {"read_calls", N1_METRIC_IO_READ_CALLS}, {"write_calls", N1_METRIC_IO_WRITE_CALLS},
    };
    struct n1_model_point *points = calloc(POINTS_MAX, sizeof *points);
    cJSON *o = cJSON_CreateObject();
    for (size_t i = 0; points && i < sizeof figures / sizeof figures[0]; i++)
        n1_json_number(o, figures[i].key, growth(j, points, figures[i].metric));
    n1_json_io_waits(j, o);
    j->failed |= !points;
    free(points);
    n1_json_member(j, "io", o);
}

static cJSON *anomaly_of(struct n1_json *j, const struct n1_model_anomaly *a)
{
    static const char *const severities[] = {"info", "info", "warning", "critical"};
    struct n1_reader *r = j->report->reader;
    struct n1_model_function f;
    char key[N1_REPORT_TEXT];
    cJSON *o = cJSON_CreateObject();
    n1_json_text(j, o, "rule", a->rule);
    cJSON_AddStringToObject(o, "severity", a->severity < 4 ? severities[a->severity] : "info");
    n1_json_number(o, "start", n1_json_epoch(j, a->start));
    n1_json_number(o, "end", a->end ? n1_json_epoch(j, a->end) : NAN);
    n1_json_number(o, "pid", a->process ? pid_of(j, a->process) : NAN);
    n1_json_number(o, "value", (double)a->value);
    n1_json_number(o, "expected", (double)a->expected);
    n1_json_text(j, o, "unit", a->unit);
    n1_json_text(j, o, "text", a->text);
    n1_json_text(j, o, "resource", a->resource);
    cJSON *culprits = cJSON_AddArrayToObject(o, "culprits");
    for (int i = 0; i < N1_ANOMALY_CULPRITS; i++) {
        if (a->culprit[i] == 0 || !n1_reader_function(r, a->culprit[i], &f))
            continue;
        cJSON *c = cJSON_CreateObject();
        cJSON_AddStringToObject(c, "function", n1_report_function_key(j->report, a->culprit[i], key));
        n1_json_number(c, "share_percent", a->share_ppm[i] / 1e4);
        n1_json_number(c, "before_percent", a->before_ppm[i] / 1e4);
        cJSON_AddItemToArray(culprits, c);
    }
    return o;
}

void n1_json_anomalies(struct n1_json *j)
{
    struct n1_reader *r = j->report->reader;
    struct n1_window w = j->report->summary->window;
    struct n1_model_anomaly chunk[CHUNK];
    uint64_t tail, head = n1_reader_count(r, N1_SEGMENT_ANOMALIES, &tail);
    const char *between = "\n";
    fputs(",\n\"anomalies\":[", j->out);
    for (uint64_t at = tail, next; at < head; at = next) {
        size_t got = n1_reader_anomalies(r, at, chunk, CHUNK, &next, NULL);
        if (next <= at)
            break;
        for (size_t i = 0; i < got; i++) {
            if (chunk[i].start > w.to || (chunk[i].end && chunk[i].end < w.from))
                continue;
            fputs(between, j->out);
            between = ",\n";
            n1_json_put(j, anomaly_of(j, &chunk[i]));
        }
    }
    fputs("]", j->out);
}
