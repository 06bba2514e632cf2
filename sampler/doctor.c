/*
 * The checks of machine and user. What a value of a file promises is not believed where the thing itself can
 * be tried: events are opened, rings mapped.
 */
#include "sampler/doctor.h"

#include "sampler/engine/perf.h"
#include "sampler/engine/perf_attr.h"
#include "sampler/engine/ptrace.h"
#include "sampler/engine/ptrace_plan.h"
#include "sampler/target/proc_stat.h"

#include "n1/sanitise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

void n1_doctor_line(struct n1_doctor *doctor, enum n1_doctor_level level, const char *thing, const char *fmt,
                    ...)
{
    static const char *const words[] = {"ok", "limited", "refused"};
    char raw[1024], text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(raw, sizeof(raw), fmt, args);
    va_end(args);
    n1_sanitise(text, sizeof(text), raw, strlen(raw));
    doctor->counts[level]++;
    fprintf(doctor->out, "%-8s %s: %s\n", words[level], thing, text);
}

/* A number in a small file; `missing` when it cannot be read. */
static long read_number(const char *path, long missing)
{
    char text[64];

    return n1_proc_read(AT_FDCWD, path, text, sizeof(text), NULL) || !*text ? missing
                                                                            : strtol(text, NULL, 10);
}

static void check_kernel(struct n1_doctor *doctor)
{
    struct utsname u;
    unsigned major = 0, minor = 0;

    uname(&u);
    if (sscanf(u.release, "%u.%u", &major, &minor) == 2 && (major < 5 || (major == 5 && minor < 3)))
        n1_doctor_line(doctor, N1_DOCTOR_REFUSED, "kernel",
                       "Linux %s has no pidfd. Linux 5.3 or later is needed", u.release);
    else
        n1_doctor_line(doctor, N1_DOCTOR_OK, "kernel", "Linux %s on %s, %ld CPUs", u.release, u.machine,
                       sysconf(_SC_NPROCESSORS_ONLN));
}

static bool has_cap(cap_value_t cap)
{
    cap_flag_value_t value = CAP_CLEAR;
    cap_t caps = cap_get_proc();

    if (caps && cap_get_flag(caps, cap, CAP_EFFECTIVE, &value))
        value = CAP_CLEAR;
    if (caps)
        cap_free(caps);
    return value == CAP_SET;
}

static void check_user(struct n1_doctor *doctor)
{
    bool admin = has_cap(CAP_SYS_ADMIN), perfmon = has_cap(CAP_PERFMON), ptrace = has_cap(CAP_SYS_PTRACE);

    if ((admin || perfmon) && ptrace)
        n1_doctor_line(doctor, N1_DOCTOR_OK, "rights",
                       "uid %u with %s%sCAP_SYS_PTRACE: everybody's processes", doctor->caller.uid,
                       admin ? "CAP_SYS_ADMIN " : "", perfmon ? "CAP_PERFMON " : "");
    else
        n1_doctor_line(doctor, N1_DOCTOR_LIMITED, "rights",
                       "uid %u without %s%s%s: own processes only. Run as root, or give n1top-sampler those "
                       "capabilities",
                       doctor->caller.uid, admin || perfmon ? "" : "CAP_PERFMON",
                       (admin || perfmon) || ptrace ? "" : " and ", ptrace ? "" : "CAP_SYS_PTRACE");
}

static void check_seccomp(struct n1_doctor *doctor)
{
    char text[8192];
    int err = n1_proc_read(AT_FDCWD, "/proc/self/status", text, sizeof(text), NULL);
    const char *field = err ? NULL : strstr(text, "\nSeccomp:");

    if (field && strtol(field + 9, NULL, 10) > 0)
        n1_doctor_line(
            doctor, N1_DOCTOR_LIMITED, "seccomp",
            "a filter is on this program (a container's?) and may refuse what the rest allows. Allow "
            "perf_event_open, pidfd_open and process_vm_readv in its profile");
    else
        n1_doctor_line(doctor, N1_DOCTOR_OK, "seccomp", "no filter on this program");
    bool own = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
    n1_doctor_line(doctor, own ? N1_DOCTOR_OK : N1_DOCTOR_LIMITED, "least rights",
                   own ? "a sampler at work keeps what sampling needs, and a list of system calls"
                       : "this kernel has no filters of system calls: a sampler gives up capabilities only");
}

