/*
 * Stacks are folded once more, here with sums beside the nodes: the largest resident size and the bytes of a
 * node belong to every function on its way to the root, to each once.
 */
#include "core/report/facts.h"

#include "core/analysis/fold.h"
#include "core/analysis/pass.h"
#include "core/analysis/resident.h"
#include "core/analysis/span.h"
#include "core/analysis/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FAULTS_MAX 256
#define LINES_DEPTH                                                                                          \
    4096 /* frames from the leaf on whose lines are told; no walk is longer for absurd stacks */

struct gathering {
    const struct n1_report *report;
    struct n1_reader *reader;
    struct n1_facts *facts;
    struct n1_fold fold;
    struct n1_pass pass;
    struct n1_tally stacks;     /* what the lines are told from … */
    struct n1_tally touched;    /* … and, with bytes for ns, their memory */
    uint64_t *resident, *bytes; /* by node */
    size_t resident_cap, bytes_cap, node_count;
    struct n1_resident processes;
    uint32_t *shown; /* by function of the fold: index into the report's, N1_FOLD_NONE */
    uint32_t *stamp; /* by function of the fold, or by line */
};

/* Node of a stack that passes the filter; N1_FOLD_NONE when it does not. */
static int node_of(struct gathering *g, uint32_t node, uint32_t leaf, uint32_t flags, uint32_t *ret)
{
    const struct n1_filter *f = g->report->options->filter;
    *ret = N1_FOLD_NONE;
    uint32_t at = n1_fold_stack(&g->fold, g->reader, node, leaf, flags & N1_SAMPLE_TRUNCATED);
    if (at == N1_FOLD_NONE ||
        n1_fold_reserve((void **)&g->resident, &g->resident_cap, g->fold.node_count, sizeof *g->resident) ||
        n1_fold_reserve((void **)&g->bytes, &g->bytes_cap, g->fold.node_count, sizeof *g->bytes))
        return -ENOMEM;
    for (; g->node_count < g->fold.node_count; g->node_count++)
        g->resident[g->node_count] = g->bytes[g->node_count] = 0;
    uint32_t kind = g->fold.functions[g->fold.nodes[at].function].kind;
    if (g->fold.nodes[at].match && (!f || !f->kinds || f->kinds >> kind & 1))
        *ret = at;
    return 0;
}

static int take_sample(void *context, const struct n1_span_entry *e)
{
    struct gathering *g = context;
    struct n1_facts *facts = g->facts;
    uint32_t node;
    int pass = n1_pass_thread(&g->pass, g->reader, e->thread);
    if (pass != 1)
        return pass;
    if (node_of(g, e->node, e->leaf, e->flags, &node))
        return -ENOMEM;
    if (node == N1_FOLD_NONE)
        return 0;
    if (e->flags & N1_SAMPLE_IN_GC) {
        facts->gc_samples += e->count;
        facts->gc_ns += e->ns;
    }
    if (e->thread < facts->thread_count) {
        facts->thread_ns[e->thread] += e->ns;
        facts->thread_samples[e->thread] += e->count;
        uint64_t rss = n1_resident_at(&g->processes, e->thread, e->time);
        if (rss > g->resident[node])
            g->resident[node] = rss;
    }
    return n1_tally_add(&g->stacks, e->node, e->leaf, n1_tally_flags(e->flags), e->count, e->ns);
}

/* Returns 1 when page faults were sampled throughout the window, 0 when not, -ENOMEM. */
static int take_faults(struct gathering *g)
{
    struct n1_model_memory chunk[FAULTS_MAX];
    struct n1_window w = g->report->summary->window;
    uint64_t tail, head = n1_reader_count(g->reader, N1_SEGMENT_MEMORY, &tail);
    if (head == 0)
        return 0;
    bool whole = tail == 0;
    for (uint64_t at = tail, next; at < head; at = next) {
        size_t got = n1_reader_memory(g->reader, at, chunk, FAULTS_MAX, &next, NULL);
        if (next <= at)
            break;
        for (size_t i = 0; i < got; i++) {
            uint32_t node;
            whole = whole || chunk[i].time <= w.from; /* the ring reaches back to before the window */
            int pass = chunk[i].time >= w.from && chunk[i].time < w.to && chunk[i].kind < N1_MEMORY_KEPT
                           ? n1_pass_thread(&g->pass, g->reader, chunk[i].thread)
                           : 0;
            if (pass < 0 || (pass == 1 && node_of(g, chunk[i].node, chunk[i].leaf, 0, &node)))
                return -ENOMEM;
            if (pass != 1 || node == N1_FOLD_NONE)
                continue;
            g->bytes[node] += chunk[i].bytes;
            if (n1_tally_add(&g->touched, chunk[i].node, chunk[i].leaf, 0, 1, chunk[i].bytes))
                return -ENOMEM;
        }
    }
    return whole;
}

