/* What is cut and replaced, what is not, and that every size of room is kept. */
#include "n1/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *redacted(const char *text)
{
    static char out[1024];
    struct n1_redaction *r = n1_redaction_create();
    n1_redaction_add_host(r, "db7.example.net");
    n1_redaction_add_user(r, "alice.m");
    n1_redact(r, out, sizeof out, text, strlen(text));
    n1_redaction_destroy(r);
    return out;
}

static void test_paths_lose_their_folders(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"/usr/bin/tool", "tool"},
        {"/usr/bin/tool (deleted)", "tool (deleted)"},
        {"/", ""},
        {"/srv/x/", "x/"},
        {"./here/a.c", "a.c"},
        {"../sysdeps/unix/clone.S", "clone.S"},
        {"src/secret/a.c", "a.c"},
        {"--file=/etc/x.conf:/opt/y", "--file=x.conf:y"},
        {"open(\"/a/b\")", "open(\"b\")"},
        {"~/notes/n.txt", "n.txt"},
        {"libc.so.6", "libc.so.6"},
        {"operator/", "operator/"},
        {"12 KiB/s", "12 KiB/s"},
        {"std::vector<int>::push_back", "std::vector<int>::push_back"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(redacted(cases[i].text), cases[i].want);
}

static void test_names_become_the_same_word_each_time(void **state)
{
    (void)state;
    char first[64];
    assert_string_equal(redacted("db7 and DB7.example.net, not db77 or xdb7"),
                        "host and host, not db77 or xdb7");
    snprintf(first, sizeof first, "%s", redacted("alice.m"));
    assert_memory_equal(first, "user", 4);
    assert_string_equal(redacted("alice.m"), first);
    assert_null(strstr(redacted("worker-alice.m-3"), "alice"));
    assert_string_equal(redacted("root@localhost"), "root@localhost");
    assert_string_equal(redacted("alice.mx"), "alice.mx");
}

static void test_homes_tell_names(void **state)
{
    (void)state;
    char out[256];
    struct n1_redaction *r = n1_redaction_create();
    static const char text[] = "thread of berta";
    n1_redaction_learn(r, "x /home/berta/src/a.c /home/ /home");
    n1_redact(r, out, sizeof out, text, strlen(text));
    assert_null(strstr(out, "berta"));
    n1_redaction_destroy(r);
}

static void test_every_size_of_room(void **state)
{
    (void)state;
    static const char text[] = "/a/\xc3\xa4\xc3\xb6 db7 \xe2\x82\xac /home/alice.m/\xf0\x9f\x90\xa7";
    struct n1_redaction *r = n1_redaction_create();
    n1_redaction_add_host(r, "db7");
    for (size_t cap = 1; cap < 64; cap++) {
        char out[64];
        memset(out, 0x55, sizeof out);
        size_t len = n1_redact(r, out, cap, text, strlen(text));
        assert_true(len < cap);
        assert_int_equal(out[len], 0);
        assert_int_equal(strlen(out), len);
        for (size_t i = cap; i < sizeof out; i++)
            assert_int_equal(out[i], 0x55);
        assert_true(len == 0 ||
                    ((unsigned char)out[len - 1] & 0xc0) != 0xc0); /* no character without its end */
    }
    n1_redaction_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_lose_their_folders),
        cmocka_unit_test(test_names_become_the_same_word_each_time),
        cmocka_unit_test(test_homes_tell_names),
        cmocka_unit_test(test_every_size_of_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
