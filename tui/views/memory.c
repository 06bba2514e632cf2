/*
 * The memory pane: what the target's memory consists of, straight from the metrics. Whatever is not known
 * says why; it never shows as zero.
 */
#include "tui/views/view.h"

#include "tui/format.h"

#include <math.h>
#include <stdio.h>

struct line {
    int metric;
    const char *label;
    int indent;
    bool share; /* a bar of its share of the resident memory */
};

static const struct line lines[] = {
    {N1_METRIC_MEM_RSS, "resident", 0, true},
    {N1_METRIC_MEM_ANON, "anonymous", 1, true},
    {N1_METRIC_MEM_FILE, "files", 1, true},
    {N1_METRIC_MEM_SHMEM, "shared", 1, true},
    {N1_METRIC_MEM_HUGE, "huge pages", 1, true},
    {N1_METRIC_MEM_RSS_PEAK, "peak", 0, false},
    {N1_METRIC_MEM_SWAP, "swapped out", 0, false},
    {N1_METRIC_MEM_PSS, "proportional", 0, true},
    {N1_METRIC_MEM_USS, "only its own", 0, true},
    {N1_METRIC_MEM_HEAP, "brk heap", 0, false},
    {N1_METRIC_MEM_ANON_MAPPED, "anon mapped", 0, false},
    {N1_METRIC_MEM_VIRTUAL, "address space", 0, false},
    {N1_METRIC_FAULT_MINOR, "minor faults/s", 0, false},
    {N1_METRIC_FAULT_MAJOR, "major faults/s", 0, false},
    {N1_METRIC_CGROUP_MEM_CURRENT, "cgroup", 0, false},
    {N1_METRIC_CGROUP_MEM_HEADROOM, "to its limit", 0, false},
    {N1_METRIC_HOST_MEM_AVAILABLE, "host available", 0, false},
    {N1_METRIC_FDS, "descriptors", 0, false},
};

static void draw_line(struct n1_canvas *canvas, int row, const struct line *line,
                      const struct n1_scene *scene, int cols)
{
    const struct n1_scene_metric *metric = &scene->metrics[line->metric];
    const struct n1_metric_info *info = n1_metric_info(line->metric);
    int col = 17;
    char number[N1_FORMAT_CAP];
    bool counter = info->kind == N1_METRIC_KIND_COUNTER;
    double value = counter ? metric->per_second : metric->value;
    n1_canvas_text_cut(canvas, row, 1 + line->indent * 2, 15, N1_ROLE_LABEL, line->label, N1_CUT_END);
    if (info->unit == N1_UNIT_BYTES)
        n1_format_bytes(number, canvas->glyphs, value);
    else
        n1_format_count(number, canvas->glyphs, value);
    n1_canvas_text_right(canvas, row, col + 5, 5, isnan(value) ? N1_ROLE_UNKNOWN : N1_ROLE_VALUE, number);
    col += 6;
    if (isnan(value)) {
        n1_canvas_text_cut(canvas, row, col, cols - col, N1_ROLE_UNKNOWN, metric->why, N1_CUT_END);
        return;
    }
    double rss = scene->metrics[N1_METRIC_MEM_RSS].value;
    if (!counter && info->unit == N1_UNIT_BYTES && fabs(metric->per_second * 60) >= 4096 && cols - col >= 9) {
        char text[N1_FORMAT_CAP + 8];
        n1_format_bytes_signed(number, canvas->glyphs, metric->per_second * 60);
        snprintf(text, sizeof text, "%s/min", number);
        n1_canvas_text_right(canvas, row, col + 9, 9, N1_ROLE_TEXT, text);
    }
    col += 10;
    if (line->share && rss > 0 && cols - col >= 6)
        n1_canvas_bar(canvas, row, col, cols - col - 1, value / rss, N1_ROLE_SPARK_MEM);
}

