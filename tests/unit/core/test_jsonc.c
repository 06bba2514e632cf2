/* JSON with comments: values, lines, and every refusal with its line. */
#include "n1/jsonc.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct n1_jsonc *parse(const char *text)
{
    struct n1_jsonc *doc = NULL;
    struct n1_error err = {0};
    if (n1_jsonc_parse(&doc, text, strlen(text), "t.json", &err) < 0)
        print_error("%s\n", err.what);
    assert_non_null(doc);
    return doc;
}

static void comments_are_blank(void **state)
{
    (void)state;
    struct n1_jsonc *doc = parse("// a { \n{\"a\": /* 1, \n */ 2, \"u\": \"http://x/*y*/\" // end\n}// x");
    const cJSON *root = n1_jsonc_root(doc);
    assert_int_equal(cJSON_GetObjectItem(root, "a")->valueint, 2);
    assert_string_equal(cJSON_GetObjectItem(root, "u")->valuestring, "http://x/*y*/");
    n1_jsonc_destroy(doc);
    n1_jsonc_destroy(NULL);
}

static void every_item_knows_its_line(void **state)
{
    (void)state;
    struct n1_jsonc *doc =
        parse("\xef\xbb\xbf\n{ \"a\\\"\": [1,\n 2, {\"b\": null,\n\"c\":\n\n-1.5e3 } , []],\n"
              "\"d\" : \"x\\\\\" , \"e\":true\n, \"f\": {} }\n");
    const cJSON *root = n1_jsonc_root(doc), *a = cJSON_GetObjectItem(root, "a\""),
                *obj = cJSON_GetArrayItem(a, 2);
    assert_int_equal(n1_jsonc_line(doc, root), 2);
    assert_int_equal(n1_jsonc_line(doc, a), 2);
    assert_int_equal(n1_jsonc_line(doc, cJSON_GetArrayItem(a, 0)), 2);
    assert_int_equal(n1_jsonc_line(doc, cJSON_GetArrayItem(a, 1)), 3);
    assert_int_equal(n1_jsonc_line(doc, obj), 3);
    assert_int_equal(n1_jsonc_line(doc, cJSON_GetObjectItem(obj, "b")), 3);
    assert_int_equal(n1_jsonc_line(doc, cJSON_GetObjectItem(obj, "c")), 4);
    assert_int_equal(n1_jsonc_line(doc, cJSON_GetArrayItem(a, 3)), 6);
    assert_int_equal(n1_jsonc_line(doc, cJSON_GetObjectItem(root, "d")), 7);
    assert_int_equal(n1_jsonc_line(doc, cJSON_GetObjectItem(root, "e")), 7);
    assert_int_equal(n1_jsonc_line(doc, cJSON_GetObjectItem(root, "f")), 8);
    cJSON stranger = {0};
    assert_int_equal(n1_jsonc_line(doc, &stranger), 0);
    n1_jsonc_destroy(doc);
}

static void refusals_name_the_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *begin;
    } bad[] = {
        {"{\n\n\"a\": 1,\n}", "t.json:4: "},
        {"{\"a\": 1}\n}", "t.json:2: "},
        {"", "t.json:1: "},
        {"\n{\n/* x\n", "t.json:3: a comment that never ends"},
        {"{\"a\":1,\n\"b\":2,\n\"a\":3}", "t.json:3: key \"a\" stands twice"},
        {"{\"a\":\n[\"x\\u001by\"]}", "t.json:2: control character in a string"},
        {"{\n\"a\\n\": 1}", "t.json:2: control character in a key"},
        {"{\"a\": \"open", "t.json:1: "},
        {"{\"a\": 1 /", "t.json:1: "},
        {"{\"a\\", "t.json:1: "},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct n1_jsonc *doc = NULL;
        struct n1_error err = {0};
        assert_int_equal(n1_jsonc_parse(&doc, bad[i].text, strlen(bad[i].text), "t.json", &err), N1_E_CONFIG);
        assert_null(doc);
        if (strncmp(err.what, bad[i].begin, strlen(bad[i].begin)))
            fail_msg("case %zu: %s", i, err.what);
    }
    struct n1_jsonc *doc = NULL;
    assert_int_equal(n1_jsonc_parse(&doc, "{}\0{}", 5, "t", NULL), N1_E_CONFIG);
}

static void depth_and_width_are_bounded(void **state)
{
    (void)state;
    struct n1_jsonc *doc = NULL;
    struct n1_error err = {0};
    static char deep[200001], wide[40000];
    memset(deep, '[', sizeof(deep) - 1);
    assert_int_equal(n1_jsonc_parse(&doc, deep, strlen(deep), "t", &err), N1_E_CONFIG);
    assert_non_null(strstr(err.what, "deep"));
    size_t n = (size_t)snprintf(wide, sizeof(wide), "{\"k\":1");
    for (int i = 0; i < 1001; i++)
        n += (size_t)snprintf(wide + n, sizeof(wide) - n, ",\"k%d\":1", i);
    snprintf(wide + n, sizeof(wide) - n, "}");
    assert_int_equal(n1_jsonc_parse(&doc, wide, strlen(wide), "t", &err), N1_E_CONFIG);
    assert_non_null(strstr(err.what, "1000"));
}

static void only_regular_files_of_a_sane_size(void **state)
{
    (void)state;
    struct n1_jsonc *doc = NULL;
    struct n1_error err = {0};
    char folder[] = "/tmp/n1-jsonc-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    assert_int_equal(n1_jsonc_load(&doc, folder, &err), -EINVAL);
    snprintf(path, sizeof(path), "%s/f", folder);
    assert_int_equal(n1_jsonc_load(&doc, path, &err), -ENOENT);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(n1_jsonc_load(&doc, path, &err), -EINVAL);
    unlink(path);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs("{\"a\": [1]}", f);
    fclose(f);
    assert_int_equal(n1_jsonc_load(&doc, path, &err), 0);
    n1_jsonc_destroy(doc);
    assert_int_equal(truncate(path, (1 << 20) + 1), 0);
    assert_int_equal(n1_jsonc_load(&doc, path, &err), -EFBIG);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comments_are_blank),
        cmocka_unit_test(every_item_knows_its_line),
        cmocka_unit_test(refusals_name_the_line),
        cmocka_unit_test(depth_and_width_are_bounded),
        cmocka_unit_test(only_regular_files_of_a_sane_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
