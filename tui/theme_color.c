/* Colour arithmetic of the themes: palettes, nearest colours, fall-backs and the choice of a level. */
#include "tui/theme.h"

#include <errno.h>
#include <string.h>

/* xterm's defaults of the first 16. */
static const uint32_t first16[16] = {0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd,
                                     0x00cdcd, 0xe5e5e5, 0x7f7f7f, 0xff0000, 0x00ff00, 0xffff00,
                                     0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff};

uint32_t n1_color_rgb_of(int index)
{
    static const uint32_t step[6] = {0x00, 0x5f, 0x87, 0xaf, 0xd7, 0xff};
    if (index < 0 || index > 255)
        return 0;
    if (index < 16)
        return first16[index];
    if (index < 232) {
        int cube = index - 16;
        return step[cube / 36] << 16 | step[cube / 6 % 6] << 8 | step[cube % 6];
    }
    return (uint32_t)(8 + (index - 232) * 10) * 0x010101u;
}

static int distance(uint32_t a, uint32_t b)
{
    int dr = (int)(a >> 16 & 255) - (int)(b >> 16 & 255);
    int dg = (int)(a >> 8 & 255) - (int)(b >> 8 & 255);
    int db = (int)(a & 255) - (int)(b & 255);
    return 3 * dr * dr + 6 * dg * dg + db * db; /* roughly how the eye weighs them */
}

int n1_color_nearest(uint32_t rgb, int n)
{
    int first = n > 16 ? 16 : 0, best = first;
    for (int i = first; i < n; i++) {
        if (distance(rgb, n1_color_rgb_of(i)) < distance(rgb, n1_color_rgb_of(best)))
            best = i;
    }
    return best;
}

/* Sets *bright when the colour only exists among the upper eight and the level has just eight. */
static int32_t resolve(struct n1_color color, enum n1_color_level level, bool *bright)
{
    *bright = false;
    if (level == N1_COLORS_RGB) {
        if (color.rgb != N1_COLOR_UNSET)
            return color.rgb;
        if (color.c256 != N1_COLOR_UNSET)
            return color.c256 < 0 ? N1_COLOR_DEFAULT : (int32_t)n1_color_rgb_of(color.c256);
        return color.c16 < 0 ? N1_COLOR_DEFAULT : (int32_t)n1_color_rgb_of(color.c16);
    }
    if (level == N1_COLORS_256) {
        if (color.c256 != N1_COLOR_UNSET)
            return color.c256;
        if (color.rgb != N1_COLOR_UNSET)
            return color.rgb < 0 ? N1_COLOR_DEFAULT : n1_color_nearest((uint32_t)color.rgb, 256);
        return color.c16 < 0 ? N1_COLOR_DEFAULT : color.c16;
    }
    int32_t index = color.c16;
    if (index == N1_COLOR_UNSET && color.c256 != N1_COLOR_UNSET)
        index = color.c256 < 0 ? N1_COLOR_DEFAULT : n1_color_nearest(n1_color_rgb_of(color.c256), 16);
    if (index == N1_COLOR_UNSET)
        index = color.rgb < 0 ? N1_COLOR_DEFAULT : n1_color_nearest((uint32_t)color.rgb, 16);
    if (level == N1_COLORS_8 && index >= 8) {
        *bright = true;
        index -= 8;
    }
    return index;
}

static bool has_background(struct n1_color color)
{
    return color.rgb >= 0 || color.c256 >= 0 || color.c16 >= 0;
}

struct n1_look n1_theme_look(const struct n1_theme *theme, enum n1_role role, enum n1_color_level level)
{
    const struct n1_theme_role *spec = &theme->roles[role];
    struct n1_look look = {N1_COLOR_DEFAULT, N1_COLOR_DEFAULT, spec->attrs};
    if (level == N1_COLORS_MONO) {
        if (spec->mono != N1_COLOR_UNSET)
            look.attrs = (uint8_t)spec->mono;
        else if (has_background(spec->bg))
            look.attrs |= N1_ATTR_REVERSE;
        return look;
    }
    bool bright_fg, bright_bg;
    look.fg = resolve(spec->fg, level, &bright_fg);
    look.bg = resolve(spec->bg, level, &bright_bg);
    if (level == N1_COLORS_8 && bright_fg && look.fg == 0 && look.bg <= 0) {
        look.fg = N1_COLOR_DEFAULT; /* bright black would be black on black */
        look.attrs |= N1_ATTR_DIM;
    } else if (bright_fg) {
        look.attrs |= N1_ATTR_BOLD;
    }
    return look;
}

int n1_color_parse(const char *word, int *ret)
{
    static const struct {
        const char *word;
        int level;
    } words[] = {{"auto", N1_COLORS_AUTO}, {"never", N1_COLORS_MONO}, {"8", N1_COLORS_8},
                 {"16", N1_COLORS_16},     {"256", N1_COLORS_256},    {"rgb", N1_COLORS_RGB}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].word, word) == 0) {
            *ret = words[i].level;
            return 0;
        }
    }
    return -EINVAL;
}

enum n1_color_level n1_color_decide(int asked, const char *no_color, const char *colorterm, int term_colors,
                                    bool term_direct)
{
    enum n1_color_level most = term_direct          ? N1_COLORS_RGB
                               : term_colors >= 256 ? N1_COLORS_256
                               : term_colors >= 16  ? N1_COLORS_16
                               : term_colors >= 8   ? N1_COLORS_8
                                                    : N1_COLORS_MONO;
    if (asked != N1_COLORS_AUTO)
        return asked < (int)most ? (enum n1_color_level)asked : most;
    if (no_color != NULL && no_color[0] != '\0')
        return N1_COLORS_MONO;
    bool rgb = colorterm != NULL && (strcmp(colorterm, "truecolor") == 0 || strcmp(colorterm, "24bit") == 0);
    return rgb || term_colors > 256 || most < N1_COLORS_RGB ? most : N1_COLORS_256;
}
