/*
 * Drawing on cells. Every way to write a cell ends in set_cell(), which keeps the rule for wide characters: a
 * wide one owns two cells, and whoever overwrites one half blanks the other.
 */
#include "tui/canvas.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char role_letters[N1_ROLE_COUNT] = {
#define X(id, name, letter) letter,
    N1_ROLE_MAP(X)
#undef X
};

static const struct n1_cell blank = {{' '}, 1, N1_ROLE_TEXT, {0}};

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

int n1_canvas_init(struct n1_canvas *canvas, int rows, int cols, const struct n1_glyphs *glyphs)
{
    rows = clamp(rows, 1, 1000);
    cols = clamp(cols, 1, 1000);
    struct n1_cell *cells = malloc((size_t)rows * (size_t)cols * sizeof *cells);
    if (cells == NULL)
        return -ENOMEM;
    *canvas = (struct n1_canvas){.rows = rows, .cols = cols, .cells = cells, .glyphs = glyphs};
    n1_canvas_erase(canvas);
    return 0;
}

void n1_canvas_finish(struct n1_canvas *canvas)
{
    free(canvas->cells);
    *canvas = (struct n1_canvas){0};
}

void n1_canvas_erase(struct n1_canvas *canvas)
{
    canvas->clip = (struct n1_rect){0, 0, canvas->rows, canvas->cols};
    for (int i = 0; i < canvas->rows * canvas->cols; i++)
        canvas->cells[i] = blank;
}

struct n1_rect n1_canvas_enter(struct n1_canvas *canvas, struct n1_rect rect)
{
    struct n1_rect before = canvas->clip;
    int row = clamp(rect.row, 0, before.rows), col = clamp(rect.col, 0, before.cols);
    int end_row = clamp(rect.row + rect.rows, row, before.rows);
    int end_col = clamp(rect.col + rect.cols, col, before.cols);
    canvas->clip = (struct n1_rect){before.row + row, before.col + col, end_row - row, end_col - col};
    return before;
}

void n1_canvas_leave(struct n1_canvas *canvas, struct n1_rect before)
{
    canvas->clip = before;
}

int n1_canvas_rows(const struct n1_canvas *canvas)
{
    return canvas->clip.rows;
}

int n1_canvas_cols(const struct n1_canvas *canvas)
{
    return canvas->clip.cols;
}

static bool visible(const struct n1_canvas *canvas, int row, int col)
{
    return row >= 0 && row < canvas->clip.rows && col >= 0 && col < canvas->clip.cols;
}

static struct n1_cell *cell_at(struct n1_canvas *canvas, int row, int col)
{
    return &canvas->cells[(canvas->clip.row + row) * canvas->cols + canvas->clip.col + col];
}

static void set_cell(struct n1_canvas *canvas, int row, int col, struct n1_cell cell)
{
    struct n1_cell *at = cell_at(canvas, row, col);
    int absolute = canvas->clip.col + col;
    if (at->cols == 0 && absolute > 0)
        at[-1] = (struct n1_cell){{' '}, 1, at[-1].role, {0}};
    if (at->cols == 2 && absolute + 1 < canvas->cols)
        at[1] = (struct n1_cell){{' '}, 1, at[1].role, {0}};
    if (cell.cols == 2) {
        if (at[1].cols == 2 && absolute + 2 < canvas->cols)
            at[2] = (struct n1_cell){{' '}, 1, at[2].role, {0}};
        at[1] = (struct n1_cell){{0}, 0, cell.role, {0}};
    }
    *at = cell;
}

void n1_canvas_put(struct n1_canvas *canvas, int row, int col, uint32_t rune, enum n1_role role)
{
    if (canvas->glyphs->ascii && rune > 0x7e)
        rune = '?';
    if (visible(canvas, row, col))
        set_cell(canvas, row, col, (struct n1_cell){{rune}, 1, (uint8_t)role, {0}});
}

void n1_canvas_fill(struct n1_canvas *canvas, int row, int col, int cols, uint32_t rune, enum n1_role role)
{
    for (int i = 0; i < cols && col + i < canvas->clip.cols; i++)
        n1_canvas_put(canvas, row, col + i, rune, role);
}

