/*
 * Fuzz entry of perf's records: the input is what lies in a ring, which is read to its head as the engine
 * does. Whatever it says, every record lies within the ring, and what a record lends lies within the record.
 */
#include "sampler/engine/perf_record.h"
#include "sampler/engine/perf_ring.h"

#include <stdlib.h>
#include <string.h>

enum { RING_BYTES = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const void *part, size_t len, const uint8_t *record, size_t size)
{
    const uint8_t *at = part;
    if (len && (at < record || len > size || at > record + size - len))
        abort();
}

static void check_sample(const struct n1_raw_sample *sample, const uint8_t *record, size_t size)
{
    inside(sample->user.stack, sample->user.stack_len, record, size);
    inside(sample->kernel, sample->kernel_len * sizeof *sample->kernel, record, size);
}

static void take_apart(const struct perf_event_header *header, const uint8_t *record)
{
    struct n1_raw_sample sample;
    struct n1_mmap_event event;
    const char *name;
    uint64_t word;
    pid_t ids[4];
    size_t size = header->size;
    n1_perf_record_sample_pid(record, size);
    n1_perf_record_id(record, size);
    n1_perf_record_lost(record, size);
    n1_perf_record_task(record, size, &ids[0], &ids[1], &ids[2], &ids[3]);
    for (int callchain = 0; callchain < 2; callchain++)
        if (n1_perf_record_sample(record, size, callchain, &sample, &word) == 0)
            check_sample(&sample, record, size);
    for (int stack = 0; stack < 2; stack++)
        if (n1_perf_record_side(record, size, stack, &sample, &word) == 0)
            check_sample(&sample, record, size);
    if (n1_perf_record_mmap(record, size, &event) == 0) {
        inside(event.path, strlen(event.path) + 1, record, size);
        if (event.end < event.start)
            abort();
    }
    if (n1_perf_record_comm(record, size, &ids[0], &ids[1], &name) == 0)
        inside(name, strlen(name) + 1, record, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct perf_event_mmap_page page;
    static uint64_t ring_words[RING_BYTES / 8], bounce[N1_PERF_RECORD_MAX_BYTES / 8];
    struct n1_perf_ring ring;
    struct perf_event_header header;
    if (size < 2)
        return 0;
    /* The first two bytes say where in the ring it begins, so that records wrap. */
    uint64_t tail = ((uint64_t)data[0] << 8 | data[1]) & ~UINT64_C(7);
    size_t len = size - 2 < RING_BYTES ? size - 2 : RING_BYTES;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)ring_words)[(tail + i) % RING_BYTES] = data[2 + i];
    page.data_tail = tail;
    page.data_head = tail + len;
    n1_perf_ring_over(&ring, &page, ring_words, RING_BYTES);
    n1_perf_ring_refresh(&ring);
    while (n1_perf_ring_peek(&ring, &header)) {
        size_t offset = n1_perf_record_time_offset(&header);
        if (offset)
            n1_perf_ring_word(&ring, offset);
        const void *found = n1_perf_ring_record(&ring, header.size, bounce);
        uint8_t *exact = malloc(header.size); /* so that a byte too far is seen */
        if (exact) {
            memcpy(exact, found, header.size);
            take_apart(&header, exact);
        }
        free(exact);
        n1_perf_ring_consume(&ring, header.size);
    }
    return 0;
}
