/*
 * The header: what is watched, how it is doing, and how far the figures can be trusted. One to four rows:
 * identity, CPU and memory, context, waiting and own cost. A row that does not fit drops pieces from the
 * right.
 */
#include "tui/views/view.h"

#include "tui/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void identity(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app)
{
    const struct n1_glyphs *glyphs = canvas->glyphs;
    int cols = n1_canvas_cols(canvas), end = cols;
    char text[64], number[N1_FORMAT_CAP];
    if (scene->ready && cols >= 40) {
        n1_format_clock(number, scene->wall_ns);
        if (app->line.low)
            number[5] = '\0'; /* no seconds */
        n1_canvas_text_right(canvas, 0, end, 8, app->paused ? N1_ROLE_PAUSED : N1_ROLE_LABEL, number);
        end -= 10;
    }
    if (scene->ready && cols >= 60) {
        if (app->line.low && !isnan(scene->uptime_ns))
            snprintf(number, sizeof number, "%.0f min", floor(scene->uptime_ns / 60e9));
        else
            n1_format_uptime(number, glyphs, scene->uptime_ns);
        snprintf(text, sizeof text, "up %s  thr %zu", number, scene->threads_alive);
        n1_canvas_text_right(canvas, 0, end, 24, N1_ROLE_LABEL, text);
        end -= n1_text_cols(text) + 2;
    }
    int col = n1_canvas_text(canvas, 0, 0, N1_ROLE_TITLE, "n1top ");
    if (app->read_only)
        col = n1_canvas_text(canvas, 0, col, N1_ROLE_PAUSED, "[READ-ONLY]") + 1;
    if (!scene->ready) {
        n1_canvas_text_cut(canvas, 0, col, end - col, N1_ROLE_LABEL, n1_view_nothing(scene, app), N1_CUT_END);
        return;
    }
    col = n1_canvas_textf(canvas, 0, col, N1_ROLE_VALUE, "%u ", scene->pid);
    const char *name = scene->command[0] ? scene->command : scene->comm[0] ? scene->comm : "(no name)";
    if (scene->processes > 1)
        end -= 6;
    col += n1_canvas_text_cut(canvas, 0, col, end - col, N1_ROLE_TEXT, name, N1_CUT_MIDDLE);
    if (scene->processes > 1)
        n1_canvas_textf(canvas, 0, col + 1, N1_ROLE_LABEL, "+%zu", scene->processes - 1);
}

/* "LABEL value graph" in [col, end); value and graph in one role, for both change with every picture. */
static void meter(struct n1_canvas *canvas, int row, int col, int end, const char *label, const char *value,
                  const struct n1_scene_series *series, double max, enum n1_role role,
                  const struct n1_app *app)
{
    col = n1_canvas_text(canvas, row, col, N1_ROLE_LABEL, label);
    bool known = !isnan(series->last);
    n1_canvas_text_right(canvas, row, col + 7, 7, known ? role : N1_ROLE_UNKNOWN, value);
    col += 8;
    struct n1_spark spark = {.values = series->values,
                             .count = series->count,
                             .first = series->first,
                             .max = max,
                             .motion = app->motion,
                             .role = role};
    if (end - col >= 6)
        n1_canvas_spark(canvas, row, col, end - col, &spark);
}

static double highest(const struct n1_scene_series *series, double least)
{
    for (size_t i = 0; i < series->count; i++) {
        if (series->values[i] > least)
            least = series->values[i];
    }
    return least;
}

