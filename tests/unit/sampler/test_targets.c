/* The processes being watched: children that come and go by the thousand leave nothing behind. */
#include "sampler/options.h"
#include "sampler/targets.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct n1_writer *w;
static struct n1_targets targets;
static struct n1_caller caller;

static int setup(void **state)
{
    (void)state;
    struct n1_writer_options options = {.memory_bytes = 4 << 20};
    caller = n1_caller_self(NULL);
    n1_targets_init(&targets);
    return n1_writer_create(&options, &w, NULL);
}

static int teardown(void **state)
{
    (void)state;
    n1_targets_finish(&targets);
    n1_writer_destroy(w);
    return 0;
}

static pid_t start_sleeper(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return pid;
}

static void end(struct n1_target *t)
{
    kill(t->pid, SIGKILL);
    while (!n1_process_poll(t->process))
        usleep(1000);
    n1_target_ended(&targets, t, w, n1_time_mono());
    t->rules_over = true;
}

static int lowest_free_fd(void)
{
    int fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
    close(fd);
    return fd;
}

static void children_that_ended_are_given_up(void **state)
{
    (void)state;
    struct n1_target *asked, *child;
    pid_t pid = start_sleeper();
    assert_int_equal(n1_targets_add(&targets, pid, &caller, w, &asked, NULL), 0);
    int before = lowest_free_fd();
    for (int i = 0; i < 50; i++) {
        pid_t one = start_sleeper();
        assert_int_equal(n1_targets_adopt(&targets, one, &caller, w, &child, NULL), 0);
        n1_targets_bury(&targets);
        assert_ptr_equal(n1_targets_find(&targets, one), child); /* it lives */
        end(child);
        n1_targets_bury(&targets);
        assert_null(n1_targets_find(&targets, one));
        waitpid(one, NULL, 0);
    }
    assert_int_equal(targets.count, 1);
    assert_int_equal(targets.alive, 1);
    assert_int_equal(lowest_free_fd(), before);
    end(asked);
    n1_targets_bury(&targets);
    assert_ptr_equal(n1_targets_find(&targets, pid), asked); /* why it ended is asked for later */
    waitpid(pid, NULL, 0);
}

static void too_many_are_said(void **state)
{
    (void)state;
    struct n1_target *t;
    struct rlimit limit;
    pid_t pid = start_sleeper();
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    while (targets.count < N1_TARGETS_MAX)
        assert_int_equal(n1_targets_adopt(&targets, pid, &caller, w, &t, NULL), 0);
    assert_false(targets.full);
    assert_int_equal(n1_targets_adopt(&targets, pid, &caller, w, &t, NULL), -E2BIG);
    assert_true(targets.full);
    assert_int_equal(targets.count, N1_TARGETS_MAX);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_that_ended_are_given_up),
        cmocka_unit_test(too_many_are_said),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
