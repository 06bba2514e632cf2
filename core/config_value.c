/*
 * Values of the configuration by type: defaults, checks, ownership; and the rules' generic part, which is
 * checked later against the table of whoever knows the rules.
 */
#include "core/config_key.h"

#include "n1/jsonc.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX 1000 /* of one list or map */

int n1_config_value_default(const struct n1_config_key *key, struct n1_config *config, enum n1_mode mode)
{
    char *field = (char *)config + key->offset;
    switch (key->type) {
    case N1_KEY_BOOL:
        *(bool *)field = key->number[mode] != 0;
        break;
    case N1_KEY_NUMBER:
        *(double *)field = key->number[mode];
        break;
    case N1_KEY_COUNT:
        *(uint32_t *)field = (uint32_t)key->number[mode];
        break;
    case N1_KEY_CHOICE:
        *(int *)field = (int)key->number[mode];
        break;
    case N1_KEY_TEXT:
        *(char **)field = strdup(key->text);
        return *(char **)field ? 0 : -ENOMEM;
    case N1_KEY_LIST:
    case N1_KEY_MAP:
    case N1_KEY_RULES:
        break;
    }
    return 0;
}

static void free_list(struct n1_config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct n1_config_list){0};
}

static void free_map(struct n1_config_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        free(map->pairs[i].key);
        free(map->pairs[i].value);
    }
    free(map->pairs);
    *map = (struct n1_config_map){0};
}

static void free_rules(struct n1_config_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        free(rules->values[i].rule);
        free(rules->values[i].key);
    }
    free(rules->values);
    *rules = (struct n1_config_rules){0};
}

void n1_config_value_free(const struct n1_config_key *key, struct n1_config *config)
{
    char *field = (char *)config + key->offset;
    switch (key->type) {
    case N1_KEY_TEXT:
        free(*(char **)field);
        *(char **)field = NULL;
        break;
    case N1_KEY_LIST:
        free_list((struct n1_config_list *)field);
        break;
    case N1_KEY_MAP:
        free_map((struct n1_config_map *)field);
        break;
    case N1_KEY_RULES:
        free_rules((struct n1_config_rules *)field);
        break;
    case N1_KEY_BOOL:
    case N1_KEY_NUMBER:
    case N1_KEY_COUNT:
    case N1_KEY_CHOICE:
        break;
    }
}

static int no_memory(struct n1_error *reterr)
{
    return n1_error_set(reterr, -ENOMEM, "out of memory for the configuration");
}

static int set_number(const struct n1_config_key *key, double *ret, const struct n1_jsonc *doc,
                      const cJSON *item, struct n1_error *reterr)
{
    if (!cJSON_IsNumber(item))
        return n1_jsonc_error(doc, item, reterr, "%s: must be a number", key->path);
    double value = item->valuedouble;
    /* Written so that a NaN fails. */
    if (!(value >= key->least && value <= key->most))
        return n1_jsonc_error(doc, item, reterr, "%s: %g is out of range, %g to %g", key->path, value,
                              key->least, key->most);
    *ret = value;
    return 0;
}

static int set_count(const struct n1_config_key *key, uint32_t *field, const struct n1_jsonc *doc,
                     const cJSON *item, struct n1_error *reterr)
{
    double value = 0;
    int r = set_number(key, &value, doc, item, reterr);
    if (r < 0)
        return r;
    if (value != floor(value))
        return n1_jsonc_error(doc, item, reterr, "%s: must be a whole number", key->path);
    *field = (uint32_t)value;
    return 0;
}

static int set_choice(const struct n1_config_key *key, int *field, const struct n1_jsonc *doc,
                      const cJSON *item, struct n1_error *reterr)
{
    char all[120] = "";
    for (int i = 0; key->choices[i]; i++) {
        if (cJSON_IsString(item) && !strcmp(item->valuestring, key->choices[i])) {
            *field = i;
            return 0;
        }
        size_t used = strlen(all);
        snprintf(all + used, sizeof(all) - used, "%s\"%s\"", used ? ", " : "", key->choices[i]);
    }
    return n1_jsonc_error(doc, item, reterr, "%s: must be one of %s", key->path, all);
}

