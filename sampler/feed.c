/*
 * Life of a sample between engine and store. Chains are interned from the root down: the leaf's address stays
 * in the sample, so a hot loop makes one node. When a table is full the writer gives id 0 and counts the
 * sample as [other].
 */
#include "sampler/feed.h"

#include "sampler/metrics/collector.h"

#include <string.h>

static struct n1_roster_entry *thread_of(struct n1_target *t, pid_t tid)
{
    return n1_roster_get(&t->roster, tid);
}

/* The kernel has one module for the whole host; its frames carry absolute addresses. */
static uint32_t kernel_frame(struct n1_feed *feed, uint64_t address)
{
    struct n1_module *kernel = n1_modules_kernel(&feed->targets->modules);
    uint32_t module = kernel ? n1_naming_module(feed->naming, kernel, 0) : 0;
    return n1_writer_frame(feed->w, module, address);
}

uint32_t n1_feed_frame(struct n1_feed *feed, struct n1_target *t, const struct n1_walk_frame *frame)
{
    uint32_t module = frame->module ? n1_naming_module(feed->naming, frame->module, t->pid) : 0;
    uint64_t offset = frame->module ? frame->offset : frame->pc - (frame->flags & N1_FRAME_CALLER ? 1 : 0);
    return n1_writer_frame(feed->w, module, offset);
}

/* A stack led into code that we know no mapping of: an mmap record was lost. Looking again costs, so seldom.
 */
static void reload_mappings(struct n1_target *t, n1_ns now)
{
    struct n1_error why;
    if (now < t->space_loaded + N1_SECOND_NS)
        return;
    t->space_loaded = now;
    n1_space_load(&t->space, &why);
}

uint32_t n1_feed_chain(struct n1_feed *feed, struct n1_target *t, const struct n1_raw_sample *raw,
                       uint32_t *flags, uint32_t *ret_leaf)
{
    struct n1_walk walk = {.end = N1_WALK_NO_STACK};
    bool user = raw->user.valid & (1u << N1_REG_RIP);
    if (user)
        n1_walker_walk(feed->walker, &t->space, &raw->user, feed->frames, N1_WALK_FRAMES_MAX, &walk);
    if (walk.end != N1_WALK_COMPLETE && (user || !raw->in_kernel))
        *flags |= N1_SAMPLE_TRUNCATED;
    feed->walk = walk;
    if (walk.end == N1_WALK_UNMAPPED)
        reload_mappings(t, raw->time);
    if (walk.libunwind)
        n1_writer_self_add(feed->w, N1_SELF_FALLBACK, 1);
    n1_writer_self_add(feed->w, N1_SELF_FRAMES_WALKED, walk.count);

    size_t kernel = raw->kernel ? raw->kernel_len : 0, count = walk.count;
    const struct n1_python_stack *python = n1_feed_python_take(feed, t, raw->tid, raw->time);
    if (python) {
        *flags |= python->flags;
        count = n1_feed_python_merge(feed, t, python);
        if (python->end == N1_PY_CHAIN_TORN || python->end == N1_PY_CHAIN_BAD)
            n1_writer_self_add(feed->w, N1_SELF_REJECTED, 1);
    }
    uint32_t node = 0, leaf = 0;
    bool full = false;
    /* Root first: user frames from the last to the first, then the kernel's. */
    for (size_t i = count; i-- > 0 && !full;) {
        const struct n1_merge_frame *merged = &feed->python.merged[i];
        uint32_t frame = !python          ? n1_feed_frame(feed, t, &feed->frames[i])
                         : merged->python ? python->frames[merged->index].frame
                                          : n1_feed_frame(feed, t, &feed->frames[merged->index]);
        if (i == 0 && kernel == 0)
            leaf = frame;
        else
            node = n1_writer_node(feed->w, node, frame);
        full = !frame;
    }
    for (size_t i = kernel; i-- > 0 && !full;) {
        uint32_t frame = kernel_frame(feed, raw->kernel[i]);
        if (i == 0)
            leaf = frame;
        else
            node = n1_writer_node(feed->w, node, frame);
        full = !frame;
    }
    *ret_leaf = leaf;
    return node;
}

