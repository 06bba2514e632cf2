/*
 * Callers and callees of the selected function: through whom its time came, and where it went. Shares are of
 * the function's own total.
 */
#include "tui/views/view.h"

#include "tui/format.h"

#include <stdio.h>

static void edge(struct n1_canvas *canvas, int row, const struct n1_scene *scene,
                 const struct n1_profile_edge *edge, uint64_t whole_ns, bool caller)
{
    size_t count;
    const struct n1_profile_function *functions = n1_profile_functions(scene->profile, &count);
    double share = whole_ns ? (double)edge->ns / (double)whole_ns : 0;
    int cols = n1_canvas_cols(canvas), bar = cols >= 50 ? 10 : 6, col = 8;
    n1_view_percent(canvas, row, 7, 6, n1_view_heat(share * 100), share * 100);
    n1_canvas_bar(canvas, row, col, bar, share, N1_ROLE_BAR);
    col += bar + 1;
    if (edge->function >= count) {
        n1_canvas_text_cut(canvas, row, col, cols - col, N1_ROLE_DIM,
                           caller ? "(root of the stack)" : "(itself)", N1_CUT_END);
        return;
    }
    const struct n1_profile_function *function = &functions[edge->function];
    enum n1_role role = n1_view_kind_role(function->kind);
    n1_canvas_put(canvas, row, col, (uint32_t)n1_view_kind_letter(function->kind), role);
    n1_canvas_text_cut(canvas, row, col + 2, cols - col - 2, role, function->name, N1_CUT_FUNCTION);
}

/* One section: a heading and as many edges as fit, scrolled so that the selected one is seen. */
static int section(struct n1_canvas *canvas, int row, int rows, const struct n1_scene *scene,
                   const struct n1_app *app, bool callers, uint64_t whole_ns)
{
    const struct n1_profile_edge *edges = callers ? app->callers : app->callees;
    int count = (int)(callers ? app->caller_count : app->callee_count);
    int selected = app->detail.selected - (callers ? 0 : (int)app->caller_count);
    int shown = count < rows - 1 ? count : rows - 1;
    int top = selected >= shown && selected < count ? selected - shown + 1 : 0;
    int col = n1_canvas_text(canvas, row, 0, N1_ROLE_TITLE, callers ? " CALLERS" : " CALLEES");
    if (count > shown)
        n1_canvas_textf(canvas, row, col + 1, N1_ROLE_LABEL, "%d of %d", shown, count);
    if (count == 0 && rows > 1)
        n1_canvas_text(canvas, row + 1, 2, N1_ROLE_LABEL, "none");
    for (int i = 0; i < shown; i++) {
        edge(canvas, row + 1 + i, scene, &edges[top + i], whole_ns, callers);
        if (app->focus == N1_PANE_DETAIL && top + i == selected) {
            n1_canvas_put(canvas, row + 1 + i, 0, canvas->glyphs->cursor, N1_ROLE_TEXT);
            n1_canvas_paint(canvas, row + 1 + i, 0, n1_canvas_cols(canvas), N1_ROLE_SELECTED);
        }
    }
    return row + 1 + (count == 0 ? 1 : shown);
}

static void draw(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app)
{
    int rows = n1_canvas_rows(canvas), cols = n1_canvas_cols(canvas), row = 1;
    ptrdiff_t at = scene->ready ? n1_app_selected(app, scene) : -1;
    if (at < 0) {
        n1_view_title(canvas, app, N1_PANE_DETAIL, "callers and callees");
        n1_canvas_text_cut(canvas, 1, 1, cols - 2, N1_ROLE_LABEL,
                           app->selected ? "the function has no samples in this window"
                                         : n1_view_nothing(scene, app),
                           N1_CUT_END);
        return;
    }
    size_t count;
    const struct n1_profile_function *function = &n1_profile_functions(scene->profile, &count)[at];
    char title[1024], self[N1_FORMAT_CAP], total[N1_FORMAT_CAP], error[N1_FORMAT_CAP], cpu[N1_FORMAT_CAP];
    n1_text_cut(title, sizeof title, function->name, cols - 6, N1_CUT_FUNCTION, canvas->glyphs->ellipsis);
    n1_view_title(canvas, app, N1_PANE_DETAIL, title);
    if (rows >= 8) {
        n1_format_percent(self, canvas->glyphs, n1_scene_share(scene, function->self_ns));
        n1_format_percent(total, canvas->glyphs, n1_scene_share(scene, function->total_ns));
        n1_format_percent(error, canvas->glyphs,
                          n1_profile_share_error(function->self_samples, scene->summary.samples) * 100);
        n1_format_ns(cpu, canvas->glyphs, (double)function->total_ns);
        snprintf(title, sizeof title, "self %s%% %s%s  total %s%%  %s CPU  %s", self,
                 canvas->glyphs->ascii ? "+/-" : "\xc2\xb1", error, total, cpu, function->module_name);
        n1_canvas_text_cut(canvas, row++, 1, cols - 2, N1_ROLE_LABEL, title, N1_CUT_END);
    }
    int left = rows - row, callers = (int)app->caller_count + 1, callees = (int)app->callee_count + 1;
    int first = callers + callees <= left   ? callers
                : left / 2 > callers        ? callers
                : left - callees > left / 2 ? left - callees
                                            : left / 2;
    row = section(canvas, row, first < 2 ? 2 : first, scene, app, true, function->total_ns);
    if (rows - row >= 2)
        section(canvas, row, rows - row, scene, app, false, function->total_ns);
}

const struct n1_view n1_view_detail = {
    "callers",
    N1_ACTION_DETAIL,
    3,
    30,
    draw,
    "Callers and callees of the selected function: shares of its total that came\n"
    "through each caller, or went into each callee; (itself) is its self time.\n"
    "Enter goes to the function in the row, Esc comes back.\n"};
