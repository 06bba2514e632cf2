/*
 * Where the panes go. The screen is cut from the outside in: header, status and key bar, log, flame, then the
 * columns of the body. Each cut takes its rows or columns from what is left, so nothing can overlap.
 */
#include "tui/layout.h"

#define SIDE_COLS 36     /* threads and memory as a column of their own */
#define MIN_MAIN_COLS 58 /* the table with all that makes it useful */
#define MIN_DETAIL_COLS 44

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

static struct n1_rect take_top(struct n1_rect *from, int rows)
{
    rows = clamp(rows, 0, from->rows);
    struct n1_rect cut = {from->row, from->col, rows, from->cols};
    from->row += rows;
    from->rows -= rows;
    return cut;
}

static struct n1_rect take_bottom(struct n1_rect *from, int rows)
{
    rows = clamp(rows, 0, from->rows);
    struct n1_rect cut = {from->row + from->rows - rows, from->col, rows, from->cols};
    from->rows -= rows;
    return cut;
}

static struct n1_rect take_left(struct n1_rect *from, int cols)
{
    cols = clamp(cols, 0, from->cols);
    struct n1_rect cut = {from->row, from->col, from->rows, cols};
    from->col += cols;
    from->cols -= cols;
    return cut;
}

static struct n1_rect take_right(struct n1_rect *from, int cols)
{
    cols = clamp(cols, 0, from->cols);
    struct n1_rect cut = {from->row, from->col + from->cols - cols, from->rows, cols};
    from->cols -= cols;
    return cut;
}

static int header_rows(int rows, int cols, bool timeline)
{
    if (timeline && rows >= 14)
        return 5;
    if (rows >= 34 && cols >= 100)
        return 4;
    return rows >= 14 ? 3 : rows >= 8 ? 2 : 1;
}

/* The log below the body: a rule and at least one line. */
static int log_rows(int rows, bool focus)
{
    if (focus)
        return clamp(rows / 2, rows >= 8 ? 3 : 1, 20);
    return rows >= 56 ? 8 : rows >= 36 ? 5 : rows >= 24 ? 2 : 0;
}

/* Shares a column among the panes of `order` that are wanted, focus first to be kept, from the top down. */
static void stack(struct n1_layout *ret, struct n1_rect area, const enum n1_pane *order, int count,
                  unsigned wanted, enum n1_pane focus)
{
    enum n1_pane shown[N1_PANE_COUNT];
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (wanted & N1_PANE_BIT(order[i]))
            shown[n++] = order[i];
    }
    while (n > 1 && area.rows / n < 6) { /* too crowded: drop the last that has not the focus */
        int drop = shown[n - 1] == focus ? n - 2 : n - 1;
        for (int i = drop; i + 1 < n; i++)
            shown[i] = shown[i + 1];
        n--;
    }
    for (int i = 0; i < n; i++)
        ret->pane[shown[i]] = i + 1 == n ? area : take_top(&area, area.rows / (n - i));
}

/* The table, or what one has drilled down to from it: lines, instructions, or one above the other. */
static void main_pane(struct n1_layout *ret, struct n1_rect body, unsigned wanted, enum n1_pane focus)
{
    static const enum n1_pane levels[] = {N1_PANE_SOURCE, N1_PANE_CODE};
    unsigned bits = wanted & (N1_PANE_BIT(N1_PANE_SOURCE) | N1_PANE_BIT(N1_PANE_CODE));
    if (bits && focus != N1_PANE_TABLE)
        stack(ret, body, levels, 2, bits, focus == N1_PANE_SOURCE ? N1_PANE_SOURCE : N1_PANE_CODE);
    else
        ret->pane[N1_PANE_TABLE] = body;
}

