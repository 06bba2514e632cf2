/*
 * Opening a process. Order matters: pidfd, then reads through one folder fd, then the proof that pidfd and
 * folder are still the same living process; only then are the reads believed.
 */
#include "sampler/target/process.h"

#include "sampler/target/proc_stat.h"
#include "sampler/target/process_exit.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CMDLINE_MAX_BYTES = 64 * 1024, PID_LIMIT = 1 << 22 };

#define PF_KTHREAD UINT64_C(0x00200000)

struct owner {
    pid_t tgid, ns_pid;
    uid_t real, effective, saved;
    uid_t files; /* owner of the files in /proc/PID: root when the process is not dumpable */
};

struct n1_caller n1_caller_self(const char *allow_group)
{
    struct n1_caller caller = {.uid = getuid()};
    const struct group *group = allow_group && *allow_group ? getgrnam(allow_group) : NULL;

    if (group) {
        gid_t list[1024];
        int count = getgroups(1024, list);
        caller.in_allowed_group = getgid() == group->gr_gid;
        for (int i = 0; i < count; i++)
            caller.in_allowed_group |= list[i] == group->gr_gid;
    }
    return caller;
}

static const char *status_field(const char *text, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, name, len) && line[len] == ':')
            return line + len + 1;
        if (!*line)
            break;
    }
    return NULL;
}

static int read_owner(int proc_fd, struct owner *ret_owner)
{
    struct owner owner = {0};
    char text[8192];
    struct stat st;
    int err = n1_proc_read(proc_fd, "status", text, sizeof(text), NULL);

    if (err)
        return err;
    const char *tgid = status_field(text, "Tgid"), *uid = status_field(text, "Uid");
    const char *ns = status_field(text, "NSpid");
    if (!tgid || !uid || sscanf(uid, "%u %u %u", &owner.real, &owner.effective, &owner.saved) != 3)
        return -EBADMSG;
    owner.tgid = (pid_t)strtol(tgid, NULL, 10);
    owner.ns_pid = owner.tgid;
    while (ns && *ns && *ns != '\n') { /* the innermost namespace comes last */
        char *end;
        long value = strtol(ns, &end, 10);
        if (end == ns)
            break;
        owner.ns_pid = (pid_t)value;
        ns = end;
    }
    if (fstatat(proc_fd, "stat", &st, 0))
        return -errno;
    owner.files = st.st_uid;
    *ret_owner = owner;
    return 0;
}

/* All three ids must be the caller's, as for ptrace: a setuid program started by him is not his to look into,
 * and a sampler with file capabilities must not make it so. */
static int check_owner(pid_t pid, const struct owner *owner, const struct n1_caller *caller,
                       struct n1_error *reterr)
{
    if (caller->uid == 0 || caller->in_allowed_group)
        return 0;
    if (owner->real != caller->uid)
        return n1_error_hint(reterr, N1_E_NOT_PERMITTED, "run n1top as that user or as root (sudo n1top)",
                             "process %d belongs to uid %u, not to uid %u", pid, owner->real, caller->uid);
    if (owner->effective != caller->uid || owner->saved != caller->uid)
        return n1_error_hint(reterr, N1_E_NOT_PERMITTED, "run n1top as root (sudo n1top)",
                             "process %d runs with the rights of uid %u (a setuid program)", pid,
                             owner->effective != caller->uid ? owner->effective : owner->saved);
    if (owner->files != caller->uid)
        return n1_error_hint(reterr, N1_E_NOT_PERMITTED, "run n1top as root (sudo n1top)",
                             "process %d closed itself to its owner (it is not dumpable)", pid);
    return 0;
}

bool n1_process_container_id(const char *cgroup, char ret_id[65])
{
    for (const char *p = cgroup; *p;) {
        size_t run = 0;
        while (isxdigit((unsigned char)p[run]))
            run++;
        if (run == 64) {
            memcpy(ret_id, p, 64);
            ret_id[64] = 0;
            return true;
        }
        p += run ? run : 1;
    }
    return false;
}

