/* The key table made usable; there is no second list of keys anywhere. */
#include "tui/keys.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct n1_key_binding bindings[] = {
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

/* "TIME_BACK" as people write it: "time-back". */
static bool same_action(const char *id, const char *name)
{
    for (; *id && *name; id++, name++) {
        char c = *id == '_' ? '-' : *id >= 'A' && *id <= 'Z' ? (char)(*id + 32) : *id;
        if (c != *name)
            return false;
    }
    return *id == *name;
}

static uint32_t key_of_name(const char *name)
{
    char known[12];
    if (name[0] > 32 && name[0] < 127 && name[1] == '\0')
        return (unsigned char)name[0];
    for (uint32_t key = N1_KEY_SPECIAL; key <= N1_KEY_F(12); key++) {
        n1_keys_name(known, key);
        if (strcmp(known, name) == 0)
            return key;
    }
    for (uint32_t key = 1; key < 128; key++) {
        n1_keys_name(known, key);
        if (strcmp(known, name) == 0)
            return key;
    }
    return N1_KEY_NONE;
}

int n1_keys_bind(const char *action, const char *key, struct n1_error *reterr)
{
    static const char *const ids[] = {
#define X(id, key1, key2, label, help) #id,
        N1_KEY_MAP(X)
#undef X
    };
    uint32_t code = key_of_name(key);
    if (code == N1_KEY_NONE)
        return n1_error_set(reterr, N1_E_CONFIG, "tui.keys: there is no key \"%.32s\"", key);
    for (size_t i = 0; i < sizeof bindings / sizeof bindings[0]; i++) {
        if (!same_action(ids[i], action))
            continue;
        bindings[i].key = code;
        bindings[i].key2 = 0;
        return 0;
    }
    return n1_error_set(reterr, N1_E_CONFIG, "tui.keys: there is no action \"%.32s\"", action);
}

int n1_keys_check(struct n1_error *reterr)
{
    char name[12];
    size_t count = sizeof bindings / sizeof bindings[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t k = i + 1; k < count; k++) {
            const struct n1_key_binding *a = &bindings[i], *b = &bindings[k];
            uint32_t clash = a->key == b->key || a->key == b->key2                  ? a->key
                             : a->key2 && (a->key2 == b->key || a->key2 == b->key2) ? a->key2
                                                                                    : 0;
            if (clash == 0)
                continue;
            n1_keys_name(name, clash);
            return n1_error_set(reterr, N1_E_CONFIG,
                                "tui.keys: the key %s has two meanings: \"%.60s\" and \"%.60s\"", name,
                                a->help, b->help);
        }
    }
    return 0;
}
