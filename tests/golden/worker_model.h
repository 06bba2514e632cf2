/*
 * A model like a bad night: a worker with every kind of function, direct recursion, long and hostile names,
 * three threads, memory that grows, metrics that are not permitted, an anomaly log, and in the end a signal.
 * Made with the real writer, the same on every run.
 *
 * The truth: SECONDS seconds at 100 samples a second; the chains of `shares` take their percent of each
 * second.
 */
#ifndef TESTS_GOLDEN_WORKER_MODEL_H
#define TESTS_GOLDEN_WORKER_MODEL_H

#include "n1/metric.h"
#include "n1/reader.h"
#include "n1/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORKER_SECONDS 90u
#define WORKER_BORN (1000 * N1_SECOND_NS)

enum worker_function {
    F_START,
    F_MAIN,
    F_LOAD,
    F_PARSE,
    F_SAVE,
    F_WALK,
    F_MALLOC,
    F_GC,
    F_COPY,
    F_JIT,
    F_MAP,
    F_WIDE,
    F_EVIL,
    F_TINY,
    F_NAMELESS,
    F_COUNT
};

static const struct {
    const char *name, *module;
    enum n1_function_kind kind;
} worker_functions[F_COUNT] = {
    [F_START] = {"_start", "/usr/bin/python3.11", N1_KIND_NATIVE},
    [F_MAIN] = {"main", "/srv/ingest/worker.py", N1_KIND_PYTHON},
    [F_LOAD] = {"load_file", "/srv/ingest/csv.py", N1_KIND_PYTHON},
    [F_PARSE] = {"parse_row", "/srv/ingest/csv.py", N1_KIND_PYTHON},
    [F_SAVE] = {"Model.save", "/srv/ingest/db/models.py", N1_KIND_PYTHON},
    [F_WALK] = {"walk_tree", "/srv/ingest/tree.py", N1_KIND_PYTHON},
    [F_MALLOC] = {"PyObject_Malloc", "/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0", N1_KIND_NATIVE},
    [F_GC] = {"gc_collect_main", "/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0", N1_KIND_GC},
    [F_COPY] = {"copy_user_generic", "[kernel]", N1_KIND_KERNEL},
    [F_JIT] = {"LazyCompile:*inner /app/loop.js:12", "[jit]", N1_KIND_JIT},
    [F_MAP] = {"std::unordered_map<std::string, std::vector<int>, Hash>::find(std::string const&) const",
               "/usr/lib/libstore.so.2", N1_KIND_NATIVE},
    [F_WIDE] = {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e_\xc3\xa9t\xc3\xa9", "/srv/ingest/i18n.py",
                N1_KIND_PYTHON},
    [F_EVIL] = {"evil\x1b[2J\x07\xe2\x80\xaegnp\xff", "/tmp/\x1b]0;x\x07.so", N1_KIND_NATIVE},
    [F_TINY] = {"tiny", "/usr/lib/libstore.so.2", N1_KIND_NATIVE},
    [F_NAMELESS] = {"", "/opt/vendor/libblob.so", N1_KIND_UNKNOWN},
};

/* Root first, -1 ends; the last is the leaf. Percents add up to 100. */
static const struct {
    unsigned percent, thread;
    int chain[16];
} worker_shares[] = {
    {31, 0, {F_START, F_MAIN, F_LOAD, F_PARSE, -1}},
    {12, 0, {F_START, F_MAIN, F_LOAD, F_PARSE, F_MALLOC, -1}},
    {8, 0, {F_START, F_MAIN, F_SAVE, F_COPY, -1}},
    {6, 0, {F_START, F_MAIN, F_SAVE, F_MAP, -1}},
    {10, 0, {F_START, F_MAIN, F_WALK, F_WALK, F_WALK, F_WALK, F_WALK, F_WALK, -1}},
    {5, 1, {F_START, F_MAIN, F_GC, -1}},
    {9, 1, {F_START, F_JIT, -1}},
    {7, 1, {F_START, F_NAMELESS, -1}},
    {6, 2, {F_START, F_WIDE, -1}},
    {4, 2, {F_START, F_EVIL, -1}},
    {1, 0, {F_START, F_MAIN, F_TINY, -1}},
    {1, 0, {F_START, F_MAIN, F_LOAD, F_TINY, -1}},
};