void n1_feed_stack(struct n1_feed *feed, struct n1_target *t, uint32_t slot, const struct n1_raw_sample *raw,
                   uint32_t flags)
{
    uint32_t leaf, node = n1_feed_chain(feed, t, raw, &flags, &leaf);
    if (flags & N1_SAMPLE_TRUNCATED)
        n1_writer_self_add(feed->w, N1_SELF_TRUNCATED, 1);
    if (raw->user.valid & (1u << N1_REG_RIP)) {
        feed->need.walks++;
        feed->need.too_short += feed->walk.end == N1_WALK_SHORT && raw->user.stack_len >= feed->need.copied;
        if (feed->walk.end == N1_WALK_COMPLETE && feed->walk.stack_used > feed->need.most_bytes)
            feed->need.most_bytes = feed->walk.stack_used;
    }
    if (raw->in_kernel)
        flags |= raw->kernel && raw->kernel_len ? N1_SAMPLE_IN_KERNEL
                                                : N1_SAMPLE_IN_KERNEL | N1_SAMPLE_KERNEL_HIDDEN;
    struct n1_model_sample sample = {
        .time = raw->time,
        .thread = slot,
        .node = node,
        .leaf = leaf,
        .flags = flags,
        .weight_ns = raw->weight_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)raw->weight_ns,
        .cpu = raw->cpu,
    };
    n1_writer_sample(feed->w, &sample);
    feed->last_node = node;
    feed->last_leaf = leaf;
}

uint32_t n1_feed_slot(struct n1_feed *feed, struct n1_target *t, pid_t tid, n1_ns time)
{
    struct n1_roster_entry *entry = thread_of(t, tid);
    if (!entry)
        return 0;
    if (!entry->slot && !entry->name[0])
        memcpy(entry->name, t->process->comm, sizeof entry->name - 1);
    return n1_roster_slot(entry, feed->w, t->id, time);
}

/* Samples whose function is known, but not who called it. */
static void without_callers(struct n1_feed *feed, struct n1_target *t, struct n1_model_sample *sample,
                            pid_t tid)
{
    uint32_t callers = 0;
    for (uint64_t ns; (ns = n1_python_overdue(t->python, feed->w, tid, sample->time, &sample->leaf));) {
        if (sample->leaf && !callers)
            callers = n1_writer_node(feed->w, 0,
                                     n1_feed_python_mark(feed, t, "[callers not seen]", N1_KIND_NATIVE));
        sample->node = sample->leaf ? callers : 0;
        if (!sample->leaf)
            sample->leaf = n1_feed_python_mark(feed, t, "[no Python code]", N1_KIND_NATIVE);
        sample->weight_ns = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
        n1_writer_sample(feed->w, sample);
    }
}

/* A sample whose engine has no native stacks: Python frames alone. A chain that could not be read as it was
 * at one instant is rejected; its CPU time goes to a later stack with the same function on top, or to
 * that function alone, where it is known (sampler/python/draws.h), else to no function. */
static bool python_alone(struct n1_feed *feed, struct n1_target *t, uint32_t slot,
                         const struct n1_raw_sample *raw)
{
    if (raw->user.valid || !t->python)
        return false;
    struct n1_python_stack *stack = n1_feed_python_take(feed, t, raw->tid, raw->time);
    if (!stack)
        return false;
    const struct n1_py_chain *chain = &feed->python.chain;
    uint64_t weight_ns = raw->weight_ns;
    struct n1_model_sample sample = {.time = raw->time, .thread = slot, .cpu = raw->cpu};
    n1_python_draw(t->python, chain, raw->tid, weight_ns, raw->time);
    without_callers(feed, t, &sample, raw->tid);
    if (stack->end == N1_PY_CHAIN_TORN || stack->end == N1_PY_CHAIN_BAD) {
        n1_writer_self_add(feed->w, N1_SELF_REJECTED, 1);
        return true;
    }
    if (chain->drawn_known && !(weight_ns = n1_python_drawn(t->python, chain, raw->tid)))
        return true; /* it was read after the instant of its sample, whose own stack may still come */
    sample.flags = stack->flags;
    sample.node = sample.leaf = 0;
    size_t first = 0;
    if (stack->flags & N1_SAMPLE_IN_GC)
        sample.leaf = n1_feed_python_mark(feed, t, "[gc]", N1_KIND_GC);
    else if (stack->count)
        sample.leaf = stack->frames[first++].frame;
    else
        sample.leaf = n1_feed_python_mark(feed, t, "[no Python code]", N1_KIND_NATIVE);
    for (size_t i = stack->count; i-- > first;)
        sample.node = n1_writer_node(feed->w, sample.node, stack->frames[i].frame);
    do {
        sample.weight_ns = weight_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)weight_ns;
        n1_writer_sample(feed->w, &sample);
    } while (chain->drawn_known && (weight_ns = n1_python_drawn(t->python, chain, raw->tid)));
    feed->last_node = sample.node;
    feed->last_leaf = sample.leaf;
    return true;
}

