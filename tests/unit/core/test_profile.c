/* Profiles against hand-made truths: self and total, recursion, callers, callees, filters, markers, late
 * names. */
#include "tests/unit/core/models.h"

#include <errno.h>

static void update(struct n1_profile *p, struct model *m, struct n1_window window,
                   const struct n1_filter *filter)
{
    struct n1_error err = {0};
    if (n1_profile_update(p, m->r, window, filter, &err))
        fail_msg("update: %s", err.what);
    assert_int_equal(n1_reader_end(m->r), 0);
}

static void expect(const struct n1_profile *p, const char *name, uint64_t self, uint64_t total)
{
    size_t count;
    ptrdiff_t i = named(p, name);
    if (i < 0)
        fail_msg("%s is not there", name);
    const struct n1_profile_function *f = &n1_profile_functions(p, &count)[i];
    if (f->self_samples != self || f->total_samples != total)
        fail_msg("%s: self %lu total %lu, wanted %lu %lu", name, f->self_samples, f->total_samples, self,
                 total);
    assert_int_equal(f->self_ns, self * 10 * MS);
    assert_int_equal(f->total_ns, total * 10 * MS);
    assert_int_equal(n1_profile_find(p, f->id), i);
}

static void expect_edge(const struct n1_profile *p, bool callers, const char *of, const char *other,
                        uint64_t samples)
{
    struct n1_profile_edge edge[16];
    size_t count, edges;
    const struct n1_profile_function *f = n1_profile_functions(p, &count);
    size_t index = (size_t)named(p, of);
    edges = callers ? n1_profile_callers(p, index, edge, 16) : n1_profile_callees(p, index, edge, 16);
    for (size_t i = 0; i < edges; i++) {
        assert_true(i == 0 || edge[i].ns <= edge[i - 1].ns);
        const char *name = edge[i].function == UINT32_MAX ? "-" : f[edge[i].function].name;
        if (strcmp(name, other) == 0) {
            assert_int_equal(edge[i].samples, samples);
            assert_int_equal(edge[i].ns, samples * 10 * MS);
            return;
        }
    }
    assert_int_equal(samples, 0);
}

static void figures_of_a_small_program(void **state)
{
    (void)state;
    struct model m;
    struct n1_profile *p = n1_profile_create();
    model_open(&m, 1000, 100);
    for (int i = 0; i < 6; i++)
        push_stack(&m, 100 + i, "main;run;parse", 0);
    for (int i = 0; i < 3; i++)
        push_stack(&m, 200 + i, "main;run;format", 0);
    push_stack(&m, 300, "main;run", 0);
    push_stack(&m, 301, "idle;parse", N1_SAMPLE_IN_KERNEL | N1_SAMPLE_KERNEL_HIDDEN);
    begin(&m, 1000);
    update(p, &m, everything, NULL);
    expect(p, "main", 0, 10);
    expect(p, "run", 1, 10);
    expect(p, "parse", 7, 7);
    expect(p, "format", 3, 3);
    expect(p, "idle", 0, 1);
    const struct n1_profile_summary *s = n1_profile_summary(p);
    assert_int_equal(s->samples, 11);
    assert_int_equal(s->all_samples, 11);
    assert_int_equal(s->weight_ns, 110 * MS);
    assert_int_equal(s->resolution, N1_RESOLUTION_SAMPLES);
    assert_int_equal(s->in_kernel, 1);
    assert_int_equal(s->kernel_hidden_ns, 10 * MS);
    assert_int_equal(s->truncated, 0);
    assert_int_equal(s->lost, 0);

    size_t count;
    const struct n1_profile_function *f = n1_profile_functions(p, &count);
    assert_int_equal(count, 5);
    assert_string_equal(f[0].name, "parse"); /* self, then total, then name */
    assert_string_equal(f[1].name, "format");
    assert_string_equal(f[2].name, "run");
    assert_string_equal(f[3].name, "main");
    assert_string_equal(f[4].name, "idle");
    assert_string_equal(f[0].module_name, "app");

    const struct n1_profile_node *n = n1_profile_nodes(p, &count);
    assert_int_equal(count, 7);
    assert_int_equal(n[0].function, UINT32_MAX);
    assert_int_equal(n[0].samples, 11);
    uint32_t idle = n[0].first_child, main_ = n[idle].next_sibling;
    assert_string_equal(f[n[idle].function].name, "idle");
    assert_string_equal(f[n[main_].function].name, "main");
    assert_int_equal(n[main_].next_sibling, 0);
    uint32_t run = n[main_].first_child;
    assert_int_equal(n[run].self_ns, 10 * MS);
    assert_int_equal(n[run].total_ns, 100 * MS);
    assert_int_equal(n[run].depth, 2);
    assert_string_equal(f[n[n[run].first_child].function].name, "format");

    expect_edge(p, true, "parse", "run", 6);
    expect_edge(p, true, "parse", "idle", 1);
    expect_edge(p, true, "main", "-", 10);
    expect_edge(p, false, "run", "parse", 6);
    expect_edge(p, false, "run", "format", 3);
    expect_edge(p, false, "run", "-", 1);
    n1_profile_destroy(p);
    model_close(&m);
}

