/* The text, collapsed and SVG reports: exact lines for a small truth, and hostile names that stay text. */
#include "tests/unit/core/models.h"

#include "n1/report.h"

static char *report(struct model *m, const char *format, const struct n1_report_options *options)
{
    char *text = NULL;
    size_t bytes = 0;
    struct n1_error err = {0};
    FILE *out = open_memstream(&text, &bytes);
    if (n1_report_format_find(format)->write(out, m->r, options, &err))
        fail_msg("%s: %s", format, err.what);
    fclose(out);
    return text;
}

static void has(const char *text, const char *want)
{
    if (!strstr(text, want))
        fail_msg("'%s' is not in:\n%.3000s", want, text);
}

static void small(struct model *m)
{
    model_open(m, 1000, 100);
    for (int i = 0; i < 60; i++)
        push_stack(m, (uint64_t)i, "main;run;parse", i < 12 ? N1_SAMPLE_IN_KERNEL : 0);
    for (int i = 0; i < 30; i++)
        push_stack(m, 100 + (uint64_t)i, "main;run;format", 0);
    for (int i = 0; i < 10; i++)
        push_stack(m, 200 + (uint64_t)i, "start;parse", N1_SAMPLE_TRUNCATED);
    n1_writer_self(m->w, N1_SELF_ENGINE, N1_ENGINE_PERF);
    n1_writer_self(m->w, N1_SELF_RATE_USED, 99);
    n1_writer_self(m->w, N1_SELF_LOST, 3);
    n1_writer_self(m->w, N1_SELF_KERNEL_FRAMES, 1);
    n1_writer_heartbeat(m->w, at_ms(4000));
}

static void text_for_people(void **state)
{
    (void)state;
    struct model m;
    struct n1_report_options o = {.window = everything};
    small(&m);
    char *t = report(&m, "text", &o);
    has(t, "# n1top " N1_VERSION ": app 4242\n# 4.0 s seen as single samples; engine perf, 99 Hz\n");
    has(t, "# 100 samples, 1.00 CPU seconds (25.0 % of a core)\n");
    has(t, "# lost 3, truncated 10, rejected 0; kernel 12.0 %\n");
    has(t, "   70.00  8.84   70.00     0.70       70  app     parse\n");
    has(t, "   30.00  8.84   30.00     0.30       30  app     format\n");
    has(t, "    0.00  1.85   90.00     0.00        0  app     main\n");
    has(t, "\napp!parse, called from\n   85.71  app!run\n   14.29  app!start\n");
    free(t);
    n1_writer_self(m.w, N1_SELF_KERNEL_FRAMES, 0);
    n1_writer_self(m.w, N1_SELF_SAMPLES, 100);
    n1_writer_self(m.w, N1_SELF_PERIOD_NS, 10000000);
    n1_writer_self(m.w, N1_SELF_KERNEL_HIDDEN_NS, 3 * N1_SECOND_NS);
    t = report(&m, "text", &o);
    has(t, "; kernel hidden (not permitted): 3.00 s, 75.0 % of all CPU time\n");
    free(t);
    o.top = 1;
    t = report(&m, "text", &o);
    has(t, "# and 4 more functions\n");
    assert_null(strstr(t, "called from\n   100.00"));
    free(t);
    o.window = (struct n1_window){at_ms(3000), at_ms(3500)};
    t = report(&m, "text", &o);
    has(t, "nothing ran");
    free(t);
    model_close(&m);
}

static void collapsed_stacks(void **state)
{
    (void)state;
    struct model m;
    struct n1_report_options o = {.window = everything};
    small(&m);
    push_stack(&m, 300, "main", 0);
    char *t = report(&m, "collapsed", &o);
    assert_string_equal(t, "[truncated];start;parse 10\nmain 1\nmain;run;format 30\nmain;run;parse 60\n");
    free(t);
    model_close(&m);
}

