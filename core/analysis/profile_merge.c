/*
 * From counts by (chain, leaf) to the figures that are shown: the fold's nodes get sums, parents get their
 * children's, and one walk in the order of names writes out what has samples. A function's total takes only
 * the topmost of its nodes on a way down, so recursion counts once.
 */
#include "core/analysis/profile_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room in an array of the profile that has its capacity beside it. */
#define RESERVE(p, name, need) n1_fold_reserve((void **)&(p)->name, &(p)->name##_cap, need, sizeof *(p)->name)

/* Gives every entry that counts its node. */
static int resolve(struct n1_profile_state *s, struct n1_reader *r)
{
    n1_fold_refresh(&s->fold, r);
    if (s->epoch != s->fold.epoch) {
        n1_tally_void_nodes(&s->tally);
        s->epoch = s->fold.epoch;
    }
    for (size_t i = 0; i < s->tally.count; i++) {
        struct n1_tally_entry *e = &s->tally.entries[i];
        if (e->count == 0 || e->bits >> N1_TALLY_SHIFT)
            continue;
        uint32_t node = n1_fold_stack(&s->fold, r, e->node, e->leaf, e->bits & N1_TALLY_TRUNCATED);
        if (node == N1_FOLD_NONE)
            return -ENOMEM;
        e->bits |= (node + 1) << N1_TALLY_SHIFT;
    }
    return n1_fold_order(&s->fold);
}

static void sum_entries(struct n1_profile *p, const struct n1_profile_state *s, uint32_t kinds,
                        struct n1_profile_summary *sum)
{
    for (size_t i = 0; i < s->tally.count; i++) {
        const struct n1_tally_entry *e = &s->tally.entries[i];
        if (e->count == 0)
            continue;
        uint32_t at = (e->bits >> N1_TALLY_SHIFT) - 1;
        const struct n1_fold_node *n = &s->fold.nodes[at];
        if (!n->match || (kinds && !(kinds >> s->fold.functions[n->function].kind & 1)))
            continue;
        p->of_node[at].self_ns += e->ns;
        p->of_node[at].self_samples += e->count;
        p->of_function[n->function].self_ns += e->ns;
        p->of_function[n->function].self_samples += e->count;
        sum->samples += e->count;
        sum->weight_ns += e->ns;
        sum->truncated += e->bits & N1_TALLY_TRUNCATED ? e->count : 0;
        sum->in_kernel += e->bits & N1_TALLY_IN_KERNEL ? e->count : 0;
        sum->kernel_hidden_ns += e->bits & N1_TALLY_HIDDEN ? e->ns : 0;
    }
    for (size_t i = s->fold.node_count; i-- > 0;) {
        struct n1_profile_sum *n = &p->of_node[i];
        n->total_ns += n->self_ns;
        n->total_samples += n->self_samples;
        if (i > 0) {
            p->of_node[s->fold.nodes[i].parent].total_ns += n->total_ns;
            p->of_node[s->fold.nodes[i].parent].total_samples += n->total_samples;
        }
    }
}

static void enter(struct n1_profile *p, uint32_t function, const struct n1_profile_sum *sum)
{
    if (function == N1_FOLD_NONE || p->active[function]++ > 0)
        return;
    p->of_function[function].total_ns += sum->total_ns;
    p->of_function[function].total_samples += sum->total_samples;
}

static void leave(struct n1_profile *p, uint32_t function)
{
    if (function != N1_FOLD_NONE)
        p->active[function]--;
}

/* The first of `at` and its later siblings that has samples; 0: none. */
static uint32_t seen(const struct n1_profile *p, const struct n1_fold *fold, uint32_t at)
{
    while (at && p->of_node[at].total_samples == 0)
        at = fold->nodes[at].next_sibling;
    return at;
}

static void write_node(struct n1_profile *p, const struct n1_fold_node *n, const struct n1_profile_sum *sum,
                       uint32_t parent)
{
    uint32_t index = (uint32_t)p->node_count++;
    p->nodes[index] = (struct n1_profile_node){
        .parent = parent,
        .function = n->function,
        .depth = n->depth,
        .self_ns = sum->self_ns,
        .total_ns = sum->total_ns,
        .samples = sum->total_samples,
    };
    p->youngest[index] = 0;
    if (index == 0)
        return;
    if (p->youngest[parent])
        p->nodes[p->youngest[parent]].next_sibling = index;
    else
        p->nodes[parent].first_child = index;
    p->youngest[parent] = index;
}