static void check_perf(struct n1_doctor *doctor)
{
    struct n1_perf_rights rights;
    struct n1_error err = {0};
    int paranoid = n1_perf_paranoid();

    if (n1_perf_rights_probe(&rights, false, &err)) {
        n1_doctor_line(doctor, N1_DOCTOR_REFUSED, "engine perf", "%s. %s", err.what, err.hint);
        return;
    }
    n1_doctor_line(doctor, N1_DOCTOR_OK, "engine perf",
                   "samples of user code (kernel.perf_event_paranoid is %d)", paranoid);
    if (rights.kernel)
        n1_doctor_line(doctor, N1_DOCTOR_OK, "kernel time", "sampled, with kernel frames");
    else
        n1_doctor_line(doctor, N1_DOCTOR_LIMITED, "kernel time",
                       "hidden, kernel.perf_event_paranoid is %d. sysctl kernel.perf_event_paranoid=1, "
                       "CAP_PERFMON or root",
                       paranoid);
    if (rights.system)
        n1_doctor_line(doctor, N1_DOCTOR_OK, "events on whole CPUs",
                       "permitted: used for targets with too many, too short or often switching threads");
    else
        n1_doctor_line(
            doctor, N1_DOCTOR_LIMITED, "events on whole CPUs",
            "not permitted: threads shorter than a sampling period go unseen, and targets that switch "
            "often are slowed. sysctl kernel.perf_event_paranoid=0, CAP_PERFMON or root");
}

static void check_ptrace(struct n1_doctor *doctor)
{
    int err = n1_ptrace_probe();
    if (err)
        n1_doctor_line(
            doctor, N1_DOCTOR_REFUSED, "engine ptrace",
            "ptrace refused (%s). Allow it in the container's seccomp profile or add CAP_SYS_PTRACE",
            strerror(-err));
    else
        n1_doctor_line(doctor, N1_DOCTOR_OK, "engine ptrace",
                       "used where perf is refused, and for Python: at most %d stops a second of some ten "
                       "microseconds, none in a system call",
                       N1_PTRACE_RATE_MAX_HZ);
    n1_doctor_line(doctor, N1_DOCTOR_OK, "engine nonstop", "CPython only; needs its memory to be readable");
}

/* The engine as it would be used says how large its rings may be. */
static void check_rings(struct n1_doctor *doctor)
{
    struct n1_perf_config config = {0};
    struct n1_engine_sink sink = {0};
    struct n1_perf_stats stats;
    struct n1_error err = {0};
    struct n1_perf *perf;
    struct rlimit limit = {0};
    char locked[32];

    if (n1_perf_create(&config, &sink, &perf, &err)) {
        n1_doctor_line(doctor, N1_DOCTOR_REFUSED, "ring memory", "%s. %s", err.what, err.hint);
        return;
    }
    n1_perf_stats(perf, &stats);
    n1_perf_destroy(perf);
    getrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_cur == RLIM_INFINITY)
        snprintf(locked, sizeof(locked), "unlimited");
    else
        snprintf(locked, sizeof(locked), "%llu KiB", (unsigned long long)limit.rlim_cur / 1024);
    bool small = stats.stack_bytes < N1_PERF_STACK_BYTES;
    n1_doctor_line(doctor, small ? N1_DOCTOR_LIMITED : N1_DOCTOR_OK, "ring memory",
                   "%u rings of %zu KiB, stacks of %u KiB (perf_event_mlock_kb %ld, locked memory %s)%s",
                   stats.rings, stats.ring_bytes / 1024, stats.stack_bytes / 1024,
                   read_number("/proc/sys/kernel/perf_event_mlock_kb", -1), locked,
                   small ? ". Raise kernel.perf_event_mlock_kb or ulimit -l for deeper stacks and less loss"
                         : "");
}

static void check_files(struct n1_doctor *doctor)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    bool few = limit.rlim_max < N1_PERF_EVENTS_MAX + 256;
    n1_doctor_line(doctor, few ? N1_DOCTOR_LIMITED : N1_DOCTOR_OK, "open files", "up to %llu%s",
                   (unsigned long long)limit.rlim_max,
                   few ? ": targets with many threads are seen in part. Raise the hard limit (ulimit -Hn)"
                       : "");
}

static void check_rate(struct n1_doctor *doctor)
{
    long rate = read_number("/proc/sys/kernel/perf_event_max_sample_rate", -1);

    if (rate > 0 && rate < 5000)
        n1_doctor_line(doctor, N1_DOCTOR_LIMITED, "sampling rate",
                       "the kernel lowered its limit to %ld a second because samples took long. sysctl "
                       "kernel.perf_event_max_sample_rate",
                       rate);
    else if (rate > 0)
        n1_doctor_line(doctor, N1_DOCTOR_OK, "sampling rate", "up to %ld a second by the kernel's limit",
                       rate);
}

