/*
 * The system calls of the sampler, by what they are for. To add one: put it into the group that says why it
 * is needed. A call that is missing fails with EPERM, and the log (--log FILE) names its number. The symbol
 * helper starts under this list and then takes a much shorter one of its own (symbols/sandbox.c), so what it
 * needs to get there is here too.
 *
 * Left out on purpose: writing another process's memory, registers or files; signals with a payload; mounts,
 * modules, namespaces, keys, bpf; raw sockets and the network.
 */
#include "sampler/rights.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static const int calls[] = {
    /* memory; executable too, because the helper is linked anew, and then may not */
    SCMP_SYS(mmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(brk),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    SCMP_SYS(madvise),
    SCMP_SYS(memfd_create),
    SCMP_SYS(mlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(munlock),
    SCMP_SYS(msync),
    SCMP_SYS(membarrier),
    SCMP_SYS(mincore),
    /* files: the target's, /proc, /sys, configuration, the log */
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(openat2),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(read),
    SCMP_SYS(pread64),
    SCMP_SYS(readv),
    SCMP_SYS(preadv),
    SCMP_SYS(preadv2),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(pwrite64),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(fcntl),
    SCMP_SYS(flock),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(fadvise64),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(umask),
    SCMP_SYS(getcwd),
    SCMP_SYS(chdir),
    SCMP_SYS(fchdir),
    SCMP_SYS(name_to_handle_at),
    /* waiting */
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime),
    SCMP_SYS(signalfd4),
    SCMP_SYS(pipe2),
    SCMP_SYS(futex),
    SCMP_SYS(futex_waitv),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(pause),
    SCMP_SYS(restart_syscall),
    /* time, self, limits */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(times),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrandom),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getresuid),
    SCMP_SYS(getresgid),
    SCMP_SYS(getgroups),
    SCMP_SYS(getpgid),
    SCMP_SYS(getpgrp),
    SCMP_SYS(getsid),
    SCMP_SYS(getcpu),
    SCMP_SYS(getpriority),
    SCMP_SYS(getrlimit),
    SCMP_SYS(setrlimit),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_getattr),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(sched_get_priority_max),
    SCMP_SYS(sched_get_priority_min),
    SCMP_SYS(sched_rr_get_interval),
    SCMP_SYS(capget),
    SCMP_SYS(prctl),
    SCMP_SYS(arch_prctl),
    /* signals of our own */
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(rt_sigsuspend),
    SCMP_SYS(rt_sigpending),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(tgkill),
    SCMP_SYS(alarm),
    SCMP_SYS(setitimer),
    /* the guard of a stop: the kernel ends a tracer that is held */
    SCMP_SYS(timer_create),
    SCMP_SYS(timer_settime),
    SCMP_SYS(timer_delete),
    /* threads, the symbol helper, a guardian */
    SCMP_SYS(clone),
    SCMP_SYS(clone3),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(execve),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(wait4),
    SCMP_SYS(waitid),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(setpgid),
    SCMP_SYS(setsid),
    /* the helper on its way to less: its user, capabilities and its own list */
    SCMP_SYS(setgroups),
    SCMP_SYS(capset),
    SCMP_SYS(seccomp),
    /* the target: its death, its events, its memory (reading only) */
    SCMP_SYS(pidfd_open),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(ioctl),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(kcmp),
    /* the sockets by which a screen comes back */
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(connect),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(chmod),
    SCMP_SYS(fchmod),
    SCMP_SYS(fchmodat),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(rmdir),
};

/* What looks at a stopped thread or lets it go; nothing that changes its registers, memory or signals. */
static const int traces[] = {
    PTRACE_SEIZE,      PTRACE_INTERRUPT,        PTRACE_CONT,        PTRACE_DETACH,      PTRACE_LISTEN,
    PTRACE_GETREGSET,  PTRACE_GETREGS,          PTRACE_GETFPREGS,   PTRACE_PEEKDATA,    PTRACE_PEEKTEXT,
    PTRACE_PEEKUSER,   PTRACE_GETSIGINFO,       PTRACE_PEEKSIGINFO, PTRACE_GETEVENTMSG, PTRACE_SETOPTIONS,
    PTRACE_GETSIGMASK, PTRACE_GET_SYSCALL_INFO,
};

#define NOBODY 65534

static int allow(scmp_filter_ctx filter)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof calls / sizeof *calls; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    for (size_t i = 0; rc == 0 && i < sizeof traces / sizeof *traces; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ptrace), 1,
                              SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)traces[i]));
    const struct {
        int call;
        struct scmp_arg_cmp when;
    } some[] = {
        /* Local sockets only. */
        {SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_UNIX)},
        {SCMP_SYS(socketpair), SCMP_A0(SCMP_CMP_EQ, AF_UNIX)},
        /* Limits, priorities and CPUs of ourselves. */
        {SCMP_SYS(prlimit64), SCMP_A0(SCMP_CMP_EQ, 0)},
        {SCMP_SYS(setpriority), SCMP_A1(SCMP_CMP_EQ, 0)},
        {SCMP_SYS(sched_setattr), SCMP_A0(SCMP_CMP_EQ, 0)},
        {SCMP_SYS(sched_setscheduler), SCMP_A0(SCMP_CMP_EQ, 0)},
        {SCMP_SYS(sched_setaffinity), SCMP_A0(SCMP_CMP_EQ, 0)},
        /* To end a helper that hangs, or our own tracer; never another signal. */
        {SCMP_SYS(kill), SCMP_A1(SCMP_CMP_EQ, SIGKILL)},
        {SCMP_SYS(kill), SCMP_A1(SCMP_CMP_EQ, SIGTERM)},
        {SCMP_SYS(kill), SCMP_A1(SCMP_CMP_EQ, 0)},
        {SCMP_SYS(pidfd_send_signal), SCMP_A1(SCMP_CMP_EQ, SIGKILL)},
        {SCMP_SYS(pidfd_send_signal), SCMP_A1(SCMP_CMP_EQ, 0)},
        /* Nobody is who the helper becomes. */
        {SCMP_SYS(setresuid), SCMP_A0(SCMP_CMP_EQ, NOBODY)},
        {SCMP_SYS(setresgid), SCMP_A0(SCMP_CMP_EQ, NOBODY)},
    };
    for (size_t i = 0; rc == 0 && i < sizeof some / sizeof *some; i++)
        rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, some[i].call, 1, &some[i].when);
    return rc;
}

int n1_rights_filter_calls(void)
{
    if (SANITIZED) /* its run-time library makes calls of its own */
        return 0;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
    if (!filter)
        return -ENOMEM;
    /* Every thread that runs, not only this one; and a call number that libseccomp does not know is no reason
     * to go without a filter. */
    int rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (rc == 0)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (rc == 0)
        rc = allow(filter);
    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return rc;
}
