/* The anomaly log, newest first: when, how bad, what, and which function grew most. */
#include "tui/views/view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void draw_event(struct n1_canvas *canvas, int row, const struct n1_scene_event *event)
{
    enum n1_role role = event->severity >= N1_SEVERITY_CRITICAL  ? N1_ROLE_LOG_CRIT
                        : event->severity == N1_SEVERITY_WARNING ? N1_ROLE_LOG_WARN
                                                                 : N1_ROLE_LOG_INFO;
    char mark = event->severity >= N1_SEVERITY_CRITICAL  ? 'X'
                : event->severity == N1_SEVERITY_WARNING ? '!'
                                                         : 'i';
    int cols = n1_canvas_cols(canvas), col = n1_canvas_text(canvas, row, 1, N1_ROLE_LABEL, event->clock) + 1;
    n1_canvas_put(canvas, row, col, (uint32_t)mark, role);
    col += 2;
    col += n1_canvas_text_cut(canvas, row, col, cols - col, role, event->text[0] ? event->text : event->rule,
                              N1_CUT_END);
    if (event->culprit[0] && cols - col >= 20) {
        char text[192];
        if (isnan(event->share))
            snprintf(text, sizeof text, "  in %s", event->culprit);
        else
            snprintf(text, sizeof text, "  %.0f%% in %s", event->share, event->culprit);
        n1_canvas_text_cut(canvas, row, col, cols - col - 1, N1_ROLE_TEXT, text, N1_CUT_END);
    }
}

/* An empty log has room for what is missing for want of rights, and for what gives it. */
static void empty(struct n1_canvas *canvas, const struct n1_scene *scene)
{
    const char *lines[4];
    int count = 0;
    bool live = scene->link == N1_LINK_LIVE;
    if (live && scene->kernel_hidden >= 0.5)
        lines[count++] =
            "kernel time is hidden; sudo, CAP_PERFMON or sysctl kernel.perf_event_paranoid=1 shows it";
    if (live && scene->unseen >= 5)
        lines[count++] =
            "brief threads go unseen; sudo, CAP_PERFMON or sysctl kernel.perf_event_paranoid=0 helps";
    if (live && strncmp(scene->engine_why, "perf_event_open refused", 23) == 0)
        lines[count++] = "perf is refused here; n1top doctor says by what, and what helps";
    lines[count++] = scene->ready ? "nothing unusual so far" : "";
    for (int i = 0; i < count; i++)
        n1_canvas_text_cut(canvas, i + 1, 1, n1_canvas_cols(canvas) - 2, N1_ROLE_LABEL, lines[i], N1_CUT_END);
}

static void draw(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app)
{
    char title[64];
    size_t open = 0;
    for (size_t i = 0; i < scene->event_count; i++)
        open += scene->events[i].end == 0 && scene->events[i].severity >= N1_SEVERITY_WARNING;
    if (open > 0)
        snprintf(title, sizeof title, "log  %zu going on", open);
    else
        snprintf(title, sizeof title, "log");
    n1_view_title(canvas, app, N1_PANE_LOG, title);
    if (scene->event_count == 0) {
        empty(canvas, scene);
        return;
    }
    for (int i = 0; i + 1 < n1_canvas_rows(canvas) && app->log.top + i < (int)scene->event_count; i++) {
        draw_event(canvas, i + 1, &scene->events[app->log.top + i]);
        if (app->focus == N1_PANE_LOG && app->log.top + i == app->log.selected)
            n1_canvas_paint(canvas, i + 1, 0, n1_canvas_cols(canvas), N1_ROLE_SELECTED);
    }
}

const struct n1_view n1_view_log = {
    "log",
    N1_ACTION_LOG,
    2,
    20,
    draw,
    "What went wrong, newest first: i note, ! warning, X critical; the function named\n"
    "is the one whose share of the samples grew most in the span of the event.\n"};
