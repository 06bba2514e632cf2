/* Time: both clocks run forward and agree with the kernel's. */
#include "n1/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void mono_lies_between_two_readings(void **state)
{
    (void)state;
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    n1_ns now = n1_time_mono();
    clock_gettime(CLOCK_MONOTONIC, &b);
    assert_true((n1_ns)a.tv_sec * N1_SECOND_NS + (n1_ns)a.tv_nsec <= now);
    assert_true(now <= (n1_ns)b.tv_sec * N1_SECOND_NS + (n1_ns)b.tv_nsec);
}

static void wall_is_the_epoch(void **state)
{
    (void)state;
    time_t before = time(NULL);
    int64_t now = n1_time_wall_ns();
    time_t after = time(NULL);
    /* time() may lag the exact clock by a tick, so its second counts as the one before. */
    assert_in_range((uintmax_t)(now / (int64_t)N1_SECOND_NS), (uintmax_t)before - 1, (uintmax_t)after + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mono_lies_between_two_readings),
        cmocka_unit_test(wall_is_the_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
