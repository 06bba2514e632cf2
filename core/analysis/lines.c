/*
 * Line tables. Samples are counted by stack first; each different stack is walked once and remembers the
 * lines of the function on it, to which its samples' RSS is then given.
 */
#include "n1/lines.h"

#include "core/analysis/fold.h"
#include "core/analysis/pass.h"
#include "core/analysis/resident.h"
#include "core/analysis/span.h"
#include "core/analysis/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_A_STACK = 64, LINES_MAX = 65536, CHUNK = 256 };

struct line {
    uint32_t file, number; /* file: model string */
    struct n1_line sums;
};
struct size { /* `count` samples of a stack, later of a line, at this RSS */
    uint32_t of, count;
    uint64_t bytes;
};
struct ref { /* stack → line, ordered by stack */
    uint32_t stack, line;
};

struct n1_lines {
    struct n1_line *list;
    size_t count;
    struct n1_lines_summary summary;
};

struct work {
    struct n1_reader *reader;
    const struct n1_filter *filter;
    uint64_t id;
    struct n1_fold fold;
    struct n1_pass pass;
    struct n1_resident resident;
    struct n1_tally fine, coarse, touched; /* touched: ns is bytes */
    struct n1_window samples;
    bool rows;
    struct line *lines;
    struct size *sizes, *of_lines;
    struct ref *refs;
    size_t line_count, line_cap, size_count, size_cap, of_count, of_cap, ref_count, ref_cap;
    struct n1_lines_summary summary;
};

struct n1_lines *n1_lines_create(void)
{
    return calloc(1, sizeof(struct n1_lines));
}

void n1_lines_destroy(struct n1_lines *l)
{
    if (l)
        free(l->list);
    free(l);
}

static int count(void *context, const struct n1_span_entry *e)
{
    struct work *w = context;
    struct n1_tally *t = w->rows ? &w->coarse : &w->fine;
    if (!w->rows && (e->time < w->samples.from || e->time >= w->samples.to))
        return 0;
    int pass = n1_pass_thread(&w->pass, w->reader, e->thread);
    if (pass != 1)
        return pass;
    size_t at = n1_tally_at(t, e->node, e->leaf, n1_tally_flags(e->flags));
    if (at == SIZE_MAX)
        return -ENOMEM;
    t->entries[at].ns += e->ns;
    t->entries[at].count += e->count;
    uint64_t bytes = w->rows ? 0 : n1_resident_at(&w->resident, e->thread, e->time);
    if (bytes == 0)
        return 0;
    struct size *last = w->size_count ? &w->sizes[w->size_count - 1] : NULL;
    if (last && last->of == at && last->bytes == bytes) {
        last->count += e->count;
        return 0;
    }
    if (n1_fold_reserve((void **)&w->sizes, &w->size_cap, w->size_count + 1, sizeof *w->sizes))
        return -ENOMEM;
    w->sizes[w->size_count++] = (struct size){(uint32_t)at, e->count, bytes};
    return 0;
}

/* Index, SIZE_MAX when it has no line or there is no room. */
static size_t line_at(struct work *w, const struct n1_model_frame *frame)
{
    if (!frame->file || !frame->line)
        return SIZE_MAX;
    for (size_t i = w->line_count; i-- > 0;)
        if (w->lines[i].number == frame->line && w->lines[i].file == frame->file)
            return i;
    if (w->line_count >= LINES_MAX ||
        n1_fold_reserve((void **)&w->lines, &w->line_cap, w->line_count + 1, sizeof *w->lines))
        return SIZE_MAX;
    w->lines[w->line_count] = (struct line){.file = frame->file, .number = frame->line};
    return w->line_count++;
}

/* What of a stack's time belongs to the function's topmost line, beside its total. */
static void split(struct n1_line *l, const struct n1_tally_entry *e, const struct n1_fold_function *top,
                  bool own, bool other_python)
{
    l->self_ns += own ? e->ns : 0;
    if (other_python)
        return;
    if (top->kind == N1_KIND_KERNEL || e->bits & (N1_TALLY_IN_KERNEL | N1_TALLY_HIDDEN))
        l->system_ns += e->ns;
    else if (top->kind == N1_KIND_PYTHON)
        l->python_ns += e->ns;
    else
        l->native_ns += e->ns;
}

enum what { SAMPLES, ROWS, FAULTS };

