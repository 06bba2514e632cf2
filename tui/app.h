/*
 * The state of the screen: what is shown where, what is selected, what is being typed; and what a key does to
 * it. Knows no terminal and no clock of its own, so that a test can press keys and look. Main thread.
 */
#ifndef N1_TUI_APP_H
#define N1_TUI_APP_H

#include "tui/canvas.h"
#include "tui/flame.h"
#include "tui/layout.h"
#include "tui/list.h"
#include "tui/scene.h"
#include "tui/source.h"
#include "tui/travel.h"

#include <stdbool.h>

#define N1_INPUT_CAP 128
#define N1_BACK_MAX 32
#define N1_TIMELINE_MARGIN 14 /* columns of label and value before the timeline */

/* X(id, name shown) — sort orders of the function table */
#define N1_SORT_MAP(X)                                                                                       \
    X(SELF, "self")                                                                                          \
    X(TOTAL, "total")                                                                                        \
    X(NAME, "name")                                                                                          \
    X(MODULE, "module")

enum n1_sort {
#define X(id, name) N1_SORT_##id,
    N1_SORT_MAP(X)
#undef X
        N1_SORT_COUNT
};

/* X(id, name shown) — what the colours of the flame pane tell. */
#define N1_FLAME_COLOR_MAP(X)                                                                                \
    X(AUTO, "kind, or change while comparing")                                                               \
    X(MODULE, "module")                                                                                      \
    X(HEAT, "own time")                                                                                      \
    X(KIND, "kind")

enum n1_flame_color {
#define X(id, name) N1_FLAME_COLOR_##id,
    N1_FLAME_COLOR_MAP(X)
#undef X
        N1_FLAME_COLOR_COUNT
};

enum n1_prompt { N1_PROMPT_NONE, N1_PROMPT_FIND, N1_PROMPT_FILTER, N1_PROMPT_DETACH, N1_PROMPT_COMPARE };

/* What the owner of the loop has to do after a key; bits. */
enum n1_effect {
    N1_EFFECT_QUIT = 1,
    N1_EFFECT_UPDATE = 2, /* the question has changed: take a new picture */
    N1_EFFECT_REPAINT = 4,
    N1_EFFECT_SUSPEND = 8,
    N1_EFFECT_SNAPSHOT = 16,
    N1_EFFECT_COPY = 512,    /* what is selected, to the clipboard */
    N1_EFFECT_PRINT = 1024,  /* the screen as text */
    N1_EFFECT_KEEP = 2048,   /* the habits, for the next time */
    N1_EFFECT_COMPARE = 256, /* read the file of compare_path */
    N1_EFFECT_DETACH = 32    /* app->input: for how long, "": as configured */
};

struct n1_app {
    /* geometry */
    int rows, cols;
    struct n1_layout layout;
    unsigned wanted; /* panes the user has; 0: the defaults of the size */
    enum n1_pane focus;
    /* the function table: order and selection */
    enum n1_sort sort;
    bool inverted;
    int sorted_by;       /* the order the rows are in */
    uint64_t *ids;       /* stable ids in the order shown */
    uint32_t *functions; /* index in the profile of each; while comparing, in the scene's differences */
    size_t row_count, row_capacity;
    struct n1_list table;
    uint64_t selected; /* stable id; 0: whatever is first */
    double moved_at;   /* seconds of the loop's clock when the selection was last moved */
    uint64_t back[N1_BACK_MAX];
    size_t back_len;
    /* callers and callees of the selected function */
    struct n1_profile_edge callers[N1_SCENE_EDGES], callees[N1_SCENE_EDGES];
    size_t caller_count, callee_count;
    struct n1_list detail; /* rows: callers, then callees */
    struct n1_list threads, log, waits, help;
    /* lines and instructions of the selected function */
    enum n1_pane came_from; /* where one drilled down from */
    uint64_t placed;        /* function for which the selections below were made, 0: none yet */
    bool line_placed, code_placed;
    struct n1_source source;
    struct n1_code code;
    char file[512]; /* shown; of several that a function's lines are in, the hottest */
    struct n1_list lines, instructions;
    uint32_t thread_selected; /* tid, 0: the row decides */
    struct n1_flame flame;
    enum n1_flame_color flame_color;
    /* what is asked of the model */
    enum n1_profile_of of; /* what table and flame pane add up */
    enum n1_frames frames; /* Python and native, or one of them */
    uint32_t thread_tid;   /* filter, 0: all */
    int window;            /* index into n1_app_windows */
    bool paused;
    n1_ns paused_at;
    n1_ns created; /* of the model */
    struct n1_travel travel;
    n1_ns memory_mark; /* growth is shown since then; 0: none */
    struct n1_compare compare;
    struct n1_saved *saved; /* of N1_COMPARE_SAVED; the loop's */
    char compare_path[N1_INPUT_CAP];
    /* typing */
    enum n1_prompt prompt;
    char input[N1_INPUT_CAP], find[N1_INPUT_CAP], filter[N1_INPUT_CAP];
    bool help_open;
    bool read_only; /* another screen controls the sampler; set by the owner */
    /* habits */
    unsigned refresh_ms;
    enum n1_spark_motion motion;
    struct {
        bool low, by_hand; /* few bytes; the user decided so or otherwise */
        char why[80];      /* it is low */
        double bytes_s;    /* sent to the terminal; set by the owner */
    } line;
    /* a line of news in the status row */
    char message[256];
    enum n1_role message_role;
    double message_until;
};

