/*
 * The rings. A push moves the tail beyond the entry it is going to overwrite before it touches it, writes the
 * entry and moves the head: a reader that copied a lapped entry finds the tail beyond it and drops it.
 */
#include "core/model/fields.h"
#include "core/model/writer.h"

static inline uint64_t push(struct n1_writer *w, enum n1_segment_kind kind, const void *entry, size_t stride)
{
    struct n1_model_header *h = w->header;
    uint64_t index = w->head[kind], slot = w->slot[kind], capacity = w->capacity[kind];
    if (index - w->tail[kind] >= capacity)
        n1_word_store(&h->tails[kind], w->tail[kind] = index + 1 - capacity);
    n1_words_store(w->entries[kind] + slot * stride, entry, stride);
    w->slot[kind] = slot + 1 == capacity ? 0 : slot + 1;
    n1_word_store(&h->heads[kind], w->head[kind] = index + 1);
    return index;
}

uint64_t n1_writer_push(struct n1_writer *w, enum n1_segment_kind kind, const void *entry)
{
    return push(w, kind, entry, n1_model_fields[kind].stride);
}

void *n1_writer_ring_entry(const struct n1_writer *w, enum n1_segment_kind kind, uint64_t index)
{
    return w->entries[kind] + index % w->capacity[kind] * n1_model_fields[kind].stride;
}

static bool is_kept(const struct n1_writer *w, enum n1_segment_kind kind, uint64_t index)
{
    return index >= w->tail[kind] && index < w->head[kind];
}

/* A chain that did not fit is cut at its leaf and said to be truncated. */
static bool take_overflow(struct n1_writer *w, uint32_t leaf)
{
    bool lost = w->overflowed || leaf == 0;
    w->overflowed = false;
    if (lost)
        n1_writer_self_add(w, N1_SELF_OTHER, 1);
    return lost;
}

void n1_writer_sample(struct n1_writer *w, const struct n1_model_sample *s)
{
    struct n1_model_sample entry = *s;
    if (take_overflow(w, s->leaf)) {
        entry.node = 0;
        entry.flags |= N1_SAMPLE_TRUNCATED;
    }
    push(w, N1_SEGMENT_SAMPLES, &entry, sizeof(entry));
    if (entry.flags & N1_SAMPLE_DUMP)
        return;
    struct n1_model_second row = {.thread = entry.thread,
                                  .node = entry.node,
                                  .leaf = entry.leaf,
                                  .flags = entry.flags,
                                  .count = 1,
                                  .weight_ns = entry.weight_ns};
    n1_rows_add(w, entry.time, &row);
}

uint64_t n1_writer_wait(struct n1_writer *w, const struct n1_model_wait *wait)
{
    struct n1_model_wait entry = *wait;
    if (w->overflowed)
        entry.node = 0;
    w->overflowed = false;
    return push(w, N1_SEGMENT_WAITS, &entry, sizeof(entry));
}

void n1_writer_wait_end(struct n1_writer *w, uint64_t index, n1_ns end)
{
    if (is_kept(w, N1_SEGMENT_WAITS, index))
        n1_word_store(&((struct n1_model_wait *)n1_writer_ring_entry(w, N1_SEGMENT_WAITS, index))->end, end);
}

void n1_writer_wait_class(struct n1_writer *w, uint64_t index, enum n1_wait_class wait_class)
{
    if (!is_kept(w, N1_SEGMENT_WAITS, index))
        return;
    struct n1_model_wait *wait = n1_writer_ring_entry(w, N1_SEGMENT_WAITS, index);
    n1_word_store(&wait->leaf, n1_word_pair(wait->leaf, wait_class));
}

void n1_writer_wait_owner(struct n1_writer *w, uint64_t index, uint32_t owner, uint32_t flags)
{
    if (!is_kept(w, N1_SEGMENT_WAITS, index))
        return;
    struct n1_model_wait *wait = n1_writer_ring_entry(w, N1_SEGMENT_WAITS, index);
    n1_word_store(&wait->owner, n1_word_pair(owner, flags));
}

void n1_writer_memory(struct n1_writer *w, const struct n1_model_memory *m)
{
    struct n1_model_memory entry = *m;
    if (w->overflowed)
        entry.node = 0;
    w->overflowed = false;
    push(w, N1_SEGMENT_MEMORY, &entry, sizeof(entry));
    if (entry.kind >= N1_MEMORY_KEPT)
        return;
    struct n1_model_second row = {
        .thread = entry.thread, .node = entry.node, .leaf = entry.leaf, .bytes = entry.bytes};
    n1_rows_add(w, entry.time, &row);
}

static void point(struct n1_writer *w, uint32_t series, uint64_t time, int64_t value)
{
    if (!n1_writer_knows(w, N1_SEGMENT_SERIES, series))
        return;
    struct n1_model_series *s = N1_WRITER_ENTRY(w, SERIES, n1_model_series, series);
    uint64_t index = w->head[N1_SEGMENT_POINTS];
    uint64_t back = s->last ? index - (s->last - 1) : 0;
    if (back > w->capacity[N1_SEGMENT_POINTS] || back > UINT32_MAX)
        back = 0;
    struct n1_model_point entry = {.time = time, .value = value, .series = series, .back = (uint32_t)back};
    push(w, N1_SEGMENT_POINTS, &entry, sizeof(entry));
    n1_word_store(&s->head, s->head + 1);
    n1_word_store(&s->last, index + 1);
}

void n1_writer_point(struct n1_writer *w, uint32_t series, n1_ns time, int64_t value)
{
    point(w, series, time & ~N1_POINT_INVALID, value);
}

void n1_writer_point_unknown(struct n1_writer *w, uint32_t series, n1_ns time, uint32_t why)
{
    point(w, series, time | N1_POINT_INVALID, why);
}

uint64_t n1_writer_anomaly(struct n1_writer *w, const struct n1_model_anomaly *a)
{
    return push(w, N1_SEGMENT_ANOMALIES, a, sizeof(*a));
}

void n1_writer_anomaly_update(struct n1_writer *w, uint64_t index, const struct n1_model_anomaly *a)
{
    if (is_kept(w, N1_SEGMENT_ANOMALIES, index))
        n1_words_store(n1_writer_ring_entry(w, N1_SEGMENT_ANOMALIES, index), a, sizeof(*a));
}

void n1_writer_second(struct n1_writer *w, const struct n1_model_second *row)
{
    push(w, N1_SEGMENT_SECONDS, row, sizeof(*row));
}
