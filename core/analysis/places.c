/*
 * Places. Entries of the window are first counted by (chain, leaf), as a profile counts them; each of these
 * few is then walked up once, and its frames that belong to the function give it lines.
 */
#include "n1/places.h"

#include "core/analysis/fold.h"
#include "core/analysis/pass.h"
#include "core/analysis/span.h"
#include "core/analysis/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINES_A_STACK 64 /* different lines of one function on one stack; deeper recursion adds none */
#define LINES_MAX 65536

struct line { /* a line while it is counted: its file is a string of the model */
    uint32_t file, line;
    uint64_t self_ns, self_samples, total_ns, total_samples;
};

struct n1_places {
    struct n1_tally fine, coarse;
    struct n1_pass pass;
    struct line *counted;
    struct n1_place_line *lines;
    struct n1_place_address *addresses;
    size_t counted_count, counted_cap, line_count, address_count, address_cap;
    struct n1_places_rest rest;
};

struct n1_places *n1_places_create(void)
{
    return calloc(1, sizeof(struct n1_places));
}

void n1_places_destroy(struct n1_places *p)
{
    if (!p)
        return;
    n1_tally_finish(&p->fine);
    n1_tally_finish(&p->coarse);
    n1_pass_finish(&p->pass);
    free(p->counted);
    free(p->lines);
    free(p->addresses);
    free(p);
}

struct counting {
    struct n1_places *p;
    const struct n1_reader *reader;
    struct n1_tally *tally;
    struct n1_window samples; /* times; empty: all */
};

static int count(void *context, const struct n1_span_entry *e)
{
    struct counting *c = context;
    if (c->samples.to > c->samples.from && (e->time < c->samples.from || e->time >= c->samples.to))
        return 0;
    int pass = n1_pass_thread(&c->p->pass, c->reader, e->thread);
    return pass == 1 ? n1_tally_add(c->tally, e->node, e->leaf, n1_tally_flags(e->flags), e->count, e->ns)
                     : pass;
}

static struct line *line_at(struct n1_places *p, uint32_t file, uint32_t number)
{
    for (size_t i = p->counted_count; i-- > 0;) {
        if (p->counted[i].line == number && p->counted[i].file == file)
            return &p->counted[i];
    }
    if (p->counted_count >= LINES_MAX ||
        n1_fold_reserve((void **)&p->counted, &p->counted_cap, p->counted_count + 1, sizeof *p->counted))
        return NULL;
    struct line *line = &p->counted[p->counted_count++];
    *line = (struct line){.file = file, .line = number};
    return line;
}

static int address(struct n1_places *p, const struct n1_model_frame *frame, const struct n1_tally_entry *e)
{
    for (size_t i = 0; i < p->address_count; i++) {
        if (p->addresses[i].address == frame->offset) {
            p->addresses[i].self_ns += e->ns;
            p->addresses[i].self_samples += e->count;
            return 0;
        }
    }
    if (n1_fold_reserve((void **)&p->addresses, &p->address_cap, p->address_count + 1, sizeof *p->addresses))
        return -ENOMEM;
    p->addresses[p->address_count++] =
        (struct n1_place_address){frame->offset, frame->file ? frame->line : 0, e->ns, e->count};
    return 0;
}

/* One counted stack: the leaf's own line, then each different line of the function on the way to the root. */
static int stack(struct n1_places *p, struct n1_fold *fold, struct n1_reader *r,
                 const struct n1_tally_entry *e, uint64_t id, uint32_t kinds, bool coarse)
{
    uint32_t at = n1_fold_stack(fold, r, e->node, e->leaf, e->bits & N1_TALLY_TRUNCATED), seen[LINES_A_STACK];
    size_t seen_count = 0;
    bool inside = false;
    if (at == N1_FOLD_NONE)
        return -ENOMEM;
    uint32_t top = fold->nodes[at].function;
    if (!fold->nodes[at].match ||
        (kinds && !(top < fold->function_count && kinds >> fold->functions[top].kind & 1)))
        return 0;
    uint32_t frame_id = e->leaf, node = e->node;
    for (bool leaf = true; frame_id != 0 || node != 0; leaf = false) {
        struct n1_model_node n;
        struct n1_model_frame frame;
        if (!leaf || frame_id == 0) {
            if (!n1_reader_node(r, node, &n))
                break;
            frame_id = n.frame;
            node = n.parent;
        }
        uint32_t function = n1_fold_frame(fold, r, frame_id);
        if (function == N1_FOLD_NONE)
            return -ENOMEM;
        if (fold->functions[function].id == id && n1_reader_frame(r, frame_id, &frame)) {
            struct line *line = frame.file && frame.line ? line_at(p, frame.file, frame.line) : NULL;
            bool first = true;
            inside = true;
            if (leaf) {
                p->rest.self_ns += e->ns;
                p->rest.nameless_self_ns += line ? 0 : e->ns;
                p->rest.coarse_self_ns += coarse ? e->ns : 0;
                if (!coarse && address(p, &frame, e))
                    return -ENOMEM;
            }
            for (size_t i = 0; i < seen_count; i++)
                first &= seen[i] != frame.line;
            if (line && leaf) {
                line->self_ns += e->ns;
                line->self_samples += e->count;
            }
            if (line && first && seen_count < LINES_A_STACK) {
                seen[seen_count++] = frame.line;
                line->total_ns += e->ns;
                line->total_samples += e->count;
            }
        }
        frame_id = 0;
        if (node == 0)
            break;
    }
    p->rest.total_ns += inside ? e->ns : 0;
    return 0;
}

