/*
 * Generation steps. When a table is nearly full, everything that a retained row, a living process, thread or
 * mapping still refers to is marked; the tables are compacted in place in their order, and every id anywhere
 * is rewritten, under an odd `generation`. Where what rows refer to would alone fill more than half of such a
 * table, the oldest quarter of their span is given up first, and counted.
 *
 * Order is kept, so a new id is never above the old one: entries move down over ones already moved, and a
 * node's parent stays below it. Which members hold ids comes from fields.c.
 */
#include "core/model/generation.h"

#include "core/model/fields.h"

#define ROUNDS_MOST 48
#define REFERENCES_MOST 16
#define STUCK_NS (10 * N1_SECOND_NS) /* between steps for a table that a step cannot help */

/* Tables whose entries refer to each other, each before those that it refers to. */
static const enum n1_segment_kind marking_order[] = {
    N1_SEGMENT_NODES,     N1_SEGMENT_FRAMES,  N1_SEGMENT_FUNCTIONS,
    N1_SEGMENT_SERIES,    N1_SEGMENT_THREADS, N1_SEGMENT_MAPPINGS,
    N1_SEGMENT_PROCESSES, N1_SEGMENT_MODULES, N1_SEGMENT_STRING_INDEX};
#define MARKED_TABLES (sizeof(marking_order) / sizeof(marking_order[0]))

static const enum n1_segment_kind row_rings[] = {N1_SEGMENT_SAMPLES, N1_SEGMENT_WAITS, N1_SEGMENT_SECONDS,
                                                 N1_SEGMENT_MEMORY};
static const enum n1_segment_kind point_rings[] = {N1_SEGMENT_POINTS};

struct step {
    struct n1_writer *w;
    struct n1_remap map;             /* while marking: 1 for what is kept */
    uint64_t tail[N1_SEGMENT_COUNT]; /* of rings: where they begin after the step */
    uint64_t kept[N1_SEGMENT_COUNT]; /* of tables: the head after the step */
    struct {
        struct n1_field field[REFERENCES_MOST];
        unsigned count;
    } refs[N1_SEGMENT_COUNT]; /* the fields that hold ids: a step goes over a million rows, and these are few
                               */
};

static bool is_table(enum n1_segment_kind kind)
{
    return !n1_model_fields[kind].ring;
}

static void *entry_of(const struct n1_writer *w, enum n1_segment_kind kind, uint64_t id)
{
    return w->entries[kind] + id * n1_model_fields[kind].stride;
}

/* The table that a reference of `entry` belongs to; N1_REF_NONE when it refers to nothing. */
static uint8_t table_of(const void *entry, const struct n1_field *f)
{
    return f->ref == N1_REF_SCOPE ? n1_model_scope_ref(((const struct n1_model_series *)entry)->metric)
                                  : f->ref;
}

static void mark(struct step *s, uint8_t table, uint32_t id)
{
    if (table != N1_REF_NONE && id < s->w->head[table])
        s->map.to[table][id] = 1;
}

static void list_references(struct step *s)
{
    for (int k = 0; k < N1_SEGMENT_COUNT; k++)
        for (unsigned i = 0; i < n1_model_fields[k].count; i++)
            if (n1_model_fields[k].field[i].ref != N1_REF_NONE)
                s->refs[k].field[s->refs[k].count++] = n1_model_fields[k].field[i];
}

static void mark_references(struct step *s, enum n1_segment_kind kind, const void *entry)
{
    for (unsigned i = 0; i < s->refs[kind].count; i++) {
        const struct n1_field *f = &s->refs[kind].field[i];
        mark(s, table_of(entry, f), n1_field_id(entry, f));
    }
}

/* --- times of rows --- */

static n1_ns row_time(const struct n1_writer *w, enum n1_segment_kind kind, uint64_t index)
{
    const void *row = n1_writer_ring_entry(w, kind, index);
    switch (kind) {
    case N1_SEGMENT_SECONDS:
        return w->header->created + ((n1_ns)((const struct n1_model_second *)row)->second + 1) * N1_SECOND_NS;
    case N1_SEGMENT_POINTS:
        return ((const struct n1_model_point *)row)->time & ~N1_POINT_INVALID;
    default: /* samples, waits, memory: their first word */
        return *(const uint64_t *)row;
    }
}

