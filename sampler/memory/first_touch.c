/*
 * Period: prime, so that it beats against no loop over pages. A longer one is taken as soon as there are too
 * many samples, a shorter one only after some quiet seconds: opening anew costs two calls a thread and CPU.
 */
#include "sampler/memory/first_touch.h"

#include "sampler/memory/regions.h"

#include "n1/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL_PAGE UINT64_C(4096)
#define HUGE_PAGE (UINT64_C(2) << 20)
#define RELOAD_NS (N1_SECOND_NS / 5)
#define RED_ZONE 128
enum {
    PERIOD_LEAST = 31,
    AIM_PER_S = 200,
    MOST_PER_S = 500,
    FEW_PER_S = 40,
    QUIET_WINDOWS = 5,
    STACK_BYTES = 8192,
    RELATIVES = 8
};

/* A process that shared pages with the target when it was forked. */
struct relative {
    pid_t pid;
    int page_map;
};

struct touched {
    pid_t pid;
    struct n1_regions regions;
    int page_map;
    struct relative relatives[RELATIVES];
    size_t relative_count;
    n1_ns looked; /* for relatives */
    struct touched *next;
};

struct n1_touch {
    struct n1_feed *feed;
    struct n1_side *side;
    struct touched *processes;
    uint64_t period;
    n1_ns window_ns;
    uint64_t window_samples;
    unsigned quiet;
    n1_ns now;
};

static bool is_prime(uint64_t n)
{
    for (uint64_t d = 2; d * d <= n; d++)
        if (n % d == 0)
            return false;
    return n > 1;
}

uint64_t n1_touch_next_period(uint64_t period, uint64_t samples, n1_ns ns)
{
    double rate = ns ? (double)samples * (double)N1_SECOND_NS / (double)ns : 0;
    if (rate <= MOST_PER_S && rate >= FEW_PER_S)
        return period;
    double wanted = (double)period * rate / AIM_PER_S;
    uint64_t next = wanted < PERIOD_LEAST ? PERIOD_LEAST : wanted > 1e7 ? 10000000 : (uint64_t)wanted;
    while (!is_prime(next))
        next++;
    return next;
}

static void forget_relatives(struct touched *p)
{
    for (size_t i = 0; i < p->relative_count; i++)
        if (p->relatives[i].page_map >= 0)
            close(p->relatives[i].page_map);
    p->relative_count = 0;
}

static void destroy(struct touched *p)
{
    forget_relatives(p);
    n1_regions_finish(&p->regions);
    if (p->page_map >= 0)
        close(p->page_map);
    free(p);
}

/* Flags of /proc/PID/stat, field 9: PF_FORKNOEXEC says that it still shares its parent's image. */
static bool forked_without_exec(pid_t pid, pid_t *ret_parent)
{
    char path[40], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    text[n] = 0;
    const char *after = strrchr(text, ')');
    unsigned flags;
    int parent;
    if (!after || sscanf(after + 1, " %*c %d %*d %*d %*d %*d %u", &parent, &flags) != 2)
        return false;
    *ret_parent = parent;
    return flags & 0x40;
}