/* Each line is "id:controllers:path"; the v2 line has an empty list of controllers. */
static void read_cgroup(struct n1_process *p)
{
    char text[16384];
    char *save = NULL;
    bool found_v2 = false;

    if (n1_proc_read(p->proc_fd, "cgroup", text, sizeof(text), NULL))
        return;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *first = strchr(line, ':');
        char *second = first ? strchr(first + 1, ':') : NULL;
        if (!second)
            continue;
        bool v2 = second == first + 1;
        bool root = !strcmp(second + 1, "/");
        bool have_better = p->cgroup[0] && strcmp(p->cgroup, "/") != 0;
        if (!have_better || (v2 && !root && !found_v2)) {
            snprintf(p->cgroup, sizeof(p->cgroup), "%s", second + 1);
            found_v2 |= v2 && !root;
        }
        if (!p->container[0])
            n1_process_container_id(second + 1, p->container);
    }
}

static void read_cmdline(struct n1_process *p)
{
    char *text = malloc(CMDLINE_MAX_BYTES + 1);
    size_t len;

    free(p->cmdline);
    p->cmdline = NULL;
    p->cmdline_len = 0;
    if (!text)
        return;
    if (n1_proc_read(p->proc_fd, "cmdline", text, CMDLINE_MAX_BYTES, &len) || len == 0) {
        free(text);
        return;
    }
    if (text[len - 1])
        text[len++] = 0;
    p->cmdline = text;
    p->cmdline_len = len;
}

static void read_exe(struct n1_process *p)
{
    ssize_t n = readlinkat(p->proc_fd, "exe", p->exe, sizeof(p->exe) - 1);

    p->exe[n > 0 ? n : 0] = 0;
}

static n1_ns start_on_monotonic(uint64_t ticks)
{
    struct timespec boot, mono;
    long hz = sysconf(_SC_CLK_TCK);

    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_MONOTONIC, &mono);
    int64_t suspended = (boot.tv_sec - mono.tv_sec) * (int64_t)N1_SECOND_NS + (boot.tv_nsec - mono.tv_nsec);
    uint64_t start =
        ticks / (uint64_t)hz * N1_SECOND_NS + ticks % (uint64_t)hz * (N1_SECOND_NS / (uint64_t)hz);
    if (suspended < 0) /* the two clocks were not read at one instant */
        suspended = 0;
    return start > (uint64_t)suspended ? start - (uint64_t)suspended : 0;
}