/* Moves the tails of the rings beyond what is older than `cut`; UINT64_MAX drops everything. */
static void cut_rings(struct step *s, const enum n1_segment_kind *rings, size_t count, n1_ns cut)
{
    for (size_t i = 0; i < count; i++) {
        enum n1_segment_kind k = rings[i];
        if (cut == UINT64_MAX)
            s->tail[k] = s->w->head[k];
        while (s->tail[k] < s->w->head[k] && row_time(s->w, k, s->tail[k]) < cut)
            s->tail[k]++;
    }
}

/* A quarter into the span of what the rings retain; UINT64_MAX when nothing, or one instant, is left. */
static n1_ns first_quarter(const struct step *s, const enum n1_segment_kind *rings, size_t count)
{
    n1_ns oldest = UINT64_MAX, newest = 0;
    for (size_t i = 0; i < count; i++) {
        enum n1_segment_kind k = rings[i];
        if (s->tail[k] >= s->w->head[k])
            continue;
        n1_ns first = row_time(s->w, k, s->tail[k]), last = row_time(s->w, k, s->w->head[k] - 1);
        oldest = first < oldest ? first : oldest;
        newest = last > newest ? last : newest;
    }
    return oldest < newest ? oldest + (newest - oldest) / 4 + 1 : UINT64_MAX;
}

static n1_ns oldest_row(const struct step *s)
{
    n1_ns oldest = UINT64_MAX;
    for (size_t i = 0; i < sizeof(row_rings) / sizeof(row_rings[0]); i++)
        if (s->tail[row_rings[i]] < s->w->head[row_rings[i]]) {
            n1_ns first = row_time(s->w, row_rings[i], s->tail[row_rings[i]]);
            oldest = first < oldest ? first : oldest;
        }
    return oldest;
}

/* --- marking --- */

static void mark_rings(struct step *s)
{
    struct n1_writer *w = s->w;
    for (int k = 0; k < N1_SEGMENT_COUNT; k++)
        for (uint64_t i = is_table(k) ? w->head[k] : s->tail[k]; i < w->head[k]; i++) {
            const void *row = n1_writer_ring_entry(w, k, i);
            if (k != N1_SEGMENT_POINTS)
                mark_references(s, k, row);
            else if (((const struct n1_model_point *)row)->time & N1_POINT_INVALID)
                mark(s, N1_SEGMENT_STRING_INDEX, (uint32_t)((const struct n1_model_point *)row)->value);
        }
    for (uint32_t i = 0; i < w->rows.used; i++)
        mark_references(s, N1_SEGMENT_SECONDS, &w->rows.row[i]);
}

static bool process_lives(const struct n1_writer *w, uint32_t id)
{
    const struct n1_model_process *p = entry_of(w, N1_SEGMENT_PROCESSES, id);
    return n1_writer_knows(w, N1_SEGMENT_PROCESSES, id) && p->state != N1_PROCESS_GONE && p->ended == 0;
}

static bool thread_lives(const struct n1_writer *w, uint32_t id)
{
    const struct n1_model_thread *t = entry_of(w, N1_SEGMENT_THREADS, id);
    return n1_writer_knows(w, N1_SEGMENT_THREADS, id) && t->to == 0 && process_lives(w, t->process);
}

/* A series is kept while its scope lives or one of its points is retained. */
static bool series_lives(const struct step *s, uint32_t id)
{
    const struct n1_model_series *series = entry_of(s->w, N1_SEGMENT_SERIES, id);
    uint8_t table = n1_model_scope_ref(series->metric);
    return table == N1_REF_NONE || (series->last && series->last - 1 >= s->tail[N1_SEGMENT_POINTS]) ||
           (table == N1_SEGMENT_PROCESSES ? process_lives(s->w, series->scope)
                                          : thread_lives(s->w, series->scope));
}

/* What is kept although no row may refer to it. */
static bool is_root(const struct step *s, enum n1_segment_kind kind, uint32_t id, n1_ns oldest)
{
    switch (kind) {
    case N1_SEGMENT_PROCESSES:
        return process_lives(s->w, id);
    case N1_SEGMENT_THREADS:
        return thread_lives(s->w, id);
    case N1_SEGMENT_SERIES:
        return series_lives(s, id);
    case N1_SEGMENT_MAPPINGS: {
        const struct n1_model_mapping *m = entry_of(s->w, kind, id);
        return m->to == 0 ? process_lives(s->w, m->process) : m->to >= oldest;
    }
    default:
        return false;
    }
}

