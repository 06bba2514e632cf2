/*
 * The handle: which sources a process and a host have, when each is due, and what became of each value. Costs
 * are CPU time of the calling thread in ns; the cadence is described in metrics.h. The handle owns its
 * descriptors.
 */
#include "sampler/metrics/metrics.h"

#include "sampler/metrics/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* In this order: stat finds out whether the process lives, threads who still has its memory, the costly ones
 * last so that the others' values are of the time of the pass. */
static const struct n1_source *const process_sources[] = {
    &n1_source_stat,   &n1_source_threads, &n1_source_status,          &n1_source_fds,
    &n1_source_io,     &n1_source_cgroup,  &n1_source_cgroup_pressure, &n1_source_switches,
    &n1_source_limits, &n1_source_maps,    &n1_source_smaps,
};
static const struct n1_source *const host_sources[] = {&n1_source_host_stat, &n1_source_host_memory,
                                                       &n1_source_host_pressure};
_Static_assert(N1_ARRAY_LEN(process_sources) <= 16, "struct n1_metrics.states");

static n1_ns thread_cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (n1_ns)ts.tv_sec * N1_SECOND_NS + (n1_ns)ts.tv_nsec;
}

void n1_source_put(struct n1_metrics *m, enum n1_metric_id id, int64_t value)
{
    m->points[id] = (struct n1_metric_point){m->now, value, true};
    m->reasons[id] = "";
}

void n1_source_refuse(struct n1_metrics *m, enum n1_metric_id id, const char *reason)
{
    m->points[id] = (struct n1_metric_point){m->now, 0, false};
    m->reasons[id] = reason;
}

const char *n1_source_reason(const struct n1_source *source, int err)
{
    const char *text;

    switch (-err) {
    case EACCES:
    case EPERM:
        return "permission";
    case ENOENT:
    case ENOTDIR:
        return source->missing;
    case ESRCH:
        return N1_WHY_NO_MM; /* of a living process: stat has been read in the same pass */
    case EOPNOTSUPP:
        return "switched off in this kernel";
    case EMFILE:
    case ENFILE:
        return "no file descriptors left";
    case EBADMSG:
        return N1_WHY_UNREADABLE;
    default:
        text = strerrordesc_np(-err);
        return text ? text : "failed";
    }
}

void n1_source_put_fields(struct n1_metrics *m, const struct n1_field *fields, size_t n, struct n1_text text,
                          const char *absent)
{
    int64_t sums[16] = {0};
    bool found[16] = {false}, bad[16] = {false};
    struct n1_text line, rest;

    while (n1_text_line(&text, &line)) {
        for (size_t i = 0; i < n && i < N1_ARRAY_LEN(sums); i++) {
            if (found[i] || !n1_text_after(line, fields[i].key, &rest))
                continue;
            int64_t value;
            found[i] = true;
            bad[i] = !n1_text_int(&rest, &value) || value < 0 ||
                     __builtin_mul_overflow(value, fields[i].scale, &sums[i]);
        }
    }
    for (size_t i = 0; i < n && i < N1_ARRAY_LEN(sums); i++) {
        const char *why = NULL;
        int64_t sum = 0;
        bool first = true;
        for (size_t k = 0; k < n && k < N1_ARRAY_LEN(sums); k++) {
            if (fields[k].id != fields[i].id)
                continue;
            first = first && k >= i;
            if (bad[k] || __builtin_add_overflow(sum, sums[k], &sum))
                why = N1_WHY_UNREADABLE;
            else if (!found[k] && !fields[k].may_miss && !why)
                why = absent;
        }
        if (first && why)
            n1_source_refuse(m, fields[i].id, why);
        else if (first)
            n1_source_put(m, fields[i].id, sum);
    }
}

int n1_metrics_create(struct n1_metrics **ret, pid_t pid, const struct n1_metric_roots *roots,
                      struct n1_error *reterr)
{
    const char *proc = roots && roots->proc ? roots->proc : "/proc";
    const char *cgroup = roots && roots->cgroup ? roots->cgroup : "/sys/fs/cgroup";
    char path[4096];
    int rc;

