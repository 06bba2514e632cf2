/*
 * The two bottom rows. Status: what is being typed, or the state of things in one loud word, the way to where
 * we are, and a line of news. Key bar: from the key table.
 */
#include "tui/views/view.h"

#include "tui/format.h"

#include <stdio.h>
#include <string.h>

/* The finest store that covers the window. */
static const char *resolution(const struct n1_scene *scene)
{
    return scene->summary.resolution == N1_RESOLUTION_SECONDS ? "1 s rows"
           : scene->summary.resolution == N1_RESOLUTION_MIXED ? "samples and 1 s rows"
                                                              : "samples";
}

static void chip_text(const struct n1_scene *scene, const struct n1_app *app, const struct n1_glyphs *glyphs,
                      char out[64], enum n1_role *role)
{
    char end[32];
    *role = N1_ROLE_ENDED;
    if (app->travel.past && scene->ready) {
        char from[N1_FORMAT_CAP], to[N1_FORMAT_CAP];
        n1_view_clock(from, scene, scene->window.from);
        n1_view_clock(to, scene, scene->window.to);
        snprintf(out, 64, " PAST %.10s%s%.10s, %s ", from, glyphs->ascii ? "-" : "\xe2\x80\x93", to,
                 resolution(scene));
        *role = N1_ROLE_PAUSED;
    } else if (app->paused) {
        snprintf(out, 64, " PAUSED ");
        *role = N1_ROLE_PAUSED;
    } else if (scene->link == N1_LINK_LOST) {
        snprintf(out, 64, " SAMPLER DIED ");
        *role = N1_ROLE_ERROR;
    } else if (scene->ready && scene->ended) {
        n1_scene_exit_text(scene, end);
        snprintf(out, 64, "%s ENDED (%s) ", scene->link == N1_LINK_REPLAY ? " REPLAY," : "", end);
    } else if (scene->link == N1_LINK_REPLAY) {
        snprintf(out, 64, " REPLAY ");
        *role = N1_ROLE_LIVE;
    } else if (scene->link == N1_LINK_CLOSED) {
        snprintf(out, 64, " DETACHED ");
    } else if (!scene->ready || scene->link == N1_LINK_STARTING || scene->state == N1_STATE_STARTING) {
        snprintf(out, 64, " ATTACHING ");
        *role = N1_ROLE_PAUSED;
    } else if (scene->silent_s > 0) {
        snprintf(out, 64, " SAMPLER SILENT %u s ", scene->silent_s);
        *role = N1_ROLE_ERROR;
    } else if (scene->process_state == N1_PROCESS_STOPPED) {
        snprintf(out, 64, " TARGET STOPPED ");
        *role = N1_ROLE_PAUSED;
    } else {
        snprintf(out, 64, " LIVE ");
        *role = N1_ROLE_LIVE;
    }
}

static void prompt(struct n1_canvas *canvas, const struct n1_app *app)
{
    int cols = n1_canvas_cols(canvas);
    static const struct {
        const char *label, *hint;
    } prompts[] = {
        [N1_PROMPT_FIND] = {"find: ", "Enter keeps, Esc clears"},
        [N1_PROMPT_FILTER] = {"filter: ", "kind:k,n thread:NAME text or !EXPR"},
        [N1_PROMPT_COMPARE] = {"compare with: ", "path of a recording or a JSON report"},
        [N1_PROMPT_DETACH] = {"sample on without a screen for: ", "90s, 10m, 2h; empty: as configured"}};
    int col = n1_canvas_text(canvas, 0, 0, N1_ROLE_TITLE, prompts[app->prompt].label);
    const char *hint = prompts[app->prompt].hint;
    int room = cols - col - 1;
    col += n1_canvas_text_cut(canvas, 0, col, room, N1_ROLE_INPUT, app->input, N1_CUT_START);
    n1_canvas_put(canvas, 0, col, ' ', N1_ROLE_SELECTED); /* the cursor */
    if (cols - col > n1_text_cols(hint) + 4)
        n1_canvas_text_right(canvas, 0, cols, 40, N1_ROLE_LABEL, hint);
}

/* The way down to the focused pane: process, thread when one is chosen, pane. */
static void way(const struct n1_scene *scene, const struct n1_app *app, char out[96])
{
    char thread[48] = "";
    for (size_t i = 0; app->thread_tid != 0 && i < scene->thread_count; i++) {
        if (scene->threads[i].tid == app->thread_tid)
            snprintf(thread, sizeof thread, "%.40s > ", scene->threads[i].name);
    }
    snprintf(out, 96, "%u > %s%s", scene->pid, thread, n1_views[app->focus]->name);
}

