/*
 * Where the panes go: a pure function from the terminal's size and the panes asked for to rectangles that
 * never overlap and never leave the screen. Pieces drop out by height (key bar, then log, then graphs) and by
 * width (side columns); only below 20x5 is there nothing but one line. Any thread.
 */
#ifndef N1_TUI_LAYOUT_H
#define N1_TUI_LAYOUT_H

#include "tui/canvas.h"

#include <stdbool.h>

/* X(id, name) — panes a user can see and focus, in the order of Tab. The first is always there, unless SOURCE
 * or CODE, to which one drills down from it, stand in its place. */
#define N1_PANE_MAP(X)                                                                                       \
    X(TABLE, "functions")                                                                                    \
    X(SOURCE, "lines")                                                                                       \
    X(CODE, "instructions")                                                                                  \
    X(DETAIL, "callers")                                                                                     \
    X(FLAME, "flame")                                                                                        \
    X(THREADS, "threads")                                                                                    \
    X(MEMORY, "memory")                                                                                      \
    X(WAITS, "waits")                                                                                        \
    X(LOG, "log")

enum n1_pane {
#define X(id, name) N1_PANE_##id,
    N1_PANE_MAP(X)
#undef X
        N1_PANE_COUNT
};
#define N1_PANE_BIT(pane) (1u << (pane))
/* In `wanted`: the header is a timeline to travel on, two graphs as wide as the screen and an axis. */
#define N1_LAYOUT_TIMELINE (1u << 31)

struct n1_layout {
    bool one_line;                      /* too small: only `header` is set, one row */
    struct n1_rect header;              /* 1 to 5 rows */
    struct n1_rect pane[N1_PANE_COUNT]; /* rows 0: not shown */
    struct n1_rect status;              /* 1 row: breadcrumb, state, prompt */
    struct n1_rect keys;                /* key bar, 0 or 1 row */
    int gutter[2];                      /* columns of vertical rules in the body, -1: none */
    int gutter_row, gutter_rows;        /* rows that the rules span */
};

/* `wanted`: bits of panes; the log is given room when there is any, asked for or not. `focus` is always
 * shown. Sides below 1 count as 1. */
void n1_layout_compute(int rows, int cols, unsigned wanted, enum n1_pane focus, struct n1_layout *ret);

/* Panes that are on by default at a size. */
unsigned n1_layout_default(int rows, int cols);

#endif