int n1_canvas_text(struct n1_canvas *canvas, int row, int col, enum n1_role role, const char *text)
{
    int last = -1;
    while (*text) {
        uint32_t rune;
        int width = n1_text_next(&text, &rune);
        if (canvas->glyphs->ascii && rune > 0x7e) {
            if (width == 0)
                continue;
            rune = '?';
            width = 1;
        }
        if (width == 0) {
            if (last >= 0 && visible(canvas, row, last)) {
                struct n1_cell *base = cell_at(canvas, row, last);
                if (base->rune[1] == 0)
                    base->rune[1] = rune;
                else if (base->rune[2] == 0)
                    base->rune[2] = rune;
            }
            continue;
        }
        if (visible(canvas, row, col) && visible(canvas, row, col + width - 1))
            set_cell(canvas, row, col, (struct n1_cell){{rune}, (uint8_t)width, (uint8_t)role, {0}});
        else if (visible(canvas, row, col)) /* half of a wide character at the edge */
            set_cell(canvas, row, col, (struct n1_cell){{' '}, 1, (uint8_t)role, {0}});
        last = col;
        col += width;
        if (col >= canvas->clip.cols)
            break;
    }
    return col;
}

int n1_canvas_textf(struct n1_canvas *canvas, int row, int col, enum n1_role role, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return n1_canvas_text(canvas, row, col, role, text);
}

int n1_canvas_text_cut(struct n1_canvas *canvas, int row, int col, int cols, enum n1_role role,
                       const char *text, enum n1_text_cut cut)
{
    char out[1024];
    if (cols > canvas->clip.cols - col)
        cols = canvas->clip.cols - col;
    if (cols <= 0)
        return 0;
    n1_text_cut(out, sizeof out, text, cols, cut, canvas->glyphs->ellipsis);
    return n1_canvas_text(canvas, row, col, role, out) - col;
}

void n1_canvas_text_right(struct n1_canvas *canvas, int row, int end, int cols, enum n1_role role,
                          const char *text)
{
    char out[256];
    int used = n1_text_cut(out, sizeof out, text, cols, N1_CUT_START, canvas->glyphs->ellipsis);
    n1_canvas_text(canvas, row, end - used, role, out);
}

void n1_canvas_paint(struct n1_canvas *canvas, int row, int col, int cols, enum n1_role role)
{
    for (int i = 0; i < cols; i++) {
        if (visible(canvas, row, col + i))
            cell_at(canvas, row, col + i)->role = (uint8_t)role;
    }
}

void n1_canvas_bar(struct n1_canvas *canvas, int row, int col, int cols, double fraction, enum n1_role role)
{
    if (isnan(fraction) || fraction <= 0)
        return;
    int full = (int)lround(fmin(fraction, 1) * cols);
    n1_canvas_fill(canvas, row, col, full, canvas->glyphs->bar, role);
}

/* Level 0..levels-1 of a value under `max`; -1 when unknown. */
static int level_of(double value, double max, int levels)
{
    if (!isfinite(value))
        return -1;
    if (!(max > 0))
        return 0;
    return clamp((int)lround(value / max * (levels - 1)), 0, levels - 1);
}

static double value_at(const struct n1_spark *spark, uint64_t index)
{
    if (index < spark->first || index - spark->first >= spark->count)
        return NAN;
    return spark->values[index - spark->first];
}

/* Two columns of dots, each filled from the bottom up to its level + 1. */
static uint32_t braille(int left, int right)
{
    static const uint8_t left_dots[] = {0, 0x40, 0x44, 0x46, 0x47},
                         right_dots[] = {0, 0x80, 0xa0, 0xb0, 0xb8};
    return 0x2800u + left_dots[left + 1] + right_dots[right + 1];
}

