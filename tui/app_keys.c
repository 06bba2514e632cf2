/*
 * What keys do. First the prompt, then help, then moves in the focused pane, then everything else: one
 * function an action, no key is named here.
 */
#include "tui/app.h"
#include "tui/views/view.h"

#include <stdio.h>
#include <string.h>

void n1_app_focus(struct n1_app *app, enum n1_pane pane)
{
    app->wanted = n1_app_panes(app);
    app->wanted |= N1_PANE_BIT(pane);
    app->focus = pane;
    n1_app_resize(app, app->rows, app->cols);
}

/* Shows and focuses a pane; when it has the focus already, hides it. */
static void toggle(struct n1_app *app, enum n1_pane pane)
{
    if (app->focus != pane) {
        n1_app_focus(app, pane);
        return;
    }
    app->wanted &= ~N1_PANE_BIT(pane);
    app->focus = N1_PANE_TABLE;
    n1_app_resize(app, app->rows, app->cols);
}

static void next_pane(struct n1_app *app, int direction)
{
    for (int i = 1; i < N1_PANE_COUNT; i++) {
        int pane = (app->focus + i * direction + N1_PANE_COUNT) % N1_PANE_COUNT;
        if (app->layout.pane[pane].rows > 0) {
            n1_app_focus(app, (enum n1_pane)pane);
            return;
        }
    }
}

/* The next match in the order of the table, starting after (or with, when `here`) the selected row. */
static void find(struct n1_app *app, const struct n1_scene *scene, int direction, bool here, double clock)
{
    const char *name, *module;
    int rows = (int)app->row_count;
    for (int i = here ? 0 : 1; i < rows; i++) { /* all rows, but not the one we stand on twice */
        int row = ((app->table.selected + i * direction) % rows + rows) % rows;
        if (n1_app_row_name(app, scene, (size_t)row, &name, &module) &&
            n1_app_matches_name(app->find, name, module)) {
            n1_app_select(app, app->ids[row], clock);
            return;
        }
    }
    if (app->find[0] != '\0' && here)
        n1_app_say(app, N1_ROLE_LOG_WARN, clock, "no function matches \"%s\"", app->find);
}

static unsigned prompt_key(struct n1_app *app, const struct n1_scene *scene, uint32_t key, double clock)
{
    size_t len = strlen(app->input);
    const char *target = app->prompt == N1_PROMPT_FIND ? app->find : app->filter;
    bool changed = false;
    if (key == N1_KEY_ENTER || key == N1_KEY_ESC || key == N1_KEY_CTRL('C')) {
        if (key != N1_KEY_ENTER)
            app->input[0] = '\0';
        changed = strcmp(target, app->input) != 0;
        app->message_until = 0;
    } else if (key == N1_KEY_BACKSPACE || key == N1_KEY_DELETE) {
        while (len > 0 && ((unsigned char)app->input[len - 1] & 0xc0) == 0x80)
            len--;
        app->input[len > 0 ? len - 1 : 0] = '\0';
    } else if (key == N1_KEY_CTRL('U')) {
        app->input[0] = '\0';
    } else if (key >= 32 && key != 127 && key < N1_KEY_SPECIAL) {
        char bytes[5] = {0};
        size_t n = key < 0x80 ? 1 : key < 0x800 ? 2 : key < 0x10000 ? 3 : 4;
        static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
        for (size_t i = n; i-- > 1; key >>= 6)
            bytes[i] = (char)(0x80 | (key & 0x3f));
        bytes[0] = (char)(lead[n] | key);
        if (len + n < sizeof app->input)
            memcpy(app->input + len, bytes, n + 1);
        key = 0;
    }
    bool done = key == N1_KEY_ENTER || key == N1_KEY_ESC || key == N1_KEY_CTRL('C');
    enum n1_prompt prompt = app->prompt;
    if (done)
        app->prompt = N1_PROMPT_NONE;
    if (prompt == N1_PROMPT_DETACH)
        return key == N1_KEY_ENTER ? N1_EFFECT_DETACH : 0;
    if (prompt == N1_PROMPT_COMPARE) {
        if (key != N1_KEY_ENTER || app->input[0] == '\0')
            return 0;
        snprintf(app->compare_path, sizeof app->compare_path, "%s", app->input);
        return N1_EFFECT_COMPARE;
    }
    if (prompt == N1_PROMPT_FIND) { /* finds while typing */
        snprintf(app->find, sizeof app->find, "%s", app->input);
        if (app->find[0] != '\0')
            find(app, scene, 1, true, clock);
        return 0;
    }
    if (!done || !changed)
        return 0;
    snprintf(app->filter, sizeof app->filter, "%s", app->input);
    app->moved_at = -1e9;
    app->sorted_by = -1; /* another question: a fresh order */
    return N1_EFFECT_UPDATE;
}