/* "12.3M  memset < load_index" */
static void draw_touch(struct n1_canvas *canvas, int row, int col, const struct n1_scene *scene, size_t index)
{
    size_t count;
    const struct n1_profile_function *list = n1_profile_functions(scene->memory.profile, &count);
    struct n1_profile_edge caller;
    char number[N1_FORMAT_CAP], text[320];
    n1_format_bytes(number, canvas->glyphs, (double)list[index].self_ns);
    n1_canvas_text_right(canvas, row, col + 6, 6, N1_ROLE_VALUE, number);
    size_t callers = n1_profile_callers(scene->memory.profile, index, &caller, 1);
    bool has = callers > 0 && caller.function != UINT32_MAX;
    snprintf(text, sizeof text, "%s%s%s", list[index].name, has ? " < " : "",
             has ? list[caller.function].name : "");
    n1_canvas_text_cut(canvas, row, col + 8, n1_canvas_cols(canvas) - col - 8,
                       n1_view_kind_role(list[index].kind), text, N1_CUT_END);
}

/* Who touched memory first, from `row` and `col` on. */
static void draw_touches(struct n1_canvas *canvas, int row, int col, const struct n1_scene *scene)
{
    const struct n1_scene_memory *memory = &scene->memory;
    char title[96], clock[N1_FORMAT_CAP], grown[N1_FORMAT_CAP];
    size_t count = 0;
    int rows = n1_canvas_rows(canvas);
    if (row + 1 >= rows || memory->profile == NULL)
        return;
    if (memory->mark) {
        n1_view_clock(clock, scene, memory->mark);
        n1_format_bytes_signed(grown, canvas->glyphs, memory->grown[N1_METRIC_MEM_RSS]);
        snprintf(title, sizeof title, "since %s (E: no mark): resident %s; first touched by", clock,
                 isnan(memory->grown[N1_METRIC_MEM_RSS]) ? "?" : grown);
    } else {
        snprintf(title, sizeof title, "first touched (not: kept) by");
    }
    n1_canvas_text_cut(canvas, row++, col, n1_canvas_cols(canvas) - col, N1_ROLE_LABEL, title, N1_CUT_END);
    const struct n1_profile_function *list = n1_profile_functions(memory->profile, &count);
    if (!memory->sampled)
        n1_canvas_text_cut(canvas, row, col + 2, n1_canvas_cols(canvas) - col - 2, N1_ROLE_UNKNOWN,
                           scene->link == N1_LINK_LIVE ? "no page fault sampled yet"
                                                       : "page faults were not sampled",
                           N1_CUT_END);
    for (size_t i = 0; i < count && list[i].self_ns > 0 && row < rows; i++)
        draw_touch(canvas, row++, col, scene, i);
}

#define SPLIT_COLS 96 /* from here on both stand side by side … */
#define FIGURE_COLS 48
#define FIGURES_LEAST 3 /* … else the touches get what rows are left */

static void draw(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app)
{
    n1_view_title(canvas, app, N1_PANE_MEMORY, "memory");
    if (!scene->ready)
        return;
    int rows = n1_canvas_rows(canvas), count = (int)(sizeof lines / sizeof lines[0]);
    bool beside = n1_canvas_cols(canvas) >= SPLIT_COLS;
    int figures = beside || rows - 1 >= count + 5 ? count
                  : rows - 6 > FIGURES_LEAST      ? rows - 6
                                                  : FIGURES_LEAST;
    int cols = beside ? FIGURE_COLS : n1_canvas_cols(canvas);
    int shown = 0;
    for (int i = 0; i < count && shown < figures && shown + 1 < rows; i++)
        draw_line(canvas, ++shown, &lines[i], scene, cols);
    draw_touches(canvas, beside ? 1 : shown + 1, beside ? FIGURE_COLS + 1 : 1, scene);
}

const struct n1_view n1_view_memory = {
    "memory",
    N1_ACTION_MEMORY,
    3,
    28,
    draw,
    "Memory of the process, with its growth a minute and its share of the resident\n"
    "memory. proportional: shared pages divided by their sharers; only its own: what\n"
    "would be free if it ended. A dash is unknown, and the reason stands beside it.\n"
    "first touched: page faults, sampled while this pane is there (at most some hundred\n"
    "a second); who touches memory first need not be who keeps it: n1top leaks tells.\n"
    "E marks a moment: wait, and see what grew since, and who touched it.\n"};
