/*
 * Sources of the side engine: frees and the entries that tell what a return does not (the old block of a
 * realloc, where posix_memalign puts its result, sizes where the block does not tell) without a stack, each
 * one; returns with a stack, one in `one_in`. Blocks are matched by address in the order of time over all
 * CPUs. When records are lost, nobody knows any more what is live: all blocks are forgotten, so a loss never
 * makes a leak.
 */
#include "sampler/memory/allocations.h"

#include "sampler/engine/side.h"
#include "sampler/memory/allocator.h"
#include "sampler/memory/blocks.h"

#include "n1/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define COUNT_NS (N1_SECOND_NS / 4)
#define RETURN_PROBE 1
#define QUICK_S                                                                                              \
    1.0e-6 /* of one probe without a record; 0.8 and 1.3 us were measured for entry and return               \
            */
#define SLOW_S 12.0e-6
#define RECORD_S 0.7e-6
#define FOLLOWED_PER_S 1500 /* allocations followed with their stack */
#define LEAST_GROWTH 65536
#define RING_BYTES ((size_t)8 << 20)
enum { STACK_BYTES = 4096, FRAMES = 48, TIDS = 1024, SIZES_A_TIME = 256, PUBLISHED_MOST = 64 };

/* What a source's probe is. */
struct probe {
    enum n1_allocator_function function;
    bool at_return;
};

struct stack_frames {
    struct n1_walk_frame frames[FRAMES]; /* leaf first; modules held */
    size_t count;
    pid_t tid;
};

/* What the entry of a call told, until its return. */
struct pending {
    pid_t tid;
    uint64_t out;  /* posix_memalign: where the address goes */
    uint64_t size; /* 0: not known */
};

struct n1_allocations {
    struct n1_feed *feed;
    struct n1_target *target;
    struct n1_allocator allocator;
    double budget;
    enum n1_allocations_state state;
    struct n1_allocations_cost cost;
    struct probe probes[N1_SIDE_SOURCES_MAX];
    struct n1_side_config config;
    struct n1_side *side;
    struct n1_blocks blocks;
    struct stack_frames *frames; /* by stack */
    struct pending pending[TIDS];
    uint64_t unsized[SIZES_A_TIME];
    size_t unsized_count;
    n1_ns begun, second_ns;
    uint64_t lost;
    uint64_t counted; /* calls at the last second */
};

static void add_source(struct n1_allocations *a, enum n1_allocator_function f, bool at_return,
                       uint64_t period, uint32_t stack, const char *path)
{
    if (!a->allocator.functions[f].offset || a->config.source_count == N1_SIDE_SOURCES_MAX)
        return;
    a->probes[a->config.source_count] = (struct probe){f, at_return};
    a->config.sources[a->config.source_count++] =
        (struct n1_side_source){.type = a->config.sources[0].type,
                                .config = at_return ? RETURN_PROBE : 0,
                                .config1 = (uint64_t)(uintptr_t)path,
                                .config2 = a->allocator.functions[f].offset,
                                .period = period,
                                .stack_bytes = stack,
                                .kernel = true};
}