static int set_text(const struct n1_config_key *key, char **field, const struct n1_jsonc *doc,
                    const cJSON *item, struct n1_error *reterr)
{
    if (!cJSON_IsString(item))
        return n1_jsonc_error(doc, item, reterr, "%s: must be a string", key->path);
    if ((double)strlen(item->valuestring) < key->least)
        return n1_jsonc_error(doc, item, reterr, "%s: must not be empty", key->path);
    char *copy = strdup(item->valuestring);
    if (!copy)
        return no_memory(reterr);
    free(*field);
    *field = copy;
    return 0;
}

static int set_list(const struct n1_config_key *key, struct n1_config_list *field, const struct n1_jsonc *doc,
                    const cJSON *item, struct n1_error *reterr)
{
    if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) > ITEMS_MAX)
        return n1_jsonc_error(doc, item, reterr, "%s: must be a list of at most %d strings", key->path,
                              ITEMS_MAX);
    struct n1_config_list list = {.items = calloc((size_t)cJSON_GetArraySize(item) + 1, sizeof(*list.items))};
    int r = list.items ? 0 : no_memory(reterr);
    const cJSON *child;
    cJSON_ArrayForEach(child, item)
    {
        if (r < 0)
            break;
        if (!cJSON_IsString(child) || !*child->valuestring)
            r = n1_jsonc_error(doc, child, reterr, "%s: must hold strings that are not empty", key->path);
        else if (!(list.items[list.count++] = strdup(child->valuestring)))
            r = no_memory(reterr);
    }
    if (r < 0) {
        free_list(&list);
        return r;
    }
    free_list(field);
    *field = list;
    return 0;
}

static int set_map(const struct n1_config_key *key, struct n1_config_map *field, const struct n1_jsonc *doc,
                   const cJSON *item, struct n1_error *reterr)
{
    if (!cJSON_IsObject(item) || cJSON_GetArraySize(item) > ITEMS_MAX)
        return n1_jsonc_error(doc, item, reterr, "%s: must be an object of at most %d strings", key->path,
                              ITEMS_MAX);
    struct n1_config_map map = {.pairs = calloc((size_t)cJSON_GetArraySize(item) + 1, sizeof(*map.pairs))};
    int r = map.pairs ? 0 : no_memory(reterr);
    const cJSON *child;
    cJSON_ArrayForEach(child, item)
    {
        if (r < 0)
            break;
        if (!cJSON_IsString(child) || !*child->string) {
            r = n1_jsonc_error(doc, child, reterr, "%s.%s: must be a string under a name", key->path,
                               child->string);
            continue;
        }
        struct n1_config_pair *pair = &map.pairs[map.count++];
        pair->key = strdup(child->string);
        pair->value = strdup(child->valuestring);
        if (!pair->key || !pair->value)
            r = no_memory(reterr);
    }
    if (r < 0) {
        free_map(&map);
        return r;
    }
    free_map(field);
    *field = map;
    return 0;
}

static int add_rule_value(struct n1_config_rules *rules, const struct n1_config_key *key,
                          const struct n1_jsonc *doc, const char *rule, const cJSON *item,
                          struct n1_error *reterr)
{
    if (!cJSON_IsBool(item) && !(cJSON_IsNumber(item) && isfinite(item->valuedouble)))
        return n1_jsonc_error(doc, item, reterr, "%s.%s.%s: must be a number or a bool", key->path, rule,
                              item->string);
    if (rules->count == ITEMS_MAX)
        return n1_jsonc_error(doc, item, reterr, "%s: more than %d keys", key->path, ITEMS_MAX);
    struct n1_config_rule_value *grown = realloc(rules->values, (rules->count + 1) * sizeof(*grown));
    if (!grown)
        return no_memory(reterr);
    rules->values = grown;
    grown[rules->count] = (struct n1_config_rule_value){
        .rule = strdup(rule),
        .key = strdup(item->string),
        .number = cJSON_IsBool(item) ? cJSON_IsTrue(item) : item->valuedouble,
        .boolean = cJSON_IsBool(item),
        .line = n1_jsonc_line(doc, item),
    };
    const struct n1_config_rule_value *added = &grown[rules->count++];
    return added->rule && added->key ? 0 : no_memory(reterr);
}

