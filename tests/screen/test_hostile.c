/*
 * A target whose names are terminal codes, on the real screen: the terminal gets them as text. What the
 * target's own names would do (a window title, a cleared screen, writing turned round) is looked for in the
 * bytes that came.
 */
#include "term.h"

#include <sys/stat.h>

static char folder[64];
static pid_t target;

static void build(const char *name, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%s", term_build(), name);
}

/* Starts the patched target; its standard output says when it is ready. */
static int start_target(void **state)
{
    (void)state;
    char program[256], patched[128], command[1024];
    int said[2];
    strcpy(folder, "/tmp/n1-hostile-XXXXXX");
    assert_non_null(mkdtemp(folder));
    build("targets/hostile", program, sizeof program);
    snprintf(patched, sizeof patched, "%s/hostile", folder);
    snprintf(command, sizeof command, "python3 tests/integration/hostile.py patch %s %s /etc/shadow", program,
             patched);
    assert_int_equal(system(command), 0);
    assert_int_equal(chmod(patched, 0700), 0);
    assert_int_equal(pipe(said), 0);
    target = fork();
    if (target == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(said[1], 1);
        execl(patched, "hostile\033]0;pwn\a", "line\nfeed", "\xe2\x80\xae", (char *)NULL);
        _exit(126);
    }
    close(said[1]);
    char ready[8] = "";
    assert_int_equal(read(said[0], ready, 6), 6);
    close(said[0]);
    return 0;
}

static int stop_target(void **state)
{
    (void)state;
    char command[128];
    kill(target, SIGKILL);
    waitpid(target, NULL, 0);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static bool came(const struct term *t, const char *bytes)
{
    return memmem(t->raw, t->raw_len, bytes, strlen(bytes)) != NULL;
}

static void test_names_are_text(void **state)
{
    (void)state;
    static const char *const never[] = {"\033]0;pwn", "\a",       "\033[2Jevil", "\xe2\x80\xae",
                                        "\xc2\x9b",   "\x9b\x33", "\xff"};
    static const char *const panes[] = {"t", "f", "M", "\r"};
    struct term t;
    char program[256], pid[16];
    build("n1top", program, sizeof program);
    snprintf(pid, sizeof pid, "%d", (int)target);
    char *const argv[] = {program, "-p", pid, "--rate", "499", NULL};
    term_start(&t, 40, 120, NULL, false, argv);
    term_wait(&t, "evil?]0;pwn");
    for (size_t i = 0; i < sizeof panes / sizeof *panes; i++) {
        term_keys(&t, panes[i]);
        while (term_read(&t, 300)) {}
    }
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (came(&t, never[i]))
            fail_msg("the terminal was sent %s", never[i][0] == '\a' ? "a bell" : "the target's codes");
    term_keys(&t, "q");
    term_end(&t);
    term_check_restored(&t);
    term_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names_are_text, start_target, stop_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
