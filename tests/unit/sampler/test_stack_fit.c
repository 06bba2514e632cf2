/* When the copied stack grows and shrinks. */
#include "sampler/stack_fit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint32_t fit(uint32_t bytes, uint32_t too_little, uint64_t walks, uint64_t too_short, uint64_t most)
{
    struct n1_stack_fit f = {.too_little = too_little};
    struct n1_stack_need need = {walks, too_short, most};
    return n1_stack_fit_bytes(&f, &need, bytes);
}

static void shallow_stacks_cost_less(void **state)
{
    (void)state;
    assert_int_equal(fit(16384, 0, 200, 0, 300), 1024);
    assert_int_equal(fit(16384, 0, 200, 0, 900), 2048);
    assert_int_equal(fit(16384, 0, 200, 0, 2000), 3584);
    assert_int_equal(fit(16384, 0, 200, 0, 7000), 11264);
    assert_int_equal(fit(16384, 0, 200, 0, 8000), 16384); /* 12.5 would do: not worth a change */
    assert_int_equal(fit(16384, 0, 199, 0, 300), 16384);
    assert_int_equal(fit(16384, 0, 100000, 1, 300), 16384); /* one was cut short: depth varies */
    assert_int_equal(fit(1024, 0, 5000, 0, 100), 1024);
    assert_int_equal(fit(1024, 0, 5000, 0, 1000), 1024); /* never up without need */
}

static void deep_stacks_get_more_and_keep_it(void **state)
{
    (void)state;
    assert_int_equal(fit(16384, 0, 200, 3, 12000), 32768);
    assert_int_equal(fit(2048, 0, 4, 3, 900), 8192); /* at once: the first stacks are as good as the later */
    assert_int_equal(fit(4096, 0, 1000, 6, 900), 16384);
    assert_int_equal(fit(2048, 0, 1000, 5, 900), 2048);
    assert_int_equal(fit(2048, 0, 2, 2, 900), 2048);
    assert_int_equal(fit(32768, 16384, 1000, 900, 0), 32768);
    assert_int_equal(fit(16384, 2048, 1000, 0, 100), 4096); /* less again, but not what was too little */
    assert_int_equal(fit(8192, 2048, 1000, 0, 100), 4096);
    assert_int_equal(fit(16384, 8192, 1000, 0, 100), 16384);
    assert_int_equal(fit(16384, 0, 0, 0, 0), 16384);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shallow_stacks_cost_less),
        cmocka_unit_test(deep_stacks_get_more_and_keep_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
