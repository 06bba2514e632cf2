/*
 * Inside of the reader, shared by its parts: opening and passes (reader.c), tables and strings (tables.c),
 * rings (rings.c), and the recording's writer (file_write.c).
 */
#ifndef N1_CORE_MODEL_READER_H
#define N1_CORE_MODEL_READER_H

#include "core/model/words.h"
#include "n1/reader.h"
#include "n1/redact.h"
#include "n1/writer.h"

/* Copies of strings that were asked for: they must not change under the caller's hands. */
struct n1_string_cache {
    struct n1_string_block *blocks;
    uint32_t *ids; /* open addressing; 0 is free */
    const char **texts;
    uint32_t mask, used;
};

struct n1_reader {
    const struct n1_model_header *header;
    size_t bytes;
    void *mapping;            /* to unmap, or NULL */
    struct n1_writer *loaded; /* of a file: the private model under this reader */
    char host[256];           /* of a file: what its META says of the host, JSON; else "" */
    /* Checked copies, taken at open: the segment table never changes. */
    const uint8_t *entries[N1_SEGMENT_COUNT];
    uint64_t capacity[N1_SEGMENT_COUNT];
    uint64_t created, anchor_mono;
    int64_t anchor_wall;
    uint64_t clock_ticks;
    uint32_t writer_pid;
    /* This pass. */
    bool passed; /* one pass has begun well */
    uint64_t generation;
    enum n1_model_state state;
    uint64_t heartbeat;
    uint64_t head[N1_SEGMENT_COUNT], tail[N1_SEGMENT_COUNT];
    struct n1_string_cache strings;
    struct n1_redaction *redaction; /* NULL: texts are given as they are */
};

/* The head of a table right now, at most its capacity: an entry that was read in this pass may name a newer
 * one. */
uint64_t n1_reader_fresh_head(const struct n1_reader *r, enum n1_segment_kind kind);
/* Copies entry `id` of a table; false, and *ret zeroed, when there is none. */
bool n1_reader_entry(const struct n1_reader *r, enum n1_segment_kind kind, uint32_t id, void *ret);
/* Copies entries of a ring as n1_reader_samples() does. */
size_t n1_reader_ring(const struct n1_reader *r, enum n1_segment_kind kind, uint64_t from, void *ret,
                      size_t cap, uint64_t *ret_next, uint64_t *ret_lost);
/* Copies a string, clean and NUL-terminated, without caching it. Returns its length. */
size_t n1_reader_string_copy(const struct n1_reader *r, uint32_t id, char out[N1_MODEL_STRING_MAX + 1]);
void n1_string_cache_clear(struct n1_string_cache *cache);

#endif
