/*
 * Windows to ranges. While a ring laps, its oldest sixteenth counts as gone already: a profile that slides
 * along takes entries out of its sums by reading them once more, and so finds them still there.
 */
#include "core/analysis/span.h"

#define CHUNK 512

static uint64_t trusted_tail(const struct n1_reader *r, enum n1_segment_kind kind, uint64_t *ret_head)
{
    uint64_t tail = 0, head = n1_reader_count(r, kind, &tail);
    *ret_head = head;
    if (tail == 0)
        return tail;
    uint64_t margin = n1_reader_capacity(r, kind) / 16;
    return head - tail > margin ? tail + margin : head;
}

static uint64_t second_of(n1_ns time, n1_ns created)
{
    return time > created ? (time - created) / N1_SECOND_NS : 0;
}

static uint64_t nearest_second(n1_ns time, n1_ns created)
{
    return time > created
               ? (time - created) / N1_SECOND_NS + ((time - created) % N1_SECOND_NS >= N1_SECOND_NS / 2)
               : 0;
}

static uint32_t clip(uint64_t second)
{
    return second < UINT32_MAX ? (uint32_t)second : UINT32_MAX;
}

static n1_ns start_of(uint64_t second, n1_ns created)
{
    return second > (UINT64_MAX - created) / N1_SECOND_NS ? UINT64_MAX : created + second * N1_SECOND_NS;
}