static void load(struct n1_canvas *canvas, int row, const struct n1_scene *scene, const struct n1_app *app)
{
    int cols = n1_canvas_cols(canvas), half = cols / 2;
    char number[N1_FORMAT_CAP], text[N1_FORMAT_CAP + 8];
    n1_format_percent(number, canvas->glyphs, scene->cpu.last);
    snprintf(text, sizeof text, "%s%s", number, isnan(scene->cpu.last) ? "" : "%");
    /* A scale of whole cores, so that the graph does not jump with every new peak. */
    meter(canvas, row, 0, half - 1, "CPU ", text, &scene->cpu, ceil(highest(&scene->cpu, 1) / 100) * 100,
          N1_ROLE_SPARK_CPU, app);
    n1_format_bytes(number, canvas->glyphs, scene->rss.last);
    const struct n1_scene_metric *rss = &scene->metrics[N1_METRIC_MEM_RSS];
    int end = cols;
    if (!isnan(rss->per_second) && cols >= 60 && !app->line.low) {
        n1_format_bytes_signed(text, canvas->glyphs, rss->per_second * 60);
        strcat(text, "/min");
        n1_canvas_text_right(canvas, row, cols, 10, N1_ROLE_LABEL, text);
        end -= 11;
    }
    meter(canvas, row, half, end, "RSS ", number, &scene->rss, highest(&scene->rss, 1), N1_ROLE_SPARK_MEM,
          app);
}

static const char *engine_name(enum n1_engine_kind engine)
{
    switch (engine) {
    case N1_ENGINE_PERF:
        return "perf";
    case N1_ENGINE_PTRACE:
        return "ptrace";
    case N1_ENGINE_NONSTOP:
        return "nonstop";
    default:
        return "no engine";
    }
}

/* One piece of the context row with a bar before it, when it fits. */
static int piece(struct n1_canvas *canvas, int row, int col, enum n1_role role, const char *text)
{
    int cols = n1_text_cols(text), space = col > 0 ? 3 : 0;
    if (col + space + cols > n1_canvas_cols(canvas))
        return col;
    if (space)
        n1_canvas_put(canvas, row, col + 1, canvas->glyphs->vline, N1_ROLE_BORDER);
    return n1_canvas_text(canvas, row, col + space, role, text);
}

static int loss(struct n1_canvas *canvas, int row, int col, const struct n1_scene *scene)
{
    char text[64];
    double share =
        scene->samples + scene->lost ? (double)scene->lost / (double)(scene->samples + scene->lost) : 0;
    if (scene->lost == 0)
        return piece(canvas, row, col, N1_ROLE_LABEL, "lost 0");
    snprintf(text, sizeof text, share < 0.001 ? "lost %llu" : "lost %llu (%.1f%%)",
             (unsigned long long)scene->lost, share * 100);
    return piece(canvas, row, col, N1_ROLE_LOG_WARN, text);
}

/* What the line to the terminal carries, when that matters; with the reason where there is room. */
static int line(struct n1_canvas *canvas, int row, int col, const struct n1_app *app)
{
    char text[128], rate[N1_FORMAT_CAP];
    if (!app->line.low)
        return col;
    n1_format_bytes(rate, canvas->glyphs, app->line.bytes_s);
    snprintf(text, sizeof text, "LOW %s/s: %.80s", rate, app->line.why);
    if (col + 3 + n1_text_cols(text) > n1_canvas_cols(canvas))
        snprintf(text, sizeof text, "LOW %s/s", rate);
    return piece(canvas, row, col, N1_ROLE_LOG_WARN, text);
}