static inline uint32_t worker_frame(struct n1_writer *w, int function)
{
    struct n1_model_module module = {.path = n1_writer_string_z(w, worker_functions[function].module),
                                     .kind = N1_MODULE_FILE};
    uint32_t id = n1_writer_module(w, &module),
             frame = n1_writer_frame(w, id, 0x1000u + (uint32_t)function * 256);
    if (worker_functions[function].name[0] == '\0') {
        n1_writer_frame_name(w, frame, 0, N1_FRAME_NAMELESS);
        return frame;
    }
    struct n1_model_function f = {.name = n1_writer_string_z(w, worker_functions[function].name),
                                  .module = id,
                                  .kind = worker_functions[function].kind,
                                  .start = 0x1000u + (uint32_t)function * 256};
    n1_writer_frame_name(w, frame, n1_writer_function(w, &f), N1_FRAME_NAMED);
    return frame;
}

static inline void worker_point(struct n1_writer *w, int metric, uint32_t scope, n1_ns time, int64_t value)
{
    n1_writer_point(w, n1_writer_series(w, (uint32_t)metric, scope), time, value);
}

static inline void worker_metrics(struct n1_writer *w, uint32_t process, const uint32_t threads[3])
{
    for (uint32_t s = 0; s <= WORKER_SECONDS; s++) {
        n1_ns time = WORKER_BORN + s * N1_SECOND_NS;
        int64_t busy = s * 1053000000ll - (s % 10 == 3 ? 400000000ll : 0), mb = 1 << 20;
        worker_point(w, N1_METRIC_CPU_TOTAL, process, time, busy);
        worker_point(w, N1_METRIC_CPU_WAIT, process, time, s * 30000000ll);
        worker_point(w, N1_METRIC_MEM_RSS, process, time, (400 + s) * mb);
        worker_point(w, N1_METRIC_MEM_ANON, process, time, (300 + s) * mb);
        worker_point(w, N1_METRIC_MEM_FILE, process, time, 90 * mb);
        worker_point(w, N1_METRIC_MEM_SHMEM, process, time, 10 * mb);
        worker_point(w, N1_METRIC_MEM_RSS_PEAK, process, time, 520 * mb);
        worker_point(w, N1_METRIC_MEM_SWAP, process, time, 0);
        worker_point(w, N1_METRIC_FAULT_MINOR, process, time, s * 256);
        worker_point(w, N1_METRIC_FDS, process, time, 37);
        for (int t = 0; t < 3; t++)
            worker_point(w, N1_METRIC_THREAD_CPU, threads[t], time,
                         s * (int64_t[]){680000000, 210000000, 100000000}[t]);
        n1_writer_point_unknown(w, n1_writer_series(w, N1_METRIC_MEM_PSS, process), time,
                                n1_writer_string_z(w, "not permitted: smaps_rollup"));
    }
}

/* Set before worker_model(): from second 70 to 80 what parse_row did falls to its allocator, and Model.save
 * walks trees instead of copying. */
static bool worker_shift;

static inline const int *worker_chain(size_t share, uint32_t second)
{
    static const int walks[] = {F_START, F_MAIN, F_SAVE, F_WALK, -1};
    if (!worker_shift || second < 70 || second >= 80 || (share != 0 && share != 2))
        return worker_shares[share].chain;
    return share == 0 ? worker_shares[1].chain : walks;
}

static inline void worker_samples(struct n1_writer *w, const uint32_t threads[3])
{
    uint32_t frames[F_COUNT];
    for (int f = 0; f < F_COUNT; f++)
        frames[f] = worker_frame(w, f);
    for (uint32_t s = 0; s < WORKER_SECONDS; s++) {
        unsigned at = 0;
        for (size_t i = 0; i < sizeof worker_shares / sizeof worker_shares[0]; i++) {
            uint32_t node = 0;
            int depth = 0;
            const int *chain = worker_chain(i, s);
            for (; chain[depth + 1] >= 0; depth++)
                node = n1_writer_node(w, node, frames[chain[depth]]);
            for (unsigned n = 0; n < worker_shares[i].percent; n++, at++) {
                struct n1_model_sample sample = {.time = WORKER_BORN + s * N1_SECOND_NS + at * 10000000ull,
                                                 .thread = threads[worker_shares[i].thread],
                                                 .node = node,
                                                 .leaf = frames[chain[depth]],
                                                 .weight_ns = 10000000};
                n1_writer_sample(w, &sample);
            }
        }
        n1_writer_maintain(w, WORKER_BORN + (s + 1) * N1_SECOND_NS);
    }
}

