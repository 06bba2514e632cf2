/*
 * Small models for the tests of core/analysis and core/report, made with the real writer in private memory.
 * Times are milliseconds after the model's creation, which is second 1000 of model time.
 */
#ifndef TESTS_UNIT_CORE_MODELS_H
#define TESTS_UNIT_CORE_MODELS_H

#include "n1/profile.h"
#include "n1/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BORN (1000 * N1_SECOND_NS)
#define MS UINT64_C(1000000)

struct model {
    struct n1_writer *w;
    struct n1_reader *r;
    uint32_t module, process, thread, thread2;
};

static inline n1_ns at_ms(uint64_t ms)
{
    return BORN + ms * MS;
}

/* Room for so many samples and rows, and for so many chains as any test here needs. */
static inline void model_open(struct model *m, uint64_t samples, uint64_t rows)
{
    uint64_t capacity[N1_SEGMENT_COUNT];
    struct n1_error err = {0};
    size_t bytes;
    for (int i = 0; i < N1_SEGMENT_COUNT; i++)
        capacity[i] = 64;
    capacity[N1_SEGMENT_STRING_INDEX] = 8192;
    capacity[N1_SEGMENT_STRING_BYTES] = 1 << 20;
    capacity[N1_SEGMENT_FUNCTIONS] = 4096;
    capacity[N1_SEGMENT_FRAMES] = 1 << 16;
    capacity[N1_SEGMENT_NODES] = 1 << 19;
    capacity[N1_SEGMENT_POINTS] = 4096;
    capacity[N1_SEGMENT_MEMORY] = 1024;
    capacity[N1_SEGMENT_SAMPLES] = samples;
    capacity[N1_SEGMENT_SECONDS] = rows;
    if (n1_writer_create_private(capacity, 256, &m->w, &err))
        fail_msg("writer: %s", err.what);
    struct n1_model_header *h = n1_writer_header(m->w);
    h->created = h->anchor_mono = BORN;
    h->anchor_wall = INT64_C(1700000000) * (int64_t)N1_SECOND_NS;
    h->clock_ticks = 100;
    struct n1_model_process p = {
        .pid = 4242,
        .uid = 1000,
        .start_ticks = 90000,
        .exe = n1_writer_string_z(m->w, "/opt/app/bin/app"),
        .cmdline = n1_writer_string_z(m->w, "app --token secret"),
        .comm = n1_writer_string_z(m->w, "app"),
        .runtime = n1_writer_string_z(m->w, "native"),
        .labels = n1_writer_string_z(m->w, "env=prod,tier=web"),
        .state = N1_PROCESS_RUNNING,
        .exit_status = N1_STATUS_UNKNOWN,
        .attached = BORN,
    };
    m->process = n1_writer_process(m->w, &p);
    struct n1_model_thread t = {.process = m->process, .tid = 4242, .start_ticks = 90000, .from = BORN};
    t.name = n1_writer_string_z(m->w, "main");
    m->thread = n1_writer_thread(m->w, &t);
    t.tid = 4243;
    t.name = n1_writer_string_z(m->w, "worker");
    m->thread2 = n1_writer_thread(m->w, &t);
    struct n1_model_module module = {.path = n1_writer_string_z(m->w, "/opt/app/bin/app"),
                                     .kind = N1_MODULE_FILE};
    m->module = n1_writer_module(m->w, &module);
    n1_writer_state(m->w, N1_STATE_LIVE);
    n1_writer_self(m->w, N1_SELF_PERIOD_NS, 10 * MS);
    n1_writer_heartbeat(m->w, BORN);
    void *base = n1_writer_base(m->w, &bytes);
    if (n1_reader_open_memory(base, bytes, &m->r, &err))
        fail_msg("reader: %s", err.what);
}

static inline void model_close(struct model *m)
{
    n1_reader_close(m->r);
    n1_writer_destroy(m->w);
}

static inline uint32_t make_function(struct model *m, const char *name, uint64_t start)
{
    struct n1_model_function f = {.module = m->module, .kind = N1_KIND_NATIVE, .start = start, .size = 64};
    f.name = n1_writer_string_z(m->w, name);
    return n1_writer_function(m->w, &f);
}

/* A frame `place` bytes into a function whose start follows from its name; unnamed when `name` is NULL. */
static inline uint32_t make_frame(struct model *m, const char *name, uint64_t place)
{
    uint64_t start = 0x1000;
    for (const char *c = name ? name : "?"; *c; c++)
        start = start * 31 % 65521 * 256 + (unsigned char)*c;
    start *= 4096;
    uint32_t frame = n1_writer_frame(m->w, m->module, start + place);
    if (name)
        n1_writer_frame_name(m->w, frame, make_function(m, name, start), N1_FRAME_NAMED);
    return frame;
}

/* The chain of a text like "main;run;work", call sites at `place` in each. */
static inline uint32_t make_chain(struct model *m, const char *path, uint64_t place)
{
    char copy[512], *rest = copy, *part;
    uint32_t node = 0;
    snprintf(copy, sizeof copy, "%s", path);
    while ((part = strsep(&rest, ";")))
        if (*part)
            node = n1_writer_node(m->w, node, make_frame(m, part, place));
    return node;
}

/* One sample of 10 ms with the stack "main;run;work" (last: the leaf). */
static inline void push_stack(struct model *m, uint64_t ms, const char *path, uint32_t flags)
{
    const char *leaf = strrchr(path, ';');
    char callers[512] = "";
    if (leaf)
        snprintf(callers, sizeof callers, "%.*s", (int)(leaf - path), path);
    struct n1_model_sample s = {
        .time = at_ms(ms),
        .thread = m->thread,
        .node = make_chain(m, callers, 8),
        .leaf = *path ? make_frame(m, leaf ? leaf + 1 : path, 16) : 0,
        .flags = flags,
        .weight_ns = 10 * MS,
    };
    n1_writer_sample(m->w, &s);
}

static inline void begin(struct model *m, uint64_t now_ms)
{
    n1_writer_heartbeat(m->w, at_ms(now_ms));
    assert_in_range(n1_reader_begin(m->r), 0, 1);
}

static const struct n1_window everything = {0, UINT64_MAX};

static inline ptrdiff_t named(const struct n1_profile *p, const char *name)
{
    size_t count;
    const struct n1_profile_function *f = n1_profile_functions(p, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(f[i].name, name) == 0)
            return (ptrdiff_t)i;
    return -1;
}

#endif
