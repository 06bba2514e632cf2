/*
 * The state over a new picture. Rows are kept as stable ids, because indices change with every picture. The
 * order holds still for a few seconds after the user moved, so that nobody presses Enter on a row that has
 * just jumped.
 */
#include "tui/app.h"

#include "tui/filter.h"

#include "n1/time.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SORT_HOLD_SECONDS 4.0
#define MOVES_MOST 64
#define FEW_SAMPLES                                                                                          \
    200 /* below, hardly a share is more than noise, and the order is that of the figures shown */
#define BY_CHANGE (-2) /* of sorted_by */
#define MESSAGE_SECONDS 5.0
#define LOW_REFRESH_MS 2000

const struct n1_app_window n1_app_windows[] = {
    {"5 s", 5 * N1_SECOND_NS}, {"30 s", 30 * N1_SECOND_NS}, {"all", 0}, {NULL, 0}};

void n1_app_init(struct n1_app *app, int rows, int cols)
{
    memset(app, 0, sizeof *app);
    app->window = 1;
    app->refresh_ms = 1000;
    app->moved_at = -1e9;
    n1_app_resize(app, rows, cols);
}

unsigned n1_app_panes(const struct n1_app *app)
{
    unsigned wanted = app->wanted ? app->wanted : n1_layout_default(app->rows, app->cols);
    return app->line.low && !app->wanted ? wanted & ~N1_PANE_BIT(N1_PANE_FLAME) : wanted;
}

void n1_app_low_bandwidth(struct n1_app *app, const char *why, double clock)
{
    app->line.low = why != NULL;
    if (why)
        app->motion = N1_SPARK_SWEEP;
    snprintf(app->line.why, sizeof app->line.why, "%s", why ? why : "");
    if (why)
        n1_app_say(app, N1_ROLE_LOG_WARN, clock, "low bandwidth, L undoes it: %s", why);
    else
        n1_app_say(app, N1_ROLE_LOG_INFO, clock, "every figure again, whatever the line says");
    n1_app_resize(app, app->rows, app->cols);
}

unsigned n1_app_refresh_ms(const struct n1_app *app)
{
    return app->line.low && app->refresh_ms < LOW_REFRESH_MS ? LOW_REFRESH_MS : app->refresh_ms;
}

void n1_app_finish(struct n1_app *app)
{
    free(app->ids);
    free(app->functions);
    n1_source_finish(&app->source);
    n1_code_finish(&app->code);
    n1_flame_finish(&app->flame);
    memset(app, 0, sizeof *app);
}

void n1_app_resize(struct n1_app *app, int rows, int cols)
{
    app->rows = rows;
    app->cols = cols;
    n1_layout_compute(rows, cols, n1_app_panes(app) | (app->travel.past ? N1_LAYOUT_TIMELINE : 0), app->focus,
                      &app->layout);
}

struct n1_scene_query n1_app_query(const struct n1_app *app)
{
    struct n1_scene_query query = {.span = n1_app_windows[app->window].span,
                                   .end = app->paused ? app->paused_at : 0,
                                   .of = app->of,
                                   .waits = app->layout.pane[N1_PANE_WAITS].rows > 0,
                                   .frames = app->frames,
                                   .thread_id = app->thread_tid,
                                   .text = app->filter,
                                   .memory = n1_app_panes(app) & N1_PANE_BIT(N1_PANE_MEMORY),
                                   .memory_mark = app->memory_mark,
                                   .compare = app->compare,
                                   .saved = app->saved};
    unsigned levels = N1_PANE_BIT(N1_PANE_SOURCE) | N1_PANE_BIT(N1_PANE_CODE);
    query.places_of = app->wanted & levels ? app->selected : 0;
    if (app->travel.past) {
        query.past = n1_travel_window(&app->travel, query.span, app->created);
        query.timeline = app->cols > N1_TIMELINE_MARGIN ? app->cols - N1_TIMELINE_MARGIN : 0;
    }
    return query;
}

void n1_app_say(struct n1_app *app, enum n1_role role, double clock, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(app->message, sizeof app->message, fmt, args);
    va_end(args);
    app->message_role = role;
    app->message_until = clock + MESSAGE_SECONDS;
}

