/*
 * Opening a model and passes over it. What can be checked once is checked at open and copied; what changes is
 * clamped at each pass. Nothing here waits for the writer: a generation step under way is -EAGAIN, and the
 * caller keeps its last good picture.
 */
#include "core/model/reader.h"

#include "core/model/fields.h"
#include "core/model/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int check_header(const struct n1_model_header *h, size_t bytes, struct n1_error *reterr)
{
    if (n1_word_load(&h->magic) != N1_MODEL_MAGIC)
        return n1_error_set(reterr, N1_E_NOT_OURS, "the shared memory is not a model of n1top");
    if (h->version != N1_MODEL_VERSION || h->header_bytes != N1_MODEL_HEADER_BYTES || h->features != 0 ||
        h->segment_count != N1_SEGMENT_COUNT)
        return n1_error_set(reterr, N1_E_VERSION, "the model is of version %u, this n1top reads version %u",
                            h->version, N1_MODEL_VERSION);
    if (h->total_bytes > bytes)
        return n1_error_set(reterr, N1_E_DAMAGED, "the model says it is larger than its memory");
    return 0;
}

int n1_reader_open_memory(const void *base, size_t bytes, struct n1_reader **ret, struct n1_error *reterr)
{
    const struct n1_model_header *h = base;
    struct n1_model_segment segments[N1_SEGMENT_COUNT];
    if ((uintptr_t)base % 8 != 0 || bytes < N1_MODEL_HEADER_BYTES)
        return n1_error_set(reterr, N1_E_NOT_OURS, "the memory is too small for a model of n1top");
    int status = check_header(h, bytes, reterr);
    if (status < 0)
        return status;
    n1_words_load(segments, h->segments, sizeof(segments));
    const char *wrong = n1_layout_check(segments, bytes);
    if (wrong)
        return n1_error_set(reterr, N1_E_DAMAGED, "the model is damaged: %s", wrong);
    struct n1_reader *r = calloc(1, sizeof(*r));
    if (!r)
        return n1_error_set(reterr, -ENOMEM, "out of memory for the reader of the model");
    r->header = h;
    r->bytes = bytes;
    r->created = h->created;
    r->anchor_mono = h->anchor_mono;
    r->anchor_wall = h->anchor_wall;
    r->clock_ticks = h->clock_ticks;
    r->writer_pid = h->writer_pid;
    for (int k = 0; k < N1_SEGMENT_COUNT; k++) {
        r->entries[k] = (const uint8_t *)base + segments[k].offset;
        r->capacity[k] = segments[k].capacity;
    }
    r->state = N1_STATE_STARTING;
    *ret = r;
    return 0;
}

int n1_reader_open_fd(int fd, struct n1_reader **ret, struct n1_error *reterr)
{
    /* Without these seals the writer could shrink the memory under the mapping, and reading would be a
     * SIGBUS. */
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;
    if (seals < 0 || !(seals & F_SEAL_SHRINK) || !(seals & F_SEAL_GROW) ||
        !(seals & (F_SEAL_FUTURE_WRITE | F_SEAL_WRITE)))
        return n1_error_set(reterr, N1_E_NOT_OURS, "the descriptor is not a sealed model of n1top");
    if (fstat(fd, &st) < 0)
        return n1_error_set(reterr, -errno, "cannot read the size of the model: %s", strerror(errno));
    if (st.st_size < (off_t)N1_MODEL_HEADER_BYTES)
        return n1_error_set(reterr, N1_E_NOT_OURS, "the descriptor is too small for a model of n1top");
    size_t bytes = (size_t)st.st_size;
    void *base = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return n1_error_set(reterr, -errno, "cannot map the model: %s", strerror(errno));
    struct n1_reader *r;
    int status = n1_reader_open_memory(base, bytes, &r, reterr);
    if (status < 0) {
        munmap(base, bytes);
        return status;
    }
    r->mapping = base;
    *ret = r;
    return 0;
}

