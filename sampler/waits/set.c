/*
 * The list is a merge of the target's list of threads, which a scan brings once a second, with what is known
 * of those that stay. A kept descriptor stays bound to its thread and costs 0.6 us a read against 4.8 us.
 */
#include "sampler/waits/set.h"

#include "sampler/target/proc_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { KEPT_MAX = 4096 };

void n1_wait_set_destroy(struct n1_wait_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++)
        if (set->list[i].fd >= 0)
            close(set->list[i].fd);
    n1_sockets_finish(&set->sockets);
    free(set->list);
    free(set);
}

void n1_wait_thread_close(struct n1_wait_thread *thread, struct n1_writer *w, n1_ns end)
{
    if (thread->open) {
        if (end <= thread->start)
            end = thread->start + 1;
        n1_writer_wait_end(w, thread->index, end);
        thread->last_end = end;
    }
    thread->open = false;
}

static void forget(struct n1_wait_set *set, struct n1_wait_thread *thread, struct n1_writer *w, n1_ns now)
{
    n1_wait_thread_close(thread, w, now);
    if (thread->fd >= 0) {
        close(thread->fd);
        set->kept--;
    }
    thread->fd = -1;
}

/* In a PID namespace of its own a process numbers its threads otherwise: the last word of NSpid. */
static pid_t own_number(const struct n1_target *t, pid_t tid)
{
    char path[48], text[4096];
    if (t->process->ns_pid == t->pid)
        return tid;
    snprintf(path, sizeof path, "task/%d/status", (int)tid);
    if (n1_proc_read(t->process->proc_fd, path, text, sizeof text, NULL) < 0)
        return 0;
    char *at = strstr(text, "\nNSpid:");
    if (!at)
        return tid;
    long number = 0;
    char *end;
    for (at += 7; (*at == '\t' || *at == ' '); at = end) {
        number = strtol(at, &end, 10);
        if (end == at)
            break;
    }
    return (pid_t)number;
}

int n1_wait_set_sync(struct n1_wait_set *set, struct n1_target *t, struct n1_writer *w, n1_ns now)
{
    size_t want = t->threads.count;
    struct n1_wait_thread *merged = calloc(want + 1, sizeof *merged);
    if (!merged)
        return -ENOMEM;
    size_t old = 0;
    for (size_t i = 0; i < want; i++) {
        const struct n1_thread *thread = &t->threads.list[i];
        while (old < set->count && set->list[old].tid < thread->tid)
            forget(set, &set->list[old++], w, now);
        if (old < set->count && set->list[old].tid == thread->tid) {
            if (set->list[old].inode == thread->inode) {
                merged[i] = set->list[old++];
                continue;
            }
            forget(set, &set->list[old++], w, now);
        }
        merged[i] = (struct n1_wait_thread){
            .tid = thread->tid, .ns_tid = own_number(t, thread->tid), .inode = thread->inode, .fd = -1};
    }
    while (old < set->count)
        forget(set, &set->list[old++], w, now);
    for (size_t i = 0; i < want; i++) {
        const struct n1_roster_entry *entry = n1_roster_find(&t->roster, merged[i].tid);
        merged[i].slot = entry ? entry->slot : 0;
    }
    free(set->list);
    set->list = merged;
    set->count = want;
    set->synced = now;
    return 0;
}

static size_t kept_max(void)
{
    static size_t most;
    struct rlimit limit;
    if (!most)
        most = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 4 < KEPT_MAX ? limit.rlim_cur / 4
                                                                                      : KEPT_MAX;
    return most;
}

static bool number(const char **at, uint64_t *ret)
{
    const char *start = *at;
    uint64_t value = 0;
    for (; **at >= '0' && **at <= '9'; ++*at)
        value = value * 10 + (uint64_t)(**at - '0');
    *ret = value;
    return *at > start;
}

