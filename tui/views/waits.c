/*
 * The waits pane: what threads waited for in the window, summed by class, function and resource, with the
 * holder of a lock that somebody waits for now. Times are summed over threads.
 */
#include "tui/views/view.h"

#include "n1/waits.h"

#include <stdio.h>

enum { CLASS_COLS = 10, SECONDS_COLS = 7, PERCENT_COLS = 6 };

/* "waits  lock 41 %, disk 30 %": the classes by size, as many as there is room for. */
static void title(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app)
{
    const struct n1_scene_waits *w = &scene->waits;
    char text[160] = "waits";
    size_t len = 5;
    bool told[N1_WAIT_OTHER + 1] = {false};
    for (int n = 0; n < 5 && w->all_ns; n++) {
        int best = 0;
        for (int c = N1_WAIT_RUN_QUEUE; c <= N1_WAIT_OTHER; c++)
            if (!told[c] && w->class_ns[c] && (!best || w->class_ns[c] > w->class_ns[best]))
                best = c;
        if (!best)
            break;
        told[best] = true;
        int more = snprintf(text + len, sizeof text - len, "  %s %.0f%%", n1_wait_class_name((uint32_t)best),
                            100 * (double)w->class_ns[best] / (double)w->all_ns);
        if (more < 0 || len + (size_t)more >= sizeof text || (int)len + more > n1_canvas_cols(canvas) - 6) {
            text[len] = '\0';
            break;
        }
        len += (size_t)more;
    }
    n1_view_title(canvas, app, N1_PANE_WAITS, text);
}

static enum n1_role class_role(const struct n1_scene_wait *wait)
{
    if (wait->dead)
        return N1_ROLE_LOG_CRIT;
    return wait->wait_class == N1_WAIT_LOCK || wait->wait_class == N1_WAIT_GIL || wait->deep
               ? N1_ROLE_LOG_WARN
               : N1_ROLE_TEXT;
}

static void draw_row(struct n1_canvas *canvas, int row, const struct n1_scene_wait *wait, uint64_t all_ns)
{
    int cols = n1_canvas_cols(canvas), col = 1;
    char number[N1_FORMAT_CAP], what[400];
    double share = all_ns ? 100 * (double)wait->ns / (double)all_ns : 0;
    n1_view_percent(canvas, row, col + PERCENT_COLS, PERCENT_COLS, n1_view_heat(share), share);
    col += PERCENT_COLS;
    if (cols >= 44) {
        n1_format_ns(number, canvas->glyphs, (double)wait->ns);
        n1_canvas_text_right(canvas, row, col + SECONDS_COLS, SECONDS_COLS, N1_ROLE_TEXT, number);
        col += SECONDS_COLS;
    }
    n1_canvas_text_cut(canvas, row, col + 1, CLASS_COLS - 1, class_role(wait),
                       wait->dead ? "DEADLOCK" : n1_wait_class_name(wait->wait_class), N1_CUT_END);
    col += CLASS_COLS + 1;
    snprintf(what, sizeof what, "%s%s%s%s%s", wait->deep ? "uninterruptible, " : "",
             wait->owner[0] ? "held by " : "", wait->owner, wait->owner[0] ? ", " : "", wait->resource);
    int left = cols - col, function = what[0] ? left * 2 / 5 : left;
    n1_canvas_text_cut(canvas, row, col, function, N1_ROLE_TEXT, wait->function, N1_CUT_FUNCTION);
    if (what[0] && left - function > 4)
        n1_canvas_text_cut(canvas, row, col + function + 1, left - function - 2, N1_ROLE_DIM, what,
                           N1_CUT_MIDDLE);
}

static void draw(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app)
{
    const struct n1_scene_waits *w = &scene->waits;
    title(canvas, scene, app);
    if (w->count == 0)
        n1_canvas_text_cut(canvas, 1, 1, n1_canvas_cols(canvas) - 2, N1_ROLE_LABEL,
                           scene->ready ? "nothing waited in this window" : "", N1_CUT_END);
    for (int i = 0; i + 1 < n1_canvas_rows(canvas) && app->waits.top + i < (int)w->count; i++) {
        draw_row(canvas, i + 1, &w->rows[app->waits.top + i], w->all_ns);
        if (app->focus == N1_PANE_WAITS && app->waits.top + i == app->waits.selected)
            n1_canvas_paint(canvas, i + 1, 0, n1_canvas_cols(canvas), N1_ROLE_SELECTED);
    }
}

const struct n1_view n1_view_waits = {
    "waits",
    N1_ACTION_WAITS,
    2,
    28,
    draw,
    "What threads waited for in the window, longest first, summed over threads:\n"
    "share and time, class, the function that waited, and the file, peer or lock,\n"
    "with the thread that holds the lock now. Classes: run queue (for a CPU), lock,\n"
    "disk, net, sleep, poll, pipe, gil, gc, other. DEADLOCK: it never ends.\n"
    "x shows waits, or waits and CPU time, in table and flame pane.\n"};

const char *n1_view_of(enum n1_profile_of of)
{
    return of == N1_OF_WAITS ? "waits" : of == N1_OF_WALL ? "CPU and waits" : "CPU";
}
