/*
 * Views: each draws one pane from the scene and the state, and changes neither. A pane's view is a line of
 * n1_views; header, status, key bar and help are drawn by the frame. Coordinates are the pane's own.
 */
#ifndef N1_TUI_VIEWS_VIEW_H
#define N1_TUI_VIEWS_VIEW_H

#include "tui/app.h"
#include "tui/format.h"

struct n1_view {
    const char *name;
    enum n1_action key; /* that shows it, N1_ACTION_NONE: always there */
    int min_rows, min_cols;
    void (*draw)(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app);
    const char *help; /* what it shows and what its columns mean, lines of at most 76 columns */
};

extern const struct n1_view n1_view_source, n1_view_code;
extern const struct n1_view n1_view_table, n1_view_detail, n1_view_flame, n1_view_threads, n1_view_memory,
    n1_view_log, n1_view_waits;
/* By enum n1_pane. */
extern const struct n1_view *const n1_views[N1_PANE_COUNT];

void n1_view_header(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app);
/* The table while comparing. */
void n1_view_differences(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app);
/* Role of a change in text, and of a box of the flame pane. */
enum n1_role n1_view_change_role(enum n1_change change, bool box);
/* In the header's place of the two graphs while one travels in time: `rows` of CPU, memory and an axis. */
void n1_view_timeline(struct n1_canvas *canvas, int row, int rows, const struct n1_scene *scene,
                      const struct n1_app *app);
/* The clock of a model time, "14:02:10". */
void n1_view_clock(char out[N1_FORMAT_CAP], const struct n1_scene *scene, n1_ns time);
/* What is selected in the focused pane, in full. */
void n1_view_selected(const struct n1_scene *scene, const struct n1_app *app, const struct n1_glyphs *glyphs,
                      char *out, size_t cap);
/* The whole frame of a terminal too small for panes. */
void n1_view_one_line(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app);
void n1_view_status(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app,
                    double clock);
void n1_view_keys(struct n1_canvas *canvas);
void n1_view_help(struct n1_canvas *canvas, const struct n1_app *app);
int n1_view_help_lines(void);

/* A pane's title in its first row, marked when the pane has the focus. Returns the column after it. */
int n1_view_title(struct n1_canvas *canvas, const struct n1_app *app, enum n1_pane pane, const char *title);
/* Letter and role of a kind of function. */
char n1_view_kind_letter(enum n1_function_kind kind);
enum n1_role n1_view_kind_role(enum n1_function_kind kind);
/* Role of a share: the more, the hotter. */
enum n1_role n1_view_heat(double percent);
/* Right-aligned figure in `cols` columns that end before `end`. */
void n1_view_percent(struct n1_canvas *canvas, int row, int end, int cols, enum n1_role role, double percent);
/* "CPU", "waits", "CPU and waits": what times are of. */
const char *n1_view_of(enum n1_profile_of of);
/* Why there are no functions to show. */
const char *n1_view_nothing(const struct n1_scene *scene, const struct n1_app *app);

#endif