/* One stack: lines of the function from the leaf to the root, each once. */
static int stack(struct work *w, uint32_t index, const struct n1_tally_entry *e, enum what what)
{
    struct n1_fold *fold = &w->fold;
    uint32_t at = n1_fold_stack(fold, w->reader, e->node, e->leaf, e->bits & N1_TALLY_TRUNCATED);
    size_t seen[LINES_A_STACK], seen_count = 0;
    bool inside = false, other_python = false, coarse = false;
    if (at == N1_FOLD_NONE)
        return -ENOMEM;
    uint32_t top = fold->nodes[at].function;
    if (top == N1_FOLD_NONE || !fold->nodes[at].match ||
        (w->filter->kinds && !(w->filter->kinds >> fold->functions[top].kind & 1)))
        return 0;
    if (what != FAULTS)
        w->summary.all_ns += e->ns;
    struct n1_model_node n = {.parent = e->node, .frame = e->leaf};
    for (bool leaf = true;; leaf = false) {
        struct n1_model_frame frame;
        uint32_t function = n1_fold_frame(fold, w->reader, n.frame);
        if (function == N1_FOLD_NONE)
            return -ENOMEM;
        if (fold->functions[function].id == w->id && n1_reader_frame(w->reader, n.frame, &frame)) {
            bool python = fold->functions[function].kind == N1_KIND_PYTHON, own = !inside && top == function;
            if (what != FAULTS && own)
                w->summary.self_ns += e->ns;
            if (what == ROWS && leaf) { /* rows keep the function's entry, not the address that ran */
                w->summary.coarse_ns += e->ns;
                coarse = true;
            }
            size_t line = what == ROWS && leaf ? SIZE_MAX : line_at(w, &frame);
            if (line != SIZE_MAX && what != FAULTS && !inside)
                split(&w->lines[line].sums, e, &fold->functions[top], own, python && other_python);
            bool first = line != SIZE_MAX && seen_count < LINES_A_STACK;
            for (size_t i = 0; i < seen_count; i++)
                first &= seen[i] != line;
            if (first) {
                struct n1_line *sums = &w->lines[line].sums;
                seen[seen_count++] = line;
                sums->increment += what == FAULTS ? e->ns : 0;
                sums->total_ns += what == FAULTS ? 0 : e->ns;
                sums->samples += what == FAULTS ? 0 : e->count;
                if (what == SAMPLES) {
                    if (n1_fold_reserve((void **)&w->refs, &w->ref_cap, w->ref_count + 1, sizeof *w->refs))
                        return -ENOMEM;
                    w->refs[w->ref_count++] = (struct ref){index, (uint32_t)line};
                }
            }
            inside = true;
        } else if (fold->functions[function].kind == N1_KIND_PYTHON) {
            other_python = true;
        }
        if (n.parent == 0 || !n1_reader_node(w->reader, n.parent, &n))
            break;
    }
    if (what != FAULTS && inside) {
        w->summary.total_ns += e->ns;
        w->summary.lineless_ns += seen_count || coarse ? 0 : e->ns;
    }
    return 0;
}

/* Page faults of the window; tells whether they were sampled throughout it. */
static int faults(struct work *w, struct n1_window window)
{
    struct n1_model_memory chunk[CHUNK];
    uint64_t tail, head = n1_reader_count(w->reader, N1_SEGMENT_MEMORY, &tail);
    bool whole = tail == 0, any = false;
    for (uint64_t at = tail, next; at < head; at = next) {
        size_t got = n1_reader_memory(w->reader, at, chunk, CHUNK, &next, NULL);
        if (next <= at)
            break;
        for (size_t i = 0; i < got; i++) {
            const struct n1_model_memory *m = &chunk[i];
            if (m->kind >= N1_MEMORY_KEPT)
                continue;
            any = true;
            whole = whole || m->time <= window.from; /* the ring reaches back to before the window */
            int pass = m->time >= window.from && m->time < window.to
                           ? n1_pass_thread(&w->pass, w->reader, m->thread)
                           : 0;
            if (pass < 0 || (pass == 1 && n1_tally_add(&w->touched, m->node, m->leaf, 0, 1, m->bytes)))
                return -ENOMEM;
        }
    }
    w->summary.faults = whole && any;
    return 0;
}

