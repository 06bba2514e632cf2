/* Errors: texts are one safe line, codes map to the documented exit statuses, output goes to standard error.
 */
#include "n1/error.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void set_returns_code_and_default_hint(void **state)
{
    (void)state;
    struct n1_error err = {0};
    assert_int_equal(n1_error_set(&err, N1_E_NO_PROCESS, "no process %d", 42), N1_E_NO_PROCESS);
    assert_int_equal(err.code, N1_E_NO_PROCESS);
    assert_string_equal(err.what, "no process 42");
    assert_non_null(strstr(err.hint, "PID"));
    assert_int_equal(n1_error_set(NULL, -EIO, "nobody listens"), -EIO);
}

static void explicit_hint_wins(void **state)
{
    (void)state;
    struct n1_error err = {0};
    n1_error_hint(&err, N1_E_CONFIG, "use a number", "bad value");
    assert_string_equal(err.hint, "use a number");
    n1_error_hint(&err, N1_E_CONFIG, NULL, "bad value");
    assert_string_equal(err.hint, "");
}

static void control_bytes_become_question_marks(void **state)
{
    (void)state;
    struct n1_error err = {0};
    n1_error_set(&err, -EIO, "a\033[31mb\nc\177d\302\233e\233f");
    assert_string_equal(err.what, "a?[31mb?c?d?e?f");
    n1_error_set(&err, -EIO, "%s", "name\342\200\256gpj.exe");
    assert_string_equal(err.what, "name?gpj.exe");
    n1_error_set(&err, -EIO, "%s", "gr\303\274n \342\202\254 \360\237\220\247");
    assert_string_equal(err.what, "gr\303\274n \342\202\254 \360\237\220\247");
    n1_error_set(&err, -EIO, "%s", "\355\240\200 \300\200 \340\200\200 \364\220\200\200 \360\217\277\277");
    for (const char *s = err.what; *s; s++)
        assert_true(*s == '?' || *s == ' ');
}

static void long_text_is_cut_at_a_character(void **state)
{
    (void)state;
    struct n1_error err = {0};
    char text[600];
    for (size_t i = 0; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\303\274", 3);
    n1_error_set(&err, -EIO, "%s", text);
    assert_int_equal(strlen(err.what), sizeof(err.what) - 1);
    assert_int_equal(err.what[sizeof(err.what) - 2], '?'); /* half of a character did not survive */
}

static void may_wrap_itself(void **state)
{
    (void)state;
    struct n1_error err = {0};
    n1_error_set(&err, -EIO, "disk");
    n1_error_set(&err, -EIO, "cannot save: %s", err.what);
    assert_string_equal(err.what, "cannot save: disk");
}

static void exit_statuses(void **state)
{
    (void)state;
    static const struct {
        int code, status;
    } want[] = {
        {0, 0},
        {N1_E_USAGE, 2},
        {N1_E_CONFIG, 2},
        {N1_E_NO_FILE, 2},
        {N1_E_NO_PROCESS, 3},
        {N1_E_NOT_PERMITTED, 4},
        {N1_E_DAMAGED, 5},
        {N1_E_NOT_OURS, 5},
        {N1_E_VERSION, 5},
        {N1_E_FAILED, 1},
        {N1_E_WRITER_GONE, 1},
        {-ENOENT, 2},
        {-ESRCH, 3},
        {-EPERM, 4},
        {-EACCES, 4},
        {-EIO, 1},
        {-99999, 1},
    };
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_int_equal(n1_error_exit_status(want[i].code), want[i].status);
}

static void print_writes_lines_to_stderr(void **state)
{
    (void)state;
    int pipe_fds[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    dup2(pipe_fds[1], STDERR_FILENO);
    struct n1_error err = {0};
    n1_error_hint(&err, N1_E_NOT_PERMITTED, "become root", "process 1 is not yours");
    int status = n1_error_print(&err);
    n1_error_hint(&err, N1_E_FAILED, "", "no more");
    int second = n1_error_print(&err);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipe_fds[1]);
    char text[300] = "";
    assert_true(read(pipe_fds[0], text, sizeof(text) - 1) > 0);
    close(pipe_fds[0]);
    assert_string_equal(text, "n1top: process 1 is not yours\n  become root\nn1top: no more\n");
    assert_int_equal(status, 4);
    assert_int_equal(second, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_returns_code_and_default_hint),
        cmocka_unit_test(explicit_hint_wins),
        cmocka_unit_test(control_bytes_become_question_marks),
        cmocka_unit_test(long_text_is_cut_at_a_character),
        cmocka_unit_test(may_wrap_itself),
        cmocka_unit_test(exit_statuses),
        cmocka_unit_test(print_writes_lines_to_stderr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
