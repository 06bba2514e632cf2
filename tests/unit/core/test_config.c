/* Configuration: the shipped file is the defaults, modes are presets, every refusal names file, line and key.
 */
#include "n1/config.h"
#include "n1/jsonc.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int parse(struct n1_config *ret, const char *text, struct n1_error *reterr)
{
    return n1_config_parse(ret, text, strlen(text), "c.json", reterr);
}

static void assert_same(const struct n1_config *a, const struct n1_config *b)
{
    assert_int_equal(a->enabled, b->enabled);
    assert_int_equal(a->mode, b->mode);
    assert_true(a->sampling_interval_s == b->sampling_interval_s);
    assert_int_equal(a->max_history, b->max_history);
    assert_string_equal(a->output_dir, b->output_dir);
    assert_int_equal(a->engine, b->engine);
    assert_int_equal(a->memory_tracking, b->memory_tracking);
    assert_int_equal(a->select_include.count, b->select_include.count);
    assert_int_equal(a->select_exclude.count, b->select_exclude.count);
    assert_true(a->limit_cpu_percent == b->limit_cpu_percent);
    assert_int_equal(a->limit_memory_mb, b->limit_memory_mb);
    assert_true(a->linger_s == b->linger_s);
    assert_string_equal(a->allow_group, b->allow_group);
    assert_int_equal(a->redact, b->redact);
    assert_int_equal(a->labels.count, b->labels.count);
    assert_int_equal(a->regression_enabled, b->regression_enabled);
    assert_string_equal(a->baseline_file, b->baseline_file);
    assert_int_equal(a->regression_min_samples, b->regression_min_samples);
    assert_true(a->latency_increase == b->latency_increase);
    assert_true(a->memory_increase == b->memory_increase);
    assert_true(a->cpu_increase == b->cpu_increase);
    assert_int_equal(a->anomaly_enabled, b->anomaly_enabled);
    assert_int_equal(a->rules.count, b->rules.count);
    assert_string_equal(a->metrics_listen, b->metrics_listen);
    assert_string_equal(a->theme, b->theme);
    assert_int_equal(a->glyphs, b->glyphs);
    assert_int_equal(a->color, b->color);
    assert_int_equal(a->motion, b->motion);
    assert_true(a->refresh_s == b->refresh_s);
    assert_int_equal(a->mouse, b->mouse);
    assert_int_equal(a->keys.count, b->keys.count);
}

static void shipped_file_is_the_defaults(void **state)
{
    (void)state;
    struct n1_config built_in, shipped;
    struct n1_error err = {0};
    struct n1_jsonc *doc;
    assert_int_equal(n1_config_init(&built_in, N1_MODE_DEVELOPMENT), 0);
    if (n1_config_load(&shipped, "config.json", &err) < 0)
        fail_msg("%s", err.what);
    assert_same(&built_in, &shipped);
    assert_string_equal(shipped.source, "config.json");

    /* And it holds every key there is. */
    assert_int_equal(n1_jsonc_load(&doc, "config.json", &err), 0);
    size_t i = 0;
    for (const char *path; (path = n1_config_key(i)); i++) {
        char copy[200], *rest = copy, *part;
        const cJSON *item = n1_jsonc_root(doc);
        snprintf(copy, sizeof(copy), "%s", path);
        while ((part = strsep(&rest, ".")))
            item = cJSON_GetObjectItemCaseSensitive(item, part);
        if (!item)
            fail_msg("config.json lacks %s", path);
    }
    assert_true(i > 25);
    n1_jsonc_destroy(doc);
    n1_config_finish(&built_in);
    n1_config_finish(&shipped);
}

static void mode_is_a_preset_under_explicit_keys(void **state)
{
    (void)state;
    struct n1_config c;
    struct n1_error err = {0};
    assert_int_equal(
        parse(&c, "{\"profiling\": {\"memory_tracking\": true, \"mode\": \"production\"}}", &err), 0);
    assert_int_equal(c.mode, N1_MODE_PRODUCTION);
    assert_true(c.sampling_interval_s > 0.01);
    assert_true(c.limit_cpu_percent < 5);
    assert_int_equal(c.limit_memory_mb, 32);
    assert_true(c.memory_tracking);
    n1_config_finish(&c);
    assert_int_equal(parse(&c, "{\"profiling\": {\"mode\": \"production\"}}", &err), 0);
    assert_false(c.memory_tracking);
    n1_config_finish(&c);
}

