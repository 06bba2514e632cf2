/*
 * A model with something in every store, the same on every run: two processes (one ended), threads, modules,
 * waits, memory, series with unknown points, anomalies. Made with the real writer; for the tests of
 * recordings, from which tests/fixtures/models/v1-rich.n1 was made too.
 *
 * The truth, for whoever reads it by other means: RICH_SAMPLES samples of 10 ms each, one every 10 ms from
 * RICH_BORN on; sample i has leaf function i % 10 (named "work::step<N>()", or nameless for 9) and a chain of
 * 1 + i % 5 callers.
 */
#ifndef TESTS_UNIT_CORE_RICH_MODEL_H
#define TESTS_UNIT_CORE_RICH_MODEL_H

#include "n1/metric.h"
#include "n1/reader.h"
#include "n1/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RICH_BORN (500 * N1_SECOND_NS)
#define RICH_SAMPLES 1500u
#define RICH_STEP_NS UINT64_C(10000000)
#define RICH_FUNCTIONS 10u

static inline n1_ns rich_time(uint32_t i)
{
    return RICH_BORN + i * RICH_STEP_NS;
}

static inline void rich_name(uint32_t function, char out[32])
{
    snprintf(out, 32, "work::step<%u>()", function);
}

static inline uint32_t rich_frame(struct n1_writer *w, uint32_t module, uint32_t function, uint32_t inside)
{
    char name[32];
    uint32_t frame = n1_writer_frame(w, module, 0x1000 + function * 0x100 + inside);
    if (function == RICH_FUNCTIONS - 1) {
        n1_writer_frame_name(w, frame, 0, N1_FRAME_NAMELESS);
        return frame;
    }
    rich_name(function, name);
    struct n1_model_function f = {.name = n1_writer_string_z(w, name),
                                  .module = module,
                                  .kind = N1_KIND_NATIVE,
                                  .start = 0x1000 + function * 0x100,
                                  .size = 0x100,
                                  .file = n1_writer_string_z(w, "/src/work.cpp"),
                                  .line = 10 * function + 1};
    n1_writer_frame_name(w, frame, n1_writer_function(w, &f), N1_FRAME_NAMED);
    n1_writer_frame_line(w, frame, f.file, f.line + inside % 7);
    return frame;
}

