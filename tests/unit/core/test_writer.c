/*
 * The writer's side of the model: interning, what may be written later, rows of a second, full tables, seals.
 * Everything is read back through a reader over the same memory, so both sides are held to the contract.
 */
#include "n1/metric.h"
#include "n1/reader.h"
#include "n1/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
    struct n1_writer *w;
    struct n1_reader *r;
    n1_ns t0;
};

static int setup(void **state)
{
    struct pair *p = calloc(1, sizeof(*p));
    struct n1_writer_options options = {.memory_bytes = 4 << 20};
    struct n1_error error;
    assert_int_equal(n1_writer_create(&options, &p->w, &error), 0);
    assert_int_equal(n1_reader_open_fd(n1_writer_fd(p->w), &p->r, &error), 0);
    p->t0 = n1_writer_header(p->w)->created;
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;
    n1_reader_close(p->r);
    n1_writer_destroy(p->w);
    free(p);
    return 0;
}

static void test_strings(void **state)
{
    struct pair *p = *state;
    uint32_t a = n1_writer_string_z(p->w, "alpha"), b = n1_writer_string_z(p->w, "beta");
    assert_true(a && b && a != b);
    assert_int_equal(n1_writer_string_z(p->w, "alpha"), a);
    assert_int_equal(n1_writer_string(p->w, "alphabet", 5), a);
    assert_int_equal(n1_writer_string_z(p->w, NULL), 0);
    assert_int_equal(n1_writer_string_z(p->w, ""), 0);
    uint32_t hostile = n1_writer_string(p->w, "a\x1b[31m\0b\xff", 8);
    assert_int_equal(n1_reader_begin(p->r), 0);
    assert_string_equal(n1_reader_string(p->r, a), "alpha");
    assert_string_equal(n1_reader_string(p->r, b), "beta");
    assert_string_equal(n1_reader_string(p->r, hostile), "a?[31m?b");
    assert_string_equal(n1_reader_string(p->r, 0), "");
    assert_string_equal(n1_reader_string(p->r, 1000000), "");
    assert_ptr_equal(n1_reader_string(p->r, a), n1_reader_string(p->r, a));
    assert_int_equal(n1_reader_end(p->r), 0);
}

