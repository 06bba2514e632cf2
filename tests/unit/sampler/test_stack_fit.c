/* When the copied stack grows and shrinks. */
#include "sampler/stack_fit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint32_t fit(uint32_t bytes, bool raised, uint64_t walks, uint64_t too_short, uint64_t most)
{
    struct n1_stack_fit f = {.raised = raised};
    struct n1_stack_need need = {walks, too_short, most};
    return n1_stack_fit_bytes(&f, &need, bytes);
}

static void shallow_stacks_cost_less(void **state)
{
    (void)state;
    assert_int_equal(fit(16384, false, 500, 0, 300), 1024);
    assert_int_equal(fit(16384, false, 500, 0, 900), 2048);
    assert_int_equal(fit(16384, false, 500, 0, 2000), 4096);
    assert_int_equal(fit(16384, false, 500, 0, 2500), 16384); /* half would do: not worth a change */
    assert_int_equal(fit(16384, false, 499, 0, 300), 16384);
    assert_int_equal(fit(16384, false, 100000, 1, 300), 16384); /* one was cut short: depth varies */
    assert_int_equal(fit(1024, false, 5000, 0, 100), 1024);
}

static void deep_stacks_get_more_and_keep_it(void **state)
{
    (void)state;
    assert_int_equal(fit(16384, false, 200, 3, 12000), 32768);
    assert_int_equal(fit(1024, false, 1000, 11, 900), 16384);
    assert_int_equal(fit(1024, false, 1000, 10, 900), 1024);
    assert_int_equal(fit(32768, true, 1000, 900, 0), 32768);
    assert_int_equal(fit(2048, true, 100000, 0, 100), 2048);
    assert_int_equal(fit(16384, false, 0, 0, 0), 16384);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shallow_stacks_cost_less),
        cmocka_unit_test(deep_stacks_get_more_and_keep_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
