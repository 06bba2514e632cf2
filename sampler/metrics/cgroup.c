/*
 * Limits and events of the control group a process is in, v1, v2 or both side by side. A limit counts
 * wherever above the process it is set, so every level up to the mount's root is looked at when the
 * membership changes, and once in ten seconds; between these only kept descriptors are read. Sizes are bytes,
 * times ns, quotas ppm of one core.
 */
#include "sampler/metrics/cgroup_place.h"
#include "sampler/metrics/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N1_LEVELS_MAX 16
#define N1_RESOLVE_NS (10 * N1_SECOND_NS)
#define N1_NO_LIMIT (INT64_C(1) << 62) /* v1 says LONG_MAX rounded down to a page */
#define N1_WHY_ONLY_V2 "only in cgroup v2"

struct level {
    int current_fd, max_fd;
};

struct n1_cgroup {
    struct n1_cgroup_mounts mounts;
    char members[8192]; /* /proc/PID/cgroup as last resolved */
    size_t members_len;
    n1_ns resolved; /* 0: never */
    struct n1_cgroup_place places[N1_CONTROLLERS];
    struct level
        levels[N1_LEVELS_MAX]; /* [0] the group that is charged; others only when they have a limit */
    size_t n_levels;
    int peak_fd, events_fd, failcnt_fd, stat_fd, pressure_fds[3];
    int64_t quota_ppm; /* N1_NO_LIMIT: none */
};

static const struct {
    const char *current, *max, *peak, *events;
} memory_files[] = {
    {"memory.usage_in_bytes", "memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control"},
    {"memory.current", "memory.max", "memory.peak", "memory.events"}};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_all(struct n1_cgroup *c)
{
    for (size_t i = 0; i < c->n_levels; i++) {
        close_fd(&c->levels[i].current_fd);
        close_fd(&c->levels[i].max_fd);
    }
    c->n_levels = 0;
    close_fd(&c->peak_fd);
    close_fd(&c->events_fd);
    close_fd(&c->failcnt_fd);
    close_fd(&c->stat_fd);
    for (size_t i = 0; i < N1_ARRAY_LEN(c->pressure_fds); i++)
        close_fd(&c->pressure_fds[i]);
}

int n1_cgroup_create(struct n1_cgroup **ret, const char *proc, const char *root)
{
    struct n1_cgroup *c = calloc(1, sizeof *c);

    if (!c)
        return -ENOMEM;
    c->peak_fd = c->events_fd = c->failcnt_fd = c->stat_fd = -1;
    for (size_t i = 0; i < N1_ARRAY_LEN(c->pressure_fds); i++)
        c->pressure_fds[i] = -1;
    n1_cgroup_mounts_init(&c->mounts, proc, root);
    *ret = c;
    return 0;
}

void n1_cgroup_destroy(struct n1_cgroup *c)
{
    if (!c)
        return;
    close_all(c);
    n1_cgroup_mounts_finish(&c->mounts);
    free(c);
}

