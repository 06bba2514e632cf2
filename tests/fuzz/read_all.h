/*
 * Reads everything that a reader offers, as its callers would, and aborts where it breaks a promise of
 * n1/reader.h: unclean text, a chain that does not end, more entries than asked for, an enum out of its
 * range.
 */
#ifndef TESTS_FUZZ_READ_ALL_H
#define TESTS_FUZZ_READ_ALL_H

#include "n1/metric.h"
#include "n1/reader.h"
#include "n1/sanitise.h"

#include <stdlib.h>
#include <string.h>

#define READ_IDS 300u /* of each table: enough to reach beyond what a small model holds */
#define PROMISE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

static inline void read_text(struct n1_reader *r, uint32_t id)
{
    char clean[5000];
    const char *text = n1_reader_string(r, id);
    PROMISE(strlen(text) <= N1_MODEL_STRING_MAX);
    n1_sanitise(clean, sizeof(clean), text, strlen(text));
    PROMISE(strcmp(clean, text) == 0);
}

static inline void read_chain(struct n1_reader *r, uint32_t id)
{
    struct n1_model_node node;
    struct n1_model_frame frame;
    struct n1_model_function function;
    for (uint32_t at = id; at && n1_reader_node(r, at, &node); at = node.parent) {
        PROMISE(node.parent < at);
        n1_reader_frame(r, node.frame, &frame);
        PROMISE(frame.state <= N1_FRAME_NAMELESS);
        if (n1_reader_function(r, frame.function, &function))
            read_text(r, function.name);
    }
}

static inline void read_tables(struct n1_reader *r)
{
    for (uint32_t id = 0; id < READ_IDS; id++) {
        struct n1_model_process process;
        struct n1_model_thread thread;
        struct n1_model_module module;
        struct n1_model_mapping mapping;
        struct n1_model_function function;
        struct n1_model_series series;
        struct n1_model_point point[32];
        read_text(r, id);
        if (n1_reader_process(r, id, &process)) {
            PROMISE(process.state <= N1_PROCESS_GONE);
            read_text(r, process.cmdline);
        }
        if (n1_reader_thread(r, id, &thread))
            read_text(r, thread.name);
        if (n1_reader_module(r, id, &module)) {
            PROMISE(module.build_id_len <= 20 && module.symbols <= N1_SYMBOLS_FAILED);
            read_text(r, module.path);
        }
        n1_reader_mapping(r, id, &mapping);
        if (n1_reader_function(r, id, &function))
            PROMISE(function.kind < N1_KIND_COUNT);
        if (n1_reader_series(r, id, &series)) {
            size_t n = n1_reader_points(r, id, 0, UINT64_MAX, point, 32);
            PROMISE(n <= 32);
            for (size_t i = 0; i < n; i++)
                if (point[i].time & N1_POINT_INVALID)
                    read_text(r, (uint32_t)point[i].value);
        }
        if (id % 16 == 0)
            read_chain(r, id);
    }
    read_text(r, UINT32_MAX);
    n1_reader_series_find(r, N1_METRIC_MEM_RSS, 1);
}

/* Each ring from its tail on, bounded: a hostile head may lie 2^64 entries away. */
#define READ_RING(call, type, check)                                                                         \
    do {                                                                                                     \
        struct n1_model_##type row[32];                                                                      \
        uint64_t next = 0, before, lost;                                                                     \
        for (unsigned part = 0; part < 12; part++) {                                                         \
            before = next;                                                                                   \
            size_t n = n1_reader_##call(r, before, row, 32, &next, &lost);                                   \
            PROMISE(n <= 32 && next >= before);                                                              \
            for (size_t i = 0; i < n; i++) {                                                                 \
                check;                                                                                       \
            }                                                                                                \
            if (next == before)                                                                              \
                break;                                                                                       \
        }                                                                                                    \
    } while (0)

static inline void read_rings(struct n1_reader *r)
{
    READ_RING(samples, sample, if (i % 8 == 0) read_chain(r, row[i].node));
    READ_RING(waits, wait, PROMISE(row[i].wait_class >= 1 && row[i].wait_class <= N1_WAIT_OTHER));
    READ_RING(seconds, second, (void)row[i].second);
    READ_RING(memory, memory, PROMISE(row[i].kind <= N1_MEMORY_COW));
    READ_RING(anomalies, anomaly, PROMISE(row[i].severity >= 1 && row[i].severity <= N1_SEVERITY_CRITICAL));
    uint64_t tail, head = n1_reader_count(r, N1_SEGMENT_SAMPLES, &tail);
    PROMISE(tail <= head && head - tail <= n1_reader_capacity(r, N1_SEGMENT_SAMPLES));
    for (unsigned i = 0; i < 64; i += 21) {
        uint64_t at = n1_reader_sample_at(r, UINT64_C(1) << i);
        PROMISE(at >= tail && at <= head);
        n1_reader_second_at(r, 1u << i % 32);
    }
    n1_reader_wall_ns(r, n1_reader_now(r));
    for (int i = 0; i < N1_SELF_COUNT; i++)
        n1_reader_self(r, (enum n1_self)i);
}

static inline void read_all(struct n1_reader *r)
{
    read_tables(r);
    read_rings(r);
}

#endif
