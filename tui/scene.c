/*
 * Taking the picture. One pass: begin, facts, series, threads, events, profile, end. Nothing of a pass that
 * ends with -EAGAIN is kept beside the profile, which the next pass a moment later puts right.
 */
#include "tui/scene.h"

#include "tui/filter.h"
#include "tui/scene_series.h"
#include "tui/travel.h"

#include "n1/time.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TREND_SECONDS_MAX 600
#define UNSEEN_CPU_NS 2e9 /* CPU time below which the difference is chance */
#define EVENTS_A_READ 64

int n1_scene_init(struct n1_scene *scene)
{
    memset(scene, 0, sizeof *scene);
    scene->profile = n1_profile_create();
    scene->history = n1_history_create();
    scene->events = calloc(N1_SCENE_LOG, sizeof *scene->events);
    if (scene->profile == NULL || scene->history == NULL || scene->events == NULL) {
        n1_scene_finish(scene);
        return -ENOMEM;
    }
    scene->self_cpu = scene->kernel_hidden = scene->unseen = scene->uptime_ns = scene->self_bytes = NAN;
    scene->cpu.last = scene->rss.last = scene->wait.last = scene->steal.last = NAN;
    for (int i = 0; i < N1_METRIC_COUNT; i++)
        scene->metrics[i] = (struct n1_scene_metric){NAN, NAN, ""};
    return 0;
}

void n1_scene_finish(struct n1_scene *scene)
{
    n1_profile_destroy(scene->profile);
    n1_scene_waits_finish(&scene->waits);
    n1_history_destroy(scene->history);
    n1_scene_compare_finish(&scene->compare);
    n1_places_destroy(scene->places);
    n1_scene_memory_finish(&scene->memory);
    free(scene->threads);
    free(scene->events);
    memset(scene, 0, sizeof *scene);
}

