/*
 * The configuration's table (one line a key), its defaults, and the look-up of the file. Values are set by
 * config_value.c; strings and lists belong to the struct n1_config.
 */
#include "core/config_key.h"

#include "n1/jsonc.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT(field) offsetof(struct n1_config, field)
#define BOOL(path, field, development, production)                                                           \
    {                                                                                                        \
        path, N1_KEY_BOOL, AT(field), .number = { development, production }                                  \
    }
#define NUMBER(path, field, min, max, development, production)                                               \
    {                                                                                                        \
        path, N1_KEY_NUMBER, AT(field), .least = min, .most = max, .number = { development, production }     \
    }
#define COUNT(path, field, min, max, development, production)                                                \
    {                                                                                                        \
        path, N1_KEY_COUNT, AT(field), .least = min, .most = max, .number = { development, production }      \
    }
#define CHOICE(path, field, names, development, production)                                                  \
    {                                                                                                        \
        path, N1_KEY_CHOICE, AT(field), .choices = names, .number = { development, production }              \
    }
#define TEXT(path, field, min_bytes, otherwise)                                                              \
    {                                                                                                        \
        path, N1_KEY_TEXT, AT(field), .least = min_bytes, .text = otherwise                                  \
    }
#define LIST(path, field)                                                                                    \
    {                                                                                                        \
        path, N1_KEY_LIST, AT(field)                                                                         \
    }
#define MAP(path, field)                                                                                     \
    {                                                                                                        \
        path, N1_KEY_MAP, AT(field)                                                                          \
    }
#define THRESHOLDS "profiling.regression_detection.thresholds."
#define RULES(path, field)                                                                                   \
    {                                                                                                        \
        path, N1_KEY_RULES, AT(field)                                                                        \
    }

static const char *const modes[] = {"development", "production", NULL};
static const char *const engines[] = {"auto", "perf", "ptrace", "nonstop", NULL};
static const char *const glyphs[] = {"auto", "braille", "block", "ascii", NULL};
static const char *const colors[] = {"auto", "never", "8", "16", "256", "rgb", NULL};
static const char *const motions[] = {"auto", "sweep", "scroll", NULL};

/* Bounds, then the default in development and in production; a text has its least length and its default. */
static const struct n1_config_key keys[] = {
    /* clang-format off */
    BOOL("profiling.enabled", enabled, 1, 1),
    CHOICE("profiling.mode", mode, modes, N1_MODE_DEVELOPMENT, N1_MODE_PRODUCTION),
    NUMBER("profiling.sampling_interval", sampling_interval_s, 0.00005, 1, 0.01, 0.02),
    COUNT("profiling.max_history", max_history, 10, 86400, 1000, 1000),
    TEXT("profiling.output_dir", output_dir, 1, "performance_reports"),
    CHOICE("profiling.engine", engine, engines, N1_ENGINE_CHOICE_AUTO, N1_ENGINE_CHOICE_AUTO),
    BOOL("profiling.memory_tracking", memory_tracking, 1, 0),
    LIST("profiling.select.include", select_include),
    LIST("profiling.select.exclude", select_exclude),
    NUMBER("profiling.limits.cpu_percent", limit_cpu_percent, 0.1, 100, 5, 1),
    COUNT("profiling.limits.memory_mb", limit_memory_mb, 16, 4096, 64, 32),
    NUMBER("profiling.linger", linger_s, 0, 86400, 600, 600),
    TEXT("profiling.allow_group", allow_group, 0, ""),
    BOOL("profiling.redact", redact, 0, 0),
    MAP("profiling.labels", labels),
    BOOL("profiling.regression_detection.enabled", regression_enabled, 1, 1),
    TEXT("profiling.regression_detection.baseline_file", baseline_file, 1, "performance_baseline.json"),
    COUNT("profiling.regression_detection.min_samples", regression_min_samples, 400, 1e9, 400, 400),
    NUMBER(THRESHOLDS "latency_increase", latency_increase, 0.001, 100, 0.20, 0.20),
    NUMBER(THRESHOLDS "memory_increase", memory_increase, 0.001, 100, 0.30, 0.30),
    NUMBER(THRESHOLDS "cpu_increase", cpu_increase, 0.001, 100, 0.25, 0.25),
    BOOL("profiling.anomaly_detection.enabled", anomaly_enabled, 1, 1),
    RULES("profiling.anomaly_detection.rules", rules),
    TEXT("profiling.metrics.listen", metrics_listen, 1, "127.0.0.1:9465"),
    TEXT("tui.theme", theme, 1, "default-dark"),
    CHOICE("tui.glyphs", glyphs, glyphs, N1_GLYPHS_AUTO, N1_GLYPHS_AUTO),
    CHOICE("tui.color", color, colors, N1_COLOR_AUTO, N1_COLOR_AUTO),
    NUMBER("tui.refresh", refresh_s, 0.25, 10, 1, 1),
    CHOICE("tui.motion", motion, motions, N1_MOTION_AUTO, N1_MOTION_AUTO),
    BOOL("tui.mouse", mouse, 0, 0),
    MAP("tui.keys", keys),
    /* clang-format on */
};
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

const char *n1_config_key(size_t i)
{
    return i < KEY_COUNT ? keys[i].path : NULL;
}

const char *n1_config_engine_name(int engine)
{
    return engine >= 0 && (size_t)engine < sizeof(engines) / sizeof(engines[0]) - 1 ? engines[engine]
                                                                                    : "auto";
}

