/*
 * One sweep. Times between sweeps vary at random by half, so that no rhythm of the target beats against them;
 * the mean grows when sweeps cost more than 3 % of a core. A sweep looks closely at so many threads and no
 * more; where it stops, the next one goes on, and what a thread did meanwhile waits for its turn.
 */
#include "sampler/waits/classify.h"
#include "sampler/waits/set.h"

#include "n1/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

enum {
    STACK_BYTES = 32 * 1024,
    LOOKS_MAX = 100, /* a sweep: 20 us each */
    COST_TIMES = 33, /* a sweep's cost is at most one so many'th of the time to the next */
    SKIP_MAX = 4,    /* sweeps that a long wait is passed over */
    SKIP_PART = 16,  /* … which together are at most one so many'th of it */
    CHAIN_MAX = N1_WAIT_FRAMES
};
static const n1_ns QUEUE_LEAST_NS = 1000000; /* a second's run queue waits below that are not written */
static const n1_ns REFUSED_NS = 10 * N1_SECOND_NS;

struct n1_waits {
    struct n1_feed *feed;
    n1_ns base_ns, period_ns, due;
    double cost_ns; /* of a sweep, smoothed */
    uint64_t random;
    size_t looks_left;
    struct n1_waits_stats stats;
    uint8_t stack[STACK_BYTES];
};

enum seen { SEEN_BLOCKED, SEEN_RUNNING, SEEN_NOT, SEEN_REFUSED, SEEN_GONE };

int n1_waits_create(struct n1_feed *feed, unsigned rate_hz, struct n1_waits **ret)
{
    struct n1_waits *waits = calloc(1, sizeof *waits);
    if (!waits)
        return -ENOMEM;
    waits->feed = feed;
    waits->base_ns = waits->period_ns = N1_SECOND_NS / (rate_hz < 1 ? 1 : rate_hz > 100 ? 100 : rate_hz);
    waits->random = n1_time_mono() | 1;
    *ret = waits;
    return 0;
}

void n1_waits_destroy(struct n1_waits *waits)
{
    free(waits);
}

n1_ns n1_waits_due(const struct n1_waits *waits)
{
    return waits->due;
}

void n1_waits_stats(const struct n1_waits *waits, struct n1_waits_stats *ret)
{
    *ret = waits->stats;
    ret->period_ns = waits->period_ns;
}

static n1_ns cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (n1_ns)t.tv_sec * N1_SECOND_NS + (n1_ns)t.tv_nsec;
}

static struct n1_wait_set *set_of(struct n1_target *t)
{
    if (!t->waits)
        t->waits = calloc(1, sizeof *t->waits);
    return t->waits;
}

/* Once the names on a stack are there, they may know better than the system call what is waited for. */
static void refine(struct n1_waits *waits, struct n1_wait_thread *thread)
{
    struct n1_writer *w = waits->feed->w;
    enum n1_wait_class better = (enum n1_wait_class)0;
    for (uint32_t i = 0; i < thread->frame_count; i++) {
        size_t len;
        const char *name = n1_writer_frame_function(w, thread->frames[i], &len);
        if (!name && n1_writer_frame_at(w, thread->frames[i])->state == N1_FRAME_UNNAMED)
            return; /* not there yet */
        if (name && !better)
            better = n1_wait_class_by_name(name, len);
    }
    thread->frame_count = 0;
    if (!better || better == thread->wait_class)
        return;
    thread->wait_class = better;
    n1_writer_wait_class(w, thread->index, better);
}

static void tell_owner(struct n1_waits *waits, const struct n1_wait_set *set, struct n1_wait_thread *thread)
{
    const struct n1_wait_thread *owner =
        thread->lock.owner ? n1_wait_set_find(set, thread->lock.owner) : NULL;
    uint32_t slot = owner ? owner->slot : 0;
    if (slot == thread->owner)
        return;
    thread->owner = slot;
    thread->flags &= ~(uint32_t)N1_WAIT_DEAD;
    n1_writer_wait_owner(waits->feed->w, thread->index, slot, thread->flags);
}