bool n1_app_matches_name(const char *find, const char *name, const char *module_name)
{
    return find[0] != '\0' && (strcasestr(name, find) != NULL || strcasestr(module_name, find) != NULL);
}

bool n1_app_matches(const char *find, const struct n1_profile_function *function)
{
    return n1_app_matches_name(find, function->name, function->module_name);
}

bool n1_app_row_name(const struct n1_app *app, const struct n1_scene *scene, size_t row,
                     const char **ret_name, const char **ret_module)
{
    size_t count;
    const struct n1_profile_function *functions = n1_profile_functions(scene->profile, &count);
    if (row >= app->row_count)
        return false;
    uint32_t at = app->functions[row];
    if (at >= (scene->compare.on ? scene->compare.count : count))
        return false;
    *ret_name = scene->compare.on ? scene->compare.rows[at].name : functions[at].name;
    *ret_module = scene->compare.on ? scene->compare.rows[at].module_name : functions[at].module_name;
    return true;
}

/* --- rows of the table --- */

struct order {
    const struct n1_profile_function *functions;
    enum n1_sort sort;
    bool inverted;
};

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? 1 : a > b ? -1 : 0; /* largest first */
}

static int compare_rows(const void *a, const void *b, void *context)
{
    const struct order *order = context;
    const struct n1_profile_function *x = &order->functions[*(const uint32_t *)a];
    const struct n1_profile_function *y = &order->functions[*(const uint32_t *)b];
    int rc = 0;
    if (order->sort == N1_SORT_TOTAL)
        rc = compare_u64(x->total_ns, y->total_ns);
    else if (order->sort == N1_SORT_NAME)
        rc = strcmp(x->name, y->name);
    else if (order->sort == N1_SORT_MODULE)
        rc = strcmp(x->module_name, y->module_name);
    if (order->inverted && order->sort != N1_SORT_SELF)
        rc = -rc;
    if (rc == 0)
        rc = compare_u64(x->self_ns, y->self_ns) * (order->inverted && order->sort == N1_SORT_SELF ? -1 : 1);
    if (rc == 0)
        rc = compare_u64(x->total_ns, y->total_ns);
    if (rc == 0)
        rc = strcmp(x->name, y->name);
    return rc ? rc : x->id < y->id ? -1 : x->id > y->id;
}

static bool shown(const struct n1_app *app, const struct n1_scene *scene, const struct n1_profile_function *f)
{
    if (f->total_ns == 0)
        return false;
    /* An expression is the profile's business; plain text hides rows as well as stacks. */
    struct n1_filter_words words;
    n1_filter_parse(app->filter, &words);
    if (words.text[0] == '\0' || words.regex || scene->filter_error[0] != '\0')
        return true;
    return n1_app_matches(words.text, f);
}

static bool room_for(struct n1_app *app, size_t rows)
{
    if (rows <= app->row_capacity)
        return true;
    size_t capacity = rows + 256;
    uint64_t *ids = realloc(app->ids, capacity * sizeof *ids);
    if (ids != NULL)
        app->ids = ids;
    uint32_t *functions = realloc(app->functions, capacity * sizeof *functions);
    if (functions != NULL)
        app->functions = functions;
    if (ids == NULL || functions == NULL)
        return false;
    app->row_capacity = capacity;
    return true;
}

/* In the order of before: rows that are still there, then the new ones, sorted. */
static size_t keep_order(struct n1_app *app, const struct n1_scene *scene, struct order *order, size_t count)
{
    bool *placed = calloc(count ? count : 1, 1);
    size_t used = 0;
    if (placed == NULL)
        return app->row_count;
    for (size_t i = 0; i < app->row_count; i++) {
        ptrdiff_t at = n1_profile_find(scene->profile, app->ids[i]);
        if (at >= 0 && (size_t)at < count && !placed[at] && shown(app, scene, &order->functions[at])) {
            placed[at] = true;
            app->functions[used++] = (uint32_t)at;
        }
    }
    size_t old = used;
    for (size_t i = 0; i < count; i++) {
        if (!placed[i] && shown(app, scene, &order->functions[i]))
            app->functions[used++] = (uint32_t)i;
    }
    if (used > old + 1)
        qsort_r(app->functions + old, used - old, sizeof *app->functions, compare_rows, order);
    free(placed);
    return used;
}