static inline struct n1_writer *rich_model(void)
{
    struct n1_writer *w;
    struct n1_writer_options options = {.memory_bytes = 4 << 20};
    if (n1_writer_create(&options, &w, NULL) < 0)
        abort();
    struct n1_model_header *h = n1_writer_header(w);
    h->created = h->anchor_mono = RICH_BORN;
    h->anchor_wall = INT64_C(1700000000123456789);
    h->clock_ticks = 100;
    h->writer_pid = 4141;

    struct n1_model_process p = {.pid = 4242,
                                 .parent_pid = 1,
                                 .ns_pid = 7,
                                 .uid = 1000,
                                 .start_ticks = 90000,
                                 .exe = n1_writer_string_z(w, "/opt/app/bin/app"),
                                 .cmdline = n1_writer_string_z(w, "app --serve"),
                                 .comm = n1_writer_string_z(w, "app"),
                                 .runtime = n1_writer_string_z(w, "native"),
                                 .container = n1_writer_string_z(w, "web-1"),
                                 .state = N1_PROCESS_RUNNING,
                                 .exit_status = N1_STATUS_UNKNOWN,
                                 .attached = RICH_BORN};
    uint32_t process = n1_writer_process(w, &p), thread[3];
    p.pid = 4243;
    p.comm =
        n1_writer_string_z(w, "w\xc3\xb6rker\x1b[0m"); /* an umlaut, and an escape that must not survive */
    uint32_t child = n1_writer_process(w, &p);
    for (uint32_t i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "thread-%u", i);
        struct n1_model_thread t = {.process = i == 2 ? child : process,
                                    .tid = 5000 + i,
                                    .start_ticks = 90001,
                                    .name = n1_writer_string_z(w, name),
                                    .from = RICH_BORN,
                                    .run_ns = UINT64_MAX,
                                    .wait_ns = UINT64_MAX};
        thread[i] = n1_writer_thread(w, &t);
    }
    n1_writer_thread_times(w, thread[0], 123456789, 42);
    n1_writer_thread_end(w, thread[2], rich_time(RICH_SAMPLES));
    n1_writer_process_state(w, child, N1_PROCESS_GONE, 0x0900, rich_time(RICH_SAMPLES));

    struct n1_model_module m = {.path = p.exe,
                                .kind = N1_MODULE_FILE,
                                .build_id = {0xde, 0xad, 0xbe, 0xef, 5, 6, 7, 8},
                                .build_id_len = 20,
                                .device = 0x801,
                                .inode = 77,
                                .symbols = N1_SYMBOLS_LOADED};
    uint32_t module = n1_writer_module(w, &m);
    struct n1_model_module kernel = {.path = n1_writer_string_z(w, "[kernel]"),
                                     .kind = N1_MODULE_KERNEL,
                                     .symbols = N1_SYMBOLS_FAILED,
                                     .reason = n1_writer_string_z(w, "kptr_restrict hides kernel addresses")};
    uint32_t kernel_frame = n1_writer_frame(w, n1_writer_module(w, &kernel), 0xffffffff81000000);
    struct n1_model_mapping map = {.process = process,
                                   .module = module,
                                   .start = 0x555500000000,
                                   .end = 0x555500010000,
                                   .file_offset = 0x1000,
                                   .from = RICH_BORN};
    n1_writer_mapping(w, &map);
    map.start += 0x100000;
    n1_writer_mapping(w, &map);
    n1_writer_mapping_end(w, process, map.start, rich_time(RICH_SAMPLES / 2));

    uint32_t rss = n1_writer_series(w, N1_METRIC_MEM_RSS, process),
             cpus = n1_writer_series(w, N1_METRIC_HOST_CPUS, 0);
    uint32_t run = n1_writer_series(w, N1_METRIC_THREAD_CPU, thread[1]);
    uint32_t refused = n1_writer_string_z(w, "the kernel refused it");
    for (uint32_t i = 0; i < RICH_SAMPLES; i++) {
        uint32_t node = 0;
        for (uint32_t depth = 0; depth <= i % 5; depth++)
            node = n1_writer_node(w, node, rich_frame(w, module, depth, 0x20));
        struct n1_model_sample s = {.time = rich_time(i),
                                    .thread = thread[i % 3],
                                    .node = node,
                                    .leaf = rich_frame(w, module, i % RICH_FUNCTIONS, 0x40 + i % 3),
                                    .flags = i % 50 == 0 ? N1_SAMPLE_IN_KERNEL : 0,
                                    .weight_ns = (uint32_t)RICH_STEP_NS,
                                    .cpu = i % 2};
        n1_writer_sample(w, &s);
        if (i % 20 == 0) {
            struct n1_model_memory fault = {.time = s.time,
                                            .bytes = 4096,
                                            .address = 0x7f0000000000 + i,
                                            .thread = s.thread,
                                            .node = node,
                                            .leaf = s.leaf,
                                            .kind = N1_MEMORY_ANON};
            n1_writer_memory(w, &fault);
            struct n1_model_wait wait = {.start = s.time,
                                         .thread = s.thread,
                                         .node = node,
                                         .leaf = kernel_frame,
                                         .wait_class = N1_WAIT_LOCK,
                                         .resource = n1_writer_string_z(w, "mutex 0x1234"),
                                         .syscall = 203};
            uint64_t index = n1_writer_wait(w, &wait);
            if (i % 100)
                n1_writer_wait_end(w, index, s.time + 5000);
        }
        if (i % 100 == 0) {
            n1_writer_point(w, rss, s.time, 1000000 + i);
            n1_writer_point(w, cpus, s.time, 2);
            if (i % 300 == 0)
                n1_writer_point_unknown(w, run, s.time, refused);
            else
                n1_writer_point(w, run, s.time, -(int64_t)i);
            n1_writer_maintain(w, s.time);
        }
        n1_writer_heartbeat(w, s.time);
    }
    struct n1_model_function culprit = {
        .name = n1_writer_string_z(w, "work::step<1>()"), .module = module, .start = 0x1100};
    struct n1_model_anomaly a = {.start = rich_time(700),
                                 .process = process,
                                 .rule = n1_writer_string_z(w, "cpu_spike"),
                                 .severity = N1_SEVERITY_CRITICAL,
                                 .unit = n1_writer_string_z(w, "ppm"),
                                 .value = 990000,
                                 .expected = -1,
                                 .culprit = {n1_writer_function(w, &culprit)},
                                 .share_ppm = {800000},
                                 .before_ppm = {100000},
                                 .resource = n1_writer_string_z(w, "/sys/fs/cgroup/app"),
                                 .text = n1_writer_string_z(w, "CPU at 99 %")};
    n1_writer_anomaly(w, &a);
    n1_writer_self(w, N1_SELF_SAMPLES, RICH_SAMPLES);
    n1_writer_self(w, N1_SELF_PERIOD_NS, RICH_STEP_NS);
    n1_writer_self(w, N1_SELF_KERNEL_HIDDEN_NS, UINT64_C(1) << 60);
    n1_writer_heartbeat(w, rich_time(RICH_SAMPLES));
    n1_writer_flush(w);
    n1_writer_state(w, N1_STATE_CLOSED);
    return w;
}

#endif
