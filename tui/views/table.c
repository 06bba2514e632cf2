/*
 * The function table: where the CPU time goes. Columns appear by width; the selection follows the function. A
 * row's shares are of the samples in the window under the filter.
 */
#include "tui/views/view.h"

#include "tui/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TREND_COLS 8

struct columns {
    int self, total, error, seconds, trend, kind, function, function_cols, module,
        module_cols; /* -1: not there */
};

static int take(int *col, int cols)
{
    int at = *col;
    *col += cols;
    return at;
}

static struct columns plan(int cols, bool low)
{
    cols--; /* the last column stays free, for the rule beside it */
    struct columns c = {-1, -1, -1, -1, -1, -1, -1, 0, -1, 0};
    int col = 1;
    c.self = take(&col, 6);
    if (cols >= 40)
        c.total = take(&col, 7);
    if (cols >= 104 && !low)
        c.error = take(&col, 6);
    if (cols >= 92 && !low)
        c.seconds = take(&col, 7);
    if (cols >= 54 && !low)
        c.trend = take(&col, TREND_COLS + 1) + 1;
    c.kind = take(&col, 3) + 1;
    c.function = col;
    if (cols >= 64)
        c.module_cols = cols / 5 > 30 ? 30 : cols / 5;
    c.function_cols = cols - col - (c.module_cols ? c.module_cols + 1 : 0);
    c.module = c.module_cols ? col + c.function_cols + 1 : -1;
    return c;
}

static void head(struct n1_canvas *canvas, const struct columns *c, const struct n1_app *app)
{
    bool focused = app->focus == N1_PANE_TABLE;
    enum n1_role plain = focused ? N1_ROLE_TITLE : N1_ROLE_LABEL;
    int cols = n1_canvas_cols(canvas);
    n1_canvas_fill(canvas, 0, 0, cols, ' ', plain);
    n1_canvas_text_right(canvas, 0, c->self + 6, 6, plain, "SELF%");
    if (c->total >= 0)
        n1_canvas_text_right(canvas, 0, c->total + 7, 7, plain, "TOTAL%");
    if (c->error >= 0)
        n1_canvas_text_right(canvas, 0, c->error + 6, 6, plain, canvas->glyphs->ascii ? "+/-" : "\xc2\xb1");
    if (c->seconds >= 0)
        n1_canvas_text_right(canvas, 0, c->seconds + 7, 7, plain, app->of == N1_OF_CPU ? "CPU" : "TIME");
    if (c->trend >= 0)
        n1_canvas_text(canvas, 0, c->trend, plain, "TREND");
    n1_canvas_text(canvas, 0, c->kind, plain, "K");
    n1_canvas_text(canvas, 0, c->function, plain, "FUNCTION");
    if (c->module >= 0)
        n1_canvas_text(canvas, 0, c->module, plain, "MODULE");
    int marks[N1_SORT_COUNT] = {c->self, c->total, c->function + 8, c->module < 0 ? -1 : c->module + 6};
    int at = marks[app->sort];
    if (at >= 0)
        n1_canvas_put(canvas, 0, at, app->inverted ? canvas->glyphs->up : canvas->glyphs->down, plain);
}

void n1_view_percent(struct n1_canvas *canvas, int row, int end, int cols, enum n1_role role, double percent)
{
    char number[N1_FORMAT_CAP];
    n1_format_percent(number, canvas->glyphs, percent);
    n1_canvas_text_right(canvas, row, end, cols, isnan(percent) ? N1_ROLE_UNKNOWN : role, number);
}

/* In the role of the figures before it: a change of colour costs more bytes than the graph. */
static void trend(struct n1_canvas *canvas, int row, int col, const struct n1_scene *scene, uint64_t id,
                  enum n1_role role, const struct n1_app *app)
{
    double values[TREND_COLS];
    uint64_t first = 0;
    size_t count = n1_scene_trend(scene, id, values, TREND_COLS, &first);
    double peak = 1; /* percent of a core; doubled until it holds, so that a row is rarely scaled anew */
    for (size_t i = 0; i < count; i++) {
        while (values[i] > peak)
            peak *= 2;
    }
    struct n1_spark spark = {values, count, first, peak, app->motion, role};
    if (count > 0)
        n1_canvas_spark(canvas, row, col, TREND_COLS, &spark);
}