static uint32_t padded(uint32_t len)
{
    return (len + 7) & ~7u;
}

/* Marks all that is kept with the tails as they are, and counts it. */
static void mark_all(struct step *s)
{
    struct n1_writer *w = s->w;
    n1_ns oldest = oldest_row(s);
    for (size_t i = 0; i < MARKED_TABLES; i++)
        memset(s->map.to[marking_order[i]], 0, w->head[marking_order[i]] * sizeof(uint32_t));
    mark_rings(s);
    s->kept[N1_SEGMENT_STRING_BYTES] = 0;
    for (size_t i = 0; i < MARKED_TABLES; i++) {
        enum n1_segment_kind k = marking_order[i];
        uint32_t *to = s->map.to[k];
        s->kept[k] = 1;
        /* Downwards, so that a node is marked before its parent is looked at. */
        for (uint32_t id = (uint32_t)w->head[k]; id-- > 1;) {
            if (!to[id] && !is_root(s, k, id, oldest))
                continue;
            to[id] = 1;
            s->kept[k]++;
            mark_references(s, k, entry_of(w, k, id));
            if (k == N1_SEGMENT_STRING_INDEX)
                s->kept[N1_SEGMENT_STRING_BYTES] +=
                    padded(((struct n1_model_string *)entry_of(w, k, id))->len);
        }
    }
}

/* --- making room --- */

static bool is_due(const struct n1_writer *w, enum n1_segment_kind kind, n1_ns now)
{
    if (!is_table(kind) || w->head[kind] < w->step_at[kind])
        return false;
    return !w->stuck[kind] || now - w->step_time >= STUCK_NS;
}

/* Gives up the oldest rows until each table that is due is at most half full, or as near to that as what
 * lives by itself allows. Leaves the marks of what is kept. */
static void make_room(struct step *s, const bool due[N1_SEGMENT_COUNT])
{
    const size_t rows = sizeof(row_rings) / sizeof(row_rings[0]);
    const size_t points = sizeof(point_rings) / sizeof(point_rings[0]);
    struct n1_writer *w = s->w;
    uint64_t goal[N1_SEGMENT_COUNT];
    bool have_floor = false;

    for (int k = 0; k < N1_SEGMENT_COUNT; k++)
        goal[k] = due[k] ? w->capacity[k] / 2 : UINT64_MAX;
    for (int round = 0; round < ROUNDS_MOST; round++) {
        mark_all(s);
        bool cut_rows = false, cut_points = false, over = false;
        for (int k = 0; k < N1_SEGMENT_COUNT; k++) {
            if (s->kept[k] <= goal[k])
                continue;
            over = true;
            cut_rows |= k != N1_SEGMENT_SERIES;
            cut_points |= k == N1_SEGMENT_SERIES || k == N1_SEGMENT_THREADS || k == N1_SEGMENT_PROCESSES ||
                          k == N1_SEGMENT_STRING_INDEX || k == N1_SEGMENT_STRING_BYTES;
        }
        if (!over)
            return;
        if (!have_floor) {
            /* What would be kept with no rows at all: dropping rows must not chase what it cannot reach. */
            uint64_t tail[N1_SEGMENT_COUNT];
            memcpy(tail, s->tail, sizeof(tail));
            cut_rings(s, row_rings, rows, UINT64_MAX);
            cut_rings(s, point_rings, points, UINT64_MAX);
            mark_all(s);
            memcpy(s->tail, tail, sizeof(tail));
            for (int k = 0; k < N1_SEGMENT_COUNT; k++) {
                uint64_t capacity = w->capacity[k], floor = s->kept[k];
                uint64_t reachable = floor + (capacity - (floor < capacity ? floor : capacity)) / 4;
                if (due[k] && reachable > goal[k])
                    goal[k] = floor >= capacity / 8 * 7 ? UINT64_MAX : reachable;
            }
            have_floor = true;
            continue;
        }
        if (cut_rows)
            cut_rings(s, row_rings, rows, first_quarter(s, row_rings, rows));
        if (cut_points)
            cut_rings(s, point_rings, points, first_quarter(s, point_rings, points));
    }
    mark_all(s);
}

/* --- the step --- */