/* Samples by which the order is decided; 0 when it is not a matter of counting. */
static double counted(const struct order *order, uint32_t row)
{
    const struct n1_profile_function *function = &order->functions[row];
    return order->sort == N1_SORT_SELF    ? (double)function->self_samples
           : order->sort == N1_SORT_TOTAL ? (double)function->total_samples
                                          : 0;
}

/* Moves up each row that exceeds one above it by 0.7 standard errors of counting and half a percent of
 * everything. The others stay: rows of about the same weight that change places with every picture cost the
 * reader's eye and the line's bytes. False when so much has changed that sorting is simpler. */
static bool mend_order(const struct n1_app *app, const struct n1_scene *scene, const struct order *order,
                       size_t count)
{
    double sign = order->inverted ? -1 : 1, least = INFINITY;
    double floor = (double)scene->summary.samples * (app->line.low ? 0.02 : 0.005);
    double sigmas = app->line.low ? 2 : 0.7;
    size_t moves = 0;
    if (scene->summary.samples < FEW_SAMPLES)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint32_t row = app->functions[i];
        double value = counted(order, row);
        if (sign * value > least) {
            size_t to = 0;
            for (; to < i; to++) {
                double other = counted(order, app->functions[to]);
                double gap = sign * (value - other);
                if (gap > fmax(sigmas * sqrt(value + other), floor) || (gap > 0 && value * other == 0))
                    break; /* what was never seen stands below what was */
            }
            if (to < i && ++moves > MOVES_MOST)
                return false;
            memmove(app->functions + to + 1, app->functions + to, (i - to) * sizeof *app->functions);
            app->functions[to] = row;
        }
        least = fmin(least, sign * value);
    }
    return true;
}

static void place_selection(struct n1_app *app)
{
    for (size_t i = 0; app->selected != 0 && i < app->row_count; i++) {
        if (app->ids[i] == app->selected)
            app->table.selected = (int)i;
    }
    if (app->selected == 0)
        app->table.selected = app->table.top = 0;
    n1_list_fit(&app->table, (int)app->row_count, app->layout.pane[N1_PANE_TABLE].rows - 1);
}

/* Of a saved report functions have no id: their place in the report stands for one. */
static uint64_t id_of_row(const struct n1_difference *row)
{
    return row->id ? row->id : UINT64_C(0x8000000000000000) | row->before;
}

/* While comparing: the differences in their own order, but held still while the user moves. */
static void sync_differences(struct n1_app *app, const struct n1_scene *scene, double clock)
{
    const struct n1_scene_compare *compare = &scene->compare;
    bool held =
        clock - app->moved_at < SORT_HOLD_SECONDS && app->row_count > 0 && app->sorted_by == BY_CHANGE;
    size_t used = 0;
    if (!room_for(app, compare->count))
        return;
    bool *placed = calloc(compare->count + 1, sizeof *placed);
    for (size_t i = 0; held && placed != NULL && i < app->row_count; i++) {
        for (size_t k = 0; k < compare->count; k++) {
            if (placed[k] || id_of_row(&compare->rows[k]) != app->ids[i])
                continue;
            placed[k] = true;
            app->functions[used++] = (uint32_t)k;
            break;
        }
    }
    for (size_t k = 0; placed != NULL && k < compare->count; k++) {
        const struct n1_difference *row = &compare->rows[k];
        struct n1_filter_words words;
        n1_filter_parse(app->filter, &words);
        bool plain = words.text[0] && !words.regex && !scene->filter_error[0];
        if (!placed[k] && (!plain || n1_app_matches_name(words.text, row->name, row->module_name)))
            app->functions[used++] = (uint32_t)k;
    }
    free(placed);
    app->sorted_by = BY_CHANGE;
    app->row_count = used;
    for (size_t i = 0; i < used; i++)
        app->ids[i] = id_of_row(&compare->rows[app->functions[i]]);
    place_selection(app);
}

