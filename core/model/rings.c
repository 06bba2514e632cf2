/*
 * Copying from the rings. Entries are copied first and the tail is read afterwards: whatever the writer had
 * overwritten by then lies before that tail and is dropped and counted. A reader that is too slow loses old
 * entries; it never waits and never sees a torn one.
 */
#include "core/model/fields.h"
#include "core/model/reader.h"

/* How far out of order samples may lie: an engine drains the buffers of threads one after another. */
#define DISORDER_NS (2 * N1_SECOND_NS)

static uint64_t fresh_tail(const struct n1_reader *r, enum n1_segment_kind kind)
{
    return n1_word_load(&r->header->tails[kind]);
}

size_t n1_reader_ring(const struct n1_reader *r, enum n1_segment_kind kind, uint64_t from, void *ret,
                      size_t cap, uint64_t *ret_next, uint64_t *ret_lost)
{
    const size_t stride = n1_model_fields[kind].stride;
    const uint64_t head = r->head[kind], capacity = r->capacity[kind];
    uint64_t tail = r->tail[kind], lost = 0, start = from;
    if (start < tail) {
        lost = tail - start;
        start = tail;
    }
    if (start > head)
        start = head;
    size_t n = head - start < cap ? (size_t)(head - start) : cap;
    uint64_t slot = start % capacity;
    char *to = ret;
    for (size_t i = 0; i < n; i++) {
        n1_words_load(to + i * stride, r->entries[kind] + slot * stride, stride);
        slot = slot + 1 == capacity ? 0 : slot + 1;
    }
    *ret_next = start + n;
    tail = fresh_tail(r, kind);
    size_t lapped = tail <= start ? 0 : tail - start < n ? (size_t)(tail - start) : n;
    if (lapped) {
        lost += lapped;
        memmove(to, to + lapped * stride, (n - lapped) * stride);
    }
    if (ret_lost)
        *ret_lost = lost;
    return n - lapped;
}

size_t n1_reader_samples(const struct n1_reader *r, uint64_t from, struct n1_model_sample *ret, size_t cap,
                         uint64_t *ret_next, uint64_t *ret_lost)
{
    return n1_reader_ring(r, N1_SEGMENT_SAMPLES, from, ret, cap, ret_next, ret_lost);
}

size_t n1_reader_waits(const struct n1_reader *r, uint64_t from, struct n1_model_wait *ret, size_t cap,
                       uint64_t *ret_next, uint64_t *ret_lost)
{
    size_t n = n1_reader_ring(r, N1_SEGMENT_WAITS, from, ret, cap, ret_next, ret_lost);
    for (size_t i = 0; i < n; i++)
        if (ret[i].wait_class < N1_WAIT_RUN_QUEUE || ret[i].wait_class > N1_WAIT_OTHER)
            ret[i].wait_class = N1_WAIT_OTHER;
    return n;
}

size_t n1_reader_seconds(const struct n1_reader *r, uint64_t from, struct n1_model_second *ret, size_t cap,
                         uint64_t *ret_next, uint64_t *ret_lost)
{
    return n1_reader_ring(r, N1_SEGMENT_SECONDS, from, ret, cap, ret_next, ret_lost);
}

size_t n1_reader_memory(const struct n1_reader *r, uint64_t from, struct n1_model_memory *ret, size_t cap,
                        uint64_t *ret_next, uint64_t *ret_lost)
{
    size_t n = n1_reader_ring(r, N1_SEGMENT_MEMORY, from, ret, cap, ret_next, ret_lost);
    for (size_t i = 0; i < n; i++)
        if (ret[i].kind >= N1_MEMORY_KINDS)
            ret[i].kind = 0;
    return n;
}

size_t n1_reader_anomalies(const struct n1_reader *r, uint64_t from, struct n1_model_anomaly *ret, size_t cap,
                           uint64_t *ret_next, uint64_t *ret_lost)
{
    size_t n = n1_reader_ring(r, N1_SEGMENT_ANOMALIES, from, ret, cap, ret_next, ret_lost);
    for (size_t i = 0; i < n; i++)
        if (ret[i].severity < N1_SEVERITY_INFO || ret[i].severity > N1_SEVERITY_CRITICAL)
            ret[i].severity = N1_SEVERITY_INFO;
    return n;
}

/* Loads entry `index` of a ring; false when it is not, or no longer, there. */
static bool load_entry(const struct n1_reader *r, enum n1_segment_kind kind, uint64_t index, void *ret)
{
    size_t stride = n1_model_fields[kind].stride;
    n1_words_load(ret, r->entries[kind] + index % r->capacity[kind] * stride, stride);
    return index >= fresh_tail(r, kind);
}

size_t n1_reader_points(const struct n1_reader *r, uint32_t series, n1_ns from, n1_ns to,
                        struct n1_model_point *ret, size_t cap)
{
    struct n1_model_series s;
    if (!n1_reader_entry(r, N1_SEGMENT_SERIES, series, &s) || s.last == 0)
        return 0;
    /* Down the chain, newest first. Each step goes back by at least one and no index is older than the tail,
     * so the walk is bounded by the capacity whatever the memory says. */
    uint64_t index = s.last - 1, steps = r->capacity[N1_SEGMENT_POINTS];
    size_t n = 0;
    struct n1_model_point p;
    while (n < cap && steps-- && load_entry(r, N1_SEGMENT_POINTS, index, &p) && p.series == series) {
        n1_ns time = p.time & ~N1_POINT_INVALID;
        if (time < from)
            break;
        if (time <= to)
            ret[n++] = p;
        if (p.back == 0 || p.back > index)
            break;
        index -= p.back;
    }
    for (size_t i = 0; i < n / 2; i++) {
        p = ret[i];
        ret[i] = ret[n - 1 - i];
        ret[n - 1 - i] = p;
    }
    return n;
}

uint64_t n1_reader_sample_at(const struct n1_reader *r, n1_ns t)
{
    const uint64_t head = r->head[N1_SEGMENT_SAMPLES];
    uint64_t low = r->tail[N1_SEGMENT_SAMPLES], high = head;
    n1_ns surely = t > DISORDER_NS ? t - DISORDER_NS : 0;
    struct n1_model_sample s;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        /* What was lapped meanwhile is older than everything else. */
        if (!load_entry(r, N1_SEGMENT_SAMPLES, middle, &s) || s.time < surely)
            low = middle + 1;
        else
            high = middle;
    }
    while (low < head && (!load_entry(r, N1_SEGMENT_SAMPLES, low, &s) || s.time < t))
        low++;
    return low;
}

uint64_t n1_reader_second_at(const struct n1_reader *r, uint32_t second)
{
    uint64_t low = r->tail[N1_SEGMENT_SECONDS], high = r->head[N1_SEGMENT_SECONDS];
    struct n1_model_second row;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (!load_entry(r, N1_SEGMENT_SECONDS, middle, &row) || row.second < second)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
