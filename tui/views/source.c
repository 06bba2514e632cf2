/*
 * Source lines of the selected function, each with its share of the window's samples. Without the file the
 * lines that have samples are listed, and where the file was looked for.
 */
#include "tui/views/view.h"

#include <stdio.h>
#include <string.h>

#define GUTTER 23 /* self, total, line number */

static const struct n1_place_line *figures(const struct n1_scene *scene, const char *file, uint32_t number)
{
    size_t count;
    const struct n1_place_line *lines = n1_places_lines(scene->places, &count);
    for (size_t i = 0; i < count; i++) {
        if (lines[i].line == number && strcmp(lines[i].file, file) == 0)
            return &lines[i];
    }
    return NULL;
}

static void draw_line(struct n1_canvas *canvas, int row, uint32_t number, const struct n1_place_line *line,
                      const char *text, const struct n1_scene *scene)
{
    int cols = n1_canvas_cols(canvas);
    bool wide = cols >= 60;
    int at = wide ? GUTTER : GUTTER - 7;
    char label[16];
    enum n1_role role = line ? N1_ROLE_TEXT : N1_ROLE_DIM;
    if (line != NULL && line->self_ns > 0)
        n1_view_percent(canvas, row, 7, 6, n1_view_heat(n1_scene_share(scene, line->self_ns)),
                        n1_scene_share(scene, line->self_ns));
    if (line != NULL && wide)
        n1_view_percent(canvas, row, 14, 6, N1_ROLE_TEXT, n1_scene_share(scene, line->total_ns));
    snprintf(label, sizeof label, "%u", number);
    n1_canvas_text_right(canvas, row, at - 2, 7, N1_ROLE_LABEL, label);
    n1_canvas_put(canvas, row, at - 1, canvas->glyphs->vline, N1_ROLE_BORDER);
    n1_canvas_text_cut(canvas, row, at + 1, cols - at - 1, role, text, N1_CUT_END);
}

static void notes(const struct n1_scene *scene, const struct n1_app *app, char *out, size_t cap)
{
    struct n1_places_rest rest = n1_places_rest(scene->places);
    size_t used = 0;
    out[0] = '\0';
    if (app->source.count == 0)
        used = (size_t)snprintf(out, cap, "%.300s: %.100s", app->file[0] ? app->file : "source",
                                app->source.why);
    if (used >= cap)
        return;
    if (rest.coarse_self_ns > 0 && rest.self_ns > 0)
        snprintf(out + used, cap - used, "%s%.0f%% of its own time is from 1 s rows, which know no lines",
                 used ? "; " : "", (double)rest.coarse_self_ns / (double)rest.self_ns * 100);
    else if (rest.nameless_self_ns > 0 && rest.self_ns > 0)
        snprintf(out + used, cap - used, "%s%.0f%% of its own time has no line", used ? "; " : "",
                 (double)rest.nameless_self_ns / (double)rest.self_ns * 100);
}

static void draw(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app)
{
    int rows = n1_canvas_rows(canvas), cols = n1_canvas_cols(canvas);
    char text[1024];
    ptrdiff_t at = n1_app_selected(app, scene);
    size_t count;
    const struct n1_profile_function *functions = n1_profile_functions(scene->profile, &count);
    snprintf(text, sizeof text, "lines of %.200s  %.400s", at >= 0 ? functions[at].name : "a function",
             app->file);
    n1_view_title(canvas, app, N1_PANE_SOURCE, text);
    if (scene->places_of == 0 || app->placed != scene->places_of) {
        n1_canvas_text(canvas, 1, 1, N1_ROLE_LABEL, "the function has no samples in this window");
        return;
    }
    notes(scene, app, text, sizeof text);
    n1_canvas_text(canvas, 1, 1, N1_ROLE_LABEL, cols >= 60 ? " SELF%  TOTAL%" : " SELF%");
    n1_canvas_text_cut(canvas, 1, cols >= 60 ? GUTTER + 1 : 10, cols - GUTTER - 2,
                       app->source.count ? N1_ROLE_LABEL : N1_ROLE_LOG_WARN, text, N1_CUT_END);
    for (int i = 0; i + 2 < rows && app->lines.top + i < app->lines.count; i++) {
        int index = app->lines.top + i;
        uint32_t number = (uint32_t)index + 1;
        const struct n1_place_line *line;
        if (app->source.count > 0) {
            line = figures(scene, app->file, number);
            n1_source_line(&app->source, number, text, sizeof text);
        } else {
            size_t lines;
            ptrdiff_t place = n1_app_place(app, scene, (size_t)index);
            if (place < 0)
                break;
            line = &n1_places_lines(scene->places, &lines)[place];
            number = line->line;
            text[0] = '\0';
        }
        draw_line(canvas, i + 2, number, line, text, scene);
        if (index == app->lines.selected && app->focus == N1_PANE_SOURCE) {
            n1_canvas_put(canvas, i + 2, 0, canvas->glyphs->cursor, N1_ROLE_TEXT);
            n1_canvas_paint(canvas, i + 2, 0, cols, N1_ROLE_SELECTED);
        }
    }
}

const struct n1_view n1_view_source = {
    "lines",
    N1_ACTION_SOURCE,
    3,
    30,
    draw,
    "Source lines of a function. SELF%: share of the window's samples in which the line\n"
    "itself ran; TOTAL%: in which it ran or had called something. Enter goes to the\n"
    "instructions. The file is read with your rights, from the target's root if it can.\n"};
