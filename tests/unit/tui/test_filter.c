/* Filters as they are typed. */
#include "tui/filter.h"

#include "n1/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void check(const char *typed, uint32_t kinds, const char *thread, const char *text, bool regex,
                  bool wrong)
{
    struct n1_filter_words w;
    n1_filter_parse(typed, &w);
    assert_int_equal(w.kinds, kinds);
    assert_string_equal(w.thread, thread);
    assert_string_equal(w.text, text);
    assert_true(w.regex == regex && w.wrong == wrong);
}

static void words_and_text(void **state)
{
    (void)state;
    check("", 0, "", "", false, false);
    check("save", 0, "", "save", false, false);
    check("!^a|b", 0, "", "^a|b", true, false);
    check("kind:kernel", 1u << N1_KIND_KERNEL, "", "", false, false);
    check("kind:py,n save", 1u << N1_KIND_PYTHON | 1u << N1_KIND_NATIVE, "", "save", false, false);
    check("thread:worker kind:gc !x y", 1u << N1_KIND_GC, "worker", "x y", true, false);
    check("kind:", 0, "", "kind:", false, false); /* still being typed: text */
    check("kind:nosuch", 0, "", "", false, true);
    check("kind:k,,", 1u << N1_KIND_KERNEL, "", "", false, true);
    check("std::map kind:k", 0, "", "std::map kind:k", false, false); /* words come first */
    check("thread:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
          "", false, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words_and_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
