/* The key table made usable; there is no second list of keys anywhere. */
#include "tui/keys.h"

#include <stdio.h>

static const struct n1_key_binding bindings[] = {
#define X(action, key, key2, label, help) {N1_ACTION_##action, key, key2, label, help},
    N1_KEY_MAP(X)
#undef X
};

const struct n1_key_binding *n1_keys(size_t *ret_count)
{
    *ret_count = sizeof bindings / sizeof bindings[0];
    return bindings;
}

enum n1_action n1_keys_action(uint32_t key)
{
    if (key == 0)
        return N1_ACTION_NONE;
    for (size_t i = 0; i < sizeof bindings / sizeof bindings[0]; i++) {
        if (bindings[i].key == key || bindings[i].key2 == key)
            return bindings[i].action;
    }
    return N1_ACTION_NONE;
}

void n1_keys_name(char out[12], uint32_t key)
{
    static const struct {
        uint32_t key;
        const char *name;
    } names[] = {{N1_KEY_TAB, "Tab"},        {N1_KEY_ENTER, "Enter"},    {N1_KEY_ESC, "Esc"},
                 {N1_KEY_BACKSPACE, "Bksp"}, {N1_KEY_UP, "Up"},          {N1_KEY_DOWN, "Down"},
                 {N1_KEY_LEFT, "Left"},      {N1_KEY_RIGHT, "Right"},    {N1_KEY_HOME, "Home"},
                 {N1_KEY_END, "End"},        {N1_KEY_PAGE_UP, "PgUp"},   {N1_KEY_PAGE_DOWN, "PgDn"},
                 {N1_KEY_DELETE, "Del"},     {N1_KEY_BACK_TAB, "S-Tab"}, {' ', "Space"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].key == key) {
            snprintf(out, 12, "%s", names[i].name);
            return;
        }
    }
    if (key > N1_KEY_F0 && key <= N1_KEY_F(12))
        snprintf(out, 12, "F%u", key - N1_KEY_F0);
    else if (key < 32)
        snprintf(out, 12, "Ctrl-%c", (char)(key + 64));
    else if (key < 127)
        snprintf(out, 12, "%c", (char)key);
    else
        out[0] = '\0';
}