/* What is selected in the focused pane, in full: the pane itself had to cut it. */
void n1_view_selected(const struct n1_scene *scene, const struct n1_app *app, const struct n1_glyphs *glyphs,
                      char *out, size_t cap)
{
    size_t count;
    const struct n1_profile_function *functions = n1_profile_functions(scene->profile, &count);
    char pane[96];
    way(scene, app, pane);
    ptrdiff_t at = n1_app_selected(app, scene);
    int box = app->focus == N1_PANE_FLAME ? n1_flame_selected(&app->flame) : -1;
    char share[N1_FORMAT_CAP], cpu[N1_FORMAT_CAP];
    snprintf(out, cap, "%s", pane);
    if (box >= 0) {
        const struct n1_flame_box *b = &app->flame.boxes[box];
        n1_format_percent(share, glyphs, n1_scene_share(scene, b->total_ns));
        n1_format_ns(cpu, glyphs, (double)b->total_ns);
        snprintf(cpu + strlen(cpu), sizeof cpu - strlen(cpu), " %s", n1_view_of(app->of));
        if (b->rest)
            snprintf(out, cap, "%s > %u small calls, %s%%, %s; Enter widens them", pane, b->rest, share, cpu);
        else
            snprintf(out, cap, "%s > %.500s  %s%%, %s", pane,
                     b->function < count ? functions[b->function].name
                     : b->parent < 0     ? "all"
                                         : "[truncated]",
                     share, cpu);
    } else if (app->focus == N1_PANE_LOG && app->log.selected < (int)scene->event_count) {
        const struct n1_scene_event *event = &scene->events[app->log.selected];
        snprintf(out, cap, "%s > %s: %s%s%s", pane, event->rule, event->text, event->culprit[0] ? " in " : "",
                 event->culprit);
    } else if (at >= 0 && app->focus != N1_PANE_THREADS && app->focus != N1_PANE_MEMORY &&
               app->focus != N1_PANE_WAITS) {
        snprintf(out, cap, "%s > %.500s  %.100s", pane, functions[at].name, functions[at].module_name);
    }
}

/* Row and rows of the focused pane, for the corner. */
static void counter(const struct n1_scene *scene, const struct n1_app *app, char *out, size_t cap)
{
    const struct n1_list *list = app->focus == N1_PANE_SOURCE    ? &app->lines
                                 : app->focus == N1_PANE_CODE    ? &app->instructions
                                 : app->focus == N1_PANE_DETAIL  ? &app->detail
                                 : app->focus == N1_PANE_THREADS ? &app->threads
                                 : app->focus == N1_PANE_LOG     ? &app->log
                                                                 : &app->table;
    (void)scene;
    if (app->focus == N1_PANE_FLAME) {
        int box = n1_flame_selected(&app->flame);
        snprintf(out, cap, "level %d/%d", box < 0 ? 0 : app->flame.boxes[box].row + 1, app->flame.rows);
    } else {
        snprintf(out, cap, "%d/%d", list->count ? list->selected + 1 : 0, list->count);
    }
}

void n1_view_status(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app,
                    double clock)
{
    int cols = n1_canvas_cols(canvas);
    char text[1100];
    enum n1_role role;
    if (app->prompt != N1_PROMPT_NONE) {
        prompt(canvas, app);
        return;
    }
    chip_text(scene, app, canvas->glyphs, text, &role);
    int col = n1_canvas_text(canvas, 0, 0, role, text) + 1, end = cols;
    if (clock < app->message_until) {
        n1_canvas_text_cut(canvas, 0, col, cols - col, app->message_role, app->message, N1_CUT_END);
        if (app->paused || app->travel.past)
            n1_canvas_paint(canvas, 0, 0, cols, N1_ROLE_PAUSED);
        return;
    }
    if (app->help_open)
        snprintf(text, sizeof text, "%d/%d", app->help.top + 1, n1_view_help_lines());
    else if (app->refresh_ms != 1000) {
        counter(scene, app, text, 40);
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "  every %g s", app->refresh_ms / 1000.0);
    } else if (app->line.low)
        text[0] = '\0'; /* the number of rows changes all the time */
    else
        counter(scene, app, text, sizeof text);
    if (cols >= 40) {
        n1_canvas_text_right(canvas, 0, end, 24, N1_ROLE_LABEL, text);
        end -= n1_text_cols(text) + 1;
    }
    if (app->travel.past && scene->ready && !app->help_open) {
        n1_view_selected(scene, app, canvas->glyphs, text, sizeof text);
        n1_canvas_text_cut(canvas, 0, col, end - col, N1_ROLE_PAUSED, text, N1_CUT_MIDDLE);
        n1_canvas_paint(canvas, 0, 0, cols, N1_ROLE_PAUSED);
    } else if (app->paused) {
        n1_canvas_text_cut(canvas, 0, col, end - col, N1_ROLE_PAUSED,
                           "the picture is held, sampling goes on; Space goes on", N1_CUT_END);
        n1_canvas_paint(canvas, 0, 0, cols, N1_ROLE_PAUSED);
    } else if (app->help_open) {
        n1_canvas_text_cut(canvas, 0, col, end - col, N1_ROLE_TEXT,
                           "help: arrows and Space scroll, Esc leaves", N1_CUT_END);
    } else if (scene->link == N1_LINK_LOST) {
        n1_canvas_text_cut(canvas, 0, col, end - col, N1_ROLE_LOG_CRIT,
                           "no new samples will come; everything up to now can be browsed and saved",
                           N1_CUT_END);
    } else if (scene->ready) {
        n1_view_selected(scene, app, canvas->glyphs, text, sizeof text);
        n1_canvas_text_cut(canvas, 0, col, end - col, N1_ROLE_TEXT, text, N1_CUT_MIDDLE);
    }
}

void n1_view_keys(struct n1_canvas *canvas)
{
    size_t count;
    const struct n1_key_binding *keys = n1_keys(&count);
    int col = 0, cols = n1_canvas_cols(canvas);
    for (size_t i = 0; i < count; i++) {
        char name[12];
        if (keys[i].label[0] == '\0')
            continue;
        n1_keys_name(name, keys[i].key);
        if (col + n1_text_cols(name) + n1_text_cols(keys[i].label) > cols)
            break;
        col = n1_canvas_text(canvas, 0, col, N1_ROLE_FBAR_KEY, name);
        col = n1_canvas_text(canvas, 0, col, N1_ROLE_FBAR_TEXT, keys[i].label) + 1;
    }
}
