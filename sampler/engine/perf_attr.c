/*
 * Attributes and opens. Every event carries the same id fields in every record, so one reader understands
 * all.
 */
#include "sampler/engine/perf_attr.h"

#include "sampler/engine/perf_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int n1_perf_open(const struct perf_event_attr *attr, pid_t pid, int cpu, unsigned long flags)
{
    struct perf_event_attr copy = *attr; /* the kernel may write the size it knows into it */
    long fd = syscall(SYS_perf_event_open, &copy, pid, cpu, -1, flags | PERF_FLAG_FD_CLOEXEC);

    return fd < 0 ? -errno : (int)fd;
}

static void fill_common(struct perf_event_attr *attr)
{
    memset(attr, 0, sizeof(*attr));
    attr->type = PERF_TYPE_SOFTWARE;
    attr->size = sizeof(*attr);
    attr->config = PERF_COUNT_SW_DUMMY;
    attr->sample_type = N1_PERF_SAMPLE_COMMON;
    attr->sample_id_all = 1;
    attr->use_clockid = 1;
    attr->clockid = CLOCK_MONOTONIC;
    attr->exclude_hv = 1;
}

void n1_perf_attr_event(struct perf_event_attr *attr, const struct n1_perf_event_spec *spec,
                        const struct n1_perf_rights *rights)
{
    fill_common(attr);
    attr->exclude_kernel = !rights->kernel;
    attr->exclude_idle = 1;
    attr->task = 1;
    attr->comm = 1;
    attr->comm_exec = 1;
    attr->mmap = 1;
    attr->mmap2 = 1;
    attr->inherit = spec->inherit;
    attr->inherit_thread = spec->inherit && !spec->children && rights->inherit_thread;
    if (spec->on_exec) {
        attr->disabled = 1;
        attr->enable_on_exec = 1;
    }
    if (!spec->period_ns)
        return;
    attr->config = PERF_COUNT_SW_CPU_CLOCK;
    attr->sample_period = spec->period_ns;
    attr->sample_type |= PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
    attr->sample_regs_user = N1_PERF_USER_REGS;
    attr->sample_stack_user = spec->stack_bytes;
    if (rights->kernel) {
        attr->sample_type |= PERF_SAMPLE_CALLCHAIN;
        attr->exclude_callchain_user = 1;
    }
}

void n1_perf_attr_ring(struct perf_event_attr *attr, uint32_t watermark_bytes)
{
    fill_common(attr);
    attr->exclude_kernel = 1;
    attr->watermark = 1;
    attr->wakeup_watermark = watermark_bytes;
}

int n1_perf_paranoid(void)
{
    char text[16] = "";
    int fd = open("/proc/sys/kernel/perf_event_paranoid", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        close(fd);
    return n > 0 ? atoi(text) : -100;
}

int n1_perf_refused(int err, const char *what, struct n1_error *reterr)
{
    switch (err) {
    case -EACCES:
        if (n1_perf_paranoid() <= 2) /* that alone would have allowed it */
            return n1_error_hint(
                reterr, N1_E_NOT_PERMITTED,
                "allow perf events in the security module's policy (its log names the rule), or use "
                "--engine ptrace",
                "%s refused (EACCES): a security module forbids perf events", what);
        return n1_error_hint(
            reterr, N1_E_NOT_PERMITTED,
            "sysctl kernel.perf_event_paranoid=2, give n1top-sampler CAP_PERFMON, run as root, or use "
            "--engine ptrace",
            "%s refused: kernel.perf_event_paranoid is %d", what, n1_perf_paranoid());
    case -EPERM:
        return n1_error_hint(
            reterr, N1_E_NOT_PERMITTED,
            "allow perf_event_open in the container's seccomp profile or add CAP_PERFMON; "
            "--engine ptrace works without it",
            "%s refused (EPERM): a seccomp filter or security module forbids perf_event_open", what);
    case -ENOSYS:
    case -ENOENT:
    case -EOPNOTSUPP:
        return n1_error_hint(reterr, err, "use --engine ptrace", "%s failed: this kernel has no perf events",
                             what);
    case -EMFILE:
    case -ENFILE:
        return n1_error_hint(reterr, err, "raise the limit of open files (ulimit -n)",
                             "%s failed: too many open files", what);
    case -ESRCH:
        return n1_error_set(reterr, N1_E_NO_PROCESS, "%s failed: the process is gone", what);
    default:
        return n1_error_hint(reterr, err, "", "%s failed: %s", what, strerror(-err));
    }
}

/* The events are opened as they will be used, so that what passes here passes later. */
static int try_rights(const struct n1_perf_rights *rights, pid_t pid, int cpu)
{
    struct n1_perf_event_spec spec = {.period_ns = N1_SECOND_NS, .stack_bytes = 1024, .inherit = true};
    struct perf_event_attr attr;

    n1_perf_attr_event(&attr, &spec, rights);
    attr.disabled = 1;
    int fd = n1_perf_open(&attr, pid, cpu, 0);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? fd : 0;
}

int n1_perf_refusal(void)
{
    struct n1_perf_rights rights = {.kernel = false};

    return try_rights(&rights, 0, -1);
}

int n1_perf_rights_probe(struct n1_perf_rights *ret_rights, bool user_only, struct n1_error *reterr)
{
    struct n1_perf_rights rights = {.kernel = !user_only, .inherit_thread = true};
    int err = try_rights(&rights, 0, -1);

    if (err == -EINVAL || err == -E2BIG) {
        rights.inherit_thread = false;
        err = try_rights(&rights, 0, -1);
    }
    if (err && rights.kernel) {
        int refusal = err;
        rights.kernel = false;
        err = try_rights(&rights, 0, -1);
        if (!err)
            rights.kernel_refusal = refusal;
    }
    if (err)
        return n1_perf_refused(err, "perf_event_open", reterr);
    rights.system = !try_rights(&rights, -1, 0);
    *ret_rights = rights;
    return 0;
}
