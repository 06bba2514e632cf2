/* Where the samples of torn stacks go. */
#include "sampler/python/draws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void a_sample_goes_to_the_next_stack_with_its_function_on_top(void **state)
{
    (void)state;
    struct n1_py_draws d = {0};
    n1_py_draws_add(&d, 0x1000, 10, 1);
    n1_py_draws_add(&d, 0x1000, 15, 2); /* the first was torn */
    n1_py_draws_add(&d, 0, 7, 2);       /* no Python code */
    assert_int_equal(n1_py_draws_take(&d, 0x2000), 0);
    uint64_t sum = n1_py_draws_take(&d, 0x1000);
    assert_true(sum > 0);
    sum += n1_py_draws_take(&d, 0x1000);
    assert_int_equal(sum, 25);
    assert_int_equal(n1_py_draws_take(&d, 0x1000), 0);
    assert_int_equal(n1_py_draws_take(&d, 0), 7);
    assert_int_equal(d.count, 0);
}

/* Two functions of equal time, one of which is torn nine times in ten: shown equal all the same. */
static void what_is_torn_more_often_is_not_shown_less(void **state)
{
    (void)state;
    struct n1_py_draws d = {0};
    uint64_t shown[2] = {0};
    srand(1);
    for (int i = 0; i < 20000; i++) {
        int top = i & 1;
        n1_py_draws_add(&d, 0x1000u + (unsigned)top, 1, (n1_ns)i * 1000000);
        if (top && rand() % 10)
            continue;
        for (uint64_t ns; (ns = n1_py_draws_take(&d, 0x1000u + (unsigned)top));)
            shown[top] += ns;
    }
    assert_in_range(shown[1], shown[0] - 200, shown[0]);
}

static void the_table_is_bounded(void **state)
{
    (void)state;
    struct n1_py_draws d = {0};
    for (uint64_t i = 0; i < 3 * N1_PY_DRAWS; i++)
        n1_py_draws_add(&d, i + 1, 1, i + 1);
    assert_int_equal(d.count, N1_PY_DRAWS);
    assert_int_equal(n1_py_draws_take(&d, 1), 0);
    assert_int_equal(n1_py_draws_take(&d, 3 * N1_PY_DRAWS), 1);
}

static void what_never_shows_a_whole_stack_is_told_by_its_code(void **state)
{
    (void)state;
    struct n1_py_draws d = {0};
    uint64_t code = 0;
    n1_py_draws_add(&d, 0x1000, 10, 100);
    n1_py_draws_add(&d, 0x2000, 20, 200);
    n1_py_draws_add(&d, 0x1000, 10, 300);
    assert_int_equal(n1_py_draws_overdue(&d, 100 + N1_PY_DRAWS_WAIT_NS, &code), 0);
    assert_int_equal(n1_py_draws_overdue(&d, 101 + N1_PY_DRAWS_WAIT_NS, &code), 10);
    assert_int_equal(code, 0x1000);
    assert_int_equal(n1_py_draws_overdue(&d, 101 + N1_PY_DRAWS_WAIT_NS, &code), 10);
    assert_int_equal(n1_py_draws_overdue(&d, 101 + N1_PY_DRAWS_WAIT_NS, &code), 0);
    assert_int_equal(n1_py_draws_take(&d, 0x2000), 20);
    assert_int_equal(d.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_goes_to_the_next_stack_with_its_function_on_top),
        cmocka_unit_test(what_is_torn_more_often_is_not_shown_less),
        cmocka_unit_test(the_table_is_bounded),
        cmocka_unit_test(what_never_shows_a_whole_stack_is_told_by_its_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