static void open_prompt(struct n1_app *app, enum n1_prompt prompt)
{
    app->prompt = prompt;
    snprintf(app->input, sizeof app->input, "%s",
             prompt == N1_PROMPT_FILTER    ? app->filter
             : prompt == N1_PROMPT_COMPARE ? app->compare_path
                                           : "");
}

static void step_thread(struct n1_app *app, const struct n1_scene *scene, int direction)
{
    size_t at = 0; /* 0: all threads */
    for (size_t i = 0; i < scene->thread_count; i++) {
        if (scene->threads[i].tid == app->thread_tid)
            at = i + 1;
    }
    if (direction > 0 ? at < scene->thread_count : at > 0)
        at = direction > 0 ? at + 1 : at - 1;
    app->thread_tid = at ? scene->threads[at - 1].tid : 0;
    app->thread_selected = app->thread_tid;
    app->threads.selected = (int)at;
}

static void go_to_function(struct n1_app *app, const struct n1_scene *scene, uint32_t function, double clock)
{
    size_t count;
    const struct n1_profile_function *functions = n1_profile_functions(scene->profile, &count);
    ptrdiff_t at = n1_app_selected(app, scene);
    if (function >= count)
        return;
    if (at >= 0 && app->back_len < N1_BACK_MAX)
        app->back[app->back_len++] = functions[at].id;
    n1_app_select(app, functions[function].id, clock);
}

/* Another time is another question: a fresh order. */
static unsigned travelled(struct n1_app *app)
{
    app->sorted_by = -1;
    app->moved_at = -1e9;
    n1_app_resize(app, app->rows, app->cols);
    return N1_EFFECT_UPDATE;
}

/* To the span of the selected event of the log. */
static unsigned jump(struct n1_app *app, const struct n1_scene *scene, double clock)
{
    int row = app->log.selected;
    if (row < 0 || row >= (int)scene->event_count)
        return 0;
    const struct n1_scene_event *event = &scene->events[row];
    n1_travel_to(&app->travel, event->start, event->end ? event->end : scene->now, scene->created,
                 scene->now);
    n1_app_focus(app, N1_PANE_TABLE);
    n1_app_say(app, N1_ROLE_LOG_WARN, clock, "%.160s  (0: back to now)",
               event->text[0] ? event->text : event->rule);
    return travelled(app);
}

static unsigned travel(struct n1_app *app, const struct n1_scene *scene, enum n1_action action)
{
    if (!scene->ready)
        return 0;
    switch (action) {
    case N1_ACTION_TIME_LIVE:
        app->travel.past = false;
        break;
    case N1_ACTION_TIME_MARK:
        n1_travel_mark(&app->travel, scene->created, scene->now);
        break;
    default:
        n1_travel_step(&app->travel,
                       action == N1_ACTION_TIME_BACK       ? -1
                       : action == N1_ACTION_TIME_FORWARD  ? 1
                       : action == N1_ACTION_TIME_FAR_BACK ? -10
                                                           : 10,
                       scene->created, scene->now);
    }
    return travelled(app);
}

