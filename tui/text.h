/*
 * Widths and cuts of UTF-8 text in terminal columns. The width of a character comes from libutf8proc, not
 * from the C library's locale, so that a frame is the same on every host. Pure functions, any thread.
 */
#ifndef N1_TUI_TEXT_H
#define N1_TUI_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Takes one code point from *text and moves *text past it; an invalid byte or a control gives '?'. Returns
 * its columns: 0 combining, 1, or 2. *ret_rune is 0 and *text stays at the end of the string. */
int n1_text_next(const char **text, uint32_t *ret_rune);

/* Columns that the whole text takes. */
int n1_text_cols(const char *text);

enum n1_text_cut {
    N1_CUT_END,      /* keep the beginning */
    N1_CUT_START,    /* keep the end: paths, whose last component matters */
    N1_CUT_MIDDLE,   /* keep both ends */
    N1_CUT_FUNCTION, /* fold template arguments and parameters first, then drop outer scopes, then cut the end
                      */
};

/* Writes `text` into `out`, cut to at most `cols` columns with `ellipsis` (one column) where something is
 * missing. Cuts only between characters. Returns the columns written. */
int n1_text_cut(char *out, size_t cap, const char *text, int cols, enum n1_text_cut cut,
                const char *ellipsis);

#endif
