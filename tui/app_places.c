/*
 * The last two levels of the drill-down: source lines and instructions of the selected function. Opened on
 * the hottest line or instruction; from then on the cursor is the user's.
 */
#include "tui/app.h"

#include <stdio.h>
#include <string.h>

ptrdiff_t n1_app_place(const struct n1_app *app, const struct n1_scene *scene, size_t i)
{
    size_t count, seen = 0;
    const struct n1_place_line *lines = n1_places_lines(scene->places, &count);
    for (size_t k = 0; k < count; k++) {
        if (strcmp(lines[k].file, app->file) == 0 && seen++ == i)
            return (ptrdiff_t)k;
    }
    return -1;
}

/* The file in which most of the function's time is. */
static void choose_file(struct n1_app *app, const struct n1_place_line *lines, size_t count)
{
    uint64_t most = 0, sum = 0;
    const char *best = "";
    for (size_t i = 0; i < count; i++) {
        sum = i > 0 && strcmp(lines[i].file, lines[i - 1].file) == 0 ? sum : 0;
        sum += lines[i].total_ns;
        if (sum > most) {
            most = sum;
            best = lines[i].file;
        }
    }
    snprintf(app->file, sizeof app->file, "%s", best);
}

static bool hotter(const struct n1_place_line *a, const struct n1_place_line *b)
{
    return a->self_ns != b->self_ns ? a->self_ns > b->self_ns : a->total_ns > b->total_ns;
}

static void sync_lines(struct n1_app *app, const struct n1_scene *scene, pid_t pid)
{
    size_t count, shown = 0;
    const struct n1_place_line *lines = n1_places_lines(scene->places, &count), *best = NULL;
    int row = 0;
    if (!app->line_placed)
        choose_file(app, lines, count);
    n1_source_load(&app->source, app->file, pid);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(lines[i].file, app->file) != 0)
            continue;
        if (best == NULL || hotter(&lines[i], best)) {
            best = &lines[i];
            row = app->source.count > 0 ? (int)lines[i].line - 1 : (int)shown;
        }
        shown++;
    }
    int page = app->layout.pane[N1_PANE_SOURCE].rows - 2;
    app->lines.count = app->source.count > 0 ? (int)app->source.count : (int)shown;
    if (!app->line_placed && best != NULL) {
        app->lines.selected = row;
        app->lines.top = row - page / 2;
        app->line_placed = true;
    }
    n1_list_fit(&app->lines, app->lines.count, page);
}

static void sync_code(struct n1_app *app, const struct n1_scene *scene, pid_t pid)
{
    size_t count;
    const struct n1_place_address *at = n1_places_addresses(scene->places, &count), *best = NULL;
    struct n1_places_rest rest = n1_places_rest(scene->places);
    uint64_t size = rest.size;
    if (size == 0 && count > 0 && at[count - 1].address >= rest.start) /* unknown: as far as samples reach */
        size = at[count - 1].address - rest.start + 16;
    if (rest.size > 0 || !app->code_placed)
        n1_code_load(&app->code, scene->place_module, pid, scene->place_build_id, scene->place_build_id_len,
                     rest.start, size);
    for (size_t i = 0; i < count; i++)
        best = best == NULL || at[i].self_ns > best->self_ns ? &at[i] : best;
    int page = app->layout.pane[N1_PANE_CODE].rows - 2;
    app->instructions.count = app->code.count > 0 ? (int)app->code.count : (int)count;
    for (size_t i = 0; !app->code_placed && best != NULL && i < app->code.count; i++) {
        if (best->address - app->code.instructions[i].address < app->code.instructions[i].size) {
            app->instructions.selected = (int)i;
            app->instructions.top = (int)i - page / 2;
        }
    }
    app->code_placed |= best != NULL;
    n1_list_fit(&app->instructions, app->instructions.count, page);
}

void n1_app_sync_places(struct n1_app *app, const struct n1_scene *scene)
{
    if (scene->places_of == 0)
        return;
    if (app->placed != scene->places_of) {
        app->placed = scene->places_of;
        app->line_placed = app->code_placed = false;
        app->lines = app->instructions = (struct n1_list){0};
        app->file[0] = '\0';
    }
    pid_t pid = scene->link == N1_LINK_LIVE && !scene->ended ? (pid_t)scene->pid : 0;
    if (app->layout.pane[N1_PANE_SOURCE].rows > 0)
        sync_lines(app, scene, pid);
    if (app->layout.pane[N1_PANE_CODE].rows > 0)
        sync_code(app, scene, pid);
}

unsigned n1_app_drill(struct n1_app *app, const struct n1_scene *scene, enum n1_pane pane)
{
    size_t count;
    const struct n1_profile_function *functions = n1_profile_functions(scene->profile, &count);
    ptrdiff_t at = n1_app_selected(app, scene);
    int box = app->focus == N1_PANE_FLAME ? n1_flame_selected(&app->flame) : -1;
    if (box >= 0 && app->flame.boxes[box].function < count)
        at = (ptrdiff_t)app->flame.boxes[box].function;
    if (at < 0 || !scene->ready)
        return 0;
    if (app->focus != N1_PANE_SOURCE && app->focus != N1_PANE_CODE)
        app->came_from = app->focus;
    app->selected = functions[at].id;
    n1_app_focus(app, pane);
    return N1_EFFECT_UPDATE;
}

unsigned n1_app_rise(struct n1_app *app)
{
    unsigned source = N1_PANE_BIT(N1_PANE_SOURCE), code = N1_PANE_BIT(N1_PANE_CODE);
    if (app->focus == N1_PANE_CODE && (app->wanted & source)) {
        app->wanted &= ~code;
        n1_app_focus(app, N1_PANE_SOURCE);
        return N1_EFFECT_UPDATE;
    }
    app->wanted &= ~(source | code);
    n1_app_focus(app, app->came_from);
    return N1_EFFECT_UPDATE;
}
