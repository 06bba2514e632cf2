/*
 * Budgets: by itself tracing may cost two hundredths of a CPU, on request half of one.
 */
#include "sampler/memory/leaks.h"

#include <stdio.h>
#include <string.h>

#define BUDGET 0.02
#define BUDGET_ASKED 0.5
#define LARGE (UINT64_C(1) << 20)
enum { PUBLISHED_MOST = 256 };

int n1_leaks_begin(struct n1_leaks *leaks, struct n1_feed *feed, struct n1_target *t,
                   enum n1_control_leaks how, struct n1_error *reterr)
{
    n1_leaks_end(leaks);
    leaks->feed = feed;
    leaks->target = t;
    n1_regions_load(&leaks->before, t->process->proc_fd, n1_time_mono());
    if (how == N1_LEAKS_NO_TRACE)
        return 0;
    int rc = n1_allocations_start(feed, t, how == N1_LEAKS_TRACE ? BUDGET_ASKED : BUDGET, &leaks->allocations,
                                  reterr);
    leaks->undecided = rc == 0;
    return rc < 0 ? rc : 1;
}

static void over_budget(const struct n1_allocations_cost *cost, struct n1_error *reterr, const char *what)
{
    n1_error_hint(reterr, N1_E_FAILED, "--trace does it at up to half a CPU",
                  "%s: %.0f calls of the allocator a second would cost the process %.1f %% of a CPU", what,
                  cost->calls_per_s, 100 * cost->cpu);
}

int n1_leaks_drain(struct n1_leaks *leaks, struct n1_error *reterr)
{
    *reterr = (struct n1_error){0};
    if (!leaks->allocations)
        return 0;
    enum n1_allocations_state state = n1_allocations_drain(leaks->allocations);
    struct n1_allocations_cost cost = n1_allocations_cost(leaks->allocations);
    if (state == N1_ALLOCATIONS_COUNTING)
        return 0;
    if (leaks->undecided) {
        leaks->undecided = false;
        if (state == N1_ALLOCATIONS_REFUSED)
            over_budget(&cost, reterr, "the allocator is not traced");
        else if (state == N1_ALLOCATIONS_STOPPED)
            n1_error_set(reterr, N1_E_FAILED, "the allocator cannot be traced");
        return 1;
    }
    if (state != N1_ALLOCATIONS_STOPPED || leaks->told)
        return 0;
    leaks->told = true;
    over_budget(&cost, reterr, "tracing ended");
    return 2;
}

int n1_leaks_fd(const struct n1_leaks *leaks)
{
    return n1_allocations_fd(leaks->allocations);
}

static bool is_memory(const struct n1_region *region)
{
    return region->kind == N1_REGION_ANON || region->kind == N1_REGION_HEAP ||
           region->kind == N1_REGION_SHARED;
}

/* Bytes of `region` that were mapped before, by whatever mappings. */
static uint64_t bytes_before(const struct n1_regions *before, const struct n1_region *region)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < before->count; i++) {
        const struct n1_region *old = &before->list[i];
        uint64_t from = old->start > region->start ? old->start : region->start;
        uint64_t to = old->end < region->end ? old->end : region->end;
        if (from < to)
            sum += to - from;
    }
    return sum;
}

static void publish_mappings(struct n1_leaks *leaks)
{
    struct n1_regions after = {0};
    n1_ns now = n1_time_mono();
    size_t published = 0;
    struct n1_target *t = leaks->target;
    if (t->gone || !leaks->before.count || n1_regions_load(&after, t->process->proc_fd, now) < 0)
        return;
    for (size_t i = 0; i < after.count && published < PUBLISHED_MOST; i++) {
        const struct n1_region *region = &after.list[i];
        uint64_t size = region->end - region->start;
        uint64_t before = size >= LARGE && is_memory(region) ? bytes_before(&leaks->before, region) : size;
        if (size - before < LARGE)
            continue;
        struct n1_model_memory m = {.time = now,
                                    .bytes = size - before,
                                    .address = region->start,
                                    .kind = N1_MEMORY_MAPPED,
                                    .thread = n1_feed_slot(leaks->feed, t, t->pid, now)};
        n1_writer_memory(leaks->feed->w, &m);
        published++;
    }
    n1_regions_finish(&after);
}

void n1_leaks_end(struct n1_leaks *leaks)
{
    if (!leaks->target)
        return;
    if (leaks->allocations) {
        n1_allocations_drain(leaks->allocations);
        n1_allocations_publish(leaks->allocations);
    }
    n1_allocations_destroy(leaks->allocations);
    publish_mappings(leaks);
    n1_regions_finish(&leaks->before);
    *leaks = (struct n1_leaks){0};
}