/* Parents get their children's figures, then functions those of their nodes; bytes only of a function's
 * topmost nodes, for which `stamp` counts how often the function is open on the way down. */
static int to_functions(struct gathering *g, bool faults)
{
    const struct n1_fold *fold = &g->fold;
    struct n1_facts *facts = g->facts;
    if (n1_fold_order(&g->fold))
        return -ENOMEM;
    for (size_t i = 0; i < g->report->function_count; i++) {
        facts->bytes[i] = faults ? 0 : N1_FACT_UNKNOWN;
        facts->resident[i] = N1_FACT_UNKNOWN;
    }
    for (size_t i = g->node_count; i-- > 1;) {
        uint32_t parent = fold->nodes[i].parent;
        g->bytes[parent] += g->bytes[i];
        if (g->resident[i] > g->resident[parent])
            g->resident[parent] = g->resident[i];
    }
    for (uint32_t at = 0; g->node_count > 0;) {
        uint32_t function = fold->nodes[at].function;
        uint32_t shown = function == N1_FOLD_NONE ? N1_FOLD_NONE : g->shown[function];
        if (shown != N1_FOLD_NONE && at < g->node_count) {
            if (faults && g->stamp[function] == 0)
                facts->bytes[shown] += g->bytes[at];
            if (g->resident[at] > 0 &&
                (facts->resident[shown] == N1_FACT_UNKNOWN || g->resident[at] > facts->resident[shown]))
                facts->resident[shown] = g->resident[at];
        }
        if (function != N1_FOLD_NONE)
            g->stamp[function]++;
        if (fold->nodes[at].first_child) {
            at = fold->nodes[at].first_child;
            continue;
        }
        for (;;) {
            if (fold->nodes[at].function != N1_FOLD_NONE)
                g->stamp[fold->nodes[at].function]--;
            if (at == 0 || fold->nodes[at].next_sibling)
                break;
            at = fold->nodes[at].parent;
        }
        if (at == 0)
            break;
        at = fold->nodes[at].next_sibling;
    }
    return 0;
}

/* --- lines --- */

struct lines {
    struct n1_tally places, lines; /* (file, line), and (function, place): used as interners */
    uint64_t *self, *total, *bytes;
    uint32_t *stamp;
    size_t self_cap, total_cap, bytes_cap, stamp_cap;
};

/* Index of the line of a frame, SIZE_MAX when it has none; -ENOMEM. */
static int line_of(struct gathering *g, struct lines *l, uint32_t frame, size_t *ret)
{
    struct n1_model_frame fr;
    *ret = SIZE_MAX;
    if (!n1_reader_frame(g->reader, frame, &fr) || fr.line == 0 || fr.file == 0)
        return 0;
    uint32_t function = n1_fold_frame(&g->fold, g->reader, frame);
    if (function == N1_FOLD_NONE || g->shown[function] == N1_FOLD_NONE)
        return 0;
    size_t place = n1_tally_at(&l->places, fr.file, fr.line, 0);
    size_t known = l->lines.count;
    size_t line =
        place == SIZE_MAX ? SIZE_MAX : n1_tally_at(&l->lines, g->shown[function], (uint32_t)place, 0);
    if (line == SIZE_MAX || n1_fold_reserve((void **)&l->self, &l->self_cap, line + 1, sizeof *l->self) ||
        n1_fold_reserve((void **)&l->total, &l->total_cap, line + 1, sizeof *l->total) ||
        n1_fold_reserve((void **)&l->bytes, &l->bytes_cap, line + 1, sizeof *l->bytes) ||
        n1_fold_reserve((void **)&l->stamp, &l->stamp_cap, line + 1, sizeof *l->stamp))
        return -ENOMEM;
    if (line >= known)
        l->self[line] = l->total[line] = l->bytes[line] = l->stamp[line] = 0;
    *ret = line;
    return 0;
}

/* `faults`: of stacks that touched memory, else of samples. Stamps tell the stacks of both apart. */
static int add_lines(struct gathering *g, struct lines *l, bool faults)
{
    const struct n1_tally *stacks = faults ? &g->touched : &g->stacks;
    uint32_t stamp = faults ? (uint32_t)g->stacks.count : 0;
    for (size_t i = 0; i < stacks->count; i++) {
        const struct n1_tally_entry *e = &stacks->entries[i];
        stamp++;
        struct n1_model_node n = {.parent = e->node, .frame = e->leaf};
        uint32_t id = UINT32_MAX;
        for (int frames = 0; id != 0 && frames < LINES_DEPTH; frames++) {
            size_t line;
            if (line_of(g, l, n.frame, &line))
                return -ENOMEM;
            if (line != SIZE_MAX) {
                l->self[line] += id == UINT32_MAX && !faults ? e->ns : 0;
                *(faults ? &l->bytes[line] : &l->total[line]) += l->stamp[line] == stamp ? 0 : e->ns;
                l->stamp[line] = stamp;
            }
            id = n.parent;
            if (id && !n1_reader_node(g->reader, id, &n))
                break;
        }
    }
    return 0;
}

