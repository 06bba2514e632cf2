/*
 * Generation steps against a shadow truth. Sample number i is a pure function of i (its time, thread, chain,
 * names), so whatever a reader finds at a time can be checked against what was pushed then, without keeping a
 * copy. A million JIT functions and a hundred thousand threads go through a model of 8 MiB while a second
 * thread reads: almost nothing may end in [other], everything retained must carry its own names, and a pass
 * that ended well may not have shown a wrong one.
 */
#include "n1/metric.h"
#include "n1/reader.h"
#include "n1/writer.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define CHURN UINT32_C(150000)
#else
#define CHURN UINT32_C(1000000)
#endif
#define SAMPLES_PER_THREAD 10u
#define STEP_NS UINT64_C(1000000) /* between samples */
#define FUNCTION_BYTES UINT64_C(0x100)

/* --- the truth --- */

static uint64_t start_of(uint32_t i)
{
    return (uint64_t)(i + 1) * FUNCTION_BYTES;
}

static uint32_t tid_of(uint32_t i)
{
    return 1000 + i / SAMPLES_PER_THREAD;
}

static void name_of_offset(uint64_t offset, char out[64])
{
    snprintf(out, 64, "jit::function<%" PRIu64 ">", offset / FUNCTION_BYTES);
}

/* The chain of sample i: an early function that stays, then the function before i, then i itself. */
static uint32_t root_of(uint32_t i)
{
    return i % 16;
}

/* --- the writer's side --- */

struct churn {
    struct n1_writer *w;
    n1_ns t0;
    uint32_t module, process, thread, last_tid;
    unsigned steps;
};

static void on_remap(void *context, const struct n1_remap *remap)
{
    struct churn *c = context;
    c->module = n1_remap_module(remap, c->module);
    c->process = n1_remap_process(remap, c->process);
    c->thread = n1_remap_thread(remap, c->thread);
    c->steps++;
}

/* The frame at `offset`, named at once. */
static uint32_t named_frame(struct churn *c, uint32_t i, uint64_t inside)
{
    uint64_t start = start_of(i);
    uint32_t frame = n1_writer_frame_find(c->w, c->module, start + inside);
    if (frame)
        return frame;
    frame = n1_writer_frame(c->w, c->module, start + inside);
    char name[64];
    name_of_offset(start, name);
    struct n1_model_function f = {.name = n1_writer_string_z(c->w, name),
                                  .module = c->module,
                                  .kind = N1_KIND_JIT,
                                  .start = start,
                                  .size = FUNCTION_BYTES};
    uint32_t function = f.name ? n1_writer_function(c->w, &f) : 0;
    if (function)
        n1_writer_frame_name(c->w, frame, function, N1_FRAME_NAMED);
    return frame;
}

static void push(struct churn *c, uint32_t i)
{
    struct n1_writer *w = c->w;
    n1_ns now = c->t0 + i * STEP_NS;
    if (c->module == 0) {
        struct n1_model_module m = {.path = n1_writer_string_z(w, "/tmp/perf-1.map"), .kind = N1_MODULE_JIT};
        c->module = n1_writer_module(w, &m);
    }
    if (tid_of(i) != c->last_tid) {
        char name[32];
        if (c->thread)
            n1_writer_thread_end(w, c->thread, now);
        c->last_tid = tid_of(i);
        snprintf(name, sizeof(name), "worker-%u", c->last_tid);
        struct n1_model_thread t = {.process = c->process,
                                    .tid = c->last_tid,
                                    .start_ticks = i,
                                    .name = n1_writer_string_z(w, name),
                                    .from = now};
        c->thread = n1_writer_thread(w, &t);
    }
    uint32_t node = n1_writer_node(w, 0, named_frame(c, root_of(i), 8));
    node = n1_writer_node(w, node, named_frame(c, i ? i - 1 : 0, 16));
    struct n1_model_sample s = {.time = now,
                                .thread = c->thread,
                                .node = node,
                                .leaf = named_frame(c, i, 24),
                                .weight_ns = 7,
                                .cpu = i};
    n1_writer_sample(w, &s);
    n1_writer_heartbeat(w, now);
    if (i % 100 == 99)
        n1_writer_maintain(w, now);
}

/* --- the reader's side: each answers whether what it was given is right --- */

static bool frame_is(struct n1_reader *r, uint32_t id, uint32_t i, uint64_t inside)
{
    struct n1_model_frame frame;
    struct n1_model_function function;
    struct n1_model_module module;
    char name[64];
    if (!n1_reader_frame(r, id, &frame) || frame.offset != start_of(i) + inside)
        return false;
    if (!n1_reader_module(r, frame.module, &module) ||
        strcmp(n1_reader_string(r, module.path), "/tmp/perf-1.map") != 0)
        return false;
    if (frame.function == 0)
        return true; /* not named yet: the writer names a frame after it made it */
    name_of_offset(start_of(i), name);
    return n1_reader_function(r, frame.function, &function) && function.start == start_of(i) &&
           strcmp(n1_reader_string(r, function.name), name) == 0;
}

