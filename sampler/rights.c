/*
 * Capabilities, limits, and what happens when a call is refused. The list of calls itself is in
 * rights_calls.c.
 */
#include "sampler/rights.h"

#include "n1/log.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

/* Of what is held at the start, this is kept. The rest (above all CAP_DAC_OVERRIDE, CAP_SYS_MODULE,
 * CAP_SETPCAP, …) goes. */
static const cap_value_t kept[] = {
    CAP_SYS_ADMIN,  /* uprobes, and all perf events before Linux 5.8; its other powers are calls not listed */
    CAP_PERFMON,    /* perf events of others, kernel frames, uprobes */
    CAP_SYS_PTRACE, /* memory, maps and /proc files of other users' processes */
    CAP_DAC_READ_SEARCH,    /* files that the target has mapped, in folders closed to us */
    CAP_CHECKPOINT_RESTORE, /* /proc/PID/map_files, for deleted binaries */
    CAP_SYSLOG,             /* addresses in /proc/kallsyms under kptr_restrict */
    CAP_IPC_LOCK,           /* ring memory beyond the user's share */
    CAP_SYS_NICE,           /* a short scheduling slice while a thread is held */
    CAP_SETUID,             /* the symbol helper becomes nobody, also when it is started again … */
    CAP_SETGID,
    CAP_KILL, /* … and is then another user's, and has to be ended when it hangs */
};

int n1_rights_check(struct n1_error *reterr)
{
    if (getuid() == geteuid() && getgid() == getegid())
        return 0;
    return n1_error_hint(reterr, N1_E_NOT_PERMITTED,
                         "chmod ug-s it, and setcap cap_perfmon,cap_sys_ptrace+ep instead",
                         "n1top-sampler must not be setuid or setgid");
}

static int keep_capabilities(void)
{
    cap_t held = cap_get_proc(), next = cap_init();
    int rc = held && next ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < sizeof kept / sizeof *kept; i++) {
        cap_flag_value_t value = CAP_CLEAR;
        if (cap_get_flag(held, kept[i], CAP_PERMITTED, &value) < 0 || value == CAP_CLEAR)
            continue; /* not held, or unknown to this kernel */
        if (cap_set_flag(next, CAP_PERMITTED, 1, &kept[i], CAP_SET) < 0 ||
            cap_set_flag(next, CAP_EFFECTIVE, 1, &kept[i], CAP_SET) < 0)
            rc = -errno;
    }
    if (rc == 0 && cap_set_proc(next) < 0)
        rc = -errno;
    if (held)
        cap_free(held);
    if (next)
        cap_free(next);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return rc;
}

static void limit(int resource, rlim_t value)
{
    struct rlimit now = {value, value};
    setrlimit((__rlimit_resource_t)resource, &now);
}

/* The kernel did not make the call; it sent this, and what stands in the result register is what the caller
 * gets. */
static void on_refused(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    int call = info->si_syscall;
#if defined(__x86_64__)
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
    ((ucontext_t *)context)->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
#endif
    /* Raised by the call itself, so no lock of ours is held but that of the log, which calls only what is
     * listed. */
    n1_log(N1_LOG_ERROR, "rights",
           "system call %d is not on the sampler's list (sampler/rights_calls.c): refused", call);
}

void n1_rights_tell_refused(void)
{
    struct sigaction action = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigset_t set;
    sigaction(SIGSYS, &action, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void n1_rights_no_files(void)
{
    signal(SIGXFSZ, SIG_IGN);
    limit(RLIMIT_FSIZE, 0);
}

int n1_rights_reduce(struct n1_error *reterr)
{
    int rc = keep_capabilities();
    if (rc < 0)
        return n1_error_set(reterr, rc, "cannot give up capabilities: %s", strerror(-rc));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return n1_error_set(reterr, -errno, "cannot give up new privileges: %s", strerror(errno));
    limit(RLIMIT_CORE, 0);
    n1_rights_tell_refused();
    rc = n1_rights_filter_calls();
    /* Where filters cannot be had (a kernel without them) there is only the rest. */
    if (rc < 0)
        n1_log(N1_LOG_WARN, "rights", "no filter of system calls: %s", strerror(-rc));
    return 0;
}
