/*
 * The ways a line ends, on the whole product: the terminal goes with SIGHUP taken or ignored, the sampler is
 * stopped, nobody reads what is sent. The screen leaves at once in each; the sampler waits for it to come
 * back only when the line dropped.
 */
#include "tests/screen/term.h"

#include "n1/rendezvous.h"

#include <dirent.h>

static char program[256], folder[] = "/tmp/n1top-hangup-XXXXXX";
static pid_t target;

static int start_target(void **state)
{
    (void)state;
    char path[256];
    snprintf(program, sizeof program, "%s/n1top", term_build());
    snprintf(path, sizeof path, "%s/targets/many", term_build());
    if (mkdtemp(folder) == NULL || setenv("N1TOP_RUN", folder, 1) < 0)
        return -1;
    target = fork();
    if (target == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int null = open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; fd++)
            dup2(null, fd);
        execl(path, path, "--limit", "280", (char *)NULL);
        _exit(126);
    }
    return target < 0;
}

static int stop_target(void **state)
{
    (void)state;
    kill(target, SIGKILL);
    waitpid(target, NULL, 0);
    return rmdir(folder);
}

/* PID of the one sampler that can be joined, 0 when there is none. */
static pid_t sampler(void)
{
    DIR *dir = opendir(folder);
    pid_t found = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strstr(entry->d_name, ".sock"))
            found = (pid_t)strtol(entry->d_name, NULL, 10);
    closedir(dir);
    return found;
}

/* It is nobody's child any more, and not every place has an init that takes such ones in at once. */
static bool ended(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *in = fopen(path, "re");
    size_t got = in ? fread(text, 1, sizeof text - 1, in) : 0;
    if (in)
        fclose(in);
    text[got] = '\0';
    const char *close = strrchr(text, ')');
    return !close || close[2] == 'Z';
}

static void wait_for_end(pid_t pid)
{
    int64_t end = term_clock_ms() + TERM_WAIT_MS;
    while (!ended(pid)) {
        assert_true(term_clock_ms() < end);
        usleep(10000);
    }
}

static void watch(struct term *t, bool ignore_hangup, const char *const *environment, char *option)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)target);
    char *argv[] = {program, "-p", pid, option, NULL};
    term_start(t, 24, 80, environment, ignore_hangup, argv);
    term_wait(t, "LIVE");
    term_wait(t, "work_");
    assert_true(sampler() > 0);
}

/* Far more than it takes, because the machine is shared; the bench prints milliseconds. */
static int ended_soon(struct term *t)
{
    int64_t start = term_clock_ms();
    while (waitpid(t->pid, &t->status, WNOHANG) == 0) {
        assert_true(term_clock_ms() - start < 900); /* what waits for the sampler waits a second */
        usleep(2000);
    }
    t->ended = true;
    assert_true(WIFEXITED(t->status));
    return WEXITSTATUS(t->status);
}

static void the_terminal_goes(void **state)
{
    (void)state;
    for (int ignored = 0; ignored < 2; ignored++) {
        struct term t;
        watch(&t, ignored, NULL, NULL);
        pid_t pid = sampler();
        close(t.slave);
        close(t.master);
        t.master = t.slave = -1;
        assert_int_equal(ended_soon(&t), 129);
        term_stop(&t);
        assert_int_equal(kill(pid, 0), 0); /* it waits */
        assert_int_equal(sampler(), pid);
        kill(pid, SIGHUP); /* which a session's end may send it */
        struct term back;
        char number[16];
        snprintf(number, sizeof number, "%d", (int)target);
        char *argv[] = {program, "--attach", number, NULL};
        term_start(&back, 24, 80, NULL, false, argv);
        term_wait(&back, "LIVE");
        term_wait(&back, "work_");
        assert_int_equal(sampler(), pid);
        term_keys(&back, "q");
        int status = term_end(&back);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        term_check_restored(&back);
        term_stop(&back);
        wait_for_end(pid);
        assert_int_equal(sampler(), 0);
    }
}

