/*
 * A bit a function. Functions without a name yet are neither seen nor new.
 */
#include "sampler/seen.h"

#include "sampler/blocked.h"

#include <stdlib.h>
#include <string.h>

enum { STACK_BYTES = 16384 };

void n1_seen_finish(struct n1_seen *seen)
{
    free(seen->bits);
    free(seen->waiting);
    *seen = (struct n1_seen){0};
}

void n1_seen_clear(struct n1_seen *seen)
{
    if (seen->bits)
        memset(seen->bits, 0, seen->capacity / 8);
    seen->looks = 0;
    n1_seen_doubt(seen); /* its ids are of before, too */
}

void n1_seen_doubt(struct n1_seen *seen)
{
    free(seen->waiting);
    seen->waiting = NULL;
}

void n1_seen_wait(struct n1_seen *seen, const struct n1_stacks *stacks)
{
    if (!seen->waiting)
        seen->waiting = malloc(sizeof *seen->waiting);
    if (seen->waiting)
        *seen->waiting = *stacks;
}

bool n1_seen_settle(struct n1_seen *seen, const struct n1_writer *w, n1_ns now)
{
    if (!seen->waiting)
        return true;
    n1_ns waited = now - seen->waiting->time;
    if (waited < N1_SEEN_WAIT_NS || (waited < N1_SEEN_NAMES_NS && !n1_stacks_named(seen->waiting, w)))
        return false;
    n1_seen_add(seen, w, seen->waiting);
    n1_seen_doubt(seen);
    return true;
}

static bool has(const struct n1_seen *seen, uint32_t function)
{
    return function < seen->capacity && seen->bits[function / 64] >> function % 64 & 1;
}

static void add(struct n1_seen *seen, uint32_t function)
{
    if (function >= seen->capacity) {
        size_t capacity = seen->capacity ? seen->capacity : 1024;
        while (capacity <= function)
            capacity *= 2;
        uint64_t *bits = realloc(seen->bits, capacity / 8);
        if (!bits)
            return;
        memset((char *)bits + seen->capacity / 8, 0, (capacity - seen->capacity) / 8);
        seen->bits = bits;
        seen->capacity = capacity;
    }
    seen->bits[function / 64] |= UINT64_C(1) << function % 64;
}

static int by_age(const void *a, const void *b)
{
    const struct n1_thread *x = *(const struct n1_thread *const *)a, *y = *(const struct n1_thread *const *)b;
    return x->start_ticks < y->start_ticks ? -1 : x->start_ticks > y->start_ticks;
}

/* Of more threads than a look takes, the oldest, who may have started the others, and the youngest. */
static size_t choose(const struct n1_target *t, pid_t ret[N1_SEEN_THREADS])
{
    size_t count = t->threads.count, n = count < N1_SEEN_THREADS ? count : N1_SEEN_THREADS;
    const struct n1_thread **list = malloc((count + 1) * sizeof *list);
    if (!list)
        return 0;
    for (size_t i = 0; i < count; i++)
        list[i] = &t->threads.list[i];
    qsort(list, count, sizeof *list, by_age);
    for (size_t i = 0; i < n; i++)
        ret[i] = list[i < n / 2 || n == count ? i : count - n + i]->tid;
    free(list);
    return n;
}

void n1_stacks_take(struct n1_feed *feed, struct n1_target *t, struct n1_stacks *ret)
{
    static uint8_t buf[STACK_BYTES];
    pid_t tids[N1_SEEN_THREADS];
    size_t threads = choose(t, tids);
    ret->time = n1_time_mono();
    ret->count = 0;
    for (size_t i = 0; i < threads; i++) {
        struct n1_raw_sample raw;
        if (!n1_blocked_read(t, tids[i], buf, sizeof buf, &raw))
            continue;
        struct n1_walk walk;
        n1_walker_walk(feed->walker, &t->space, &raw.user, feed->frames, N1_WALK_FRAMES_MAX, &walk);
        uint32_t len = 0;
        for (size_t f = walk.count; f-- > 0 && len < N1_SEEN_FRAMES;)
            ret->stacks[ret->count].frames[len++] = n1_feed_frame(feed, t, &feed->frames[f]);
        ret->stacks[ret->count++].len = len;
    }
}

bool n1_stacks_named(const struct n1_stacks *stacks, const struct n1_writer *w)
{
    for (size_t i = 0; i < stacks->count; i++)
        for (uint32_t f = 0; f < stacks->stacks[i].len; f++)
            if (n1_writer_frame_at(w, stacks->stacks[i].frames[f])->state == N1_FRAME_UNNAMED)
                return false;
    return true;
}

void n1_seen_add(struct n1_seen *seen, const struct n1_writer *w, const struct n1_stacks *stacks)
{
    for (size_t i = 0; i < stacks->count; i++)
        for (uint32_t f = 0; f < stacks->stacks[i].len; f++) {
            uint32_t function = n1_writer_frame_at(w, stacks->stacks[i].frames[f])->function;
            if (function)
                add(seen, function);
        }
    seen->looks += stacks->count;
}

size_t n1_seen_new(const struct n1_seen *seen, const struct n1_writer *w, const struct n1_stacks *stacks,
                   uint32_t *ret_functions, size_t cap)
{
    size_t n = 0;
    if (!seen->looks)
        return 0;
    for (size_t i = 0; i < stacks->count && n < cap; i++)
        for (uint32_t f = 0; f < stacks->stacks[i].len; f++) {
            uint32_t function = n1_writer_frame_at(w, stacks->stacks[i].frames[f])->function;
            if (!function || has(seen, function))
                continue;
            bool known = false;
            for (size_t k = 0; k < n; k++)
                known |= ret_functions[k] == function;
            if (!known)
                ret_functions[n++] = function;
            break;
        }
    return n;
}
