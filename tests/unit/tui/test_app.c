/*
 * The state of the screen under keys, over a model made with the real writer: what is selected, asked, held
 * and undone.
 */
#include "tests/golden/worker_model.h"
#include "tui/app.h"

#include <math.h>

struct bench {
    struct n1_writer *writer;
    struct n1_reader *reader;
    struct n1_scene scene;
    struct n1_app app;
    double clock;
};

static void update(struct bench *b)
{
    struct n1_scene_query query = n1_app_query(&b->app);
    assert_int_equal(n1_scene_update(&b->scene, b->reader, &query), 0);
    n1_app_sync(&b->app, &b->scene, b->clock);
}

static unsigned press(struct bench *b, uint32_t key)
{
    unsigned effects = n1_app_key(&b->app, &b->scene, key, b->clock);
    if (effects & N1_EFFECT_UPDATE)
        update(b);
    n1_app_sync(&b->app, &b->scene, b->clock);
    return effects;
}

static void type(struct bench *b, const char *text)
{
    for (; *text; text++)
        press(b, *text == '\n' ? N1_KEY_ENTER : (unsigned char)*text);
}

static const char *selected(struct bench *b)
{
    size_t count;
    ptrdiff_t at = n1_app_selected(&b->app, &b->scene);
    return at < 0 ? "" : n1_profile_functions(b->scene.profile, &count)[at].name;
}

static int start(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    b->writer = worker_model(0);
    b->clock = 100;
    assert_int_equal(n1_reader_open_fd(n1_writer_fd(b->writer), &b->reader, NULL), 0);
    assert_int_equal(n1_scene_init(&b->scene), 0);
    n1_app_init(&b->app, 40, 120);
    update(b);
    *state = b;
    return 0;
}

static int stop(void **state)
{
    struct bench *b = *state;
    n1_app_finish(&b->app);
    n1_scene_finish(&b->scene);
    n1_reader_close(b->reader);
    n1_writer_destroy(b->writer);
    free(b);
    return 0;
}

/* More samples of one function: the model goes on. */
static void more(struct bench *b, int function, unsigned count)
{
    uint32_t thread = 1, leaf = worker_frame(b->writer, function);
    n1_ns now = n1_reader_now(b->reader);
    for (unsigned i = 0; i < count; i++) {
        struct n1_model_sample s = {
            .time = now + 1 + i * 1000, .thread = thread, .leaf = leaf, .weight_ns = 10000000};
        n1_writer_sample(b->writer, &s);
    }
    n1_writer_heartbeat(b->writer, now + N1_SECOND_NS);
}

static void the_scene_tells_the_truth(void **state)
{
    struct bench *b = *state;
    size_t count;
    const struct n1_profile_function *f = n1_profile_functions(b->scene.profile, &count);
    assert_int_equal(b->scene.pid, 4711);
    assert_string_equal(f[0].name, "parse_row");
    assert_int_equal(f[0].self_samples, 31 * 30); /* of the last 30 seconds */
    assert_true(n1_scene_share(&b->scene, f[0].self_ns) > 30.9 &&
                n1_scene_share(&b->scene, f[0].self_ns) < 31.1);
    assert_true(b->scene.cpu.last > 105.2 && b->scene.cpu.last < 105.4);
    assert_true(b->scene.rss.last == (400.0 + WORKER_SECONDS) * (1 << 20));
    assert_true(isnan(b->scene.metrics[N1_METRIC_MEM_PSS].value)); /* unknown is not zero */
    assert_string_equal(b->scene.metrics[N1_METRIC_MEM_PSS].why, "not permitted: smaps_rollup");
    assert_true(b->scene.metrics[N1_METRIC_MEM_SWAP].value == 0);
    assert_true(fabs(b->scene.metrics[N1_METRIC_MEM_RSS].per_second - (1 << 20)) < 1);
    assert_int_equal(b->scene.thread_count, 3);
    assert_true(fabs(b->scene.threads[0].cpu - 68) < 0.1);
    assert_true(isnan(b->scene.threads[0].wait));
    assert_int_equal(b->scene.event_count, 3);
    assert_string_equal(b->scene.events[0].culprit, "parse_row");
    assert_false(b->scene.ended);
}

static void selection_follows_the_function(void **state)
{
    struct bench *b = *state;
    assert_string_equal(selected(b), "parse_row");
    press(b, 'j');
    press(b, 'j');
    assert_string_equal(selected(b), "walk_tree");
    more(b, F_TINY, 3000); /* overtakes everything */
    update(b);
    assert_string_equal(selected(b), "walk_tree");
    assert_int_equal(b->app.table.selected, 2); /* the order holds still after a move */
    b->clock += 10;
    update(b);
    assert_string_equal(selected(b), "walk_tree");
    assert_int_equal(b->app.table.selected, 3); /* now "tiny" is above it */
    press(b, 'g');
    b->clock += 10;
    update(b);
    assert_string_equal(selected(b), "tiny");
}