static void rewrite(const struct step *s, enum n1_segment_kind kind, void *entry)
{
    for (unsigned i = 0; i < s->refs[kind].count; i++) {
        const struct n1_field *f = &s->refs[kind].field[i];
        uint8_t table = table_of(entry, f);
        if (table == N1_REF_NONE)
            continue;
        uint32_t id = n1_field_id(entry, f);
        n1_field_set_id(entry, f, id < s->w->head[table] ? s->map.to[table][id] : 0);
    }
    struct n1_model_point *point = entry;
    if (kind == N1_SEGMENT_POINTS && point->time & N1_POINT_INVALID) {
        uint64_t id = (uint64_t)point->value;
        point->value = id < s->w->head[N1_SEGMENT_STRING_INDEX] ? s->map.to[N1_SEGMENT_STRING_INDEX][id] : 0;
    }
}

static void rewrite_rings(struct step *s)
{
    struct n1_writer *w = s->w;
    uint64_t entry[16];
    for (int k = 0; k < N1_SEGMENT_COUNT; k++)
        for (uint64_t i = is_table(k) ? w->head[k] : s->tail[k]; i < w->head[k]; i++) {
            uint8_t *row = n1_writer_ring_entry(w, k, i);
            memcpy(entry, row, n1_model_fields[k].stride);
            rewrite(s, k, entry);
            if (memcmp(row, entry, n1_model_fields[k].stride) != 0)
                n1_words_store(row, entry, n1_model_fields[k].stride);
        }
    for (uint32_t i = 0; i < w->rows.used; i++)
        rewrite(s, N1_SEGMENT_SECONDS, &w->rows.row[i]);
}

static void number_kept(struct step *s)
{
    for (size_t i = 0; i < MARKED_TABLES; i++) {
        enum n1_segment_kind k = marking_order[i];
        uint32_t next = 1;
        s->map.to[k][0] = 0; /* "none" was marked like any other id */
        for (uint32_t id = 1; id < s->w->head[k]; id++)
            s->map.to[k][id] = s->map.to[k][id] ? next++ : 0;
    }
}

static void compact_strings(struct step *s)
{
    struct n1_writer *w = s->w;
    uint8_t *bytes = w->entries[N1_SEGMENT_STRING_BYTES];
    uint32_t at = 0;
    for (uint32_t id = 1; id < w->head[N1_SEGMENT_STRING_INDEX]; id++) {
        uint32_t to = s->map.to[N1_SEGMENT_STRING_INDEX][id];
        if (!to)
            continue;
        struct n1_model_string string = *(struct n1_model_string *)entry_of(w, N1_SEGMENT_STRING_INDEX, id);
        if (string.offset != at)
            n1_words_store(bytes + at, bytes + string.offset, padded(string.len));
        n1_word_store(entry_of(w, N1_SEGMENT_STRING_INDEX, to), n1_word_pair(at, string.len));
        at += padded(string.len);
    }
}

static void compact_table(struct step *s, enum n1_segment_kind kind)
{
    struct n1_writer *w = s->w;
    const size_t stride = n1_model_fields[kind].stride;
    uint64_t entry[16];
    for (uint32_t id = 1; id < w->head[kind]; id++) {
        uint32_t to = s->map.to[kind][id];
        if (!to)
            continue;
        memcpy(entry, entry_of(w, kind, id), stride);
        rewrite(s, kind, entry);
        if (to != id || memcmp(entry, entry_of(w, kind, id), stride) != 0)
            n1_words_store(entry_of(w, kind, to), entry, stride);
    }
}

static void move_entry_frames(struct step *s)
{
    struct n1_writer *w = s->w;
    uint32_t known =
        w->entry_frames < w->head[N1_SEGMENT_FRAMES] ? w->entry_frames : (uint32_t)w->head[N1_SEGMENT_FRAMES];
    const uint32_t *to = s->map.to[N1_SEGMENT_FRAMES];
    uint32_t end = 1;
    for (uint32_t id = 1; id < known; id++)
        if (to[id])
            w->entry_frame[end++] = to[w->entry_frame[id]];
    if (end < w->entry_frames)
        memset(w->entry_frame + end, 0, (w->entry_frames - end) * sizeof(*w->entry_frame));
}

