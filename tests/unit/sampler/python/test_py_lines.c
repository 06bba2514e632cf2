/*
 * Line tables against what the Pythons themselves say of them (tests/fixtures/python/lines_*.txt, written by
 * line_tables.py there), and against tables that are cut short or nonsense.
 */
#include "sampler/python/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TABLE_MAX = 65536, TEXT_MAX = 1 << 18 };

static uint8_t table[TABLE_MAX];
static char text[TEXT_MAX];

static size_t unhex(const char *hex)
{
    size_t n = 0;
    for (unsigned byte; hex[0] && hex[0] != '-' && sscanf(hex, "%2x", &byte) == 1; hex += 2)
        table[n++] = (uint8_t)byte;
    return n;
}

/* One code object: every range's line at its start, and just before the next one's. */
static void check_code(char *line)
{
    char *save, *kind = strtok_r(line, " \n", &save), *first = strtok_r(NULL, " \n", &save);
    size_t len = unhex(strtok_r(NULL, " \n", &save));
    enum n1_py_line_format format = *kind == 'd'   ? N1_PY_LINES_DELTAS
                                    : *kind == 'r' ? N1_PY_LINES_RANGES
                                                   : N1_PY_LINES_LOCATIONS;
    struct n1_py_lines lines;
    assert_int_equal(n1_py_lines_decode(format, table, len, (uint32_t)atoi(first), &lines), 0);
    unsigned last_line = 0, at, want;
    bool any = false;
    for (char *range; (range = strtok_r(NULL, " \n", &save)); any = true) {
        assert_int_equal(sscanf(range, "%u:%u", &at, &want), 2);
        assert_int_equal(n1_py_lines_find(&lines, at), want);
        if (any && at > 0)
            assert_int_equal(n1_py_lines_find(&lines, at - 1), last_line);
        last_line = want;
    }
    assert_true(any);
    n1_py_lines_finish(&lines);
}

static void every_version_agrees_with_its_own_python(void **state)
{
    static const char *const versions[] = {"3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15"};
    (void)state;
    for (size_t v = 0; v < sizeof(versions) / sizeof(versions[0]); v++) {
        char path[128];
        size_t codes = 0;
        snprintf(path, sizeof(path), "tests/fixtures/python/lines_%s.txt", versions[v]);
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        for (; fgets(text, sizeof(text), file); codes++)
            check_code(text);
        fclose(file);
        assert_true(codes >= 11);
    }
}

static void formats_follow_the_version(void **state)
{
    (void)state;
    assert_int_equal(n1_py_line_format(0x0308), N1_PY_LINES_DELTAS);
    assert_int_equal(n1_py_line_format(0x0309), N1_PY_LINES_DELTAS);
    assert_int_equal(n1_py_line_format(0x030a), N1_PY_LINES_RANGES);
    assert_int_equal(n1_py_line_format(0x030b), N1_PY_LINES_LOCATIONS);
    assert_int_equal(n1_py_line_format(0x030f), N1_PY_LINES_LOCATIONS);
}

/* Rows rise, whatever the bytes are, and every look-up ends. */
static void nonsense_gives_rows_in_order(void **state)
{
    (void)state;
    srand(3);
    for (int round = 0; round < 3000; round++) {
        size_t len = (size_t)rand() % 300;
        for (size_t i = 0; i < len; i++)
            table[i] = (uint8_t)(round % 3 ? rand() : 0xff - rand() % 4);
        for (int format = N1_PY_LINES_DELTAS; format <= N1_PY_LINES_LOCATIONS; format++) {
            struct n1_py_lines lines;
            assert_int_equal(
                n1_py_lines_decode((enum n1_py_line_format)format, table, len, (uint32_t)rand(), &lines), 0);
            for (size_t i = 1; i < lines.count; i++)
                assert_true(lines.rows[i].start > lines.rows[i - 1].start);
            for (int i = 0; i < 20; i++)
                assert_true(n1_py_lines_find(&lines, (uint32_t)rand()) <= INT32_MAX);
            n1_py_lines_finish(&lines);
        }
    }
}

static void an_empty_table_has_no_lines(void **state)
{
    (void)state;
    struct n1_py_lines lines;
    assert_int_equal(n1_py_lines_decode(N1_PY_LINES_LOCATIONS, table, 0, 7, &lines), 0);
    assert_int_equal(n1_py_lines_find(&lines, 0), 0);
    n1_py_lines_finish(&lines);
    assert_int_equal(n1_py_lines_decode(N1_PY_LINES_DELTAS, table, 0, 7, &lines), 0);
    assert_int_equal(n1_py_lines_find(&lines, 100), 7);
    n1_py_lines_finish(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_agrees_with_its_own_python),
        cmocka_unit_test(formats_follow_the_version),
        cmocka_unit_test(nonsense_gives_rows_in_order),
        cmocka_unit_test(an_empty_table_has_no_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