void n1_canvas_spark(struct n1_canvas *canvas, int row, int col, int cols, const struct n1_spark *spark)
{
    const struct n1_glyphs *glyphs = canvas->glyphs;
    int per_cell = glyphs->braille ? 2 : 1;
    int gap = spark->motion == N1_SPARK_SWEEP ? 2 : 0;
    if (cols <= gap)
        return;
    uint64_t end = spark->first + spark->count; /* index after the newest value */
    uint64_t shown = (uint64_t)(cols - gap) * (uint64_t)per_cell;
    double max = spark->max;
    if (!(max > 0)) {
        max = 0;
        for (uint64_t i = end > shown ? end - shown : 0; i < end; i++) {
            double value = value_at(spark, i);
            if (isfinite(value) && value > max)
                max = value;
        }
    }
    /* Cells are numbered without end; cell k shows the values k * per_cell …; the newest cell is `head`. */
    uint64_t head = end > 0 ? (end - 1) / (uint64_t)per_cell : 0;
    for (int i = 0; i < cols; i++) {
        uint64_t cell;
        if (gap) {
            uint64_t lap = head / (uint64_t)cols * (uint64_t)cols;
            int at = (int)(head % (uint64_t)cols);
            if ((i > at && i <= at + gap) || (i + cols <= at + gap)) {
                n1_canvas_put(canvas, row, col + i, ' ', spark->role);
                continue;
            }
            if (i > at && lap == 0) {
                n1_canvas_put(canvas, row, col + i, glyphs->no_data, N1_ROLE_DIM);
                continue;
            }
            cell = i <= at ? lap + (uint64_t)i : lap - (uint64_t)cols + (uint64_t)i;
        } else {
            if (head + 1 + (uint64_t)i < (uint64_t)cols) {
                n1_canvas_put(canvas, row, col + i, glyphs->no_data, N1_ROLE_DIM);
                continue;
            }
            cell = head + 1 + (uint64_t)i - (uint64_t)cols;
        }
        int left = level_of(value_at(spark, cell * (uint64_t)per_cell), max, glyphs->levels);
        if (glyphs->braille) {
            int right = level_of(value_at(spark, cell * 2 + 1), max, glyphs->levels);
            if (left < 0 && right < 0)
                n1_canvas_put(canvas, row, col + i, glyphs->no_data, N1_ROLE_DIM);
            else
                n1_canvas_put(canvas, row, col + i, braille(left, right), spark->role);
        } else if (left < 0) { /* in the graph's colour: two changes of colour cost more than the cell */
            n1_canvas_put(canvas, row, col + i, glyphs->no_data, spark->role);
        } else {
            n1_canvas_put(canvas, row, col + i, glyphs->level[left * 8 / glyphs->levels], spark->role);
        }
    }
}

void n1_canvas_level(struct n1_canvas *canvas, int row, int col, double value, double max, enum n1_role role)
{
    const struct n1_glyphs *glyphs = canvas->glyphs;
    int level = level_of(value, max, glyphs->levels);
    if (level < 0)
        n1_canvas_put(canvas, row, col, glyphs->no_data, N1_ROLE_DIM);
    else if (glyphs->braille)
        n1_canvas_put(canvas, row, col, braille(level, level), role);
    else
        n1_canvas_put(canvas, row, col, glyphs->level[level * 8 / glyphs->levels], role);
}

static void put_utf8(uint32_t rune, FILE *out)
{
    if (rune < 0x80) {
        putc((int)rune, out);
    } else if (rune < 0x800) {
        putc((int)(0xc0 | rune >> 6), out);
        putc((int)(0x80 | (rune & 0x3f)), out);
    } else if (rune < 0x10000) {
        putc((int)(0xe0 | rune >> 12), out);
        putc((int)(0x80 | (rune >> 6 & 0x3f)), out);
        putc((int)(0x80 | (rune & 0x3f)), out);
    } else {
        putc((int)(0xf0 | rune >> 18), out);
        putc((int)(0x80 | (rune >> 12 & 0x3f)), out);
        putc((int)(0x80 | (rune >> 6 & 0x3f)), out);
        putc((int)(0x80 | (rune & 0x3f)), out);
    }
}

void n1_canvas_dump(const struct n1_canvas *canvas, bool roles, FILE *out)
{
    for (int pass = 0; pass < (roles ? 2 : 1); pass++) {
        if (pass == 1)
            fputs("-- roles\n", out);
        for (int row = 0; row < canvas->rows; row++) {
            const struct n1_cell *cells = canvas->cells + row * canvas->cols;
            int end = canvas->cols;
            while (end > 0 && (pass ? cells[end - 1].role == N1_ROLE_TEXT
                                    : cells[end - 1].cols == 1 && cells[end - 1].rune[0] == ' '))
                end--;
            for (int col = 0; col < end; col++) {
                if (pass) {
                    putc(role_letters[cells[col].role], out);
                    continue;
                }
                for (int i = 0; i < N1_CELL_RUNES && cells[col].rune[i]; i++)
                    put_utf8(cells[col].rune[i], out);
            }
            putc('\n', out);
        }
    }
}
