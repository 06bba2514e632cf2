/*
 * Chains to nodes: the tree half of the fold. A chain of the model is walked up only until a chain already
 * known; parents have smaller ids than their children (the reader checks it), so the walk ends on hostile
 * bytes too. Siblings are put in order of names by one counting sort over all nodes, when something new has
 * come.
 */
#include "core/analysis/fold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int grow_by_child(struct n1_fold *f)
{
    size_t cap = f->by_child_cap * 2;
    uint32_t *table = calloc(cap, sizeof *table);
    if (!table)
        return -ENOMEM;
    for (size_t n = 2; n < f->node_count; n++) {
        uint64_t key = (uint64_t)f->nodes[n].parent << 32 | f->nodes[n].function;
        size_t i = n1_fold_mix(key) & (cap - 1);
        while (table[i])
            i = (i + 1) & (cap - 1);
        table[i] = (uint32_t)n + 1;
    }
    free(f->by_child);
    f->by_child = table;
    f->by_child_cap = cap;
    return 0;
}

static uint32_t child(struct n1_fold *f, uint32_t parent, uint32_t function)
{
    uint64_t hash = n1_fold_mix((uint64_t)parent << 32 | function);
    size_t i = hash & (f->by_child_cap - 1);
    for (; f->by_child[i]; i = (i + 1) & (f->by_child_cap - 1)) {
        const struct n1_fold_node *n = &f->nodes[f->by_child[i] - 1];
        if (n->parent == parent && n->function == function)
            return f->by_child[i] - 1;
    }
    /* the top three bits of an index are left to holders for flags */
    if (f->node_count >= UINT32_C(0x1ffffffe) ||
        n1_fold_reserve((void **)&f->nodes, &f->node_cap, f->node_count + 1, sizeof *f->nodes))
        return N1_FOLD_NONE;
    if ((f->node_count + 1) * 2 > f->by_child_cap) {
        if (grow_by_child(f))
            return N1_FOLD_NONE;
        for (i = hash & (f->by_child_cap - 1); f->by_child[i]; i = (i + 1) & (f->by_child_cap - 1))
            ;
    }
    f->nodes[f->node_count] = (struct n1_fold_node){
        .parent = parent,
        .function = function,
        .depth = f->nodes[parent].depth + 1,
        .match = f->nodes[parent].match || f->functions[function].match,
    };
    if (!f->text)
        f->nodes[f->node_count].match = true;
    f->by_child[i] = (uint32_t)++f->node_count;
    return (uint32_t)f->node_count - 1;
}

/* `leaf`: of a sample, which the evaluation loop may be when no Python stack could be had. */
static bool hidden(const struct n1_fold *f, uint32_t function, bool leaf)
{
    static const char loop[] = "_PyEval_EvalFrameDefault";
    const struct n1_fold_function *fn = &f->functions[function];
    bool python = fn->kind == N1_KIND_PYTHON || fn->kind == N1_KIND_GC;
    switch (f->shown) {
    case N1_FRAMES_PYTHON:
        return !python;
    case N1_FRAMES_NATIVE:
        return fn->kind == N1_KIND_PYTHON;
    default:
        return !leaf && fn->kind == N1_KIND_NATIVE && fn->name && !strncmp(fn->name, loop, sizeof loop - 1);
    }
}

static uint32_t chain(struct n1_fold *f, struct n1_reader *r, uint32_t node, bool truncated)
{
    struct n1_fold_memo *memo = truncated ? &f->truncated : &f->chains;
    uint64_t head = n1_reader_count(r, N1_SEGMENT_NODES, NULL);
    uint32_t at = truncated ? N1_FOLD_TRUNCATED : N1_FOLD_ROOT;
    size_t up = 0;
    struct n1_model_node n;
    if (node < memo->count && memo->slot[node])
        return memo->slot[node] - 1;
    for (uint32_t id = node; id != 0; id = n.parent) {
        if (id < memo->count && memo->slot[id]) {
            at = memo->slot[id] - 1;
            break;
        }
        if (!n1_reader_node(r, id, &n) || n.parent >= id)
            break;
        if (n1_fold_reserve((void **)&f->walk, &f->walk_cap, 2 * (up + 1), sizeof *f->walk))
            return N1_FOLD_NONE;
        f->walk[2 * up] = id;
        f->walk[2 * up + 1] = n.frame;
        up++;
    }
    if (up == 0)
        return at;
    if (node >= memo->count) {
        size_t want = (size_t)head + (size_t)head / 8 + 64;
        want = want > node ? want : (size_t)node + 64;
        uint32_t *grown = reallocarray(memo->slot, want, sizeof *grown);
        if (!grown)
            return N1_FOLD_NONE;
        memset(grown + memo->count, 0, (want - memo->count) * sizeof *grown);
        memo->slot = grown;
        memo->count = want;
    }
    while (up-- > 0) {
        uint32_t function = n1_fold_frame(f, r, f->walk[2 * up + 1]);
        if (function == N1_FOLD_NONE)
            return function;
        if (!hidden(f, function, false))
            at = child(f, at, function);
        if (at == N1_FOLD_NONE)
            return at;
        memo->slot[f->walk[2 * up]] = at + 1;
    }
    return at;
}