/* A wait goes on. */
static void goes_on(struct n1_waits *waits, struct n1_wait_set *set, const struct n1_target *t,
                    struct n1_wait_thread *thread, n1_ns now)
{
    if (thread->frame_count)
        refine(waits, thread);
    if (thread->lock.kind != N1_LOCK_UNKNOWN && thread->lock.kind != N1_LOCK_CONDITION) {
        struct n1_lock lock = n1_wait_lock(t, thread->args, n1_wait_set_lives, set);
        if (lock.kind == thread->lock.kind || (lock.owner && thread->lock.kind == N1_LOCK_PLAIN)) {
            thread->lock = lock;
            tell_owner(waits, set, thread);
        }
    }
    n1_ns waited = now > thread->start ? now - thread->start : 0;
    uint64_t skip = waited / SKIP_PART / waits->period_ns;
    thread->skip = skip < SKIP_MAX ? (unsigned)skip : SKIP_MAX;
}

/* The chain of a stack that did not move while it was read. */
static void take_chain(struct n1_waits *waits, struct n1_target *t, struct n1_wait_thread *thread,
                       const struct n1_blocked *where, const struct n1_raw_sample *raw)
{
    struct n1_feed *feed = waits->feed;
    uint32_t flags = 0;
    thread->node = n1_feed_chain(feed, t, raw, &flags, &thread->leaf);
    for (size_t i = 0; i < feed->walk.count && i < CHAIN_MAX; i++)
        thread->frames[thread->frame_count++] = n1_feed_frame(feed, t, &feed->frames[i]);
    struct n1_wait_place *place = NULL;
    for (size_t i = 0; i < N1_WAIT_PLACES && !place; i++)
        if (thread->places[i].sp == where->sp && thread->places[i].pc == where->pc)
            place = &thread->places[i];
    if (!place)
        place = &thread->places[thread->next_place++ % N1_WAIT_PLACES];
    *place = (struct n1_wait_place){where->sp, where->pc, thread->node, thread->leaf};
}

/* It woke while its stack was read, and that is no reason to forget it: or short waits would count too
 * little. Known places are told by their stack pointer and call; of others there is the call alone. */
static bool take_place(struct n1_wait_thread *thread, const struct n1_blocked *where)
{
    for (size_t i = 0; i < N1_WAIT_PLACES; i++) {
        const struct n1_wait_place *place = &thread->places[i];
        if (!place->leaf || place->sp != where->sp || place->pc != where->pc)
            continue;
        thread->node = place->node;
        thread->leaf = place->leaf;
        return true;
    }
    return false;
}

static void take_call(struct n1_waits *waits, struct n1_target *t, struct n1_wait_thread *thread,
                      const struct n1_blocked *where)
{
    uint8_t nothing[8] = {0};
    uint32_t flags = 0;
    struct n1_raw_sample raw = {.time = n1_time_mono(), .pid = t->pid, .tid = thread->tid, .cpu = UINT32_MAX};
    raw.user.stack = nothing;
    raw.user.regs[N1_REG_RIP] = where->pc;
    raw.user.regs[N1_REG_RSP] = where->sp;
    raw.user.valid = 1u << N1_REG_RIP | 1u << N1_REG_RSP;
    thread->node = n1_feed_chain(waits->feed, t, &raw, &flags, &thread->leaf);
}

