/* Every line of the doctor has its form, and what it says of a process agrees with what then happens. */
#include "sampler/doctor.h"

#include "sampler/engine/perf_attr.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char *text;
static size_t text_len;

static void add_line(struct n1_doctor *doctor)
{
    n1_doctor_line(doctor, N1_DOCTOR_OK, "extra", "a\033[31mb\nc");
}

static int run(pid_t pid)
{
    FILE *out = open_memstream(&text, &text_len);
    int status = n1_doctor(out, pid, add_line);

    fclose(out);
    return status;
}

static void each_line_has_level_thing_and_reason(void **state)
{
    unsigned lines = 0;
    char *save = NULL;
    (void)state;
    assert_int_equal(run(0), 0);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        assert_true(!strncmp(line, "ok       ", 9) || !strncmp(line, "limited  ", 9) ||
                    !strncmp(line, "refused  ", 9));
        assert_non_null(strstr(line + 9, ": "));
        for (const char *p = line; *p; p++)
            assert_true((unsigned char)*p >= ' ');
        lines++;
    }
    assert_true(lines >= 12);
    free(text);
}

static void added_lines_are_sanitised(void **state)
{
    (void)state;
    assert_int_equal(run(0), 0);
    assert_non_null(strstr(text, "ok       extra: a?[31mb?c\n"));
    free(text);
}

static void it_agrees_with_what_happens(void **state)
{
    struct n1_perf_rights rights;
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, "evil\033[2J");
        for (;;)
            pause();
    }
    assert_int_equal(run(pid), 0);
    if (n1_perf_rights_probe(&rights, false, NULL)) {
        assert_non_null(strstr(text, "refused  engine perf:"));
    } else {
        assert_non_null(strstr(text, "ok       engine perf:"));
        assert_non_null(strstr(text, "ok       engine perf on it:"));
        assert_non_null(strstr(text, rights.kernel ? "ok       kernel time" : "limited  kernel time"));
        assert_non_null(
            strstr(text, rights.system ? "ok       events on whole" : "limited  events on whole"));
    }
    assert_null(strchr(text, '\033'));
    free(text);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_process_that_cannot_be_sampled(void **state)
{
    (void)state;
    assert_int_equal(run(0x7fffffff), 3);
    assert_non_null(strstr(text, "refused  process: no process with PID 2147483647"));
    free(text);
    assert_int_equal(run(getpid()), 2);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_has_level_thing_and_reason),
        cmocka_unit_test(added_lines_are_sanitised),
        cmocka_unit_test(it_agrees_with_what_happens),
        cmocka_unit_test(a_process_that_cannot_be_sampled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
