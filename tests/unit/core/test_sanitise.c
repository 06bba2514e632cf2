/* Hostile bytes through the gate: what comes out is always valid, printable, bounded and cut at a character.
 */
#include "n1/sanitise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *in, size_t len, const char *want)
{
    char out[256];
    size_t n = n1_sanitise(out, sizeof out, in, len);
    assert_string_equal(out, want);
    assert_int_equal(n, strlen(want));
}

static void plain_text_passes(void **state)
{
    (void)state;
    check("parse_row(int)", 14, "parse_row(int)");
    const char *wide = "gr\xc3\xbc\xc3\x9f \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80";
    check(wide, strlen(wide), wide);
    check("e\xcc\x81", 3, "e\xcc\x81");
    check("", 0, "");
}

static void controls_become_marks(void **state)
{
    (void)state;
    check("\x1b[2Jx\x07\x7f", 7, "?[2Jx??");
    check("a\0b\n\t\r", 6, "a?b???");
    check("\xc2\x9b"
          "2J",
          4, "?2J");                                /* C1 control sequence introducer */
    check("\xe2\x80\xa8\xe2\x80\xa9", 6, "??");     /* line and paragraph separator */
    check("\xe2\x80\xaegpj.exe", 10, "?gpj.exe");   /* right-to-left override */
    check("\xe2\x81\xa6\xe2\x81\xa9", 6, "??");     /* bidi isolates */
    check("a\xe2\x80\x8bx\xef\xbb\xbf", 8, "a?x?"); /* zero width space, byte order mark */
    check("\xf3\xa0\x81\x81", 4, "?");              /* tag character */
    check("\xef\xbf\xbe\xef\xbf\xbf", 6, "??");     /* noncharacters: not valid in XML */
}

static void invalid_bytes_become_one_mark_each(void **state)
{
    (void)state;
    check("\xff\xfe", 2, "??");
    check("\xc0\xaf", 2, "??");           /* overlong '/' */
    check("\xe0\x80\xaf", 3, "???");      /* overlong */
    check("\xed\xa0\x80", 3, "???");      /* surrogate */
    check("\xf4\x90\x80\x80", 4, "????"); /* past U+10FFFF */
    check("\xe6\x97", 2, "??");           /* cut short at the end */
    check("\xe6\x97z", 3, "??z");         /* cut short in the middle */
    check("\x80z", 2, "?z");
}

static void output_is_bounded_and_cut_at_characters(void **state)
{
    (void)state;
    char out[8];
    memset(out, 'Z', sizeof out);
    assert_int_equal(n1_sanitise(out, 1, "abc", 3), 0);
    assert_int_equal(out[0], 0);
    assert_int_equal(out[1], 'Z');
    assert_int_equal(n1_sanitise(out, 4, "ab\xc3\xbc", 4), 2); /* the two bytes and the NUL do not fit */
    assert_string_equal(out, "ab");
    assert_int_equal(n1_sanitise(out, 5, "ab\xc3\xbc", 4), 4);
    assert_int_equal(out[5], 'Z');
}

/* An independent check of the promise, byte by byte, over random input. */
static void random_bytes_stay_harmless(void **state)
{
    (void)state;
    srand(7);
    for (int round = 0; round < 20000; round++) {
        char in[64], out[64], again[64];
        size_t len = (size_t)rand() % sizeof in, cap = 1 + (size_t)rand() % sizeof out;
        for (size_t i = 0; i < len; i++)
            in[i] = (char)(rand() % 3 ? rand() : "\xe2\x80\xc2\xf3\xef"[rand() % 5]);
        size_t n = n1_sanitise(out, cap, in, len);
        assert_true(n < cap);
        assert_true(n <= len);
        assert_int_equal(out[n], 0);
        for (size_t i = 0; i < n; i++) {
            unsigned char b = (unsigned char)out[i];
            assert_true(b >= 0x20 && b != 0x7f);
            if (b == 0xc2 && i + 1 < n)
                assert_true((unsigned char)out[i + 1] >= 0xa0);
        }
        assert_int_equal(n1_sanitise(again, sizeof again, out, n), n);
        assert_memory_equal(again, out, n + 1); /* nothing left to clean, so all of it is valid UTF-8 */
    }
}

static void xml_is_escaped_whole_or_not(void **state)
{
    (void)state;
    char out[64];
    n1_escape_xml(out, sizeof out, "a<b>&\"'\xc3\xbc");
    assert_string_equal(out, "a&lt;b&gt;&amp;&quot;&#39;\xc3\xbc");
    assert_int_equal(n1_escape_xml(out, 5, "a<"), 1); /* "a&lt;" and its NUL need 6 */
    assert_string_equal(out, "a");
    assert_int_equal(n1_escape_xml(out, 6, "a<"), 5);
    assert_string_equal(out, "a&lt;");
    n1_escape_xml(out, sizeof out, "\x1b]0;x\xff");
    assert_string_equal(out, "?]0;x?");
    assert_int_equal(n1_escape_xml(out, 1, "abc"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_passes),
        cmocka_unit_test(controls_become_marks),
        cmocka_unit_test(invalid_bytes_become_one_mark_each),
        cmocka_unit_test(output_is_bounded_and_cut_at_characters),
        cmocka_unit_test(random_bytes_stay_harmless),
        cmocka_unit_test(xml_is_escaped_whole_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