static bool thread_is(struct n1_reader *r, uint32_t id, uint32_t i)
{
    struct n1_model_thread thread;
    struct n1_model_process process;
    char name[32];
    snprintf(name, sizeof(name), "worker-%u", tid_of(i));
    return n1_reader_thread(r, id, &thread) && thread.tid == tid_of(i) &&
           strcmp(n1_reader_string(r, thread.name), name) == 0 &&
           n1_reader_process(r, thread.process, &process) && process.pid == 77;
}

static bool chain_is(struct n1_reader *r, uint32_t id, uint32_t i)
{
    struct n1_model_node node, parent;
    return n1_reader_node(r, id, &node) && frame_is(r, node.frame, i ? i - 1 : 0, 16) && node.depth == 2 &&
           n1_reader_node(r, node.parent, &parent) && frame_is(r, parent.frame, root_of(i), 8) &&
           parent.parent == 0;
}

/* `other` counts samples that lost their chain because a table was full. */
static bool sample_is_right(struct n1_reader *r, n1_ns t0, const struct n1_model_sample *s, uint64_t *other)
{
    uint32_t i = s->cpu;
    if (s->time != t0 + i * STEP_NS || s->weight_ns != 7)
        return false;
    if (s->node == 0 || s->leaf == 0 || s->thread == 0) {
        ++*other;
        return true;
    }
    return thread_is(r, s->thread, i) && chain_is(r, s->node, i) && frame_is(r, s->leaf, i, 24);
}

struct watch {
    struct n1_writer *w;
    n1_ns t0;
    atomic_bool stop;
    uint64_t passes, discarded, checked, wrong, changes;
};

static void *read_meanwhile(void *argument)
{
    struct watch *watch = argument;
    enum { BATCH = 256 };
    struct n1_model_sample s[BATCH];
    struct n1_reader *r;
    unsigned seed = 1;
    if (n1_reader_open_fd(n1_writer_fd(watch->w), &r, NULL) < 0)
        return NULL;
    while (!atomic_load(&watch->stop)) {
        int begun = n1_reader_begin(r);
        if (begun < 0) {
            watch->discarded++;
            sched_yield();
            continue;
        }
        watch->changes += begun == 1;
        uint64_t tail, next, other = 0, wrong = 0, head = n1_reader_count(r, N1_SEGMENT_SAMPLES, &tail);
        uint64_t from = head > tail ? tail + (uint64_t)rand_r(&seed) % (head - tail) : tail;
        size_t n = n1_reader_samples(r, from, s, BATCH, &next, NULL);
        for (size_t i = 0; i < n; i++)
            wrong += !sample_is_right(r, watch->t0, &s[i], &other);
        if (n1_reader_end(r) < 0) {
            watch->discarded++;
            continue;
        }
        watch->passes++;
        watch->checked += n;
        watch->wrong += wrong;
    }
    n1_reader_close(r);
    return NULL;
}

static void start(struct churn *c, uint64_t memory_bytes)
{
    struct n1_writer_options options = {.memory_bytes = memory_bytes, .remapped = on_remap, .context = c};
    assert_int_equal(n1_writer_create(&options, &c->w, NULL), 0);
    c->t0 = n1_writer_header(c->w)->created;
    struct n1_model_process p = {.pid = 77, .state = N1_PROCESS_RUNNING, .attached = c->t0};
    c->process = n1_writer_process(c->w, &p);
}