static void recursion_counts_once(void **state)
{
    (void)state;
    struct model m;
    struct n1_profile *p = n1_profile_create();
    model_open(&m, 1000, 100);
    for (int i = 0; i < 4; i++)
        push_stack(&m, 10 + i, "main;f;f;f;leaf", 0);
    for (int i = 0; i < 2; i++)
        push_stack(&m, 20 + i, "main;f;g;f;g;f", 0);
    begin(&m, 100);
    update(p, &m, everything, NULL);
    expect(p, "f", 2, 6);
    expect(p, "g", 0, 2);
    expect(p, "main", 0, 6);
    expect_edge(p, true, "f", "main", 6);
    expect_edge(p, true, "f", "f", 4); /* twice on the way down, once in the sum */
    expect_edge(p, true, "f", "g", 2);
    expect_edge(p, false, "f", "f", 4);
    expect_edge(p, false, "f", "g", 2);
    expect_edge(p, false, "f", "leaf", 4);
    expect_edge(p, false, "f", "-", 2);
    n1_profile_destroy(p);
    model_close(&m);
}

static void deep_recursion_is_no_recursion_of_ours(void **state)
{
    (void)state;
    struct model m;
    struct n1_profile *p = n1_profile_create();
    model_open(&m, 1000, 100);
    uint32_t frame = make_frame(&m, "down", 4), node = 0;
    for (int i = 0; i < 200000; i++)
        node = n1_writer_node(m.w, node, frame);
    struct n1_model_sample s = {
        .time = at_ms(5), .thread = m.thread, .node = node, .leaf = frame, .weight_ns = 10 * MS};
    n1_writer_sample(m.w, &s);
    begin(&m, 100);
    update(p, &m, everything, NULL);
    expect(p, "down", 1, 1);
    expect_edge(p, true, "down", "down", 1);
    n1_profile_destroy(p);
    model_close(&m);
}

static void markers_for_what_is_missing(void **state)
{
    (void)state;
    struct model m;
    struct n1_profile *p = n1_profile_create();
    model_open(&m, 1000, 100);
    push_stack(&m, 1, "", 0);
    push_stack(&m, 2, "run;parse", N1_SAMPLE_TRUNCATED);
    push_stack(&m, 3, "run;parse", N1_SAMPLE_TRUNCATED);
    push_stack(&m, 4, "main;run;parse", 0);
    push_stack(&m, 5, "main;run;parse", N1_SAMPLE_DUMP); /* stands for no time */
    struct n1_model_sample bad = {
        .time = at_ms(6), .thread = 77, .node = 400000, .leaf = 60000, .weight_ns = 10 * MS};
    n1_writer_sample(m.w, &bad); /* ids that do not exist */
    begin(&m, 100);
    update(p, &m, everything, NULL);
    expect(p, "[other]", 2, 2);
    expect(p, "run", 0, 3);
    expect(p, "parse", 3, 3);
    assert_int_equal(n1_profile_summary(p)->truncated, 3); /* without a leaf, the writer says so too */
    assert_int_equal(n1_profile_summary(p)->samples, 5);
    size_t count;
    const struct n1_profile_node *n = n1_profile_nodes(p, &count);
    uint32_t mark = n[0].first_child; /* before every name */
    assert_int_equal(n[mark].function, UINT32_MAX);
    assert_int_equal(n[mark].samples, 3);
    expect_edge(p, true, "run", "-", 2);
    expect_edge(p, true, "run", "main", 1);
    n1_profile_destroy(p);
    model_close(&m);
}

