/*
 * Fuzz entry of the live reader: a valid model is damaged word by word as the input says, some of it before
 * the reader opens it, some between begin and reading, as a hostile writer could. It may refuse; it may not
 * crash, spin or break a promise.
 *
 * Input: first byte, how many edits come before the open; then edits of 13 bytes: where (1: header or
 * segment), what (4: word of the header, or entry), which word of the entry (0.. by the top bits), value (8).
 */
#include "n1/writer.h"
#include "tests/fuzz/read_all.h"
#include "tests/unit/core/rich_model.h"

#define EDIT_BYTES 13u
#define EDITS_MAX 64u

struct edit {
    uint64_t *word, before;
};

static uint64_t *word_of(struct n1_model_header *h, const uint8_t *edit)
{
    uint8_t where = edit[0];
    uint32_t what;
    memcpy(&what, edit + 1, 4);
    if (where >= N1_SEGMENT_COUNT)
        return (uint64_t *)h + what % (sizeof(*h) / 8);
    const struct n1_model_segment *s = &h->segments[where];
    uint64_t bytes = s->capacity * s->stride / 8,
             used = 4096 < bytes ? 4096 : bytes; /* what the rich model fills */
    return (uint64_t *)((char *)h + s->offset) + what % used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct n1_model_header *h;
    static size_t bytes;
    struct edit done[EDITS_MAX];
    unsigned edits = 0, early;
    struct n1_reader *r = NULL;
    struct n1_error err = {0};

    if (!h) {
        /* A copy in memory of its own: the reader must stay inside of it. */
        struct n1_writer *w = rich_model();
        void *base = n1_writer_base(w, &bytes);
        h = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
        memcpy(h, base, bytes);
        n1_writer_destroy(w);
    }
    struct n1_model_segment good[N1_SEGMENT_COUNT];
    memcpy(good, h->segments, sizeof(good));
    early = size ? data[0] % (EDITS_MAX + 1) : 0;
    for (size_t at = 1; at + EDIT_BYTES <= size && edits < EDITS_MAX; at += EDIT_BYTES) {
        if (edits == early && n1_reader_open_memory(h, bytes, &r, &err) == 0 && n1_reader_begin(r) == 0)
            read_rings(r);
        /* Addresses from the good table, so that an edit of the table cannot lead the edits astray. */
        struct n1_model_segment now[N1_SEGMENT_COUNT];
        memcpy(now, h->segments, sizeof(now));
        memcpy(h->segments, good, sizeof(good));
        uint64_t *word = word_of(h, data + at);
        memcpy(h->segments, now, sizeof(now));
        done[edits++] = (struct edit){word, *word};
        memcpy(word, data + at + 5, 8);
    }
    if (!r)
        n1_reader_open_memory(h, bytes, &r, &err);
    if (r) {
        int status = n1_reader_begin(r);
        if (status >= 0) {
            read_all(r);
            n1_reader_end(r);
        }
        n1_reader_close(r);
    } else {
        PROMISE(err.code < 0 && err.what[0]);
    }
    while (edits--)
        *done[edits].word = done[edits].before;
    return 0;
}