/* Looks at a thread closely; *ret_wait is filled when it is blocked. What it was seen in first counts. */
static enum seen look(struct n1_waits *waits, struct n1_wait_set *set, struct n1_target *t,
                      struct n1_wait_thread *thread, struct n1_sched_times *times,
                      struct n1_model_wait *ret_wait)
{
    struct n1_feed *feed = waits->feed;
    struct n1_blocked where;
    struct n1_wait_resource resource;
    struct n1_raw_sample raw;
    struct n1_sched_times after;
    waits->stats.looks++;
    int rc = n1_blocked_where(t, thread->tid, &where);
    if (rc < 0)
        return rc == -EAGAIN ? SEEN_RUNNING : rc == -ESRCH ? SEEN_GONE : SEEN_REFUSED;
    /* Stack and lock must be of this wait, so they are read before it is asked whether the thread moved. */
    bool futex = where.syscall == SYS_futex;
    if (futex)
        n1_wait_resource(t, thread->tid, &where, &set->sockets, n1_wait_set_lives, set, &resource);
    bool stack = n1_blocked_stack(t, thread->tid, &where, waits->stack, sizeof waits->stack, &raw);
    if (t->python && stack)
        n1_feed_python_read(feed, t->pid, thread->tid, false);
    if (n1_wait_set_read(set, t, thread, &after) < 0)
        return SEEN_GONE;
    bool moved = after.slices != times->slices;
    if (!futex)
        n1_wait_resource(t, thread->tid, &where, &set->sockets, n1_wait_set_lives, set, &resource);
    thread->frame_count = 0;
    thread->node = thread->leaf = 0;
    if (stack && !moved) {
        take_chain(waits, t, thread, &where, &raw);
    } else if (!take_place(thread, &where)) {
        waits->stats.moved++;
        take_call(waits, t, thread, &where);
    }
    feed->python.there = false; /* a chain that was not taken is nobody else's */
    if (moved)                  /* the owner may be that of a later moment */
        resource.lock.owner = 0;
    thread->lock = resource.lock;
    thread->wait_class = resource.wait_class;
    thread->flags = resource.flags;
    thread->resource = n1_writer_string_z(feed->w, resource.text);
    memcpy(thread->args, where.args, sizeof thread->args);
    const struct n1_wait_thread *owner =
        resource.lock.owner ? n1_wait_set_find(set, resource.lock.owner) : NULL;
    thread->owner = owner ? owner->slot : 0;
    *ret_wait = (struct n1_model_wait){.node = thread->node,
                                       .leaf = thread->leaf,
                                       .wait_class = resource.wait_class,
                                       .resource = thread->resource,
                                       .syscall = where.syscall >= 0 ? (uint32_t)where.syscall + 1 : 0,
                                       .owner = thread->owner};
    return SEEN_BLOCKED;
}

/* Waiting for a CPU is counted exactly but has no start and end of its own: each second's sum is one entry,
 * with the stack that the thread last ran with. */
static void tell_queue(struct n1_waits *waits, const struct n1_target *t, struct n1_wait_thread *thread,
                       n1_ns now)
{
    if (!thread->queue_at) {
        thread->queue_at = now;
        thread->queue_ns = thread->times.queue_ns;
        return;
    }
    if (now < thread->queue_at + N1_SECOND_NS)
        return;
    uint64_t waited =
        thread->times.queue_ns > thread->queue_ns ? thread->times.queue_ns - thread->queue_ns : 0;
    uint64_t most = now - thread->queue_at;
    thread->queue_ns = thread->times.queue_ns;
    thread->queue_at = now;
    waited = waited < most ? waited : most;
    if (waited < QUEUE_LEAST_NS)
        return;
    const struct n1_roster_entry *entry = n1_roster_find(&t->roster, thread->tid);
    bool ran = entry && entry->leaf;
    struct n1_model_wait wait = {.start = now - waited,
                                 .end = now,
                                 .thread = thread->slot,
                                 .node = ran ? entry->node : thread->node,
                                 .leaf = ran ? entry->leaf : thread->leaf,
                                 .wait_class = N1_WAIT_RUN_QUEUE,
                                 .flags = N1_WAIT_PART};
    n1_writer_wait(waits->feed->w, &wait);
}

static void begin(struct n1_waits *waits, struct n1_wait_thread *thread, struct n1_model_wait *wait,
                  n1_ns start)
{
    wait->start = thread->start = start;
    wait->thread = thread->slot;
    wait->flags = thread->flags;
    thread->index = n1_writer_wait(waits->feed->w, wait);
    thread->open = thread->blocked = true;
    thread->pending_ns = 0;
    thread->skip = 0;
}