static unsigned compare(struct n1_app *app, const struct n1_scene *scene, enum n1_action action, double clock)
{
    struct n1_compare *c = &app->compare;
    if (!scene->ready)
        return 0;
    if (action == N1_ACTION_COMPARE_FILE) {
        open_prompt(app, N1_PROMPT_COMPARE);
        return 0;
    }
    if (c->kind != N1_COMPARE_OFF) {
        c->kind = N1_COMPARE_OFF;
    } else if (action == N1_ACTION_COMPARE) {
        c->kind = N1_COMPARE_PREVIOUS;
    } else {
        c->kind = N1_COMPARE_SPAN;
        c->before = scene->window;
        n1_app_say(app, N1_ROLE_LOG_INFO, clock,
                   "kept as before; go to another span (, . < > m, 0 is now) to compare");
    }
    return travelled(app);
}

static unsigned enter(struct n1_app *app, const struct n1_scene *scene, double clock)
{
    int row = app->detail.selected;
    switch (app->focus) {
    case N1_PANE_TABLE:
        if (n1_app_selected(app, scene) >= 0)
            n1_app_focus(app, N1_PANE_DETAIL);
        return 0;
    case N1_PANE_DETAIL:
        if (row < (int)app->caller_count)
            go_to_function(app, scene, app->callers[row].function, clock);
        else if (row < (int)(app->caller_count + app->callee_count) &&
                 app->callees[row - (int)app->caller_count].function == UINT32_MAX)
            return n1_app_drill(app, scene, N1_PANE_SOURCE); /* "(itself)": where in it */
        else if (row < (int)(app->caller_count + app->callee_count))
            go_to_function(app, scene, app->callees[row - (int)app->caller_count].function, clock);
        return 0;
    case N1_PANE_FLAME:
        n1_flame_zoom_in(&app->flame, scene->profile);
        return 0;
    case N1_PANE_SOURCE:
        return n1_app_drill(app, scene, N1_PANE_CODE);
    case N1_PANE_LOG:
        return jump(app, scene, clock);
    case N1_PANE_THREADS:
        row = app->threads.selected - 1;
        app->thread_tid = row >= 0 && row < (int)scene->thread_count ? scene->threads[row].tid : 0;
        return N1_EFFECT_UPDATE;
    default:
        return 0;
    }
}

static unsigned back(struct n1_app *app)
{
    if (app->find[0] != '\0') {
        app->find[0] = '\0';
    } else if (app->focus == N1_PANE_FLAME && n1_flame_zoom_out(&app->flame)) {
        return 0;
    } else if (app->focus == N1_PANE_SOURCE || app->focus == N1_PANE_CODE) {
        return n1_app_rise(app);
    } else if (app->focus == N1_PANE_DETAIL && app->back_len > 0) {
        app->selected = app->back[--app->back_len];
    } else if (app->focus != N1_PANE_TABLE) {
        app->focus = N1_PANE_TABLE;
    } else if (app->filter[0] != '\0') {
        app->filter[0] = '\0';
        return N1_EFFECT_UPDATE;
    } else if (app->thread_tid != 0) {
        app->thread_tid = 0;
        return N1_EFFECT_UPDATE;
    } else if (app->compare.kind != N1_COMPARE_OFF) {
        app->compare.kind = N1_COMPARE_OFF;
        return travelled(app);
    } else if (app->travel.past) {
        app->travel.past = false;
        return travelled(app);
    }
    return 0;
}

static void zoom(struct n1_app *app, const struct n1_scene *scene, double clock)
{
    size_t count;
    const struct n1_profile_function *functions = n1_profile_functions(scene->profile, &count);
    ptrdiff_t at = n1_app_selected(app, scene);
    if (app->flame.zoom_function != 0 || app->flame.zoom_len > 0) {
        app->flame.zoom_function = 0;
        app->flame.zoom_len = 0;
        app->flame.selected = 0;
        return;
    }
    if (app->focus == N1_PANE_FLAME) {
        n1_flame_zoom_in(&app->flame, scene->profile);
        return;
    }
    if (at < 0)
        return;
    n1_app_focus(app, N1_PANE_FLAME);
    app->flame.zoom_function = functions[at].id;
    app->flame.selected = 0;
    n1_app_say(app, N1_ROLE_LOG_INFO, clock, "flame: what %.120s calls; z again shows everything",
               functions[at].name);
}

