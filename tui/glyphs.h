/*
 * Glyph sets: which characters draw graphs, edges and marks. Chosen once by locale and terminal (or
 * --glyphs), never by a view. Any thread; the tables are constant.
 */
#ifndef N1_TUI_GLYPHS_H
#define N1_TUI_GLYPHS_H

#include <stdbool.h>
#include <stdint.h>

enum n1_glyph_set {
    N1_GLYPH_SET_BLOCK,
    N1_GLYPH_SET_BRAILLE,
    N1_GLYPH_SET_SHADE,
    N1_GLYPH_SET_ASCII,
    N1_GLYPH_SET_COUNT
};

struct n1_glyphs {
    const char *name;
    bool ascii;        /* every other character becomes '?' */
    bool braille;      /* graphs hold two values a cell */
    int levels;        /* how many of level[] are distinct */
    uint32_t level[8]; /* graph levels, lowest first; even zero is visible, unknown is not a level */
    uint32_t no_data;  /* a graph cell whose value is unknown */
    uint32_t bar, hline, vline, cursor, up, down, flat;
    const char *ellipsis; /* one column: something was cut */
    const char *rest;     /* one column: things too small to draw */
    const char *unknown;  /* one column: a figure that is not known */
    bool coarse;          /* whole percents: the line is short of bytes */
};

const struct n1_glyphs *n1_glyphs_get(enum n1_glyph_set set);

/* What the locale (nl_langinfo, so after setlocale) and the terminal's name allow; `term` may be NULL.
 * Braille is never chosen by itself: fonts without it are the most frequent complaint about such programs. */
enum n1_glyph_set n1_glyphs_detect(const char *term);

/* Parses auto, braille, block or ascii. Returns 0, or -EINVAL and leaves *ret alone. */
int n1_glyphs_parse(const char *word, const char *term, enum n1_glyph_set *ret);

#endif
