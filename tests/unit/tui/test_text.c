/* Widths and cuts of text: columns are never exceeded, characters never split, the telling part stays. */
#include "tui/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void cut(const char *text, int cols, enum n1_text_cut how, const char *want)
{
    char out[256];
    int used = n1_text_cut(out, sizeof out, text, cols, how, "~");
    assert_string_equal(out, want);
    assert_int_equal(used, n1_text_cols(want));
}

static void widths(void **state)
{
    (void)state;
    assert_int_equal(n1_text_cols("abc"), 3);
    assert_int_equal(n1_text_cols("\xe6\x97\xa5\xe6\x9c\xac"), 4);
    assert_int_equal(n1_text_cols("e\xcc\x81"), 1);
    assert_int_equal(n1_text_cols("\xff\xfe"), 2);
    assert_int_equal(n1_text_cols("\x1b"), 1);
    assert_int_equal(n1_text_cols("\xe2\x80\xae"), 1); /* shown as '?' */
    assert_int_equal(n1_text_cols(""), 0);
}

static void plain_cuts(void **state)
{
    (void)state;
    cut("abcdef", 6, N1_CUT_END, "abcdef");
    cut("abcdef", 4, N1_CUT_END, "abc~");
    cut("abcdef", 4, N1_CUT_START, "~def");
    cut("abcdef", 5, N1_CUT_MIDDLE, "ab~ef");
    cut("abcdef", 1, N1_CUT_END, "~");
    cut("abcdef", 0, N1_CUT_END, "");
    cut("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4, N1_CUT_END, "\xe6\x97\xa5~"); /* no half characters */
    cut("e\xcc\x81"
        "abc",
        2, N1_CUT_END, "e\xcc\x81~");
}

static void function_cuts(void **state)
{
    (void)state;
    cut("ns::f(int)", 20, N1_CUT_FUNCTION, "ns::f(int)");
    cut("ns::f(int, char const*)", 10, N1_CUT_FUNCTION, "ns::f(~)");
    cut("std::map<std::string, int>::find(std::string const&)", 20, N1_CUT_FUNCTION, "std::map<~>::find(~)");
    cut("std::map<std::string, int>::find(std::string const&)", 12, N1_CUT_FUNCTION, "~::find(~)");
    cut("a::b::operator<(x, y)", 18, N1_CUT_FUNCTION, "a::b::operator<(~)");
    cut("libvendor.so.1+0x12ab", 16, N1_CUT_FUNCTION, "libvend~1+0x12ab");
    cut("f()", 3, N1_CUT_FUNCTION, "f()");
    cut("very_long_c_function_name", 10, N1_CUT_FUNCTION, "very_long~");
    cut("x::very_long_c_function_name", 10, N1_CUT_FUNCTION, "very_long~");
}

static void random_text_stays_inside(void **state)
{
    (void)state;
    srand(3);
    for (int round = 0; round < 50000; round++) {
        char in[80], out[96];
        size_t len = (size_t)rand() % (sizeof in - 1);
        for (size_t i = 0; i < len; i++)
            in[i] = "a<>(): \xe6\x97\xa5\xcc\x81\xff\xf0\x9f\x98\x80"[rand() % 17];
        in[len] = 0;
        int cols = rand() % 40;
        size_t cap = 8 + (size_t)rand() % (sizeof out - 8);
        int used = n1_text_cut(out, cap, in, cols, (enum n1_text_cut)(rand() % 4), "\xe2\x80\xa6");
        assert_true(strlen(out) < cap);
        assert_true(used <= cols);
        assert_int_equal(used, n1_text_cols(out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(widths), cmocka_unit_test(plain_cuts),
                                       cmocka_unit_test(function_cuts),
                                       cmocka_unit_test(random_text_stays_inside)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