static void test_churn_keeps_names_right(void **state)
{
    (void)state;
    struct churn c = {0};
    start(&c, 8 << 20);
    struct watch watch = {.w = c.w, .t0 = c.t0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_meanwhile, &watch), 0);
    for (uint32_t i = 0; i < CHURN; i++)
        push(&c, i);
    atomic_store(&watch.stop, true);
    pthread_join(thread, NULL);

    struct n1_reader *r;
    assert_int_equal(n1_reader_open_fd(n1_writer_fd(c.w), &r, NULL), 0);
    assert_int_equal(n1_reader_begin(r), 0);
    uint64_t tail, next, lost, retained = 0, right = 0, other = 0;
    uint64_t head = n1_reader_count(r, N1_SEGMENT_SAMPLES, &tail);
    for (uint64_t at = tail; at < head; at = next) {
        struct n1_model_sample s[512];
        size_t n = n1_reader_samples(r, at, s, 512, &next, &lost);
        assert_int_equal(lost, 0);
        for (size_t i = 0; i < n; i++)
            right += sample_is_right(r, c.t0, &s[i], &other);
        retained += n;
    }
    /* The rows of the same span: named by their function's entry, their sum what was sampled. */
    uint64_t rows = 0, row_tail, row_head = n1_reader_count(r, N1_SEGMENT_SECONDS, &row_tail);
    for (uint64_t at = row_tail; at < row_head; at = next) {
        struct n1_model_second row[512];
        size_t n = n1_reader_seconds(r, at, row, 512, &next, &lost);
        for (size_t k = 0; k < n; k++) {
            struct n1_model_frame leaf;
            if (row[k].leaf == 0 || row[k].node == 0)
                continue;
            assert_true(n1_reader_frame(r, row[k].leaf, &leaf));
            uint32_t i = (uint32_t)(leaf.offset / FUNCTION_BYTES) - 1;
            assert_true(frame_is(r, row[k].leaf, i, 0));
            assert_true(chain_is(r, row[k].node, i));
            assert_true(thread_is(r, row[k].thread, i));
            rows++;
        }
    }
    assert_int_equal(n1_reader_end(r), 0);
    printf("churn: %u samples, %u steps, %" PRIu64 " retained, %" PRIu64 " rows, %" PRIu64
           " given up, other %" PRIu64 " (%.3f %%); reader: %" PRIu64 " passes, %" PRIu64
           " discarded, %" PRIu64 " generations, %" PRIu64 " checked\n",
           CHURN, c.steps, retained, rows, n1_reader_self(r, N1_SELF_ROWS_DROPPED),
           n1_reader_self(r, N1_SELF_OTHER), 100.0 * (double)n1_reader_self(r, N1_SELF_OTHER) / CHURN,
           watch.passes, watch.discarded, watch.changes, watch.checked);
    assert_true(c.steps > 10);
    assert_int_equal(n1_reader_self(r, N1_SELF_GENERATIONS), c.steps);
    assert_true(retained > 1000);
    assert_int_equal(right, retained);
    assert_true(rows >= 1000);
    assert_true(n1_reader_self(r, N1_SELF_OTHER) * 100 < CHURN);
    assert_true(watch.passes > 10 && watch.checked > 1000);
    assert_true(watch.changes > 0);
    assert_int_equal(watch.wrong, 0);
    /* The newest second is all there: nothing recent is given up for the old. */
    assert_true(head - n1_reader_sample_at(r, c.t0 + (CHURN - 1000) * STEP_NS) == 1000);
    n1_reader_close(r);
    n1_writer_destroy(c.w);
}

/* What lives fills its table by itself: steps are tried but not without end, and no history is given up for
 * it. */
static void test_a_table_of_the_living_costs_no_history(void **state)
{
    (void)state;
    struct churn c = {0};
    start(&c, 4 << 20);
    for (uint32_t i = 0; i < 500; i++)
        push(&c, i);
    uint64_t before = n1_writer_header(c.w)->heads[N1_SEGMENT_SAMPLES];
    uint64_t capacity = n1_writer_header(c.w)->segments[N1_SEGMENT_MAPPINGS].capacity;
    n1_ns now = c.t0 + 500 * STEP_NS;
    for (uint64_t i = 0; i < capacity + 10; i++) {
        struct n1_model_mapping m = {
            .process = c.process, .module = c.module, .start = i * 4096, .end = i * 4096 + 4096, .from = now};
        n1_writer_mapping(c.w, &m);
        n1_writer_maintain(c.w, now += 1000);
    }
    assert_in_range(c.steps, 1, 8);
    assert_int_equal(n1_writer_header(c.w)->self[N1_SELF_ROWS_DROPPED], 0);
    assert_int_equal(n1_writer_header(c.w)->tails[N1_SEGMENT_SAMPLES], 0);
    assert_int_equal(n1_writer_header(c.w)->heads[N1_SEGMENT_SAMPLES], before);
    /* They end and the rows grow old: there is room again. */
    for (uint64_t i = 0; i < capacity + 10; i++)
        n1_writer_mapping_end(c.w, c.process, i * 4096, c.t0 - 1);
    unsigned steps = c.steps;
    n1_writer_maintain(c.w, now + 11 * N1_SECOND_NS);
    assert_int_equal(c.steps, steps + 1);
    assert_int_equal(n1_writer_header(c.w)->heads[N1_SEGMENT_MAPPINGS], 1);
    n1_writer_destroy(c.w);
}