/* Paints the matched part of a name, so that a hit is seen in the row. */
static void mark_match(struct n1_canvas *canvas, int row, int col, int cols, const char *name,
                       const char *find)
{
    const char *at = find[0] ? strcasestr(name, find) : NULL;
    if (at == NULL)
        return;
    char before[512];
    snprintf(before, sizeof before, "%.*s", (int)(at - name), name);
    int start = n1_text_cols(before), len = n1_text_cols(find);
    if (start < cols)
        n1_canvas_paint(canvas, row, col + start, len < cols - start ? len : cols - start, N1_ROLE_MATCH);
}

static void draw_row(struct n1_canvas *canvas, int row, const struct columns *c,
                     const struct n1_profile_function *function, const struct n1_scene *scene,
                     const struct n1_app *app)
{
    char number[N1_FORMAT_CAP];
    double self = n1_scene_share(scene, function->self_ns), total = n1_scene_share(scene, function->total_ns);
    enum n1_role heat = n1_view_heat(self);
    n1_view_percent(canvas, row, c->self + 6, 6, heat, self);
    if (c->total >= 0)
        n1_view_percent(canvas, row, c->total + 7, 7, heat, total);
    if (c->error >= 0)
        n1_view_percent(canvas, row, c->error + 6, 6, N1_ROLE_DIM,
                        n1_profile_share_error(function->self_samples, scene->summary.samples) * 100);
    if (c->seconds >= 0) {
        n1_format_ns(number, canvas->glyphs, (double)function->self_ns);
        n1_canvas_text_right(canvas, row, c->seconds + 7, 7, N1_ROLE_TEXT, number);
    }
    if (c->trend >= 0)
        trend(canvas, row, c->trend, scene, function->id, heat, app);
    enum n1_role role = n1_view_kind_role(function->kind);
    n1_canvas_put(canvas, row, c->kind, (uint32_t)n1_view_kind_letter(function->kind), role);
    char name[1024];
    n1_text_cut(name, sizeof name, function->name, c->function_cols, N1_CUT_FUNCTION,
                canvas->glyphs->ellipsis);
    n1_canvas_text(canvas, row, c->function, role, name);
    mark_match(canvas, row, c->function, c->function_cols, name, app->find);
    if (c->module >= 0)
        n1_canvas_text_cut(canvas, row, c->module, c->module_cols, N1_ROLE_DIM, function->module_name,
                           N1_CUT_MIDDLE);
}

static void draw(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app)
{
    int rows = n1_canvas_rows(canvas), cols = n1_canvas_cols(canvas);
    if (scene->ready && scene->compare.on) {
        n1_view_differences(canvas, scene, app);
        return;
    }
    struct columns c = plan(cols, app->line.low);
    head(canvas, &c, app);
    if (!scene->ready || app->row_count == 0) {
        n1_canvas_text_cut(canvas, 1, 1, cols - 2, N1_ROLE_LABEL,
                           scene->filter_error[0] ? scene->filter_error : n1_view_nothing(scene, app),
                           N1_CUT_END);
        return;
    }
    size_t count;
    const struct n1_profile_function *functions = n1_profile_functions(scene->profile, &count);
    for (int i = 0; i < rows - 1; i++) {
        int at = app->table.top + i;
        if (at >= (int)app->row_count || app->functions[at] >= count)
            break;
        draw_row(canvas, i + 1, &c, &functions[app->functions[at]], scene, app);
        if (at == app->table.selected) {
            n1_canvas_put(canvas, i + 1, 0, canvas->glyphs->cursor, N1_ROLE_TEXT);
            n1_canvas_paint(canvas, i + 1, 0, cols,
                            app->focus == N1_PANE_TABLE ? N1_ROLE_SELECTED : N1_ROLE_SELECTED_DIM);
        }
    }
}

const struct n1_view n1_view_table = {
    "functions",
    N1_ACTION_NONE,
    2,
    20,
    draw,
    "Functions, hottest first.\n"
    "SELF%   share of the window's samples in which the function itself ran\n"
    "TOTAL%  share in which it was anywhere on the stack, recursion once\n"
    "+/-     half the width of the 95 % interval of SELF%: sampling error\n"
    "CPU     CPU time of SELF% in the window\n"
    "TREND   CPU time over the window, scaled to its own peak or a little more\n"
    "K       kind: N native, P Python, K kernel, J JIT, G garbage collector,\n"
    "        ? unknown (no symbols; shown as module+offset)\n"
    "The selection follows its function; the order holds still for 4 s after a move,\n"
    "and rows of about the same weight keep their places.\n"};