static int open_in(struct n1_cgroup *c, const char *group, const char *file)
{
    char path[4096 + 64];

    snprintf(path, sizeof path, "%s/%s", group, file);
    return openat(c->mounts.root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

/* One number of a kept descriptor; "max" and v1's largest are N1_NO_LIMIT. */
static int read_number(int *fd, int64_t *ret)
{
    char buf[64];
    struct n1_text text;

    if (*fd < 0)
        return -ENOENT;
    int rc = n1_text_read(-1, "", fd, buf, sizeof buf, &text);
    if (rc < 0)
        return rc;
    int64_t value = N1_NO_LIMIT;
    if (text.end - text.at >= 3 && memcmp(text.at, "max", 3) == 0)
        value = N1_NO_LIMIT;
    else if (!n1_text_int(&text, &value) || value < 0)
        return -EBADMSG;
    *ret = value < N1_NO_LIMIT ? value : N1_NO_LIMIT;
    return 0;
}

/* Shortens `path` by its last component. False when it was the mount already. */
static bool go_up(const struct n1_cgroup_place *place, char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash || (size_t)(slash - path) < place->base)
        return false;
    *slash = 0;
    return true;
}

static void open_memory(struct n1_cgroup *c)
{
    struct n1_cgroup_place *place = &c->places[N1_CONTROLLER_MEMORY];
    char path[sizeof place->path];
    int64_t limit;

    if (place->why)
        return;
    strcpy(path, place->path);
    do {
        struct level level = {open_in(c, path, memory_files[place->v2].current),
                              open_in(c, path, memory_files[place->v2].max)};
        bool limited = read_number(&level.max_fd, &limit) == 0 && limit < N1_NO_LIMIT;
        if (level.current_fd < 0 || (c->n_levels > 0 && !limited)) {
            close_fd(&level.current_fd);
            close_fd(&level.max_fd);
            continue; /* the controller is not enabled this far down, or there is nothing to watch */
        }
        if (c->n_levels == 0) {
            c->peak_fd = open_in(c, path, memory_files[place->v2].peak);
            c->events_fd = open_in(c, path, memory_files[place->v2].events);
            if (!place->v2)
                c->failcnt_fd = open_in(c, path, "memory.failcnt");
        }
        c->levels[c->n_levels++] = level;
    } while (c->n_levels < N1_LEVELS_MAX && go_up(place, path));
    if (c->n_levels == 0)
        place->why = "memory controller not enabled";
}

/* The numbers at the start of a file that is read once. Returns how many were found, at most `max`. */
static int read_numbers(struct n1_cgroup *c, const char *group, const char *file, int64_t *numbers, int max)
{
    char buf[64];
    struct n1_text text;
    int n = 0, fd = open_in(c, group, file);

    if (fd >= 0 && n1_text_read(-1, "", &fd, buf, sizeof buf, &text) == 0)
        while (n < max && n1_text_int(&text, &numbers[n]))
            n++;
    close_fd(&fd);
    return n;
}

/* Quota of one level in ppm of a core. False when there is none ("max", or -1). */
static bool read_quota(struct n1_cgroup *c, const char *group, bool v2, int64_t *ret_ppm)
{
    int64_t numbers[2]; /* quota and period, us */
    int found = v2 ? read_numbers(c, group, "cpu.max", numbers, 2)
                   : read_numbers(c, group, "cpu.cfs_quota_us", &numbers[0], 1) +
                         read_numbers(c, group, "cpu.cfs_period_us", &numbers[1], 1);

    if (found != 2 || numbers[0] <= 0 || numbers[1] <= 0 ||
        __builtin_mul_overflow(numbers[0], 1000000, &numbers[0]))
        return false;
    *ret_ppm = numbers[0] / numbers[1];
    return true;
}

static void open_cpu(struct n1_cgroup *c)
{
    struct n1_cgroup_place *place = &c->places[N1_CONTROLLER_CPU];
    char path[sizeof place->path];

    c->quota_ppm = N1_NO_LIMIT;
    if (place->why)
        return;
    strcpy(path, place->path);
    c->stat_fd = open_in(c, path, "cpu.stat");
    for (int i = 0; i < N1_LEVELS_MAX; i++) {
        int64_t ppm;
        if (read_quota(c, path, place->v2, &ppm) && ppm < c->quota_ppm) {
            c->quota_ppm = ppm;
            close_fd(&c->stat_fd);
            c->stat_fd = open_in(c, path, "cpu.stat");
        }
        if (!go_up(place, path))
            break;
    }
    if (c->stat_fd < 0)
        place->why = "cpu controller not enabled";
}

static void resolve(struct n1_cgroup *c, struct n1_text members, n1_ns now)
{
    static const char *const pressure_files[] = {"cpu.pressure", "memory.pressure", "io.pressure"};

    close_all(c);
    c->resolved = now;
    c->members_len = (size_t)(members.end - members.at);
    if (c->members_len > sizeof c->members)
        c->members_len = sizeof c->members;
    memcpy(c->members, members.at, c->members_len);
    for (enum n1_controller which = 0; which < N1_CONTROLLERS; which++)
        n1_cgroup_find(&c->places[which], &c->mounts, which,
                       (struct n1_text){c->members, c->members + c->members_len});
    open_memory(c);
    open_cpu(c);
    for (size_t i = 0; !c->places[N1_CONTROLLER_UNIFIED].why && i < N1_ARRAY_LEN(pressure_files); i++)
        c->pressure_fds[i] = open_in(c, c->places[N1_CONTROLLER_UNIFIED].path, pressure_files[i]);
}

static const struct n1_field events_v2[] = {
    {"low", N1_METRIC_CGROUP_MEM_LOW, 1},           {"high", N1_METRIC_CGROUP_MEM_HIGH, 1},
    {"max", N1_METRIC_CGROUP_MEM_MAX, 1},           {"oom", N1_METRIC_CGROUP_MEM_OOM, 1},
    {"oom_kill", N1_METRIC_CGROUP_MEM_OOM_KILL, 1},
};
static const struct n1_field events_v1[] = {{"oom_kill", N1_METRIC_CGROUP_MEM_OOM_KILL, 1}};
static const struct n1_field stat_v2[] = {
    {"nr_periods", N1_METRIC_CGROUP_CPU_PERIODS, 1},
    {"nr_throttled", N1_METRIC_CGROUP_CPU_THROTTLED, 1},
    {"throttled_usec", N1_METRIC_CGROUP_CPU_THROTTLED_TIME, 1000},
};
static const struct n1_field stat_v1[] = {
    {"nr_periods", N1_METRIC_CGROUP_CPU_PERIODS, 1},
    {"nr_throttled", N1_METRIC_CGROUP_CPU_THROTTLED, 1},
    {"throttled_time", N1_METRIC_CGROUP_CPU_THROTTLED_TIME, 1},
};
static const struct n1_field memory_metrics[] = {
    {NULL, N1_METRIC_CGROUP_MEM_CURRENT},  {NULL, N1_METRIC_CGROUP_MEM_LIMIT},
    {NULL, N1_METRIC_CGROUP_MEM_HEADROOM}, {NULL, N1_METRIC_CGROUP_MEM_PEAK},
    {NULL, N1_METRIC_CGROUP_MEM_LOW},      {NULL, N1_METRIC_CGROUP_MEM_HIGH},
    {NULL, N1_METRIC_CGROUP_MEM_MAX},      {NULL, N1_METRIC_CGROUP_MEM_OOM},
    {NULL, N1_METRIC_CGROUP_MEM_OOM_KILL},
};
/* All of the source: what is refused when the membership itself cannot be read. */
static const struct n1_field all_metrics[] = {
    {NULL, N1_METRIC_CGROUP_MEM_CURRENT},
    {NULL, N1_METRIC_CGROUP_MEM_LIMIT},
    {NULL, N1_METRIC_CGROUP_MEM_HEADROOM},
    {NULL, N1_METRIC_CGROUP_MEM_PEAK},
    {NULL, N1_METRIC_CGROUP_MEM_LOW},
    {NULL, N1_METRIC_CGROUP_MEM_HIGH},
    {NULL, N1_METRIC_CGROUP_MEM_MAX},
    {NULL, N1_METRIC_CGROUP_MEM_OOM},
    {NULL, N1_METRIC_CGROUP_MEM_OOM_KILL},
    {NULL, N1_METRIC_CGROUP_CPU_QUOTA},
    {NULL, N1_METRIC_CGROUP_CPU_PERIODS},
    {NULL, N1_METRIC_CGROUP_CPU_THROTTLED},
    {NULL, N1_METRIC_CGROUP_CPU_THROTTLED_TIME},
};

static void refuse_fields(struct n1_metrics *m, const struct n1_field *fields, size_t n, const char *why)
{
    for (size_t i = 0; i < n; i++)
        n1_source_refuse(m, fields[i].id, why);
}

/* Puts one number, or the reason why not. */
static void put_number(struct n1_metrics *m, const struct n1_source *source, enum n1_metric_id id, int rc,
                       int64_t value)
{
    if (rc < 0)
        n1_source_refuse(m, id, rc == -ENOENT ? N1_WHY_OLD_KERNEL : n1_source_reason(source, rc));
    else if (value >= N1_NO_LIMIT)
        n1_source_refuse(m, id, N1_WHY_NO_LIMIT);
    else
        n1_source_put(m, id, value);
}

/* The fields of a kept "key value" file. */
static void put_file(struct n1_metrics *m, const struct n1_source *source, int *fd,
                     const struct n1_field *fields, size_t n, const char *absent)
{
    char buf[2048];
    struct n1_text text;
    int rc = *fd < 0 ? -ENOENT : n1_text_read(-1, "", fd, buf, sizeof buf, &text);

    if (rc == 0)
        n1_source_put_fields(m, fields, n, text, absent);
    else
        refuse_fields(m, fields, n, rc == -ENOENT ? absent : n1_source_reason(source, rc));
}

static void put_memory(struct n1_metrics *m, const struct n1_source *source)
{
    struct n1_cgroup *c = m->cgroup;
    int64_t limit = N1_NO_LIMIT, headroom = N1_NO_LIMIT, value = 0;
    int rc;

    if (c->places[N1_CONTROLLER_MEMORY].why) {
        refuse_fields(m, memory_metrics, N1_ARRAY_LEN(memory_metrics), c->places[N1_CONTROLLER_MEMORY].why);
        return;
    }
    for (size_t i = 0; i < c->n_levels; i++) {
        int64_t current = 0, max = N1_NO_LIMIT;
        rc = read_number(&c->levels[i].current_fd, &current);
        if (i == 0)
            put_number(m, source, N1_METRIC_CGROUP_MEM_CURRENT, rc, current);
        if (read_number(&c->levels[i].max_fd, &max) < 0)
            continue;
        limit = max < limit ? max : limit;
        if (rc == 0 && max < N1_NO_LIMIT && max - current < headroom)
            headroom = max > current ? max - current : 0;
    }
    put_number(m, source, N1_METRIC_CGROUP_MEM_LIMIT, 0, limit);
    put_number(m, source, N1_METRIC_CGROUP_MEM_HEADROOM, 0, headroom);
    rc = read_number(&c->peak_fd, &value);
    put_number(m, source, N1_METRIC_CGROUP_MEM_PEAK, rc, value);
    if (c->places[N1_CONTROLLER_MEMORY].v2) {
        put_file(m, source, &c->events_fd, events_v2, N1_ARRAY_LEN(events_v2), N1_WHY_OLD_KERNEL);
        return;
    }
    rc = read_number(&c->failcnt_fd, &value);
    put_number(m, source, N1_METRIC_CGROUP_MEM_MAX, rc, value);
    put_file(m, source, &c->events_fd, events_v1, N1_ARRAY_LEN(events_v1), N1_WHY_OLD_KERNEL);
    n1_source_refuse(m, N1_METRIC_CGROUP_MEM_LOW, N1_WHY_ONLY_V2);
    n1_source_refuse(m, N1_METRIC_CGROUP_MEM_HIGH, N1_WHY_ONLY_V2);
    n1_source_refuse(m, N1_METRIC_CGROUP_MEM_OOM, N1_WHY_ONLY_V2);
}

static void put_cpu(struct n1_metrics *m, const struct n1_source *source)
{
    struct n1_cgroup *c = m->cgroup;
    bool v2 = c->places[N1_CONTROLLER_CPU].v2;

    if (c->places[N1_CONTROLLER_CPU].why) {
        refuse_fields(m, stat_v2, N1_ARRAY_LEN(stat_v2), c->places[N1_CONTROLLER_CPU].why);
        n1_source_refuse(m, N1_METRIC_CGROUP_CPU_QUOTA, c->places[N1_CONTROLLER_CPU].why);
        return;
    }
    put_number(m, source, N1_METRIC_CGROUP_CPU_QUOTA, 0, c->quota_ppm);
    put_file(m, source, &c->stat_fd, v2 ? stat_v2 : stat_v1, N1_ARRAY_LEN(stat_v2),
             c->quota_ppm == N1_NO_LIMIT ? N1_WHY_NO_LIMIT : N1_WHY_OLD_KERNEL);
}

static int read_cgroup(struct n1_metrics *m, const struct n1_source *source)
{
    struct n1_cgroup *c = m->cgroup;
    struct n1_text text;
    int rc = n1_text_read(m->dirfd, "cgroup", &m->fd_cgroup, m->text, sizeof c->members, &text);

    if (rc < 0)
        return rc;
    if (c->resolved == 0 || m->now - c->resolved >= N1_RESOLVE_NS ||
        c->members_len != (size_t)(text.end - text.at) || memcmp(c->members, text.at, c->members_len) != 0)
        resolve(c, text, m->now);
    put_memory(m, source);
    put_cpu(m, source);
    return 0;
}

static int read_pressure(struct n1_metrics *m, const struct n1_source *source)
{
    static const enum n1_metric_id firsts[] = {N1_METRIC_CGROUP_PSI_CPU_SOME_AVG10,
                                               N1_METRIC_CGROUP_PSI_MEM_SOME_AVG10,
                                               N1_METRIC_CGROUP_PSI_IO_SOME_AVG10};
    struct n1_cgroup *c = m->cgroup;
    const char *why = c->resolved ? c->places[N1_CONTROLLER_UNIFIED].why : N1_WHY_NO_CGROUP;
    char buf[256];
    struct n1_text text;

    for (size_t i = 0; i < N1_ARRAY_LEN(firsts); i++) {
        int rc = why || c->pressure_fds[i] < 0
                     ? -ENOENT
                     : n1_text_read(-1, "", &c->pressure_fds[i], buf, sizeof buf, &text);
        if (rc == 0)
            rc = n1_pressure_put(m, firsts[i], text);
        if (rc < 0)
            n1_pressure_refuse(m, firsts[i], why ? why : n1_source_reason(source, rc));
    }
    return 0;
}

static const struct n1_field pressure_metrics[] = {
#define N1_FOUR(P)                                                                                           \
    {NULL, P##_SOME_AVG10}, {NULL, P##_SOME_TOTAL}, {NULL, P##_FULL_AVG10},                                  \
    {                                                                                                        \
        NULL, P##_FULL_TOTAL                                                                                 \
    }
    N1_FOUR(N1_METRIC_CGROUP_PSI_CPU),
    N1_FOUR(N1_METRIC_CGROUP_PSI_MEM),
    N1_FOUR(N1_METRIC_CGROUP_PSI_IO),
#undef N1_FOUR
};

const struct n1_source n1_source_cgroup = {.name = "cgroup",
                                           .read = read_cgroup,
                                           .fields = all_metrics,
                                           .n_fields = N1_ARRAY_LEN(all_metrics),
                                           .share_ppm = 1000,
                                           .missing = N1_WHY_NO_CGROUP};
const struct n1_source n1_source_cgroup_pressure = {.name = "cgroup pressure",
                                                    .read = read_pressure,
                                                    .fields = pressure_metrics,
                                                    .n_fields = N1_ARRAY_LEN(pressure_metrics),
                                                    .share_ppm = 1000,
                                                    .missing = "kernel without PSI"};
