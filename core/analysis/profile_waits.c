/*
 * Profiles of waits: time blocked, or with CPU time beside it the whole of a thread's time (wall clock). Each
 * update counts all waits of the window.
 */
#include "core/analysis/profile_private.h"
#include "core/analysis/wait_walk.h"

struct adding {
    struct n1_profile_state *state;
};

static int add(void *context, const struct n1_model_wait *wait, uint64_t ns, bool going)
{
    struct n1_profile_state *s = ((struct adding *)context)->state;
    (void)going;
    s->all_samples++;
    s->all_ns += ns;
    return n1_tally_add(&s->tally, wait->node, wait->leaf, 0, 1, ns);
}

int n1_profile_waits(struct n1_profile_state *s, struct n1_reader *r, struct n1_window window,
                     const struct n1_filter *filter, struct n1_span *span)
{
    struct adding adding = {s};
    n1_ns now = n1_reader_now(r), to = window.to < now ? window.to : now;
    n1_ns from = window.from > n1_reader_created(r) ? window.from : n1_reader_created(r);
    if (filter->of == N1_OF_WAITS)
        *span = (struct n1_span){.window = {from < to ? from : to, to}, .resolution = N1_RESOLUTION_SAMPLES};
    /* CPU time and waits of the same window, or shares of the whole would mean nothing */
    struct n1_window same = filter->of == N1_OF_WAITS ? window : span->window;
    return n1_wait_walk(r, same, filter, &s->pass, add, &adding, &s->lost);
}
