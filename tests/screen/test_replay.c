/*
 * The real program on a real pseudo-terminal, over a recording: panes, keys, sizes, colours, and every way
 * out.
 */
#include "tests/golden/worker_model.h"
#include "tests/screen/term.h"

#include "n1/file.h"

#include <sys/stat.h>

static char folder[] = "/tmp/n1top-screen-XXXXXX";
static char recording[64], program[256];

static int make_recording(void **state)
{
    (void)state;
    struct n1_writer *w = worker_model(9);
    struct n1_reader *r;
    struct n1_error error = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(recording, sizeof recording, "%s/night.n1", folder);
    snprintf(program, sizeof program, "%s/n1top", term_build());
    int fd = open(recording, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_int_equal(n1_reader_open_fd(n1_writer_fd(w), &r, NULL), 0);
    if (n1_file_write(r, fd, 0, UINT64_MAX, &error) < 0)
        fail_msg("%s", error.what);
    close(fd);
    n1_reader_close(r);
    n1_writer_destroy(w);
    return 0;
}

static int remove_recording(void **state)
{
    (void)state;
    unlink(recording);
    return rmdir(folder);
}

static void start(struct term *t, int rows, int cols, const char *const *environment)
{
    char *argv[] = {program, recording, NULL};
    term_start(t, rows, cols, environment, false, argv);
    if (rows >= 5)
        term_wait(t, "parse_row");
}

static void quit(struct term *t)
{
    term_keys(t, "q");
    int status = term_end(t);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    term_check_restored(t);
    term_stop(t);
}

static void panes_and_keys(void **state)
{
    (void)state;
    struct term t;
    start(&t, 24, 80, NULL);
    assert_true(t.alternate);
    assert_false(t.cursor);
    term_wait(&t, "ENDED (exit 137)");
    term_keys(&t, "\r"); /* callers */
    term_wait(&t, "CALLERS");
    term_wait(&t, "(itself)");
    term_keys(&t, "\x1b");
    term_wait(&t, "SELF%");
    term_keys(&t, "\x1bOR"); /* F3 as xterm sends it */
    term_wait(&t, "find:");
    term_keys(&t, "gc_coll\r");
    term_wait(&t, "functions > gc_c");
    term_keys(&t, "\x1b");
    term_wait_gone(&t, "find: gc_coll");
    term_keys(&t, "f");
    term_wait(&t, "all 100.0%");
    term_keys(&t, "\x1b[B\x1b[B\r"); /* down, down, zoom */
    term_wait(&t, "in main (74.0% of all");
    term_keys(&t, "f");
    term_wait_gone(&t, "all 100.0%");
    term_keys(&t, "M");
    term_wait(&t, "not permitted: smaps_rollup");
    term_keys(&t, "t");
    term_wait(&t, "gc-helper");
    term_keys(&t, "jj\r");
    term_wait(&t, "thread 4712 gc-helper only");
    term_keys(&t, "\x1b\x1b[Z");
    term_keys(&t, "?");
    term_wait(&t, "KEYS");
    term_keys(&t, "\x1b");
    term_wait_gone(&t, "KEYS");
    term_keys(&t, " ");
    term_wait(&t, "PAUSED");
    term_keys(&t, " ");
    term_wait_gone(&t, "PAUSED");
    quit(&t);
}

static void filter_hides_rows(void **state)
{
    (void)state;
    struct term t;
    start(&t, 24, 80, NULL);
    term_keys(&t, "\\save\r");
    term_wait(&t, "filter: save");
    term_wait_gone(&t, "walk_tree");
    term_wait(&t, "Model.save");
    term_keys(&t, "\x1b");
    term_wait(&t, "walk_tree");
    quit(&t);
}

/* After any number of differences the screen is what a repaint from nothing shows. */
static void differences_add_up(void **state)
{
    (void)state;
    static const int sizes[][2] = {{24, 80},  {5, 20}, {50, 160}, {3, 19}, {23, 80},
                                   {60, 200}, {1, 1},  {10, 40},  {24, 80}};
    struct term t;
    char line[4096];
    start(&t, 24, 80, NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        term_size(&t, sizes[i][0], sizes[i][1]);
        if (sizes[i][0] >= 5)
            term_wait(&t, "ENDED");
        term_keys(&t, "fjj\x1b[Bt\x1b\x1bsd");
    }
    term_keys(&t, "dd?");
    term_wait(&t, "KEYS");
    term_keys(&t, "\x1b");
    term_wait_gone(&t, "KEYS");
    while (term_read(&t, 300)) {}
    char *before[24];
    for (int row = 0; row < 24; row++) {
        term_row(&t, row, line, sizeof line);
        before[row] = strdup(line);
    }
    size_t bytes = t.bytes;
    term_keys(&t, "\x0c");
    while (t.bytes < bytes + 1000)
        assert_true(term_read(&t, TERM_WAIT_MS));
    while (term_read(&t, 300)) {}
    for (int row = 0; row < 24; row++) {
        term_row(&t, row, line, sizeof line);
        assert_string_equal(line, before[row]);
        free(before[row]);
    }
    quit(&t);
}

static bool any_color(struct term *t)
{
    for (int row = 0; row < t->rows; row++) {
        for (int col = 0; col < t->cols; col++) {
            VTermScreenCell cell;
            term_cell(t, row, col, &cell);
            if (!VTERM_COLOR_IS_DEFAULT_FG(&cell.fg) || !VTERM_COLOR_IS_DEFAULT_BG(&cell.bg))
                return true;
        }
    }
    return false;
}

static void no_color_is_honoured(void **state)
{
    (void)state;
    struct term t;
    VTermScreenCell cell;
    start(&t, 24, 80, NULL);
    assert_true(any_color(&t));
    quit(&t);
    start(&t, 24, 80, (const char *const[]){"NO_COLOR=1", NULL});
    assert_false(any_color(&t));
    int row = term_find(&t, "parse_row");
    term_cell(&t, row, 20, &cell);
    assert_true(cell.attrs.reverse); /* the selection is seen without colour */
    quit(&t);
}

static void c_locale_is_ascii(void **state)
{
    (void)state;
    struct term t;
    start(&t, 24, 80, (const char *const[]){"LANG=C", NULL});
    term_keys(&t, "M");
    term_wait(&t, "proportional        - not permitted");
    for (size_t i = 0; i < t.raw_len; i++)
        assert_true((unsigned char)t.raw[i] < 0x80);
    quit(&t);
    start(&t, 24, 80, (const char *const[]){"TERM=vt100", NULL});
    assert_false(any_color(&t));
    quit(&t);
    start(&t, 24, 80, (const char *const[]){"TERM=linux", NULL});
    quit(&t);
    start(&t, 24, 80, (const char *const[]){"TERM=screen-256color", NULL});
    quit(&t);
}

static void refused(const char *const *environment, const char *want)
{
    struct term t;
    char *argv[] = {program, recording, NULL};
    term_start(&t, 24, 80, environment, false, argv);
    int status = term_end(&t);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 2);
    if (term_find(&t, want) < 0) {
        term_print(&t);
        fail_msg("no \"%s\"", want);
    }
    assert_null(memchr(t.raw, '\x1b', t.raw_len));
    term_check_restored(&t);
    term_stop(&t);
}

