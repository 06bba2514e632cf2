/*
 * Engine ptrace on real children: what they do, and what is done to them, while one of their threads stands
 * for a sample goes on as if nobody held it; and whoever else wants to trace them can, between two samples.
 */
#include "sampler/engine/ptrace.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOBODY = 65534, WAIT_S = 30 };
#define MS UINT64_C(1000000)

static char folder[] = "/tmp/n1-ptrace-XXXXXX";
static char program[64]; /* what a child executes, when it is told to */
static int commands[2], replies[2];
static pid_t target;
static struct n1_engine engine;
static unsigned samples;
static void (*when_held)(void); /* called once, within a stop */

/* The child: its first thread spins, its second does as it is told. */
static void *obey(void *arg)
{
    char command, reply;
    (void)arg;
    while (read(commands[0], &command, 1) == 1) {
        if (command == 'f') {
            int status = 0;
            pid_t pid = fork();
            if (pid == 0)
                _exit(7);
            reply =
                waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7 ? 'y' : 'n';
            if (write(replies[1], &reply, 1) != 1)
                _exit(1);
        } else {
            dup2(commands[0], 0);
            dup2(replies[1], 1);
            execl(program, "cat", (char *)NULL);
            _exit(2);
        }
    }
    return NULL;
}

static void child(uid_t uid)
{
    pthread_t thread;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (uid && setresuid(uid, uid, uid) < 0)
        _exit(3);
    prctl(PR_SET_DUMPABLE, 1);
    pthread_create(&thread, NULL, obey, NULL);
    for (volatile unsigned x = 0;; x++)
        ;
}

static void on_stopped(void *context, pid_t pid, pid_t tid, const struct n1_user_state *user)
{
    void (*act)(void) = when_held;
    (void)context, (void)user;
    assert_int_equal(pid, target);
    if (tid != target || !act)
        return;
    when_held = NULL;
    act();
}

static void on_sample(void *context, const struct n1_raw_sample *sample)
{
    (void)context, (void)sample;
    samples++;
}

static void drain_once(void)
{
    struct pollfd fd = {.fd = engine.ops->fd(engine.self), .events = POLLIN};
    if (poll(&fd, 1, 20) == 1)
        engine.ops->drain(engine.self, false);
}

/* Samples until that many more were taken. */
static void sample_on(unsigned more)
{
    n1_ns end = n1_time_mono() + WAIT_S * N1_SECOND_NS;
    for (unsigned enough = samples + more; samples < enough;) {
        assert_true(n1_time_mono() < end);
        drain_once();
    }
}

/* Samples until `act` was called within a stop. */
static void sample_until_held(void (*act)(void))
{
    n1_ns end = n1_time_mono() + WAIT_S * N1_SECOND_NS;
    for (when_held = act; when_held;) {
        assert_true(n1_time_mono() < end);
        drain_once();
    }
}

static char state_of(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = '\0';
    const char *close = strrchr(text, ')');
    return close ? close[2] : '\0';
}

/* Samples until the target is in one of those states. */
static void sample_until_state(const char *states)
{
    n1_ns end = n1_time_mono() + WAIT_S * N1_SECOND_NS;
    while (!strchr(states, state_of(target))) {
        assert_true(n1_time_mono() < end);
        drain_once();
    }
}

static char reply_within(n1_ns ns)
{
    char reply = '\0';
    struct pollfd fd = {.fd = replies[0], .events = POLLIN};
    for (n1_ns end = n1_time_mono() + ns; n1_time_mono() < end;)
        if (poll(&fd, 1, 1) == 1)
            return read(replies[0], &reply, 1) == 1 ? reply : '\0';
    return '\0';
}

/* The answer of the target, which is sampled meanwhile. */
static char reply(void)
{
    n1_ns end = n1_time_mono() + WAIT_S * N1_SECOND_NS;
    char got = '\0';
    while (!got && n1_time_mono() < end) {
        drain_once();
        got = reply_within(MS);
    }
    return got;
}

static void tell(char command)
{
    assert_int_equal(write(commands[1], &command, 1), 1);
}

static void start(uid_t uid)
{
    struct n1_engine_sink sink = {.sample = on_sample, .stopped = on_stopped};
    struct n1_ptrace_config config = {.rate_hz = 241};
    struct n1_error err = {0};
    assert_int_equal(pipe(commands) | pipe(replies), 0);
    target = fork();
    if (target == 0)
        child(uid);
    assert_int_equal(n1_ptrace_create(&config, &sink, &engine, &err), 0);
    n1_ns end = n1_time_mono() + WAIT_S * N1_SECOND_NS;
    while (engine.ops->add_process(engine.self, target, &err) < 0) /* not yet nobody's */
        assert_true(n1_time_mono() < end);
    sample_on(2);
}

static int end(void **state)
{
    (void)state;
    when_held = NULL;
    if (engine.ops)
        engine.ops->destroy(engine.self);
    engine = (struct n1_engine){0};
    kill(target, SIGKILL);
    waitpid(target, NULL, 0);
    for (int i = 0; i < 2; i++) {
        close(commands[i]);
        close(replies[i]);
    }
    return 0;
}