static void test_long_string_is_cut_in_the_middle(void **state)
{
    struct pair *p = *state;
    char text[10000];
    for (size_t i = 0; i < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xa9", 2); /* cuts must fall between characters */
    memcpy(text, "HE", 2);
    memcpy(text + sizeof(text) - 2, "TL", 2);
    for (size_t shift = 0; shift < 2; shift++) {
        uint32_t id = n1_writer_string(p->w, text + 2 * shift, sizeof(text) - 2 * shift - shift);
        assert_true(id);
        n1_reader_begin(p->r);
        const char *kept = n1_reader_string(p->r, id);
        assert_in_range(strlen(kept), 4080, 4095);
        assert_non_null(strstr(kept, "\xe2\x80\xa6"));
        assert_null(strchr(kept, '?'));
    }
    uint32_t whole = n1_writer_string(p->w, text, 4094);
    n1_reader_begin(p->r);
    assert_int_equal(strlen(n1_reader_string(p->r, whole)), 4094);
}

static void test_tables_intern(void **state)
{
    struct pair *p = *state;
    struct n1_writer *w = p->w;
    uint32_t exe = n1_writer_string_z(w, "/bin/x"), other = n1_writer_string_z(w, "/bin/y");
    struct n1_model_process process = {.pid = 7, .start_ticks = 100, .exe = exe, .state = N1_PROCESS_RUNNING};
    uint32_t pr = n1_writer_process(w, &process);
    process.exe = other;
    assert_int_equal(n1_writer_process(w, &process), pr);
    process.start_ticks = 101; /* the PID was reused */
    assert_int_not_equal(n1_writer_process(w, &process), pr);

    struct n1_model_thread thread = {.process = pr, .tid = 8, .start_ticks = 5, .from = p->t0};
    uint32_t th = n1_writer_thread(w, &thread);
    assert_int_equal(n1_writer_thread(w, &thread), th);
    thread.start_ticks = 6;
    assert_int_not_equal(n1_writer_thread(w, &thread), th);

    struct n1_model_module module = {
        .path = exe, .kind = N1_MODULE_FILE, .build_id = {1, 2}, .build_id_len = 20};
    uint32_t mo = n1_writer_module(w, &module);
    assert_int_equal(n1_writer_module(w, &module), mo);
    module.build_id[19] = 9;
    assert_int_not_equal(n1_writer_module(w, &module), mo);

    struct n1_model_function function = {.name = exe, .module = mo, .kind = N1_KIND_NATIVE, .start = 0x1000};
    uint32_t fu = n1_writer_function(w, &function);
    assert_int_equal(n1_writer_function(w, &function), fu);
    uint32_t fr = n1_writer_frame(w, mo, 0x1010);
    assert_int_equal(n1_writer_frame_find(w, mo, 0x1010), fr);
    assert_int_equal(n1_writer_frame_find(w, mo, 0x1011), 0);
    uint32_t root = n1_writer_node(w, 0, fr), child = n1_writer_node(w, root, fr);
    assert_true(root && child > root);
    assert_int_equal(n1_writer_node(w, root, fr), child);

    n1_writer_frame_name(w, fr, fu, N1_FRAME_NAMED);
    n1_writer_frame_line(w, fr, other, 42);
    n1_writer_function_line(w, fu, other, 40);
    n1_writer_module_symbols(w, mo, N1_SYMBOLS_LOADED, 0);
    n1_writer_thread_name(w, th, other);
    n1_writer_thread_times(w, th, 11, 12);
    n1_writer_thread_end(w, th, p->t0 + 9);
    n1_writer_process_state(w, pr, N1_PROCESS_GONE, 256, p->t0 + 10);

    assert_int_equal(n1_reader_begin(p->r), 0);
    assert_true(n1_reader_process(p->r, pr, &process));
    assert_int_equal(process.exe, other); /* taken over by the second call */
    assert_int_equal(process.state, N1_PROCESS_GONE);
    assert_int_equal(process.exit_status, 256);
    assert_int_equal(process.ended, p->t0 + 10);
    assert_true(n1_reader_thread(p->r, th, &thread));
    assert_int_equal(thread.name, other);
    assert_int_equal(thread.run_ns, 11);
    assert_int_equal(thread.wait_ns, 12);
    assert_int_equal(thread.to, p->t0 + 9);
    struct n1_model_frame frame;
    assert_true(n1_reader_frame(p->r, fr, &frame));
    assert_int_equal(frame.function, fu);
    assert_int_equal(frame.state, N1_FRAME_NAMED);
    assert_int_equal(frame.line, 42);
    assert_true(n1_reader_function(p->r, fu, &function));
    assert_int_equal(function.line, 40);
    struct n1_model_node node;
    assert_true(n1_reader_node(p->r, child, &node));
    assert_int_equal(node.parent, root);
    assert_int_equal(node.depth, 2);
    assert_false(n1_reader_node(p->r, child + 1, &node));
    assert_int_equal(node.parent, 0);
}

static void test_mappings_end(void **state)
{
    struct pair *p = *state;
    struct n1_model_mapping m = {.process = 1, .module = 1, .start = 0x1000, .end = 0x2000, .from = p->t0};
    uint32_t a = n1_writer_mapping(p->w, &m), b;
    n1_writer_mapping_end(p->w, 1, 0x1000, p->t0 + 1);
    b = n1_writer_mapping(p->w, &m); /* mapped again at the same place */
    assert_int_not_equal(a, b);
    n1_reader_begin(p->r);
    assert_true(n1_reader_mapping(p->r, a, &m));
    assert_int_equal(m.to, p->t0 + 1);
    assert_true(n1_reader_mapping(p->r, b, &m));
    assert_int_equal(m.to, 0);
}

/* Three places in one function, which is named before the second is over: one row, at the function's entry.
 */
static void test_rows_merge_a_function(void **state)
{
    struct pair *p = *state;
    struct n1_writer *w = p->w;
    struct n1_model_module module = {.kind = N1_MODULE_FILE};
    uint32_t mo = n1_writer_module(w, &module);
    struct n1_model_function function = {.name = n1_writer_string_z(w, "hot"), .module = mo, .start = 0x100};
    uint32_t fu = n1_writer_function(w, &function);
    uint32_t caller = n1_writer_node(w, 0, n1_writer_frame(w, mo, 0x900));
    for (int second = 0; second < 2; second++)
        for (uint32_t i = 0; i < 9; i++) {
            uint32_t leaf = n1_writer_frame(w, mo, 0x110 + i % 3);
            struct n1_model_sample s = {.time = p->t0 + (n1_ns)second * N1_SECOND_NS + i,
                                        .thread = 1,
                                        .node = caller,
                                        .leaf = leaf,
                                        .weight_ns = 1000};
            n1_writer_sample(w, &s);
            if (i < 3)
                n1_writer_frame_name(w, leaf, fu, N1_FRAME_NAMED);
        }
    struct n1_model_sample dump = {
        .time = p->t0, .thread = 1, .node = caller, .leaf = 1, .flags = N1_SAMPLE_DUMP};
    n1_writer_sample(w, &dump);
    n1_writer_maintain(w, p->t0 + 2 * N1_SECOND_NS + N1_SECOND_NS / 2);
    uint64_t tail, next, lost;
    n1_reader_begin(p->r);
    assert_int_equal(n1_reader_count(p->r, N1_SEGMENT_SECONDS, &tail),
                     1); /* second 1 may still get samples */
    n1_writer_maintain(w, p->t0 + 3 * N1_SECOND_NS);
    n1_reader_begin(p->r);
    struct n1_model_second row[4];
    assert_int_equal(n1_reader_seconds(p->r, 0, row, 4, &next, &lost), 2);
    assert_int_equal(lost, 0);
    struct n1_model_frame frame;
    for (uint32_t second = 0; second < 2; second++) {
        assert_int_equal(row[second].second, second);
        assert_int_equal(row[second].count, 9);
        assert_int_equal(row[second].weight_ns, 9000);
        assert_true(n1_reader_frame(p->r, row[second].leaf, &frame));
        assert_int_equal(frame.offset, 0x100);
        assert_int_equal(frame.function, fu);
    }
    assert_int_equal(n1_reader_count(p->r, N1_SEGMENT_SAMPLES, NULL), 19);
    /* Late by two seconds: counted in the oldest second still open. */
    struct n1_model_sample late = {.time = p->t0 + 5, .thread = 1, .node = caller, .leaf = 1, .weight_ns = 1};
    n1_writer_sample(w, &late);
    n1_writer_flush(w);
    n1_reader_begin(p->r);
    assert_int_equal(n1_reader_seconds(p->r, 2, row, 4, &next, NULL), 1);
    assert_int_equal(row[0].second, 2);
}

static void test_many_rows_keep_every_sample(void **state)
{
    struct pair *p = *state;
    struct n1_writer *w = p->w;
    uint64_t pushed = 5000;
    for (uint32_t i = 0; i < pushed; i++) {
        struct n1_model_sample s = {
            .time = p->t0 + i * 1000000, .thread = 1 + i % 7, .node = 0, .leaf = 1 + i % 400};
        n1_writer_sample(w, &s);
    }
    n1_writer_flush(w);
    static struct n1_model_second row[8192];
    uint64_t next, count = 0;
    n1_reader_begin(p->r);
    size_t n = n1_reader_seconds(p->r, 0, row, 8192, &next, NULL);
    for (size_t i = 0; i < n; i++) {
        count += row[i].count;
        assert_true(i == 0 || row[i].second >= row[i - 1].second);
    }
    assert_int_equal(count, pushed);
    assert_int_equal(n1_reader_second_at(p->r, 0), 0);
    uint64_t at = n1_reader_second_at(p->r, 3);
    assert_true(at > 0 && row[at].second == 3 && row[at - 1].second == 2);
    assert_int_equal(n1_reader_second_at(p->r, 1000), n);
}

static void test_memory_is_added_to_the_row(void **state)
{
    struct pair *p = *state;
    struct n1_model_memory m = {
        .time = p->t0 + 1, .bytes = 4096, .thread = 2, .leaf = 3, .kind = N1_MEMORY_ANON};
    n1_writer_memory(p->w, &m);
    n1_writer_memory(p->w, &m);
    n1_writer_flush(p->w);
    struct n1_model_second row;
    uint64_t next;
    n1_reader_begin(p->r);
    assert_int_equal(n1_reader_seconds(p->r, 0, &row, 1, &next, NULL), 1);
    assert_int_equal(row.count, 0);
    assert_int_equal(row.bytes, 8192);
    assert_int_equal(n1_reader_memory(p->r, 0, &m, 1, &next, NULL), 1);
    assert_int_equal(next, 1);
}

static void test_waits_and_anomalies_are_finished_later(void **state)
{
    struct pair *p = *state;
    struct n1_model_wait wait = {.start = p->t0, .thread = 1, .leaf = 1, .wait_class = N1_WAIT_LOCK};
    uint64_t index = n1_writer_wait(p->w, &wait), next;
    n1_writer_wait_end(p->w, index, p->t0 + 5);
    n1_writer_wait_end(p->w, index + 1, p->t0 + 6); /* not there: nothing happens */
    struct n1_model_anomaly a = {.start = p->t0, .severity = N1_SEVERITY_WARNING, .value = -3};
    index = n1_writer_anomaly(p->w, &a);
    a.end = p->t0 + 7;
    n1_writer_anomaly_update(p->w, index, &a);
    n1_reader_begin(p->r);
    assert_int_equal(n1_reader_waits(p->r, 0, &wait, 1, &next, NULL), 1);
    assert_int_equal(wait.end, p->t0 + 5);
    assert_int_equal(n1_reader_anomalies(p->r, 0, &a, 1, &next, NULL), 1);
    assert_int_equal(a.end, p->t0 + 7);
    assert_int_equal(a.value, -3);
}

static void test_points(void **state)
{
    struct pair *p = *state;
    struct n1_writer *w = p->w;
    uint32_t rss = n1_writer_series(w, N1_METRIC_MEM_RSS, 1),
             cpu = n1_writer_series(w, N1_METRIC_CPU_TOTAL, 1);
    assert_int_equal(n1_writer_series(w, N1_METRIC_MEM_RSS, 1), rss);
    uint32_t why = n1_writer_string_z(w, "not permitted");
    for (int i = 0; i < 100; i++) {
        n1_writer_point(w, rss, p->t0 + (n1_ns)i, i);
        if (i % 2)
            n1_writer_point(w, cpu, p->t0 + (n1_ns)i, -i);
    }
    n1_writer_point_unknown(w, rss, p->t0 + 100, why);
    struct n1_model_point point[200];
    n1_reader_begin(p->r);
    assert_int_equal(n1_reader_series_find(p->r, N1_METRIC_CPU_TOTAL, 1), cpu);
    assert_int_equal(n1_reader_series_find(p->r, N1_METRIC_CPU_TOTAL, 2), 0);
    assert_int_equal(n1_reader_points(p->r, rss, 0, UINT64_MAX, point, 200), 101);
    assert_int_equal(point[0].value, 0);
    assert_int_equal(point[99].value, 99);
    assert_int_equal(point[100].time, (p->t0 + 100) | N1_POINT_INVALID);
    assert_string_equal(n1_reader_string(p->r, (uint32_t)point[100].value), "not permitted");
    assert_int_equal(n1_reader_points(p->r, cpu, p->t0 + 10, p->t0 + 20, point, 200), 5);
    assert_int_equal(point[0].value, -11);
    assert_int_equal(point[4].value, -19);
    assert_int_equal(n1_reader_points(p->r, rss, 0, p->t0 + 50, point, 3), 3); /* the newest of the span */
    assert_int_equal(point[2].value, 50);
    assert_int_equal(n1_reader_points(p->r, 77, 0, UINT64_MAX, point, 3), 0);
}

/* A chain that does not fit leaves no chain that never was, and is counted. */
static void test_full_tables_are_counted(void **state)
{
    (void)state;
    uint64_t capacity[N1_SEGMENT_COUNT];
    for (int k = 0; k < N1_SEGMENT_COUNT; k++)
        capacity[k] = 64;
    capacity[N1_SEGMENT_NODES] = 4;
    struct n1_writer *w;
    struct n1_reader *r;
    size_t bytes;
    assert_int_equal(n1_writer_create_private(capacity, 8, &w, NULL), 0);
    void *base = n1_writer_base(w, &bytes);
    assert_int_equal(n1_reader_open_memory(base, bytes, &r, NULL), 0);
    for (uint32_t i = 0; i < 5; i++) {
        uint32_t frame = n1_writer_frame(w, 1, i);
        uint32_t node = n1_writer_node(w, n1_writer_node(w, 0, frame), frame);
        struct n1_model_sample s = {.time = i, .thread = 1, .node = node, .leaf = frame};
        n1_writer_sample(w, &s);
    }
    struct n1_model_sample s[5];
    uint64_t next;
    assert_int_equal(n1_reader_begin(r), 0);
    assert_int_equal(n1_reader_samples(r, 0, s, 5, &next, NULL), 5);
    assert_int_equal(s[0].node, 2);
    for (int i = 1; i < 5; i++) {
        assert_int_equal(s[i].node, 0);
        assert_true(s[i].leaf);
        assert_true(s[i].flags & N1_SAMPLE_TRUNCATED);
    }
    assert_int_equal(n1_reader_self(r, N1_SELF_OTHER), 4);
    n1_reader_close(r);
    n1_writer_destroy(w);
}

static void test_memory_is_sealed(void **state)
{
    struct pair *p = *state;
    int fd = n1_writer_fd(p->w);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(ftruncate(fd, 4096), -1);
    assert_int_equal(errno, EPERM);
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    assert_int_equal(write(fd, "x", 1), -1);
    struct n1_writer_options small = {.memory_bytes = 1 << 20};
    struct n1_writer *w = NULL;
    struct n1_error error;
    assert_int_equal(n1_writer_create(&small, &w, &error), -EINVAL);
    assert_null(w);
    n1_writer_destroy(NULL);
}

static void test_header_words(void **state)
{
    struct pair *p = *state;
    n1_writer_state(p->w, N1_STATE_LIVE);
    n1_writer_heartbeat(p->w, p->t0 + 123);
    n1_writer_self(p->w, N1_SELF_RATE_USED, 97);
    n1_writer_self_add(p->w, N1_SELF_LOST, 2);
    n1_writer_self_add(p->w, N1_SELF_LOST, 3);
    assert_int_equal(n1_reader_begin(p->r), 0);
    assert_int_equal(n1_reader_state(p->r), N1_STATE_LIVE);
    assert_int_equal(n1_reader_heartbeat(p->r), p->t0 + 123);
    assert_int_equal(n1_reader_now(p->r), p->t0 + 123);
    assert_int_equal(n1_reader_self(p->r, N1_SELF_RATE_USED), 97);
    assert_int_equal(n1_reader_self(p->r, N1_SELF_LOST), 5);
    assert_int_equal(n1_reader_writer_pid(p->r), getpid());
    struct n1_model_header *h = n1_writer_header(p->w);
    assert_true(h->writer_start > 0);
    assert_int_equal(n1_reader_wall_ns(p->r, h->anchor_mono + 10), h->anchor_wall + 10);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_strings),
        T(test_long_string_is_cut_in_the_middle),
        T(test_tables_intern),
        T(test_mappings_end),
        T(test_rows_merge_a_function),
        T(test_many_rows_keep_every_sample),
        T(test_memory_is_added_to_the_row),
        T(test_waits_and_anomalies_are_finished_later),
        T(test_points),
        T(test_memory_is_sealed),
        T(test_header_words),
        cmocka_unit_test(test_full_tables_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
