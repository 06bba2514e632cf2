/*
 * Seconds of the past by function, from the per-second rows. A row is kept as a mark of its (chain, leaf) in
 * its second, newest first; a question walks the marks of the chains that hold the function. New rows are
 * appended, old ones are passed over until they are the greater part, then all is read anew.
 */
#include "core/analysis/fold.h"
#include "core/analysis/pass.h"
#include "core/analysis/span.h"
#include "core/analysis/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct mark {
    uint64_t ns;
    uint32_t second;
    uint32_t older; /* the key's mark before, plus one; 0: none */
};

/* The marks once more, in the order of keys_ordered: made when many questions are asked between two updates
 * (a report asks for every function), because a walk along chains of marks misses the cache at every step. */
struct runs {
    uint32_t asked;  /* since the last update */
    uint32_t *start; /* by place in keys_ordered; NULL: not made */
    uint32_t *second;
    uint64_t *ns;
};
#define MANY 64

struct n1_history {
    struct n1_fold fold;
    struct n1_tally keys;
    struct n1_pass pass;
    const struct n1_reader *reader;
    uint64_t generation, created, epoch;
    bool usable;
    struct n1_range rows;
    struct mark *marks;
    uint32_t *newest; /* by key: its newest mark, plus one */
    uint64_t *all;    /* by second from `base` */
    /* The order of the way down: a node's position, the last position below it, the first key at a position …
     */
    uint32_t *position, *by_position, *last, *key_start, *keys_ordered;
    uint32_t *node_start, *nodes_ordered; /* … and a function's nodes, in that order */
    size_t indexed_nodes, indexed_keys;
    struct runs *runs;
    size_t mark_count, mark_cap, newest_cap, all_cap;
    size_t position_cap, by_position_cap, last_cap, key_start_cap, keys_ordered_cap, node_start_cap,
        nodes_ordered_cap;
    uint32_t base, first, end; /* seconds: of all[0], of the answers */
    uint32_t kinds;
};

struct n1_history *n1_history_create(void)
{
    struct n1_history *h = calloc(1, sizeof *h);
    if (h)
        h->runs = calloc(1, sizeof *h->runs);
    if (h && !h->runs) {
        free(h);
        return NULL;
    }
    return h;
}

static void drop_runs(struct runs *runs)
{
    free(runs->start);
    free(runs->second);
    free(runs->ns);
    *runs = (struct runs){0};
}

static void clear(struct n1_history *h)
{
    n1_tally_clear(&h->keys);
    h->mark_count = 0;
    h->rows = (struct n1_range){0, 0};
    h->base = h->first = h->end = 0;
    h->indexed_nodes = h->indexed_keys = 0;
}

static void forget(struct n1_history *h)
{
    n1_fold_finish(&h->fold);
    n1_tally_finish(&h->keys);
    n1_pass_finish(&h->pass);
    h->usable = false;
    clear(h);
}

void n1_history_destroy(struct n1_history *h)
{
    if (!h)
        return;
    forget(h);
    drop_runs(h->runs);
    free(h->runs);
    free(h->marks);
    free(h->newest);
    free(h->all);
    free(h->position);
    free(h->by_position);
    free(h->last);
    free(h->key_start);
    free(h->keys_ordered);
    free(h->node_start);
    free(h->nodes_ordered);
    free(h);
}

static int add(void *context, const struct n1_span_entry *e)
{
    struct n1_history *h = context;
    if (e->second < h->first || e->second >= h->end)
        return 0;
    h->all[e->second - h->base] += e->ns;
    int pass = n1_pass_thread(&h->pass, h->reader, e->thread);
    if (pass != 1)
        return pass;
    size_t keys = h->keys.count;
    size_t key =
        n1_tally_at(&h->keys, e->node, e->leaf, e->flags & N1_SAMPLE_TRUNCATED ? N1_TALLY_TRUNCATED : 0);
    if (key == SIZE_MAX || h->mark_count >= UINT32_MAX - 1 ||
        n1_fold_reserve((void **)&h->newest, &h->newest_cap, key + 1, sizeof *h->newest) ||
        n1_fold_reserve((void **)&h->marks, &h->mark_cap, h->mark_count + 1, sizeof *h->marks))
        return -ENOMEM;
    if (key >= keys)
        h->newest[key] = 0;
    struct mark *last = h->newest[key] ? &h->marks[h->newest[key] - 1] : NULL;
    if (last && last->second == e->second) {
        last->ns += e->ns;
        return 0;
    }
    h->marks[h->mark_count++] = (struct mark){e->ns, e->second, h->newest[key]};
    h->newest[key] = (uint32_t)h->mark_count;
    return 0;
}

#define RESERVE(h, name, need) n1_fold_reserve((void **)&(h)->name, &(h)->name##_cap, need, sizeof *(h)->name)