void n1_reader_close(struct n1_reader *r)
{
    if (!r)
        return;
    n1_string_cache_clear(&r->strings);
    if (r->mapping)
        munmap(r->mapping, r->bytes);
    n1_redaction_destroy(r->redaction);
    n1_writer_destroy(r->loaded);
    free(r);
}

int n1_reader_begin(struct n1_reader *r)
{
    const struct n1_model_header *h = r->header;
    uint64_t generation = n1_word_load(&h->generation);
    if (generation & 1)
        return -EAGAIN;
    uint64_t state = n1_word_load(&h->state);
    if (n1_word_load(&h->magic) != N1_MODEL_MAGIC || state < N1_STATE_STARTING || state > N1_STATE_CLOSED)
        return N1_E_DAMAGED;
    uint64_t heads[N1_SEGMENT_COUNT], tails[N1_SEGMENT_COUNT];
    for (int k = 0; k < N1_SEGMENT_COUNT; k++) {
        /* The tail first: the ring may move on between the two, and may only look longer for it, never
         * negative. */
        uint64_t tail = n1_word_load(&h->tails[k]), head = n1_word_load(&h->heads[k]);
        if (!n1_model_fields[k].ring) {
            if (head > r->capacity[k])
                return N1_E_DAMAGED;
            tail = k == N1_SEGMENT_STRING_BYTES ? 0 : 1;
            if (head < tail)
                return N1_E_DAMAGED;
        } else {
            if (tail > head)
                return N1_E_DAMAGED;
            if (head - tail > r->capacity[k])
                tail = head - r->capacity[k];
        }
        heads[k] = head;
        tails[k] = tail;
    }
    memcpy(r->head, heads, sizeof(heads));
    memcpy(r->tail, tails, sizeof(tails));
    r->state = (enum n1_model_state)state;
    r->heartbeat = n1_word_load(&h->heartbeat);
    bool changed = r->passed && generation != r->generation;
    if (changed)
        n1_string_cache_clear(&r->strings);
    r->generation = generation;
    r->passed = true;
    return changed;
}

int n1_reader_end(struct n1_reader *r)
{
    return n1_word_load(&r->header->generation) == r->generation ? 0 : -EAGAIN;
}

uint64_t n1_reader_generation(const struct n1_reader *r)
{
    return r->generation;
}

enum n1_model_state n1_reader_state(const struct n1_reader *r)
{
    return r->state;
}

n1_ns n1_reader_heartbeat(const struct n1_reader *r)
{
    return r->heartbeat;
}

uint64_t n1_reader_self(const struct n1_reader *r, enum n1_self which)
{
    return which < N1_SELF_COUNT ? n1_word_load(&r->header->self[which]) : 0;
}

uint32_t n1_reader_writer_pid(const struct n1_reader *r)
{
    return r->writer_pid;
}

bool n1_reader_is_file(const struct n1_reader *r)
{
    return r->loaded != NULL;
}

n1_ns n1_reader_created(const struct n1_reader *r)
{
    return r->created;
}

uint64_t n1_reader_clock_ticks(const struct n1_reader *r)
{
    return r->clock_ticks ? r->clock_ticks : 100;
}

n1_ns n1_reader_now(const struct n1_reader *r)
{
    return r->heartbeat;
}

int64_t n1_reader_wall_ns(const struct n1_reader *r, n1_ns time)
{
    return (int64_t)((uint64_t)r->anchor_wall + (time - r->anchor_mono));
}

uint64_t n1_reader_count(const struct n1_reader *r, enum n1_segment_kind kind, uint64_t *ret_tail)
{
    if (ret_tail)
        *ret_tail = r->tail[kind];
    return r->head[kind];
}

uint64_t n1_reader_capacity(const struct n1_reader *r, enum n1_segment_kind kind)
{
    return r->capacity[kind];
}

uint64_t n1_reader_fresh_head(const struct n1_reader *r, enum n1_segment_kind kind)
{
    uint64_t head = n1_word_load(&r->header->heads[kind]);
    return head < r->capacity[kind] ? head : r->capacity[kind];
}