static bool move(struct n1_app *app, const struct n1_scene *scene, enum n1_action action, double clock)
{
    switch (app->focus) {
    case N1_PANE_TABLE:
        if (!n1_list_move(&app->table, action))
            return false;
        if (app->row_count > 0)
            n1_app_select(app, action == N1_ACTION_TOP ? 0 : app->ids[app->table.selected], clock);
        app->back_len = 0;
        return true;
    case N1_PANE_DETAIL:
        return n1_list_move(&app->detail, action);
    case N1_PANE_FLAME:
        return n1_flame_move(&app->flame, action);
    case N1_PANE_THREADS:
        if (!n1_list_move(&app->threads, action))
            return false;
        app->thread_selected = app->threads.selected > 0 ? scene->threads[app->threads.selected - 1].tid : 0;
        return true;
    case N1_PANE_WAITS:
        return n1_list_move(&app->waits, action);
    case N1_PANE_LOG:
        return n1_list_move(&app->log, action);
    case N1_PANE_SOURCE:
        return n1_list_move(&app->lines, action);
    case N1_PANE_CODE:
        return n1_list_move(&app->instructions, action);
    default:
        return false;
    }
}

static void set_refresh(struct n1_app *app, enum n1_action action, double clock)
{
    static const unsigned steps[] = {250, 500, 1000, 2000, 5000, 10000};
    int at = 0;
    while (at < 5 && steps[at] < app->refresh_ms)
        at++;
    if (action == N1_ACTION_REFRESH_DEFAULT)
        at = 2;
    else if (action == N1_ACTION_SLOWER && at < 5)
        at++;
    else if (action == N1_ACTION_FASTER && at > 0)
        at--;
    app->refresh_ms = steps[at];
    n1_app_say(app, N1_ROLE_LOG_INFO, clock, "refresh every %g s", steps[at] / 1000.0);
}

static unsigned pause(struct n1_app *app, const struct n1_scene *scene)
{
    app->paused = !app->paused;
    app->paused_at = scene->now;
    return N1_EFFECT_UPDATE;
}

static const enum n1_pane numbered[] = {N1_PANE_TABLE,   N1_PANE_DETAIL, N1_PANE_FLAME,
                                        N1_PANE_THREADS, N1_PANE_MEMORY, N1_PANE_LOG};

static const char *const flame_colors[] = {
#define X(id, name) name,
    N1_FLAME_COLOR_MAP(X)
#undef X
};

/* CPU time, waits, both. */
static unsigned next_of(struct n1_app *app, double clock)
{
    app->of = app->of == N1_OF_CPU ? N1_OF_WAITS : app->of == N1_OF_WAITS ? N1_OF_WALL : N1_OF_CPU;
    app->sorted_by = -1;
    app->moved_at = -1e9;
    n1_app_say(app, N1_ROLE_LOG_INFO, clock, "table and flame: %s", n1_profile_of_text(app->of));
    return N1_EFFECT_UPDATE;
}