int n1_config_init(struct n1_config *ret, enum n1_mode mode)
{
    struct n1_config made = {0};
    for (size_t i = 0; i < KEY_COUNT; i++) {
        int r = n1_config_value_default(&keys[i], &made, mode);
        if (r < 0) {
            n1_config_finish(&made);
            return r;
        }
    }
    *ret = made;
    return 0;
}

void n1_config_finish(struct n1_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < KEY_COUNT; i++)
        n1_config_value_free(&keys[i], config);
    free(config->source);
    *config = (struct n1_config){0};
}

/* The key with this path; or, when it is only the beginning of longer ones, NULL with *ret_inside true. */
static const struct n1_config_key *find_key(const char *path, bool *ret_inside)
{
    size_t length = strlen(path);
    *ret_inside = false;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (!strcmp(keys[i].path, path))
            return &keys[i];
        if (!strncmp(keys[i].path, path, length) && keys[i].path[length] == '.')
            *ret_inside = true;
    }
    return NULL;
}

static int apply(struct n1_config *config, const struct n1_jsonc *doc, const cJSON *object,
                 const char *prefix, struct n1_error *reterr)
{
    const cJSON *child;
    cJSON_ArrayForEach(child, object)
    {
        char path[160];
        bool inside = false;
        int n = snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", child->string);
        /* A dot inside a key must not pass for a level. */
        bool plain = n < (int)sizeof(path) && !strchr(child->string, '.');
        const struct n1_config_key *key = plain ? find_key(path, &inside) : NULL;
        int r;
        if (key)
            r = n1_config_value_set(key, config, doc, child, reterr);
        else if (!inside)
            r = n1_jsonc_error(doc, child, reterr, "%s: unknown key", path);
        else if (!cJSON_IsObject(child))
            r = n1_jsonc_error(doc, child, reterr, "%s: must be an object", path);
        else
            r = apply(config, doc, child, path, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The mode decides the defaults under the explicit keys, so it is looked up before anything else. */
static enum n1_mode mode_of(const cJSON *root)
{
    const cJSON *profiling = cJSON_GetObjectItemCaseSensitive(root, "profiling");
    const cJSON *mode = cJSON_GetObjectItemCaseSensitive(profiling, "mode");
    return cJSON_IsString(mode) && !strcmp(mode->valuestring, modes[N1_MODE_PRODUCTION])
               ? N1_MODE_PRODUCTION
               : N1_MODE_DEVELOPMENT;
}

static int from_document(struct n1_config *ret, const struct n1_jsonc *doc, struct n1_error *reterr)
{
    const cJSON *root = n1_jsonc_root(doc);
    struct n1_config made = {0};
    if (!cJSON_IsObject(root))
        return n1_jsonc_error(doc, root, reterr, "must be an object");
    int r = n1_config_init(&made, mode_of(root));
    if (r == 0 && !(made.source = strdup(n1_jsonc_name(doc))))
        r = -ENOMEM;
    if (r < 0)
        n1_error_set(reterr, r, "out of memory for the configuration");
    else
        r = apply(&made, doc, root, "", reterr);
    if (r < 0) {
        n1_config_finish(&made);
        return r;
    }
    *ret = made;
    return 0;
}

int n1_config_parse(struct n1_config *ret, const char *text, size_t length, const char *name,
                    struct n1_error *reterr)
{
    struct n1_jsonc *doc;
    int r = n1_jsonc_parse(&doc, text, length, name, reterr);
    if (r < 0)
        return r;
    r = from_document(ret, doc, reterr);
    n1_jsonc_destroy(doc);
    return r;
}

/* 0, or -ENOENT when the file is not there, or an error that ends the look-up. */
static int load_one(struct n1_config *ret, const char *path, struct n1_error *reterr)
{
    struct n1_jsonc *doc;
    int r = n1_jsonc_load(&doc, path, reterr);
    if (r < 0)
        return r == -ENOTDIR ? -ENOENT : r;
    r = from_document(ret, doc, reterr);
    n1_jsonc_destroy(doc);
    return r;
}

int n1_config_load(struct n1_config *ret, const char *path, struct n1_error *reterr)
{
    char user[4096] = "";
    if (path) {
        int r = load_one(ret, path, reterr);
        return r == -ENOENT ? n1_error_set(reterr, N1_E_NO_FILE, "no configuration file %s", path) : r;
    }
    const char *base = secure_getenv("XDG_CONFIG_HOME"), *home = secure_getenv("HOME");
    int n = 0;
    if (base &&
        base[0] == '/') /* a relative one is to be ignored, says the XDG base directory specification */
        n = snprintf(user, sizeof(user), "%s/n1top/config.json", base);
    else if (home && home[0] == '/')
        n = snprintf(user, sizeof(user), "%s/.config/n1top/config.json", home);
    const char *places[] = {n > 0 && n < (int)sizeof(user) ? user : NULL, "/etc/n1top/config.json"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int r = places[i] ? load_one(ret, places[i], reterr) : -ENOENT;
        /* HOME may be another user's, as after su: a folder that we may not look into holds no file of ours.
         */
        if (r == -EACCES && access(places[i], F_OK) < 0)
            r = -ENOENT;
        if (r != -ENOENT)
            return r;
    }
    int r = n1_config_init(ret, N1_MODE_DEVELOPMENT);
    return r < 0 ? n1_error_set(reterr, r, "out of memory for the configuration") : 0;
}
