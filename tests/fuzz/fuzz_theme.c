/*
 * Fuzz entry of themes and of the screen's own words: the first byte chooses, the rest is a theme file, a key
 * and its action, or a filter as somebody types it. A theme comes out that can be asked for every look, or
 * one line that says what is wrong.
 */
#include "tui/filter.h"
#include "tui/keys.h"
#include "tui/theme.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_theme(const char *text, size_t size)
{
    struct n1_theme theme;
    struct n1_error err = {0};
    if (n1_theme_parse(text, size, "fuzz", NULL, &theme, &err) < 0) {
        if (!err.what[0] || strpbrk(err.what, "\n\r\033"))
            abort();
        return;
    }
    static const int most[N1_COLORS_LEVELS] = {0, 8, 16, 256, 1 << 24};
    for (int level = 0; level < N1_COLORS_LEVELS; level++)
        for (int role = 0; role < N1_ROLE_COUNT; role++) {
            struct n1_look look = n1_theme_look(&theme, (enum n1_role)role, (enum n1_color_level)level);
            if (look.fg < N1_COLOR_DEFAULT || look.bg < N1_COLOR_DEFAULT ||
                (look.fg != N1_COLOR_DEFAULT && look.fg >= most[level]) ||
                (look.bg != N1_COLOR_DEFAULT && look.bg >= most[level]))
                abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 4 == 0) {
        try_theme((const char *)data + 1, size - 1);
        return 0;
    }
    char *text = calloc(1, size);
    struct n1_filter_words words;
    struct n1_error err = {0};
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    n1_filter_parse(text, &words);
    char *space = strchr(text, ' ');
    if (space) {
        *space = '\0';
        n1_keys_bind(text, space + 1, &err);
        n1_keys_check(&err);
    }
    free(text);
    return 0;
}
