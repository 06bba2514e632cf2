/* Log: off until opened, levels, escaping, file mode, symbolic links and FIFOs refused, whole lines from
 * threads. */
#include "n1/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[96], other[96];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/n1-log-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/log", folder);
    snprintf(other, sizeof(other), "%s/other", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    n1_log_to_fd(-1, N1_LOG_ERROR);
    unlink(path);
    unlink(other);
    return rmdir(folder);
}

static size_t read_file(char *out, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, out, cap - 1);
    close(fd);
    assert_true(n >= 0);
    out[n] = '\0';
    return (size_t)n;
}

static void writes_levels_up_to_the_one_asked(void **state)
{
    (void)state;
    char text[1000];
    n1_log(N1_LOG_ERROR, "test", "before it is open");
    assert_int_equal(n1_log_open(path, N1_LOG_INFO), 0);
    n1_log(N1_LOG_INFO, "engine", "rate %d Hz", 99);
    n1_log(N1_LOG_DEBUG, "engine", "not this");
    read_file(text, sizeof(text));
    assert_null(strstr(text, "before"));
    assert_null(strstr(text, "not this"));
    assert_non_null(strstr(text, " I engine: rate 99 Hz\n"));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void escapes_what_a_terminal_would_act_on(void **state)
{
    (void)state;
    char text[8000];
    assert_int_equal(n1_log_open(path, N1_LOG_TRACE), 0);
    n1_log(N1_LOG_TRACE, "names", "%s", "a\033]0;x\007\nb\\x1b \303\274\233");
    read_file(text, sizeof(text));
    assert_non_null(strstr(text, "a\\x1b]0;x\\x07\\x0ab\\x5cx1b \\xc3\\xbc\\x9b\n"));

    char long_text[3000];
    memset(long_text, 1, sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    n1_log(N1_LOG_TRACE, "names", "%s", long_text);
    size_t length = read_file(text, sizeof(text));
    assert_true(length > 4000);
    assert_int_equal(text[length - 1], '\n');
}

static void keeps_errno(void **state)
{
    (void)state;
    char text[1000];
    assert_int_equal(n1_log_open(path, N1_LOG_INFO), 0);
    errno = EXDEV;
    n1_log(N1_LOG_ERROR, "test", "why: %m");
    assert_int_equal(errno, EXDEV);
    read_file(text, sizeof(text));
    assert_non_null(strstr(text, strerror(EXDEV)));
}

static void refuses_links_and_fifos(void **state)
{
    (void)state;
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(n1_log_open(path, N1_LOG_INFO), -ELOOP);
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_true(n1_log_open(other, N1_LOG_INFO) < 0);
    assert_int_equal(n1_log_open("/nonexistent/log", N1_LOG_INFO), -ENOENT);
}

#define THREADS 4
#define LINES 200

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        n1_log(N1_LOG_WARN, "thread", "%c%c%c%c", *(char *)arg, *(char *)arg, *(char *)arg, *(char *)arg);
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    char letters[] = "abcd", line[200];
    assert_int_equal(n1_log_open(path, N1_LOG_WARN), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &letters[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    FILE *f = fopen(path, "re");
    int count = 0;
    while (fgets(line, sizeof(line), f)) {
        const char *text = strstr(line, "W thread: ");
        assert_non_null(text);
        text += strlen("W thread: ");
        assert_true(text[0] == text[1] && text[1] == text[2] && text[2] == text[3] && text[4] == '\n');
        count++;
    }
    fclose(f);
    assert_int_equal(count, THREADS * LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_levels_up_to_the_one_asked, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(escapes_what_a_terminal_would_act_on, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(keeps_errno, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(refuses_links_and_fifos, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(lines_of_threads_do_not_mix, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