static void context(struct n1_canvas *canvas, int row, const struct n1_scene *scene, const struct n1_app *app)
{
    char text[N1_INPUT_CAP + 32];
    static const char *const sorts[N1_SORT_COUNT] = {
#define X(id, name) name,
        N1_SORT_MAP(X)
#undef X
    };
    int col = 0;
    if (scene->kernel_hidden >= 0.5) {
        snprintf(text, sizeof text, "kernel %.0f%% hidden: not permitted", scene->kernel_hidden);
        col = piece(canvas, row, col, N1_ROLE_LOG_WARN, text);
    }
    if (app->of != N1_OF_CPU) {
        snprintf(text, sizeof text, "of %s", n1_view_of(app->of));
        col = piece(canvas, row, col, N1_ROLE_LOG_WARN, text);
    }
    if (scene->unseen >= 5 && scene->engine != N1_ENGINE_NONE) {
        snprintf(text, sizeof text, "%.0f%% of CPU unsampled: threads too brief or idle", scene->unseen);
        col = piece(canvas, row, col, N1_ROLE_LOG_WARN, text);
    }
    if (app->filter[0]) {
        snprintf(text, sizeof text, "filter: %s", app->filter);
        col = piece(canvas, row, col, scene->filter_error[0] ? N1_ROLE_LOG_CRIT : N1_ROLE_LOG_WARN, text);
    }
    if (app->frames != N1_FRAMES_MERGED)
        col = piece(canvas, row, col, N1_ROLE_LOG_WARN,
                    app->frames == N1_FRAMES_PYTHON ? "Python frames only" : "native frames only");
    if (app->thread_tid) {
        snprintf(text, sizeof text, "thread %u only", app->thread_tid);
        for (size_t i = 0; i < scene->thread_count; i++) {
            if (scene->threads[i].tid == app->thread_tid)
                snprintf(text, sizeof text, "thread %u %s only", app->thread_tid, scene->threads[i].name);
        }
        col = piece(canvas, row, col, N1_ROLE_LOG_WARN, text);
    }
    if (app->travel.past && app->travel.marked)
        snprintf(text, sizeof text, "span %.0f s", (double)(scene->window.to - scene->window.from) / 1e9);
    else
        snprintf(text, sizeof text, "window %s", n1_app_windows[app->window].name);
    col = piece(canvas, row, col, N1_ROLE_LABEL, text);
    if (scene->compare.on) {
        char from[N1_FORMAT_CAP], to[N1_FORMAT_CAP];
        n1_view_clock(from, scene, scene->compare.before.from);
        n1_view_clock(to, scene, scene->compare.before.to);
        if (scene->compare.saved[0])
            snprintf(text, sizeof text, "against %s", scene->compare.saved);
        else
            snprintf(text, sizeof text, "against %.10s-%.10s", from, to);
        col = piece(canvas, row, col, N1_ROLE_LOG_WARN, text);
    }
    if (scene->rate_used > 0 && scene->governor != N1_GOVERNOR_NONE)
        snprintf(text, sizeof text, "%s %.0f%s%.0f Hz (%s)", engine_name(scene->engine), scene->rate_asked,
                 canvas->glyphs->ascii ? "->" : "\xe2\x86\x92", scene->rate_used,
                 scene->governor == N1_GOVERNOR_CPU      ? "own CPU limit"
                 : scene->governor == N1_GOVERNOR_MEMORY ? "own memory limit"
                                                         : "many context switches");
    else if (scene->rate_used > 0)
        snprintf(text, sizeof text, "%s %.0f Hz", engine_name(scene->engine), scene->rate_used);
    else
        snprintf(text, sizeof text, "%s", engine_name(scene->engine));
    size_t named = strlen(text);
    bool why = scene->engine_why && scene->engine_why[0];
    if (why)
        snprintf(text + named, sizeof text - named, ": %s", scene->engine_why);
    if (why && col + 3 + n1_text_cols(text) > n1_canvas_cols(canvas))
        text[named] = '\0';
    bool lowered = scene->rate_used > 0 && scene->rate_used < scene->rate_asked * 0.9;
    col = piece(canvas, row, col, lowered ? N1_ROLE_LOG_WARN : N1_ROLE_LABEL, text);
    col = loss(canvas, row, col, scene);
    col = line(canvas, row, col, app);
    if (app->sort != N1_SORT_SELF || app->inverted) {
        snprintf(text, sizeof text, "by %s%s", sorts[app->sort], app->inverted ? ", inverted" : "");
        col = piece(canvas, row, col, N1_ROLE_LABEL, text);
    }
    if (scene->summary.truncated > 0 && scene->summary.samples > 0) {
        snprintf(text, sizeof text, "%.1f%% of stacks cut short",
                 (double)scene->summary.truncated / (double)scene->summary.samples * 100);
        col = piece(canvas, row, col, N1_ROLE_LABEL, text);
    }
    if (!app->travel.past && (scene->summary.resolution == N1_RESOLUTION_SECONDS ||
                              scene->summary.resolution == N1_RESOLUTION_MIXED))
        col = piece(canvas, row, col, N1_ROLE_LABEL, "old part by the second");
    if (app->find[0]) {
        snprintf(text, sizeof text, "find: %s", app->find);
        piece(canvas, row, col, N1_ROLE_LABEL, text);
    }
}

