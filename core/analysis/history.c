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
    uint8_t *inside;  /* by node: scratch of a question */
    size_t mark_count, mark_cap, newest_cap, all_cap, inside_cap;
    uint32_t base, first, end; /* seconds: of all[0], of the answers */
    uint32_t kinds;
};

struct n1_history *n1_history_create(void)
{
    return calloc(1, sizeof(struct n1_history));
}

static void clear(struct n1_history *h)
{
    n1_tally_clear(&h->keys);
    h->mark_count = 0;
    h->rows = (struct n1_range){0, 0};
    h->base = h->first = h->end = 0;
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
    free(h->marks);
    free(h->newest);
    free(h->all);
    free(h->inside);
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

static int resolve(struct n1_history *h, struct n1_reader *r)
{
    n1_fold_refresh(&h->fold, r);
    if (h->epoch != h->fold.epoch)
        n1_tally_void_nodes(&h->keys);
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
    return n1_fold_reserve((void **)&h->inside, &h->inside_cap, h->fold.node_count, 1);
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
    if (n1_pass_set(&h->pass, filter))
        clear(h);
    h->kinds = filter->kinds;
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

bool n1_history_function(const struct n1_history *h, uint64_t id, bool total, uint64_t *ret)
{
    bool seen = false;
    memset(ret, 0, (h->end - h->first) * sizeof *ret);
    uint32_t function = n1_fold_find(&h->fold, id);
    if (function == N1_FOLD_NONE)
        return false;
    const struct n1_fold_node *nodes = h->fold.nodes;
    for (size_t i = 0; i < h->fold.node_count; i++)
        h->inside[i] = nodes[i].function == function || (total && i > 0 && h->inside[nodes[i].parent]);
    for (size_t i = 0; i < h->keys.count; i++) {
        uint32_t node = (h->keys.entries[i].bits >> N1_TALLY_SHIFT) - 1;
        if (!h->inside[node] || !nodes[node].match ||
            (h->kinds && !(h->kinds >> h->fold.functions[nodes[node].function].kind & 1)))
            continue;
        for (uint32_t m = h->newest[i]; m && h->marks[m - 1].second >= h->first; m = h->marks[m - 1].older) {
            ret[h->marks[m - 1].second - h->first] += h->marks[m - 1].ns;
            seen = true;
        }
    }
    return seen;
}
