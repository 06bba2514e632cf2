/*
 * Merging a native stack with a Python one: every version's shape, the moments of a call and a return, stacks
 * that are not whole, chains that end early.
 */
#include "sampler/python/merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Native: letters, 'E' the evaluation loop; Python: digits, '|' after the last function of a loop. Both leaf
 * first. `want` is the merged stack in the same letters. */
static void check(const char *native, bool complete, const char *python, size_t empty, const char *want)
{
    bool loop[64] = {0}, last[64] = {0};
    char names[64], got[128];
    size_t n = strlen(native), p = 0;
    for (size_t i = 0; i < n; i++)
        loop[i] = native[i] == 'E';
    for (; *python; python++) {
        if (*python == '|')
            last[p - 1] = true;
        else
            names[p++] = *python;
    }
    struct n1_merge_input input = {loop, n, complete, last, p, empty};
    struct n1_merge_frame merged[128];
    size_t count = n1_py_merge(&input, merged, 128);
    for (size_t i = 0; i < count; i++)
        got[i] = merged[i].python ? names[merged[i].index] : native[merged[i].index];
    got[count] = '\0';
    assert_string_equal(got, want);
}

static void one_loop_a_function(void **state)
{
    (void)state;
    check("cEaEbEm", true, "1|2|3|", 0, "c1Ea2Eb3Em");
}

static void many_functions_a_loop(void **state)
{
    (void)state;
    check("cEm", true, "123|", 0, "c123Em");
    check("cEsEm", true, "12|34|", 0, "c12Es34Em");
}

/* The loop runs and its function is not in the chain yet, or no more. */
static void one_loop_too_many(void **state)
{
    (void)state;
    check("EsEm", true, "12|", 0, "Es12Em");
    check("EsEm", true, "12|", 1, "Es12Em");
}

/* The function is in the chain and its loop is still to be entered. */
static void one_function_too_many(void **state)
{
    (void)state;
    check("vEm", true, "1|2|", 0, "1v2Em");
}

static void a_walk_that_ended_early_keeps_every_function(void **state)
{
    (void)state;
    check("cE", false, "12|34|5|", 0, "c12E345");
    check("", false, "1|2|", 0, "12");
}

/* A greenlet's chain ends before the stack does. */
static void loops_left_over_stand_for_themselves(void **state)
{
    (void)state;
    check("cEgExEm", true, "1|", 0, "c1EgExEm");
}

static void no_python_is_the_native_stack(void **state)
{
    (void)state;
    check("cEm", true, "", 0, "cEm");
    check("cEm", true, "", 1, "cEm");
}

static void the_result_is_bounded(void **state)
{
    (void)state;
    bool loop[4] = {true, true, true, true}, last[4] = {true, true, true, true};
    struct n1_merge_input input = {loop, 4, true, last, 4, 0};
    struct n1_merge_frame merged[3];
    assert_int_equal(n1_py_merge(&input, merged, 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_loop_a_function),
        cmocka_unit_test(many_functions_a_loop),
        cmocka_unit_test(one_loop_too_many),
        cmocka_unit_test(one_function_too_many),
        cmocka_unit_test(a_walk_that_ended_early_keeps_every_function),
        cmocka_unit_test(loops_left_over_stand_for_themselves),
        cmocka_unit_test(no_python_is_the_native_stack),
        cmocka_unit_test(the_result_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