static void every_type_is_taken(void **state)
{
    (void)state;
    struct n1_config c;
    struct n1_error err = {0};
    int r =
        parse(&c,
              "{\"profiling\": {\"enabled\": false, \"sampling_interval\": 0.001, \"engine\": \"ptrace\","
              "\"select\": {\"include\": [\"a*\", \"b\"], \"exclude\": []}, \"labels\": {\"team\": \"x\"},"
              "\"limits\": {\"memory_mb\": 128}, \"output_dir\": \"/var/tmp\","
              "\"anomaly_detection\": {\"rules\": {\"cpu_spike\": {\"enabled\": false, \"factor\": 2.5}}}},"
              "\"tui\": {\"color\": \"256\", \"keys\": {\"quit\": \"x\"}}}",
              &err);
    if (r < 0)
        fail_msg("%s", err.what);
    assert_false(c.enabled);
    assert_true(c.sampling_interval_s == 0.001);
    assert_int_equal(c.engine, N1_ENGINE_CHOICE_PTRACE);
    assert_int_equal(c.select_include.count, 2);
    assert_string_equal(c.select_include.items[1], "b");
    assert_string_equal(c.labels.pairs[0].key, "team");
    assert_string_equal(c.labels.pairs[0].value, "x");
    assert_int_equal(c.limit_memory_mb, 128);
    assert_string_equal(c.output_dir, "/var/tmp");
    assert_int_equal(c.color, N1_COLOR_256);
    assert_string_equal(c.keys.pairs[0].key, "quit");
    assert_true(n1_config_rule(&c, "cpu_spike", "factor", 9) == 2.5);
    assert_true(n1_config_rule(&c, "cpu_spike", "enabled", 9) == 0);
    assert_true(n1_config_rule(&c, "cpu_spike", "nothing", 9) == 9);
    n1_config_finish(&c);
    n1_config_finish(&c); /* twice is fine */
    n1_config_finish(NULL);
}

static void refusals_name_line_and_key(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } bad[] = {
        {"[]", "c.json:1: must be an object"},
        {"{\n\"profilin\": {}}", "c.json:2: profilin: unknown key"},
        {"{\"profiling\": {\n\n\"rate\": 1}}", "c.json:3: profiling.rate: unknown key"},
        {"{\"profiling\": 3}", "c.json:1: profiling: must be an object"},
        {"{\"profiling.mode\": \"production\"}", "c.json:1: profiling.mode: unknown key"},
        {"{\"profiling\": {\"limits\": []}}", "c.json:1: profiling.limits: must be an object"},
        {"{\"profiling\": {\"limit\": {}}}", "c.json:1: profiling.limit: unknown key"},
        {"{\"profiling\": {\"\": 1}}", "c.json:1: profiling.: unknown key"},
        {"{\"profiling\": {\"enabled\": 1}}", "profiling.enabled: must be true or false"},
        {"{\"profiling\": {\"mode\": \"fast\"}}",
         "profiling.mode: must be one of \"development\", \"production\""},
        {"{\"profiling\": {\"mode\": null}}", "profiling.mode: must be one of"},
        {"{\"profiling\": {\"sampling_interval\": 0}}",
         "profiling.sampling_interval: 0 is out of range, 5e-05 to 1"},
        {"{\"profiling\": {\"sampling_interval\": \"1\"}}", "profiling.sampling_interval: must be a number"},
        {"{\"profiling\": {\"max_history\": 10.5}}", "profiling.max_history: must be a whole number"},
        {"{\"profiling\": {\"max_history\": 1e99}}", "profiling.max_history: 1e+99 is out of range"},
        {"{\"profiling\": {\"output_dir\": \"\"}}", "profiling.output_dir: must not be empty"},
        {"{\"profiling\": {\"output_dir\": {}}}", "profiling.output_dir: must be a string"},
        {"{\"profiling\": {\"select\": {\"include\": \"a\"}}}", "profiling.select.include: must be a list"},
        {"{\"profiling\": {\"select\": {\"include\": [\"a\",\n1]}}}",
         "c.json:2: profiling.select.include: must hold"},
        {"{\"profiling\": {\"labels\": {\"a\": \"b\",\n\"c\": 1}}}",
         "c.json:2: profiling.labels.c: must be a string"},
        {"{\"profiling\": {\"labels\": []}}", "profiling.labels: must be an object"},
        {"{\"profiling\": {\"anomaly_detection\": {\"rules\": 1}}}", "rules: must be an object"},
        {"{\"profiling\": {\"anomaly_detection\": {\"rules\": {\"a\": 1}}}}", "rules.a: must be an object"},
        {"{\"profiling\": {\"anomaly_detection\": {\"rules\": {\"a\": {\"b\": 1,\n\"c\": \"x\"}}}}}",
         "c.json:2: profiling.anomaly_detection.rules.a.c: must be a number or a bool"},
        {"{\"tui\": {\"refresh\": -1}}", "tui.refresh: -1 is out of range"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct n1_config c = {.max_history = 77};
        struct n1_error err = {0};
        if (parse(&c, bad[i].text, &err) != N1_E_CONFIG)
            fail_msg("case %zu is taken", i);
        assert_int_equal(c.max_history, 77); /* untouched */
        if (!strstr(err.what, bad[i].want))
            fail_msg("case %zu: %s", i, err.what);
    }
}

