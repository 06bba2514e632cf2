/*
 * Questions to the figures of a profile: callers and callees of a function, what grew against another
 * profile. The shown nodes lie in pre-order, so one pass with a stack of the open nodes of the function is
 * enough; an edge that is open twice on a way down counts once.
 */
#include "core/analysis/profile_private.h"

#include "n1/stat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct n1_profile_summary *n1_profile_summary(const struct n1_profile *p)
{
    return &p->summary;
}

const struct n1_profile_function *n1_profile_functions(const struct n1_profile *p, size_t *ret_count)
{
    *ret_count = p->function_count;
    return p->functions;
}

const struct n1_profile_node *n1_profile_nodes(const struct n1_profile *p, size_t *ret_count)
{
    *ret_count = p->node_count;
    return p->nodes;
}

ptrdiff_t n1_profile_find(const struct n1_profile *p, uint64_t id)
{
    if (!p->shown)
        return -1;
    uint32_t function = n1_fold_find(&p->shown->fold, id);
    /* the fold may have grown in an update that failed after the last good one */
    if (function == N1_FOLD_NONE || function >= p->placed || p->place[function] == N1_FOLD_NONE)
        return -1;
    return (ptrdiff_t)p->place[function];
}

struct edges {
    uint64_t *ns, *samples; /* by function, the last slot is UINT32_MAX's */
    uint32_t *open;         /* how often the edge lies on the way down */
    size_t slots;
};

static bool edges_init(struct edges *e, size_t functions)
{
    e->slots = functions + 1;
    e->ns = calloc(e->slots, sizeof *e->ns);
    e->samples = calloc(e->slots, sizeof *e->samples);
    e->open = calloc(e->slots, sizeof *e->open);
    return e->ns && e->samples && e->open;
}

static int by_time(const void *a, const void *b)
{
    const struct n1_profile_edge *x = a, *y = b;
    if (x->ns != y->ns)
        return x->ns < y->ns ? 1 : -1;
    if (x->samples != y->samples)
        return x->samples < y->samples ? 1 : -1;
    return (x->function > y->function) - (x->function < y->function);
}

static size_t edges_finish(struct edges *e, struct n1_profile_edge *ret, size_t cap)
{
    size_t count = 0, kept = 0;
    struct n1_profile_edge *all = e->open ? reallocarray(NULL, e->slots, sizeof *all) : NULL;
    for (size_t i = 0; all && i < e->slots; i++) {
        uint32_t function = i + 1 == e->slots ? UINT32_MAX : (uint32_t)i;
        if (e->samples[i])
            all[count++] = (struct n1_profile_edge){function, e->ns[i], e->samples[i]};
    }
    if (count)
        qsort(all, count, sizeof *all, by_time);
    for (; kept < count && kept < cap; kept++)
        ret[kept] = all[kept];
    free(all);
    free(e->ns);
    free(e->samples);
    free(e->open);
    return count;
}

/* Adds, for every node that makes an edge, its time to the edge's slot, unless the edge is open above it. */
static void collect(const struct n1_profile *p, size_t function, bool callers, struct edges *e,
                    uint32_t *open)
{
    size_t depth = 0; /* of `open`: nodes on the way down that make an edge */
    for (size_t i = 1; i < p->node_count; i++) {
        const struct n1_profile_node *n = &p->nodes[i];
        uint32_t caller = p->nodes[n->parent].function;
        while (depth > 0 && p->nodes[open[depth - 1]].depth >= n->depth) {
            const struct n1_profile_node *left = &p->nodes[open[--depth]];
            uint32_t end = callers ? p->nodes[left->parent].function : left->function;
            e->open[end == UINT32_MAX ? e->slots - 1 : end]--;
        }
        if ((callers ? n->function : caller) != function)
            continue;
        uint32_t end = callers ? caller : n->function;
        size_t slot = end == UINT32_MAX ? e->slots - 1 : end;
        open[depth++] = (uint32_t)i;
        if (e->open[slot]++ > 0)
            continue;
        e->ns[slot] += n->total_ns;
        e->samples[slot] += n->samples;
    }
}

static size_t ask(const struct n1_profile *p, size_t function, bool callers, struct n1_profile_edge *ret,
                  size_t cap)
{
    struct edges e = {0};
    if (function >= p->function_count)
        return 0;
    uint32_t *open = reallocarray(NULL, p->node_count, sizeof *open);
    if (edges_init(&e, p->function_count) && open) {
        collect(p, function, callers, &e, open);
        if (!callers) {
            e.ns[e.slots - 1] = p->functions[function].self_ns;
            e.samples[e.slots - 1] = p->functions[function].self_samples;
        }
    }
    free(open);
    return edges_finish(&e, ret, cap);
}

size_t n1_profile_callers(const struct n1_profile *p, size_t function, struct n1_profile_edge *ret,
                          size_t cap)
{
    return ask(p, function, true, ret, cap);
}

size_t n1_profile_callees(const struct n1_profile *p, size_t function, struct n1_profile_edge *ret,
                          size_t cap)
{
    return ask(p, function, false, ret, cap);
}

double n1_profile_share_error(uint64_t part, uint64_t whole)
{
    double low, high;
    n1_stat_wilson(part, whole, &low, &high);
    return (high - low) / 2;
}
