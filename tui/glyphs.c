/* The glyph tables. SHADE is for the Linux console, whose font has few block elements. */
#include "tui/glyphs.h"

#include <errno.h>
#include <langinfo.h>
#include <stddef.h>
#include <string.h>

static const struct n1_glyphs sets[N1_GLYPH_SET_COUNT] = {
    [N1_GLYPH_SET_BLOCK] = {"block",
                            false,
                            false,
                            8,
                            {0x2581, 0x2582, 0x2583, 0x2584, 0x2585, 0x2586, 0x2587, 0x2588},
                            0xb7,
                            0x2588,
                            0x2500,
                            0x2502,
                            0x25b8,
                            0x25b2,
                            0x25bc,
                            0x2500,
                            "\xe2\x80\xa6",
                            "\xe2\x80\xa5",
                            "\xe2\x80\x93"},
    [N1_GLYPH_SET_BRAILLE] = {"braille",
                              false,
                              true,
                              4,
                              {0x2581, 0x2582, 0x2583, 0x2584, 0x2585, 0x2586, 0x2587, 0x2588},
                              0xb7,
                              0x2588,
                              0x2500,
                              0x2502,
                              0x25b8,
                              0x25b2,
                              0x25bc,
                              0x2500,
                              "\xe2\x80\xa6",
                              "\xe2\x80\xa5",
                              "\xe2\x80\x93"},
    [N1_GLYPH_SET_SHADE] = {"shade",
                            false,
                            false,
                            4,
                            {0x2591, 0x2591, 0x2592, 0x2592, 0x2593, 0x2593, 0x2588, 0x2588},
                            0xb7,
                            0x2588,
                            0x2500,
                            0x2502,
                            '>',
                            '^',
                            'v',
                            0x2500,
                            "~",
                            "+",
                            "-"},
    [N1_GLYPH_SET_ASCII] = {"ascii",
                            true,
                            false,
                            8,
                            {'.', ':', '-', '=', '+', '*', '#', '@'},
                            ' ',
                            '#',
                            '-',
                            '|',
                            '>',
                            '^',
                            'v',
                            '-',
                            "~",
                            "+",
                            "-"},
};

const struct n1_glyphs *n1_glyphs_get(enum n1_glyph_set set)
{
    return &sets[set < N1_GLYPH_SET_COUNT ? set : N1_GLYPH_SET_ASCII];
}

enum n1_glyph_set n1_glyphs_detect(const char *term)
{
    const char *codeset = nl_langinfo(CODESET);
    if (codeset == NULL || (strcmp(codeset, "UTF-8") != 0 && strcmp(codeset, "utf8") != 0))
        return N1_GLYPH_SET_ASCII;
    if (term != NULL && (strcmp(term, "linux") == 0 || strncmp(term, "linux-", 6) == 0))
        return N1_GLYPH_SET_SHADE;
    if (term != NULL && strncmp(term, "vt", 2) == 0)
        return N1_GLYPH_SET_ASCII;
    return N1_GLYPH_SET_BLOCK;
}

int n1_glyphs_parse(const char *word, const char *term, enum n1_glyph_set *ret)
{
    if (strcmp(word, "auto") == 0)
        *ret = n1_glyphs_detect(term);
    else if (strcmp(word, "braille") == 0)
        *ret = N1_GLYPH_SET_BRAILLE;
    else if (strcmp(word, "block") == 0)
        *ret = N1_GLYPH_SET_BLOCK;
    else if (strcmp(word, "ascii") == 0)
        *ret = N1_GLYPH_SET_ASCII;
    else
        return -EINVAL;
    return 0;
}