static void add_relative(struct touched *p, pid_t pid)
{
    char path[40];
    if (p->relative_count == RELATIVES)
        return;
    snprintf(path, sizeof path, "/proc/%d/pagemap", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        p->relatives[p->relative_count++] = (struct relative){pid, fd};
}

static void find_relatives(struct touched *p, const struct n1_target *t, n1_ns now)
{
    pid_t children[RELATIVES], parent;
    p->looked = now;
    forget_relatives(p);
    if (forked_without_exec(p->pid, &parent) && parent > 1)
        add_relative(p, parent);
    size_t n = n1_target_children(t, children, RELATIVES);
    for (size_t i = 0; i < n; i++)
        if (forked_without_exec(children[i], &parent))
            add_relative(p, children[i]);
}

/* The page was there before, shared with a relative that has it still: this fault made a copy. */
static bool is_copy(const struct touched *p, uint64_t address)
{
    for (size_t i = 0; i < p->relative_count; i++)
        if (n1_page_map_present(p->relatives[i].page_map, address))
            return true;
    return false;
}

static uint32_t kind_of(struct n1_touch *touch, struct touched *p, const struct n1_target *t,
                        const struct n1_raw_sample *raw, uint64_t address)
{
    const struct n1_region *region = n1_regions_find(&p->regions, address);
    if (!region && raw->time > p->regions.loaded + RELOAD_NS) {
        n1_regions_load(&p->regions, t->process->proc_fd, touch->now);
        region = n1_regions_find(&p->regions, address);
    }
    uint64_t sp = raw->user.regs[N1_REG_RSP];
    bool has_sp = raw->user.valid & 1u << N1_REG_RSP;
    if (!region) /* mapped and gone again since; files and stacks seldom are */
        return N1_MEMORY_ANON;
    switch (region->kind) {
    case N1_REGION_FILE:
    case N1_REGION_SPECIAL:
        return N1_MEMORY_FILE;
    case N1_REGION_DATA:
        return N1_MEMORY_COW;
    case N1_REGION_STACK:
        return N1_MEMORY_STACK;
    default:
        break;
    }
    if (is_copy(p, address))
        return N1_MEMORY_COW;
    /* stacks of threads are anonymous: what lies above the stack pointer in its own mapping */
    if (has_sp && region->kind == N1_REGION_ANON && sp >= region->start && sp < region->end &&
        address + RED_ZONE >= sp)
        return N1_MEMORY_STACK;
    return N1_MEMORY_ANON;
}

static struct touched *find(struct n1_touch *touch, pid_t pid)
{
    struct touched *p = touch->processes;
    while (p && p->pid != pid)
        p = p->next;
    return p;
}

static void on_fault(void *context, unsigned source, const struct n1_raw_sample *raw, uint64_t address)
{
    struct n1_touch *touch = context;
    struct n1_feed *feed = touch->feed;
    struct n1_target *t = n1_targets_find(feed->targets, raw->pid);
    struct touched *p = t ? find(touch, raw->pid) : NULL;
    (void)source;
    touch->window_samples++;
    if (!p)
        return;
    uint32_t slot = n1_feed_slot(feed, t, raw->tid, raw->time), flags = 0, leaf;
    if (!slot)
        return;
    struct n1_model_memory m = {.time = raw->time, .thread = slot, .address = address};
    m.kind = kind_of(touch, p, t, raw, address);
    bool huge = m.kind != N1_MEMORY_STACK && n1_page_map_huge(p->page_map, address) > 0;
    m.bytes = raw->weight_ns * (huge ? HUGE_PAGE : SMALL_PAGE);
    m.node = n1_feed_chain(feed, t, raw, &flags, &leaf);
    m.leaf = leaf;
    n1_writer_memory(feed->w, &m);
}

static int add(struct n1_touch *touch, const struct n1_target *t, struct n1_error *reterr)
{
    struct touched *p = calloc(1, sizeof *p);
    if (!p)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    p->pid = t->pid;
    p->page_map = n1_page_map_open(t->process->proc_fd);
    int rc = n1_side_add(touch->side, t->pid, t->process->proc_fd, reterr);
    if (rc < 0) {
        destroy(p);
        return rc;
    }
    n1_regions_load(&p->regions, t->process->proc_fd, n1_time_mono());
    find_relatives(p, t, n1_time_mono());
    p->next = touch->processes;
    touch->processes = p;
    return 0;
}

int n1_touch_start(struct n1_feed *feed, struct n1_touch **ret_touch, struct n1_error *reterr)
{
    struct n1_side_config config = {
        .sources = {{.type = PERF_TYPE_SOFTWARE,
                     .config = PERF_COUNT_SW_PAGE_FAULTS,
                     .period = PERIOD_LEAST,
                     .stack_bytes = STACK_BYTES,
                     .kernel = true}},
        .source_count = 1,
    };
    struct n1_touch *touch = calloc(1, sizeof *touch);
    if (!touch)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    touch->feed = feed;
    touch->period = PERIOD_LEAST;
    touch->window_ns = touch->now = n1_time_mono();
    int rc = n1_side_create(&config, on_fault, touch, &touch->side, reterr);
    size_t added = 0;
    for (size_t i = 0; rc == 0 && i < feed->targets->count; i++) {
        const struct n1_target *t = feed->targets->items[i];
        struct n1_error why = {0};
        int one = t->gone ? 0 : add(touch, t, added ? &why : reterr);
        if (one < 0 && !added)
            rc = one;
        added += one == 0 && !t->gone;
    }
    if (rc < 0) {
        n1_touch_stop(touch);
        return rc;
    }
    *ret_touch = touch;
    return 0;
}

void n1_touch_stop(struct n1_touch *touch)
{
    if (!touch)
        return;
    if (touch->side)
        n1_side_drain(touch->side, true);
    while (touch->processes) {
        struct touched *p = touch->processes;
        touch->processes = p->next;
        destroy(p);
    }
    n1_side_destroy(touch->side);
    free(touch);
}

int n1_touch_fd(const struct n1_touch *touch)
{
    return touch ? n1_side_fd(touch->side) : -1;
}

static void adapt(struct n1_touch *touch, n1_ns now)
{
    n1_ns ns = now - touch->window_ns;
    if (ns < N1_SECOND_NS / 4)
        return;
    uint64_t next = n1_touch_next_period(touch->period, touch->window_samples, ns);
    touch->window_ns = now;
    touch->window_samples = 0;
    if (next < touch->period && ++touch->quiet < QUIET_WINDOWS * 4)
        return;
    touch->quiet = 0;
    if (next == touch->period)
        return;
    touch->period = next;
    n1_side_drain(touch->side, true); /* what is there is of the old period */
    n1_side_set_period(touch->side, 0, next);
    touch->window_ns = n1_time_mono();
    touch->window_samples = 0;
}

void n1_touch_drain(struct n1_touch *touch)
{
    if (!touch)
        return;
    uint64_t before = n1_touch_lost(touch);
    touch->now = n1_time_mono();
    n1_side_drain(touch->side, false);
    touch->window_samples += n1_touch_lost(touch) - before;
    adapt(touch, touch->now);
}

void n1_touch_tick(struct n1_touch *touch, n1_ns now)
{
    if (!touch)
        return;
    struct n1_targets *targets = touch->feed->targets;
    touch->now = now;
    for (size_t i = 0; i < targets->count; i++) {
        const struct n1_target *t = targets->items[i];
        struct touched *p = find(touch, t->pid);
        struct n1_error why;
        if (t->gone)
            continue;
        if (!p && add(touch, t, &why) < 0) {
            n1_log(N1_LOG_WARN, "first_touch", "page faults of %d: %s", (int)t->pid, why.what);
        } else if (p && now >= p->looked + N1_SECOND_NS * (1 + p->regions.count / 4000)) {
            n1_regions_load(&p->regions, t->process->proc_fd, now);
            find_relatives(p, t, now);
        }
    }
}

void n1_touch_forget(struct n1_touch *touch, pid_t pid)
{
    for (struct touched **at = touch ? &touch->processes : NULL; at && *at; at = &(*at)->next) {
        struct touched *p = *at;
        if (p->pid != pid)
            continue;
        *at = p->next;
        n1_side_remove(touch->side, pid);
        destroy(p);
        return;
    }
}

uint64_t n1_touch_period(const struct n1_touch *touch)
{
    return touch->period;
}

uint64_t n1_touch_lost(const struct n1_touch *touch)
{
    struct n1_side_stats stats;
    n1_side_stats(touch->side, &stats);
    return stats.lost;
}

size_t n1_touch_pinned(const struct n1_touch *touch)
{
    struct n1_side_stats stats;
    n1_side_stats(touch->side, &stats);
    return stats.pinned_bytes;
}