static int by_size(const void *a, const void *b)
{
    const struct size *x = a, *y = b;
    if (x->of != y->of)
        return x->of < y->of ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Sorts and adds up equal ones; returns how many are left. */
static size_t merge(struct size *s, size_t n)
{
    size_t out = 0;
    if (n > 1)
        qsort(s, n, sizeof *s, by_size);
    for (size_t i = 0; i < n; i++) {
        if (out && s[out - 1].of == s[i].of && s[out - 1].bytes == s[i].bytes)
            s[out - 1].count += s[i].count;
        else
            s[out++] = s[i];
    }
    return out;
}

static int medians(struct work *w)
{
    size_t n = merge(w->sizes, w->size_count), ref = 0;
    for (size_t i = 0; i < n; i++) {
        while (ref < w->ref_count && w->refs[ref].stack < w->sizes[i].of)
            ref++;
        for (size_t k = ref; k < w->ref_count && w->refs[k].stack == w->sizes[i].of; k++) {
            if (n1_fold_reserve((void **)&w->of_lines, &w->of_cap, w->of_count + 1, sizeof *w->of_lines))
                return -ENOMEM;
            w->of_lines[w->of_count++] = (struct size){w->refs[k].line, w->sizes[i].count, w->sizes[i].bytes};
        }
    }
    n = merge(w->of_lines, w->of_count);
    for (size_t i = 0; i < n;) {
        size_t end = i;
        uint64_t all = 0, below = 0;
        for (; end < n && w->of_lines[end].of == w->of_lines[i].of; end++)
            all += w->of_lines[end].count;
        for (size_t k = i; k < end; k++) {
            below += w->of_lines[k].count;
            if (2 * below >= all) {
                w->lines[w->of_lines[k].of].sums.resident = w->of_lines[k].bytes;
                break;
            }
        }
        i = end;
    }
    return 0;
}

static int by_line(const void *a, const void *b)
{
    const struct n1_line *x = a, *y = b;
    int order = strcmp(x->file, y->file);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static int finish(struct n1_lines *l, struct work *w)
{
    l->list = calloc(w->line_count + 1, sizeof *l->list);
    if (!l->list)
        return -ENOMEM;
    for (size_t i = 0; i < w->line_count; i++) {
        struct n1_line *to = &l->list[l->count++];
        const char *file = n1_reader_string(w->reader, w->lines[i].file);
        size_t len = strlen(file), most = sizeof to->file - 1;
        *to = w->lines[i].sums;
        /* the end of a path tells more than its beginning */
        memcpy(to->file, len > most ? file + len - most : file, len > most ? most : len);
        to->line = w->lines[i].number;
        to->resident = to->resident ? to->resident : N1_LINE_UNKNOWN;
        to->increment = w->summary.faults ? to->increment : N1_LINE_UNKNOWN;
    }
    if (l->count > 1)
        qsort(l->list, l->count, sizeof *l->list, by_line);
    l->summary = w->summary;
    return 0;
}

static int gather(struct work *w, struct n1_window window)
{
    struct n1_span span;
    uint64_t lost = 0;
    n1_span_plan(w->reader, window, &span);
    int rc = n1_resident_load(&w->resident, w->reader, span.window);
    w->rows = true;
    if (rc == 0)
        rc = n1_span_rows(w->reader, span.rows, count, w, &lost);
    w->rows = false;
    w->samples = span.samples;
    if (rc == 0 && span.samples.to > span.samples.from)
        rc = n1_span_samples(w->reader, n1_span_indices(w->reader, span.samples.from, span.samples.to), count,
                             w, &lost);
    if (rc == 0)
        rc = faults(w, span.window);
    const struct n1_tally *all[] = {&w->fine, &w->coarse, &w->touched};
    for (int what = SAMPLES; rc == 0 && what <= FAULTS; what++)
        for (size_t i = 0; rc == 0 && i < all[what]->count; i++)
            rc = stack(w, (uint32_t)i, &all[what]->entries[i], what);
    return rc ? rc : medians(w);
}

int n1_lines_update(struct n1_lines *l, struct n1_reader *r, struct n1_window window,
                    const struct n1_filter *filter, uint64_t id)
{
    static const struct n1_filter none;
    struct work w = {.reader = r, .filter = filter ? filter : &none, .id = id};
    w.fine.keep = w.coarse.keep = w.touched.keep = true;
    free(l->list);
    *l = (struct n1_lines){0};
    n1_pass_set(&w.pass, w.filter);
    int rc = n1_fold_init(&w.fold);
    if (rc == 0)
        rc = n1_fold_filter(&w.fold, w.filter->text, w.filter->regex, NULL);
    if (rc == 0)
        rc = gather(&w, window);
    if (rc == 0)
        rc = finish(l, &w);
    n1_tally_finish(&w.fine);
    n1_tally_finish(&w.coarse);
    n1_tally_finish(&w.touched);
    n1_pass_finish(&w.pass);
    n1_resident_finish(&w.resident);
    n1_fold_finish(&w.fold);
    free(w.lines);
    free(w.sizes);
    free(w.of_lines);
    free(w.refs);
    return rc;
}

const struct n1_line *n1_lines_list(const struct n1_lines *l, size_t *ret_count)
{
    *ret_count = l->count;
    return l->list;
}

struct n1_lines_summary n1_lines_summary(const struct n1_lines *l)
{
    return l->summary;
}
