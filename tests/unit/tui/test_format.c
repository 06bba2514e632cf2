/* Figures as text: one rounding rule, carries into the next unit, bounded widths, unknown is never 0. */
#include "tui/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

typedef void (*format_fn)(char *, const struct n1_glyphs *, double);

static void is(format_fn fn, double value, const char *want)
{
    char out[N1_FORMAT_CAP];
    fn(out, n1_glyphs_get(N1_GLYPH_SET_ASCII), value);
    assert_string_equal(out, want);
}

static void figures(void **state)
{
    (void)state;
    is(n1_format_percent, 0, "0.0");
    is(n1_format_percent, -0.01, "0.0");
    is(n1_format_percent, 40.65, "40.7");
    is(n1_format_percent, 99.95, "100.0");
    is(n1_format_percent, 999.96, "1000");
    is(n1_format_percent, 123456, "9999+");
    is(n1_format_bytes, 0, "0");
    is(n1_format_bytes, 999, "999");
    is(n1_format_bytes, 1000, "1.0K");
    is(n1_format_bytes, 1536, "1.5K");
    is(n1_format_bytes, 9.96 * 1024, "10K");
    is(n1_format_bytes, 999.6 * 1024, "1.0M");
    is(n1_format_bytes, 512.0 * 1024 * 1024, "512M");
    is(n1_format_bytes, 1024.0 * 1024 * 1024, "1.0G");
    is(n1_format_bytes_signed, 3.1 * 1024 * 1024, "+3.1M");
    is(n1_format_bytes_signed, -12 * 1024, "-12K");
    is(n1_format_bytes_signed, 0, "+0");
    is(n1_format_count, 1234, "1.2k");
    is(n1_format_count, 999.5, "1.0k");
    is(n1_format_ns, 12, "12ns");
    is(n1_format_ns, 4500, "4.5us");
    is(n1_format_ns, 999.6, "1.0us");
    is(n1_format_ns, 123e6, "123ms");
    is(n1_format_ns, 1.234e9, "1.23s");
    is(n1_format_ns, 59.9e9, "59.9s");
    is(n1_format_ns, 59.97e9, "1m00");
    is(n1_format_ns, 125e9, "2m05");
    is(n1_format_ns, 3599.9e9, "1h00");
    is(n1_format_ns, 4.0 * 86400e9 + 7 * 3600e9, "4d07");
    is(n1_format_uptime, 5e9, "0:05");
    is(n1_format_uptime, 3734e9, "1:02:14");
    is(n1_format_uptime, 3 * 86400e9 + 4 * 3600e9 + 300e9, "3d 04:05");
}

static void unknown_is_not_zero(void **state)
{
    (void)state;
    static const format_fn all[] = {n1_format_percent, n1_format_bytes, n1_format_bytes_signed,
                                    n1_format_count,   n1_format_ns,    n1_format_uptime};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char out[N1_FORMAT_CAP];
        is(all[i], NAN, "-");
        all[i](out, n1_glyphs_get(N1_GLYPH_SET_BLOCK), NAN);
        assert_string_equal(out, "\xe2\x80\x93");
    }
}

static void widths_hold_over_all_magnitudes(void **state)
{
    (void)state;
    for (double v = 0.001; v < 1e22; v *= 1.013) {
        char out[N1_FORMAT_CAP];
        const struct n1_glyphs *g = n1_glyphs_get(N1_GLYPH_SET_ASCII);
        n1_format_bytes(out, g, v);
        assert_true(strlen(out) <= (v < 9.9e20 ? 4 : 5));
        n1_format_count(out, g, v);
        assert_true(strlen(out) <= (v < 9.9e20 ? 4 : 5));
        n1_format_percent(out, g, v);
        assert_true(strlen(out) <= 5);
        n1_format_ns(out, g, v);
        assert_true(strlen(out) <= 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(figures), cmocka_unit_test(unknown_is_not_zero),
                                       cmocka_unit_test(widths_hold_over_all_magnitudes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
