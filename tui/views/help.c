/* Help: the key table and what each pane says of itself. Nothing here is written twice. */
#include "tui/views/view.h"

#include <stdio.h>
#include <string.h>

static int lines_of(const char *text)
{
    int lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

int n1_view_help_lines(void)
{
    size_t keys;
    n1_keys(&keys);
    int lines = (int)keys + 2;
    for (int pane = 0; pane < N1_PANE_COUNT; pane++)
        lines += n1_views[pane] ? lines_of(n1_views[pane]->help) + 1 : 0;
    return lines;
}

static void key_line(struct n1_canvas *canvas, int row, const struct n1_key_binding *key)
{
    char name[12], name2[12] = "";
    n1_keys_name(name, key->key);
    if (key->key2)
        n1_keys_name(name2, key->key2);
    n1_canvas_text_right(canvas, row, 8, 8, N1_ROLE_VALUE, name);
    n1_canvas_text(canvas, row, 10, N1_ROLE_VALUE, name2);
    n1_canvas_text_cut(canvas, row, 17, n1_canvas_cols(canvas) - 17, N1_ROLE_TEXT, key->help, N1_CUT_END);
}

void n1_view_help(struct n1_canvas *canvas, const struct n1_app *app)
{
    size_t count;
    const struct n1_key_binding *keys = n1_keys(&count);
    int row = -app->help.top;
    n1_canvas_text(canvas, row++, 1, N1_ROLE_TITLE, "KEYS");
    for (size_t i = 0; i < count; i++, row++) {
        if (row >= 0)
            key_line(canvas, row, &keys[i]);
    }
    row++;
    for (int pane = 0; pane < N1_PANE_COUNT; pane++) {
        bool first = true;
        if (n1_views[pane] == NULL)
            continue;
        for (const char *at = n1_views[pane]->help; *at;) {
            const char *end = strchr(at, '\n');
            char line[160];
            snprintf(line, sizeof line, "%.*s", (int)(end - at), at);
            n1_canvas_text_cut(canvas, row, 1, n1_canvas_cols(canvas) - 1,
                               first ? N1_ROLE_TITLE : N1_ROLE_TEXT, line, N1_CUT_END);
            first = false;
            row++;
            at = end + 1;
        }
        row++;
    }
}
