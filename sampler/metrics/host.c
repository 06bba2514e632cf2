/*
 * The host's CPU times and memory. The kernel writes all of /proc/stat, interrupt counts included, at each
 * read, which on hosts of many CPUs is its main cost; hence the cadence of a source. Times are ns over all
 * CPUs, sizes bytes.
 */
#include "sampler/metrics/source.h"

#include <errno.h>

static const struct n1_field stat_fields[] = {
    {NULL, N1_METRIC_HOST_CPU_USER},   {NULL, N1_METRIC_HOST_CPU_SYSTEM}, {NULL, N1_METRIC_HOST_CPU_IDLE},
    {NULL, N1_METRIC_HOST_CPU_IOWAIT}, {NULL, N1_METRIC_HOST_CPU_STEAL},  {NULL, N1_METRIC_HOST_CPUS},
};
enum {
    STAT_USER,
    STAT_NICE,
    STAT_SYSTEM,
    STAT_IDLE,
    STAT_IOWAIT,
    STAT_IRQ,
    STAT_SOFTIRQ,
    STAT_STEAL,
    STAT_COLUMNS
};

static void put_ticks(struct n1_metrics *m, enum n1_metric_id id, int64_t ticks)
{
    int64_t ns;

    if (ticks < 0 || __builtin_mul_overflow(ticks, m->tick_ns, &ns))
        n1_source_refuse(m, id, N1_WHY_UNREADABLE);
    else
        n1_source_put(m, id, ns);
}

static int read_stat(struct n1_metrics *m, const struct n1_source *source)
{
    (void)source;
    struct n1_text text, line, rest;
    int64_t column[STAT_COLUMNS], cpus = 0;
    bool ended = false;
    int rc = n1_text_read(m->dirfd, "stat", &m->fd_host_stat, m->text, sizeof m->text, &text);

    if (rc < 0)
        return rc;
    if (!n1_text_line(&text, &line) || !n1_text_after(line, "cpu", &rest))
        return -EBADMSG;
    for (int i = 0; i < STAT_COLUMNS; i++)
        if (!n1_text_int(&rest, &column[i]) || column[i] < 0 || column[i] > INT64_MAX / 4)
            return -EBADMSG;
    put_ticks(m, N1_METRIC_HOST_CPU_USER, column[STAT_USER] + column[STAT_NICE]);
    put_ticks(m, N1_METRIC_HOST_CPU_SYSTEM, column[STAT_SYSTEM] + column[STAT_IRQ] + column[STAT_SOFTIRQ]);
    put_ticks(m, N1_METRIC_HOST_CPU_IDLE, column[STAT_IDLE]);
    put_ticks(m, N1_METRIC_HOST_CPU_IOWAIT, column[STAT_IOWAIT]);
    put_ticks(m, N1_METRIC_HOST_CPU_STEAL, column[STAT_STEAL]);
    while (!ended && n1_text_line(&text, &line)) {
        ended = line.end - line.at < 4 || line.at[0] != 'c' || line.at[1] != 'p' || line.at[2] != 'u';
        cpus += !ended;
    }
    if (ended)
        n1_source_put(m, N1_METRIC_HOST_CPUS, cpus);
    else
        n1_source_refuse(m, N1_METRIC_HOST_CPUS, "more CPUs than fit");
    return 0;
}

static const struct n1_field memory_fields[] = {
    {"MemTotal", N1_METRIC_HOST_MEM_TOTAL, 1024},
    {"MemAvailable", N1_METRIC_HOST_MEM_AVAILABLE, 1024},
    {"SwapTotal", N1_METRIC_HOST_SWAP_TOTAL, 1024},
    {"SwapFree", N1_METRIC_HOST_SWAP_FREE, 1024},
};

static int read_memory(struct n1_metrics *m, const struct n1_source *source)
{
    struct n1_text text;
    int rc = n1_text_read(m->dirfd, "meminfo", &m->fd_meminfo, m->text, sizeof m->text, &text);

    if (rc == 0)
        n1_source_put_fields(m, source->fields, source->n_fields, text, N1_WHY_OLD_KERNEL);
    return rc;
}

const struct n1_source n1_source_host_stat = {.name = "host stat",
                                              .read = read_stat,
                                              .fields = stat_fields,
                                              .n_fields = N1_ARRAY_LEN(stat_fields),
                                              .share_ppm = 1000,
                                              .missing = N1_WHY_OLD_KERNEL};
const struct n1_source n1_source_host_memory = {.name = "meminfo",
                                                .read = read_memory,
                                                .fields = memory_fields,
                                                .n_fields = N1_ARRAY_LEN(memory_fields),
                                                .share_ppm = 1000,
                                                .missing = N1_WHY_OLD_KERNEL};