/* Rows whose counts differ by less than the noise do not change places; those that differ by more do. */
static void order_has_hysteresis(void **state)
{
    struct bench *b = *state;
    size_t count;
    press(b, 'd'); /* everything */
    const struct n1_profile_function *f = n1_profile_functions(b->scene.profile, &count);
    ptrdiff_t walk = -1, pymalloc = -1;
    for (size_t i = 0; i < count; i++) {
        walk = strcmp(f[i].name, "walk_tree") == 0 ? (ptrdiff_t)i : walk;
        pymalloc = strcmp(f[i].name, "PyObject_Malloc") == 0 ? (ptrdiff_t)i : pymalloc;
    }
    assert_int_equal(f[pymalloc].self_samples - f[walk].self_samples, 180);
    more(b, F_WALK, 190); /* ahead by 10 of 1,080: nothing */
    update(b);
    assert_string_equal(f[b->app.functions[1]].name, "PyObject_Malloc");
    more(b, F_WALK, 200);
    update(b);
    f = n1_profile_functions(b->scene.profile, &count);
    assert_string_equal(f[b->app.functions[1]].name, "walk_tree");
}

static void find_selects_and_filter_hides(void **state)
{
    struct bench *b = *state;
    size_t rows = b->app.row_count;
    type(b, "/save");
    assert_string_equal(selected(b), "Model.save");
    type(b, "\n");
    assert_int_equal(b->app.row_count, rows); /* nothing is hidden */
    type(b, "/libstore\n");                   /* modules too */
    const char *first = selected(b);
    assert_true(strstr(first, "unordered_map") != NULL || strcmp(first, "tiny") == 0);
    press(b, 'n');
    assert_string_not_equal(selected(b), first);
    press(b, 'N');
    assert_string_equal(selected(b), first);
    press(b, N1_KEY_ESC);
    assert_string_equal(b->app.find, "");
    type(b, "\\save\n");
    assert_int_equal(b->app.row_count, 1);
    assert_true(b->scene.summary.samples == 14 * 30); /* stacks through it, every pane */
    press(b, N1_KEY_ESC);
    assert_int_equal(b->app.row_count, rows);
    type(b, "\\!(\n");
    assert_string_not_equal(b->scene.filter_error, "");
    assert_int_equal(b->app.row_count, rows); /* the old figures stay */
    type(b, "\\no such thing\n");
    type(b, "/x\nnN"); /* nothing to find among no rows */
    press(b, N1_KEY_ESC);
    press(b, N1_KEY_ESC);
    type(b, "/ab\x7f\x7f\x7f\x7f"
            "gc_\n");
    assert_string_equal(b->app.find, "gc_");
}

static void thread_filters_every_pane(void **state)
{
    struct bench *b = *state;
    press(b, ']');
    assert_int_equal(b->app.thread_tid, 4711);
    assert_int_equal(b->scene.summary.samples, 69 * 30);
    press(b, ']');
    assert_int_equal(b->app.thread_tid, 4712);
    assert_int_equal(b->scene.summary.samples, 21 * 30);
    assert_int_equal(b->app.flame.whole_ns, 21 * 30 * 10000000ull);
    press(b, '[');
    press(b, '[');
    assert_int_equal(b->app.thread_tid, 0);
    assert_int_equal(b->scene.summary.samples, 3000);
}

static void pause_holds_the_picture(void **state)
{
    struct bench *b = *state;
    press(b, ' ');
    assert_true(b->app.paused);
    more(b, F_TINY, 500);
    update(b);
    assert_int_equal(b->scene.summary.samples, 3000);
    press(b, 'd'); /* another window of the held moment */
    assert_int_equal(b->scene.summary.samples, 9000);
    press(b, ' ');
    update(b);
    assert_true(b->scene.summary.samples >= 9500);
}

static void callers_and_back(void **state)
{
    struct bench *b = *state;
    press(b, N1_KEY_ENTER);
    assert_int_equal(b->app.focus, N1_PANE_DETAIL);
    assert_int_equal(b->app.caller_count, 1);
    assert_int_equal(b->app.callee_count, 2);
    press(b, N1_KEY_ENTER);
    assert_string_equal(selected(b), "load_file");
    press(b, N1_KEY_ENTER);
    assert_string_equal(selected(b), "main");
    press(b, N1_KEY_ESC);
    press(b, N1_KEY_ESC);
    assert_string_equal(selected(b), "parse_row");
    press(b, N1_KEY_ESC);
    assert_int_equal(b->app.focus, N1_PANE_TABLE);
}