static void copy_text(char *out, size_t cap, const char *text)
{
    size_t len = strlen(text);
    if (len >= cap) { /* at a character boundary */
        len = cap - 1;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(out, text, len);
    out[len] = '\0';
}

static void clock_text(char out[12], int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm tm;
    if (localtime_r(&seconds, &tm) == NULL || strftime(out, 12, "%H:%M:%S", &tm) == 0)
        copy_text(out, 12, "--:--:--");
}

static void read_target(struct n1_scene *scene, struct n1_reader *reader)
{
    uint64_t count = n1_reader_count(reader, N1_SEGMENT_PROCESSES, NULL);
    struct n1_model_process process, other;
    scene->processes = count > 0 ? (size_t)count - 1 : 0;
    scene->process_id = 0;
    for (uint32_t id = 1; id < count && scene->process_id == 0; id++) {
        if (n1_reader_process(reader, id, &process) && process.pid != 0)
            scene->process_id = id;
    }
    scene->ended = scene->process_id != 0; /* also in a recording, whose state is that it is closed */
    for (uint32_t id = 1; id < count; id++)
        scene->ended &=
            !n1_reader_process(reader, id, &other) || other.pid == 0 || other.state == N1_PROCESS_GONE;
    if (scene->process_id == 0)
        return;
    scene->pid = process.pid;
    copy_text(scene->comm, sizeof scene->comm, n1_reader_string(reader, process.comm));
    copy_text(scene->command, sizeof scene->command, n1_reader_string(reader, process.cmdline));
    copy_text(scene->runtime, sizeof scene->runtime, n1_reader_string(reader, process.runtime));
    scene->process_state = process.state;
    scene->exit_status = process.exit_status;
    long ticks = sysconf(_SC_CLK_TCK);
    double started = (double)process.start_ticks / (double)(ticks > 0 ? ticks : 100) * 1e9;
    double until = process.ended ? (double)process.ended : (double)scene->now;
    scene->uptime_ns = process.start_ticks && until >= started ? until - started : NAN;
}

static void read_self(struct n1_scene *scene, struct n1_reader *reader)
{
    scene->engine = (enum n1_engine_kind)n1_reader_self(reader, N1_SELF_ENGINE);
    scene->engine_why = n1_engine_why_text(n1_reader_self(reader, N1_SELF_ENGINE_WHY));
    scene->rate_asked = (double)n1_reader_self(reader, N1_SELF_RATE_ASKED);
    scene->rate_used = (double)n1_reader_self(reader, N1_SELF_RATE_USED);
    scene->governor = (enum n1_governor_reason)n1_reader_self(reader, N1_SELF_GOVERNOR);
    scene->samples = n1_reader_self(reader, N1_SELF_SAMPLES);
    scene->lost = n1_reader_self(reader, N1_SELF_LOST);
    scene->truncated = n1_reader_self(reader, N1_SELF_TRUNCATED);
    scene->rejected = n1_reader_self(reader, N1_SELF_REJECTED);
    scene->other = n1_reader_self(reader, N1_SELF_OTHER);
    scene->kernel_frames = n1_reader_self(reader, N1_SELF_KERNEL_FRAMES) != 0;
    scene->symbols_pending = n1_reader_self(reader, N1_SELF_SYMBOLS_PENDING);
    uint64_t bytes = n1_reader_self(reader, N1_SELF_MEMORY_BYTES),
             cpu = n1_reader_self(reader, N1_SELF_CPU_NS);
    scene->self_bytes = bytes ? (double)(bytes + n1_reader_self(reader, N1_SELF_PINNED_BYTES)) : NAN;
    n1_ns now = n1_reader_now(reader);
    if (scene->self_time == 0 || n1_reader_is_file(reader)) {
        scene->self_time = scene->created;
        scene->self_cpu_ns = 0;
        scene->self_cpu = NAN;
    }
    /* Over at least five seconds, so that the figure does not jump with the sampler's own wake-ups. */
    if (cpu && now >= scene->self_time + 5 * N1_SECOND_NS && cpu >= scene->self_cpu_ns) {
        scene->self_cpu = (double)(cpu - scene->self_cpu_ns) / (double)(now - scene->self_time) * 100;
        scene->self_time = now;
        scene->self_cpu_ns = cpu;
    }
}

static int by_cpu(const void *a, const void *b)
{
    const struct n1_scene_thread *x = a, *y = b;
    double p = isnan(x->cpu) ? -1 : x->cpu, q = isnan(y->cpu) ? -1 : y->cpu;
    if (x->alive != y->alive)
        return x->alive ? -1 : 1;
    if (p != q)
        return p < q ? 1 : -1;
    return x->tid < y->tid ? -1 : x->tid > y->tid;
}

static const struct n1_scene_thread *thread_before(const struct n1_scene *scene, uint32_t tid, uint64_t start)
{
    for (size_t i = 0; i < scene->thread_count; i++) {
        if (scene->threads[i].tid == tid && scene->threads[i].start_ticks == start)
            return &scene->threads[i];
    }
    return NULL;
}

/* CPU of a thread over the window: from its series, else from its counters since the last picture. */
static void thread_figures(const struct n1_scene *scene, struct n1_reader *reader,
                           struct n1_scene_thread *thread, n1_ns seen_before)
{
    double cpu = n1_series_rate(reader, n1_reader_series_find(reader, N1_METRIC_THREAD_CPU, thread->id),
                                scene->window.from, scene->window.to);
    double wait = n1_series_rate(reader, n1_reader_series_find(reader, N1_METRIC_THREAD_WAIT, thread->id),
                                 scene->window.from, scene->window.to);
    const struct n1_scene_thread *before = thread_before(scene, thread->tid, thread->start_ticks);
    double span = scene->now > seen_before && seen_before > 0 ? (double)(scene->now - seen_before) : NAN;
    thread->cpu = cpu / 1e7;
    thread->wait = wait / 1e7;
    if (scene->past)
        return; /* counters since the last picture are of now */
    if (isnan(cpu) && before != NULL && thread->run_ns != UINT64_MAX && before->run_ns <= thread->run_ns)
        thread->cpu = isnan(span) ? before->cpu : (double)(thread->run_ns - before->run_ns) / span * 100;
    if (isnan(wait) && before != NULL && thread->wait_ns != UINT64_MAX && before->wait_ns <= thread->wait_ns)
        thread->wait = isnan(span) ? before->wait : (double)(thread->wait_ns - before->wait_ns) / span * 100;
}

static int read_threads(struct n1_scene *scene, struct n1_reader *reader, n1_ns seen_before)
{
    uint64_t count = n1_reader_count(reader, N1_SEGMENT_THREADS, NULL);
    struct n1_scene_thread *threads = calloc(count ? (size_t)count : 1, sizeof *threads);
    size_t used = 0;
    if (threads == NULL)
        return -ENOMEM;
    scene->threads_alive = 0;
    for (uint32_t id = 1; id < count; id++) {
        struct n1_model_thread entry;
        if (!n1_reader_thread(reader, id, &entry) || entry.tid == 0)
            continue;
        if ((entry.to != 0 && entry.to < scene->window.from) || entry.from >= scene->window.to)
            continue;
        struct n1_scene_thread *thread = &threads[used++];
        thread->id = id;
        thread->tid = entry.tid;
        thread->start_ticks = entry.start_ticks;
        thread->alive =
            scene->past ? entry.to == 0 || entry.to >= scene->window.to : entry.to == 0 && !scene->ended;
        thread->run_ns = entry.run_ns;
        thread->wait_ns = entry.wait_ns;
        copy_text(thread->name, sizeof thread->name, n1_reader_string(reader, entry.name));
        thread_figures(scene, reader, thread, seen_before);
        scene->threads_alive += thread->alive;
    }
    qsort(threads, used, sizeof *threads, by_cpu);
    free(scene->threads);
    scene->threads = threads;
    scene->thread_count = used;
    return 0;
}

static void read_event(struct n1_scene *scene, struct n1_reader *reader,
                       const struct n1_model_anomaly *anomaly)
{
    memmove(scene->events + 1, scene->events, (N1_SCENE_LOG - 1) * sizeof *scene->events);
    struct n1_scene_event *event = &scene->events[0];
    memset(event, 0, sizeof *event);
    event->start = anomaly->start;
    event->end = anomaly->end;
    event->severity = anomaly->severity;
    event->share = NAN;
    clock_text(event->clock, n1_reader_wall_ns(reader, anomaly->start));
    copy_text(event->rule, sizeof event->rule, n1_reader_string(reader, anomaly->rule));
    copy_text(event->text, sizeof event->text, n1_reader_string(reader, anomaly->text));
    struct n1_model_function function;
    if (anomaly->culprit[0] && n1_reader_function(reader, anomaly->culprit[0], &function)) {
        copy_text(event->culprit, sizeof event->culprit, n1_reader_string(reader, function.name));
        event->share = (double)anomaly->share_ppm[0] / 1e4;
    }
    if (scene->event_count < N1_SCENE_LOG)
        scene->event_count++;
}

static void read_events(struct n1_scene *scene, struct n1_reader *reader)
{
    struct n1_model_anomaly batch[EVENTS_A_READ];
    uint64_t tail = 0, head = n1_reader_count(reader, N1_SEGMENT_ANOMALIES, &tail);
    uint64_t from = head > tail + N1_SCENE_LOG ? head - N1_SCENE_LOG : tail, next = from, lost = 0;
    scene->event_count = 0;
    while (next < head) {
        size_t got = n1_reader_anomalies(reader, next, batch, EVENTS_A_READ, &next, &lost);
        if (got == 0)
            break;
        for (size_t i = 0; i < got; i++) {
            bool reaches = !scene->past || (batch[i].start < scene->window.to &&
                                            (batch[i].end == 0 || batch[i].end >= scene->window.from));
            if (batch[i].start <= scene->now && reaches)
                read_event(scene, reader, &batch[i]);
        }
    }
}

/* Latest value, and growth a second over the last minute; of the past, at the end of the span and over it.
 * Why, when unknown. */
static void read_metric(struct n1_scene *scene, struct n1_reader *reader, int id)
{
    struct n1_scene_metric *metric = &scene->metrics[id];
    const struct n1_metric_info *info = n1_metric_info(id);
    uint32_t scope = info->scope == N1_SCOPE_PROCESS ? scene->process_id : 0;
    uint32_t series = n1_reader_series_find(reader, (uint32_t)id, scope);
    struct n1_model_point points[2];
    *metric = (struct n1_scene_metric){NAN, NAN, ""};
    if (series == 0) {
        copy_text(metric->why, sizeof metric->why, "not measured");
        return;
    }
    n1_ns minute = 60 * N1_SECOND_NS, at = scene->past ? scene->window.to : scene->now;
    n1_ns from = scene->past ? scene->window.from : at > minute ? at - minute : 0;
    if (n1_reader_points(reader, series, 0, at, points, 1) == 1) {
        if (points[0].time & N1_POINT_INVALID)
            copy_text(metric->why, sizeof metric->why, n1_reader_string(reader, (uint32_t)points[0].value));
        else
            metric->value = (double)points[0].value;
    }
    metric->per_second = n1_series_rate(reader, series, from, at);
}

static void read_series(struct n1_scene *scene, struct n1_reader *reader)
{
    for (int id = 0; id < N1_METRIC_COUNT; id++) {
        if (n1_metric_info(id)->scope != N1_SCOPE_THREAD)
            read_metric(scene, reader, id);
    }
    const struct n1_series_source source = {reader, scene->created, scene->now};
    n1_series_fill(&source, N1_METRIC_CPU_TOTAL, scene->process_id, 1e-7, &scene->cpu);
    n1_series_fill(&source, N1_METRIC_MEM_RSS, scene->process_id, 1, &scene->rss);
    n1_series_fill(&source, N1_METRIC_CPU_WAIT, scene->process_id, 1e-7, &scene->wait);
    n1_series_fill(&source, N1_METRIC_HOST_CPU_STEAL, 0, 1e-7, &scene->steal);
    if (scene->past) {
        scene->cpu.last = scene->metrics[N1_METRIC_CPU_TOTAL].per_second / 1e7;
        scene->rss.last = scene->metrics[N1_METRIC_MEM_RSS].value;
        scene->wait.last = scene->metrics[N1_METRIC_CPU_WAIT].per_second / 1e7;
        scene->steal.last = scene->metrics[N1_METRIC_HOST_CPU_STEAL].per_second / 1e7;
    }
}

/* From before the span (or the beginning) to now; whole cells, so that the picture holds still while time
 * goes on. */
static void read_timeline(struct n1_scene *scene, struct n1_reader *reader, int cols)
{
    struct n1_scene_timeline *line = &scene->timeline;
    cols = cols > N1_TIMELINE_CELLS ? N1_TIMELINE_CELLS : cols;
    n1_ns before = (scene->window.to - scene->window.from) / 2 + 10 * N1_SECOND_NS;
    n1_ns from = scene->window.from > scene->created + before ? scene->window.from - before : scene->created;
    line->cell_s = n1_travel_cell(from, scene->now, cols);
    n1_ns cell = (n1_ns)line->cell_s * N1_SECOND_NS;
    line->from = scene->created + (from - scene->created) / cell * cell;
    uint64_t all = (scene->now - line->from) / cell + 1;
    line->count = all > (uint64_t)cols ? (size_t)cols : (size_t)all;
    const struct n1_series_source source = {reader, scene->created, scene->now};
    n1_series_cells(&source, N1_METRIC_CPU_TOTAL, scene->process_id, 1e-7, line->from, cell, line->cpu,
                    line->count);
    n1_series_cells(&source, N1_METRIC_MEM_RSS, scene->process_id, 1, line->from, cell, line->rss,
                    line->count);
}

void n1_scene_filter(const struct n1_scene *scene, const struct n1_scene_query *query, struct n1_filter *ret)
{
    *ret = (struct n1_filter){.of = query->of, .frames = query->frames};
    struct n1_filter_words words;
    n1_filter_parse(query->text ? query->text : "", &words);
    ret->regex = words.regex;
    ret->text = words.text[0] ? words.text : NULL;
    ret->kinds = words.kinds;
    if (query->thread_id != 0 || words.thread[0] || words.wrong)
        ret->thread = UINT32_MAX; /* a thread that is not there has no samples */
    for (size_t i = scene->thread_count; i-- > 0 && !words.wrong;) {
        const struct n1_scene_thread *t = &scene->threads[i];
        char tid[16];
        snprintf(tid, sizeof tid, "%u", t->tid);
        bool named =
            words.thread[0] == '\0' || strcmp(tid, words.thread) == 0 || strcmp(t->name, words.thread) == 0;
        if (named && (query->thread_id != 0 || words.thread[0]) &&
            (query->thread_id == 0 || t->tid == query->thread_id))
            ret->thread = t->id; /* the busiest of several */
    }
}

static int read_places(struct n1_scene *scene, struct n1_reader *reader, uint64_t id,
                       const struct n1_filter *filter)
{
    scene->places_of = 0;
    if (id == 0)
        return 0;
    if (scene->places == NULL)
        scene->places = n1_places_create();
    int rc = scene->places ? n1_places_update(scene->places, reader, scene->window, filter, id) : -ENOMEM;
    if (rc < 0)
        return rc;
    struct n1_model_module module;
    scene->place_module[0] = '\0';
    scene->place_build_id_len = 0;
    if (n1_reader_module(reader, n1_places_rest(scene->places).module, &module)) {
        copy_text(scene->place_module, sizeof scene->place_module, n1_reader_string(reader, module.path));
        scene->place_build_id_len = module.build_id_len <= 20 ? module.build_id_len : 0;
        memcpy(scene->place_build_id, module.build_id, sizeof scene->place_build_id);
    }
    scene->places_of = id;
    return 0;
}

static int read_profile(struct n1_scene *scene, struct n1_reader *reader, const struct n1_scene_query *query)
{
    struct n1_filter filter;
    n1_scene_filter(scene, query, &filter);
    struct n1_error error = {0};
    int rc = n1_profile_update(scene->profile, reader, scene->window, &filter, &error);
    scene->filter_error[0] = '\0';
    if (rc == N1_E_USAGE)
        copy_text(scene->filter_error, sizeof scene->filter_error, error.what);
    else if (rc < 0)
        return rc;
    scene->summary = *n1_profile_summary(scene->profile);
    if (rc == 0) {
        rc = read_places(scene, reader, query->places_of, &filter);
        if (rc < 0)
            return rc;
    }
    scene->of = query->of;
    if (query->waits && rc == 0)
        rc = n1_scene_waits_update(&scene->waits, reader, scene->window, &filter);
    if (rc < 0 && rc != N1_E_USAGE)
        return rc;
    scene->compare.on = false;
    if (query->compare.kind != N1_COMPARE_OFF && rc == 0) {
        struct n1_window before = n1_compare_window(&query->compare, scene->window, scene->created);
        bool saved = query->compare.kind == N1_COMPARE_SAVED;
        rc = n1_scene_compare_update(&scene->compare, reader, before, saved ? query->saved : NULL, &filter,
                                     scene->profile, query->compare.share);
        if (rc < 0)
            return rc;
    }
    n1_ns span = scene->window.to - scene->window.from;
    uint64_t seconds = (span + N1_SECOND_NS - 1) / N1_SECOND_NS;
    if (seconds > TREND_SECONDS_MAX)
        seconds = TREND_SECONDS_MAX;
    scene->trend_bucket = seconds > 8 ? (uint32_t)((seconds + 7) / 8) : 1;
    n1_ns reach = (n1_ns)scene->trend_bucket * 8 * N1_SECOND_NS;
    struct n1_window past = {scene->window.to > reach ? scene->window.to - reach : 0, scene->window.to};
    rc = n1_history_update(scene->history, reader, past, rc == N1_E_USAGE ? NULL : &filter, NULL);
    return rc == -ENOMEM || rc == N1_E_DAMAGED ? rc : 0;
}

/* Without kernel rights no sample of engine perf falls into the kernel: the sampler reckons from the
 * process's own CPU times. The other engines' samples stand for all of a thread's CPU time. */
static void hidden_share(struct n1_scene *scene, const struct n1_reader *reader)
{
    bool hides = scene->engine == N1_ENGINE_PERF && !scene->kernel_frames;
    double hidden = hides ? (double)n1_reader_self(reader, N1_SELF_KERNEL_HIDDEN_NS) : 0;
    double seen = (double)n1_reader_self(reader, N1_SELF_SAMPLED_NS);
    if (n1_reader_self(reader, N1_SELF_SAMPLED_NS) ==
        0) /* just attached, or a recording of before it was counted */
        seen = (double)n1_reader_self(reader, N1_SELF_SAMPLES) *
               (double)n1_reader_self(reader, N1_SELF_PERIOD_NS);
    scene->kernel_hidden = !hides ? 0 : hidden + seen > 0 ? hidden / (hidden + seen) * 100 : NAN;
    double all = (double)n1_reader_self(reader, N1_SELF_TARGET_CPU_NS);
    scene->unseen = all >= UNSEEN_CPU_NS ? (all - seen - hidden) / all * 100 : NAN;
}

int n1_scene_update(struct n1_scene *scene, struct n1_reader *reader, const struct n1_scene_query *query)
{
    n1_ns seen_before = scene->now;
    int rc = n1_reader_begin(reader);
    if (rc < 0)
        return rc;
    scene->state = n1_reader_state(reader);
    scene->generation = n1_reader_generation(reader);
    scene->created = n1_reader_created(reader);
    scene->heartbeat = n1_reader_heartbeat(reader);
    scene->now = query->end ? query->end : n1_reader_now(reader);
    scene->wall_ns = n1_reader_wall_ns(reader, scene->now);
    scene->past = query->past.to > query->past.from;
    /* Half-open: a window of 30 s is 30 s long, and "all" has the very last sample too. */
    scene->window.to = scene->now + (query->span == 0);
    scene->window.from = query->span && scene->now > query->span ? scene->now - query->span : 0;
    if (scene->past)
        scene->window = query->past;
    if (scene->window.from < scene->created)
        scene->window.from = scene->created;
    read_target(scene, reader);
    read_self(scene, reader);
    read_series(scene, reader);
    scene->timeline.count = 0;
    if (query->timeline > 0)
        read_timeline(scene, reader, query->timeline);
    rc = read_threads(scene, reader, seen_before);
    if (rc == 0) {
        read_events(scene, reader);
        rc = read_profile(scene, reader, query);
    }
    if (rc == 0 && query->memory) {
        struct n1_filter filter;
        n1_scene_filter(scene, query, &filter);
        rc = n1_scene_memory_update(&scene->memory, reader, scene->process_id, scene->window,
                                    query->memory_mark, &filter);
    }
    hidden_share(scene, reader);
    if (rc == 0)
        rc = n1_reader_end(reader);
    scene->ready |= rc == 0;
    return rc;
}

size_t n1_scene_trend(const struct n1_scene *scene, uint64_t function_id, double *ret, size_t cap,
                      uint64_t *ret_first)
{
    uint64_t seconds[TREND_SECONDS_MAX + 16];
    uint32_t first = 0, bucket = scene->trend_bucket ? scene->trend_bucket : 1;
    size_t count = n1_history_seconds(scene->history, &first);
    if (scene->of != N1_OF_CPU || count == 0 || count > sizeof seconds / sizeof seconds[0])
        return 0;
    memset(seconds, 0, sizeof seconds);
    n1_history_function(scene->history, function_id, false, seconds);
    uint64_t first_bucket = (first + bucket - 1) / bucket, end_bucket = (first + count) / bucket;
    size_t used = 0;
    for (uint64_t at = first_bucket; at < end_bucket; at++) { /* whole ones only: a half one would flicker */
        double sum = 0;
        size_t n = 0;
        for (uint64_t s = at * bucket; s < (at + 1) * bucket && s < first + count; s++, n++)
            sum += (double)seconds[s - first];
        if (used == cap) {
            memmove(ret, ret + 1, (cap - 1) * sizeof *ret);
            first_bucket++;
            used--;
        }
        ret[used++] = n ? sum / (double)n / 1e7 : NAN;
    }
    *ret_first = first_bucket;
    return used;
}

void n1_scene_exit_text(const struct n1_scene *scene, char out[32])
{
    int status = (int)scene->exit_status;
    if (scene->exit_status == N1_STATUS_UNKNOWN || scene->process_id == 0)
        snprintf(out, 32, "status unknown");
    else if (WIFSIGNALED(status))
        snprintf(out, 32, "exit %d", 128 + WTERMSIG(status)); /* as a shell tells it */
    else
        snprintf(out, 32, "exit %d", WEXITSTATUS(status));
}

double n1_scene_share(const struct n1_scene *scene, uint64_t ns)
{
    return scene->summary.weight_ns ? (double)ns / (double)scene->summary.weight_ns * 100 : NAN;
}