static void sweep_thread(struct n1_waits *waits, struct n1_wait_set *set, struct n1_target *t,
                         struct n1_wait_thread *thread)
{
    struct n1_writer *w = waits->feed->w;
    struct n1_sched_times times;
    if (thread->skip) {
        thread->skip--;
        return;
    }
    waits->stats.reads++;
    if (n1_wait_set_read(set, t, thread, &times) < 0) {
        n1_wait_thread_close(thread, w, n1_time_mono());
        thread->known = thread->blocked = false;
        return;
    }
    n1_ns now = n1_time_mono();
    uint64_t busy = times.run_ns - thread->times.run_ns + times.queue_ns - thread->times.queue_ns;
    uint64_t idle = thread->known && now - thread->read_at > busy ? now - thread->read_at - busy : 0;
    uint64_t slices = thread->known ? times.slices - thread->times.slices : 0;
    bool same = thread->known && slices == 0, knew = thread->known, idles = idle > busy;
    n1_ns before = thread->read_at;
    thread->times = times;
    thread->read_at = now;
    thread->known = true;
    tell_queue(waits, t, thread, now);
    if (thread->blocked && same) {
        set->class_ns[thread->wait_class] += idle;
        goes_on(waits, set, t, thread, now);
        return;
    }
    if (thread->frame_count)
        refine(waits, thread);
    bool was = thread->blocked;
    enum n1_wait_class old_class =
        thread->wait_class; /* of the wait that is over; a look tells of the next */
    uint32_t old_owner = thread->owner, old_flags = thread->flags;
    struct n1_model_wait wait = {0};
    enum seen seen = SEEN_NOT;
    if (set->refused)
        seen = SEEN_REFUSED;
    else if (waits->looks_left && thread->slot) {
        waits->looks_left--;
        seen = look(waits, set, t, thread, &times, &wait);
    }
    if (seen == SEEN_REFUSED && !set->refused) {
        set->refused = true;
        set->refused_at = now;
    }
    uint64_t part = was && seen != SEEN_RUNNING ? idle / 2 : was ? idle : 0;
    if (was)
        set->class_ns[old_class] += part;
    if (was && thread->open) {
        if (slices > 1) /* others came between, which nobody saw */
            n1_writer_wait_owner(w, thread->index, old_owner, old_flags | N1_WAIT_PART);
        n1_wait_thread_close(thread, w, before + part);
    }
    thread->blocked = false;
    thread->pending_ns += idle - part;
    if (seen == SEEN_REFUSED && idles) {
        /* What it waits for is not for us to know; that it waits is. */
        wait = (struct n1_model_wait){
            .wait_class = N1_WAIT_OTHER,
            .resource = n1_writer_string_z(w, "unknown: /proc/PID/syscall may not be read")};
        thread->flags = 0;
        thread->frame_count = 0;
        thread->lock = (struct n1_lock){0};
        thread->wait_class = N1_WAIT_OTHER;
        seen = SEEN_BLOCKED;
    }
    if (seen != SEEN_BLOCKED)
        return;
    n1_ns start = now > thread->pending_ns ? now - thread->pending_ns : 0;
    if (start < thread->last_end)
        start = thread->last_end;
    n1_ns since = knew ? 0 : n1_wait_set_since(t, thread->tid, now);
    if (since) {
        start = since;
        knew = true;
    }
    thread->flags |= !knew ? N1_WAIT_BEFORE : slices > 1 ? N1_WAIT_PART : 0;
    set->class_ns[thread->wait_class] += thread->pending_ns;
    begin(waits, thread, &wait, start);
}

static void sweep_target(struct n1_waits *waits, struct n1_target *t, n1_ns now)
{
    struct n1_wait_set *set = set_of(t);
    if (!set || t->gone)
        return;
    if ((set->count != t->threads.count || now >= set->synced + N1_SECOND_NS) &&
        n1_wait_set_sync(set, t, waits->feed->w, now) < 0)
        return;
    if (set->refused && now >= set->refused_at + REFUSED_NS)
        set->refused = false;
    waits->looks_left = LOOKS_MAX;
    /* each sweep begins where the last one ran out of looks */
    size_t start = set->count ? set->turn % set->count : 0;
    bool out = false;
    for (size_t i = 0; i < set->count; i++) {
        size_t at = start + i < set->count ? start + i : start + i - set->count;
        sweep_thread(waits, set, t, &set->list[at]);
        if (!waits->looks_left && !out) {
            out = true;
            set->turn = at + 1;
        }
    }
    if (now >= set->cycles_at + N1_SECOND_NS) {
        set->cycles_at = now;
        n1_wait_deadlocks(set, t, waits->feed->w);
    }
}

static uint64_t next_random(struct n1_waits *waits)
{
    uint64_t x = waits->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return waits->random = x;
}

