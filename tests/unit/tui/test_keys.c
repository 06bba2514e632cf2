/* The key table: no key means two things, every action can be reached without function keys, names are
 * printable. */
#include "tui/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void no_clash(void **state)
{
    (void)state;
    size_t n;
    const struct n1_key_binding *b = n1_keys(&n);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            if (i != j)
                assert_true(b[i].key != b[j].key && b[i].key != b[j].key2);
            assert_true(b[i].key2 == 0 || i == j || b[i].key2 != b[j].key2);
        }
        assert_int_equal(n1_keys_action(b[i].key), b[i].action);
        assert_true(b[i].key2 == 0 || n1_keys_action(b[i].key2) == b[i].action);
        assert_true(b[i].help[0] != 0);
    }
    assert_int_equal(n1_keys_action(0), N1_ACTION_NONE);
    assert_int_equal(n1_keys_action(0x10fffe), N1_ACTION_NONE);
}

static void function_keys_have_letters(void **state)
{
    (void)state;
    size_t n;
    const struct n1_key_binding *b = n1_keys(&n);
    for (size_t i = 0; i < n; i++) {
        char name[12];
        n1_keys_name(name, b[i].key);
        assert_true(name[0] != 0);
        if (b[i].key > N1_KEY_F0)
            assert_true(b[i].key2 != 0 && b[i].key2 < 127 && b[i].label[0] != 0);
    }
    char name[12];
    n1_keys_name(name, N1_KEY_F(10));
    assert_string_equal(name, "F10");
    n1_keys_name(name, N1_KEY_CTRL('L'));
    assert_string_equal(name, "Ctrl-L");
}

static void keys_can_be_changed(void **state)
{
    (void)state;
    struct n1_error error = {0};
    assert_int_equal(n1_keys_check(&error), 0);
    assert_int_equal(n1_keys_bind("flame", "Ctrl-K", &error), 0);
    assert_int_equal(n1_keys_action(N1_KEY_CTRL('K')), N1_ACTION_FLAME);
    assert_int_equal(n1_keys_action('f'), N1_ACTION_NONE);
    assert_int_equal(n1_keys_bind("time-back", "F11", &error), 0);
    assert_int_equal(n1_keys_action(N1_KEY_F(11)), N1_ACTION_TIME_BACK);
    assert_int_equal(n1_keys_check(&error), 0);
    assert_int_equal(n1_keys_bind("no-such-thing", "x", &error), N1_E_CONFIG);
    assert_non_null(strstr(error.what, "no-such-thing"));
    assert_int_equal(n1_keys_bind("flame", "Hyper-Q", &error), N1_E_CONFIG);
    assert_int_equal(n1_keys_bind("flame", "q", &error), 0);
    assert_int_equal(n1_keys_check(&error), N1_E_CONFIG); /* and so a clash is told, not decided */
    assert_non_null(strstr(error.what, "leave"));
    assert_int_equal(n1_keys_bind("flame", "f", &error), 0);
    assert_int_equal(n1_keys_bind("time-back", ",", &error), 0);
    assert_int_equal(n1_keys_check(&error), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_clash),
                                       cmocka_unit_test(function_keys_have_letters),
                                       cmocka_unit_test(keys_can_be_changed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
