/*
 * The timeline on which one travels: CPU and memory from before the span to now, as wide as the screen, with
 * the span and the cursor on it, and clock times below. A cell is as many seconds as make it fit.
 */
#include "tui/views/view.h"

#include "tui/format.h"

#include <math.h>
#include <stdio.h>

#define LABEL_CELLS 14 /* of the axis, from one time to the next */

void n1_view_clock(char out[N1_FORMAT_CAP], const struct n1_scene *scene, n1_ns time)
{
    n1_format_clock(out, scene->wall_ns - ((int64_t)scene->now - (int64_t)time));
}

static double highest(const double *values, size_t count, double least)
{
    for (size_t i = 0; i < count; i++)
        least = values[i] > least ? values[i] : least;
    return least;
}

/* Cells that the span touches, and the cursor's. */
static void paint_span(struct n1_canvas *canvas, int row, int col, const struct n1_scene *scene,
                       const struct n1_app *app)
{
    const struct n1_scene_timeline *line = &scene->timeline;
    n1_ns cell = (n1_ns)line->cell_s * N1_SECOND_NS;
    for (size_t i = 0; cell > 0 && i < line->count; i++) {
        n1_ns from = line->from + i * cell, to = from + cell;
        if (to > app->travel.cursor && from <= app->travel.cursor)
            n1_canvas_paint(canvas, row, col + (int)i, 1, N1_ROLE_SELECTED);
        else if (to > scene->window.from && from < scene->window.to)
            n1_canvas_paint(canvas, row, col + (int)i, 1, N1_ROLE_SELECTED_DIM);
    }
}

static void graph(struct n1_canvas *canvas, int row, const char *label, const char *value,
                  const double *values, double max, enum n1_role role, const struct n1_scene *scene,
                  const struct n1_app *app)
{
    int cols = n1_canvas_cols(canvas), count = (int)scene->timeline.count;
    n1_canvas_text(canvas, row, 0, N1_ROLE_LABEL, label);
    n1_canvas_text_right(canvas, row, N1_TIMELINE_MARGIN - 2, 8, N1_ROLE_VALUE, value);
    for (int i = 0; i + N1_TIMELINE_MARGIN < cols; i++) {
        if (i < count)
            n1_canvas_level(canvas, row, N1_TIMELINE_MARGIN + i, values[i], max, role);
    }
    paint_span(canvas, row, N1_TIMELINE_MARGIN, scene, app);
}

static void axis(struct n1_canvas *canvas, int row, const struct n1_scene *scene)
{
    const struct n1_scene_timeline *line = &scene->timeline;
    int cols = n1_canvas_cols(canvas), end = N1_TIMELINE_MARGIN + (int)line->count;
    char text[48], clock[N1_FORMAT_CAP];
    snprintf(text, sizeof text, line->cell_s == 1 ? "1 s a cell" : "%u s a cell", line->cell_s);
    n1_canvas_text(canvas, row, 0, N1_ROLE_DIM, text);
    for (size_t i = 0; i < line->count; i += LABEL_CELLS) {
        int col = N1_TIMELINE_MARGIN + (int)i;
        if (col + 9 > end - 4 || col + 9 > cols)
            break;
        n1_view_clock(clock, scene, line->from + i * line->cell_s * N1_SECOND_NS);
        snprintf(text, sizeof text, "%s%s", canvas->glyphs->ascii ? "|" : "\xe2\x94\x82", clock);
        n1_canvas_text(canvas, row, col, N1_ROLE_LABEL, text);
    }
    n1_canvas_text_right(canvas, row, end < cols ? end : cols, 4, N1_ROLE_LABEL, "now");
}

void n1_view_timeline(struct n1_canvas *canvas, int row, int rows, const struct n1_scene *scene,
                      const struct n1_app *app)
{
    const struct n1_scene_timeline *line = &scene->timeline;
    char number[N1_FORMAT_CAP], text[N1_FORMAT_CAP + 8];
    n1_format_percent(number, canvas->glyphs, scene->cpu.last);
    snprintf(text, sizeof text, "%s%s", number, isnan(scene->cpu.last) ? "" : "%");
    graph(canvas, row, "CPU", text, line->cpu, ceil(highest(line->cpu, line->count, 1) / 100) * 100,
          N1_ROLE_SPARK_CPU, scene, app);
    if (rows < 3)
        return;
    n1_format_bytes(number, canvas->glyphs, scene->rss.last);
    graph(canvas, row + 1, "RSS", number, line->rss, highest(line->rss, line->count, 1), N1_ROLE_SPARK_MEM,
          scene, app);
    axis(canvas, row + 2, scene);
}