static void flame_graph(void **state)
{
    (void)state;
    struct model m;
    struct n1_report_options o = {.window = everything};
    small(&m);
    char *t = report(&m, "svg", &o);
    has(t, "<g><title>all\n100.00 %, 1.000 s, 100 samples</title><rect x=\"10\" ");
    has(t, "<g><title>main\napp, 90.00 %, 0.900 s, 90 samples</title><rect x=\"130\" ");
    has(t, "width=\"1080\"");
    has(t, "<g><title>format\napp, 30.00 %, 0.300 s, 30 samples</title><rect x=\"130\" ");
    has(t, "<g><title>parse\napp, 60.00 %, 0.600 s, 60 samples</title><rect x=\"490\" ");
    has(t, "app 4242");
    free(t);
    model_close(&m);
}

/* Names that would be markup, a script, a separator or a line of its own. */
static void hostile_names(void **state)
{
    (void)state;
    struct model m;
    struct n1_report_options o = {.window = everything, .title = "</text><script>alert(1)</script>"};
    model_open(&m, 1000, 100);
    const char *names[] = {"</title><script>alert(1)</script>", "a;b]]>c", "x\ny\" onload=\"z",
                           "\xff\xfe\x1b[2J&amp;"};
    for (uint64_t i = 0; i < 4; i++) {
        uint32_t frame = n1_writer_frame(m.w, m.module, 0x9000 + i * 64);
        n1_writer_frame_name(m.w, frame, make_function(&m, names[i], 0x9000 + i * 64), N1_FRAME_NAMED);
        struct n1_model_sample s = {
            .time = at_ms(i), .thread = m.thread, .leaf = frame, .weight_ns = 10 * MS};
        n1_writer_sample(m.w, &s);
    }
    char *t = report(&m, "svg", &o);
    assert_null(strstr(t, "<script>alert"));
    assert_null(strstr(t, "\" onload"));
    assert_null(strchr(t, '\x1b'));
    has(t, "&lt;/title&gt;&lt;script&gt;alert(1)");
    int scripts = 0;
    for (const char *at = t; (at = strstr(at, "<script>")); at++)
        scripts++;
    assert_int_equal(scripts, 1);
    free(t);
    t = report(&m, "collapsed", &o);
    has(t, "a:b]]>c 1\n");
    int lines = 0;
    for (const char *at = t; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 4);
    free(t);
    t = report(&m, "text", &o);
    assert_null(strchr(t, '\x1b'));
    free(t);
    model_close(&m);
}

/* A deep and a wide tree: the picture stays small, and every frame lies within its parent. */
static void bounded_pictures(void **state)
{
    (void)state;
    struct model m;
    struct n1_report_options o = {.window = everything};
    model_open(&m, 60000, 100);
    uint32_t frames[200], node = 0;
    for (uint64_t i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%03d", (int)i);
        frames[i] = make_frame(&m, name, 8);
    }
    for (int i = 0; i < 3000; i++)
        node = n1_writer_node(m.w, node, frames[i % 7]);
    for (uint64_t i = 0; i < 50000; i++) {
        struct n1_model_sample s = {.time = at_ms(i / 20), .thread = m.thread, .weight_ns = 1000000};
        s.node = i % 3 ? n1_writer_node(m.w, n1_writer_node(m.w, 0, frames[i % 200]), frames[i / 200 % 200])
                       : node;
        s.leaf = frames[i * 7 % 200];
        n1_writer_sample(m.w, &s);
    }
    char *t = report(&m, "svg", &o);
    assert_in_range(strlen(t), 10000, 3 << 20);
    for (const char *at = t; (at = strstr(at, "<rect x=\"")); at++) {
        double x = atof(at + 9), width = atof(strstr(at, "width=\"") + 7);
        assert_true(x >= 9.99 && x + width <= 1210.01 && width >= 0.1);
    }
    free(t);
    model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_for_people), cmocka_unit_test(collapsed_stacks), cmocka_unit_test(flame_graph),
        cmocka_unit_test(hostile_names),   cmocka_unit_test(bounded_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
