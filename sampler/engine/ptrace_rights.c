/*
 * Which check refuses to let a process be stopped. The kernel says only EPERM; the places that can say it are
 * looked at one by one, in the order in which a remedy is easiest.
 */
#include "sampler/engine/ptrace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_text(const char *path, char *text, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t len = read(fd, text, cap - 1);
    int err = len < 0 ? -errno : 0;
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    return err;
}

static long field(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

int n1_ptrace_permitted(pid_t pid, struct n1_error *reterr)
{
    char path[48], text[4096], yama[16];
    snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
    int err = read_text(path, text, sizeof(text));
    if (!err)
        return 0;
    if (err == -ESRCH)
        return n1_error_set(reterr, N1_E_NO_PROCESS, "process %d is gone", (int)pid);
    if (err == -ENOENT) {
        snprintf(path, sizeof(path), "/proc/%d", (int)pid);
        if (access(path, F_OK))
            return n1_error_set(reterr, N1_E_NO_PROCESS, "no process %d", (int)pid);
        return n1_error_hint(reterr, N1_E_NOT_PERMITTED, "use --engine perf",
                             "engine ptrace needs /proc/PID/syscall, which this kernel does not have");
    }
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    long uid = read_text(path, text, sizeof(text)) ? -1 : field(text, "\nUid:");
    if (uid >= 0 && uid != (long)getuid())
        return n1_error_hint(reterr, N1_E_NOT_PERMITTED, "run as that user or root, or add CAP_SYS_PTRACE",
                             "stopping process %d refused: it belongs to uid %ld", (int)pid, uid);
    long scope = read_text("/proc/sys/kernel/yama/ptrace_scope", yama, sizeof(yama)) ? 0 : atol(yama);
    if (scope > 0)
        return n1_error_hint(reterr, N1_E_NOT_PERMITTED,
                             scope < 3 ? "sysctl kernel.yama.ptrace_scope=0, CAP_SYS_PTRACE or root"
                                       : "it cannot be lowered until the next boot; use --engine perf",
                             "stopping process %d refused: kernel.yama.ptrace_scope is %ld", (int)pid, scope);
    return n1_error_hint(reterr, N1_E_NOT_PERMITTED, "run as root, or add CAP_SYS_PTRACE",
                         "stopping process %d refused (%s): it gave up being traceable (setuid, or "
                         "PR_SET_DUMPABLE), or is in another user namespace",
                         (int)pid, strerror(-err));
}