static int probe_type(void)
{
    char text[16] = "";
    int fd = open("/sys/bus/event_source/devices/uprobe/type", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    return n > 0 ? atoi(text) : -1;
}

/* A process under seccomp is killed on the kernels whose return probes are a system call that its filter does
 * not know (6.11 to 6.13). */
static bool returns_are_deadly(const struct n1_target *t)
{
    char text[8192], release[64] = "";
    unsigned major = 0, minor = 0;
    int fd = openat(t->process->proc_fd, "status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *seccomp = strstr(text, "\nSeccomp:\t");
    if (seccomp && seccomp[10] == '0')
        return false;
    fd = open("/proc/sys/kernel/osrelease", O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, release, sizeof release - 1);
    if (fd >= 0)
        close(fd);
    return n <= 0 || sscanf(release, "%u.%u", &major, &minor) != 2 ||
           (major == 6 && minor >= 11 && minor <= 13);
}

static void on_probe(void *context, unsigned source, const struct n1_raw_sample *raw, uint64_t address);

/* Opens the sources that `a->config` names. The kernel takes the file by the descriptor's link, which leads
 * to the very file that is mapped, also when it has been replaced or lies in a container. */
static int open_side(struct n1_allocations *a, struct n1_error *reterr)
{
    a->config.ring_bytes = RING_BYTES;
    int rc = n1_side_create(&a->config, on_probe, a, &a->side, reterr);
    if (rc == 0)
        rc = n1_side_add(a->side, a->target->pid, a->target->process->proc_fd, reterr);
    if (rc == N1_E_NOT_PERMITTED || rc == -EACCES || rc == -EPERM)
        rc = n1_error_hint(reterr, N1_E_NOT_PERMITTED, "run as root, or give n1top-sampler CAP_SYS_ADMIN",
                           "probes on the allocator need CAP_SYS_ADMIN");
    return rc;
}

static const char *path_of(const struct n1_allocations *a, char out[40])
{
    snprintf(out, 40, "/proc/self/fd/%d", a->allocator.module->fd);
    return out;
}

int n1_allocations_start(struct n1_feed *feed, struct n1_target *t, double budget,
                         struct n1_allocations **ret, struct n1_error *reterr)
{
    char path[40];
    struct n1_allocations *a = calloc(1, sizeof *a);
    int type = probe_type(), rc = a ? n1_blocks_init(&a->blocks) : -ENOMEM;
    if (rc == 0) {
        a->frames = calloc(N1_BLOCK_STACKS_MAX, sizeof *a->frames);
        rc = a->frames ? 0 : -ENOMEM;
    }
    if (rc < 0) {
        n1_error_set(reterr, rc, "out of memory");
    } else if (type < 0) {
        rc = n1_error_set(reterr, N1_E_FAILED, "this kernel has no probes for perf events (uprobe)");
    } else if (returns_are_deadly(t)) {
        rc = n1_error_set(reterr, N1_E_FAILED,
                          "the process runs under seccomp, and this kernel would kill it at a probe");
    } else {
        rc = n1_allocator_find(&t->space, &a->allocator, reterr);
    }
    if (rc == 0) {
        a->feed = feed;
        a->target = t;
        a->budget = budget;
        a->config.sources[0].type = (uint32_t)type;
        n1_module_ref(a->allocator.module);
        const char *file = path_of(a, path);
        for (int f = 0; f < N1_ALLOCATOR_COUNT; f++)
            add_source(a, (enum n1_allocator_function)f, false, 0, 0, file);
        rc = open_side(a, reterr);
        a->begun = n1_time_mono();
    }
    if (rc < 0) {
        n1_allocations_destroy(a);
        return rc;
    }
    *ret = a;
    return 0;
}

static void forget_frames(struct n1_allocations *a)
{
    for (size_t s = 0; s < a->blocks.stack_count && a->frames; s++)
        for (size_t i = 0; i < a->frames[s].count; i++)
            n1_module_unref(a->frames[s].frames[i].module);
}

void n1_allocations_destroy(struct n1_allocations *a)
{
    if (!a)
        return;
    n1_side_destroy(a->side);
    forget_frames(a);
    free(a->frames);
    n1_blocks_finish(&a->blocks);
    n1_module_unref(a->allocator.module);
    free(a);
}

int n1_allocations_fd(const struct n1_allocations *a)
{
    return a && a->side && a->state == N1_ALLOCATIONS_TRACING ? n1_side_fd(a->side) : -1;
}

/* --- what a probe tells --- */

static uint64_t key_of(const struct n1_walk_frame *frames, size_t count)
{
    uint64_t key = 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < count; i++) {
        key = (key ^ (uint64_t)(uintptr_t)frames[i].module) * UINT64_C(0xff51afd7ed558ccd);
        key = (key ^ key >> 29 ^ frames[i].offset) * UINT64_C(0xc4ceb9fe1a85ec53);
    }
    return key ^ key >> 32;
}

static uint32_t stack_of(struct n1_allocations *a, const struct n1_raw_sample *raw)
{
    struct n1_walk walk;
    struct n1_walk_frame *frames = a->feed->frames;
    struct n1_user_state user = raw->user;
    bool fresh;
    user.regs[N1_REG_RIP]--; /* it stands behind the call already: inside it is what has the call's line */
    n1_walker_walk(a->feed->walker, &a->target->space, &user, frames, N1_WALK_FRAMES_MAX, &walk);
    size_t count = walk.count < FRAMES ? walk.count : FRAMES;
    uint32_t stack = n1_blocks_stack(&a->blocks, key_of(frames, count), &fresh);
    if (!fresh)
        return stack;
    struct stack_frames *kept = &a->frames[stack];
    kept->count = count;
    kept->tid = raw->tid;
    memcpy(kept->frames, frames, count * sizeof *frames);
    for (size_t i = 0; i < count; i++)
        if (frames[i].module)
            n1_module_ref(frames[i].module);
    return stack;
}

static struct pending *pending_of(struct n1_allocations *a, pid_t tid)
{
    struct pending *p = &a->pending[(unsigned)tid % TIDS];
    if (p->tid != tid)
        *p = (struct pending){.tid = tid};
    return p;
}

static void on_entry(struct n1_allocations *a, enum n1_allocator_function f, const struct n1_raw_sample *raw)
{
    const uint64_t *regs = raw->user.regs;
    struct pending *p = pending_of(a, raw->tid);
    uint64_t size = regs[N1_REG_RDI];
    switch (f) {
    case N1_ALLOCATOR_FREE:
        n1_blocks_remove(&a->blocks, regs[N1_REG_RDI]);
        return;
    case N1_ALLOCATOR_REALLOC:
        n1_blocks_remove(&a->blocks, regs[N1_REG_RDI]);
        size = regs[N1_REG_RSI];
        break;
    case N1_ALLOCATOR_CALLOC:
        size *= regs[N1_REG_RSI];
        break;
    case N1_ALLOCATOR_POSIX_MEMALIGN:
        p->out = regs[N1_REG_RDI];
        size = regs[N1_REG_RDX];
        break;
    case N1_ALLOCATOR_ALIGNED_ALLOC:
    case N1_ALLOCATOR_MEMALIGN:
        size = regs[N1_REG_RSI];
        break;
    default:
        break;
    }
    p->size = size;
}

/* Where posix_memalign was told to put its result: mostly a variable of the caller, and in the copy. */
static uint64_t stored_at(const struct n1_allocations *a, const struct n1_raw_sample *raw, uint64_t out)
{
    uint64_t value = 0, sp = raw->user.regs[N1_REG_RSP];
    if (out >= sp && out - sp + sizeof value <= raw->user.stack_len) {
        memcpy(&value, raw->user.stack + (out - sp), sizeof value);
        return value;
    }
    struct iovec local = {&value, sizeof value}, remote = {(void *)(uintptr_t)out, sizeof value};
    return process_vm_readv(a->target->pid, &local, 1, &remote, 1, 0) == sizeof value ? value : 0;
}

/* Sizes of glibc's blocks, all at once; those given back meanwhile are no longer there to be asked about. */
static void read_sizes(struct n1_allocations *a)
{
    uint64_t words[SIZES_A_TIME];
    struct iovec remote[SIZES_A_TIME], local;
    size_t n = 0;
    for (size_t i = 0; i < a->unsized_count; i++) {
        const struct n1_block *block = n1_blocks_find(&a->blocks, a->unsized[i]);
        if (block && !block->bytes)
            a->unsized[n++] = a->unsized[i];
    }
    for (size_t i = 0; i < n; i++)
        remote[i] = (struct iovec){(void *)(uintptr_t)(a->unsized[i] - 8), 8};
    local = (struct iovec){words, n * 8};
    ssize_t got = n ? process_vm_readv(a->target->pid, &local, 1, remote, n, 0) : 0;
    for (size_t i = 0; i < n; i++) {
        struct n1_block *block = n1_blocks_find(&a->blocks, a->unsized[i]);
        uint64_t size = (ssize_t)(i * 8 + 8) <= got ? words[i] & ~UINT64_C(7) : 0;
        if (!block)
            continue;
        if (size < 16 || size > UINT32_MAX)
            n1_blocks_remove(&a->blocks, a->unsized[i]);
        else
            n1_blocks_size(&a->blocks, block, (uint32_t)size);
    }
    a->unsized_count = 0;
}

static void on_return(struct n1_allocations *a, enum n1_allocator_function f, const struct n1_raw_sample *raw)
{
    uint64_t address = raw->user.regs[N1_REG_RAX], bytes = 0;
    struct pending *p = pending_of(a, raw->tid);
    if (f == N1_ALLOCATOR_POSIX_MEMALIGN)
        address = address == 0 && p->out ? stored_at(a, raw, p->out) : 0;
    if (!a->allocator.glibc)
        bytes = p->size;
    p->out = p->size = 0;
    if (address < 4096 || address >> 56)
        return;
    uint32_t stack = stack_of(a, raw);
    if (stack == UINT32_MAX)
        return;
    n1_blocks_add(&a->blocks, address, stack, bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes);
    if (!a->allocator.glibc)
        return;
    if (a->unsized_count == SIZES_A_TIME)
        read_sizes(a);
    a->unsized[a->unsized_count++] = address;
}

static void on_probe(void *context, unsigned source, const struct n1_raw_sample *raw, uint64_t address)
{
    struct n1_allocations *a = context;
    (void)address;
    if (raw->pid != a->target->pid || !(raw->user.valid & 1u << N1_REG_RAX))
        return;
    if (a->probes[source].at_return)
        on_return(a, a->probes[source].function, raw);
    else
        on_entry(a, a->probes[source].function, raw);
}

/* --- counting, then tracing --- */

/* CPU seconds a second that the probes cost at these rates of calls. */
static double predict(const struct n1_allocations *a, const double rate[N1_ALLOCATOR_COUNT])
{
    double sum = 0;
    for (int f = 0; f < N1_ALLOCATOR_COUNT; f++) {
        double once = a->allocator.functions[f].quick ? QUICK_S : SLOW_S;
        if (f == N1_ALLOCATOR_FREE)
            sum += rate[f] * (once + RECORD_S);
        else if (f == N1_ALLOCATOR_REALLOC || f == N1_ALLOCATOR_POSIX_MEMALIGN || !a->allocator.glibc)
            sum += rate[f] * (2 * once + RECORD_S);
        else
            sum += rate[f] * (once + QUICK_S / 2);
    }
    return sum;
}

static void begin_tracing(struct n1_allocations *a, double allocations_per_s)
{
    char path[40];
    struct n1_error why = {0};
    uint32_t type = a->config.sources[0].type;
    uint64_t one_in = (uint64_t)ceil(allocations_per_s / FOLLOWED_PER_S);
    const char *file = path_of(a, path);
    n1_side_destroy(a->side);
    a->side = NULL;
    a->config = (struct n1_side_config){.sources = {{.type = type}}};
    a->cost.one_in = one_in < 1 ? 1 : one_in | 1;
    add_source(a, N1_ALLOCATOR_FREE, false, 1, 0, file);
    for (int f = N1_ALLOCATOR_MALLOC; f < N1_ALLOCATOR_COUNT; f++) {
        bool entry = f == N1_ALLOCATOR_REALLOC || f == N1_ALLOCATOR_POSIX_MEMALIGN || !a->allocator.glibc;
        if (entry)
            add_source(a, (enum n1_allocator_function)f, false, 1, 0, file);
        add_source(a, (enum n1_allocator_function)f, true, a->cost.one_in, STACK_BYTES, file);
    }
    a->state = N1_ALLOCATIONS_TRACING;
    if (open_side(a, &why) < 0) {
        n1_log(N1_LOG_WARN, "allocations", "%s", why.what);
        n1_side_destroy(a->side);
        a->side = NULL;
        a->state = N1_ALLOCATIONS_STOPPED;
    }
    a->second_ns = n1_time_mono();
}

static void end_counting(struct n1_allocations *a, n1_ns now)
{
    double rate[N1_ALLOCATOR_COUNT] = {0}, all = 0;
    double span = (double)(now - a->begun) / (double)N1_SECOND_NS;
    for (unsigned s = 0; s < a->config.source_count; s++) {
        double calls = (double)n1_side_count(a->side, a->target->pid, s) / span;
        rate[a->probes[s].function] += calls;
        all += calls;
    }
    a->cost.calls_per_s = all;
    a->cost.cpu = predict(a, rate);
    a->cost.one_in = 1;
    if (a->cost.cpu > a->budget) {
        n1_side_destroy(a->side);
        a->side = NULL;
        a->state = N1_ALLOCATIONS_REFUSED;
        return;
    }
    begin_tracing(a, all - rate[N1_ALLOCATOR_FREE]);
}

static void end_second(struct n1_allocations *a, n1_ns now)
{
    double rate[N1_ALLOCATOR_COUNT] = {0};
    double span = (double)(now - a->second_ns) / (double)N1_SECOND_NS;
    uint64_t calls = 0;
    n1_blocks_second(&a->blocks);
    for (unsigned s = 0; s < a->config.source_count; s++) {
        /* entry and return of one call count once */
        if (a->probes[s].at_return || a->probes[s].function == N1_ALLOCATOR_FREE) {
            uint64_t n = n1_side_count(a->side, a->target->pid, s);
            rate[a->probes[s].function] += (double)n;
            calls += n;
        }
    }
    double fraction = calls ? (double)(calls - a->counted) / (double)calls / span : 0;
    for (int f = 0; f < N1_ALLOCATOR_COUNT; f++)
        rate[f] *= fraction;
    a->cost.calls_per_s = (double)(calls - a->counted) / span;
    a->cost.cpu = predict(a, rate);
    a->counted = calls;
    a->second_ns = now;
    if (a->cost.cpu <= 2 * a->budget)
        return;
    n1_side_drain(a->side, true);
    n1_side_destroy(a->side);
    a->side = NULL;
    a->state = N1_ALLOCATIONS_STOPPED;
}

enum n1_allocations_state n1_allocations_drain(struct n1_allocations *a)
{
    struct n1_side_stats stats;
    n1_ns now = n1_time_mono();
    if (a->target->gone && a->side) {
        n1_side_destroy(a->side);
        a->side = NULL;
        a->state = a->state == N1_ALLOCATIONS_TRACING ? N1_ALLOCATIONS_STOPPED : a->state;
    }
    if (!a->side)
        return a->state;
    if (a->state == N1_ALLOCATIONS_COUNTING) {
        if (now >= a->begun + COUNT_NS)
            end_counting(a, now);
        return a->state;
    }
    n1_side_drain(a->side, false);
    read_sizes(a);
    n1_side_stats(a->side, &stats);
    if (stats.lost > a->lost) {
        a->cost.lost += stats.lost - a->lost;
        a->lost = stats.lost;
        n1_blocks_clear(&a->blocks);
        a->unsized_count = 0;
    }
    if (now >= a->second_ns + N1_SECOND_NS)
        end_second(a, now);
    return a->state;
}

struct n1_allocations_cost n1_allocations_cost(const struct n1_allocations *a)
{
    return a->cost;
}

/* --- the result --- */

struct grown {
    size_t stack;
    double bytes;
};

static int by_bytes(const void *a, const void *b)
{
    const struct grown *x = a, *y = b;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static void publish_stack(struct n1_allocations *a, const struct grown *g, n1_ns now)
{
    const struct stack_frames *kept = &a->frames[g->stack];
    const struct n1_block_stack *stack = &a->blocks.stacks[g->stack];
    double scale = (double)a->cost.one_in;
    struct n1_model_memory m = {
        .time = now,
        .bytes = (uint64_t)(g->bytes * scale),
        .address =
            (uint64_t)((double)stack->live_blocks * g->bytes / (double)(stack->live_bytes + 1) * scale),
        .kind = N1_MEMORY_KEPT,
        .thread = n1_feed_slot(a->feed, a->target, kept->tid, now),
    };
    for (size_t i = kept->count; i-- > 0;) {
        uint32_t frame = n1_feed_frame(a->feed, a->target, &kept->frames[i]);
        if (i == 0)
            m.leaf = frame;
        else
            m.node = n1_writer_node(a->feed->w, m.node, frame);
    }
    if (m.thread)
        n1_writer_memory(a->feed->w, &m);
}

size_t n1_allocations_publish(struct n1_allocations *a)
{
    struct grown *list = calloc(a->blocks.stack_count + 1, sizeof *list);
    size_t n = 0;
    n1_ns now = n1_time_mono();
    n1_log(N1_LOG_INFO, "allocations", "%zu stacks, %u blocks, %zu s, one in %llu, lost %llu, refused %llu",
           a->blocks.stack_count, a->blocks.count, a->blocks.seconds, (unsigned long long)a->cost.one_in,
           (unsigned long long)a->cost.lost, (unsigned long long)a->blocks.refused);
    for (size_t s = 0; list && s < a->blocks.stack_count; s++) {
        const struct n1_block_stack *k = &a->blocks.stacks[s];
        n1_log(N1_LOG_DEBUG, "allocations", "stack %zu: %llu allocated, %llu freed, %llu blocks, %llu bytes",
               s, (unsigned long long)k->allocated, (unsigned long long)k->freed,
               (unsigned long long)k->live_blocks, (unsigned long long)k->live_bytes);
        double bytes = n1_block_stack_growth(&a->blocks, &a->blocks.stacks[s]);
        if (bytes * (double)a->cost.one_in >= LEAST_GROWTH)
            list[n++] = (struct grown){s, bytes};
    }
    if (n)
        qsort(list, n, sizeof *list, by_bytes);
    for (size_t i = 0; i < n && i < PUBLISHED_MOST; i++)
        publish_stack(a, &list[i], now);
    free(list);
    return n;
}
