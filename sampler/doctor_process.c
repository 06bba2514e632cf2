/*
 * The checks of one process. Reading its memory is tried on the 8 bytes at the start of its first mapping,
 * which are thrown away; ptrace is not tried, because that would stop it: the kernel guards /proc/PID/syscall
 * by the same check.
 */
#include "sampler/doctor.h"

#include "sampler/engine/perf.h"
#include "sampler/engine/ptrace.h"
#include "sampler/target/proc_stat.h"
#include "sampler/target/threads.h"

#include "n1/time.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Samples it for a second: what of its CPU time the samples stand for. */
static void check_coverage(struct n1_doctor *doctor, struct n1_perf *perf, pid_t pid)
{
    struct n1_perf_process_info before, after;
    n1_ns until = n1_time_mono() + N1_SECOND_NS, now;

    n1_perf_process_info(perf, pid, &before);
    while ((now = n1_time_mono()) < until) {
        struct pollfd fd = {.fd = n1_perf_fd(perf), .events = POLLIN};
        if (poll(&fd, 1, (int)((until - now) / 1000000) + 1) == 1)
            n1_perf_drain(perf);
    }
    n1_perf_flush(perf);
    if (!n1_perf_process_info(perf, pid, &after) || !after.cpu_known || !before.cpu_known)
        return;
    double cpu = (double)(after.cpu_ns - before.cpu_ns) / 1e9;
    double sampled = (double)(after.sampled_ns - before.sampled_ns) / 1e9;
    if (cpu < 0.2)
        n1_doctor_line(doctor, N1_DOCTOR_OK, "CPU time seen",
                       "it used %.2f s in a second: too little to compare", cpu);
    else
        n1_doctor_line(
            doctor, sampled < cpu * 0.8 ? N1_DOCTOR_LIMITED : N1_DOCTOR_OK, "CPU time seen",
            "%.0f %% of %.2f s used in a second%s", sampled < cpu ? sampled / cpu * 100 : 100.0, cpu,
            sampled >= cpu * 0.8 ? ""
                                 : ". The rest: kernel mode when that is refused, and threads that end or "
                                   "sleep before their first sample; CAP_PERFMON sees both");
}

static void check_engine(struct n1_doctor *doctor, pid_t pid)
{
    struct n1_perf_config config = {0};
    struct n1_engine_sink sink = {0};
    struct n1_perf_process_info info;
    struct n1_perf_stats stats;
    struct n1_error err = {0};
    struct n1_perf *perf;

    if (n1_perf_create(&config, &sink, &perf, &err)) /* said before */
        return;
    if (n1_perf_add_process(perf, pid, 0, &err)) {
        n1_doctor_line(doctor, N1_DOCTOR_REFUSED, "engine perf on it", "%s. %s", err.what, err.hint);
    } else {
        n1_perf_process_info(perf, pid, &info);
        n1_perf_stats(perf, &stats);
        if (stats.unopened)
            n1_doctor_line(doctor, N1_DOCTOR_LIMITED, "engine perf on it",
                           "%llu of its events could not be opened (%s): some threads are not seen",
                           (unsigned long long)stats.unopened, strerror(stats.unopened_errno));
        else
            n1_doctor_line(doctor, N1_DOCTOR_OK, "engine perf on it", "%s, %u descriptors",
                           n1_perf_mode_name(info.mode), stats.fds);
        check_coverage(doctor, perf, pid);
    }
    n1_perf_destroy(perf);
}

static void check_memory(struct n1_doctor *doctor, const struct n1_process *process)
{
    char maps[256];
    uint64_t word;
    int err = n1_proc_read(process->proc_fd, "maps", maps, sizeof(maps), NULL);

    if (!err && *maps) {
        struct iovec local = {&word, sizeof(word)};
        struct iovec remote = {(void *)(uintptr_t)strtoull(maps, NULL, 16),
                               sizeof(word)}; /* NOLINT: its address */
        err = process_vm_readv(process->pid, &local, 1, &remote, 1, 0) < 0 ? -errno : 0;
    }
    if (err)
        n1_doctor_line(doctor, N1_DOCTOR_REFUSED, "reading its memory",
                       "%s: no interpreter frames, no stacks of blocked threads. CAP_SYS_PTRACE or root",
                       strerror(-err));
    else
        n1_doctor_line(doctor, N1_DOCTOR_OK, "reading its memory", "process_vm_readv");
}

