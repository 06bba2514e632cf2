/*
 * Rows of a second: the samples of one second under one thread, chain and leaf, added up privately until the
 * second is over and then pushed in one batch, sorted. A leaf whose function is named becomes the entry frame
 * of that function, so that a hot loop takes one row, not one per instruction. A sample that comes after its
 * second was pushed is counted in the oldest second still open: late by the delay, never lost, and seconds in
 * the ring never run backwards.
 */
#include "core/model/writer.h"

#define ROWS_FIRST 256u
#define ROWS_MOST (UINT32_C(1) << 18) /* 10 MiB; beyond it the oldest second is pushed early */

static uint64_t hash_row(const struct n1_model_second *row)
{
    return n1_hash_two(n1_word_pair(row->second, row->thread) + (uint64_t)row->flags * UINT64_C(0x9e3779b1),
                       n1_word_pair(row->node, row->leaf));
}

static bool same_row(const struct n1_model_second *a, const struct n1_model_second *b)
{
    return a->node == b->node && a->leaf == b->leaf && a->second == b->second && a->thread == b->thread &&
           a->flags == b->flags;
}

void n1_rows_reindex(struct n1_rows *rows)
{
    memset(rows->slots, 0, ((size_t)rows->mask + 1) * sizeof(*rows->slots));
    for (uint32_t r = 0; r < rows->used; r++) {
        uint32_t i = (uint32_t)hash_row(&rows->row[r]) & rows->mask;
        while (rows->slots[i])
            i = (i + 1) & rows->mask;
        rows->slots[i] = r + 1;
    }
}

static bool grow(struct n1_rows *rows)
{
    uint32_t capacity = rows->capacity ? rows->capacity * 2 : ROWS_FIRST;
    if (capacity > ROWS_MOST)
        return false;
    uint32_t *slots = calloc((size_t)capacity * 2, sizeof(*slots));
    struct n1_model_second *row = slots ? realloc(rows->row, capacity * sizeof(*row)) : NULL;
    if (!row) {
        free(slots);
        return false;
    }
    free(rows->slots);
    rows->slots = slots;
    rows->row = row;
    rows->capacity = capacity;
    rows->mask = capacity * 2 - 1;
    n1_rows_reindex(rows);
    return true;
}

static uint32_t newest_second(const struct n1_rows *rows)
{
    uint32_t newest = 0;
    for (uint32_t r = 0; r < rows->used; r++)
        if (rows->row[r].second > newest)
            newest = rows->row[r].second;
    return newest;
}

void n1_rows_add(struct n1_writer *w, n1_ns time, const struct n1_model_second *more)
{
    struct n1_rows *rows = &w->rows;
    n1_ns created = w->header->created;
    uint64_t second = time > created ? (time - created) / N1_SECOND_NS : 0;
    struct n1_model_second key = *more;
    key.second = second < UINT32_MAX ? (uint32_t)second : UINT32_MAX - 1;
    if (key.second < rows->open_from)
        key.second = rows->open_from;
    if (key.leaf < w->entry_frames && w->entry_frame[key.leaf])
        key.leaf = w->entry_frame[key.leaf];
    if (rows->used == rows->capacity && !grow(rows)) {
        n1_rows_flush(w, newest_second(rows));
        if (rows->used == rows->capacity)
            n1_rows_flush(w, UINT32_MAX);
        if (key.second < rows->open_from)
            key.second = rows->open_from;
        if (!rows->capacity)
            return; /* no memory at all: the sample itself is in the fine ring */
    }
    uint32_t i = (uint32_t)hash_row(&key) & rows->mask;
    for (; rows->slots[i]; i = (i + 1) & rows->mask) {
        struct n1_model_second *row = &rows->row[rows->slots[i] - 1];
        if (!same_row(row, &key))
            continue;
        row->count += key.count;
        row->weight_ns += key.weight_ns;
        row->bytes += key.bytes;
        return;
    }
    rows->row[rows->used] = key;
    rows->slots[i] = ++rows->used;
}

static int by_key(const void *left, const void *right)
{
    const struct n1_model_second *a = left, *b = right;
    uint64_t x = n1_word_pair(a->thread, a->second), y = n1_word_pair(b->thread, b->second);
    if (x == y)
        x = n1_word_pair(a->leaf, a->node), y = n1_word_pair(b->leaf, b->node);
    if (x == y)
        x = a->flags, y = b->flags;
    return x < y ? -1 : x > y;
}

void n1_rows_flush(struct n1_writer *w, uint32_t second)
{
    struct n1_rows *rows = &w->rows;
    uint32_t due = 0, after = rows->open_from;
    for (uint32_t r = 0; r < rows->used; r++) {
        struct n1_model_second row = rows->row[r];
        if (row.second >= second)
            continue;
        row.leaf = n1_writer_entry_frame(w, row.leaf);
        if (row.second >= after)
            after = row.second + 1;
        rows->row[r] = rows->row[due];
        rows->row[due++] = row;
    }
    /* After a flush of everything only the seconds that were pushed are over. */
    rows->open_from = second != UINT32_MAX && second > after ? second : after;
    if (due == 0)
        return;
    qsort(rows->row, due, sizeof(*rows->row), by_key);
    for (uint32_t r = 0; r < due;) {
        struct n1_model_second row = rows->row[r++];
        for (; r < due && same_row(&row, &rows->row[r]); r++) {
            row.count += rows->row[r].count;
            row.weight_ns += rows->row[r].weight_ns;
            row.bytes += rows->row[r].bytes;
        }
        n1_writer_push(w, N1_SEGMENT_SECONDS, &row);
    }
    rows->used -= due;
    memmove(rows->row, rows->row + due, rows->used * sizeof(*rows->row));
    n1_rows_reindex(rows);
}

void n1_rows_finish(struct n1_rows *rows)
{
    free(rows->row);
    free(rows->slots);
    *rows = (struct n1_rows){0};
}