static void poor_terminals_are_refused(void **state)
{
    (void)state;
    refused((const char *const[]){"TERM=dumb", NULL}, "cannot place text");
    refused((const char *const[]){"TERM=no-such-terminal", NULL}, "not known");
    refused((const char *const[]){"TERM=", NULL}, "TERM");
    int out[2];
    assert_int_equal(pipe(out), 0); /* standard output is no terminal: nothing is written to it */
    pid_t pid = fork();
    if (pid == 0) {
        dup2(open("/dev/null", O_RDWR), 0);
        dup2(out[1], 1);
        dup2(open("/dev/null", O_WRONLY), 2);
        close(out[0]);
        execl(program, program, recording, (char *)NULL);
        _exit(126);
    }
    close(out[1]);
    char byte;
    assert_int_equal(read(out[0], &byte, 1), 0);
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 2);
    close(out[0]);
}

static void signals_restore(void **state)
{
    (void)state;
    static const struct {
        int number;
        bool exits; /* with 128 + number; else it dies of it */
    } cases[] = {{SIGTERM, true},  {SIGINT, true},   {SIGQUIT, true}, {SIGHUP, true},
                 {SIGSEGV, false}, {SIGABRT, false}, {SIGBUS, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct term t;
        start(&t, 24, 80, NULL);
        kill(t.pid, cases[i].number);
        int status = term_end(&t);
        if (cases[i].exits) {
            assert_true(WIFEXITED(status));
            assert_int_equal(WEXITSTATUS(status), 128 + cases[i].number);
        } else if (!getenv("ASAN_OPTIONS") && strstr(program, "asan") == NULL) {
            assert_true(WIFSIGNALED(status));
            assert_int_equal(WTERMSIG(status), cases[i].number);
        }
        term_check_restored(&t);
        term_stop(&t);
    }
}

static void control_c_leaves(void **state)
{
    (void)state;
    struct term t;
    start(&t, 24, 80, NULL);
    term_keys(&t, "\x03");
    int status = term_end(&t);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    term_check_restored(&t);
    term_stop(&t);
}

/* The terminal goes; with SIGHUP ignored nobody tells the program but the terminal itself. */
static void hang_up_ends_at_once(void **state)
{
    (void)state;
    for (int ignored = 0; ignored < 2; ignored++) {
        struct term t;
        char *argv[] = {program, recording, NULL};
        term_start(&t, 24, 80, NULL, ignored, argv);
        term_wait(&t, "parse_row");
        close(t.slave);
        close(t.master);
        t.master = t.slave = -1;
        int64_t start_ms = term_clock_ms();
        assert_int_equal(waitpid(t.pid, &t.status, 0), t.pid);
        t.ended = true;
        assert_true(WIFEXITED(t.status));
        assert_int_equal(WEXITSTATUS(t.status), 129);
        assert_true(term_clock_ms() - start_ms < 2000); /* generous: the machine is shared */
        term_stop(&t);
    }
}

/* A session leader's own group is orphaned, so the kernel would ignore a stop; a shell's child it is, then.
 */
static void suspend_and_come_back(void **state)
{
    (void)state;
    struct term t;
    char command[512];
    snprintf(command, sizeof command, "set -m; %s %s; echo STOPPED; fg; echo AFTER", program, recording);
    char *argv[] = {"/bin/bash", "-c", command, NULL};
    term_start(&t, 24, 80, NULL, false, argv);
    term_wait(&t, "parse_row");
    term_keys(&t, "\x1a");
    term_wait(&t, "parse_row"); /* fg follows at once: repainted */
    while (term_read(&t, 500)) {}
    assert_true(t.alternate);
    term_keys(&t, "?");
    term_wait(&t, "KEYS"); /* alive */
    term_keys(&t, "\x1bq");
    term_end(&t);
    assert_true(term_find(&t, "STOPPED") >= 0);
    assert_true(term_find(&t, "AFTER") >= 0);
    term_check_restored(&t);
    term_stop(&t);
}

static void random_keys_and_sizes_do_no_harm(void **state)
{
    (void)state;
    static const char *const keys[] = {"j",       "k",
                                       "f",       "t",
                                       "M",       "l",
                                       "c",       "\r",
                                       "\x1b",    "s",
                                       "I",       "/a\r",
                                       "\\l\r",   "n",
                                       "N",       "d",
                                       "z",       "i",
                                       "\t",      "\x1b[Z",
                                       "\x1b[5~", "\x1b[6~",
                                       "g",       "G",
                                       " ",       "]",
                                       "[",       "?",
                                       "v",       "+",
                                       "-",       "\x1b[A",
                                       "\x1b[B",  "\x1b[C",
                                       "\x1b[D",  "\\!(\r",
                                       "\x0c",    "/\xc3\xa4\x7f\r",
                                       "\\\r"};
    struct term t;
    start(&t, 70, 220, NULL);
    srand(11);
    for (int i = 0; i < 1500; i++) {
        if (i % 10 == 0)
            term_size_told(&t, 1 + rand() % 70, 1 + rand() % 220);
        term_keys(&t, keys[(size_t)rand() % (sizeof keys / sizeof keys[0])]);
        term_read(&t, i % 7 == 0 ? 2 : 0);
        if (waitpid(t.pid, &t.status, WNOHANG) == t.pid) {
            t.ended = true;
            fail_msg("the program ended after %d keys, status %x", i, t.status);
        }
    }
    term_size_told(&t, 24, 80);
    term_keys(&t, "\r\x1b\x1b\x1b");
    kill(t.pid, SIGTERM);
    int status = term_end(&t);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
    term_check_restored(&t);
    term_stop(&t);
}

/* A quiet screen sends nothing at all, and the first one is small. */
static void bytes_are_few(void **state)
{
    (void)state;
    struct term t;
    start(&t, 24, 80, NULL);
    while (term_read(&t, 1000)) {}
    print_message("first screen: %zu bytes\n", t.bytes);
    assert_true(t.bytes < 6000);
    size_t before = t.bytes;
    assert_false(term_read(&t, 1500));
    term_keys(&t, "j");
    while (term_read(&t, 500)) {}
    print_message("one row down: %zu bytes\n", t.bytes - before);
    assert_true(t.bytes - before < 700);
    quit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(panes_and_keys),
        cmocka_unit_test(filter_hides_rows),
        cmocka_unit_test(differences_add_up),
        cmocka_unit_test(no_color_is_honoured),
        cmocka_unit_test(c_locale_is_ascii),
        cmocka_unit_test(poor_terminals_are_refused),
        cmocka_unit_test(signals_restore),
        cmocka_unit_test(control_c_leaves),
        cmocka_unit_test(hang_up_ends_at_once),
        cmocka_unit_test(suspend_and_come_back),
        cmocka_unit_test(random_keys_and_sizes_do_no_harm),
        cmocka_unit_test(bytes_are_few),
    };
    return cmocka_run_group_tests(tests, make_recording, remove_recording);
}