static uint32_t node_of(const struct n1_history *h, size_t key)
{
    return (h->keys.entries[key].bits >> N1_TALLY_SHIFT) - 1;
}

/* Numbers the nodes in pre-order; `last` is the largest number of a subtree. */
static void number_nodes(struct n1_history *h)
{
    const struct n1_fold_node *nodes = h->fold.nodes;
    uint32_t next = 0;
    for (uint32_t at = 0;;) {
        h->position[at] = h->last[at] = next;
        h->by_position[next++] = at;
        if (nodes[at].first_child) {
            at = nodes[at].first_child;
            continue;
        }
        while (at && !nodes[at].next_sibling)
            at = nodes[at].parent;
        if (at == 0)
            break;
        at = nodes[at].next_sibling;
    }
    for (size_t i = h->fold.node_count; i-- > 1;)
        if (h->last[i] > h->last[nodes[i].parent])
            h->last[nodes[i].parent] = h->last[i];
}

static int make_index(struct n1_history *h)
{
    size_t nodes = h->fold.node_count, functions = h->fold.function_count, keys = h->keys.count;
    if (h->indexed_nodes == nodes && h->indexed_keys == keys)
        return 0;
    if (n1_fold_order(&h->fold) || RESERVE(h, position, nodes) || RESERVE(h, by_position, nodes) ||
        RESERVE(h, last, nodes) || RESERVE(h, key_start, nodes + 2) || RESERVE(h, keys_ordered, keys + 1) ||
        RESERVE(h, node_start, functions + 2) || RESERVE(h, nodes_ordered, nodes))
        return -ENOMEM;
    number_nodes(h);
    /* counting sorts: sums of counts shifted by one become starts while the places are filled */
    memset(h->key_start, 0, (nodes + 2) * sizeof *h->key_start);
    memset(h->node_start, 0, (functions + 2) * sizeof *h->node_start);
    for (size_t k = 0; k < keys; k++)
        h->key_start[h->position[node_of(h, k)] + 2]++;
    for (size_t n = 2; n < nodes; n++)
        h->node_start[h->fold.nodes[n].function + 2]++;
    for (size_t i = 2; i < nodes + 2; i++)
        h->key_start[i] += h->key_start[i - 1];
    for (size_t i = 2; i < functions + 2; i++)
        h->node_start[i] += h->node_start[i - 1];
    for (size_t k = 0; k < keys; k++)
        h->keys_ordered[h->key_start[h->position[node_of(h, k)] + 1]++] = (uint32_t)k;
    for (size_t p = 0; p < nodes; p++) { /* in pre-order, so that a node follows those it lies below */
        uint32_t node = h->by_position[p];
        if (h->fold.nodes[node].function != N1_FOLD_NONE)
            h->nodes_ordered[h->node_start[h->fold.nodes[node].function + 1]++] = node;
    }
    h->indexed_nodes = nodes;
    h->indexed_keys = keys;
    return 0;
}

static int resolve(struct n1_history *h, struct n1_reader *r)
{
    n1_fold_refresh(&h->fold, r);
    if (h->epoch != h->fold.epoch) {
        n1_tally_void_nodes(&h->keys);
        h->indexed_nodes = h->indexed_keys = 0;
    }
    h->epoch = h->fold.epoch;
    for (size_t i = 0; i < h->keys.count; i++) {
        struct n1_tally_entry *e = &h->keys.entries[i];
        if (e->bits >> N1_TALLY_SHIFT)
            continue;
        uint32_t node = n1_fold_stack(&h->fold, r, e->node, e->leaf, e->bits & N1_TALLY_TRUNCATED);
        if (node == N1_FOLD_NONE)
            return -ENOMEM;
        e->bits |= (node + 1) << N1_TALLY_SHIFT;
    }
    return make_index(h);
}

static int read_rows(struct n1_history *h, struct n1_reader *r, uint32_t first, uint32_t end,
                     struct n1_range rows)
{
    struct n1_range more = {h->rows.to, rows.to};
    uint64_t lost = 0;
    if (h->end == 0 || first < h->first || end < h->end || rows.from > h->rows.to || rows.to < h->rows.to ||
        h->mark_count > 2 * (rows.to - rows.from) + 4096 || first - h->base > 2 * (end - first) + 4096) {
        clear(h);
        h->base = first;
        more = rows;
    }
    if (n1_fold_reserve((void **)&h->all, &h->all_cap, end - h->base, sizeof *h->all))
        return -ENOMEM;
    for (uint32_t s = h->end > h->base ? h->end : h->base; s < end; s++)
        h->all[s - h->base] = 0;
    h->first = first;
    h->end = end;
    h->rows = rows;
    return n1_span_rows(r, more, add, h, &lost);
}

