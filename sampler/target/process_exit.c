/*
 * Exit statuses. A zero in the stat file proves nothing by itself, because the kernel writes 0 for those who
 * may not know; it counts only when another file behind the same check can be read.
 */
#include "sampler/target/process_exit.h"

#include "sampler/target/proc_stat.h"

#include <linux/types.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct pidfd_info { /* linux/pidfd.h of 6.15, first published size */
    __u64 mask, cgroup_id;
    __u32 pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    __s32 exit_code;
};
#define PIDFD_GET_INFO_V0 _IOWR(0xFF, 11, struct pidfd_info)
#define PIDFD_INFO_EXIT_BIT (1u << 3)

static struct n1_exit from_wait_status(int status)
{
    if (WIFSIGNALED(status))
        return (struct n1_exit){N1_EXIT_SIGNAL, WTERMSIG(status), WCOREDUMP(status)};
    return (struct n1_exit){N1_EXIT_CODE, WEXITSTATUS(status), false};
}

struct n1_exit n1_process_exit_read(pid_t pid, int pidfd, int proc_fd)
{
    struct pidfd_info info = {.mask = PIDFD_INFO_EXIT_BIT};
    struct n1_proc_stat stat;
    char io[512];
    siginfo_t child = {0};

    (void)pid;
    if (!waitid((idtype_t)P_PIDFD, (id_t)pidfd, &child, WEXITED | WNOHANG) && child.si_pid) {
        if (child.si_code == CLD_EXITED)
            return (struct n1_exit){N1_EXIT_CODE, child.si_status, false};
        return (struct n1_exit){N1_EXIT_SIGNAL, child.si_status, child.si_code == CLD_DUMPED};
    }
    if (!n1_proc_stat_read(proc_fd, "stat", &stat) && stat.state == 'Z' && stat.exit_known &&
        (stat.exit_code != 0 || !n1_proc_read(proc_fd, "io", io, sizeof(io), NULL)))
        return from_wait_status(stat.exit_code);
    if (!ioctl(pidfd, PIDFD_GET_INFO_V0, &info) && info.mask & PIDFD_INFO_EXIT_BIT)
        return from_wait_status(info.exit_code);
    return (struct n1_exit){N1_EXIT_UNKNOWN, 0, false};
}