static void sync_rows(struct n1_app *app, const struct n1_scene *scene, double clock)
{
    size_t count, used = 0;
    struct order order = {n1_profile_functions(scene->profile, &count), app->sort, app->inverted};
    bool held = clock - app->moved_at < SORT_HOLD_SECONDS && app->row_count > 0;
    if (!room_for(app, count))
        return;
    bool by_count = app->sort == N1_SORT_SELF || app->sort == N1_SORT_TOTAL;
    bool fresh =
        app->row_count == 0 || app->sorted_by != (int)app->sort + (app->inverted ? N1_SORT_COUNT : 0);
    app->sorted_by = (int)app->sort + (app->inverted ? N1_SORT_COUNT : 0);
    bool keep = held || (by_count && !fresh);
    if (keep) {
        used = keep_order(app, scene, &order, count);
        keep = held || mend_order(app, scene, &order, used);
    }
    if (!keep) {
        used = 0;
        for (size_t i = 0; i < count; i++) {
            if (shown(app, scene, &order.functions[i]))
                app->functions[used++] = (uint32_t)i;
        }
        if (used > 1)
            qsort_r(app->functions, used, sizeof *app->functions, compare_rows, &order);
    }
    app->row_count = used;
    for (size_t i = 0; i < used; i++)
        app->ids[i] = order.functions[app->functions[i]].id;
    place_selection(app);
}

ptrdiff_t n1_app_selected(const struct n1_app *app, const struct n1_scene *scene)
{
    if (app->selected != 0)
        return n1_profile_find(scene->profile, app->selected);
    if (app->row_count == 0)
        return -1;
    if (scene->compare.on)
        return n1_profile_find(scene->profile, app->ids[app->table.selected]);
    return (ptrdiff_t)app->functions[app->table.selected];
}

void n1_app_select(struct n1_app *app, uint64_t id, double clock)
{
    app->selected = id;
    app->moved_at = clock;
    app->detail.selected = app->detail.top = 0;
}

static void sync_detail(struct n1_app *app, const struct n1_scene *scene)
{
    ptrdiff_t at = n1_app_selected(app, scene);
    app->caller_count = app->callee_count = 0;
    if (at >= 0) {
        size_t all = n1_profile_callers(scene->profile, (size_t)at, app->callers, N1_SCENE_EDGES);
        app->caller_count = all < N1_SCENE_EDGES ? all : N1_SCENE_EDGES;
        all = n1_profile_callees(scene->profile, (size_t)at, app->callees, N1_SCENE_EDGES);
        app->callee_count = all < N1_SCENE_EDGES ? all : N1_SCENE_EDGES;
    }
    n1_list_fit(&app->detail, (int)(app->caller_count + app->callee_count), N1_SCENE_EDGES * 2);
}

static void sync_threads(struct n1_app *app, const struct n1_scene *scene)
{
    for (size_t i = 0; app->thread_selected != 0 && i < scene->thread_count; i++) {
        if (scene->threads[i].tid == app->thread_selected)
            app->threads.selected = (int)i + 1; /* row 0 is "all threads" */
    }
    n1_list_fit(&app->threads, (int)scene->thread_count + 1, app->layout.pane[N1_PANE_THREADS].rows - 1);
}

void n1_app_sync(struct n1_app *app, const struct n1_scene *scene, double clock)
{
    n1_app_resize(app, app->rows, app->cols);
    if (!scene->ready)
        return;
    app->created = scene->created;
    if (scene->compare.on)
        sync_differences(app, scene, clock);
    else
        sync_rows(app, scene, clock);
    sync_detail(app, scene);
    sync_threads(app, scene);
    n1_app_sync_places(app, scene);
    n1_list_fit(&app->waits, (int)scene->waits.count, app->layout.pane[N1_PANE_WAITS].rows - 1);
    n1_list_fit(&app->log, (int)scene->event_count, app->layout.pane[N1_PANE_LOG].rows - 1);
    const struct n1_flame_before before = {scene->compare.on ? scene->compare.tree : NULL,
                                           scene->compare.match, scene->compare.matched};
    struct n1_rect flame = app->layout.pane[N1_PANE_FLAME];
    if (flame.rows > 1)
        n1_flame_layout(&app->flame, scene->profile, flame.cols, flame.rows - 1, &before);
}
