/*
 * Themes: a look (colours and attributes) for every role, at five colour levels. What a theme leaves out is
 * derived downwards: 24-bit to 256 by the nearest of cube and grey ramp, 256 to 16 by the nearest, 16 to 8
 * with bold, 8 to attributes. File format: themes/README.md. Nothing here knows a terminal. Any thread.
 */
#ifndef N1_TUI_THEME_H
#define N1_TUI_THEME_H

#include "tui/role.h"

#include "n1/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum n1_color_level {
    N1_COLORS_MONO,
    N1_COLORS_8,
    N1_COLORS_16,
    N1_COLORS_256,
    N1_COLORS_RGB,
    N1_COLORS_LEVELS
};
#define N1_COLORS_AUTO (-1)

enum n1_attr { N1_ATTR_BOLD = 1, N1_ATTR_DIM = 2, N1_ATTR_UNDERLINE = 4, N1_ATTR_REVERSE = 8 };

#define N1_COLOR_DEFAULT (-1) /* the terminal's own */

/* One colour as a theme file gives it; a member is N1_COLOR_UNSET where the file says nothing. */
#define N1_COLOR_UNSET (-2)
struct n1_color {
    int32_t rgb;  /* 0xrrggbb, N1_COLOR_DEFAULT or N1_COLOR_UNSET */
    int16_t c256; /* 0..255 or the same */
    int16_t c16;  /* 0..15 or the same */
};

struct n1_theme_role {
    struct n1_color fg, bg;
    uint8_t attrs; /* enum n1_attr, at every level with colours */
    int16_t mono;  /* enum n1_attr without colours, or N1_COLOR_UNSET */
};

struct n1_theme {
    char name[64];
    bool light; /* made for a light background */
    struct n1_theme_role roles[N1_ROLE_COUNT];
};

/* What a terminal is told: colours are N1_COLOR_DEFAULT, 0xrrggbb at level RGB, or an index below 256, 16
 * or 8. */
struct n1_look {
    int32_t fg, bg;
    uint8_t attrs;
};

/* The theme inside the program (themes/default-dark.json as of the build). */
void n1_theme_builtin(struct n1_theme *ret);
/* Reads a theme's text. `source` names it in errors ("FILE:LINE:COLUMN: ..."); `folders` (NULL-terminated,
 * may be NULL) is where the theme it extends is looked for. On failure *ret is untouched. Errors:
 * N1_E_CONFIG. */
int n1_theme_parse(const char *text, size_t len, const char *source, const char *const *folders,
                   struct n1_theme *ret, struct n1_error *reterr);
/* Loads a theme by path (when `name` has a '/') or by name from the first folder that has NAME.json.
 * Errors: N1_E_NO_FILE, N1_E_CONFIG. On failure *ret is untouched. */
int n1_theme_load(const char *name, const char *const *folders, struct n1_theme *ret,
                  struct n1_error *reterr);
/* Names of the themes in `folders`, sorted, each once, separated by ", ", cut at `cap`. */
void n1_theme_list(const char *const *folders, char *out, size_t cap);

struct n1_look n1_theme_look(const struct n1_theme *theme, enum n1_role role, enum n1_color_level level);

/* Parses never, 8, 16, 256, rgb or auto (N1_COLORS_AUTO). Returns 0 or -EINVAL. */
int n1_color_parse(const char *word, int *ret);
/* The level to use: `asked` (--color) > NO_COLOR (non-empty) > COLORTERM > the terminal's description; never
 * more than the description can carry, because only what it describes can be sent. `term_colors` ≤ 0: none.
 */
enum n1_color_level n1_color_decide(int asked, const char *no_color, const char *colorterm, int term_colors,
                                    bool term_direct);

/* The 24-bit colour of an index of the 256 (xterm's standard palette), and the nearest index among the first
 * `n` (16 or 256; for 256 only the cube and the grey ramp are considered) to a 24-bit colour. */
uint32_t n1_color_rgb_of(int index);
int n1_color_nearest(uint32_t rgb, int n);

#endif
