/* /proc/PID/stat with hostile names, and the list of threads as they come, go and rename themselves. */
#include "sampler/target/proc_stat.h"
#include "sampler/target/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define REST                                                                                                 \
    " S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 200 18446744073709551615 1 1 0 0 0 0 0 0 0 " \
    "0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 256\n"

static void names_with_brackets_and_lines(void **state)
{
    static const char *const names[] = {"a", "", "a) R 1 (b", ")", "((", "x\ny)\n", "0123456789abcde"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[1024];
        struct n1_proc_stat stat;
        int len = snprintf(text, sizeof(text), "42 (%s)" REST, names[i]);
        assert_int_equal(n1_proc_stat_parse(text, (size_t)len, &stat), 0);
        assert_string_equal(stat.comm, names[i]);
        assert_int_equal(stat.state, 'S');
        assert_int_equal(stat.ppid, 7);
        assert_int_equal(stat.flags, 4194560);
        assert_int_equal(stat.start_ticks, 123456);
        assert_true(stat.exit_known);
        assert_int_equal(stat.exit_code, 256);
    }
}

static void cut_text_is_refused(void **state)
{
    static const char text[] = "42 (name)" REST;
    const char *start = strstr(text, "123456");
    struct n1_proc_stat stat = {.state = '!'};
    (void)state;
    for (size_t len = 0; len < (size_t)(start - text); len++) {
        char *tight = malloc(len ? len : 1);
        memcpy(tight, text, len);
        assert_int_equal(n1_proc_stat_parse(tight, len, &stat), -EBADMSG);
        assert_int_equal(stat.state, '!');
        free(tight);
    }
    assert_int_equal(n1_proc_stat_parse(")(", 2, &stat), -EBADMSG);
}

struct log {
    unsigned born, gone;
    pid_t last;
    char name[N1_THREAD_NAME_CAP];
};

static void on_born(void *context, const struct n1_thread *thread)
{
    struct log *log = context;

    log->born++;
    log->last = thread->tid;
    memcpy(log->name, thread->name, sizeof(log->name));
    assert_true(thread->start_ticks > 0);
}

static void on_gone(void *context, const struct n1_thread *thread)
{
    struct log *log = context;

    log->gone++;
    log->last = thread->tid;
}

static pthread_barrier_t named, leave;

static void *named_thread(void *arg)
{
    prctl(PR_SET_NAME, arg);
    pthread_barrier_wait(&named);
    pthread_barrier_wait(&leave);
    return NULL;
}

static void threads_come_and_go(void **state)
{
    struct log log = {0};
    struct n1_threads_sink sink = {&log, on_born, on_gone};
    struct n1_threads threads;
    pthread_t thread[8];
    int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    pid_t *tids = NULL;
    size_t cap = 0;
    (void)state;
    n1_threads_init(&threads);
    assert_int_equal(n1_threads_scan(&threads, proc, &sink), 0);
    unsigned before = log.born;
    assert_int_equal(threads.count, before);
    assert_non_null(n1_threads_find(&threads, getpid()));
    pthread_barrier_init(&named, NULL, 9);
    pthread_barrier_init(&leave, NULL, 9);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, named_thread, "e) R 1 \033[2J"), 0);
    pthread_barrier_wait(&named);
    assert_int_equal(n1_threads_scan(&threads, proc, &sink), 0);
    assert_int_equal(log.born, before + 8);
    assert_string_equal(log.name, "e) R 1 \033[2J");
    assert_int_equal(n1_threads_scan(&threads, proc, &sink), 0);
    assert_int_equal(log.born, before + 8);
    assert_int_equal(n1_threads_list(proc, &tids, &cap), (int)before + 8);
    for (size_t i = 1; i < threads.count; i++)
        assert_true(threads.list[i - 1].tid < threads.list[i].tid);
    pthread_barrier_wait(&leave);
    for (int i = 0; i < 8; i++)
        pthread_join(thread[i], NULL);
    /* join returns a moment before the kernel takes the thread off its list */
    while (log.gone < 8)
        assert_int_equal(n1_threads_scan(&threads, proc, &sink), 0);
    assert_int_equal(threads.count, before);
    n1_threads_finish(&threads);
    free(tids);
    close(proc);
}

static void an_ended_process_loses_all(void **state)
{
    struct log log = {0};
    struct n1_threads_sink sink = {&log, on_born, on_gone};
    struct n1_threads threads;
    char path[32];
    int gate[2];
    (void)state;
    assert_int_equal(pipe(gate), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(gate[1]);
        _exit(read(gate[0], &byte, 1) < 0);
    }
    snprintf(path, sizeof(path), "/proc/%d", pid);
    int proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    n1_threads_init(&threads);
    assert_int_equal(n1_threads_scan(&threads, proc, &sink), 0);
    assert_int_equal(log.born, 1);
    close(gate[0]);
    close(gate[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(n1_threads_scan(&threads, proc, &sink), -ESRCH);
    assert_int_equal(log.gone, 1);
    assert_int_equal(log.last, pid);
    assert_int_equal(threads.count, 0);
    n1_threads_finish(&threads);
    close(proc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_with_brackets_and_lines),
        cmocka_unit_test(cut_text_is_refused),
        cmocka_unit_test(threads_come_and_go),
        cmocka_unit_test(an_ended_process_loses_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