/* Series, their points and reasons, anomalies and threads of the dead, across steps. */
static void test_everything_that_refers_is_rewritten(void **state)
{
    (void)state;
    struct churn c = {0};
    start(&c, 4 << 20);
    struct n1_writer *w = c.w;
    for (uint32_t i = 0; i < 300; i++)
        push(&c, i);
    struct n1_model_process dead = {
        .pid = 5, .start_ticks = 3, .exe = n1_writer_string_z(w, "/bin/dead"), .state = 1};
    uint32_t process = n1_writer_process(w, &dead);
    struct n1_model_process gone = {.pid = 6, .start_ticks = 3, .state = 1};
    uint32_t forgotten = n1_writer_process(w, &gone);
    n1_writer_process_state(w, process, N1_PROCESS_GONE, 0, c.t0);
    n1_writer_process_state(w, forgotten, N1_PROCESS_GONE, 0, c.t0);
    uint32_t series = n1_writer_series(w, N1_METRIC_MEM_RSS, process);
    uint32_t lapsed = n1_writer_series(w, N1_METRIC_MEM_RSS, forgotten),
             host = n1_writer_series(w, N1_METRIC_HOST_CPUS, 0);
    assert_true(series && lapsed && host);
    n1_writer_point(w, series, c.t0 + 1, 123);
    n1_writer_point_unknown(w, series, c.t0 + 2, n1_writer_string_z(w, "the kernel said no"));
    struct n1_model_function culprit = {.name = n1_writer_string_z(w, "culprit()"), .start = 1};
    struct n1_model_anomaly a = {.start = c.t0,
                                 .process = process,
                                 .rule = n1_writer_string_z(w, "cpu-spike"),
                                 .severity = N1_SEVERITY_WARNING,
                                 .unit = n1_writer_string_z(w, "ns"),
                                 .culprit = {0, n1_writer_function(w, &culprit), 0},
                                 .resource = n1_writer_string_z(w, "/some/file"),
                                 .text = n1_writer_string_z(w, "one line")};
    n1_writer_anomaly(w, &a);
    struct n1_model_wait wait = {.start = c.t0 + 299 * STEP_NS,
                                 .thread = c.thread,
                                 .wait_class = N1_WAIT_LOCK,
                                 .resource = n1_writer_string_z(w, "mutex 0x1")};
    uint64_t wait_index = n1_writer_wait(w, &wait);
    for (uint32_t i = 300; c.steps < 3; i++)
        push(&c, i);

    struct n1_reader *r;
    uint64_t next;
    assert_int_equal(n1_reader_open_fd(n1_writer_fd(w), &r, NULL), 0);
    assert_int_equal(n1_reader_begin(r), 0);
    assert_int_equal(n1_reader_anomalies(r, 0, &a, 1, &next, NULL), 1);
    assert_string_equal(n1_reader_string(r, a.rule), "cpu-spike");
    assert_string_equal(n1_reader_string(r, a.unit), "ns");
    assert_string_equal(n1_reader_string(r, a.resource), "/some/file");
    assert_string_equal(n1_reader_string(r, a.text), "one line");
    assert_true(n1_reader_function(r, a.culprit[1], &culprit));
    assert_string_equal(n1_reader_string(r, culprit.name), "culprit()");
    assert_true(n1_reader_process(r, a.process, &dead));
    assert_int_equal(dead.pid, 5);
    assert_string_equal(n1_reader_string(r, dead.exe), "/bin/dead");
    struct n1_model_point p[4];
    series = n1_reader_series_find(r, N1_METRIC_MEM_RSS, a.process);
    assert_int_equal(n1_reader_points(r, series, 0, UINT64_MAX, p, 4), 2);
    assert_int_equal(p[0].value, 123);
    assert_string_equal(n1_reader_string(r, (uint32_t)p[1].value), "the kernel said no");
    assert_true(n1_reader_series_find(r, N1_METRIC_HOST_CPUS, 0));
    assert_int_equal(n1_reader_count(r, N1_SEGMENT_PROCESSES, NULL), 3); /* 77 and 5; nothing refers to 6 */
    assert_int_equal(n1_reader_count(r, N1_SEGMENT_SERIES, NULL), 3);
    uint64_t tail, lost;
    n1_reader_count(r, N1_SEGMENT_WAITS, &tail);
    if (tail <= wait_index) {
        assert_int_equal(n1_reader_waits(r, wait_index, &wait, 1, &next, &lost), 1);
        assert_string_equal(n1_reader_string(r, wait.resource), "mutex 0x1");
    }
    /* Interning after a step finds what is there. */
    assert_int_equal(n1_writer_string_z(w, "cpu-spike"), a.rule);
    assert_int_equal(n1_writer_process(w, &(struct n1_model_process){.pid = 5, .start_ticks = 3}), a.process);
    n1_reader_close(r);
    n1_writer_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_that_refers_is_rewritten),
        cmocka_unit_test(test_a_table_of_the_living_costs_no_history),
        cmocka_unit_test(test_churn_keeps_names_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
