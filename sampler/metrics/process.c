/*
 * The cheap sources of a process: stat, status, io, the number of descriptors and their limit. Times are ns,
 * sizes bytes. Descriptors of stat, status and io are kept: the kernel looks the task up at each read
 * (permission for io is checked at each read too).
 */
#include "sampler/metrics/source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define N1_FDS_COUNTED_MAX 1000000 /* more are not listed one by one */

/* stat: fields by position after the name in brackets; key is unused. Positions are those of proc(5). */
static const struct n1_field stat_fields[] = {
    {NULL, N1_METRIC_CPU_USER},    {NULL, N1_METRIC_CPU_SYSTEM},  {NULL, N1_METRIC_CPU_TOTAL},
    {NULL, N1_METRIC_FAULT_MINOR}, {NULL, N1_METRIC_FAULT_MAJOR}, {NULL, N1_METRIC_THREADS},
};
enum {
    STAT_STATE = 3,
    STAT_MINFLT = 10,
    STAT_MAJFLT = 12,
    STAT_UTIME = 14,
    STAT_STIME = 15,
    STAT_THREADS = 20
};

/* CPU time of the whole process in ns, as the scheduler counts it: exact where stat has clock ticks. */
static int process_clock(pid_t pid, int64_t *ret_ns)
{
    struct timespec ts;

    if (clock_gettime((clockid_t)(~(unsigned)pid << 3 | 2), &ts) != 0) /* CPUCLOCK_SCHED of a process */
        return -errno;
    *ret_ns = (int64_t)ts.tv_sec * (int64_t)N1_SECOND_NS + ts.tv_nsec;
    return 0;
}

/* The first thread may have ended while others go on: then its own status, maps and fd are empty, theirs are
 * not. */
static void choose_mm_dir(struct n1_metrics *m)
{
    char chosen[sizeof m->mm_dir] = "";
    size_t count;
    const struct n1_thread_times *threads = n1_threads_all(m->threads, &count);

    for (size_t i = 0; m->state == 'Z' && m->num_threads > 1 && i < count && !chosen[0]; i++)
        if (threads[i].tid != m->pid)
            snprintf(chosen, sizeof chosen, "task/%d/", (int)threads[i].tid);
    if (m->state == 'Z' && m->num_threads > 1)
        m->state = 'S';
    if (strcmp(chosen, m->mm_dir) == 0)
        return;
    strcpy(m->mm_dir, chosen);
    if (m->fd_status >= 0)
        close(m->fd_status);
    m->fd_status = -1;
}

static int read_stat(struct n1_metrics *m, const struct n1_source *source)
{
    (void)source;
    struct n1_text text, word;
    int64_t field[STAT_THREADS + 1] = {0}, total;
    int rc = n1_text_read(m->dirfd, "stat", &m->fd_stat, m->text, sizeof m->text, &text);

    if (rc == -ESRCH || rc == -ENOENT) {
        m->gone = true;
        return rc;
    }
    if (rc < 0)
        return rc;
    /* the name may hold anything, brackets and line ends too; the last bracket ends it */
    const char *close_bracket = memrchr(text.at, ')', (size_t)(text.end - text.at));
    if (!close_bracket)
        return -EBADMSG;
    text.at = close_bracket + 1;
    if (!n1_text_word(&text, &word) || word.end - word.at != 1)
        return -EBADMSG;
    for (int i = STAT_STATE + 1; i <= STAT_THREADS; i++)
        if (!n1_text_int(&text, &field[i]))
            return -EBADMSG;
    int64_t user, sys;
    if (field[STAT_UTIME] < 0 || field[STAT_STIME] < 0 || field[STAT_MINFLT] < 0 || field[STAT_MAJFLT] < 0 ||
        field[STAT_THREADS] < 0 || __builtin_mul_overflow(field[STAT_UTIME], m->tick_ns, &user) ||
        __builtin_mul_overflow(field[STAT_STIME], m->tick_ns, &sys) ||
        __builtin_add_overflow(user, sys, &total))
        return -EBADMSG;
    m->state = *word.at;
    m->num_threads = field[STAT_THREADS];
    choose_mm_dir(m);

    if (m->own_proc)
        process_clock(m->pid, &total);
    n1_source_put(m, N1_METRIC_CPU_USER, user);
    n1_source_put(m, N1_METRIC_CPU_SYSTEM, sys);
    n1_source_put(m, N1_METRIC_CPU_TOTAL, total);
    n1_source_put(m, N1_METRIC_FAULT_MINOR, field[STAT_MINFLT]);
    n1_source_put(m, N1_METRIC_FAULT_MAJOR, field[STAT_MAJFLT]);
    n1_source_put(m, N1_METRIC_THREADS, field[STAT_THREADS]);
    return 0;
}

static const struct n1_field status_fields[] = {
    {"VmRSS", N1_METRIC_MEM_RSS, 1024},      {"VmHWM", N1_METRIC_MEM_RSS_PEAK, 1024},
    {"VmSize", N1_METRIC_MEM_VIRTUAL, 1024}, {"RssAnon", N1_METRIC_MEM_ANON, 1024},
    {"RssFile", N1_METRIC_MEM_FILE, 1024},   {"RssShmem", N1_METRIC_MEM_SHMEM, 1024},
    {"VmSwap", N1_METRIC_MEM_SWAP, 1024},
};

