/*
 * The file format against a second opinion: tests/integration/read_model.py, written from include/README.md
 * alone, reads the same recordings, and its figures must be those of n1's own profile and stores.
 */
#include "core/model/reader.h"
#include "n1/file.h"
#include "n1/profile.h"
#include "tests/unit/core/rich_model.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <unistd.h>

#define SCRIPT "tests/integration/read_model.py"

/* What the script says of a file; NULL when it failed. */
static cJSON *second_opinion(const char *path)
{
    static char text[1 << 20];
    char command[256];
    snprintf(command, sizeof(command), "python3 -B " SCRIPT " '%s' 2>/dev/null", path);
    FILE *said = popen(command, "re");
    assert_non_null(said);
    size_t n = fread(text, 1, sizeof(text) - 1, said);
    text[n] = 0;
    return pclose(said) == 0 ? cJSON_Parse(text) : NULL;
}

static uint64_t number(const cJSON *object, const char *group, const char *name)
{
    const cJSON *item =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(object, group), name);
    if (!cJSON_IsNumber(item))
        fail_msg("the second reader says nothing of %s %s", group, name);
    return (uint64_t)item->valuedouble;
}

static void compare(const char *path)
{
    static const struct {
        const char *name;
        enum n1_segment_kind kind;
    } stores[] = {{"PROCESSES", N1_SEGMENT_PROCESSES}, {"THREADS", N1_SEGMENT_THREADS},
                  {"MODULES", N1_SEGMENT_MODULES},     {"MAPPINGS", N1_SEGMENT_MAPPINGS},
                  {"FUNCTIONS", N1_SEGMENT_FUNCTIONS}, {"FRAMES", N1_SEGMENT_FRAMES},
                  {"NODES", N1_SEGMENT_NODES},         {"SERIES", N1_SEGMENT_SERIES},
                  {"STRINGS", N1_SEGMENT_STRING_INDEX}};
    static const struct {
        const char *name;
        enum n1_segment_kind kind;
    } rings[] = {{"POINTS", N1_SEGMENT_POINTS}, {"SAMPLES", N1_SEGMENT_SAMPLES},
                 {"WAITS", N1_SEGMENT_WAITS},   {"SECONDS", N1_SEGMENT_SECONDS},
                 {"MEMORY", N1_SEGMENT_MEMORY}, {"ANOMALIES", N1_SEGMENT_ANOMALIES}};
    struct n1_reader *r;
    struct n1_error err = {0};
    size_t count;
    cJSON *other = second_opinion(path);
    if (!other)
        fail_msg("%s: the second reader refused %s", SCRIPT, path);
    if (n1_reader_open_file(path, &r, &err) < 0)
        fail_msg("%s", err.what);
    assert_int_equal(n1_reader_begin(r), 0);
    for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++)
        assert_int_equal(number(other, "counts", stores[i].name),
                         n1_reader_count(r, stores[i].kind, NULL) - 1);
    for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++)
        assert_int_equal(number(other, "counts", rings[i].name), n1_reader_count(r, rings[i].kind, NULL));

    struct n1_profile *p = n1_profile_create();
    struct n1_window all = {0, UINT64_MAX};
    assert_int_equal(n1_profile_update(p, r, all, NULL, &err), 0);
    const struct n1_profile_function *f = n1_profile_functions(p, &count);
    uint64_t nameless_self = 0, named = 0;
    for (size_t i = 0; i < count; i++) {
        if (f[i].function == 0) {
            nameless_self += f[i].self_ns;
            continue;
        }
        named++;
        assert_int_equal(number(other, "total_ns", f[i].name), f[i].total_ns);
        if (f[i].self_ns)
            assert_int_equal(number(other, "self_ns", f[i].name), f[i].self_ns);
    }
    assert_true(named >= 9);
    assert_int_equal(number(other, "self_ns", "-"), nameless_self);
    n1_profile_destroy(p);

    struct n1_model_point point;
    uint32_t rss = n1_reader_series_find(r, N1_METRIC_MEM_RSS, 1);
    assert_int_equal(n1_reader_points(r, rss, 0, UINT64_MAX, &point, 1), 1);
    assert_int_equal(number(other, "last", "mem.rss"), point.value);
    const cJSON *self = cJSON_GetObjectItemCaseSensitive(other, "self");
    assert_int_equal(
        strtoull(cJSON_GetObjectItemCaseSensitive(self, "KERNEL_HIDDEN_NS")->valuestring, NULL, 10),
        n1_reader_self(r, N1_SELF_KERNEL_HIDDEN_NS));
    uint64_t next;
    struct n1_model_anomaly a;
    const cJSON *texts = cJSON_GetObjectItemCaseSensitive(other, "anomalies");
    assert_int_equal(n1_reader_anomalies(r, 0, &a, 1, &next, NULL), 1);
    assert_string_equal(cJSON_GetArrayItem(texts, 0)->valuestring, n1_reader_string(r, a.text));
    n1_reader_close(r);
    cJSON_Delete(other);
}

static void test_fixture(void **state)
{
    (void)state;
    compare("tests/fixtures/models/v1-rich.n1");
}

static void test_what_is_written_today(void **state)
{
    (void)state;
    char path[] = "/tmp/n1-read-XXXXXX";
    struct n1_writer *w = rich_model();
    struct n1_reader *r;
    int fd = mkostemp(path, O_CLOEXEC);
    assert_int_equal(n1_reader_open_fd(n1_writer_fd(w), &r, NULL), 0);
    assert_int_equal(n1_file_write(r, fd, 0, UINT64_MAX, NULL), 0);
    compare(path);
    /* It is a reader that can say no: one byte more, or less, is damage to it too. */
    assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 1), 0);
    assert_null(second_opinion(path));
    close(fd);
    unlink(path);
    n1_reader_close(r);
    n1_writer_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fixture),
                                       cmocka_unit_test(test_what_is_written_today)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
