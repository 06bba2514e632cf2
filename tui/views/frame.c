/* The frame: which view goes where, and the small things that all views share. */
#include "tui/views/view.h"

const struct n1_view *const n1_views[N1_PANE_COUNT] = {
    [N1_PANE_SOURCE] = &n1_view_source, [N1_PANE_CODE] = &n1_view_code,
    [N1_PANE_TABLE] = &n1_view_table,   [N1_PANE_DETAIL] = &n1_view_detail,
    [N1_PANE_FLAME] = &n1_view_flame,   [N1_PANE_THREADS] = &n1_view_threads,
    [N1_PANE_MEMORY] = &n1_view_memory, [N1_PANE_LOG] = &n1_view_log,
    [N1_PANE_WAITS] = &n1_view_waits,
};

void n1_app_draw(const struct n1_app *app, const struct n1_scene *scene, double clock,
                 struct n1_canvas *canvas)
{
    n1_canvas_erase(canvas);
    const struct n1_layout *layout = &app->layout;
    struct n1_rect whole = canvas->clip;
    n1_canvas_enter(canvas, layout->header);
    if (layout->one_line) {
        n1_view_one_line(canvas, scene, app);
        n1_canvas_leave(canvas, whole);
        return;
    }
    n1_view_header(canvas, scene, app);
    n1_canvas_leave(canvas, whole);
    if (app->help_open) {
        int top = layout->header.rows, rows = canvas->rows - top - 1;
        n1_canvas_enter(canvas, (struct n1_rect){top, 0, rows, canvas->cols});
        n1_view_help(canvas, app);
        n1_canvas_leave(canvas, whole);
        n1_canvas_enter(canvas, (struct n1_rect){canvas->rows - 1, 0, 1, canvas->cols});
        n1_view_status(canvas, scene, app, clock);
        n1_canvas_leave(canvas, whole);
        return;
    }
    for (int side = 0; side < 2; side++) {
        for (int row = 0; layout->gutter[side] >= 0 && row < layout->gutter_rows; row++)
            n1_canvas_put(canvas, layout->gutter_row + row, layout->gutter[side], canvas->glyphs->vline,
                          N1_ROLE_BORDER);
    }
    for (int pane = 0; pane < N1_PANE_COUNT; pane++) {
        if (layout->pane[pane].rows == 0 || n1_views[pane] == NULL)
            continue;
        n1_canvas_enter(canvas, layout->pane[pane]);
        n1_views[pane]->draw(canvas, scene, app);
        n1_canvas_leave(canvas, whole);
    }
    n1_canvas_enter(canvas, layout->status);
    n1_view_status(canvas, scene, app, clock);
    n1_canvas_leave(canvas, whole);
    if (layout->keys.rows > 0) {
        n1_canvas_enter(canvas, layout->keys);
        n1_view_keys(canvas);
        n1_canvas_leave(canvas, whole);
    }
}

int n1_view_title(struct n1_canvas *canvas, const struct n1_app *app, enum n1_pane pane, const char *title)
{
    bool focused = app->focus == pane;
    int cols = n1_canvas_cols(canvas);
    n1_canvas_fill(canvas, 0, 0, cols, canvas->glyphs->hline, N1_ROLE_BORDER);
    int col = 1;
    if (focused)
        n1_canvas_put(canvas, 0, col++, canvas->glyphs->cursor, N1_ROLE_TITLE);
    else
        n1_canvas_put(canvas, 0, col++, ' ', N1_ROLE_BORDER);
    col += n1_canvas_text_cut(canvas, 0, col, cols - col - 1, N1_ROLE_TITLE, title, N1_CUT_END);
    n1_canvas_put(canvas, 0, col, ' ', N1_ROLE_BORDER);
    return col + 1;
}

char n1_view_kind_letter(enum n1_function_kind kind)
{
    static const char letters[N1_KIND_COUNT] = {
        [N1_KIND_UNKNOWN] = '?', [N1_KIND_NATIVE] = 'N', [N1_KIND_PYTHON] = 'P',
        [N1_KIND_KERNEL] = 'K',  [N1_KIND_JIT] = 'J',    [N1_KIND_GC] = 'G'};
    return (unsigned)kind < N1_KIND_COUNT ? letters[kind] : '?';
}

enum n1_role n1_view_kind_role(enum n1_function_kind kind)
{
    static const enum n1_role roles[N1_KIND_COUNT] = {
        [N1_KIND_UNKNOWN] = N1_ROLE_KIND_UNKNOWN, [N1_KIND_NATIVE] = N1_ROLE_KIND_NATIVE,
        [N1_KIND_PYTHON] = N1_ROLE_KIND_PYTHON,   [N1_KIND_KERNEL] = N1_ROLE_KIND_KERNEL,
        [N1_KIND_JIT] = N1_ROLE_KIND_JIT,         [N1_KIND_GC] = N1_ROLE_KIND_GC};
    return (unsigned)kind < N1_KIND_COUNT ? roles[kind] : N1_ROLE_KIND_UNKNOWN;
}

enum n1_role n1_view_heat(double percent)
{
    return percent >= 30   ? N1_ROLE_HEAT_4
           : percent >= 15 ? N1_ROLE_HEAT_3
           : percent >= 5  ? N1_ROLE_HEAT_2
           : percent >= 1  ? N1_ROLE_HEAT_1
                           : N1_ROLE_HEAT_0;
}

const char *n1_view_nothing(const struct n1_scene *scene, const struct n1_app *app)
{
    if (!scene->ready)
        return scene->link == N1_LINK_LOST ? "nothing was sampled" : "attaching...";
    if (app->filter[0] != '\0' || app->thread_tid != 0)
        return "nothing matches the filter in this window (Esc clears it)";
    if (scene->state == N1_STATE_STARTING || scene->samples == 0)
        return "waiting for the first samples; a target that uses no CPU gives none";
    if (scene->summary.samples == 0)
        return "no CPU used in this window; d widens it";
    return "nothing to show";
}
