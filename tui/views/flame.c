/*
 * The flame pane: the call tree as boxes, root at the top (i turns it round). Geometry is tui/flame.c; here
 * are the labels, the shades and the title.
 */
#include "tui/views/view.h"

#include "tui/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum n1_role box_role(enum n1_function_kind kind, bool odd)
{
    static const enum n1_role roles[N1_KIND_COUNT][2] = {
        [N1_KIND_UNKNOWN] = {N1_ROLE_FLAME_UNKNOWN, N1_ROLE_FLAME_UNKNOWN_ALT},
        [N1_KIND_NATIVE] = {N1_ROLE_FLAME_NATIVE, N1_ROLE_FLAME_NATIVE_ALT},
        [N1_KIND_PYTHON] = {N1_ROLE_FLAME_PYTHON, N1_ROLE_FLAME_PYTHON_ALT},
        [N1_KIND_KERNEL] = {N1_ROLE_FLAME_KERNEL, N1_ROLE_FLAME_KERNEL_ALT},
        [N1_KIND_JIT] = {N1_ROLE_FLAME_JIT, N1_ROLE_FLAME_JIT_ALT},
        [N1_KIND_GC] = {N1_ROLE_FLAME_GC, N1_ROLE_FLAME_GC_ALT},
    };
    return roles[(unsigned)kind < N1_KIND_COUNT ? kind : N1_KIND_UNKNOWN][odd];
}

/* 1 cell: the kind's letter; 2 and 3: the name's beginning; more: letter, name, recursion, share if there is
 * room. */
static void label(struct n1_canvas *canvas, int row, const struct n1_flame_box *box, const char *name,
                  char letter, double percent, enum n1_role role)
{
    char text[1024], cut[1024], share[N1_FORMAT_CAP + 4] = "", number[N1_FORMAT_CAP];
    int cols = box->cols;
    n1_canvas_fill(canvas, row, box->col, cols, ' ', role);
    if (cols == 1) {
        n1_canvas_put(canvas, row, box->col, (uint32_t)letter, role);
        return;
    }
    if (cols <= 7) {
        snprintf(cut, sizeof cut, "%.64s", name);
        struct n1_rect before =
            n1_canvas_enter(canvas, (struct n1_rect){row, box->col, 1, cols - (cols > 2)});
        n1_canvas_text(canvas, 0, 0, role, cut);
        n1_canvas_leave(canvas, before);
        return;
    }
    snprintf(text, sizeof text, box->fold > 1 ? "%.900s x%u" : "%.900s", name, box->fold);
    n1_format_percent(number, canvas->glyphs, percent);
    snprintf(share, sizeof share, " %s%%", number);
    int room = cols - 3; /* letter, space, and one blank at the end for the edge */
    int name_cols = n1_text_cols(text), share_cols = n1_text_cols(share);
    n1_canvas_put(canvas, row, box->col, (uint32_t)letter, role);
    int used =
        n1_canvas_text_cut(canvas, row, box->col + 2, name_cols + share_cols <= room ? name_cols : room, role,
                           text, N1_CUT_FUNCTION);
    if (name_cols + share_cols <= room)
        n1_canvas_text(canvas, row, box->col + 2 + used, role, share);
}

static enum n1_change change_of(const struct n1_flame_box *box, const struct n1_scene *scene)
{
    double before = (double)box->before_samples, now = (double)box->samples;
    return n1_difference_kind(before, now, n1_scene_compare_z(&scene->compare, before, now));
}

static bool by_change(const struct n1_scene *scene, const struct n1_app *app)
{
    return scene->compare.on && scene->compare.tree != NULL && app->flame_color == N1_FLAME_COLOR_AUTO;
}

/* Colour and letter of a box by what the user wants them to tell. Without colours the letter tells a change.
 */
static enum n1_role look_of(const struct n1_flame_box *box, const struct n1_profile_function *function,
                            const struct n1_scene *scene, const struct n1_app *app, char *ret_letter)
{
    static const char signs[] = {[N1_CHANGE_NOISE] = '=',
                                 [N1_CHANGE_MORE] = '+',
                                 [N1_CHANGE_LESS] = '-',
                                 [N1_CHANGE_NEW] = '*',
                                 [N1_CHANGE_GONE] = '-'};
    *ret_letter = n1_view_kind_letter(function->kind);
    if (by_change(scene, app)) {
        enum n1_change change = change_of(box, scene);
        *ret_letter = signs[change];
        return n1_view_change_role(change, true);
    }
    if (app->flame_color == N1_FLAME_COLOR_MODULE) {
        unsigned hash = 5381;
        for (const char *at = function->module_name; *at; at++)
            hash = hash * 33 + (unsigned char)*at;
        return box_role((enum n1_function_kind)(hash / 2 % N1_KIND_COUNT), hash & 1);
    }
    if (app->flame_color == N1_FLAME_COLOR_HEAT)
        return (enum n1_role)(n1_view_heat(n1_scene_share(scene, box->self_ns)) - N1_ROLE_HEAT_0 +
                              N1_ROLE_FLAME_HEAT_0);
    return box_role(function->kind, box->odd);
}