struct n1_app_window {
    const char *name;
    n1_ns span; /* 0: everything */
};
extern const struct n1_app_window n1_app_windows[];

void n1_app_init(struct n1_app *app, int rows, int cols);
void n1_app_finish(struct n1_app *app);
/* The panes the user has, or those of the size. */
unsigned n1_app_panes(const struct n1_app *app);
/* Goes to few bytes, or back (why NULL). */
void n1_app_low_bandwidth(struct n1_app *app, const char *why, double clock);
/* Milliseconds between frames of the clock. */
unsigned n1_app_refresh_ms(const struct n1_app *app);
void n1_app_resize(struct n1_app *app, int rows, int cols);

/* The question that the state amounts to. */
struct n1_scene_query n1_app_query(const struct n1_app *app);
/* Puts the state in order over a new picture: rows, selection, edges, flame. `clock` is in seconds. */
void n1_app_sync(struct n1_app *app, const struct n1_scene *scene, double clock);
/* Carries out a key; returns effects. Needs a sync before the next draw. */
unsigned n1_app_key(struct n1_app *app, const struct n1_scene *scene, uint32_t key, double clock);
/* Index in the scene's places of the i-th line of the file shown, -1: beyond the last. */
ptrdiff_t n1_app_place(const struct n1_app *app, const struct n1_scene *scene, size_t i);
/* Shows a line in the status row for some seconds. */
void n1_app_say(struct n1_app *app, enum n1_role role, double clock, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Shows a pane and gives it the focus. */
void n1_app_focus(struct n1_app *app, enum n1_pane pane);
/* Draws the whole frame. */
void n1_app_draw(const struct n1_app *app, const struct n1_scene *scene, double clock,
                 struct n1_canvas *canvas);

/* Down to the lines or instructions of the selected function, and up again. Return effects. */
unsigned n1_app_drill(struct n1_app *app, const struct n1_scene *scene, enum n1_pane pane);
unsigned n1_app_rise(struct n1_app *app);
/* Part of n1_app_sync(). */
void n1_app_sync_places(struct n1_app *app, const struct n1_scene *scene);

/* Index in the profile of the selected function, -1 when there is none. */
ptrdiff_t n1_app_selected(const struct n1_app *app, const struct n1_scene *scene);
/* Name and module of a row of the table. False when there is no such row. */
bool n1_app_row_name(const struct n1_app *app, const struct n1_scene *scene, size_t row,
                     const char **ret_name, const char **ret_module);
/* Whether a name or module matches the find text; false when there is none. */
bool n1_app_matches_name(const char *find, const char *name, const char *module_name);
/* Whether a function matches the find text; false when there is none. */
bool n1_app_matches(const char *find, const struct n1_profile_function *function);
/* The selected row of the table moves to the function with this id. */
void n1_app_select(struct n1_app *app, uint64_t id, double clock);

#endif