int n1_history_update(struct n1_history *h, struct n1_reader *r, struct n1_window window,
                      const struct n1_filter *filter, struct n1_error *reterr)
{
    static const struct n1_filter none;
    struct n1_range rows;
    uint32_t first;
    if (!filter)
        filter = &none;
    if (!h->usable || h->reader != r || h->generation != n1_reader_generation(r) ||
        h->created != n1_reader_created(r)) {
        forget(h);
        h->keys.keep = true;
        if (n1_fold_init(&h->fold)) {
            n1_fold_finish(&h->fold);
            return n1_error_set(reterr, -ENOMEM, "no memory for a history");
        }
        h->reader = r;
        h->generation = n1_reader_generation(r);
        h->created = n1_reader_created(r);
        h->usable = true;
    }
    int rc = n1_fold_filter(&h->fold, filter->text, filter->regex, reterr);
    if (rc)
        return rc;
    n1_fold_frames(&h->fold, filter->frames);
    if (n1_pass_set(&h->pass, filter))
        clear(h);
    h->kinds = filter->kinds;
    drop_runs(h->runs);
    uint32_t end = n1_span_seconds(r, window, &first, &rows);
    if (read_rows(h, r, first, end, rows) || resolve(h, r))
        rc = n1_error_set(reterr, -ENOMEM, "no memory for the seconds of a history");
    else if ((rc = n1_reader_end(r)))
        n1_error_set(reterr, rc, "the model changed while it was read");
    if (rc)
        forget(h);
    return rc;
}

size_t n1_history_seconds(const struct n1_history *h, uint32_t *ret_first)
{
    *ret_first = h->first;
    return h->end - h->first;
}

void n1_history_all(const struct n1_history *h, uint64_t *ret)
{
    if (h->end > h->first)
        memcpy(ret, h->all + (h->first - h->base), (h->end - h->first) * sizeof *ret);
}

/* Makes the runs; without memory for them questions go on along the chains. */
static void make_runs(const struct n1_history *h, struct runs *runs)
{
    uint32_t next = 0;
    runs->start = reallocarray(NULL, h->keys.count + 1, sizeof *runs->start);
    runs->second = reallocarray(NULL, h->mark_count + 1, sizeof *runs->second);
    runs->ns = reallocarray(NULL, h->mark_count + 1, sizeof *runs->ns);
    if (!runs->start || !runs->second || !runs->ns) {
        drop_runs(runs);
        return;
    }
    for (size_t i = 0; i < h->keys.count; i++) {
        runs->start[i] = next;
        for (uint32_t m = h->newest[h->keys_ordered[i]]; m && h->marks[m - 1].second >= h->first;
             m = h->marks[m - 1].older) {
            runs->second[next] = h->marks[m - 1].second;
            runs->ns[next++] = h->marks[m - 1].ns;
        }
    }
    runs->start[h->keys.count] = next;
}

/* Adds the marks of one run of positions. */
static bool add_marks(const struct n1_history *h, uint32_t from, uint32_t to, uint64_t *ret)
{
    const struct runs *runs = h->runs;
    bool seen = false;
    for (uint32_t i = h->key_start[from]; i < h->key_start[to + 1]; i++) {
        uint32_t key = h->keys_ordered[i];
        const struct n1_fold_node *n = &h->fold.nodes[node_of(h, key)];
        if (!n->match || (h->kinds && !(h->kinds >> h->fold.functions[n->function].kind & 1)))
            continue;
        for (uint32_t m = runs->start ? runs->start[i] : 0; runs->start && m < runs->start[i + 1]; m++) {
            ret[runs->second[m] - h->first] += runs->ns[m];
            seen = true;
        }
        for (uint32_t m = runs->start ? 0 : h->newest[key]; m && h->marks[m - 1].second >= h->first;
             m = h->marks[m - 1].older) {
            ret[h->marks[m - 1].second - h->first] += h->marks[m - 1].ns;
            seen = true;
        }
    }
    return seen;
}

bool n1_history_function(const struct n1_history *h, uint64_t id, bool total, uint64_t *ret)
{
    bool seen = false;
    memset(ret, 0, (h->end - h->first) * sizeof *ret);
    uint32_t function = n1_fold_find(&h->fold, id);
    if (function == N1_FOLD_NONE || h->indexed_nodes == 0)
        return false;
    if (++h->runs->asked == MANY)
        make_runs(h, h->runs);
    uint32_t done = 0; /* what lies below a node that was counted is counted */
    for (uint32_t i = h->node_start[function]; i < h->node_start[function + 1]; i++) {
        uint32_t node = h->nodes_ordered[i], from = h->position[node];
        if (from < done)
            continue;
        uint32_t to = total ? h->last[node] : from;
        seen |= add_marks(h, from, to, ret);
        done = to + 1;
    }
    return seen;
}