static void on_sample(void *context, const struct n1_raw_sample *raw)
{
    struct n1_feed *feed = context;
    struct n1_target *t = n1_targets_find(feed->targets, raw->pid);
    struct n1_roster_entry *entry = t ? thread_of(t, raw->tid) : NULL;
    if (!entry || (feed->dump && !entry->wanted))
        return;
    entry->wanted = false;
    uint32_t slot = n1_feed_slot(feed, t, raw->tid, raw->time);
    feed->last_sample = raw->time;
    t->sampled_ns += raw->weight_ns;
    if (!feed->dump)
        n1_writer_self_add(feed->w, N1_SELF_SAMPLES, 1);
    if (!python_alone(feed, t, slot, raw))
        n1_feed_stack(feed, t, slot, raw,
                      (feed->dump ? N1_SAMPLE_DUMP : 0u) |
                          (n1_is_collector(entry->name) ? N1_SAMPLE_IN_GC : 0u));
    entry->node = feed->last_node;
    entry->leaf = feed->last_leaf;
}

static void on_stopped(void *context, pid_t pid, pid_t tid, const struct n1_user_state *user)
{
    n1_feed_python_read(context, pid, tid, !user);
}

static void on_mmap(void *context, n1_ns time, const struct n1_mmap_event *event)
{
    struct n1_feed *feed = context;
    struct n1_target *t = n1_targets_find(feed->targets, event->pid);
    (void)time;
    if (t)
        n1_space_map(&t->space, event);
}

static void on_comm(void *context, n1_ns time, pid_t pid, pid_t tid, const char *name, bool exec)
{
    struct n1_feed *feed = context;
    struct n1_target *t = n1_targets_find(feed->targets, pid);
    (void)time;
    if (!t)
        return;
    struct n1_roster_entry *entry = thread_of(t, tid);
    if (entry)
        n1_roster_rename(entry, feed->w, name);
    if (exec)
        n1_target_exec(t, &feed->caller, feed->w);
}

/* A child of a target. One that is gone before we can look is counted by the engine as samples of no target.
 */
static void adopt(struct n1_feed *feed, pid_t pid, const struct n1_target *parent)
{
    struct n1_target *t = NULL;
    struct n1_error why;
    if (!feed->children || !parent || n1_targets_find(feed->targets, pid))
        return;
    if (n1_targets_adopt(feed->targets, pid, &feed->caller, feed->w, &t, &why) < 0)
        return;
    n1_space_finish(&t->space);
    if (n1_space_clone(&t->space, &parent->space, pid) < 0)
        n1_space_load(&t->space, &why);
}

static void on_fork(void *context, n1_ns time, pid_t pid, pid_t tid, pid_t parent_pid, pid_t parent_tid)
{
    struct n1_feed *feed = context;
    struct n1_target *t = pid == parent_pid ? n1_targets_find(feed->targets, pid) : NULL;
    if (pid != parent_pid) {
        adopt(feed, pid, n1_targets_find(feed->targets, parent_pid));
        return;
    }
    if (!t)
        return;
    const struct n1_roster_entry *parent = n1_roster_find(&t->roster, parent_tid);
    char name[16] = "";
    if (parent)
        memcpy(name, parent->name, sizeof name);
    struct n1_roster_entry *old = n1_roster_find(&t->roster, tid);
    if (old && old->born >= time)
        return;
    n1_roster_remove(&t->roster, tid); /* a tid that is used again is another thread */
    struct n1_roster_entry *entry = thread_of(t, tid);
    if (!entry)
        return;
    entry->born = time;
    memcpy(entry->name, name, sizeof name);
}

static void on_exit(void *context, n1_ns time, pid_t pid, pid_t tid)
{
    struct n1_feed *feed = context;
    struct n1_target *t = n1_targets_find(feed->targets, pid);
    struct n1_roster_entry *entry = t ? n1_roster_find(&t->roster, tid) : NULL;
    if (!entry)
        return;
    if (entry->slot)
        n1_writer_thread_end(feed->w, entry->slot, time);
    n1_roster_remove(&t->roster, tid);
}

static void on_lost(void *context, n1_ns time, uint64_t count)
{
    struct n1_feed *feed = context;
    (void)time;
    n1_writer_self_add(feed->w, N1_SELF_LOST, count);
}

static void on_throttle(void *context, n1_ns time, bool throttled)
{
    struct n1_feed *feed = context;
    (void)time;
    if (throttled) {
        feed->throttled++;
        n1_writer_self_add(feed->w, N1_SELF_THROTTLED, 1);
    }
}

/* Told at once, not once a second: a sampler that is killed has still told what it did. */
static void on_race(void *context)
{
    const struct n1_feed *feed = context;
    n1_writer_self_add(feed->w, N1_SELF_RACES, 1);
}

struct n1_engine_sink n1_feed_sink(struct n1_feed *feed)
{
    return (struct n1_engine_sink){
        .context = feed,
        .sample = on_sample,
        .stopped = on_stopped,
        .mmap = on_mmap,
        .comm = on_comm,
        .fork = on_fork,
        .exit = on_exit,
        .lost = on_lost,
        .throttle = on_throttle,
        .race = on_race,
    };
}