static void columns(struct n1_layout *ret, struct n1_rect body, unsigned wanted, enum n1_pane focus)
{
    static const enum n1_pane left_order[] = {N1_PANE_MEMORY, N1_PANE_THREADS};
    static const enum n1_pane right_order[] = {N1_PANE_DETAIL, N1_PANE_WAITS, N1_PANE_MEMORY,
                                               N1_PANE_THREADS};
    unsigned left_bits = wanted & (N1_PANE_BIT(N1_PANE_MEMORY) | N1_PANE_BIT(N1_PANE_THREADS));
    bool wide = body.cols >= SIDE_COLS + 1 + 70 + 1 + MIN_DETAIL_COLS;
    ret->gutter_row = body.row;
    ret->gutter_rows = body.rows;
    if (body.cols < MIN_MAIN_COLS + 1 + MIN_DETAIL_COLS) { /* one pane at a time */
        bool below = focus == N1_PANE_LOG || focus == N1_PANE_FLAME;
        if (below || focus == N1_PANE_TABLE || focus == N1_PANE_SOURCE || focus == N1_PANE_CODE)
            main_pane(ret, body, wanted, focus);
        else
            ret->pane[focus] = body;
        return;
    }
    if (wide && left_bits) {
        stack(ret, take_left(&body, SIDE_COLS), left_order, 2, left_bits, focus);
        ret->gutter[0] = take_left(&body, 1).col;
        wanted &= ~left_bits;
    }
    unsigned right_bits = wanted & (left_bits | N1_PANE_BIT(N1_PANE_DETAIL) | N1_PANE_BIT(N1_PANE_WAITS));
    if (right_bits) {
        int cols = clamp(body.cols * 2 / 5, MIN_DETAIL_COLS, 90);
        stack(ret, take_right(&body, cols), right_order, 4, right_bits, focus);
        ret->gutter[1] = take_right(&body, 1).col;
    }
    main_pane(ret, body, wanted, focus);
}

void n1_layout_compute(int rows, int cols, unsigned wanted, enum n1_pane focus, struct n1_layout *ret)
{
    rows = rows < 1 ? 1 : rows;
    cols = cols < 1 ? 1 : cols;
    *ret = (struct n1_layout){.gutter = {-1, -1}};
    struct n1_rect body = {0, 0, rows, cols};
    if (rows < 5 || cols < 20) {
        ret->one_line = true;
        ret->header = take_top(&body, 1);
        return;
    }
    wanted |= N1_PANE_BIT(focus) | N1_PANE_BIT(N1_PANE_TABLE);
    ret->header = take_top(&body, header_rows(rows, cols, wanted & N1_LAYOUT_TIMELINE));
    if (rows >= 10)
        ret->keys = take_bottom(&body, 1);
    ret->status = take_bottom(&body, 1);
    if (focus == N1_PANE_LOG && body.rows < 6) { /* too low for both */
        ret->pane[N1_PANE_LOG] = body;
        return;
    }
    int log = log_rows(rows, focus == N1_PANE_LOG);
    if (log > body.rows - 2)
        log = focus == N1_PANE_LOG ? body.rows - 2 : 0;
    ret->pane[N1_PANE_LOG] = take_bottom(&body, log);
    if (wanted & N1_PANE_BIT(N1_PANE_FLAME)) {
        if (body.rows >= 14) {
            ret->pane[N1_PANE_FLAME] = take_bottom(&body, clamp(body.rows * 9 / 20, 6, 26));
        } else if (focus == N1_PANE_FLAME) { /* too low for both */
            ret->pane[N1_PANE_FLAME] = body;
            return;
        }
    }
    columns(ret, body, wanted, focus);
}

unsigned n1_layout_default(int rows, int cols)
{
    unsigned wanted = N1_PANE_BIT(N1_PANE_TABLE) | N1_PANE_BIT(N1_PANE_LOG);
    if (rows >= 32)
        wanted |= N1_PANE_BIT(N1_PANE_FLAME);
    if (cols >= MIN_MAIN_COLS + 1 + MIN_DETAIL_COLS)
        wanted |= N1_PANE_BIT(N1_PANE_DETAIL);
    if (cols >= SIDE_COLS + 1 + 70 + 1 + MIN_DETAIL_COLS)
        wanted |= N1_PANE_BIT(N1_PANE_MEMORY) | N1_PANE_BIT(N1_PANE_THREADS);
    return wanted;
}