int n1_wait_set_read(struct n1_wait_set *set, const struct n1_target *t, struct n1_wait_thread *thread,
                     struct n1_sched_times *ret)
{
    char text[128];
    int fd = thread->fd;
    if (fd < 0) {
        char path[48];
        snprintf(path, sizeof path, "task/%d/schedstat", (int)thread->tid);
        fd = openat(t->process->proc_fd, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return errno == ENOENT ? -ESRCH : -errno;
    }
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    int err = got < 0 ? errno : 0;
    if (thread->fd < 0) {
        if (got > 0 && set->kept < kept_max()) {
            thread->fd = fd;
            set->kept++;
        } else {
            close(fd);
        }
    }
    if (got < 0)
        return -err;
    text[got] = '\0';
    const char *at = text;
    if (!number(&at, &ret->run_ns) || *at++ != ' ' || !number(&at, &ret->queue_ns) || *at++ != ' ' ||
        !number(&at, &ret->slices))
        return -EBADMSG;
    return ret->slices == 0 && ret->run_ns == 0 ? -EOPNOTSUPP : 0;
}

/* "se.exec_start : 2709929.254318" ms of a sched file; 0 when it is not there. */
static uint64_t exec_start(int dir, const char *path)
{
    char text[1024];
    unsigned long long ms, ns;
    if (n1_proc_read(dir, path, text, sizeof text, NULL) < 0)
        return 0;
    const char *at = strstr(text, "se.exec_start");
    at = at ? strchr(at, ':') : NULL;
    return at && sscanf(at + 1, " %llu.%6llu", &ms, &ns) == 2 ? ms * 1000000 + ns : 0;
}

/* How far the schedulers' clocks of two CPUs can be apart: what hypervisor and interrupts took from each. */
static uint64_t clocks_apart(void)
{
    char text[65536];
    uint64_t least = UINT64_MAX, most = 0;
    int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int rc = proc < 0 ? -1 : n1_proc_read(proc, "stat", text, sizeof text, NULL);
    if (proc >= 0)
        close(proc);
    for (const char *at = rc < 0 ? NULL : strstr(text, "\ncpu"); at; at = strstr(at + 1, "\ncpu")) {
        unsigned long long irq, softirq, steal;
        if (sscanf(at, "\ncpu%*u %*u %*u %*u %*u %*u %llu %llu %llu", &irq, &softirq, &steal) != 3)
            continue;
        uint64_t taken = irq + softirq + steal;
        least = taken < least ? taken : least;
        most = taken > most ? taken : most;
    }
    long ticks = sysconf(_SC_CLK_TCK);
    return least > most ? UINT64_MAX / 20
                        : (most - least) * (N1_SECOND_NS / (uint64_t)(ticks > 0 ? ticks : 100));
}

n1_ns n1_wait_set_since(const struct n1_target *t, pid_t tid, n1_ns now)
{
    static uint64_t apart;
    static n1_ns apart_at;
    char path[48];
    snprintf(path, sizeof path, "task/%d/sched", (int)tid);
    uint64_t its = exec_start(t->process->proc_fd, path),
             own = exec_start(AT_FDCWD, "/proc/thread-self/sched");
    if (!its || own <= its || own - its > now)
        return 0;
    if (!apart_at || now > apart_at + 10 * N1_SECOND_NS) {
        apart = clocks_apart();
        apart_at = now;
    }
    return own - its > 10 * apart ? now - (own - its) : 0;
}

struct n1_wait_thread *n1_wait_set_find(const struct n1_wait_set *set, pid_t ns_tid)
{
    /* in order of tid, and in a namespace nearly always in that of its own numbers too */
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->list[middle].ns_tid < ns_tid)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < set->count && set->list[low].ns_tid == ns_tid)
        return &set->list[low];
    for (size_t i = 0; i < set->count && set->count && set->list[0].tid != set->list[0].ns_tid; i++)
        if (set->list[i].ns_tid == ns_tid)
            return &set->list[i];
    return NULL;
}

bool n1_wait_set_lives(const void *set, pid_t ns_tid)
{
    return n1_wait_set_find(set, ns_tid) != NULL;
}

void n1_wait_set_remap(struct n1_wait_set *set, const struct n1_remap *remap)
{
    for (size_t i = 0; i < set->count; i++) {
        struct n1_wait_thread *thread = &set->list[i];
        thread->slot = n1_remap_thread(remap, thread->slot);
        thread->owner = n1_remap_thread(remap, thread->owner);
        thread->resource = n1_remap_string(remap, thread->resource);
        thread->node = n1_remap_node(remap, thread->node);
        thread->leaf = n1_remap_frame(remap, thread->leaf);
        for (size_t p = 0; p < N1_WAIT_PLACES; p++) {
            thread->places[p].node = n1_remap_node(remap, thread->places[p].node);
            thread->places[p].leaf = n1_remap_frame(remap, thread->places[p].leaf);
        }
        for (uint32_t f = 0; f < thread->frame_count; f++)
            thread->frames[f] = n1_remap_frame(remap, thread->frames[f]);
    }
}