static void tell_fork(void)
{
    tell('f');
    reply_within(0); /* whoever forks is not held */
}

static void a_fork_beside_a_held_thread(void **state)
{
    (void)state;
    start(0);
    sample_until_held(tell_fork);
    assert_int_equal(reply(), 'y');
    sample_on(2);
}

static void tell_exec(void)
{
    tell('e');
    reply_within(20 * MS); /* it gets as far as it can: the kernel waits for this thread to end */
}

static void an_exec_beside_a_held_thread(void **state)
{
    (void)state;
    start(0);
    sample_until_held(tell_exec);
    tell('z'); /* now it is cat */
    assert_int_equal(reply(), 'z');
    sample_until_state("S");
}

static void stop_it(void)
{
    kill(target, SIGSTOP);
}

static void a_stop_signal_while_held(void **state)
{
    (void)state;
    start(0);
    sample_until_held(stop_it);
    sample_until_state("T");
    for (int i = 0; i < 10; i++) {
        drain_once();
        assert_int_equal(state_of(target), 'T'); /* and stays so */
    }
    kill(target, SIGCONT);
    sample_on(2);
}

static void kill_it(void)
{
    kill(target, SIGKILL);
}

static void a_death_while_held(void **state)
{
    (void)state;
    start(0);
    sample_until_held(kill_it);
    sample_until_state("Z");
}

static void a_debugger_comes_between_two_samples(void **state)
{
    (void)state;
    start(0);
    int told[2], go[2];
    char byte;
    assert_int_equal(pipe(told) | pipe(go), 0);
    pid_t debugger = fork();
    if (debugger == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (ptrace(PTRACE_SEIZE, target, NULL, NULL)) /* refused while a sample is taken */
            usleep(100);
        if (write(told[1], "", 1) != 1 || read(go[0], &byte, 1) != 1)
            _exit(1);
        ptrace(PTRACE_INTERRUPT, target, NULL, NULL);
        waitpid(target, NULL, __WALL);
        _exit(ptrace(PTRACE_DETACH, target, NULL, NULL) ? 1 : 0);
    }
    struct pollfd fd = {.fd = told[0], .events = POLLIN};
    n1_ns end_at = n1_time_mono() + WAIT_S * N1_SECOND_NS;
    while (poll(&fd, 1, 0) == 0) {
        assert_true(n1_time_mono() < end_at);
        drain_once();
    }
    struct n1_engine_stats stats = {0};
    while (stats.traced_by != debugger) { /* the engine makes way, and knows for whom */
        assert_true(n1_time_mono() < end_at);
        drain_once();
        engine.ops->stats(engine.self, &stats);
    }
    unsigned before = samples;
    for (int i = 0; i < 20; i++)
        drain_once();
    assert_int_equal(samples, before);
    assert_int_equal(write(go[1], "", 1), 1);
    int status;
    assert_int_equal(waitpid(debugger, &status, 0), debugger);
    assert_int_equal(status, 0);
    sample_on(2);
    for (int i = 0; i < 2; i++) {
        close(told[i]);
        close(go[i]);
    }
}

static unsigned effective_uid(pid_t pid)
{
    char path[64], line[256];
    unsigned real, effective = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *in = fopen(path, "re");
    while (in && fgets(line, sizeof line, in))
        if (sscanf(line, "Uid: %u %u", &real, &effective) == 2)
            break;
    if (in)
        fclose(in);
    return effective;
}

/* A tracer that may trace root too is no reason for the kernel to take the program's rights away. */
static void a_setuid_program_keeps_its_rights(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    chmod(program, 04755);
    start(NOBODY);
    sample_until_held(tell_exec);
    tell('z');
    assert_int_equal(reply(), 'z');
    if (effective_uid(target) != 0) { /* the folder may be mounted nosuid: then it has none to keep */
        pid_t unwatched = fork();
        if (unwatched == 0) {
            setresuid(NOBODY, NOBODY, NOBODY);
            execl(program, "cat", (char *)NULL);
        }
        usleep(200000);
        unsigned uid = effective_uid(unwatched);
        kill(unwatched, SIGKILL);
        waitpid(unwatched, NULL, 0);
        assert_int_not_equal(uid, 0);
    }
}

static int setup(void **state)
{
    char command[128];
    (void)state;
    if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
        return -1;
    snprintf(program, sizeof program, "%s/cat", folder);
    snprintf(command, sizeof command, "cp /bin/cat %s", program);
    signal(SIGPIPE, SIG_IGN);
    return system(command);
}

static int teardown(void **state)
{
    (void)state;
    unlink(program);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_fork_beside_a_held_thread, end),
        cmocka_unit_test_teardown(an_exec_beside_a_held_thread, end),
        cmocka_unit_test_teardown(a_stop_signal_while_held, end),
        cmocka_unit_test_teardown(a_death_while_held, end),
        cmocka_unit_test_teardown(a_debugger_comes_between_two_samples, end),
        cmocka_unit_test_teardown(a_setuid_program_keeps_its_rights, end),
    };
    if (n1_ptrace_probe() < 0) {
        puts("ptrace is refused here");
        return 77;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
