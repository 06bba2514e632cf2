/* Instructions of the selected function, each with the samples taken on it, and the source line where it
 * changes. */
#include "tui/views/view.h"

#include <stdio.h>

static const struct n1_place_address *figures(const struct n1_scene *scene, uint64_t address, unsigned size)
{
    size_t count;
    const struct n1_place_address *all = n1_places_addresses(scene->places, &count);
    for (size_t i = 0; i < count; i++) {
        if (all[i].address - address < size)
            return &all[i];
    }
    return NULL;
}

static void draw_row(struct n1_canvas *canvas, int row, uint64_t address,
                     const struct n1_place_address *place, const char *text, const struct n1_scene *scene)
{
    int cols = n1_canvas_cols(canvas), col = 8;
    char number[32];
    if (place != NULL) {
        double share = n1_scene_share(scene, place->self_ns);
        n1_view_percent(canvas, row, 7, 6, n1_view_heat(share), share);
        if (cols >= 60) {
            snprintf(number, sizeof number, "%llu", (unsigned long long)place->self_samples);
            n1_canvas_text_right(canvas, row, col + 6, 6, N1_ROLE_TEXT, number);
        }
    }
    col += cols >= 60 ? 7 : 0;
    if (cols >= 60 && place != NULL && place->line > 0) {
        snprintf(number, sizeof number, ":%u", place->line);
        n1_canvas_text_right(canvas, row, col + 6, 6, N1_ROLE_LABEL, number);
    }
    col += cols >= 60 ? 7 : 0;
    col +=
        n1_canvas_text(canvas, row, col, N1_ROLE_BORDER, canvas->glyphs->ascii ? "|" : "\xe2\x94\x82") - col;
    snprintf(number, sizeof number, " %llx", (unsigned long long)address);
    col = n1_canvas_text(canvas, row, col, N1_ROLE_LABEL, number) + 2;
    n1_canvas_text_cut(canvas, row, col, cols - col, place ? N1_ROLE_TEXT : N1_ROLE_DIM, text, N1_CUT_END);
}

static void draw(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app)
{
    int rows = n1_canvas_rows(canvas), cols = n1_canvas_cols(canvas);
    char text[700];
    ptrdiff_t at = n1_app_selected(app, scene);
    size_t count, places;
    const struct n1_profile_function *functions = n1_profile_functions(scene->profile, &count);
    snprintf(text, sizeof text, "instructions of %.200s  %.300s", at >= 0 ? functions[at].name : "a function",
             scene->place_module);
    n1_view_title(canvas, app, N1_PANE_CODE, text);
    if (scene->places_of == 0 || app->placed != scene->places_of) {
        n1_canvas_text(canvas, 1, 1, N1_ROLE_LABEL, "the function has no samples in this window");
        return;
    }
    const struct n1_place_address *all = n1_places_addresses(scene->places, &places);
    n1_canvas_text(canvas, 1, 1, N1_ROLE_LABEL, cols >= 60 ? " SELF% COUNT   LINE  ADDRESS" : " SELF%");
    if (app->code.count == 0)
        n1_canvas_text_cut(canvas, 1, cols >= 60 ? 32 : 10, cols - 33, N1_ROLE_LOG_WARN, app->code.why,
                           N1_CUT_END);
    for (int i = 0; i + 2 < rows && app->instructions.top + i < app->instructions.count; i++) {
        size_t index = (size_t)(app->instructions.top + i);
        if (app->code.count > 0) {
            const struct n1_instruction *in = &app->code.instructions[index];
            draw_row(canvas, i + 2, in->address, figures(scene, in->address, in->size), in->text, scene);
        } else if (index < places) {
            draw_row(canvas, i + 2, all[index].address, &all[index], "", scene);
        }
        if ((int)index == app->instructions.selected && app->focus == N1_PANE_CODE) {
            n1_canvas_put(canvas, i + 2, 0, canvas->glyphs->cursor, N1_ROLE_TEXT);
            n1_canvas_paint(canvas, i + 2, 0, cols, N1_ROLE_SELECTED);
        }
    }
}

const struct n1_view n1_view_code = {
    "instructions",
    N1_ACTION_CODE,
    3,
    30,
    draw,
    "Instructions of a function: SELF% of the window's samples and how many were taken\n"
    "on each, and its source line. A sample stands on the instruction that was about to\n"
    "run, so the cost of a slow one often shows on the one after it. The code is read\n"
    "from the module's file with your rights, and only if it is the one that ran.\n"};