static void check_page_faults(struct n1_doctor *doctor)
{
    struct perf_event_attr attr;

    n1_perf_attr_ring(&attr, 4096);
    attr.config = PERF_COUNT_SW_PAGE_FAULTS;
    attr.sample_period = 1;
    attr.disabled = 1;
    int fd = n1_perf_open(&attr, 0, -1, 0);
    if (fd < 0) {
        n1_doctor_line(doctor, N1_DOCTOR_REFUSED, "page-fault events",
                       "%s: no view of memory first touched. As for engine perf", strerror(-fd));
        return;
    }
    close(fd);
    n1_doctor_line(doctor, N1_DOCTOR_OK, "page-fault events", "permitted: they say who touches memory first");
}

static void check_kernel_symbols(struct n1_doctor *doctor)
{
    char line[256] = "";
    FILE *f = fopen("/proc/kallsyms", "re");
    bool named = f && fgets(line, sizeof(line), f) && strtoull(line, NULL, 16) != 0;

    if (f)
        fclose(f);
    if (named)
        n1_doctor_line(doctor, N1_DOCTOR_OK, "kernel symbols", "readable");
    else /* the rule of kallsyms_show_value() in the kernel */
        n1_doctor_line(
            doctor, N1_DOCTOR_LIMITED, "kernel symbols",
            "hidden (kernel.kptr_restrict is %ld, kernel.perf_event_paranoid is %ld): kernel frames have no "
            "names. Root, or CAP_SYSLOG with kptr_restrict at most 1, or kptr_restrict=0 with "
            "perf_event_paranoid at most 1",
            read_number("/proc/sys/kernel/kptr_restrict", -1),
            read_number("/proc/sys/kernel/perf_event_paranoid", -1));
}

static void check_yama(struct n1_doctor *doctor)
{
    static const char *const meaning[] = {"own processes", "own children only", "CAP_SYS_PTRACE only",
                                          "nobody"};
    long scope = read_number("/proc/sys/kernel/yama/ptrace_scope", 0);

    if (scope < 0 || scope > 3)
        scope = 3;
    bool ok = scope == 0 || (scope < 3 && has_cap(CAP_SYS_PTRACE));
    n1_doctor_line(doctor,
                   ok           ? N1_DOCTOR_OK
                   : scope == 3 ? N1_DOCTOR_REFUSED
                                : N1_DOCTOR_LIMITED,
                   "blocked stacks", "kernel.yama.ptrace_scope is %ld: %s%s", scope, meaning[scope],
                   ok ? "" : ". sysctl kernel.yama.ptrace_scope=0, CAP_SYS_PTRACE or root");
}

static void check_uprobes(struct n1_doctor *doctor)
{
    if (read_number("/sys/bus/event_source/devices/uprobe/type", -1) < 0)
        n1_doctor_line(doctor, N1_DOCTOR_REFUSED, "uprobe events", "this kernel has no uprobe events");
    else if (has_cap(CAP_SYS_ADMIN)) /* CAP_PERFMON is not enough for these */
        n1_doctor_line(doctor, N1_DOCTOR_OK, "uprobe events", "permitted: leaks --trace");
    else
        n1_doctor_line(doctor, N1_DOCTOR_REFUSED, "uprobe events",
                       "need CAP_SYS_ADMIN: no leaks --trace. Run as root");
}

static void check_proc(struct n1_doctor *doctor)
{
    char line[4096];
    FILE *f = fopen("/proc/self/mountinfo", "re");
    const char *hide = NULL;

    while (f && !hide && fgets(line, sizeof(line), f)) {
        if (strstr(line, " - proc ") && strstr(line, " /proc "))
            hide = strstr(line, "hidepid=");
    }
    if (f)
        fclose(f);
    if (hide && strncmp(hide, "hidepid=0", 9) != 0 && strncmp(hide, "hidepid=off", 11) != 0 &&
        !has_cap(CAP_SYS_PTRACE))
        n1_doctor_line(doctor, N1_DOCTOR_LIMITED, "/proc",
                       "mounted with %.16s: other users' processes are not listed", hide);
    else
        n1_doctor_line(doctor, N1_DOCTOR_OK, "/proc", "processes are listed");
}

int n1_doctor(FILE *out, pid_t pid, void (*more)(struct n1_doctor *doctor))
{
    struct n1_doctor doctor = {.out = out, .caller = n1_caller_self(NULL)};

    check_kernel(&doctor);
    check_user(&doctor);
    check_seccomp(&doctor);
    check_perf(&doctor);
    check_ptrace(&doctor);
    check_rings(&doctor);
    check_rate(&doctor);
    check_page_faults(&doctor);
    check_kernel_symbols(&doctor);
    check_yama(&doctor);
    check_uprobes(&doctor);
    check_proc(&doctor);
    check_files(&doctor);
    int code = pid > 0 ? n1_doctor_process(&doctor, pid) : 0;
    if (more)
        more(&doctor);
    return code ? n1_error_exit_status(code) : 0;
}
