/* Opening real processes of every awkward kind, the owner rule, and exit statuses. */
#include "sampler/target/process.h"

#include <errno.h>
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int gate[2]; /* closing its write end lets the child go */

static pid_t waiting_child(int exit_status)
{
    assert_int_equal(pipe(gate), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(gate[1]);
        _exit(read(gate[0], &byte, 1) < 0 ? 99 : exit_status);
    }
    close(gate[0]);
    return pid;
}

static struct n1_process *open_ok(pid_t pid)
{
    struct n1_caller caller = n1_caller_self(NULL);
    struct n1_process *process = NULL;
    struct n1_error err = {0};

    assert_int_equal(n1_process_open(pid, &caller, &process, &err), 0);
    return process;
}

static void refused(pid_t pid, int code, const char *word)
{
    struct n1_caller caller = n1_caller_self(NULL);
    struct n1_process *process = (void *)&caller;
    struct n1_error err = {0};

    assert_int_equal(n1_process_open(pid, &caller, &process, &err), code);
    assert_ptr_equal(process, &caller);
    assert_non_null(strstr(err.what, word));
    assert_true(err.hint[0]);
}

static void wait_for_end(struct n1_process *process)
{
    for (;;) {
        if (n1_process_poll(process))
            return;
        sched_yield();
    }
}

static void identity_and_exit_status_of_a_child(void **state)
{
    (void)state;
    pid_t pid = waiting_child(42);
    struct n1_process *process = open_ok(pid);
    assert_int_equal(process->pid, pid);
    assert_int_equal(process->ppid, getpid());
    assert_int_equal(process->uid, getuid());
    assert_int_equal(process->ns_pid, pid);
    assert_string_equal(process->comm, "test_process");
    assert_non_null(strstr(process->exe, "test_process"));
    assert_non_null(process->cmdline);
    assert_int_equal(process->cmdline[process->cmdline_len - 1], 0);
    assert_true(process->start_ns > 0 && process->start_ns < n1_time_mono());
    assert_true(n1_time_mono() - process->start_ns < 60 * N1_SECOND_NS);
    assert_false(n1_process_poll(process));
    close(gate[1]);
    wait_for_end(process);
    assert_int_equal(process->exit.kind, N1_EXIT_CODE);
    assert_int_equal(process->exit.value, 42);
    assert_true(n1_process_poll(process));
    n1_process_close(process);
    assert_int_equal(waitpid(pid, NULL, 0), -1); /* it was reaped */
}

static void death_by_signal(void **state)
{
    (void)state;
    pid_t pid = waiting_child(0);
    struct n1_process *process = open_ok(pid);
    kill(pid, SIGKILL);
    wait_for_end(process);
    assert_int_equal(process->exit.kind, N1_EXIT_SIGNAL);
    assert_int_equal(process->exit.value, SIGKILL);
    n1_process_close(process);
    close(gate[1]);
}

/* A grandchild: its end is another's to reap. Whatever is said must be true, and a zero must not stand for
 * unknown. */
static void exit_of_somebody_elses_child(void **state)
{
    int ids[2], hold[2];
    pid_t pid;
    (void)state;
    assert_int_equal(pipe(ids), 0);
    assert_int_equal(pipe(hold), 0);
    pid_t middle = fork();
    if (middle == 0) {
        char byte;
        close(hold[1]);
        pid = fork();
        if (pid == 0) {
            raise(SIGSTOP);
            _exit(7);
        }
        if (write(ids[1], &pid, sizeof(pid)) != sizeof(pid))
            _exit(1);
        _exit(read(hold[0], &byte, 1) < 0); /* does not reap while the test looks */
    }
    close(hold[0]);
    assert_int_equal(read(ids[0], &pid, sizeof(pid)), sizeof(pid));
    struct n1_process *process = open_ok(pid);
    struct n1_caller caller = n1_caller_self(NULL);
    while (process->state != 'T')
        assert_int_equal(n1_process_refresh(process, &caller, NULL), 0);
    kill(pid, SIGCONT);
    wait_for_end(process);
    assert_int_equal(process->exit.kind, N1_EXIT_CODE); /* the zombie is ours to look at */
    assert_int_equal(process->exit.value, 7);
    assert_int_equal(n1_process_refresh(process, &caller, NULL), -ESRCH);
    refused(pid, N1_E_NO_PROCESS, "zombie");
    n1_process_close(process);
    close(hold[1]);
    assert_int_equal(waitpid(middle, NULL, 0), middle);
    close(ids[0]);
    close(ids[1]);
}