static void filters(void **state)
{
    (void)state;
    struct model m;
    struct n1_profile *p = n1_profile_create();
    struct n1_error err = {0};
    model_open(&m, 1000, 100);
    push_stack(&m, 1, "main;run;parse", 0);
    push_stack(&m, 2, "main;run;format", 0);
    struct n1_model_sample s = {.time = at_ms(3),
                                .thread = m.thread2,
                                .node = make_chain(&m, "start", 8),
                                .leaf = make_frame(&m, "parse", 16),
                                .weight_ns = 10 * MS};
    n1_writer_sample(m.w, &s);
    begin(&m, 100);
    update(p, &m, everything, &(struct n1_filter){.thread = m.thread2});
    expect(p, "parse", 1, 1);
    expect(p, "start", 0, 1);
    assert_int_equal(named(p, "main"), -1);
    assert_int_equal(n1_profile_summary(p)->samples, 1);
    assert_int_equal(n1_profile_summary(p)->all_samples, 3);
    update(p, &m, everything, &(struct n1_filter){.process = m.process});
    assert_int_equal(n1_profile_summary(p)->samples, 3);
    update(p, &m, everything, &(struct n1_filter){.process = m.process + 1});
    assert_int_equal(n1_profile_summary(p)->samples, 0);
    update(p, &m, everything, &(struct n1_filter){.text = "RUN"});
    expect(p, "main", 0, 2);
    assert_int_equal(named(p, "start"), -1);
    update(p, &m, everything, &(struct n1_filter){.text = "^(start|format)$", .regex = true});
    expect(p, "parse", 1, 1);
    expect(p, "format", 1, 1);
    update(p, &m, everything, &(struct n1_filter){.text = "bin/APP"});
    assert_int_equal(n1_profile_summary(p)->samples, 3);
    update(p, &m, everything, &(struct n1_filter){.kinds = 1u << N1_KIND_KERNEL});
    assert_int_equal(n1_profile_summary(p)->samples, 0);
    update(p, &m, everything, &(struct n1_filter){.kinds = 1u << N1_KIND_NATIVE});
    assert_int_equal(n1_profile_summary(p)->samples, 3);
    struct n1_filter wrong = {.text = "a(", .regex = true};
    assert_int_equal(n1_profile_update(p, m.r, everything, &wrong, &err), N1_E_USAGE);
    assert_non_null(strstr(err.what, "regular expression"));
    assert_int_equal(n1_profile_summary(p)->samples, 3); /* the last figures stay */
    n1_profile_destroy(p);
    model_close(&m);
}

static void a_name_that_comes_later(void **state)
{
    (void)state;
    struct model m;
    struct n1_profile *p = n1_profile_create();
    model_open(&m, 1000, 100);
    uint32_t leaf = n1_writer_frame(m.w, m.module, 0x12);
    struct n1_model_sample s = {.time = at_ms(3),
                                .thread = m.thread,
                                .node = make_chain(&m, "main", 8),
                                .leaf = leaf,
                                .weight_ns = 10 * MS};
    n1_writer_sample(m.w, &s);
    begin(&m, 100);
    update(p, &m, everything, NULL);
    expect(p, "app+0x12", 1, 1);
    n1_writer_frame_name(m.w, leaf, make_function(&m, "late", 0x10), N1_FRAME_NAMED);
    begin(&m, 200);
    update(p, &m, everything, NULL);
    expect(p, "late", 1, 1);
    expect(p, "main", 0, 1);
    assert_int_equal(named(p, "app+0x12"), -1);
    n1_profile_destroy(p);
    model_close(&m);
}

static void hostile_names_are_made_safe(void **state)
{
    (void)state;
    struct model m;
    struct n1_profile *p = n1_profile_create();
    model_open(&m, 1000, 100);
    char evil[3000];
    memset(evil, '\x1b', sizeof evil - 1);
    evil[sizeof evil - 1] = '\0';
    push_stack(&m, 1, "main;x", 0);
    struct n1_model_sample s = {.time = at_ms(3),
                                .thread = m.thread,
                                .leaf = n1_writer_frame(m.w, m.module, 0x12),
                                .weight_ns = 10 * MS};
    n1_writer_frame_name(m.w, s.leaf, make_function(&m, evil, 0x10), N1_FRAME_NAMED);
    n1_writer_sample(m.w, &s);
    begin(&m, 100);
    update(p, &m, everything, NULL);
    size_t count;
    const struct n1_profile_function *f = n1_profile_functions(p, &count);
    for (size_t i = 0; i < count; i++)
        assert_null(strchr(f[i].name, '\x1b'));
    n1_profile_destroy(p);
    model_close(&m);
}

