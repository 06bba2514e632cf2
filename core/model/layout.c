/*
 * The split of the memory. The shares are per mille of the limit. What they buy at 64 MiB: 710,000 samples (2
 * hours of one busy core at 99 Hz), 335,000 rows of a second (an hour of 93 distinct stacks a second),
 * 280,000 points. Pages are touched only when an entry is written, so a small target costs little whatever
 * the limit.
 */
#include "core/model/layout.h"

#include "core/model/fields.h"

#include <stddef.h>

#define SEGMENT_ALIGN 64u

struct share {
    uint32_t per_mille;
    uint32_t at_least; /* entries, for the smallest limits */
};

static const struct share shares[N1_SEGMENT_COUNT] = {
    [N1_SEGMENT_SAMPLES] = {340, 0},     [N1_SEGMENT_SECONDS] = {200, 0}, [N1_SEGMENT_POINTS] = {100, 0},
    [N1_SEGMENT_WAITS] = {80, 0},        [N1_SEGMENT_NODES] = {65, 0},    [N1_SEGMENT_FRAMES] = {60, 0},
    [N1_SEGMENT_STRING_BYTES] = {60, 0}, [N1_SEGMENT_MEMORY] = {40, 0},   [N1_SEGMENT_FUNCTIONS] = {27, 0},
    [N1_SEGMENT_STRING_INDEX] = {8, 0},  [N1_SEGMENT_THREADS] = {8, 512}, [N1_SEGMENT_MAPPINGS] = {6, 1024},
    [N1_SEGMENT_MODULES] = {2, 256},     [N1_SEGMENT_SERIES] = {2, 512},  [N1_SEGMENT_PROCESSES] = {1, 64},
    [N1_SEGMENT_ANOMALIES] = {1, 128},
};

int n1_layout_is_ring(enum n1_segment_kind kind)
{
    return n1_model_fields[kind].ring;
}

void n1_layout_split(uint64_t bytes, uint64_t capacity[N1_SEGMENT_COUNT])
{
    /* The header and the gaps between segments come out of the limit too. */
    uint64_t usable = bytes - N1_MODEL_HEADER_BYTES - N1_SEGMENT_COUNT * SEGMENT_ALIGN;
    uint64_t least = 0;
    for (int k = 0; k < N1_SEGMENT_COUNT; k++)
        least += (uint64_t)shares[k].at_least * n1_model_fields[k].stride;
    usable -= least;
    for (int k = 0; k < N1_SEGMENT_COUNT; k++) {
        capacity[k] = usable / 1000 * shares[k].per_mille / n1_model_fields[k].stride + shares[k].at_least;
        /* Ids have 32 bits. */
        if (!n1_model_fields[k].ring && capacity[k] > UINT32_MAX)
            capacity[k] = UINT32_MAX;
    }
    capacity[N1_SEGMENT_STRING_BYTES] &= ~UINT64_C(7);
}

uint64_t n1_layout_place(const uint64_t capacity[N1_SEGMENT_COUNT], struct n1_model_segment *segments)
{
    uint64_t at = N1_MODEL_HEADER_BYTES;
    for (int k = 0; k < N1_SEGMENT_COUNT; k++) {
        uint64_t stride = n1_model_fields[k].stride, bytes;
        if (capacity[k] == 0 || (!n1_model_fields[k].ring && capacity[k] > UINT32_MAX) ||
            __builtin_mul_overflow(capacity[k], stride, &bytes) || bytes > N1_LAYOUT_BYTES_MAX)
            return 0;
        segments[k] = (struct n1_model_segment){
            .kind = (uint32_t)k, .stride = (uint32_t)stride, .offset = at, .capacity = capacity[k]};
        at += (bytes + SEGMENT_ALIGN - 1) & ~(uint64_t)(SEGMENT_ALIGN - 1);
    }
    return at <= N1_LAYOUT_BYTES_MAX ? at : 0;
}

const char *n1_layout_check(const struct n1_model_segment *segments, uint64_t bytes)
{
    for (int k = 0; k < N1_SEGMENT_COUNT; k++) {
        const struct n1_model_segment *s = &segments[k];
        if (s->kind != (uint32_t)k)
            return "a segment is not where its kind belongs";
        if (s->stride != n1_model_fields[k].stride)
            return "entries of a segment are of another size";
        if (s->offset % SEGMENT_ALIGN != 0 || s->offset < N1_MODEL_HEADER_BYTES || s->offset > bytes)
            return "a segment lies outside the memory";
        if (s->capacity == 0 || s->capacity > (bytes - s->offset) / s->stride)
            return "a segment reaches beyond the memory";
        if (!n1_model_fields[k].ring && s->capacity > UINT32_MAX)
            return "a table holds more entries than ids can name";
        for (int j = 0; j < k; j++) {
            const struct n1_model_segment *t = &segments[j];
            if (s->offset < t->offset + t->capacity * t->stride &&
                t->offset < s->offset + s->capacity * s->stride)
                return "two segments overlap";
        }
    }
    return NULL;
}

const char *n1_engine_why_text(uint64_t why)
{
    static const char *const texts[] = {
#define X(name, text) text,
        N1_ENGINE_WHY_MAP(X)
#undef X
    };
    return why < N1_ENGINE_WHY_COUNT ? texts[why] : "";
}