static void a_stopped_process_is_opened(void **state)
{
    (void)state;
    pid_t pid = waiting_child(0);
    kill(pid, SIGSTOP);
    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
    struct n1_process *process = open_ok(pid);
    assert_int_equal(process->state, 'T');
    n1_process_close(process);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(gate[1]);
}

static pthread_barrier_t barrier;
static pid_t thread_id;

static void *thread_main(void *arg)
{
    thread_id = (pid_t)syscall(SYS_gettid);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return arg;
}

static void what_is_no_process(void **state)
{
    pthread_t thread;
    (void)state;
    refused(0, N1_E_NO_PROCESS, "no process");
    refused(-1, N1_E_NO_PROCESS, "no process");
    refused(0x7fffffff, N1_E_NO_PROCESS, "no process");
    refused(getpid(), N1_E_USAGE, "sampler itself");
    pthread_barrier_init(&barrier, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, thread_main, NULL), 0);
    pthread_barrier_wait(&barrier);
    refused(thread_id, N1_E_USAGE, "is a thread of process");
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    char comm[32] = "";
    FILE *f = fopen("/proc/2/comm", "re");
    if (f && fgets(comm, sizeof(comm), f) && !strcmp(comm, "kthreadd\n"))
        refused(2, N1_E_USAGE, "kernel thread");
    if (f)
        fclose(f);
}

/* The rule is on the caller, not on what the kernel would allow us: root's view of it is tested as well. */
static void the_owner_rule(void **state)
{
    struct n1_process *process = NULL;
    struct n1_error err = {0};
    (void)state;
    pid_t pid = waiting_child(0);
    struct n1_caller stranger = {.uid = getuid() + 1000};
    assert_int_equal(n1_process_open(pid, &stranger, &process, &err), N1_E_NOT_PERMITTED);
    assert_non_null(strstr(err.what, "belongs to uid"));
    assert_null(process);
    struct n1_caller member = {.uid = getuid() + 1000, .in_allowed_group = true};
    assert_int_equal(n1_process_open(pid, &member, &process, &err), 0);
    assert_int_equal(n1_process_refresh(process, &stranger, &err), N1_E_NOT_PERMITTED);
    n1_process_close(process);
    close(gate[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A process that is not dumpable belongs to root in /proc, and its user is refused. Needs an ordinary uid:
 * the child takes one when we are root. */
static void an_undumpable_process_is_closed(void **state)
{
    int ready[2];
    char byte = 0;
    uid_t uid = getuid() ? getuid() : 12345;
    (void)state;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        if ((getuid() == 0 && setuid(uid)) || prctl(PR_SET_DUMPABLE, 0) || write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    struct n1_caller owner = {.uid = uid};
    struct n1_process *process = NULL;
    struct n1_error err = {0};
    assert_int_equal(n1_process_open(pid, &owner, &process, &err), N1_E_NOT_PERMITTED);
    assert_non_null(strstr(err.what, "not dumpable"));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(ready[0]);
    close(ready[1]);
}

static void container_ids(void **state)
{
    static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF";
    char path[256], found[65] = "";
    (void)state;
    snprintf(path, sizeof(path), "/system.slice/docker-%s.scope", id);
    assert_true(n1_process_container_id(path, found));
    assert_string_equal(found, id);
    snprintf(path, sizeof(path), "/docker/%s", id);
    assert_true(n1_process_container_id(path, found));
    snprintf(path, sizeof(path), "/x/%s0", id); /* 65 digits are something else */
    assert_false(n1_process_container_id(path, found));
    assert_false(n1_process_container_id("/user.slice/user-1000.slice", found));
    assert_false(n1_process_container_id("", found));
}

static void cpu_time_of_a_process(void **state)
{
    uint64_t before, now;
    (void)state;
    assert_int_equal(n1_process_cpu_ns(getpid(), &before), 0);
    do {
        assert_int_equal(n1_process_cpu_ns(getpid(), &now), 0);
    } while (now < before + 1000000);
    assert_int_equal(n1_process_cpu_ns(0x7fffffff, &now), -ESRCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_and_exit_status_of_a_child),
        cmocka_unit_test(death_by_signal),
        cmocka_unit_test(exit_of_somebody_elses_child),
        cmocka_unit_test(a_stopped_process_is_opened),
        cmocka_unit_test(what_is_no_process),
        cmocka_unit_test(the_owner_rule),
        cmocka_unit_test(an_undumpable_process_is_closed),
        cmocka_unit_test(container_ids),
        cmocka_unit_test(cpu_time_of_a_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