static int read_status(struct n1_metrics *m, const struct n1_source *source)
{
    char path[sizeof m->mm_dir + 8];
    struct n1_text text;

    snprintf(path, sizeof path, "%sstatus", m->mm_dir);
    int rc = n1_text_read(m->dirfd, path, &m->fd_status, m->text, sizeof m->text, &text);
    if (rc == 0)
        n1_source_put_fields(m, source->fields, source->n_fields, text, N1_WHY_NO_MM);
    return rc;
}

static const struct n1_field io_fields[] = {
    {"rchar", N1_METRIC_IO_READ_CHARS, 1},      {"wchar", N1_METRIC_IO_WRITE_CHARS, 1},
    {"syscr", N1_METRIC_IO_READ_CALLS, 1},      {"syscw", N1_METRIC_IO_WRITE_CALLS, 1},
    {"read_bytes", N1_METRIC_IO_READ_BYTES, 1}, {"write_bytes", N1_METRIC_IO_WRITE_BYTES, 1},
};

static int read_io(struct n1_metrics *m, const struct n1_source *source)
{
    struct n1_text text;
    int rc = n1_text_read(m->dirfd, "io", &m->fd_io, m->text, sizeof m->text, &text);

    if (rc == 0)
        n1_source_put_fields(m, source->fields, source->n_fields, text, N1_WHY_OLD_KERNEL);
    return rc;
}

/* Since Linux 6.2 the size of /proc/PID/fd is the number of descriptors, for everybody. Asked of our own
 * folder, which is never empty: older kernels say 0. */
static bool fd_size_is_count(void)
{
    struct stat st;
    struct statfs fs;

    return statfs("/proc/self/fd", &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC &&
           stat("/proc/self/fd", &st) == 0 && st.st_size > 0;
}

static const struct n1_field fds_fields[] = {{NULL, N1_METRIC_FDS}};

static int read_fds(struct n1_metrics *m, const struct n1_source *source)
{
    (void)source;
    char path[sizeof m->mm_dir + 4];
    struct stat st;
    int64_t count = 0;

    if (m->state == 'Z')
        return -ESRCH;
    snprintf(path, sizeof path, "%sfd", m->mm_dir);
    if (m->own_proc && fd_size_is_count()) {
        if (fstatat(m->dirfd, path, &st, 0) != 0)
            return -errno;
        n1_source_put(m, N1_METRIC_FDS, st.st_size);
        return 0;
    }
    int fd = openat(m->dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int err = errno;
        if (fd >= 0)
            close(fd);
        return -err;
    }
    errno = 0;
    for (struct dirent *entry; count <= N1_FDS_COUNTED_MAX && (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    int err = errno;
    closedir(dir);
    if (err)
        return -err;
    if (count > N1_FDS_COUNTED_MAX)
        return -E2BIG;
    n1_source_put(m, N1_METRIC_FDS, count);
    return 0;
}

static const struct n1_field limits_fields[] = {{"Max open files", N1_METRIC_FDS_LIMIT, 1}};

static int read_limits(struct n1_metrics *m, const struct n1_source *source)
{
    struct n1_text text, line, rest, word;
    int64_t value;
    int rc = n1_text_read(m->dirfd, "limits", NULL, m->text, sizeof m->text, &text);

    if (rc < 0)
        return rc;
    while (n1_text_line(&text, &line)) {
        if (!n1_text_after(line, source->fields[0].key, &rest))
            continue;
        if (n1_text_int(&rest, &value) && value >= 0)
            n1_source_put(m, N1_METRIC_FDS_LIMIT, value);
        else if (n1_text_word(&rest, &word) && n1_text_equals(word, "unlimited"))
            n1_source_refuse(m, N1_METRIC_FDS_LIMIT, N1_WHY_NO_LIMIT);
        else
            return -EBADMSG;
        return 0;
    }
    return -EBADMSG;
}

#define N1_FIELDS(a) .fields = a, .n_fields = N1_ARRAY_LEN(a)
const struct n1_source n1_source_stat = {
    .name = "stat", .read = read_stat, N1_FIELDS(stat_fields), .share_ppm = 1000, .missing = N1_WHY_GONE};
const struct n1_source n1_source_status = {.name = "status",
                                           .read = read_status,
                                           N1_FIELDS(status_fields),
                                           .share_ppm = 1000,
                                           .missing = N1_WHY_GONE};
const struct n1_source n1_source_io = {
    .name = "io", .read = read_io, N1_FIELDS(io_fields), .share_ppm = 1000, .missing = N1_WHY_OLD_KERNEL};
const struct n1_source n1_source_fds = {
    .name = "fd", .read = read_fds, N1_FIELDS(fds_fields), .share_ppm = 1000, .missing = N1_WHY_GONE};
const struct n1_source n1_source_limits = {.name = "limits",
                                           .read = read_limits,
                                           N1_FIELDS(limits_fields),
                                           .period_ns = 10 * N1_SECOND_NS,
                                           .share_ppm = 1000,
                                           .missing = N1_WHY_OLD_KERNEL};