static void check_ptrace(struct n1_doctor *doctor, const struct n1_process *process)
{
    char text[8192];
    struct n1_error why = {0};

    if (n1_ptrace_permitted(process->pid, &why) < 0)
        n1_doctor_line(doctor, N1_DOCTOR_REFUSED, "engine ptrace on it", "%s. %s", why.what, why.hint);
    else
        n1_doctor_line(doctor, N1_DOCTOR_OK, "engine ptrace on it", "and stacks of its blocked threads");
    if (n1_proc_read(process->proc_fd, "status", text, sizeof(text), NULL))
        return;
    const char *tracer = strstr(text, "\nTracerPid:");
    long tracer_pid = tracer ? strtol(tracer + 11, NULL, 10) : 0;
    if (tracer_pid)
        n1_doctor_line(doctor, N1_DOCTOR_LIMITED, "debugger",
                       "process %ld traces it: engine ptrace must wait. Use engine perf", tracer_pid);
}

static void check_files(struct n1_doctor *doctor, const struct n1_process *process)
{
    char maps[256], path[512], target[4096];
    struct stat st;
    bool map_files = false;

    if (!n1_proc_read(process->proc_fd, "maps", maps, sizeof(maps), NULL)) {
        uint64_t start, end;
        if (sscanf(maps, "%" SCNx64 "-%" SCNx64, &start, &end) == 2) {
            snprintf(path, sizeof(path), "map_files/%" PRIx64 "-%" PRIx64, start, end);
            int fd = openat(process->proc_fd, path, O_RDONLY | O_CLOEXEC);
            map_files = fd >= 0;
            if (fd >= 0)
                close(fd);
        }
    }
    bool root = readlinkat(process->proc_fd, "root", target, sizeof(target)) > 0 &&
                !fstatat(process->proc_fd, "root/", &st, 0);
    if (map_files)
        n1_doctor_line(doctor, N1_DOCTOR_OK, "its files", "by their mappings, deleted ones included");
    else if (root)
        n1_doctor_line(doctor, N1_DOCTOR_LIMITED, "its files",
                       "by path only: deleted or replaced binaries have no symbols. CAP_SYS_ADMIN or "
                       "CAP_CHECKPOINT_RESTORE");
    else
        n1_doctor_line(doctor, N1_DOCTOR_REFUSED, "its files",
                       "its root folder is closed: symbols only where its paths lead to the same files here. "
                       "CAP_SYS_PTRACE or root");
}

int n1_doctor_process(struct n1_doctor *doctor, pid_t pid)
{
    struct n1_process *process;
    struct n1_error err = {0};
    pid_t *tids = NULL;
    size_t cap = 0;
    int code = n1_process_open(pid, &doctor->caller, &process, &err);

    if (code) {
        n1_doctor_line(doctor, N1_DOCTOR_REFUSED, "process", "%s. %s", err.what, err.hint);
        return code;
    }
    ssize_t threads = n1_threads_list(process->proc_fd, &tids, &cap);
    n1_doctor_line(doctor, N1_DOCTOR_OK, "process", "%d (%s) of uid %u, %zd threads%s%s%s", pid,
                   process->comm, process->uid, threads > 0 ? threads : 0,
                   process->state == 'T' ? ", stopped" : "", process->container[0] ? ", container " : "",
                   process->container);
    check_engine(doctor, pid);
    check_memory(doctor, process);
    check_ptrace(doctor, process);
    check_files(doctor, process);
    free(tids);
    n1_process_close(process);
    return 0;
}