    struct n1_metrics *m = calloc(1, sizeof *m);
    if (!m)
        return n1_error_set(reterr, -ENOMEM, "no memory to read metrics");
    m->pid = pid;
    m->own_proc = !(roots && roots->proc);
    m->tick_ns = (int64_t)N1_SECOND_NS / sysconf(_SC_CLK_TCK);
    m->fd_stat = m->fd_status = m->fd_io = m->fd_cgroup = m->fd_host_stat = m->fd_meminfo = -1;
    for (size_t i = 0; i < N1_ARRAY_LEN(m->fd_pressure); i++)
        m->fd_pressure[i] = -1;
    for (int id = 0; id < N1_METRIC_COUNT; id++)
        m->reasons[id] = "not measured yet";
    m->sources = pid ? process_sources : host_sources;
    m->n_sources = pid ? N1_ARRAY_LEN(process_sources) : N1_ARRAY_LEN(host_sources);

    int len =
        pid ? snprintf(path, sizeof path, "%s/%d", proc, (int)pid) : snprintf(path, sizeof path, "%s", proc);
    m->dirfd = len < (int)sizeof path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (m->dirfd < 0) {
        rc = pid < 0 || len >= (int)sizeof path ? -EINVAL : errno == ENOENT && pid ? -ESRCH : -errno;
        n1_error_set(reterr, rc == -ESRCH ? N1_E_NO_PROCESS : rc, "no process %d", (int)pid);
        goto fail;
    }
    if (pid) {
        rc = n1_threads_create(&m->threads, m->dirfd);
        if (rc == 0)
            rc = n1_cgroup_create(&m->cgroup, proc, cgroup);
        if (rc != 0) {
            n1_error_set(reterr, rc, "cannot prepare to read metrics of process %d", (int)pid);
            goto fail;
        }
    }
    *ret = m;
    return 0;

fail:
    n1_metrics_destroy(m);
    return rc;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void n1_metrics_destroy(struct n1_metrics *m)
{
    if (!m)
        return;
    n1_threads_destroy(m->threads);
    n1_cgroup_destroy(m->cgroup);
    close_fd(m->fd_stat);
    close_fd(m->fd_status);
    close_fd(m->fd_io);
    close_fd(m->fd_cgroup);
    close_fd(m->fd_host_stat);
    close_fd(m->fd_meminfo);
    for (size_t i = 0; i < N1_ARRAY_LEN(m->fd_pressure); i++)
        close_fd(m->fd_pressure[i]);
    close_fd(m->dirfd);
    free(m);
}

static void refuse_all(struct n1_metrics *m, const char *reason)
{
    for (size_t i = 0; i < m->n_sources; i++)
        for (size_t k = 0; k < m->sources[i]->n_fields; k++)
            n1_source_refuse(m, m->sources[i]->fields[k].id, reason);
}

int n1_metrics_read(struct n1_metrics *m, n1_ns now)
{
    if (m->gone)
        return -ESRCH;
    m->now = now;
    n1_ns begin = thread_cpu_ns(), at = begin;
    for (size_t i = 0; i < m->n_sources && !m->gone; i++) {
        const struct n1_source *source = m->sources[i];
        struct n1_source_state *state = &m->states[i];
        if (state->due == 0)
            state->due = now + (source->late ? source->period_ns : 0);
        /* a caller that comes once a second comes a little early every other time */
        if (now + source->period_ns / 8 < state->due)
            continue;
        int rc = source->read(m, source);
        if (rc < 0)
            for (size_t k = 0; k < source->n_fields; k++)
                n1_source_refuse(m, source->fields[k].id, n1_source_reason(source, rc));
        n1_ns end = thread_cpu_ns();
        state->cost_ns = end - at;
        at = end;
        n1_ns rest = state->cost_ns * 1000000 / source->share_ppm;
        state->due = now + (rest > source->period_ns ? rest : source->period_ns);
    }
    m->cost_ns += at - begin;
    if (!m->gone)
        return 0;
    m->state = 'X';
    refuse_all(m, N1_WHY_GONE);
    return -ESRCH;
}

const struct n1_metric_point *n1_metrics_points(const struct n1_metrics *m)
{
    return m->points;
}

const char *n1_metrics_reason(const struct n1_metrics *m, int id)
{
    return id >= 0 && id < N1_METRIC_COUNT ? m->reasons[id] : "no such metric";
}

char n1_metrics_state(const struct n1_metrics *m)
{
    return m->state;
}

const struct n1_thread_times *n1_metrics_threads(const struct n1_metrics *m, size_t *ret_count)
{
    if (m->threads)
        return n1_threads_all(m->threads, ret_count);
    *ret_count = 0;
    return NULL;
}

n1_ns n1_metrics_cost_ns(const struct n1_metrics *m)
{
    return m->cost_ns;
}
