/*
 * Life of a writer: the memory, its seals, its header, and the header's words. The memfd is made at full size
 * and never filled in advance: the kernel gives a page when the first entry lands on it. The seal on future
 * writes comes after the writer's own mapping, so that mapping is the only one that can ever write.
 */
#include "core/model/writer.h"

#include "core/model/fields.h"
#include "core/model/generation.h"
#include "core/model/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Start time of this process, clock ticks since boot; 0 when /proc is not there. */
static uint64_t own_start_ticks(void)
{
    char text[1024];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = 0;
    /* The name in field 2 may hold anything; the last parenthesis ends it. */
    const char *s = strrchr(text, ')');
    for (int field = 2; s && field < 22; field++)
        s = strchr(s + 1, ' ');
    return s ? strtoull(s + 1, NULL, 10) : 0;
}

static void fill_header(struct n1_writer *w)
{
    struct n1_model_header *h = w->header;
    h->magic = N1_MODEL_MAGIC;
    h->version = N1_MODEL_VERSION;
    h->header_bytes = N1_MODEL_HEADER_BYTES;
    h->total_bytes = w->bytes;
    h->writer_pid = (uint32_t)getpid();
    h->writer_start = own_start_ticks();
    h->segment_count = N1_SEGMENT_COUNT;
    h->created = h->anchor_mono = n1_time_mono();
    h->anchor_wall = n1_time_wall_ns();
    h->clock_ticks = (uint64_t)sysconf(_SC_CLK_TCK);
    h->state = N1_STATE_STARTING;
    h->heartbeat = h->created;
    for (int k = 0; k < N1_SEGMENT_COUNT; k++) {
        w->entries[k] = (uint8_t *)h + h->segments[k].offset;
        w->capacity[k] = h->segments[k].capacity;
        w->head[k] = n1_model_fields[k].ring || k == N1_SEGMENT_STRING_BYTES ? 0 : 1;
        n1_word_store(&h->heads[k], w->head[k]);
        w->step_at[k] = w->capacity[k] - w->capacity[k] / 8;
    }
}

static int make_memory(struct n1_writer *w, bool shared, size_t bytes, struct n1_error *reterr)
{
    if (!shared) {
        w->header =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (w->header == MAP_FAILED)
            return n1_error_set(reterr, -errno, "cannot reserve %zu bytes for the model: %s", bytes,
                                strerror(errno));
        w->bytes = bytes;
        return 0;
    }
    w->fd = memfd_create("n1top-model", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (w->fd < 0)
        return n1_error_set(reterr, -errno, "cannot make the shared model: %s", strerror(errno));
    if (ftruncate(w->fd, (off_t)bytes) < 0)
        return n1_error_set(reterr, -errno, "cannot size the shared model to %zu bytes: %s", bytes,
                            strerror(errno));
    w->header = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
    if (w->header == MAP_FAILED)
        return n1_error_set(reterr, -errno, "cannot map the shared model: %s", strerror(errno));
    w->bytes = bytes;
    if (fcntl(w->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0)
        return n1_error_set(reterr, -errno, "cannot seal the shared model: %s", strerror(errno));
    return 0;
}

static int create(const uint64_t capacity[N1_SEGMENT_COUNT], bool shared, struct n1_writer **ret,
                  struct n1_error *reterr)
{
    struct n1_model_segment segments[N1_SEGMENT_COUNT];
    uint64_t bytes = n1_layout_place(capacity, segments);
    if (bytes == 0)
        return n1_error_set(reterr, -EINVAL, "a model of such capacities cannot be made");
    struct n1_writer *w = calloc(1, sizeof(*w));
    if (!w)
        return n1_error_set(reterr, -ENOMEM, "out of memory for the writer of the model");
    w->fd = -1;
    w->header = MAP_FAILED;
    int r = make_memory(w, shared, bytes, reterr);
    if (r < 0) {
        n1_writer_destroy(w);
        return r;
    }
    memcpy(w->header->segments, segments, sizeof(segments));
    fill_header(w);
    *ret = w;
    return 0;
}

int n1_writer_create(const struct n1_writer_options *options, struct n1_writer **ret, struct n1_error *reterr)
{
    uint64_t capacity[N1_SEGMENT_COUNT];
    if (options->memory_bytes < N1_LAYOUT_BYTES_MIN || options->memory_bytes > N1_LAYOUT_BYTES_MAX)
        return n1_error_hint(reterr, -EINVAL, "limits.memory_mb takes 4 to 16384",
                             "a model of %" PRIu64 " bytes cannot be made", options->memory_bytes);
    n1_layout_split(options->memory_bytes, capacity);
    struct n1_writer *w;
    int r = create(capacity, true, &w, reterr);
    if (r < 0)
        return r;
    w->remapped = options->remapped;
    w->context = options->context;
    *ret = w;
    return 0;
}

int n1_writer_create_private(const uint64_t capacity[N1_SEGMENT_COUNT], uint64_t points_per_series,
                             struct n1_writer **ret, struct n1_error *reterr)
{
    uint64_t wanted[N1_SEGMENT_COUNT];
    memcpy(wanted, capacity, sizeof(wanted));
    if (wanted[N1_SEGMENT_POINTS] == 0 &&
        __builtin_mul_overflow(wanted[N1_SEGMENT_SERIES], points_per_series, &wanted[N1_SEGMENT_POINTS]))
        return n1_error_set(reterr, -EINVAL, "a model of such capacities cannot be made");
    for (int k = 0; k < N1_SEGMENT_COUNT; k++)
        if (wanted[k] == 0)
            wanted[k] = 1;
    return create(wanted, false, ret, reterr);
}

void n1_writer_destroy(struct n1_writer *w)
{
    if (!w)
        return;
    for (int k = 0; k < N1_SEGMENT_COUNT; k++)
        n1_index_finish(&w->index[k]);
    n1_rows_finish(&w->rows);
    free(w->entry_frame);
    if (w->header != MAP_FAILED)
        munmap(w->header, w->bytes);
    if (w->fd >= 0)
        close(w->fd);
    free(w);
}

int n1_writer_fd(const struct n1_writer *w)
{
    return w->fd;
}

void *n1_writer_base(const struct n1_writer *w, size_t *ret_bytes)
{
    *ret_bytes = w->bytes;
    return w->header;
}

struct n1_model_header *n1_writer_header(struct n1_writer *w)
{
    return w->header;
}

void n1_writer_state(struct n1_writer *w, enum n1_model_state state)
{
    n1_word_store(&w->header->state, state);
}

void n1_writer_heartbeat(struct n1_writer *w, n1_ns now)
{
    n1_word_store(&w->header->heartbeat, now);
}

void n1_writer_self(struct n1_writer *w, enum n1_self which, uint64_t value)
{
    n1_word_store(&w->header->self[which], value);
}

void n1_writer_self_add(struct n1_writer *w, enum n1_self which, uint64_t more)
{
    n1_word_store(&w->header->self[which], w->header->self[which] + more);
}

bool n1_writer_maintain(struct n1_writer *w, n1_ns now)
{
    n1_ns created = w->header->created;
    /* A second is over one second after its end: what an engine drains late still finds its row. */
    if (now > created + 2 * N1_SECOND_NS) {
        uint64_t second = (now - created) / N1_SECOND_NS - 1;
        n1_rows_flush(w, second < UINT32_MAX ? (uint32_t)second : UINT32_MAX);
    }
    return n1_generation_maintain(w, now);
}

void n1_writer_flush(struct n1_writer *w)
{
    n1_rows_flush(w, UINT32_MAX);
}