static int by_function(const void *a, const void *b)
{
    const struct n1_fact_line *x = a, *y = b;
    if (x->function != y->function)
        return x->function < y->function ? -1 : 1;
    if (x->total_ns != y->total_ns)
        return x->total_ns < y->total_ns ? 1 : -1;
    return (x->line > y->line) - (x->line < y->line);
}

static int make_lines(struct gathering *g, bool faults)
{
    struct lines l = {.places.keep = true, .lines.keep = true};
    int rc = add_lines(g, &l, false);
    if (rc == 0 && faults)
        rc = add_lines(g, &l, true);
    if (rc == 0 && l.lines.count > 0) {
        g->facts->lines = calloc(l.lines.count, sizeof *g->facts->lines);
        rc = g->facts->lines ? 0 : -ENOMEM;
    }
    for (size_t i = 0; rc == 0 && i < l.lines.count; i++) {
        const struct n1_tally_entry *e = &l.lines.entries[i], *place = &l.places.entries[e->leaf];
        g->facts->lines[g->facts->line_count++] = (struct n1_fact_line){
            e->node, place->node, place->leaf, l.self[i], l.total[i], faults ? l.bytes[i] : N1_FACT_UNKNOWN,
        };
    }
    if (g->facts->line_count)
        qsort(g->facts->lines, g->facts->line_count, sizeof *g->facts->lines, by_function);
    n1_tally_finish(&l.places);
    n1_tally_finish(&l.lines);
    free(l.self);
    free(l.total);
    free(l.bytes);
    free(l.stamp);
    return rc;
}

static int prepare(struct gathering *g)
{
    struct n1_facts *facts = g->facts;
    const struct n1_filter *f = g->report->options->filter;
    size_t functions = g->report->function_count + 1;
    facts->thread_count = (size_t)n1_reader_count(g->reader, N1_SEGMENT_THREADS, NULL);
    facts->bytes = calloc(functions, sizeof *facts->bytes);
    facts->resident = calloc(functions, sizeof *facts->resident);
    facts->thread_ns = calloc(facts->thread_count + 1, sizeof *facts->thread_ns);
    facts->thread_samples = calloc(facts->thread_count + 1, sizeof *facts->thread_samples);
    if (!facts->bytes || !facts->resident || !facts->thread_ns || !facts->thread_samples)
        return -ENOMEM;
    if (f) {
        n1_pass_set(&g->pass, f);
        n1_fold_frames(&g->fold, f->frames);
        if (n1_fold_filter(&g->fold, f->text, f->regex, NULL))
            return -ENOMEM; /* the expression itself has passed the profile already */
    }
    return n1_resident_load(&g->processes, g->reader, g->report->summary->window);
}

int n1_facts_init(struct n1_facts *facts, const struct n1_report *report)
{
    struct gathering g = {.report = report, .reader = report->reader, .facts = facts};
    struct n1_span span;
    *facts = (struct n1_facts){0};
    int rc = n1_fold_init(&g.fold);
    if (rc == 0)
        rc = prepare(&g);
    n1_span_plan(report->reader, report->options->window, &span);
    if (rc == 0)
        rc = n1_span_walk(report->reader, &span, take_sample, &g);
    int faults = rc == 0 ? take_faults(&g) : rc;
    rc = faults < 0 ? faults : 0;
    if (rc == 0) {
        g.shown = calloc(g.fold.function_count, sizeof *g.shown);
        g.stamp = calloc(g.fold.function_count, sizeof *g.stamp);
        rc = g.shown && g.stamp ? 0 : -ENOMEM;
    }
    for (size_t i = 0; rc == 0 && i < g.fold.function_count; i++) {
        ptrdiff_t at = n1_profile_find(report->profile, g.fold.functions[i].id);
        g.shown[i] = at < 0 ? N1_FOLD_NONE : (uint32_t)at;
    }
    if (rc == 0) {
        rc = to_functions(&g, faults == 1);
        if (rc == 0)
            rc = make_lines(&g, faults == 1);
    }
    n1_resident_finish(&g.processes);
    free(g.shown);
    free(g.stamp);
    free(g.resident);
    free(g.bytes);
    n1_tally_finish(&g.stacks);
    n1_tally_finish(&g.touched);
    n1_pass_finish(&g.pass);
    n1_fold_finish(&g.fold);
    return rc;
}

void n1_facts_finish(struct n1_facts *facts)
{
    free(facts->bytes);
    free(facts->resident);
    free(facts->thread_ns);
    free(facts->thread_samples);
    free(facts->lines);
    *facts = (struct n1_facts){0};
}