static int set_rules(const struct n1_config_key *key, struct n1_config_rules *field,
                     const struct n1_jsonc *doc, const cJSON *item, struct n1_error *reterr)
{
    if (!cJSON_IsObject(item))
        return n1_jsonc_error(doc, item, reterr, "%s: must be an object", key->path);
    struct n1_config_rules rules = {0};
    int r = 0;
    const cJSON *rule, *value;
    cJSON_ArrayForEach(rule, item)
    {
        if (!cJSON_IsObject(rule))
            r = n1_jsonc_error(doc, rule, reterr, "%s.%s: must be an object", key->path, rule->string);
        cJSON_ArrayForEach(value, rule)
        {
            if (r == 0)
                r = add_rule_value(&rules, key, doc, rule->string, value, reterr);
        }
        if (r < 0) {
            free_rules(&rules);
            return r;
        }
    }
    free_rules(field);
    *field = rules;
    return 0;
}

int n1_config_value_set(const struct n1_config_key *key, struct n1_config *config, const struct n1_jsonc *doc,
                        const struct cJSON *item, struct n1_error *reterr)
{
    char *field = (char *)config + key->offset;
    switch (key->type) {
    case N1_KEY_BOOL:
        if (!cJSON_IsBool(item))
            return n1_jsonc_error(doc, item, reterr, "%s: must be true or false", key->path);
        *(bool *)field = cJSON_IsTrue(item);
        return 0;
    case N1_KEY_NUMBER:
        return set_number(key, (double *)field, doc, item, reterr);
    case N1_KEY_COUNT:
        return set_count(key, (uint32_t *)field, doc, item, reterr);
    case N1_KEY_CHOICE:
        return set_choice(key, (int *)field, doc, item, reterr);
    case N1_KEY_TEXT:
        return set_text(key, (char **)field, doc, item, reterr);
    case N1_KEY_LIST:
        return set_list(key, (struct n1_config_list *)field, doc, item, reterr);
    case N1_KEY_MAP:
        return set_map(key, (struct n1_config_map *)field, doc, item, reterr);
    case N1_KEY_RULES:
        return set_rules(key, (struct n1_config_rules *)field, doc, item, reterr);
    }
    return n1_error_set(reterr, -EINVAL, "%s: key of an unknown type", key->path);
}

static int rule_error(const struct n1_config *config, const struct n1_config_rule_value *value,
                      struct n1_error *reterr, const char *what)
{
    return n1_error_set(reterr, N1_E_CONFIG, "%s:%u: profiling.anomaly_detection.rules.%s.%s: %s",
                        config->source ? config->source : "built-in", value->line, value->rule, value->key,
                        what);
}

int n1_config_check_rules(const struct n1_config *config, const struct n1_config_rule_key *table,
                          size_t count, struct n1_error *reterr)
{
    for (size_t i = 0; i < config->rules.count; i++) {
        const struct n1_config_rule_value *value = &config->rules.values[i];
        const struct n1_config_rule_key *key = NULL;
        bool rule_known = false;
        char range[80];
        for (size_t k = 0; k < count; k++) {
            if (strcmp(table[k].rule, value->rule))
                continue;
            rule_known = true;
            if (!strcmp(table[k].key, value->key))
                key = &table[k];
        }
        if (!key)
            return rule_error(config, value, reterr, rule_known ? "unknown key" : "unknown rule");
        if (key->boolean != value->boolean)
            return rule_error(config, value, reterr,
                              key->boolean ? "must be true or false" : "must be a number");
        if (value->number < key->least || value->number > key->most) {
            snprintf(range, sizeof(range), "out of range, %g to %g", key->least, key->most);
            return rule_error(config, value, reterr, range);
        }
    }
    return 0;
}

double n1_config_rule(const struct n1_config *config, const char *rule, const char *key, double otherwise)
{
    for (size_t i = 0; i < config->rules.count; i++) {
        const struct n1_config_rule_value *value = &config->rules.values[i];
        if (!strcmp(value->rule, rule) && !strcmp(value->key, key))
            return value->number;
    }
    return otherwise;
}