void n1_waits_sweep(struct n1_waits *waits, n1_ns now)
{
    n1_ns begun = cpu_now();
    for (size_t i = 0; i < waits->feed->targets->count; i++)
        sweep_target(waits, waits->feed->targets->items[i], now);
    n1_ns cost = cpu_now() - begun;
    waits->stats.sweeps++;
    waits->stats.cost_ns += cost;
    waits->stats.last_ns = cost;
    waits->cost_ns += ((double)cost - waits->cost_ns) / 8;
    n1_ns least = (n1_ns)(waits->cost_ns * COST_TIMES);
    waits->period_ns = least > waits->base_ns ? least : waits->base_ns;
    if (waits->period_ns > N1_SECOND_NS)
        waits->period_ns = N1_SECOND_NS;
    waits->due = n1_time_mono() + waits->period_ns / 2 + next_random(waits) % waits->period_ns;
}

void n1_waits_look(struct n1_waits *waits, struct n1_target *t, n1_ns now)
{
    struct n1_wait_set *set = set_of(t);
    if (!set || n1_wait_set_sync(set, t, waits->feed->w, now) < 0)
        return;
    for (size_t i = 0; i < set->count; i++) {
        waits->looks_left = 1;
        sweep_thread(waits, set, t, &set->list[i]);
    }
    n1_wait_deadlocks(set, t, waits->feed->w);
}

void n1_waits_end(struct n1_waits *waits, struct n1_target *t, n1_ns now)
{
    for (size_t i = 0; t->waits && i < t->waits->count; i++) {
        struct n1_wait_thread *thread = &t->waits->list[i];
        if (thread->frame_count)
            refine(waits, thread);
        n1_wait_thread_close(thread, waits->feed->w, now);
        thread->blocked = thread->known = false;
    }
}

void n1_waits_remap(struct n1_waits *waits, const struct n1_remap *remap)
{
    for (size_t i = 0; i < waits->feed->targets->count; i++)
        if (waits->feed->targets->items[i]->waits)
            n1_wait_set_remap(waits->feed->targets->items[i]->waits, remap);
}

static const enum n1_metric_id class_metrics[N1_WAIT_OTHER + 1] = {
    [N1_WAIT_LOCK] = N1_METRIC_WAIT_LOCK,   [N1_WAIT_DISK] = N1_METRIC_WAIT_DISK,
    [N1_WAIT_NET] = N1_METRIC_WAIT_NET,     [N1_WAIT_SLEEP] = N1_METRIC_WAIT_SLEEP,
    [N1_WAIT_POLL] = N1_METRIC_WAIT_POLL,   [N1_WAIT_PIPE] = N1_METRIC_WAIT_PIPE,
    [N1_WAIT_GIL] = N1_METRIC_WAIT_GIL,     [N1_WAIT_GC] = N1_METRIC_WAIT_GC,
    [N1_WAIT_OTHER] = N1_METRIC_WAIT_OTHER,
};

void n1_waits_points(const struct n1_target *t, n1_ns now, struct n1_metric_point *ret)
{
    const struct n1_wait_set *set = t->waits;
    bool known = set && set->synced && !set->refused;
    int64_t dead = 0, deep = 0;
    for (size_t i = 0; known && i < set->count; i++) {
        const struct n1_wait_thread *thread = &set->list[i];
        if (!thread->open || !thread->blocked)
            continue;
        dead += (thread->flags & N1_WAIT_DEAD) != 0;
        if ((thread->flags & N1_WAIT_DEEP) && now > thread->start && (int64_t)(now - thread->start) > deep)
            deep = (int64_t)(now - thread->start);
    }
    for (int c = N1_WAIT_LOCK; c <= N1_WAIT_OTHER; c++)
        ret[class_metrics[c]] = (struct n1_metric_point){now, known ? (int64_t)set->class_ns[c] : 0, known};
    ret[N1_METRIC_WAIT_DEADLOCKED] = (struct n1_metric_point){now, dead, known};
    ret[N1_METRIC_WAIT_DEEP] = (struct n1_metric_point){now, deep, known};
}

const char *n1_waits_reason(const struct n1_target *t)
{
    return t->waits && t->waits->refused ? "/proc/PID/syscall may not be read" : "not looked at yet";
}