static void cost(struct n1_canvas *canvas, int row, const struct n1_scene *scene, const struct n1_app *app)
{
    char number[N1_FORMAT_CAP], text[80];
    int cols = n1_canvas_cols(canvas), half = cols / 2;
    n1_format_percent(number, canvas->glyphs, scene->wait.last);
    snprintf(text, sizeof text, "%s%s", number, isnan(scene->wait.last) ? "" : "%");
    meter(canvas, row, 0, half - 1, "WAIT", text, &scene->wait, ceil(highest(&scene->wait, 1) / 100) * 100,
          N1_ROLE_SPARK_WAIT, app);
    int col = half;
    if (scene->steal.last >= 0.5) {
        n1_format_percent(number, canvas->glyphs, scene->steal.last);
        snprintf(text, sizeof text, "steal %s%%", number);
        col = n1_canvas_text(canvas, row, col, N1_ROLE_LOG_WARN, text) + 2;
    }
    col = n1_canvas_text(canvas, row, col, N1_ROLE_LABEL, "n1top itself: ");
    n1_format_percent(number, canvas->glyphs, scene->self_cpu);
    col = n1_canvas_textf(canvas, row, col, N1_ROLE_VALUE, "%s%s", number, isnan(scene->self_cpu) ? "" : "%");
    n1_format_bytes(number, canvas->glyphs, scene->self_bytes);
    col = n1_canvas_text(canvas, row, col, N1_ROLE_LABEL, " CPU ");
    col = n1_canvas_text(canvas, row, col, N1_ROLE_VALUE, number);
    if (app->line.bytes_s > 0 && !app->line.low) {
        n1_format_bytes(number, canvas->glyphs, app->line.bytes_s);
        col = n1_canvas_textf(canvas, row, col, N1_ROLE_LABEL, "  line %s/s", number);
    }
    if (scene->rejected > 0)
        n1_canvas_textf(canvas, row, col + 2, N1_ROLE_LABEL, "rejected %llu",
                        (unsigned long long)scene->rejected);
}

void n1_view_header(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app)
{
    int rows = n1_canvas_rows(canvas);
    identity(canvas, scene, app);
    if (!scene->ready)
        return;
    if (app->travel.past && rows >= 2)
        n1_view_timeline(canvas, 1, rows >= 5 ? 3 : 1, scene, app);
    else if (rows >= 2)
        load(canvas, 1, scene, app);
    if (rows >= 3)
        context(canvas, rows - 1, scene, app);
    if (rows == 4 && !app->travel.past)
        cost(canvas, 2, scene, app);
}

void n1_view_one_line(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app)
{
    char cpu[N1_FORMAT_CAP], rss[N1_FORMAT_CAP], text[160], end[32];
    n1_format_percent(cpu, canvas->glyphs, scene->cpu.last);
    n1_format_bytes(rss, canvas->glyphs, scene->rss.last);
    n1_scene_exit_text(scene, end);
    if (!scene->ready)
        snprintf(text, sizeof text, "n1top %s", n1_view_nothing(scene, app));
    else if (scene->ended)
        snprintf(text, sizeof text, "n1top %u ENDED (%s)", scene->pid, end);
    else
        snprintf(text, sizeof text, "n1top %u CPU %s%% RSS %s  [%dx%d]", scene->pid, cpu, rss, app->cols,
                 app->rows);
    n1_canvas_text_cut(canvas, 0, 0, n1_canvas_cols(canvas), N1_ROLE_TEXT, text, N1_CUT_END);
}
