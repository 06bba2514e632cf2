/*
 * Inside of the writer, shared by its parts: tables and names (intern.c), rings (store.c), rows of a second
 * (rows.c), generation steps (generation.c), and the recording's loader (file_load.c), which fills a private
 * model. The writer reads its own entries plainly: nobody else writes them.
 */
#ifndef N1_CORE_MODEL_WRITER_H
#define N1_CORE_MODEL_WRITER_H

#include "core/model/index.h"
#include "core/model/words.h"
#include "n1/writer.h"

/* Rows of the seconds that are not over yet. */
struct n1_rows {
    struct n1_model_second *row;
    uint32_t used, capacity;
    uint32_t *slots; /* row + 1; 0 is free */
    uint32_t mask;
    uint32_t open_from; /* seconds before this one have been flushed */
};

struct n1_writer {
    struct n1_model_header *header;
    size_t bytes;
    int fd; /* -1: private memory */
    uint8_t *entries[N1_SEGMENT_COUNT];
    uint64_t capacity[N1_SEGMENT_COUNT];
    uint64_t head[N1_SEGMENT_COUNT], tail[N1_SEGMENT_COUNT];
    uint64_t slot[N1_SEGMENT_COUNT]; /* of a ring: head % capacity */
    struct n1_index index[N1_SEGMENT_COUNT];
    struct n1_rows rows;
    uint32_t *entry_frame;              /* by frame: the entry frame of its function, once known; else 0 */
    uint32_t entry_frames;              /* entries allocated */
    bool overflowed;                    /* a chain did not fit since the last push */
    uint64_t step_at[N1_SEGMENT_COUNT]; /* head of a table at which the next generation step is due */
    bool stuck[N1_SEGMENT_COUNT];       /* it is full of what lives: steps for it alone are paced */
    n1_ns step_time;                    /* of the last step */
    void (*remapped)(void *context, const struct n1_remap *remap);
    void *context;
};

static inline void *n1_writer_entry(const struct n1_writer *w, enum n1_segment_kind kind, size_t stride,
                                    uint64_t id)
{
    return w->entries[kind] + id * stride;
}
#define N1_WRITER_ENTRY(w, KIND, type, id)                                                                   \
    ((struct type *)n1_writer_entry(w, N1_SEGMENT_##KIND, sizeof(struct type), id))

/* Entry number `index` of a ring that is still kept. */
void *n1_writer_ring_entry(const struct n1_writer *w, enum n1_segment_kind kind, uint64_t index);

static inline bool n1_writer_knows(const struct n1_writer *w, enum n1_segment_kind kind, uint32_t id)
{
    return id != 0 && id < w->head[kind];
}

/* Appends an entry to a table; 0 when it is full. Does not enter it into the table's index. */
uint32_t n1_writer_append(struct n1_writer *w, enum n1_segment_kind kind, const void *entry);
/* Appends text that is clean already. */
uint32_t n1_writer_append_string(struct n1_writer *w, const char *text, uint32_t len);
/* Pushes an entry into a ring; returns its index. */
uint64_t n1_writer_push(struct n1_writer *w, enum n1_segment_kind kind, const void *entry);

/* Builds a table's index anew from its entries. False when memory is short. */
bool n1_writer_reindex(struct n1_writer *w, enum n1_segment_kind kind, uint64_t room);
/* The same without allocating, when the table has not grown. */
void n1_writer_refill_index(struct n1_writer *w, enum n1_segment_kind kind);

/* The entry frame of the function of `leaf` when that is named, else `leaf`. May intern a frame. */
uint32_t n1_writer_entry_frame(struct n1_writer *w, uint32_t leaf);

/* Adds to the row of a second. */
void n1_rows_add(struct n1_writer *w, n1_ns time, const struct n1_model_second *more);
/* Pushes the rows of every second before `second`. */
void n1_rows_flush(struct n1_writer *w, uint32_t second);
/* Ids in the rows have changed. */
void n1_rows_reindex(struct n1_rows *rows);
void n1_rows_finish(struct n1_rows *rows);

#endif