static void without_lingering_it_ends(void **state)
{
    (void)state;
    struct term t;
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)target);
    char *argv[] = {program, "-p", pid, "--linger", "0", NULL};
    term_start(&t, 24, 80, NULL, false, argv);
    term_wait(&t, "work_");
    assert_int_equal(sampler(), 0); /* no socket either */
    term_keys(&t, "D");
    term_wait(&t, "sample on");
    term_keys(&t, "\r");
    term_wait(&t, "no socket by which it could be found");
    close(t.slave);
    close(t.master);
    t.master = t.slave = -1;
    assert_int_equal(ended_soon(&t), 129);
    term_stop(&t);
}

static void a_stopped_sampler_does_not_hold_q(void **state)
{
    (void)state;
    struct term t;
    watch(&t, false, NULL, NULL);
    pid_t pid = sampler();
    kill(pid, SIGSTOP);
    term_keys(&t, "q");
    int64_t start = term_clock_ms();
    int status = term_end(&t);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(term_clock_ms() - start < 2000);
    term_check_restored(&t);
    term_stop(&t);
    kill(pid, SIGCONT); /* and it finds the goodbye */
    wait_for_end(pid);
    assert_int_equal(sampler(), 0);
}

/* The line takes nothing any more: keys work on, frames are skipped, and q does not wait for it. */
static void nobody_reads(void **state)
{
    (void)state;
    struct term t;
    watch(&t, false, NULL, NULL);
    pid_t pid = sampler();
    for (int i = 0; i < 200; i++) { /* whole screens, more than any queue holds */
        term_keys(&t, "\x0c");
        usleep(5000);
    }
    term_keys(&t, "q");
    assert_int_equal(ended_soon(&t), 0);
    while (term_read(&t, 50)) {}
    assert_false(t.alternate);
    term_stop(&t);
    wait_for_end(pid);
}

static void low_bandwidth_shows_less(void **state)
{
    (void)state;
    struct term t;
    char line[512];
    watch(&t, false, NULL, "--low-bandwidth");
    term_wait(&t, "LOW ");
    term_wait(&t, "asked for");
    term_row(&t, 0, line, sizeof line);
    int hour, minute, second;
    const char *clock = strrchr(line, ' ');
    assert_int_equal(sscanf(clock, "%d:%d:%d", &hour, &minute, &second), 2);
    assert_true(term_find(&t, "TREND") < 0);
    for (int row = 4; row < 16; row++) { /* whole percents */
        term_row(&t, row, line, sizeof line);
        assert_null(memchr(line, '.', 14));
    }
    assert_null(memmem(t.raw, t.raw_len, "\x1b[?2026h", 8)); /* the emulator does not know it */
    term_keys(&t, "L");
    term_wait(&t, "TREND");
    term_wait_gone(&t, "LOW ");
    term_keys(&t, "q");
    term_end(&t);
    term_check_restored(&t);
    term_stop(&t);
}

static void keys_come_while_the_line_lags(void **state)
{
    (void)state;
    struct term t;
    watch(&t, false, NULL, NULL);
    pid_t pid = sampler();
    size_t before = t.bytes;
    kill(t.pid, SIGSTOP); /* keys pile up … */
    for (int i = 0; i < 100; i++)
        term_keys(&t, i % 2 ? "k" : "j");
    term_keys(&t, "?");
    kill(t.pid, SIGCONT);
    term_wait(&t, "KEYS"); /* … and are all seen to before the next frame */
    assert_true(t.bytes - before < 12000);
    term_keys(&t, "\x1bq");
    term_end(&t);
    term_stop(&t);
    wait_for_end(pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_terminal_goes),
        cmocka_unit_test(without_lingering_it_ends),
        cmocka_unit_test(nobody_reads),
        cmocka_unit_test(a_stopped_sampler_does_not_hold_q),
        cmocka_unit_test(low_bandwidth_shows_less),
        cmocka_unit_test(keys_come_while_the_line_lags),
    };
    return cmocka_run_group_tests(tests, start_target, stop_target);
}