static void a_generation_between_updates(void **state)
{
    (void)state;
    struct model m, other;
    struct n1_profile *p = n1_profile_create();
    model_open(&m, 1000, 100);
    push_stack(&m, 1, "main;x", 0);
    begin(&m, 100);
    update(p, &m, everything, NULL);
    size_t count;
    uint64_t id = n1_profile_functions(p, &count)[named(p, "x")].id;
    n1_writer_header(m.w)->generation += 2;
    push_stack(&m, 2, "main;x", 0);
    begin(&m, 200);
    update(p, &m, everything, NULL);
    expect(p, "x", 2, 2);
    n1_writer_header(m.w)->generation += 2; /* in the middle of the pass */
    assert_int_equal(n1_profile_update(p, m.r, (struct n1_window){0, at_ms(2)}, NULL, NULL), -EAGAIN);
    expect(p, "x", 2, 2);
    /* another model altogether: other ids, the same functions */
    model_open(&other, 1000, 100);
    push_stack(&other, 1, "aaa;bbb", 0);
    push_stack(&other, 1, "ccc;x", 0);
    begin(&other, 100);
    update(p, &other, everything, NULL);
    expect(p, "x", 1, 1);
    assert_int_equal(n1_profile_find(p, id), named(p, "x"));
    assert_int_equal(named(p, "main"), -1);
    model_close(&other);
    model_close(&m);
    n1_profile_destroy(p);
}

static void an_empty_model(void **state)
{
    (void)state;
    struct model m;
    struct n1_profile *p = n1_profile_create();
    size_t count;
    model_open(&m, 1000, 100);
    begin(&m, 0);
    update(p, &m, everything, NULL);
    n1_profile_functions(p, &count);
    assert_int_equal(count, 0);
    n1_profile_nodes(p, &count);
    assert_int_equal(count, 1);
    update(p, &m, (struct n1_window){at_ms(50), at_ms(20)}, NULL);
    assert_int_equal(n1_profile_summary(p)->samples, 0);
    assert_int_equal(n1_profile_find(p, 1), -1);
    assert_int_equal(n1_profile_callers(p, 0, NULL, 0), 0);
    n1_profile_destroy(p);
    n1_profile_destroy(NULL);
    model_close(&m);
}

static void what_grew(void **state)
{
    (void)state;
    struct model m;
    struct n1_profile *before = n1_profile_create(), *now = n1_profile_create();
    struct n1_profile_growth g[8];
    size_t count;
    model_open(&m, 4000, 100);
    for (int i = 0; i < 100; i++)
        push_stack(&m, (uint64_t)i * 10, "main;decoy", 0);
    for (int i = 0; i < 100; i++) {
        push_stack(&m, 1000 + (uint64_t)i * 10, "main;decoy", 0);
        push_stack(&m, 1000 + (uint64_t)i * 10, "main;spike;memcpy", 0);
        if (i < 3)
            push_stack(&m, 1000 + (uint64_t)i * 10, "main;rare", 0);
    }
    begin(&m, 2000);
    update(before, &m, (struct n1_window){at_ms(0), at_ms(1000)}, NULL);
    update(now, &m, (struct n1_window){at_ms(1000), at_ms(2000)}, NULL);
    assert_int_equal(n1_profile_growth(before, now, false, 10, g, 8), 1); /* decoy fell, rare has too few */
    const struct n1_profile_function *f = n1_profile_functions(now, &count);
    assert_string_equal(f[g[0].function].name, "memcpy");
    assert_float_equal(g[0].share_before, 0, 1e-12);
    assert_float_equal(g[0].share_now, 100.0 / 203, 1e-12);
    assert_float_equal(g[0].rate_now, 1, 1e-9);
    assert_float_equal(g[0].rate_z, 10, 1e-9);
    /* pooled 100/303, error sqrt(p(1-p)(1/100+1/203)) */
    assert_float_equal(g[0].share_z, 8.57483, 1e-4);
    assert_int_equal(n1_profile_growth(before, now, true, 10, g, 8),
                     3); /* main at the same share, at twice the rate */
    assert_string_equal(f[g[2].function].name, "main");
    /* nothing before: no shares, but rates */
    update(before, &m, (struct n1_window){at_ms(991), at_ms(999)}, NULL);
    assert_int_equal(n1_profile_growth(before, now, false, 0, g, 1), 3);
    assert_float_equal(g[0].share_z, 0, 0);
    assert_true(g[0].rate_z > 0);
    n1_profile_destroy(before);
    n1_profile_destroy(now);
    model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_of_a_small_program),
        cmocka_unit_test(recursion_counts_once),
        cmocka_unit_test(deep_recursion_is_no_recursion_of_ours),
        cmocka_unit_test(markers_for_what_is_missing),
        cmocka_unit_test(filters),
        cmocka_unit_test(a_name_that_comes_later),
        cmocka_unit_test(hostile_names_are_made_safe),
        cmocka_unit_test(a_generation_between_updates),
        cmocka_unit_test(an_empty_model),
        cmocka_unit_test(what_grew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
