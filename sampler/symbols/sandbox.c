/*
 * The order matters: the user changes while capabilities allow it, the parent-death signal is set after that
 * (changing the user clears it), the filter comes last because it refuses all the rest.
 */
#include "sampler/symbols/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define NOBODY 65534
#define ADDRESS_SPACE_BYTES (UINT64_C(16) << 30) /* mapped files of debug information count here */
#define DATA_BYTES (UINT64_C(1) << 30)           /* what it may really fill: heap and private mappings */
#define DESCRIPTORS 4096
#define CPU_HARD_SECONDS 3600

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

static int limit(int resource, uint64_t value)
{
    struct rlimit old;
    if (getrlimit((__rlimit_resource_t)resource, &old) < 0)
        return -errno;
    if (old.rlim_max != RLIM_INFINITY && old.rlim_max < value)
        value = old.rlim_max;
    struct rlimit now = {value, value};
    return setrlimit((__rlimit_resource_t)resource, &now) < 0 ? -errno : 0;
}

static int set_limits(void)
{
    int rc = limit(RLIMIT_CORE, 0);
    if (rc == 0)
        rc = limit(RLIMIT_NPROC, 0);
    if (rc == 0)
        rc = limit(RLIMIT_NOFILE, DESCRIPTORS);
    if (rc == 0)
        rc = limit(RLIMIT_FSIZE, 0);
    if (rc == 0)
        rc = limit(RLIMIT_CPU, CPU_HARD_SECONDS);
    /* A sanitizer's shadow memory is terabytes of address space. */
    if (rc == 0 && !SANITIZED)
        rc = limit(RLIMIT_AS, ADDRESS_SPACE_BYTES);
    if (rc == 0 && !SANITIZED)
        rc = limit(RLIMIT_DATA, DATA_BYTES);
    return rc;
}

static int drop_capabilities(void)
{
    cap_t none = cap_init();
    if (!none)
        return -ENOMEM;
    int rc = cap_set_proc(none) < 0 ? -errno : 0;
    cap_free(none);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return rc;
}

static int drop_user(void)
{
    if (geteuid() != 0)
        return 0;
    /* In a user namespace without "nobody" the change fails; without capabilities and behind the filter the
     * process can do as little as nobody could. */
    if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return errno == EPERM || errno == EINVAL ? 0 : -errno;
    return 0;
}

static int allow(scmp_filter_ctx filter)
{
    static const int calls[] = {
        SCMP_SYS(read),         SCMP_SYS(pread64),        SCMP_SYS(recvmsg),
        SCMP_SYS(sendmsg),      SCMP_SYS(close),          SCMP_SYS(fstat),
        SCMP_SYS(lseek),        SCMP_SYS(munmap),         SCMP_SYS(mremap),
        SCMP_SYS(brk),          SCMP_SYS(madvise),        SCMP_SYS(poll),
        SCMP_SYS(ppoll),        SCMP_SYS(futex),          SCMP_SYS(clock_gettime),
        SCMP_SYS(getrandom),    SCMP_SYS(exit),           SCMP_SYS(exit_group),
        SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(restart_syscall),
        SCMP_SYS(getrusage),    SCMP_SYS(getpid),         SCMP_SYS(gettid),
        SCMP_SYS(sigaltstack),  SCMP_SYS(sched_yield),
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof(calls) / sizeof(calls[0]); i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    /* fstat of glibc: by descriptor, with an empty path. */
    if (rc == 0)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                              SCMP_A3(SCMP_CMP_MASKED_EQ, 0x1000, 0x1000));
    if (rc == 0)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                              SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (rc == 0)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                              SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (rc == 0)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_EQ, 0));
    /* abort() raises its signal by tgkill on itself. */
    if (rc == 0)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                              SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    return rc;
}

/* Refused calls fail with EACCES: libdw tries to open further files by name and takes that for their absence.
 */
static int filter_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EACCES));
    if (!filter)
        return -ENOMEM;
    int rc = allow(filter);
    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return rc;
}

int n1_sandbox_enter(void)
{
    pid_t parent = getppid();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    int rc = drop_user();
    if (rc == 0)
        rc = drop_capabilities();
    if (rc == 0)
        rc = set_limits();
    if (rc < 0)
        return rc;
    /* Nobody of the same user may trace it and take the descriptors that were opened with the sampler's
     * rights. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        return -errno;
    if (getppid() != parent)
        return -ESRCH;
    return filter_calls();
}

void n1_sandbox_allow_cpu(uint32_t seconds)
{
    struct rusage usage;
    struct rlimit now;
    if (getrusage(RUSAGE_SELF, &usage) < 0 || getrlimit(RLIMIT_CPU, &now) < 0)
        return;
    rlim_t soft = (rlim_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + 1 + seconds;
    now.rlim_cur = now.rlim_max != RLIM_INFINITY && soft > now.rlim_max ? now.rlim_max : soft;
    setrlimit(RLIMIT_CPU, &now);
}
