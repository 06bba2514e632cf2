/*
 * The default theme's file, put into the program at build time, so that there is always one theme that loads
 * and no second copy of it to keep equal.
 */
#include "tui/theme.h"

#include <string.h>

extern const char n1_theme_builtin_text[], n1_theme_builtin_end[];
__asm__(".pushsection .rodata\n"
        ".globl n1_theme_builtin_text\n"
        "n1_theme_builtin_text: .incbin \"themes/default-dark.json\"\n"
        ".globl n1_theme_builtin_end\n"
        "n1_theme_builtin_end: .byte 0\n"
        ".popsection\n");

void n1_theme_builtin(struct n1_theme *ret)
{
    memset(ret, 0, sizeof *ret);
    for (int i = 0; i < N1_ROLE_COUNT; i++) {
        struct n1_color none = {N1_COLOR_DEFAULT, N1_COLOR_DEFAULT, N1_COLOR_DEFAULT};
        ret->roles[i] = (struct n1_theme_role){none, none, 0, N1_COLOR_UNSET};
    }
    struct n1_theme parsed;
    size_t len = (size_t)(n1_theme_builtin_end - n1_theme_builtin_text);
    if (n1_theme_parse(n1_theme_builtin_text, len, "builtin", NULL, &parsed, NULL) == 0)
        *ret = parsed;
}