/* Writes out the nodes with samples, parents before children, siblings in order. */
static void write_nodes(struct n1_profile *p, const struct n1_fold *fold)
{
    uint32_t at = 0, parent = 0;
    p->node_count = 0;
    for (;;) {
        const struct n1_fold_node *n = &fold->nodes[at];
        write_node(p, n, &p->of_node[at], parent);
        enter(p, n->function, &p->of_node[at]);
        uint32_t next = seen(p, fold, n->first_child);
        if (next) {
            parent = (uint32_t)p->node_count - 1;
            at = next;
            continue;
        }
        for (;;) {
            leave(p, fold->nodes[at].function);
            if (at == 0)
                return;
            next = seen(p, fold, fold->nodes[at].next_sibling);
            if (next)
                break;
            at = fold->nodes[at].parent;
            parent = p->nodes[parent].parent;
        }
        at = next;
    }
}

struct ordering {
    const struct n1_profile_sum *sums;
    const struct n1_fold_function *functions;
};

static int by_self(const void *a, const void *b, void *context)
{
    const struct ordering *o = context;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const struct n1_profile_sum *s = &o->sums[x], *t = &o->sums[y];
    if (s->self_ns != t->self_ns)
        return s->self_ns < t->self_ns ? 1 : -1;
    if (s->total_ns != t->total_ns)
        return s->total_ns < t->total_ns ? 1 : -1;
    return o->functions[x].rank < o->functions[y].rank ? -1 : 1;
}

static void write_functions(struct n1_profile *p, const struct n1_fold *fold)
{
    size_t count = 0;
    for (size_t i = 0; i < fold->function_count; i++) {
        p->place[i] = N1_FOLD_NONE;
        if (p->of_function[i].total_samples > 0)
            p->order[count++] = (uint32_t)i;
    }
    struct ordering ordering = {p->of_function, fold->functions};
    qsort_r(p->order, count, sizeof *p->order, by_self, &ordering);
    for (size_t i = 0; i < count; i++) {
        const struct n1_fold_function *f = &fold->functions[p->order[i]];
        const struct n1_profile_sum *sum = &p->of_function[p->order[i]];
        p->place[p->order[i]] = (uint32_t)i;
        p->functions[i] = (struct n1_profile_function){
            .id = f->id,
            .function = f->function,
            .frame = f->frame,
            .module = f->module,
            .kind = (enum n1_function_kind)f->kind,
            .name = f->name,
            .module_name = f->module_name,
            .self_ns = sum->self_ns,
            .total_ns = sum->total_ns,
            .self_samples = sum->self_samples,
            .total_samples = sum->total_samples,
        };
    }
    p->function_count = count;
    p->placed = fold->function_count;
    for (size_t i = 0; i < p->node_count; i++)
        if (p->nodes[i].function != N1_FOLD_NONE)
            p->nodes[i].function = p->place[p->nodes[i].function];
}

int n1_profile_merge(struct n1_profile *p, struct n1_profile_state *s, struct n1_reader *r, uint32_t kinds,
                     const struct n1_span *span, struct n1_error *reterr)
{
    if (resolve(s, r))
        return n1_error_set(reterr, -ENOMEM, "no memory for the stacks of a profile");
    size_t functions = s->fold.function_count, nodes = s->fold.node_count;
    if (RESERVE(p, functions, functions) || RESERVE(p, nodes, nodes) || RESERVE(p, place, functions) ||
        RESERVE(p, active, functions) || RESERVE(p, order, functions) ||
        RESERVE(p, of_function, functions + 1) || RESERVE(p, of_node, nodes) || RESERVE(p, youngest, nodes))
        return n1_error_set(reterr, -ENOMEM, "no memory for the figures of a profile");
    int rc = n1_reader_end(r);
    if (rc)
        return n1_error_set(reterr, rc, "the model changed while it was read");

    memset(p->active, 0, functions * sizeof *p->active);
    memset(p->of_function, 0, (functions + 1) * sizeof *p->of_function);
    memset(p->of_node, 0, nodes * sizeof *p->of_node);
    p->summary = (struct n1_profile_summary){
        .window = span->window,
        .resolution = span->resolution,
        .all_samples = s->all_samples,
        .all_ns = s->all_ns,
        .lost = s->lost,
    };
    sum_entries(p, s, kinds, &p->summary);
    write_nodes(p, &s->fold);
    write_functions(p, &s->fold);
    if (p->shown != s) {
        n1_profile_state_destroy(p->shown);
        p->shown = s;
    }
    return 0;
}