static int by_line(const void *a, const void *b)
{
    const struct n1_place_line *x = a, *y = b;
    int order = strcmp(x->file, y->file);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static int by_address(const void *a, const void *b)
{
    const struct n1_place_address *x = a, *y = b;
    return (x->address > y->address) - (x->address < y->address);
}

static int finish(struct n1_places *p, struct n1_reader *r)
{
    struct n1_place_line *lines = calloc(p->counted_count + 1, sizeof *lines);
    if (!lines)
        return -ENOMEM;
    free(p->lines);
    p->lines = lines;
    for (size_t i = 0; i < p->counted_count; i++) {
        const struct line *c = &p->counted[i];
        struct n1_place_line *l = &lines[p->line_count++];
        const char *file = n1_reader_string(r, c->file);
        size_t len = strlen(file);
        if (len >= sizeof l->file) { /* the end of a path tells more than its beginning */
            file += len - sizeof l->file + 1;
            len = sizeof l->file - 1;
        }
        memcpy(l->file, file, len);
        l->line = c->line;
        l->self_ns = c->self_ns;
        l->self_samples = c->self_samples;
        l->total_ns = c->total_ns;
        l->total_samples = c->total_samples;
    }
    if (p->line_count > 1)
        qsort(lines, p->line_count, sizeof *lines, by_line);
    if (p->address_count > 1)
        qsort(p->addresses, p->address_count, sizeof *p->addresses, by_address);
    return 0;
}

static int walk(struct n1_places *p, struct n1_fold *fold, struct n1_reader *r, struct n1_window window,
                const struct n1_filter *filter, uint64_t id)
{
    struct n1_span span;
    struct counting c = {p, r, &p->coarse, {0, 0}};
    uint64_t lost = 0;
    n1_span_plan(r, window, &span);
    int rc = n1_span_rows(r, span.rows, count, &c, &lost);
    c.tally = &p->fine;
    c.samples = span.samples;
    if (rc == 0 && span.samples.to > span.samples.from)
        rc = n1_span_samples(r, n1_span_indices(r, span.samples.from, span.samples.to), count, &c, &lost);
    for (int coarse = 0; rc == 0 && coarse < 2; coarse++) {
        const struct n1_tally *t = coarse ? &p->coarse : &p->fine;
        for (size_t i = 0; rc == 0 && i < t->count; i++)
            rc = t->entries[i].count ? stack(p, fold, r, &t->entries[i], id, filter->kinds, coarse) : 0;
    }
    uint32_t function = rc == 0 ? n1_fold_find(fold, id) : N1_FOLD_NONE;
    if (function != N1_FOLD_NONE) {
        struct n1_model_function model;
        const struct n1_fold_function *f = &fold->functions[function];
        p->rest.model_function = f->function;
        p->rest.module = f->module;
        p->rest.start = f->start;
        if (n1_reader_function(r, f->function, &model))
            p->rest.size = model.size;
    }
    return rc ? rc : finish(p, r);
}

int n1_places_update(struct n1_places *p, struct n1_reader *r, struct n1_window window,
                     const struct n1_filter *filter, uint64_t id)
{
    static const struct n1_filter none;
    struct n1_fold fold = {0};
    filter = filter ? filter : &none;
    n1_tally_clear(&p->fine);
    n1_tally_clear(&p->coarse);
    n1_pass_finish(&p->pass); /* ids may be of another generation */
    n1_pass_set(&p->pass, filter);
    p->counted_count = p->line_count = p->address_count = 0;
    p->rest = (struct n1_places_rest){0};
    int rc = n1_fold_init(&fold);
    if (rc == 0)
        rc = n1_fold_filter(&fold, filter->text, filter->regex, NULL);
    if (rc == 0)
        rc = walk(p, &fold, r, window, filter, id);
    if (rc) {
        p->line_count = p->address_count = 0;
        p->rest = (struct n1_places_rest){0};
    }
    n1_fold_finish(&fold);
    return rc;
}

const struct n1_place_line *n1_places_lines(const struct n1_places *p, size_t *ret_count)
{
    *ret_count = p->line_count;
    return p->lines;
}

const struct n1_place_address *n1_places_addresses(const struct n1_places *p, size_t *ret_count)
{
    *ret_count = p->address_count;
    return p->addresses;
}

struct n1_places_rest n1_places_rest(const struct n1_places *p)
{
    return p->rest;
}