uint32_t n1_fold_stack(struct n1_fold *f, struct n1_reader *r, uint32_t node, uint32_t leaf, bool truncated)
{
    uint32_t at = chain(f, r, node, truncated);
    if (at == N1_FOLD_NONE)
        return at;
    uint32_t function = n1_fold_frame(f, r, leaf);
    if (function == N1_FOLD_NONE)
        return function;
    return at > N1_FOLD_TRUNCATED && hidden(f, function, true) ? at : child(f, at, function);
}

bool n1_fold_matches(const struct n1_fold *f, const struct n1_fold_function *function)
{
    if (!f->text)
        return true;
    const char *name = function->name ? function->name : "";
    if (f->is_regex)
        return regexec(&f->regex, name, 0, NULL, 0) == 0 ||
               regexec(&f->regex, function->path, 0, NULL, 0) == 0;
    return strcasestr(name, f->text) || strcasestr(function->path, f->text);
}

int n1_fold_filter(struct n1_fold *f, const char *text, bool regex, struct n1_error *reterr)
{
    char *copy = NULL;
    regex_t compiled;
    if (text && !*text)
        text = NULL;
    if (!text && !f->text)
        return 0;
    if (text && f->text && regex == f->is_regex && strcmp(text, f->text) == 0)
        return 0;
    if (text) {
        copy = strdup(text);
        if (!copy)
            return n1_error_set(reterr, -ENOMEM, "no memory for the filter");
        int bad = regex ? regcomp(&compiled, text, REG_EXTENDED | REG_ICASE | REG_NOSUB) : 0;
        if (bad) {
            char why[128];
            regerror(bad, &compiled, why, sizeof why);
            free(copy);
            return n1_error_hint(reterr, N1_E_USAGE, "see regex(7) for extended regular expressions",
                                 "bad regular expression: %s", why);
        }
    }
    if (f->text && f->is_regex)
        regfree(&f->regex);
    free(f->text);
    f->text = copy;
    f->is_regex = text && regex;
    if (f->is_regex)
        f->regex = compiled;
    for (size_t i = 0; i < f->function_count; i++)
        f->functions[i].match = n1_fold_matches(f, &f->functions[i]);
    for (size_t i = 0; i < f->node_count; i++) {
        struct n1_fold_node *n = &f->nodes[i];
        n->match = !f->text || (i >= 2 && (f->nodes[n->parent].match || f->functions[n->function].match));
    }
    return 0;
}

static int by_name(const void *a, const void *b, void *context)
{
    const struct n1_fold_function *functions = context;
    const struct n1_fold_function *x = &functions[*(const uint32_t *)a],
                                  *y = &functions[*(const uint32_t *)b];
    int order = strcmp(x->name, y->name);
    if (order == 0)
        order = strcmp(x->path, y->path);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

/* Ranks from 1; 0 is the place of [truncated], before every name. */
static int rank_functions(struct n1_fold *f)
{
    if (f->ranked == f->function_count)
        return 0;
    uint32_t *order = reallocarray(NULL, f->function_count, sizeof *order);
    if (!order)
        return -ENOMEM;
    for (size_t i = 0; i < f->function_count; i++)
        order[i] = (uint32_t)i;
    qsort_r(order, f->function_count, sizeof *order, by_name, f->functions);
    for (size_t i = 0; i < f->function_count; i++)
        f->functions[order[i]].rank = (uint32_t)i + 1;
    free(order);
    f->ranked = f->function_count;
    return 0;
}

int n1_fold_order(struct n1_fold *f)
{
    if (f->ordered == f->node_count && f->ranked == f->function_count)
        return 0;
    if (rank_functions(f))
        return -ENOMEM;
    size_t buckets = f->function_count + 2;
    uint32_t *start = calloc(buckets, sizeof *start);
    uint32_t *sorted = reallocarray(NULL, f->node_count, sizeof *sorted);
    if (!start || !sorted) {
        free(start);
        free(sorted);
        return -ENOMEM;
    }
    for (size_t i = 1; i < f->node_count; i++) {
        uint32_t function = f->nodes[i].function;
        start[(function == N1_FOLD_NONE ? 0 : f->functions[function].rank) + 1]++;
    }
    for (size_t i = 1; i < buckets; i++)
        start[i] += start[i - 1];
    for (size_t i = 1; i < f->node_count; i++) {
        uint32_t function = f->nodes[i].function;
        sorted[start[function == N1_FOLD_NONE ? 0 : f->functions[function].rank]++] = (uint32_t)i;
    }
    for (size_t i = 0; i < f->node_count; i++)
        f->nodes[i].first_child = f->nodes[i].next_sibling = 0;
    for (size_t i = f->node_count - 1; i-- > 0;) { /* last name first, each put before its siblings */
        struct n1_fold_node *n = &f->nodes[sorted[i]];
        n->next_sibling = f->nodes[n->parent].first_child;
        f->nodes[n->parent].first_child = sorted[i];
    }
    free(start);
    free(sorted);
    f->ordered = f->node_count;
    return 0;
}
