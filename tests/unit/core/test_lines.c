/* Line tables: shares, splits, medians and increments of models whose truth is written here. */
#include "n1/lines.h"
#include "n1/metric.h"

#include "tests/unit/core/models.h"

static uint32_t frame_of(struct model *m, const char *name, enum n1_function_kind kind, uint64_t at,
                         uint32_t line)
{
    uint32_t frame = n1_writer_frame(m->w, m->module, at);
    struct n1_model_function f = {
        .module = m->module, .kind = kind, .start = at & ~UINT64_C(0xff), .size = 64};
    f.name = n1_writer_string_z(m->w, name);
    n1_writer_frame_name(m->w, frame, n1_writer_function(m->w, &f), N1_FRAME_NAMED);
    if (line)
        n1_writer_frame_line(m->w, frame, n1_writer_string_z(m->w, "/src/a"), line);
    return frame;
}

static void sample(struct model *m, uint64_t ms, uint32_t node, uint32_t leaf)
{
    struct n1_model_sample s = {
        .time = at_ms(ms), .thread = m->thread, .node = node, .leaf = leaf, .weight_ns = 10 * MS};
    n1_writer_sample(m->w, &s);
}

static uint64_t id_of(struct model *m, const char *name)
{
    struct n1_profile *p = n1_profile_create();
    size_t count;
    assert_int_equal(n1_profile_update(p, m->r, everything, NULL, NULL), 0);
    ptrdiff_t at = named(p, name);
    assert_true(at >= 0);
    uint64_t id = n1_profile_functions(p, &count)[at].id;
    n1_profile_destroy(p);
    return id;
}

static const struct n1_line *line(const struct n1_lines *l, uint32_t number)
{
    size_t count;
    const struct n1_line *list = n1_lines_list(l, &count);
    for (size_t i = 0; i < count; i++)
        if (list[i].line == number)
            return &list[i];
    fail_msg("no line %u", number);
    return NULL;
}

/* work: line 5 runs itself 3 times, line 7 calls the kernel once and itself, recursively, once. */
static void native_lines(void **state)
{
    (void)state;
    struct model m;
    model_open(&m, 256, 256);
    uint32_t w5 = frame_of(&m, "work", N1_KIND_NATIVE, 0x1005, 5),
             w7 = frame_of(&m, "work", N1_KIND_NATIVE, 0x1007, 7),
             k = frame_of(&m, "sys_read", N1_KIND_KERNEL, 0x2000, 0), other = make_frame(&m, "other", 16);
    uint32_t n7 = n1_writer_node(m.w, 0, w7), n77 = n1_writer_node(m.w, n7, w7);
    uint32_t rss = n1_writer_series(m.w, N1_METRIC_MEM_RSS, m.process);
    n1_writer_point(m.w, rss, at_ms(0), 1000);
    n1_writer_point(m.w, rss, at_ms(25), 5000);
    for (uint64_t i = 1; i <= 3; i++)
        sample(&m, 10 * i, 0, w5); /* 10, 20, 30 ms: RSS 1000, 1000, 5000 */
    sample(&m, 40, n7, k);
    sample(&m, 50, n77, w5);
    sample(&m, 60, 0, other);
    begin(&m, 100);
    struct n1_lines *l = n1_lines_create();
    assert_int_equal(n1_lines_update(l, m.r, everything, NULL, id_of(&m, "work")), 0);
    struct n1_lines_summary s = n1_lines_summary(l);
    assert_int_equal(s.all_ns, 60 * MS);
    assert_int_equal(s.self_ns, 40 * MS);
    assert_int_equal(s.total_ns, 50 * MS);
    assert_int_equal(s.lineless_ns, 0);
    assert_false(s.faults);
    assert_int_equal(line(l, 5)->self_ns, 40 * MS);
    assert_int_equal(line(l, 5)->native_ns, 40 * MS);
    assert_int_equal(line(l, 5)->resident,
                     1000); /* the lower of the two middle ones of 1000 1000 5000 5000 */
    assert_int_equal(line(l, 5)->increment, N1_LINE_UNKNOWN);
    assert_int_equal(line(l, 7)->self_ns, 0);
    assert_int_equal(line(l, 7)->total_ns, 20 * MS); /* twice on one stack counts once */
    assert_int_equal(line(l, 7)->system_ns, 10 * MS);
    assert_int_equal(line(l, 7)->resident, 5000);
    assert_string_equal(line(l, 7)->file, "/src/a");

    struct n1_model_memory touch = {
        .time = at_ms(55), .bytes = 4096, .thread = m.thread, .node = n77, .leaf = k, .kind = N1_MEMORY_ANON};
    n1_writer_memory(m.w, &touch);
    touch.kind = N1_MEMORY_KEPT; /* not a touch */
    n1_writer_memory(m.w, &touch);
    begin(&m, 100);
    assert_int_equal(n1_lines_update(l, m.r, everything, NULL, id_of(&m, "work")), 0);
    assert_true(n1_lines_summary(l).faults);
    assert_int_equal(line(l, 7)->increment, 4096);
    assert_int_equal(line(l, 5)->increment, 0);
    n1_lines_destroy(l);
    model_close(&m);
}

/* A Python line: own bytecode, native code below it, the kernel; what it calls in Python is only in its
 * total. */
static void python_lines(void **state)
{
    (void)state;
    struct model m;
    model_open(&m, 256, 256);
    uint32_t f3 = frame_of(&m, "f", N1_KIND_PYTHON, 0x1003, 3),
             g9 = frame_of(&m, "g", N1_KIND_PYTHON, 0x3009, 9);
    uint32_t sum = make_frame(&m, "sum", 16), k = frame_of(&m, "sys_read", N1_KIND_KERNEL, 0x2000, 0);
    uint32_t n3 = n1_writer_node(m.w, 0, f3);
    sample(&m, 10, 0, f3);
    sample(&m, 20, 0, f3);
    sample(&m, 30, n3, sum);
    sample(&m, 40, n3, k);
    sample(&m, 50, n3, g9);
    begin(&m, 100);
    struct n1_lines *l = n1_lines_create();
    assert_int_equal(n1_lines_update(l, m.r, everything, NULL, id_of(&m, "f")), 0);
    assert_int_equal(line(l, 3)->total_ns, 50 * MS);
    assert_int_equal(line(l, 3)->self_ns, 20 * MS);
    assert_int_equal(line(l, 3)->python_ns, 20 * MS);
    assert_int_equal(line(l, 3)->native_ns, 10 * MS);
    assert_int_equal(line(l, 3)->system_ns, 10 * MS);
    assert_int_equal(line(l, 3)->resident, N1_LINE_UNKNOWN);
    assert_int_equal(n1_lines_update(l, m.r, everything, NULL, 12345), 0);
    size_t count;
    n1_lines_list(l, &count);
    assert_int_equal(count, 0);
    n1_lines_destroy(l);
    model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(native_lines), cmocka_unit_test(python_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
