/*
 * Statistics against values worked out elsewhere, and trends against series whose truth is known: how often
 * noise is taken for a trend, with and without autocorrelation, and how often a real one is found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "n1/profile.h"
#include "n1/stat.h"

#include <math.h>

static uint64_t seed = 12345;

static double uniform(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return ((double)(seed >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

static void wilson(void **state)
{
    (void)state;
    double low, high;
    n1_stat_wilson(70, 100, &low, &high);
    assert_float_equal(low, 0.604152, 1e-5);
    assert_float_equal(high, 0.781059, 1e-5);
    n1_stat_wilson(0, 10, &low, &high);
    assert_float_equal(low, 0, 1e-12);
    assert_float_equal(high, 0.277533, 1e-5);
    n1_stat_wilson(5, 0, &low, &high);
    assert_float_equal(high - low, 1, 0);
    assert_float_equal(n1_profile_share_error(70, 100), 0.0884535, 1e-5);
    assert_float_equal(n1_stat_two_sided(1.959964), 0.05, 1e-6);
}

static void summaries(void **state)
{
    (void)state;
    struct n1_stat_summary s;
    assert_int_equal(n1_stat_summarise((const double[]){3, 1, 4, 1, 5, 9}, 6, &s), 0);
    assert_float_equal(s.total, 23, 1e-12);
    assert_float_equal(s.mean, 23.0 / 6, 1e-12);
    assert_float_equal(s.median, 3.5, 1e-12);
    assert_float_equal(s.min, 1, 0);
    assert_float_equal(s.max, 9, 0);
    assert_float_equal(s.std, 2.994439, 1e-6);
    assert_int_equal(n1_stat_summarise((const double[]){2}, 1, &s), 0);
    assert_float_equal(s.median, 2, 0);
    assert_true(isnan(s.std));
    assert_int_equal(n1_stat_summarise(NULL, 0, &s), 0);
    assert_true(isnan(s.mean) && s.count == 0);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void medians(void **state)
{
    (void)state;
    double v[200];
    struct n1_stat_summary s;
    for (int round = 0; round < 20000; round++) {
        size_t n = 1 + (size_t)(uniform() * 199);
        double kinds = 1 + floor(uniform() * (double)n * 2); /* few: many equal values */
        for (size_t i = 0; i < n; i++)
            v[i] = round % 3 ? floor(uniform() * kinds) : (double)(round % 2 ? i : n - i);
        assert_int_equal(n1_stat_summarise(v, n, &s), 0);
        qsort(v, n, sizeof *v, ascending);
        double want = n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
        assert_float_equal(s.median, want, 1e-12);
        assert_true(s.min <= v[0] && s.max >= v[n - 1]);
    }
}

/* AR(1) with the given memory, plus a slope a step; n values around 100. */
static enum n1_trend series(size_t n, double memory, double slope, double *ret_slope)
{
    double *v = calloc(n, sizeof *v), noise = normal() / sqrt(1 - memory * memory);
    struct n1_stat_trend t;
    for (size_t i = 0; i < n; i++) {
        v[i] = 100 + 5 * noise + slope * (double)i;
        noise = memory * noise + normal();
    }
    assert_int_equal(n1_stat_trend(v, n, &t), 0);
    free(v);
    *ret_slope = t.slope;
    return t.trend;
}

static void autocorrelation_times(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        double memory = (double[]){0, 0.5, 0.8}[k], sum = 0, truth = (1 + memory) / (1 - memory);
        for (int round = 0; round < 50; round++) {
            double v[2000], noise = 0;
            for (int i = 0; i < 2000; i++)
                v[i] = noise = memory * noise + normal();
            sum += n1_stat_autocorrelation(v, 2000) / 50;
        }
        assert_true(fabs(sum - truth) < 0.2 * truth);
    }
}

static void noise_is_no_trend(void **state)
{
    (void)state;
    double slope;
    for (int k = 0; k < 6; k++) {
        size_t n = (size_t[]){30, 60, 300, 60, 300, 1000}[k];
        double memory = k < 3 ? 0 : 0.7;
        int found = 0, rounds = 1000;
        for (int i = 0; i < rounds; i++) {
            enum n1_trend t = series(n, memory, 0, &slope);
            found += t == N1_TREND_IMPROVING || t == N1_TREND_DEGRADING;
        }
        print_message("%zu values, memory %.1f: %d of %d taken for a trend\n", n, memory, found, rounds);
        assert_true(found <= rounds * 2 / 100);
    }
}

static void trends_are_found(void **state)
{
    (void)state;
    double slope, sum = 0;
    int down = 0, up = 0, small = 0;
    for (int i = 0; i < 200; i++) {
        up += series(120, 0, 0.1, &slope) == N1_TREND_DEGRADING;
        sum += slope / 200;
        down += series(600, 0.5, -0.05, &slope) == N1_TREND_IMPROVING;
        small += series(3000, 0, 0.001, &slope) == N1_TREND_STABLE; /* real, but 3 % in all */
    }
    print_message("found %d up, %d down of 200\n", up, down);
    assert_true(up >= 190 && down >= 190);
    assert_true(small >= 190);
    assert_float_equal(sum, 0.1, 0.005);
}

static void short_and_flat_series(void **state)
{
    (void)state;
    struct n1_stat_trend t;
    double flat[100] = {0};
    assert_int_equal(n1_stat_trend(flat, 7, &t), 0);
    assert_int_equal(t.trend, N1_TREND_UNKNOWN);
    assert_null(n1_trend_name(t.trend));
    assert_true(isnan(t.slope));
    assert_int_equal(n1_stat_trend(flat, 100, &t), 0);
    assert_int_equal(t.trend, N1_TREND_STABLE);
    assert_true(isnan(t.volatility));
    assert_int_equal(n1_stat_trend(NULL, 0, &t), 0);
    assert_int_equal(t.trend, N1_TREND_UNKNOWN);
    for (int i = 0; i < 100; i++)
        flat[i] = 1 + i % 2; /* a beat is no trend */
    assert_int_equal(n1_stat_trend(flat, 100, &t), 0);
    assert_string_equal(n1_trend_name(t.trend), "stable");
    assert_float_equal(t.volatility, 0.502519 / 1.5, 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wilson),
        cmocka_unit_test(summaries),
        cmocka_unit_test(medians),
        cmocka_unit_test(autocorrelation_times),
        cmocka_unit_test(noise_is_no_trend),
        cmocka_unit_test(trends_are_found),
        cmocka_unit_test(short_and_flat_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