static bool has_ended(int pidfd)
{
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

/* A leader that ended while its threads run on shows state Z too; the process lives. */
static bool only_leader_left(int proc_fd)
{
    struct stat st;

    return fstatat(proc_fd, "task", &st, 0) || st.st_nlink <= 3;
}

static int no_process(pid_t pid, struct n1_error *reterr)
{
    return n1_error_set(reterr, N1_E_NO_PROCESS, "no process with PID %d", pid);
}

static int explain_pidfd(pid_t pid, int err, struct n1_error *reterr)
{
    char path[40];
    struct owner owner;

    snprintf(path, sizeof(path), "/proc/%d", pid);
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int owner_err = fd < 0 ? -errno : read_owner(fd, &owner);
    if (fd >= 0)
        close(fd);
    if (!owner_err && owner.tgid != pid)
        return n1_error_hint(reterr, N1_E_USAGE, "name the process; threads are selected on the screen",
                             "%d is a thread of process %d", pid, owner.tgid);
    if (err == -ESRCH || err == -EINVAL || err == -ENOENT)
        return no_process(pid, reterr);
    if (err == -ENOSYS || err == -EPERM)
        return n1_error_hint(reterr, err,
                             "Linux 5.3 or later is needed, and a seccomp profile that allows pidfd_open",
                             "pidfd_open of process %d failed: %s", pid, strerror(-err));
    return n1_error_set(reterr, err, "pidfd_open of process %d failed: %s", pid, strerror(-err));
}

static int read_identity(struct n1_process *p, const struct n1_caller *caller, struct n1_error *reterr)
{
    struct n1_proc_stat stat, again;
    struct owner owner;
    int err = n1_proc_stat_read(p->proc_fd, "stat", &stat);

    if (!err)
        err = read_owner(p->proc_fd, &owner);
    if (err == -ESRCH)
        return no_process(p->pid, reterr);
    if (err)
        return n1_error_hint(reterr, err,
                             err == -EMFILE || err == -ENFILE
                                 ? "raise the limit of open files (ulimit -n)"
                                 : "is /proc mounted with hidepid? run n1top as root",
                             "cannot read /proc/%d: %s", p->pid, strerror(-err));
    if (owner.tgid != p->pid)
        return n1_error_hint(reterr, N1_E_USAGE, "name the process; threads are selected on the screen",
                             "%d is a thread of process %d", p->pid, owner.tgid);
    if (stat.flags & PF_KTHREAD)
        return n1_error_hint(reterr, N1_E_USAGE, "choose a process that runs a program",
                             "process %d (%s) is a kernel thread: it has no user stack", p->pid, stat.comm);
    if (stat.state == 'Z' && only_leader_left(p->proc_fd))
        return n1_error_hint(reterr, N1_E_NO_PROCESS, "it ended; its parent has not fetched its exit status",
                             "process %d (%s) is a zombie", p->pid, stat.comm);
    err = check_owner(p->pid, &owner, caller, reterr);
    if (err)
        return err;
    p->ppid = stat.ppid;
    p->uid = owner.real;
    p->state = stat.state;
    p->ns_pid = owner.ns_pid;
    p->start_ticks = stat.start_ticks;
    p->start_ns = start_on_monotonic(stat.start_ticks);
    memcpy(p->comm, stat.comm, sizeof(p->comm));
    read_exe(p);
    read_cmdline(p);
    read_cgroup(p);
    if (has_ended(p->pidfd) || n1_proc_stat_read(p->proc_fd, "stat", &again) ||
        again.start_ticks != stat.start_ticks)
        return n1_error_set(reterr, N1_E_NO_PROCESS, "process %d ended while it was opened", p->pid);
    return 0;
}

int n1_process_open(pid_t pid, const struct n1_caller *caller, struct n1_process **ret_process,
                    struct n1_error *reterr)
{
    char path[40];
    int err;

    if (pid <= 0)
        return no_process(pid, reterr);
    if (pid == getpid())
        return n1_error_hint(reterr, N1_E_USAGE, "name another process", "process %d is the sampler itself",
                             pid);
    struct n1_process *p = calloc(1, sizeof(*p));
    if (!p)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    p->pid = pid;
    p->proc_fd = -1;
    p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (p->pidfd < 0) {
        err = explain_pidfd(pid, -errno, reterr);
        goto fail;
    }
    snprintf(path, sizeof(path), "/proc/%d", pid);
    p->proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (p->proc_fd < 0) {
        err = errno == EMFILE || errno == ENFILE
                  ? n1_error_hint(reterr, -errno, "raise the limit of open files (ulimit -n)",
                                  "cannot open /proc/%d: %s", pid, strerror(errno))
              : has_ended(p->pidfd)
                  ? no_process(pid, reterr)
                  : n1_error_hint(reterr, N1_E_NOT_PERMITTED, "run n1top as root (sudo n1top)",
                                  "/proc/%d is hidden: another user's process under hidepid", pid);
        goto fail;
    }
    err = read_identity(p, caller, reterr);
    if (err)
        goto fail;
    *ret_process = p;
    return 0;
fail:
    n1_process_close(p);
    return err;
}

void n1_process_close(struct n1_process *process)
{
    if (!process)
        return;
    if (process->pidfd >= 0)
        close(process->pidfd);
    if (process->proc_fd >= 0)
        close(process->proc_fd);
    free(process->cmdline);
    free(process);
}

int n1_process_refresh(struct n1_process *process, const struct n1_caller *caller, struct n1_error *reterr)
{
    struct n1_proc_stat stat;
    struct owner owner;

    if (process->ended || n1_proc_stat_read(process->proc_fd, "stat", &stat) ||
        read_owner(process->proc_fd, &owner))
        return -ESRCH;
    int err = check_owner(process->pid, &owner, caller, reterr);
    if (err)
        return err;
    process->state = stat.state;
    process->uid = owner.real;
    memcpy(process->comm, stat.comm, sizeof(process->comm));
    read_exe(process);
    read_cmdline(process);
    return 0;
}

bool n1_process_poll(struct n1_process *process)
{
    if (process->ended)
        return true;
    if (!has_ended(process->pidfd))
        return false;
    process->ended = true;
    process->state = 'X';
    process->exit = n1_process_exit_read(process->pid, process->pidfd, process->proc_fd);
    return true;
}

int n1_process_cpu_ns(pid_t pid, uint64_t *ret_ns)
{
    struct timespec t;
    clockid_t clock;
    if (pid <= 0 || pid > PID_LIMIT) /* a clock id has no room for more bits, and 0 would be ourselves */
        return -ESRCH;
    int err = clock_getcpuclockid(pid, &clock);

    if (err)
        return -err;
    if (clock_gettime(clock, &t))
        return -errno;
    *ret_ns = (uint64_t)t.tv_sec * N1_SECOND_NS + (uint64_t)t.tv_nsec;
    return 0;
}