static inline void worker_events(struct n1_writer *w, uint32_t process)
{
    static const struct {
        unsigned from, to, severity;
        const char *rule, *text;
        int culprit;
    } events[] = {{2, 2, N1_SEVERITY_INFO, "mark", "attached", F_COUNT},
                  {31, 40, N1_SEVERITY_WARNING, "memory growth", "RSS +20M in 20 s", F_SAVE},
                  {72, 0, N1_SEVERITY_CRITICAL, "CPU spike", "CPU 105 %, usually 65 %", F_PARSE}};
    for (size_t i = 0; i < 3; i++) {
        struct n1_model_function f = {.kind = N1_KIND_PYTHON};
        struct n1_model_anomaly a = {.start = WORKER_BORN + events[i].from * N1_SECOND_NS,
                                     .end = events[i].to ? WORKER_BORN + events[i].to * N1_SECOND_NS : 0,
                                     .process = process,
                                     .rule = n1_writer_string_z(w, events[i].rule),
                                     .severity = events[i].severity,
                                     .text = n1_writer_string_z(w, events[i].text)};
        if (events[i].culprit < F_COUNT) {
            struct n1_model_module module = {
                .path = n1_writer_string_z(w, worker_functions[events[i].culprit].module),
                .kind = N1_MODULE_FILE};
            f.name = n1_writer_string_z(w, worker_functions[events[i].culprit].name);
            f.module = n1_writer_module(w, &module);
            f.start = 0x1000u + (uint32_t)events[i].culprit * 256;
            a.culprit[0] = n1_writer_function(w, &f);
            a.share_ppm[0] = 810000;
        }
        n1_writer_anomaly(w, &a);
    }
}

/* The caller destroys the writer. `status` is the wait(2) status of the end, or N1_STATUS_UNKNOWN. */
static inline struct n1_writer *worker_model(uint32_t status)
{
    struct n1_writer_options options = {.memory_bytes = 8u << 20};
    struct n1_writer *w;
    assert_int_equal(n1_writer_create(&options, &w, NULL), 0);
    struct n1_model_header *header = n1_writer_header(w);
    header->created = header->anchor_mono = WORKER_BORN;
    header->anchor_wall = 1767366000ll * 1000000000; /* 2026-01-02 15:00:00 UTC */
    struct n1_model_process p = {.pid = 4711,
                                 .parent_pid = 1,
                                 .start_ticks = 50000,
                                 .comm = n1_writer_string_z(w, "python3"),
                                 .cmdline =
                                     n1_writer_string_z(w, "python3 /srv/ingest/worker.py --queue ingest"),
                                 .runtime = n1_writer_string_z(w, "native"),
                                 .state = N1_PROCESS_RUNNING,
                                 .attached = WORKER_BORN};
    uint32_t process = n1_writer_process(w, &p), threads[3];
    static const char *const names[] = {"worker", "gc-helper", "\xe6\x97\xa5-io"};
    for (uint32_t t = 0; t < 3; t++) {
        struct n1_model_thread thread = {.process = process,
                                         .tid = 4711 + t,
                                         .start_ticks = 50000 + t,
                                         .name = n1_writer_string_z(w, names[t]),
                                         .from = WORKER_BORN,
                                         .run_ns = UINT64_MAX,
                                         .wait_ns = UINT64_MAX};
        threads[t] = n1_writer_thread(w, &thread);
    }
    worker_samples(w, threads);
    worker_metrics(w, process, threads);
    worker_events(w, process);
    static const struct {
        enum n1_self self;
        uint64_t value;
    } self[] = {{N1_SELF_RATE_ASKED, 99},
                {N1_SELF_RATE_USED, 99},
                {N1_SELF_ENGINE, N1_ENGINE_PERF},
                {N1_SELF_SAMPLES, WORKER_SECONDS * 100},
                {N1_SELF_LOST, 12},
                {N1_SELF_CPU_NS, 270000000},
                {N1_SELF_KERNEL_HIDDEN_NS, 0},
                {N1_SELF_MEMORY_BYTES, 9 << 20},
                {N1_SELF_KERNEL_FRAMES, 1}};
    for (size_t i = 0; i < sizeof self / sizeof self[0]; i++)
        n1_writer_self(w, self[i].self, self[i].value);
    n1_ns end = WORKER_BORN + WORKER_SECONDS * N1_SECOND_NS;
    n1_writer_flush(w);
    n1_writer_heartbeat(w, end);
    if (status != 0) {
        n1_writer_process_state(w, process, N1_PROCESS_GONE, status, end);
        n1_writer_state(w, N1_STATE_TARGET_GONE);
    } else {
        n1_writer_state(w, N1_STATE_LIVE);
    }
    return w;
}

#endif
