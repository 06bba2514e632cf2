/*
 * The canvas: an array of cells {characters, role} that views draw on. It knows no terminal and no colour;
 * the screen compares two canvases and sends what differs, tests print them as text.
 *
 * Coordinates are rows and columns from 0 at the top left of the current clip rectangle; whatever falls
 * outside the clip is not drawn, so a view cannot harm its neighbour. One thread.
 */
#ifndef N1_TUI_CANVAS_H
#define N1_TUI_CANVAS_H

#include "tui/glyphs.h"
#include "tui/role.h"
#include "tui/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define N1_CELL_RUNES 3 /* a base character and up to two combining marks; further marks are left out */

struct n1_rect {
    int row, col, rows, cols;
};

struct n1_cell {
    uint32_t rune[N1_CELL_RUNES]; /* unused ones are 0 */
    uint8_t cols;                 /* 1, 2, or 0 for the right half of a wide character */
    uint8_t role;                 /* enum n1_role */
    uint8_t reserved[2];
};

struct n1_canvas {
    int rows, cols;
    struct n1_cell *cells; /* rows * cols, row by row */
    struct n1_rect clip;   /* absolute */
    const struct n1_glyphs *glyphs;
};

/* An empty canvas; sides are limited to 1..1000. Returns 0 or -ENOMEM. */
int n1_canvas_init(struct n1_canvas *canvas, int rows, int cols, const struct n1_glyphs *glyphs);
void n1_canvas_finish(struct n1_canvas *canvas);
/* Blanks every cell and resets the clip to the whole. */
void n1_canvas_erase(struct n1_canvas *canvas);

/* Clips to `rect`, given relative to the current clip and cut to it. Returns the clip to go back to with
 * leave. */
struct n1_rect n1_canvas_enter(struct n1_canvas *canvas, struct n1_rect rect);
void n1_canvas_leave(struct n1_canvas *canvas, struct n1_rect before);
/* Sides of the current clip. */
int n1_canvas_rows(const struct n1_canvas *canvas);
int n1_canvas_cols(const struct n1_canvas *canvas);

/* One character (one column wide) into one cell. */
void n1_canvas_put(struct n1_canvas *canvas, int row, int col, uint32_t rune, enum n1_role role);
/* Repeats a character over `cols` cells. */
void n1_canvas_fill(struct n1_canvas *canvas, int row, int col, int cols, uint32_t rune, enum n1_role role);
/* Text without a cut mark, at most to the clip's edge. Returns the column after it. */
int n1_canvas_text(struct n1_canvas *canvas, int row, int col, enum n1_role role, const char *text);
int n1_canvas_textf(struct n1_canvas *canvas, int row, int col, enum n1_role role, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Text cut to `cols` columns with the ellipsis of the glyph set. Returns the columns used. */
int n1_canvas_text_cut(struct n1_canvas *canvas, int row, int col, int cols, enum n1_role role,
                       const char *text, enum n1_text_cut cut);
/* Text that ends right before column `end` (cut at its beginning when it is longer than `cols`). */
void n1_canvas_text_right(struct n1_canvas *canvas, int row, int end, int cols, enum n1_role role,
                          const char *text);
/* Gives cells that are already drawn another role. */
void n1_canvas_paint(struct n1_canvas *canvas, int row, int col, int cols, enum n1_role role);
/* A horizontal bar of round(fraction * cols) cells; nothing when the fraction is NaN. */
void n1_canvas_bar(struct n1_canvas *canvas, int row, int col, int cols, double fraction, enum n1_role role);

enum n1_spark_motion {
    N1_SPARK_SWEEP, /* a write head moves, old cells stay: a refresh changes three cells */
    N1_SPARK_SCROLL /* the newest value stands at the right edge */
};

struct n1_spark {
    const double *values; /* oldest first; NaN is unknown */
    size_t count;
    uint64_t first; /* absolute index of values[0], so that a sweep keeps its place */
    double max;     /* value of the highest level; 0 or NaN: the largest value shown */
    enum n1_spark_motion motion;
    enum n1_role role;
};

/* A graph of one row. Zero is the lowest level, unknown is the glyph for no data, a sweep's gap is blank. */
void n1_canvas_spark(struct n1_canvas *canvas, int row, int col, int cols, const struct n1_spark *spark);

/* One value as one cell of a graph of height `max`; NaN is the glyph for no data. */
void n1_canvas_level(struct n1_canvas *canvas, int row, int col, double value, double max, enum n1_role role);

/* Writes the characters, then (when `roles`) one letter a cell; trailing blanks removed. For tests and dumps.
 */
void n1_canvas_dump(const struct n1_canvas *canvas, bool roles, FILE *out);

#endif