static bool row_at(const struct n1_reader *r, uint64_t index, struct n1_model_second *ret)
{
    uint64_t next;
    return n1_reader_seconds(r, index, ret, 1, &next, NULL) == 1;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static struct n1_range ordered(uint64_t from, uint64_t to)
{
    return (struct n1_range){from, to > from ? to : from};
}

void n1_span_plan(const struct n1_reader *r, struct n1_window window, struct n1_span *ret)
{
    n1_ns created = n1_reader_created(r), now = most(n1_reader_now(r), created);
    uint64_t head, row_head, next, tail = 0;
    n1_reader_count(r, N1_SEGMENT_SAMPLES, &tail);
    uint64_t kept = trusted_tail(r, N1_SEGMENT_SAMPLES, &head);
    uint64_t kept_rows = trusted_tail(r, N1_SEGMENT_SECONDS, &row_head);
    n1_ns to = least(window.to, now), from = most(window.from, created);
    struct n1_model_sample first;
    bool any = n1_reader_samples(r, kept, &first, 1, &next, NULL) == 1;
    uint64_t first_second = any ? second_of(first.time, created) : UINT64_MAX;

    *ret = (struct n1_span){.resolution = N1_RESOLUTION_SAMPLES, .rows = {row_head, row_head}};
    ret->window = (struct n1_window){least(from, to), to};
    ret->samples = window;
    if (window.to <= window.from || (any && window.from >= first.time))
        return;

    /* part of the window is older than the ring: is there a row of that part? */
    struct n1_model_second row, last;
    uint64_t row_from = nearest_second(from, created);
    if (kept_rows > 0 && row_at(r, kept_rows, &row))
        row_from = most(row_from, (uint64_t)row.second + 1);
    uint64_t rows = n1_reader_second_at(r, clip(row_from));
    bool older = row_at(r, rows, &row) && row_at(r, row_head - 1, &last) &&
                 start_of(row.second, created) < to &&
                 (row.second < first_second || (tail > 0 && row.second == first_second));
    if (!older) {
        if (any && tail > 0)
            ret->window.from = least(most(from, first.time), to);
        return;
    }
    uint64_t border = any ? least(first_second + 1, (uint64_t)last.second + 1) : UINT64_MAX;
    ret->window.from = start_of(row_from, created);
    if (start_of(border, created) < to) {
        ret->resolution = N1_RESOLUTION_MIXED;
        ret->rows = ordered(rows, n1_reader_second_at(r, clip(border)));
        ret->samples.from = start_of(border, created);
        return;
    }
    border = least(border, window.to >= now ? UINT64_MAX : most(nearest_second(to, created), row_from + 1));
    ret->resolution = N1_RESOLUTION_SECONDS;
    ret->rows = ordered(rows, n1_reader_second_at(r, clip(border)));
    ret->samples = (struct n1_window){0, 0};
    ret->window.to = most(least(start_of(border, created), now), ret->window.from);
}

struct n1_range n1_span_indices(const struct n1_reader *r, n1_ns from, n1_ns to)
{
    uint64_t head = n1_reader_count(r, N1_SEGMENT_SAMPLES, NULL);
    if (to <= from)
        return (struct n1_range){head, head};
    uint64_t end =
        to > UINT64_MAX - N1_SPAN_DISORDER_NS ? head : n1_reader_sample_at(r, to + N1_SPAN_DISORDER_NS);
    return ordered(n1_reader_sample_at(r, from), end);
}

uint32_t n1_span_seconds(const struct n1_reader *r, struct n1_window window, uint32_t *ret_first,
                         struct n1_range *ret_rows)
{
    n1_ns created = n1_reader_created(r), now = most(n1_reader_now(r), created);
    uint64_t head, tail = trusted_tail(r, N1_SEGMENT_SECONDS, &head);
    uint64_t first = second_of(window.from, created), end = second_of(now, created);
    struct n1_model_second row;
    if (window.from > start_of(first, created))
        first++;
    if (tail > 0 && row_at(r, tail, &row))
        first = most(first, (uint64_t)row.second + 1);
    if (!n1_reader_is_file(r) && n1_reader_state(r) != N1_STATE_CLOSED) {
        /* a row is flushed up to two seconds after its second ended; that of the newest row may be half there
         */
        end = end > 2 ? end - 2 : 0;
        if (head > 0 && row_at(r, head - 1, &row))
            end = least(most(end, row.second), second_of(now, created));
    }
    end = least(end, second_of(window.to, created));
    end = most(end, first);
    first = most(first, end > N1_SPAN_SECONDS_MAX ? end - N1_SPAN_SECONDS_MAX : 0);
    *ret_first = clip(first);
    *ret_rows = ordered(n1_reader_second_at(r, clip(first)), n1_reader_second_at(r, clip(end)));
    return clip(end);
}

int n1_span_samples(const struct n1_reader *r, struct n1_range range, n1_span_each *each, void *context,
                    uint64_t *ret_lost)
{
    struct n1_model_sample chunk[CHUNK];
    for (uint64_t at = range.from; at < range.to;) {
        uint64_t next = at, lost = 0, left = range.to - at;
        size_t got = n1_reader_samples(r, at, chunk, left < CHUNK ? (size_t)left : CHUNK, &next, &lost);
        *ret_lost += least(lost, left);
        if (next <= at)
            break;
        uint64_t first = next - got; /* lapped entries may have been jumped over, even past the end */
        for (size_t i = 0; i < got && first + i < range.to; i++) {
            const struct n1_model_sample *s = &chunk[i];
            if (s->flags & N1_SAMPLE_DUMP)
                continue;
            struct n1_span_entry e = {first + i, s->time, s->weight_ns, s->thread, s->node, s->leaf, s->flags,
                                      1,         0};
            int stop = each(context, &e);
            if (stop)
                return stop;
        }
        at = next;
    }
    return 0;
}

int n1_span_rows(const struct n1_reader *r, struct n1_range range, n1_span_each *each, void *context,
                 uint64_t *ret_lost)
{
    n1_ns created = n1_reader_created(r);
    struct n1_model_second chunk[CHUNK];
    for (uint64_t at = range.from; at < range.to;) {
        uint64_t next = at, lost = 0, left = range.to - at;
        size_t got = n1_reader_seconds(r, at, chunk, left < CHUNK ? (size_t)left : CHUNK, &next, &lost);
        *ret_lost += least(lost, left);
        if (next <= at)
            break;
        uint64_t first = next - got;
        for (size_t i = 0; i < got && first + i < range.to; i++) {
            const struct n1_model_second *s = &chunk[i];
            if ((s->flags & N1_SAMPLE_DUMP) || s->count == 0)
                continue;
            struct n1_span_entry e = {first + i,    start_of(s->second, created),
                                      s->weight_ns, s->thread,
                                      s->node,      s->leaf,
                                      s->flags,     s->count,
                                      s->second};
            int stop = each(context, &e);
            if (stop)
                return stop;
        }
        at = next;
    }
    return 0;
}

struct timed {
    struct n1_window window;
    n1_span_each *each;
    void *context;
};

static int in_time(void *context, const struct n1_span_entry *e)
{
    struct timed *t = context;
    return e->time >= t->window.from && e->time < t->window.to ? t->each(t->context, e) : 0;
}

int n1_span_walk(const struct n1_reader *r, const struct n1_span *span, n1_span_each *each, void *context)
{
    uint64_t lost = 0;
    struct timed t = {span->samples, each, context};
    int stop = n1_span_rows(r, span->rows, each, context, &lost);
    if (stop)
        return stop;
    struct n1_range range = n1_span_indices(r, span->samples.from, span->samples.to);
    return n1_span_samples(r, range, in_time, &t, &lost);
}
