/*
 * Profiles of bytes. The MEMORY ring holds some minutes of page-fault samples, so each update counts all that
 * lies in the window. Of what allocation tracing found only the last trace before the window's end counts:
 * each tells the whole of its span.
 */
#include "core/analysis/profile_private.h"

#include <errno.h>
#include <string.h>

enum { CHUNK = 256 };

static const struct {
    const char *name, *text;
    bool bytes;
} kinds[N1_OF_COUNT] = {
#define NS false
#define BYTES true
#define X(constant, name_, text_, unit_) [N1_OF_##constant] = {name_, text_, unit_},
    N1_PROFILE_OF_MAP(X)
#undef X
#undef NS
#undef BYTES
};

const char *n1_profile_of_name(enum n1_profile_of of)
{
    return of < N1_OF_COUNT ? kinds[of].name : NULL;
}

const char *n1_profile_of_text(enum n1_profile_of of)
{
    return of < N1_OF_COUNT ? kinds[of].text : NULL;
}

bool n1_profile_of_bytes(enum n1_profile_of of)
{
    return of < N1_OF_COUNT && kinds[of].bytes;
}

int n1_profile_of_find(const char *name)
{
    for (int of = 0; of < N1_OF_COUNT; of++)
        if (!strcmp(kinds[of].name, name))
            return of;
    return -1;
}

/* Time of the last trace in the window; 0: none. */
static n1_ns last_trace(struct n1_reader *r, struct n1_window window)
{
    struct n1_model_memory chunk[CHUNK];
    uint64_t tail, head = n1_reader_count(r, N1_SEGMENT_MEMORY, &tail);
    n1_ns last = 0;
    for (uint64_t at = tail, next; at < head; at = next) {
        size_t got = n1_reader_memory(r, at, chunk, CHUNK, &next, NULL);
        if (next <= at)
            break;
        for (size_t i = 0; i < got; i++)
            if (chunk[i].kind == N1_MEMORY_KEPT && chunk[i].time >= window.from &&
                chunk[i].time < window.to && chunk[i].time > last)
                last = chunk[i].time;
    }
    return last;
}

int n1_profile_memory(struct n1_profile_state *s, struct n1_reader *r, struct n1_window window,
                      const struct n1_filter *filter, struct n1_span *span)
{
    struct n1_model_memory chunk[CHUNK];
    uint64_t tail, lost = 0, head = n1_reader_count(r, N1_SEGMENT_MEMORY, &tail);
    n1_ns last = filter->of == N1_OF_KEPT ? last_trace(r, window) : 0;
    n1_ns first = UINT64_MAX, now = n1_reader_now(r);
    for (uint64_t at = tail, next; at < head; at = next) {
        size_t got = n1_reader_memory(r, at, chunk, CHUNK, &next, &lost);
        s->lost += lost;
        if (next <= at)
            break;
        for (size_t i = 0; i < got; i++) {
            const struct n1_model_memory *m = &chunk[i];
            first = m->time < first ? m->time : first;
            bool wanted = filter->of == N1_OF_KEPT
                              ? m->kind == N1_MEMORY_KEPT && m->time == last
                              : m->kind < N1_MEMORY_KEPT &&
                                    (!filter->memory_kinds || filter->memory_kinds >> m->kind & 1);
            if (!wanted || m->time < window.from || m->time >= window.to)
                continue;
            s->all_samples++;
            s->all_ns += m->bytes;
            int pass = n1_pass_thread(&s->pass, r, m->thread);
            if (pass < 0 || (pass && n1_tally_add(&s->tally, m->node, m->leaf, 0, 1, m->bytes)))
                return -ENOMEM;
        }
    }
    /* Where entries have been lapped, the ring reaches back to its oldest. */
    n1_ns from = tail > 0 && first > window.from ? first : window.from;
    n1_ns to = window.to < now ? window.to : now;
    if (from < n1_reader_created(r))
        from = n1_reader_created(r);
    *span = (struct n1_span){.window = {from < to ? from : to, to}, .resolution = N1_RESOLUTION_SAMPLES};
    return 0;
}