static unsigned act(struct n1_app *app, const struct n1_scene *scene, enum n1_action action, double clock)
{
    switch (action) {
    case N1_ACTION_HELP:
        app->help_open = true;
        app->help.selected = app->help.top = 0;
        return 0;
    case N1_ACTION_FIND:
    case N1_ACTION_FILTER:
        open_prompt(app, action == N1_ACTION_FIND ? N1_PROMPT_FIND : N1_PROMPT_FILTER);
        return 0;
    case N1_ACTION_FIND_NEXT:
    case N1_ACTION_FIND_PREVIOUS:
        find(app, scene, action == N1_ACTION_FIND_NEXT ? 1 : -1, false, clock);
        return 0;
    case N1_ACTION_FLAME:
        toggle(app, N1_PANE_FLAME);
        return 0;
    case N1_ACTION_THREADS:
        toggle(app, N1_PANE_THREADS);
        return 0;
    case N1_ACTION_MEMORY:
        toggle(app, N1_PANE_MEMORY);
        return 0;
    case N1_ACTION_WAITS:
        toggle(app, N1_PANE_WAITS);
        return N1_EFFECT_UPDATE;
    case N1_ACTION_OF:
        return next_of(app, clock);
    case N1_ACTION_MEMORY_MARK:
        app->memory_mark = app->memory_mark ? 0 : scene->now;
        if (!(n1_app_panes(app) & N1_PANE_BIT(N1_PANE_MEMORY)))
            toggle(app, N1_PANE_MEMORY);
        n1_app_say(app, N1_ROLE_LOG_INFO, clock,
                   app->memory_mark ? "memory: growth since now" : "memory: no mark");
        return N1_EFFECT_UPDATE;
    case N1_ACTION_DETAIL:
        toggle(app, N1_PANE_DETAIL);
        return 0;
    case N1_ACTION_SOURCE:
    case N1_ACTION_CODE:
        return n1_app_drill(app, scene, action == N1_ACTION_SOURCE ? N1_PANE_SOURCE : N1_PANE_CODE);
    case N1_ACTION_LOG:
        toggle(app, N1_PANE_LOG);
        return 0;
    case N1_ACTION_SORT:
        if (scene->compare.on) { /* by change it is; of time or of share is the question */
            app->compare.share = !app->compare.share;
            return travelled(app);
        }
        app->sort = (enum n1_sort)((app->sort + 1) % N1_SORT_COUNT);
        app->inverted = false;
        app->moved_at = -1e9;
        return 0;
    case N1_ACTION_INVERT:
        app->inverted = !app->inverted;
        app->moved_at = -1e9;
        return 0;
    case N1_ACTION_FRAMES: {
        static const char *const said[] = {"Python and native frames", "Python frames only",
                                           "native frames only"};
        app->frames = (enum n1_frames)((app->frames + 1) % N1_FRAMES_COUNT);
        n1_app_say(app, N1_ROLE_TEXT, clock, "%s", said[app->frames]);
        return N1_EFFECT_UPDATE;
    }
    case N1_ACTION_THREAD_NEXT:
    case N1_ACTION_THREAD_PREVIOUS:
        step_thread(app, scene, action == N1_ACTION_THREAD_NEXT ? 1 : -1);
        return N1_EFFECT_UPDATE;
    case N1_ACTION_SNAPSHOT:
        return N1_EFFECT_SNAPSHOT;
    case N1_ACTION_DETACH:
        if (scene->link != N1_LINK_LIVE)
            n1_app_say(app, N1_ROLE_LOG_WARN, clock, "nothing is being sampled that could go on");
        else if (app->read_only)
            n1_app_say(app, N1_ROLE_LOG_WARN, clock,
                       "this screen may only look: leave with q, the other one goes on");
        else
            open_prompt(app, N1_PROMPT_DETACH);
        return 0;
    case N1_ACTION_QUIT:
    case N1_ACTION_INTERRUPT:
        return N1_EFFECT_QUIT;
    case N1_ACTION_PAUSE:
        return pause(app, scene);
    case N1_ACTION_WINDOW:
        app->window = n1_app_windows[app->window + 1].name ? app->window + 1 : 0;
        app->sorted_by = -1;
        return N1_EFFECT_UPDATE;
    case N1_ACTION_ENTER:
    case N1_ACTION_RIGHT:
        return enter(app, scene, clock);
    case N1_ACTION_BACK:
    case N1_ACTION_LEFT:
        return back(app);
    case N1_ACTION_TIME_BACK:
    case N1_ACTION_TIME_FORWARD:
    case N1_ACTION_TIME_FAR_BACK:
    case N1_ACTION_TIME_FAR_FORWARD:
    case N1_ACTION_TIME_MARK:
    case N1_ACTION_TIME_LIVE:
        return travel(app, scene, action);
    case N1_ACTION_COMPARE:
    case N1_ACTION_COMPARE_KEEP:
    case N1_ACTION_COMPARE_FILE:
        return compare(app, scene, action, clock);
    case N1_ACTION_PANE_1:
    case N1_ACTION_PANE_2:
    case N1_ACTION_PANE_3:
    case N1_ACTION_PANE_4:
    case N1_ACTION_PANE_5:
    case N1_ACTION_PANE_6:
        n1_app_focus(app, numbered[action - N1_ACTION_PANE_1]);
        return 0;
    case N1_ACTION_ZOOM:
        zoom(app, scene, clock);
        return 0;
    case N1_ACTION_FLIP:
        app->flame.flipped = !app->flame.flipped;
        return 0;
    case N1_ACTION_COLOR:
        app->flame_color = (enum n1_flame_color)((app->flame_color + 1) % N1_FLAME_COLOR_COUNT);
        n1_app_say(app, N1_ROLE_LOG_INFO, clock, "flame: colour by %s", flame_colors[app->flame_color]);
        return 0;
    case N1_ACTION_NEXT_PANE:
    case N1_ACTION_PREVIOUS_PANE:
        next_pane(app, action == N1_ACTION_NEXT_PANE ? 1 : -1);
        return 0;
    case N1_ACTION_SLOWER:
    case N1_ACTION_FASTER:
    case N1_ACTION_REFRESH_DEFAULT:
        set_refresh(app, action, clock);
        return 0;
    case N1_ACTION_MOTION:
        app->motion = app->motion == N1_SPARK_SWEEP ? N1_SPARK_SCROLL : N1_SPARK_SWEEP;
        return 0;
    case N1_ACTION_LOW:
        app->line.by_hand = true;
        n1_app_low_bandwidth(app, app->line.low ? NULL : "asked for with L", clock);
        return 0;
    case N1_ACTION_COPY:
        return N1_EFFECT_COPY;
    case N1_ACTION_PRINT:
        return N1_EFFECT_PRINT;
    case N1_ACTION_KEEP:
        return N1_EFFECT_KEEP;
    case N1_ACTION_REPAINT:
        return N1_EFFECT_REPAINT;
    case N1_ACTION_SUSPEND:
        return N1_EFFECT_SUSPEND;
    default:
        return 0;
    }
}