static void draw_box(struct n1_canvas *canvas, int row, const struct n1_flame_box *box, bool selected,
                     const struct n1_scene *scene, const struct n1_app *app)
{
    size_t count;
    const struct n1_profile_function *functions = n1_profile_functions(scene->profile, &count);
    double percent = n1_scene_share(scene, box->total_ns);
    char text[64];
    if (box->rest) {
        snprintf(text, sizeof text, "%s%u", canvas->glyphs->rest, box->rest);
        n1_canvas_fill(canvas, row, box->col, box->cols, ' ', N1_ROLE_FLAME_REST);
        n1_canvas_text_cut(canvas, row, box->col, box->cols, N1_ROLE_FLAME_REST, text, N1_CUT_END);
    } else if (box->function < count) {
        const struct n1_profile_function *function = &functions[box->function];
        bool hit = n1_app_matches(app->find, function);
        char letter;
        enum n1_role role = look_of(box, function, scene, app, &letter);
        label(canvas, row, box, function->name, letter, percent, hit ? N1_ROLE_MATCH : role);
        bool shades = app->flame_color == N1_FLAME_COLOR_KIND ||
                      (app->flame_color == N1_FLAME_COLOR_AUTO && !by_change(scene, app));
        if (!shades && box->cols >= 3) /* one colour for both neighbours: the edge is a blank cell */
            n1_canvas_put(canvas, row, box->col + box->cols - 1, ' ', N1_ROLE_TEXT);
    } else {
        bool root = box->parent < 0;
        label(canvas, row, box, root ? "all" : "[truncated]", root ? '*' : '?', percent,
              root ? N1_ROLE_FLAME_PARENT : N1_ROLE_FLAME_REST);
    }
    if (selected)
        n1_canvas_paint(canvas, row, box->col, box->cols, N1_ROLE_SELECTED);
}

static size_t hits(const struct n1_scene *scene, const char *find, uint64_t *ret_ns)
{
    size_t count, found;
    const struct n1_profile_function *functions = n1_profile_functions(scene->profile, &count);
    bool *match = calloc(count ? count : 1, sizeof *match);
    *ret_ns = 0;
    if (match == NULL)
        return 0;
    for (size_t i = 0; i < count; i++)
        match[i] = n1_app_matches(find, &functions[i]);
    found = n1_flame_hits(scene->profile, match, ret_ns);
    free(match);
    return found;
}

static void title(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app,
                  int deeper)
{
    const struct n1_flame *flame = &app->flame;
    char text[1024], number[N1_FORMAT_CAP];
    size_t count, used = 0;
    const struct n1_profile_function *functions = n1_profile_functions(scene->profile, &count);
    n1_format_ns(number, canvas->glyphs, (double)flame->whole_ns);
    used += (size_t)snprintf(text, sizeof text, "flame  %s %s", number, n1_view_of(app->of));
    if (flame->zoom_function || flame->zoom_len) {
        uint64_t id = flame->zoom_len ? flame->zoom[flame->zoom_len - 1] : flame->zoom_function;
        ptrdiff_t at = n1_profile_find(scene->profile, id);
        used += (size_t)snprintf(text + used, sizeof text - used, "  in %.200s",
                                 at >= 0 && (size_t)at < count ? functions[at].name : "a function");
        n1_format_percent(number, canvas->glyphs, n1_scene_share(scene, flame->whole_ns));
        used += (size_t)snprintf(text + used, sizeof text - used, " (%s%% of all; Esc: out)", number);
    }
    if (app->find[0]) {
        uint64_t ns;
        size_t found = hits(scene, app->find, &ns);
        n1_format_percent(number, canvas->glyphs, n1_scene_share(scene, ns));
        used += (size_t)snprintf(text + used, sizeof text - used, "  %zu hit%s %s%%", found,
                                 found == 1 ? "" : "s", number);
    }
    if (deeper > 0)
        used += (size_t)snprintf(text + used, sizeof text - used, "  %d deeper", deeper);
    n1_view_title(canvas, app, N1_PANE_FLAME, text);
}

static void draw(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app)
{
    const struct n1_flame *flame = &app->flame;
    int rows = n1_canvas_rows(canvas) - 1;
    if (!scene->ready || flame->count == 0) {
        n1_view_title(canvas, app, N1_PANE_FLAME, "flame");
        bool zoomed = scene->ready && scene->summary.samples > 0 && (flame->zoom_function || flame->zoom_len);
        n1_canvas_text_cut(canvas, 1, 1, n1_canvas_cols(canvas) - 2, N1_ROLE_LABEL,
                           zoomed ? "no samples under the zoomed frame in this window (Esc: out)"
                                  : n1_view_nothing(scene, app),
                           N1_CUT_END);
        return;
    }
    title(canvas, scene, app, flame->rows - flame->top - rows);
    int selected = app->focus == N1_PANE_FLAME ? n1_flame_selected(flame) : -1;
    for (size_t i = 0; i < flame->count; i++) {
        int row = flame->boxes[i].row - flame->top;
        if (row < 0 || row >= rows || flame->boxes[i].cols <= 0)
            continue;
        draw_box(canvas, flame->flipped ? rows - row : row + 1, &flame->boxes[i], (int)i == selected, scene,
                 app);
    }
}

const struct n1_view n1_view_flame = {
    "flame",
    N1_ACTION_FLAME,
    3,
    20,
    draw,
    "The call tree: a box is as wide as its share of the window's samples, callees\n"
    "stand below callers (i turns it round). Letters are the kinds of the table,\n"
    "two shades only tell neighbours apart. xN: N levels of direct recursion in one\n"
    "box. A box with a number only is a bucket of so many calls too small to draw.\n"
    "Arrows move, Enter zooms in, Esc zooms out, find marks hits.\n"};
