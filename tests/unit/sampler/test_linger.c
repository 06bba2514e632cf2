/* The lingering clock, turned by hand. */
#include "sampler/viewers/linger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S N1_SECOND_NS

static void watched_stays(void **state)
{
    (void)state;
    struct n1_linger l = {.span = 10 * S, .cpu_percent = 1, .memory_bytes = 1};
    assert_int_equal(n1_linger_left(&l, 5 * S), 0);
    assert_int_equal(n1_linger_look(&l, 1000000 * S, UINT64_MAX, UINT64_MAX), N1_LINGER_STAY);
}

static void time_runs_out_once_alone(void **state)
{
    (void)state;
    struct n1_linger l = {.span = 10 * S};
    n1_linger_alone(&l, 100 * S, 0);
    assert_int_equal(n1_linger_left(&l, 100 * S), 10 * S);
    assert_int_equal(n1_linger_left(&l, 99 * S), 10 * S); /* a clock read before it */
    assert_int_equal(n1_linger_look(&l, 110 * S - 1, 0, 0), N1_LINGER_STAY);
    assert_int_equal(n1_linger_look(&l, 110 * S, 0, 0), N1_LINGER_TIME);
    assert_int_equal(n1_linger_left(&l, 500 * S), 0);
}

static void coming_back_stops_the_clock(void **state)
{
    (void)state;
    struct n1_linger l = {.span = 10 * S};
    n1_linger_alone(&l, 100 * S, 0);
    n1_linger_joined(&l);
    assert_int_equal(n1_linger_look(&l, 1000 * S, 0, 0), N1_LINGER_STAY);
    n1_linger_alone(&l, 1000 * S, 0); /* and it starts anew */
    assert_int_equal(n1_linger_look(&l, 1009 * S, 0, 0), N1_LINGER_STAY);
    assert_int_equal(n1_linger_look(&l, 1010 * S, 0, 0), N1_LINGER_TIME);
}

static void alone_at_the_clock_s_zero_counts(void **state)
{
    (void)state;
    struct n1_linger l = {.span = 10 * S};
    n1_linger_alone(&l, 0, 0);
    assert_int_equal(n1_linger_look(&l, 10 * S + 1, 0, 0), N1_LINGER_TIME);
}

static void a_whole_window_over_the_budget(void **state)
{
    (void)state;
    struct n1_linger l = {.span = 3600 * S, .cpu_percent = 5};
    n1_ns w = N1_LINGER_WINDOW_NS;
    n1_linger_alone(&l, 100 * S, 7 * S); /* what was spent with somebody watching does not count */
    assert_int_equal(n1_linger_look(&l, 101 * S, 8 * S, 0), N1_LINGER_STAY); /* 100 % for a second */
    assert_int_equal(n1_linger_look(&l, 100 * S + w, 7 * S + w / 20, 0), N1_LINGER_STAY); /* exactly 5 % */
    uint64_t cpu = 7 * S + w / 20;
    assert_int_equal(n1_linger_look(&l, 100 * S + 2 * w, cpu + w / 19, 0), N1_LINGER_CPU);
    assert_int_equal(n1_linger_look(&l, 100 * S + 3 * w, cpu + w / 19, 0), N1_LINGER_STAY); /* judged anew */
    assert_int_equal(n1_linger_look(&l, 100 * S + 4 * w, cpu - S, 0),
                     N1_LINGER_STAY); /* a clock that went back */
}

static void memory_ends_it(void **state)
{
    (void)state;
    struct n1_linger l = {.span = 3600 * S, .memory_bytes = 1000};
    n1_linger_alone(&l, 100 * S, 0);
    assert_int_equal(n1_linger_look(&l, 101 * S, 0, 1000), N1_LINGER_STAY);
    assert_int_equal(n1_linger_look(&l, 102 * S, 0, 1001), N1_LINGER_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watched_stays),
        cmocka_unit_test(time_runs_out_once_alone),
        cmocka_unit_test(coming_back_stops_the_clock),
        cmocka_unit_test(alone_at_the_clock_s_zero_counts),
        cmocka_unit_test(a_whole_window_over_the_budget),
        cmocka_unit_test(memory_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