static void commit(struct step *s)
{
    struct n1_writer *w = s->w;
    struct n1_model_header *h = w->header;
    uint64_t dropped = 0;

    number_kept(s);
    n1_word_store(&h->generation, h->generation + 1);
    for (int k = 0; k < N1_SEGMENT_COUNT; k++) {
        if (is_table(k))
            continue;
        dropped += s->tail[k] - w->tail[k];
        w->tail[k] = s->tail[k];
        n1_word_store(&h->tails[k], w->tail[k]);
    }
    rewrite_rings(s);
    for (size_t i = 0; i < MARKED_TABLES; i++)
        if (marking_order[i] != N1_SEGMENT_STRING_INDEX)
            compact_table(s, marking_order[i]);
    compact_strings(s);
    move_entry_frames(s);
    for (int k = 0; k < N1_SEGMENT_COUNT; k++)
        if (is_table(k)) {
            w->head[k] = s->kept[k];
            n1_word_store(&h->heads[k], w->head[k]);
        }
    n1_writer_self_add(w, N1_SELF_GENERATIONS, 1);
    n1_writer_self_add(w, N1_SELF_ROWS_DROPPED, dropped);
    n1_word_store(&h->generation, h->generation + 1);
    for (size_t i = 0; i < MARKED_TABLES; i++)
        if (w->index[marking_order[i]].slots)
            n1_writer_refill_index(w, marking_order[i]);
    if (w->rows.slots)
        n1_rows_reindex(&w->rows);
    w->overflowed = false;
}

/* A table that is full of what lives is tried again when it has grown, or after a while when it cannot. */
static void set_thresholds(struct n1_writer *w)
{
    for (int k = 0; k < N1_SEGMENT_COUNT; k++) {
        uint64_t capacity = w->capacity[k];
        uint64_t full = k == N1_SEGMENT_STRING_BYTES ? capacity - capacity / 16 : capacity;
        uint64_t usual = capacity - capacity / 8, next = w->head[k] + capacity / 16 + 1;
        w->stuck[k] = next > full;
        w->step_at[k] = w->stuck[k] ? full : next > usual ? next : usual;
    }
}

bool n1_generation_maintain(struct n1_writer *w, n1_ns now)
{
    bool due[N1_SEGMENT_COUNT], any = false;
    for (int k = 0; k < N1_SEGMENT_COUNT; k++)
        any |= due[k] = is_due(w, k, now);
    if (!any)
        return false;

    struct step s = {.w = w};
    bool made = false;
    memcpy(s.tail, w->tail, sizeof(s.tail));
    list_references(&s);
    for (size_t i = 0; i < MARKED_TABLES; i++) {
        enum n1_segment_kind k = marking_order[i];
        s.map.heads[k] = w->head[k];
        s.map.to[k] = malloc(w->head[k] * sizeof(uint32_t));
        if (!s.map.to[k])
            goto finish; /* tried again at the next call; full tables count what they refuse */
    }
    make_room(&s, due);
    commit(&s);
    set_thresholds(w);
    w->step_time = now;
    made = true;
    if (w->remapped)
        w->remapped(w->context, &s.map);
finish:
    for (size_t i = 0; i < MARKED_TABLES; i++)
        free(s.map.to[marking_order[i]]);
    return made;
}

static uint32_t remapped(const struct n1_remap *remap, enum n1_segment_kind kind, uint32_t old)
{
    return old < remap->heads[kind] ? remap->to[kind][old] : 0;
}

uint32_t n1_remap_thread(const struct n1_remap *remap, uint32_t old)
{
    return remapped(remap, N1_SEGMENT_THREADS, old);
}

uint32_t n1_remap_module(const struct n1_remap *remap, uint32_t old)
{
    return remapped(remap, N1_SEGMENT_MODULES, old);
}

uint32_t n1_remap_process(const struct n1_remap *remap, uint32_t old)
{
    return remapped(remap, N1_SEGMENT_PROCESSES, old);
}

uint32_t n1_remap_function(const struct n1_remap *remap, uint32_t old)
{
    return remapped(remap, N1_SEGMENT_FUNCTIONS, old);
}

uint32_t n1_remap_frame(const struct n1_remap *remap, uint32_t old)
{
    return remapped(remap, N1_SEGMENT_FRAMES, old);
}

uint32_t n1_remap_node(const struct n1_remap *remap, uint32_t old)
{
    return remapped(remap, N1_SEGMENT_NODES, old);
}

uint32_t n1_remap_string(const struct n1_remap *remap, uint32_t old)
{
    return remapped(remap, N1_SEGMENT_STRING_INDEX, old);
}

uint32_t n1_remap_series(const struct n1_remap *remap, uint32_t old)
{
    return remapped(remap, N1_SEGMENT_SERIES, old);
}
