/*
 * The sliding window of a profile. Its sums are kept by (chain, leaf, flags); when the window moves, only the
 * samples that enter and leave are read. It starts over when ids changed, when other threads are asked for,
 * when less than half of what was counted stays, and when what leaves has been lapped before it could be
 * taken away.
 */
#include "core/analysis/profile_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct counting {
    struct n1_profile_state *state;
    struct n1_reader *reader;
    bool away;                /* take away instead of adding */
    struct n1_window samples; /* to be counted from now on */
    uint64_t oldest;          /* no sample below this index is counted from now on */
};

void n1_profile_state_destroy(struct n1_profile_state *s)
{
    if (!s)
        return;
    n1_fold_finish(&s->fold);
    n1_tally_finish(&s->tally);
    n1_pass_finish(&s->pass);
    free(s);
}

struct n1_profile *n1_profile_create(void)
{
    return calloc(1, sizeof(struct n1_profile));
}

void n1_profile_destroy(struct n1_profile *p)
{
    if (!p)
        return;
    if (p->state != p->shown)
        n1_profile_state_destroy(p->state);
    n1_profile_state_destroy(p->shown);
    free(p->functions);
    free(p->nodes);
    free(p->place);
    free(p->active);
    free(p->order);
    free(p->youngest);
    free(p->of_function);
    free(p->of_node);
    free(p);
}

static int count(void *context, const struct n1_span_entry *e)
{
    struct counting *c = context;
    struct n1_profile_state *s = c->state;
    uint32_t samples = c->away ? 0u - e->count : e->count;
    uint64_t ns = c->away ? 0u - e->ns : e->ns;
    s->all_samples += c->away ? 0u - (uint64_t)e->count : e->count;
    s->all_ns += ns;
    int pass = s->pass.process || s->pass.thread ? n1_pass_thread(&s->pass, c->reader, e->thread) : 1;
    return pass == 1 ? n1_tally_add(&s->tally, e->node, e->leaf, e->flags ? n1_tally_flags(e->flags) : 0,
                                    samples, ns)
                     : pass;
}

