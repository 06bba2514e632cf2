/*
 * A thread born while its process is being opened may have inherited its creator's event or not; nothing in
 * the kernel tells. So it gets an event of its own, under suspicion: when the thread, or one born from it, is
 * then sampled on one CPU by two events, the suspected one is a double and is closed; when the suspected one
 * ticks alone several times, it was needed. Until it is settled, a thread counts on each CPU only by the
 * event that came first.
 */
#include "sampler/engine/perf_internal.h"

#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { ALONE_TICKS = 8, SEEN_MAX = 1 << 16 };

static void forget_seen(struct n1_perf *perf)
{
    struct perf_seen *seen, *next;

    HASH_ITER(hh, perf->seen, seen, next)
    {
        HASH_DEL(perf->seen, seen);
        free(seen);
    }
}

static void drop_suspect(struct n1_perf *perf, struct perf_suspect *suspect)
{
    HASH_DEL(perf->suspects, suspect);
    free(suspect);
}

void perf_duplicate_settle(struct n1_perf *perf)
{
    if (perf->seen && !perf->suspects && perf->delivered_ns > perf->switched_ns + N1_SECOND_NS)
        forget_seen(perf);
}

void perf_duplicate_suspect(struct n1_perf *perf, int *fd)
{
    struct perf_suspect *suspect = calloc(1, sizeof(*suspect));

    if (!suspect)
        return;
    suspect->fd = fd;
    if (ioctl(*fd, PERF_EVENT_IOC_ID, &suspect->id)) {
        free(suspect);
        return;
    }
    HASH_ADD(hh, perf->suspects, id, sizeof(suspect->id), suspect);
}

void perf_duplicate_forget_fd(struct n1_perf *perf, const int *fd)
{
    struct perf_suspect *suspect, *next;

    HASH_ITER(hh, perf->suspects, suspect, next)
    {
        if (suspect->fd == fd) {
            drop_suspect(perf, suspect);
            return;
        }
    }
}

static struct perf_suspect *find_suspect(struct n1_perf *perf, uint64_t id)
{
    struct perf_suspect *suspect;

    HASH_FIND(hh, perf->suspects, &id, sizeof(id), suspect);
    return suspect;
}

static void close_double(struct n1_perf *perf, struct perf_suspect *suspect)
{
    close(*suspect->fd);
    *suspect->fd = -1;
    perf->stats.fds--;
    HASH_DEL(perf->suspects, suspect); /* `seen` stays: samples of the closed event may still lie in a ring */
    free(suspect);
}

bool perf_duplicate(struct n1_perf *perf, pid_t tid, uint32_t cpu, uint64_t id, n1_ns time)
{
    struct perf_seen_key key = {tid, cpu};
    struct perf_seen *seen;

    if (!perf->suspects && !perf->seen)
        return false;
    HASH_FIND(hh, perf->seen, &key, sizeof(key), seen);
    if (!seen) {
        if (HASH_COUNT(perf->seen) >= SEEN_MAX)
            forget_seen(perf);
        seen = calloc(1, sizeof(*seen));
        if (!seen)
            return false;
        seen->key = key;
        seen->id = id;
        HASH_ADD(hh, perf->seen, key, sizeof(seen->key), seen);
    }
    if (seen->id == id) {
        if (++seen->count == ALONE_TICKS) {
            struct perf_suspect *needed = find_suspect(perf, id);
            if (needed)
                drop_suspect(perf, needed);
        }
        return false;
    }
    struct perf_suspect *newer = find_suspect(perf, id), *older = find_suspect(perf, seen->id);
    if (newer) {
        close_double(perf, newer);
        seen->switched_ns = perf->switched_ns = time;
        return true;
    }
    if (older) {
        close_double(perf, older);
        seen->id = id;
        seen->switched_ns = perf->switched_ns = time;
        return true;
    }
    /* Neither is suspected: what the closed event left in the ring, or, later, another thread under a reused
     * tid. */
    if (seen->switched_ns && time < seen->switched_ns + N1_SECOND_NS)
        return true;
    seen->id = id;
    seen->count = 0;
    return false;
}

void perf_duplicate_thread_ended(struct n1_perf *perf, pid_t tid)
{
    if (!perf->seen)
        return;
    for (int i = 0; i < perf->cpu_count; i++) {
        struct perf_seen_key key = {tid, (uint32_t)perf->cpus[i]};
        struct perf_seen *seen;
        HASH_FIND(hh, perf->seen, &key, sizeof(key), seen);
        if (seen) {
            HASH_DEL(perf->seen, seen);
            free(seen);
        }
    }
}

void perf_duplicate_finish(struct n1_perf *perf)
{
    struct perf_suspect *suspect, *next;

    HASH_ITER(hh, perf->suspects, suspect, next)
    {
        HASH_DEL(perf->suspects, suspect);
        free(suspect);
    }
    forget_seen(perf);
}
