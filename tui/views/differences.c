/*
 * The function table while two times are compared: what each function took now and before, and the change.
 * Changes that are more than the noise of counting stand first; below a rule, dimmed, what is noise.
 */
#include "tui/views/view.h"

#include <math.h>
#include <stdio.h>

struct columns {
    int now, before, z, kind, function, function_cols, module, module_cols; /* -1: not there */
};

static struct columns plan(int cols)
{
    cols--; /* the last column stays free, for the rule beside it */
    struct columns c = {.now = -1, .before = -1, .z = -1, .module = -1};
    int col = 9; /* mark and change */
    if (cols >= 40)
        c.now = col, col += 7;
    if (cols >= 48)
        c.before = col, col += 7;
    if (cols >= 92)
        c.z = col, col += 6;
    c.kind = col + 1;
    c.function = col + 3;
    if (cols >= 64)
        c.module_cols = cols / 5 > 30 ? 30 : cols / 5;
    c.function_cols = cols - c.function - (c.module_cols ? c.module_cols + 1 : 0);
    c.module = c.module_cols ? c.function + c.function_cols + 1 : -1;
    return c;
}

enum n1_role n1_view_change_role(enum n1_change change, bool box)
{
    static const enum n1_role roles[][2] = {[N1_CHANGE_NOISE] = {N1_ROLE_DIM, N1_ROLE_FLAME_SAME},
                                            [N1_CHANGE_MORE] = {N1_ROLE_CHANGE_MORE, N1_ROLE_FLAME_MORE},
                                            [N1_CHANGE_LESS] = {N1_ROLE_CHANGE_LESS, N1_ROLE_FLAME_LESS},
                                            [N1_CHANGE_NEW] = {N1_ROLE_CHANGE_NEW, N1_ROLE_FLAME_NEW},
                                            [N1_CHANGE_GONE] = {N1_ROLE_CHANGE_GONE, N1_ROLE_FLAME_LESS}};
    return roles[change][box];
}

static void head(struct n1_canvas *canvas, const struct columns *c, const struct n1_scene *scene,
                 const struct n1_app *app)
{
    enum n1_role plain = app->focus == N1_PANE_TABLE ? N1_ROLE_TITLE : N1_ROLE_LABEL;
    const char *unit = scene->compare.share ? "SHARE" : "CORE%";
    n1_canvas_fill(canvas, 0, 0, n1_canvas_cols(canvas), ' ', plain);
    n1_canvas_text(canvas, 0, 2, plain, "CHANGE");
    n1_canvas_put(canvas, 0, 8, canvas->glyphs->down, plain);
    if (c->now >= 0)
        n1_canvas_text_right(canvas, 0, c->now + 7, 6, plain, "NOW");
    if (c->before >= 0)
        n1_canvas_text_right(canvas, 0, c->before + 7, 6, plain, "BEFORE");
    if (c->z >= 0)
        n1_canvas_text_right(canvas, 0, c->z + 6, 5, plain, "SIGMA");
    n1_canvas_text(canvas, 0, c->kind, plain, "K");
    int col = n1_canvas_text(canvas, 0, c->function, plain, "FUNCTION");
    char text[64];
    snprintf(text, sizeof text, "%s; %zu differ, %zu are noise", unit, scene->compare.significant,
             scene->compare.count - scene->compare.significant);
    n1_canvas_text_right(canvas, 0, n1_canvas_cols(canvas) - 1, n1_canvas_cols(canvas) - col - 2, plain,
                         text);
}

static void signed_percent(char out[N1_FORMAT_CAP], const struct n1_glyphs *glyphs, double value)
{
    char number[N1_FORMAT_CAP];
    n1_format_percent(number, glyphs, fabs(value));
    snprintf(out, N1_FORMAT_CAP, "%s%.20s",
             isnan(value)     ? ""
             : value <= -0.05 ? "-"
             : value >= 0.05  ? "+"
                              : "",
             number);
}

static void draw_row(struct n1_canvas *canvas, int row, const struct columns *c,
                     const struct n1_difference *d, const struct n1_app *app)
{
    bool noise = d->kind_of_change == N1_CHANGE_NOISE;
    enum n1_role role = n1_view_change_role(d->kind_of_change, false),
                 plain = noise ? N1_ROLE_DIM : N1_ROLE_TEXT;
    char number[N1_FORMAT_CAP];
    signed_percent(number, canvas->glyphs, d->change);
    n1_canvas_text_right(canvas, row, 8, 7, role, number);
    /* a dash would be "unknown": the words say which side has none */
    if (c->now >= 0 && d->kind_of_change == N1_CHANGE_GONE)
        n1_canvas_text_right(canvas, row, c->now + 7, 6, role, "gone");
    else if (c->now >= 0)
        n1_view_percent(canvas, row, c->now + 7, 6, plain, d->now_value);
    if (c->before >= 0 && d->kind_of_change == N1_CHANGE_NEW)
        n1_canvas_text_right(canvas, row, c->before + 7, 6, role, "new");
    else if (c->before >= 0)
        n1_view_percent(canvas, row, c->before + 7, 6, plain, d->before_value);
    if (c->z >= 0) {
        snprintf(number, sizeof number, "%.1f", fabs(d->z) < 1000 ? d->z : copysign(999, d->z));
        n1_canvas_text_right(canvas, row, c->z + 6, 5, N1_ROLE_DIM, number);
    }
    enum n1_role kind = noise ? N1_ROLE_DIM : n1_view_kind_role(d->kind);
    n1_canvas_put(canvas, row, c->kind, (uint32_t)n1_view_kind_letter(d->kind), kind);
    bool hit = n1_app_matches_name(app->find, d->name, d->module_name);
    n1_canvas_text_cut(canvas, row, c->function, c->function_cols, hit ? N1_ROLE_MATCH : kind, d->name,
                       N1_CUT_FUNCTION);
    if (c->module >= 0)
        n1_canvas_text_cut(canvas, row, c->module, c->module_cols, N1_ROLE_DIM, d->module_name,
                           N1_CUT_MIDDLE);
}

void n1_view_differences(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app)
{
    const struct n1_scene_compare *compare = &scene->compare;
    int rows = n1_canvas_rows(canvas), cols = n1_canvas_cols(canvas);
    struct columns c = plan(cols);
    head(canvas, &c, scene, app);
    if (app->row_count == 0) {
        bool none = compare->samples_before <= 0;
        n1_canvas_text_cut(canvas, 1, 1, cols - 2, N1_ROLE_LABEL,
                           none ? "nothing was sampled in the time before" : n1_view_nothing(scene, app),
                           N1_CUT_END);
        return;
    }
    for (int i = 0; i < rows - 1; i++) {
        int at = app->table.top + i;
        if (at >= (int)app->row_count || app->functions[at] >= compare->count)
            break;
        draw_row(canvas, i + 1, &c, &compare->rows[app->functions[at]], app);
        if (at == app->table.selected) {
            n1_canvas_put(canvas, i + 1, 0, canvas->glyphs->cursor, N1_ROLE_TEXT);
            n1_canvas_paint(canvas, i + 1, 0, cols,
                            app->focus == N1_PANE_TABLE ? N1_ROLE_SELECTED : N1_ROLE_SELECTED_DIM);
        }
    }
}
