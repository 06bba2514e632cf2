/* One line of the table a habit: its key, and how it is written and read. */
#include "tui/habits.h"

#include "n1/file.h"

#include <cjson/cJSON.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 4096 };

#define X(id, name) name,
static const char *const sorts[] = {N1_SORT_MAP(X) NULL};
static const char *const panes[] = {N1_PANE_MAP(X) NULL};
#undef X
static const char *const windows[] = {"5 s", "30 s", "all", NULL};
static const char *const colors[] = {"auto", "module", "heat", "kind", NULL};
static const char *const frames[] = {"merged", "python", "native", NULL};

/* X(key, field of the app, its type, its words; NULL: true or false) */
#define HABIT_MAP(X)                                                                                         \
    X(sort, sort, enum n1_sort, sorts)                                                                       \
    X(inverted, inverted, bool, NULL)                                                                        \
    X(window, window, int, windows)                                                                          \
    X(frames, frames, enum n1_frames, frames)                                                                \
    X(flame_colors, flame_color, enum n1_flame_color, colors)                                                \
    X(flame_root_below, flame.flipped, bool, NULL)

#define X(key, field, type, words)                                                                           \
    static int get_##key(const struct n1_app *app)                                                           \
    {                                                                                                        \
        return (int)app->field;                                                                              \
    }                                                                                                        \
    static void set_##key(struct n1_app *app, int value)                                                     \
    {                                                                                                        \
        app->field = (type)value;                                                                            \
    }
HABIT_MAP(X)
#undef X

static const struct {
    const char *key;
    const char *const *words;
    int (*get)(const struct n1_app *app);
    void (*set)(struct n1_app *app, int value);
} habits[] = {
#define X(key, field, type, words) {#key, words, get_##key, set_##key},
    HABIT_MAP(X)
#undef X
};
enum { HABITS = sizeof habits / sizeof habits[0] };

/* Panes that are places to stay at; lines and instructions belong to one function. */
static unsigned kept_panes(void)
{
    return ((1u << N1_PANE_COUNT) - 1) & ~(N1_PANE_BIT(N1_PANE_SOURCE) | N1_PANE_BIT(N1_PANE_CODE));
}

bool n1_habits_path(char out[512])
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (config && config[0] == '/')
        return snprintf(out, 512, "%s/n1top/screen.json", config) < 512;
    return home && home[0] == '/' && snprintf(out, 512, "%s/.config/n1top/screen.json", home) < 512;
}

/* The two folders above the file, when they are not there yet. */
static void make_folders(const char *path)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s", path);
    for (int up = 2; up > 0; up--) {
        snprintf(folder, sizeof folder, "%s", path);
        for (int i = 0; i < up; i++) {
            char *slash = strrchr(folder, '/');
            if (slash)
                *slash = '\0';
        }
        mkdir(folder, 0700);
    }
}

int n1_habits_save(const struct n1_app *app, const char *path, struct n1_error *reterr)
{
    cJSON *o = cJSON_CreateObject();
    for (size_t i = 0; i < HABITS; i++) {
        int value = habits[i].get(app);
        if (habits[i].words)
            cJSON_AddStringToObject(o, habits[i].key, habits[i].words[value]);
        else
            cJSON_AddBoolToObject(o, habits[i].key, value);
    }
    unsigned shown = n1_app_panes(app) & kept_panes();
    cJSON *list = cJSON_AddArrayToObject(o, "panes");
    for (unsigned pane = 0; pane < N1_PANE_COUNT; pane++)
        if (shown & N1_PANE_BIT(pane))
            cJSON_AddItemToArray(list, cJSON_CreateString(panes[pane]));
    char *text = cJSON_Print(o);
    cJSON_Delete(o);
    if (!text)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    make_folders(path);
    struct n1_output *output;
    int rc = n1_output_open(path, &output, reterr);
    size_t len = strlen(text);
    text[len] = '\n'; /* in the place of the end */
    if (rc == 0 && write(n1_output_fd(output), text, len + 1) != (ssize_t)(len + 1)) {
        rc = n1_error_set(reterr, -ENOSPC, "%s cannot be written", path);
        n1_output_abandon(output);
    } else if (rc == 0) {
        rc = n1_output_commit(output, reterr);
    }
    free(text);
    return rc;
}

/* Index of a word in a list; -1 when it is none of them. */
static int word_of(const char *const *words, const cJSON *item)
{
    for (int i = 0; cJSON_IsString(item) && words[i]; i++)
        if (!strcmp(words[i], item->valuestring))
            return i;
    return -1;
}

static int take(struct n1_app *app, const cJSON *item, const char *path, struct n1_error *reterr)
{
    if (!strcmp(item->string, "panes") && cJSON_IsArray(item)) {
        const cJSON *name;
        unsigned wanted = 0;
        cJSON_ArrayForEach(name, item)
        {
            int pane = word_of(panes, name);
            if (pane < 0)
                return n1_error_set(reterr, N1_E_CONFIG, "%s: panes: a name is not known", path);
            wanted |= N1_PANE_BIT((unsigned)pane) & kept_panes();
        }
        app->wanted = wanted;
        return 0;
    }
    for (size_t i = 0; i < HABITS; i++) {
        if (strcmp(habits[i].key, item->string) != 0)
            continue;
        int value = habits[i].words      ? word_of(habits[i].words, item)
                    : cJSON_IsBool(item) ? cJSON_IsTrue(item)
                                         : -1;
        if (value < 0)
            return n1_error_set(reterr, N1_E_CONFIG, "%s: %s: a value that is not known", path,
                                habits[i].key);
        habits[i].set(app, value);
        return 0;
    }
    return 0; /* of a later version */
}

int n1_habits_load(struct n1_app *app, const char *path, struct n1_error *reterr)
{
    char text[FILE_MAX + 1];
    FILE *file = fopen(path, "re");
    if (!file)
        return 0; /* never kept, or not ours to read: the defaults */
    size_t len = fread(text, 1, FILE_MAX, file);
    fclose(file);
    text[len] = '\0';
    cJSON *o = cJSON_Parse(text);
    struct n1_app before = *app;
    int rc = cJSON_IsObject(o)
                 ? 0
                 : n1_error_hint(reterr, N1_E_CONFIG, "remove it, or keep the screen anew with S",
                                 "%s: not understood", path);
    for (const cJSON *item = rc == 0 ? o->child : NULL; item && rc == 0; item = item->next)
        rc = take(app, item, path, reterr);
    cJSON_Delete(o);
    if (rc < 0)
        *app = before;
    return rc;
}
