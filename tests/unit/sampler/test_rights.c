/* Each case runs in a child, because what is given up does not come back. */
#include "sampler/rights.h"

#include "n1/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTERED 0
#else
#define FILTERED 1
#endif

/* Exit status of `body` in a child under the sampler's rights; its log is in `log`. */
static int in_child(int (*body)(void), char *log, size_t cap)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        n1_log_to_fd(pipes[1], N1_LOG_DEBUG);
        struct n1_error err = {0};
        if (n1_rights_reduce(&err) < 0)
            _exit(100);
        _exit(body());
    }
    close(pipes[1]);
    size_t used = 0;
    for (ssize_t got; used + 1 < cap && (got = read(pipes[0], log + used, cap - 1 - used)) > 0;)
        used += (size_t)got;
    log[used] = '\0';
    close(pipes[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}

static int refused_calls(void)
{
    char byte = 0;
    struct iovec local = {&byte, 1}, remote = {&byte, 1};
    if (syscall(SYS_mount, NULL, NULL, NULL, 0, NULL) != -1 || errno != EPERM)
        return 1;
    if (syscall(SYS_process_vm_writev, getpid(), &local, 1, &remote, 1, 0) != -1 || errno != EPERM)
        return 2;
    if (ptrace(PTRACE_POKEDATA, getpid(), &byte, 0) != -1 || errno != EPERM)
        return 3;
    if (ptrace(PTRACE_SETREGSET, getpid(), 1, 0) != -1 || errno != EPERM)
        return 4;
    if (socket(AF_INET, SOCK_STREAM, 0) != -1 || errno != EPERM)
        return 5;
    if (kill(getpid(), SIGSTOP) != -1 || errno != EPERM)
        return 6;
    if (syscall(SYS_setresuid, 1, 1, 1) != -1 || errno != EPERM)
        return 7;
    return 0;
}

static void test_what_is_not_listed_is_refused_and_told(void **state)
{
    (void)state;
    char log[8192], wanted[64];
    if (!FILTERED)
        skip();
    assert_int_equal(in_child(refused_calls, log, sizeof log), 0);
    snprintf(wanted, sizeof wanted, "system call %d is not on the sampler's list", SYS_mount);
    assert_non_null(strstr(log, wanted));
    snprintf(wanted, sizeof wanted, "system call %d is not on the sampler's list", SYS_process_vm_writev);
    assert_non_null(strstr(log, wanted));
}

static int listed_calls(void)
{
    char byte = 1, copy = 0;
    struct iovec local = {&copy, 1}, remote = {&byte, 1};
    if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != 1 || copy != 1)
        return 1;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
        return 2;
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    if (pid < 0)
        return 3;
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0)
        return 4;
    int status;
    if (waitpid(pid, &status, __WALL) != pid || ptrace(PTRACE_DETACH, pid, 0, 0) < 0)
        return 5;
    if (kill(pid, SIGKILL) < 0 || waitpid(pid, &status, 0) != pid)
        return 6;
    return 0;
}

static void test_what_sampling_needs_is_there(void **state)
{
    (void)state;
    char log[8192];
    assert_int_equal(in_child(listed_calls, log, sizeof log), 0);
    assert_null(strstr(log, "not on the sampler's list"));
}

static int rights_left(void)
{
    struct rlimit core;
    static const cap_value_t gone[] = {CAP_DAC_OVERRIDE, CAP_SYS_MODULE, CAP_SYS_BOOT, CAP_SETPCAP,
                                       CAP_NET_ADMIN,    CAP_CHOWN,      CAP_MKNOD,    CAP_SYS_RAWIO};
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 1;
    if (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0)
        return 2;
    if (FILTERED && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2)
        return 3;
    cap_t caps = cap_get_proc();
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        cap_flag_value_t value;
        if (cap_get_flag(caps, gone[i], CAP_PERMITTED, &value) == 0 && value == CAP_SET)
            return 4;
    }
    cap_free(caps);
    return 0;
}

static void test_rights_are_few(void **state)
{
    (void)state;
    char log[8192];
    assert_int_equal(in_child(rights_left, log, sizeof log), 0);
}

static int write_a_file(void)
{
    char name[] = "/tmp/n1-test-rights-XXXXXX";
    int fd = mkstemp(name);
    n1_rights_no_files();
    int rc = fd >= 0 && write(fd, "x", 1) == -1 && errno == EFBIG ? 0 : 1;
    unlink(name);
    return rc;
}

static void test_no_regular_file_is_written(void **state)
{
    (void)state;
    char log[8192];
    assert_int_equal(in_child(write_a_file, log, sizeof log), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_listed_is_refused_and_told),
        cmocka_unit_test(test_what_sampling_needs_is_there),
        cmocka_unit_test(test_rights_are_few),
        cmocka_unit_test(test_no_regular_file_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
