/* The metric table is consistent, names round-trip, and values print with the digits and units promised. */
#include "n1/metric.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void table_is_consistent(void **state)
{
    (void)state;
    for (int id = 0; id < N1_METRIC_COUNT; id++) {
        const struct n1_metric_info *info = n1_metric_info(id);
        assert_non_null(info);
        assert_true(strlen(info->name) > 2 && strlen(info->name) < 48);
        for (const char *c = info->name; *c; c++)
            assert_true(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '.' || *c == '_');
        assert_true(strlen(info->text) > 3 && strlen(info->source) > 3);
        assert_int_equal(n1_metric_find(info->name), id); /* also proves that names are unique */
        assert_string_not_equal(n1_metric_unit_name(info->unit), "?");
        assert_string_not_equal(n1_metric_kind_name(info->kind), "?");
        /* a name says its scope, so that a rule or a query cannot mix them up */
        assert_int_equal(strncmp(info->name, "host.", 5) == 0, info->scope == N1_SCOPE_HOST);
        assert_int_equal(strncmp(info->name, "thread.", 7) == 0, info->scope == N1_SCOPE_THREAD);
    }
}

static void strangers_are_refused(void **state)
{
    (void)state;
    assert_null(n1_metric_info(-1));
    assert_null(n1_metric_info(N1_METRIC_COUNT));
    assert_int_equal(n1_metric_find("mem.rss "), -1);
    assert_int_equal(n1_metric_find(""), -1);
    assert_string_equal(n1_metric_unit_name(N1_UNIT_END), "?");
    assert_string_equal(n1_metric_unit_name(-1), "?");
    assert_string_equal(n1_metric_kind_name(7), "?");
    assert_string_equal(n1_metric_scope_name(-2), "?");
}

static void check(int unit, int64_t value, const char *expected)
{
    char text[32];
    size_t len = n1_metric_format(text, sizeof text, unit, value);
    assert_string_equal(text, expected);
    assert_int_equal(len, strlen(expected));
}

static void values_print(void **state)
{
    (void)state;
    check(N1_UNIT_BYTES, 0, "0 B");
    check(N1_UNIT_BYTES, 1023, "1023 B");
    check(N1_UNIT_BYTES, 1024, "1.00 KiB");
    check(N1_UNIT_BYTES, 1536 << 20, "1.50 GiB");
    check(N1_UNIT_BYTES, (1 << 20) - 1, "1.00 MiB");
    check(N1_UNIT_BYTES, -5 * 1024, "-5.00 KiB");
    check(N1_UNIT_BYTES, INT64_MAX, "8.00 EiB");
    check(N1_UNIT_BYTES, INT64_MIN, "-8.00 EiB");
    check(N1_UNIT_NS, 999, "999 ns");
    check(N1_UNIT_NS, 12345678, "12.3 ms");
    check(N1_UNIT_NS, 999999999, "1.00 s");
    check(N1_UNIT_COUNT, 12345, "12345");
    check(N1_UNIT_COUNT, 1200000, "1.20 M");
    check(N1_UNIT_PPM, 456000, "45.6 %");
    check(N1_UNIT_PPM, 2500000, "250 %");
    check(99, 1, "?");
}

static void rates_print(void **state)
{
    (void)state;
    char text[32];
    n1_metric_format_rate(text, sizeof text, N1_UNIT_BYTES, 1.5 * 1048576);
    assert_string_equal(text, "1.50 MiB/s");
    n1_metric_format_rate(text, sizeof text, N1_UNIT_NS, 456e6);
    assert_string_equal(text, "45.6 %");
    n1_metric_format_rate(text, sizeof text, N1_UNIT_COUNT, 12.0);
    assert_string_equal(text, "12.0 /s");
    n1_metric_format_rate(text, sizeof text, N1_UNIT_COUNT, 0.0 / 0.0);
    assert_string_equal(text, "?");
}

static void a_small_buffer_is_cut_not_overrun(void **state)
{
    (void)state;
    char text[8] = "#######";
    assert_int_equal(n1_metric_format(text, 4, N1_UNIT_BYTES, 1536 << 20), 3);
    assert_string_equal(text, "1.5");
    assert_int_equal(text[4], '#');
    assert_int_equal(n1_metric_format(text, 1, N1_UNIT_BYTES, 1), 0);
    assert_int_equal(text[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_consistent),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(values_print),
        cmocka_unit_test(rates_print),
        cmocka_unit_test(a_small_buffer_is_cut_not_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