static void rules_are_checked_against_a_table(void **state)
{
    (void)state;
    static const struct n1_config_rule_key table[] = {
        {"cpu_spike", "enabled", true, 0, 1},
        {"cpu_spike", "factor", false, 1, 100},
        {"fd_growth", "per_minute", false, 1, 1e6},
    };
    static const struct {
        const char *rules, *want;
    } cases[] = {
        {"\"cpu_spike\": {\"enabled\": true, \"factor\": 3}", NULL},
        {"\"cpu_spik\": {\"enabled\": true}",
         "c.json:3: profiling.anomaly_detection.rules.cpu_spik.enabled: unknown rule"},
        {"\"fd_growth\": {\"factor\": 3}", "fd_growth.factor: unknown key"},
        {"\"cpu_spike\": {\"factor\": true}", "cpu_spike.factor: must be a number"},
        {"\"cpu_spike\": {\"enabled\": 1}", "cpu_spike.enabled: must be true or false"},
        {"\"cpu_spike\": {\"factor\": 0.5}", "cpu_spike.factor: out of range, 1 to 100"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct n1_config c;
        struct n1_error err = {0};
        char text[300];
        snprintf(text, sizeof(text), "{\"profiling\":\n{\"anomaly_detection\": {\"rules\":\n{%s}}}}",
                 cases[i].rules);
        assert_int_equal(parse(&c, text, &err), 0);
        int r = n1_config_check_rules(&c, table, sizeof(table) / sizeof(table[0]), &err);
        n1_config_finish(&c);
        assert_int_equal(r, cases[i].want ? N1_E_CONFIG : 0);
        if (cases[i].want && !strstr(err.what, cases[i].want))
            fail_msg("case %zu: %s", i, err.what);
    }
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void look_up_goes_by_the_environment_never_the_folder(void **state)
{
    (void)state;
    struct n1_config c;
    struct n1_error err = {0};
    char folder[] = "/tmp/n1-config-XXXXXX", sub[80], path[100], here[80], back[4096];
    assert_non_null(mkdtemp(folder));
    assert_non_null(getcwd(back, sizeof(back)));
    snprintf(sub, sizeof(sub), "%s/n1top", folder);
    snprintf(path, sizeof(path), "%s/config.json", sub);
    snprintf(here, sizeof(here), "%s/config.json", folder);
    assert_int_equal(mkdir(sub, 0700), 0);
    write_file(path, "{\"profiling\": {\"max_history\": 123}}");
    write_file(here, "{\"profiling\": {\"max_history\": 321}}");

    setenv("XDG_CONFIG_HOME", folder, 1);
    assert_int_equal(n1_config_load(&c, NULL, &err), 0);
    assert_int_equal(c.max_history, 123);
    assert_string_equal(c.source, path);
    n1_config_finish(&c);

    assert_int_equal(chdir(folder), 0);
    setenv("XDG_CONFIG_HOME", "relative", 1);
    setenv("HOME", "/nonexistent", 1);
    assert_int_equal(n1_config_load(&c, NULL, &err), 0);
    assert_true(!c.source || !strcmp(c.source, "/etc/n1top/config.json"));
    n1_config_finish(&c);
    assert_int_equal(n1_config_load(&c, "config.json", &err), 0); /* unless it is named */
    assert_int_equal(c.max_history, 321);
    n1_config_finish(&c);
    assert_int_equal(chdir(back), 0);

    assert_int_equal(n1_config_load(&c, "/nonexistent/c.json", &err), N1_E_NO_FILE);
    assert_int_equal(n1_error_exit_status(N1_E_NO_FILE), 2);
    write_file(path, "{\"profiling\": {\"max_history\": 0}}");
    setenv("XDG_CONFIG_HOME", folder, 1);
    assert_int_equal(n1_config_load(&c, NULL, &err), N1_E_CONFIG);
    assert_non_null(strstr(err.what, path));
    unlink(path);
    unlink(here);
    rmdir(sub);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped_file_is_the_defaults),
        cmocka_unit_test(mode_is_a_preset_under_explicit_keys),
        cmocka_unit_test(every_type_is_taken),
        cmocka_unit_test(refusals_name_line_and_key),
        cmocka_unit_test(rules_are_checked_against_a_table),
        cmocka_unit_test(look_up_goes_by_the_environment_never_the_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
