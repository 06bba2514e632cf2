/*
 * A key of the configuration and how a JSON value of its type gets into struct n1_config. Internal to
 * core/config*.c.
 */
#ifndef N1_CORE_CONFIG_KEY_H
#define N1_CORE_CONFIG_KEY_H

#include "n1/config.h"

struct cJSON;
struct n1_jsonc;

enum n1_config_type {
    N1_KEY_BOOL,   /* bool */
    N1_KEY_NUMBER, /* double, least … most */
    N1_KEY_COUNT,  /* uint32_t, a whole number, least … most */
    N1_KEY_CHOICE, /* int, an index into choices */
    N1_KEY_TEXT,   /* char *, at least `least` bytes */
    N1_KEY_LIST,   /* struct n1_config_list of non-empty strings */
    N1_KEY_MAP,    /* struct n1_config_map of strings */
    N1_KEY_RULES   /* struct n1_config_rules */
};

struct n1_config_key {
    const char *path;
    enum n1_config_type type;
    size_t offset; /* into struct n1_config */
    double least, most;
    const char *const *choices;   /* NULL-terminated */
    double number[N1_MODE_COUNT]; /* the default of each mode, unless it is text */
    const char *text;
};

/* Sets the default of a mode into a config whose field is zero. Returns 0 or -ENOMEM. */
int n1_config_value_default(const struct n1_config_key *key, struct n1_config *config, enum n1_mode mode);

/* Checks `item` and replaces the field by it. Returns 0, N1_E_CONFIG or -ENOMEM, with *reterr filled. */
int n1_config_value_set(const struct n1_config_key *key, struct n1_config *config, const struct n1_jsonc *doc,
                        const struct cJSON *item, struct n1_error *reterr);

/* Frees what the field owns and leaves it zero. */
void n1_config_value_free(const struct n1_config_key *key, struct n1_config *config);

#endif