/* Edges by cumulative rounding: children lie inside their parent, never overlap, and no drift adds up. */
static void flame_boxes_fit(void **state)
{
    struct bench *b = *state;
    for (int width = 1; width < 300; width += 3) {
        struct n1_flame *flame = &b->app.flame;
        assert_int_equal(n1_flame_layout(flame, b->scene.profile, width, 20, NULL), 0);
        assert_true(flame->count > 0 && flame->boxes[0].cols == width);
        for (size_t i = 1; i < flame->count; i++) {
            const struct n1_flame_box *box = &flame->boxes[i], *parent = &flame->boxes[box->parent];
            assert_true(box->cols >= 1);
            assert_int_equal(box->row, parent->row + 1);
            assert_true(box->col >= parent->col && box->col + box->cols <= parent->col + parent->cols);
            double exact = (double)box->total_ns / (double)flame->whole_ns * width;
            assert_true(fabs(exact - box->cols) <= 1.0);
            for (size_t j = 1; j < i; j++) {
                const struct n1_flame_box *other = &flame->boxes[j];
                assert_true(other->row != box->row || other->col + other->cols <= box->col ||
                            box->col + box->cols <= other->col);
            }
        }
    }
}

static void flame_folds_zooms_and_moves(void **state)
{
    struct bench *b = *state;
    size_t count;
    const struct n1_profile_function *f = n1_profile_functions(b->scene.profile, &count);
    struct n1_flame *flame = &b->app.flame;
    press(b, 'f');
    bool folded = false;
    for (size_t i = 0; i < flame->count; i++) {
        if (flame->boxes[i].function < count && strcmp(f[flame->boxes[i].function].name, "walk_tree") == 0) {
            assert_int_equal(flame->boxes[i].fold, 6);
            assert_int_equal(flame->boxes[i].self_ns, 10 * 30 * 10000000ull);
            folded = true;
        }
    }
    assert_true(folded);
    for (int i = 0; i < 3; i++)
        press(b, N1_KEY_DOWN);
    uint64_t load = 44ull * 30 * 10000000;
    assert_int_equal(flame->boxes[n1_flame_selected(flame)].total_ns, load);
    press(b, N1_KEY_RIGHT); /* the sibling, not a zoom */
    assert_true(flame->boxes[n1_flame_selected(flame)].total_ns != load);
    press(b, N1_KEY_LEFT);
    press(b, N1_KEY_ENTER);
    assert_int_equal(flame->whole_ns, load);
    assert_int_equal(flame->zoom_len, 3);
    press(b, 'z');
    assert_int_equal(flame->whole_ns, 3000 * 10000000ull);
    type(b, "/main\n\tz");
    press(b, N1_KEY_ESC);
    while (b->app.focus != N1_PANE_TABLE)
        press(b, N1_KEY_TAB);
    flame->zoom_function = 0;
    type(b, "/walk\nz"); /* all calls of a recursive function, each sample once */
    assert_int_equal(flame->whole_ns, 10 * 30 * 10000000ull);
}

static void keys_without_a_model_do_no_harm(void **state)
{
    (void)state;
    struct n1_scene scene;
    struct n1_app app;
    size_t count;
    const struct n1_key_binding *keys = n1_keys(&count);
    assert_int_equal(n1_scene_init(&scene), 0);
    n1_app_init(&app, 24, 80);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < count; i++) {
            n1_app_key(&app, &scene, keys[i].key, 1);
            n1_app_key(&app, &scene, 'x', 1);
            n1_app_key(&app, &scene, N1_KEY_ENTER, 1);
            n1_app_sync(&app, &scene, 1);
            struct n1_canvas canvas;
            assert_int_equal(n1_canvas_init(&canvas, 24, 80, n1_glyphs_get(N1_GLYPH_SET_BLOCK)), 0);
            n1_app_draw(&app, &scene, 1, &canvas);
            n1_canvas_finish(&canvas);
        }
    }
    n1_app_finish(&app);
    n1_scene_finish(&scene);
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_scene_tells_the_truth, start, stop),
        cmocka_unit_test_setup_teardown(selection_follows_the_function, start, stop),
        cmocka_unit_test_setup_teardown(order_has_hysteresis, start, stop),
        cmocka_unit_test_setup_teardown(find_selects_and_filter_hides, start, stop),
        cmocka_unit_test_setup_teardown(thread_filters_every_pane, start, stop),
        cmocka_unit_test_setup_teardown(pause_holds_the_picture, start, stop),
        cmocka_unit_test_setup_teardown(callers_and_back, start, stop),
        cmocka_unit_test_setup_teardown(flame_boxes_fit, start, stop),
        cmocka_unit_test_setup_teardown(flame_folds_zooms_and_moves, start, stop),
        cmocka_unit_test(keys_without_a_model_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