/* Help is a page to scroll: no selection, so the top line moves. */
static unsigned help_key(struct n1_app *app, enum n1_action action)
{
    int page = app->rows - 2, last = n1_view_help_lines() - page, *top = &app->help.top;
    switch (action) {
    case N1_ACTION_HELP:
    case N1_ACTION_BACK:
    case N1_ACTION_LEFT:
    case N1_ACTION_ENTER:
    case N1_ACTION_QUIT:
        app->help_open = false;
        return 0;
    case N1_ACTION_UP:
    case N1_ACTION_DOWN:
        *top += action == N1_ACTION_UP ? -1 : 1;
        break;
    case N1_ACTION_PAGE_UP:
    case N1_ACTION_PAGE_DOWN:
    case N1_ACTION_PAUSE: /* Space turns the page, as in every pager */
        *top += action == N1_ACTION_PAGE_UP ? -page : page;
        break;
    case N1_ACTION_TOP:
    case N1_ACTION_BOTTOM:
        *top = action == N1_ACTION_TOP ? 0 : last;
        break;
    case N1_ACTION_INTERRUPT:
        return N1_EFFECT_QUIT;
    case N1_ACTION_SUSPEND:
        return N1_EFFECT_SUSPEND;
    case N1_ACTION_REPAINT:
        return N1_EFFECT_REPAINT;
    default:
        break;
    }
    *top = *top > last ? last : *top;
    *top = *top < 0 ? 0 : *top;
    return 0;
}

unsigned n1_app_key(struct n1_app *app, const struct n1_scene *scene, uint32_t key, double clock)
{
    if (app->prompt != N1_PROMPT_NONE)
        return prompt_key(app, scene, key, clock);
    enum n1_action action = n1_keys_action(key);
    if (app->help_open)
        return help_key(app, action);
    if (move(app, scene, action, clock))
        return 0;
    return act(app, scene, action, clock);
}