/* A sample near a border that moves: was it counted, is it to be counted? */
static int recount(void *context, const struct n1_span_entry *e)
{
    struct counting *c = context;
    const struct n1_profile_state *s = c->state;
    bool was = e->index < s->seen && e->time >= s->samples.from && e->time < s->samples.to;
    bool is = e->time >= c->samples.from && e->time < c->samples.to;
    if (is && e->index < c->oldest)
        c->oldest = e->index;
    c->away = was;
    return was == is ? 0 : count(c, e);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Moves the range of rows. Returns 0, 1 when the counts must start over, -ENOMEM. */
static int slide_rows(struct counting *c, struct n1_range new)
{
    struct n1_range old = c->state->rows;
    struct n1_range kept = {most(old.from, new.from), least(old.to, new.to)};
    uint64_t gone = 0, *lost = &c->state->lost;
    int rc = 0;
    if (old.to <= old.from)
        return n1_span_rows(c->reader, new, count, c, lost);
    if (kept.to <= kept.from || (kept.to - kept.from) * 2 < old.to - old.from)
        return 1;
    const struct n1_range leaving[] = {{old.from, kept.from}, {kept.to, old.to}};
    const struct n1_range entering[] = {{new.from, kept.from}, {kept.to, new.to}};
    c->away = true;
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = n1_span_rows(c->reader, leaving[i], count, c, &gone);
    c->away = false;
    for (int i = 0; i < 2 && rc == 0 && gone == 0; i++)
        rc = n1_span_rows(c->reader, entering[i], count, c, lost);
    return rc == 0 && gone > 0 ? 1 : rc;
}

static int by_from(const void *a, const void *b)
{
    const struct n1_range *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

/* The same for samples: those near a border that moved and those that came since are looked at again. */
static int slide_samples(struct counting *c, uint64_t head)
{
    const struct n1_profile_state *s = c->state;
    struct n1_window old = s->samples, new = c->samples;
    n1_ns from = most(old.from, new.from), to = least(old.to, new.to);
    uint64_t gone = 0, tail = 0, at = 0;
    if (new.to <= new.from && old.to <= old.from)
        return 0;
    if (old.to <= old.from)
        return n1_span_samples(c->reader, n1_span_indices(c->reader, new.from, new.to), recount, c,
                               &c->state->lost);
    n1_reader_count(c->reader, N1_SEGMENT_SAMPLES, &tail);
    if (to <= from || tail > s->oldest)
        return 1;
    struct n1_range near[3] = {{0, 0}, {0, 0}, {s->seen, head}};
    if (new.from > old.from)
        near[0] = (struct n1_range){s->oldest,
                                    most(s->oldest, n1_span_indices(c->reader, new.from, new.from + 1).to)};
    else if (new.from < old.from)
        near[0] = n1_span_indices(c->reader, new.from, old.from);
    if (new.to != old.to)
        near[1] = n1_span_indices(c->reader, to, most(old.to, new.to));
    if (near[0].to - near[0].from > (s->seen - s->oldest) / 2)
        return 1; /* adding up what stays is cheaper than taking away what leaves */
    uint64_t oldest = new.from > old.from ? near[0].to : s->oldest;
    qsort(near, 3, sizeof *near, by_from);
    for (int i = 0; i < 3; i++) {
        struct n1_range rest = {most(near[i].from, at), near[i].to};
        int rc = rest.to > rest.from ? n1_span_samples(c->reader, rest, recount, c, &gone) : 0;
        if (rc || gone)
            return rc ? rc : 1;
        at = most(at, near[i].to);
    }
    c->oldest = least(c->oldest, oldest);
    return 0;
}

static int move(struct n1_profile_state *s, struct n1_reader *r, const struct n1_span *span)
{
    struct counting c = {.state = s, .reader = r, .samples = span->samples, .oldest = UINT64_MAX};
    uint64_t head = n1_reader_count(r, N1_SEGMENT_SAMPLES, NULL);
    int rc = slide_rows(&c, span->rows);
    if (rc == 0)
        rc = slide_samples(&c, head);
    if (rc == 1) {
        n1_tally_clear(&s->tally);
        s->all_samples = s->all_ns = s->lost = 0;
        s->samples = (struct n1_window){0, 0}; /* nothing is counted: recount() only adds */
        c.away = false;
        c.oldest = UINT64_MAX;
        rc = n1_span_rows(r, span->rows, count, &c, &s->lost);
        if (rc == 0)
            rc = n1_span_samples(r, n1_span_indices(r, span->samples.from, span->samples.to), recount, &c,
                                 &s->lost);
    }
    s->rows = span->rows;
    s->samples = span->samples;
    s->oldest = least(c.oldest, head);
    s->seen = head;
    return rc;
}

static bool usable(const struct n1_profile_state *s, const struct n1_reader *r)
{
    return s && !s->broken && s->reader == r && s->generation == n1_reader_generation(r) &&
           s->created == n1_reader_created(r);
}

static int fresh_state(struct n1_profile *p, const struct n1_reader *r)
{
    struct n1_profile_state *s = calloc(1, sizeof *s);
    if (!s || n1_fold_init(&s->fold)) {
        n1_profile_state_destroy(s);
        return -ENOMEM;
    }
    s->reader = r;
    s->generation = n1_reader_generation(r);
    s->created = n1_reader_created(r);
    if (p->state != p->shown)
        n1_profile_state_destroy(p->state);
    p->state = s;
    return 0;
}

int n1_profile_update(struct n1_profile *p, struct n1_reader *r, struct n1_window window,
                      const struct n1_filter *filter, struct n1_error *reterr)
{
    static const struct n1_filter none;
    struct n1_span span;
    if (!filter)
        filter = &none;
    if (!usable(p->state, r) && fresh_state(p, r))
        return n1_error_set(reterr, -ENOMEM, "no memory for a profile");
    struct n1_profile_state *s = p->state;
    int rc = n1_fold_filter(&s->fold, filter->text, filter->regex, reterr);
    if (rc)
        return rc;
    n1_fold_frames(&s->fold, filter->frames);
    bool other = s->of != filter->of || filter->of != N1_OF_CPU;
    if (n1_pass_set(&s->pass, filter) || other) {
        n1_tally_clear(&s->tally);
        s->rows = (struct n1_range){0, 0};
        s->samples = (struct n1_window){0, 0};
        s->oldest = s->seen = 0;
        s->all_samples = s->all_ns = s->lost = 0;
    }
    s->of = filter->of;
    if (filter->of == N1_OF_CPU || filter->of == N1_OF_WALL) {
        n1_span_plan(r, window, &span);
        rc = move(s, r, &span);
    }
    if (filter->of == N1_OF_WAITS || filter->of == N1_OF_WALL) {
        rc = rc ? rc : n1_profile_waits(s, r, window, filter, &span);
    } else if (filter->of != N1_OF_CPU) {
        rc = n1_profile_memory(s, r, window, filter, &span);
    }
    if (rc)
        rc = n1_error_set(reterr, rc, "no memory for the samples of a profile");
    else
        rc = n1_profile_merge(p, s, r, filter->kinds, &span, reterr);
    s->broken = rc != 0;
    return rc;
}
