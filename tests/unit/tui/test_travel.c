/* Spans of the past: whole seconds, within what there is, whatever is asked. */
#include "tui/travel.h"

#include "n1/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define S N1_SECOND_NS
#define BORN (1000 * S + 1)
#define NOW (BORN + 90 * S + S / 2)

static void check(const struct n1_travel *t, n1_ns window, n1_ns from, n1_ns to)
{
    struct n1_window w = n1_travel_window(t, window, BORN);
    assert_int_equal((w.from - BORN) % S, 0);
    assert_int_equal((w.from - BORN) / S, from);
    assert_int_equal((w.to - BORN) / S, to);
}

static void steps(void **state)
{
    (void)state;
    struct n1_travel t = {0};
    n1_travel_step(&t, -1, BORN, NOW); /* from live: the last second that is over */
    assert_true(t.past);
    check(&t, 5 * S, 85, 90);
    n1_travel_step(&t, -1, BORN, NOW);
    check(&t, 5 * S, 84, 89);
    n1_travel_step(&t, 10, BORN, NOW); /* not into the second that runs */
    check(&t, 30 * S, 60, 90);
    n1_travel_step(&t, -1000, BORN, NOW);
    check(&t, 30 * S, 0, 1);
    check(&t, 0, 0, 1);
}

static void spans(void **state)
{
    (void)state;
    struct n1_travel t = {0};
    n1_travel_step(&t, -20, BORN, NOW);
    n1_travel_mark(&t, BORN, NOW);
    check(&t, 30 * S, 70, 71);
    n1_travel_step(&t, -10, BORN, NOW);
    check(&t, 30 * S, 60, 71); /* either way round */
    n1_travel_step(&t, 15, BORN, NOW);
    check(&t, 30 * S, 70, 76);
    n1_travel_mark(&t, BORN, NOW);
    check(&t, 30 * S, 46, 76);
    n1_travel_to(&t, BORN + 31 * S, BORN + 40 * S, BORN, NOW);
    check(&t, 30 * S, 31, 40);
    n1_travel_to(&t, BORN + 31 * S, BORN + 31 * S, BORN, NOW); /* an event without length */
    check(&t, 30 * S, 31, 32);
    n1_travel_to(&t, 0, UINT64_MAX, BORN, NOW); /* nonsense is cut to what there is */
    check(&t, 30 * S, 0, 90);
    n1_travel_to(&t, 5, 4, BORN, BORN);
    check(&t, 30 * S, 0, 1);
}

static void before(void **state)
{
    (void)state;
    struct n1_compare c = {.kind = N1_COMPARE_PREVIOUS};
    struct n1_window w = n1_compare_window(&c, (struct n1_window){BORN + 80 * S, BORN + 85 * S}, BORN);
    assert_true(w.from == BORN + 20 * S && w.to == BORN + 80 * S);
    w = n1_compare_window(&c, (struct n1_window){BORN + 10 * S, BORN + 85 * S}, BORN);
    assert_true(w.from == BORN && w.to == BORN + 10 * S);
    w = n1_compare_window(&c, (struct n1_window){0, BORN + 85 * S}, BORN);
    assert_true(w.from == BORN && w.to == BORN); /* nothing was before */
}

static void cells(void **state)
{
    (void)state;
    assert_int_equal(n1_travel_cell(0, 60 * S, 66), 1);
    assert_int_equal(n1_travel_cell(0, 66 * S, 66), 2);
    assert_int_equal(n1_travel_cell(0, 3600 * S, 66), 60);
    assert_int_equal(n1_travel_cell(0, 3600 * S, 186), 30);
    assert_int_equal(n1_travel_cell(5, 4, 66), 1);
    assert_int_equal(n1_travel_cell(0, UINT64_MAX, 1), 3600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps), cmocka_unit_test(spans),
                                       cmocka_unit_test(before), cmocka_unit_test(cells)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
