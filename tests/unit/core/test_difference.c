/* What differs between two spans of a model whose truth is known, and what is only noise. */
#include "tests/golden/worker_model.h"

#include "n1/difference.h"

#include <math.h>

struct bench {
    struct n1_writer *writer;
    struct n1_reader *reader;
    struct n1_profile *before, *now;
};

static void profile(struct bench *b, struct n1_profile *p, unsigned from, unsigned to)
{
    struct n1_window window = {WORKER_BORN + from * N1_SECOND_NS, WORKER_BORN + to * N1_SECOND_NS};
    assert_true(n1_reader_begin(b->reader) >= 0);
    assert_int_equal(n1_profile_update(p, b->reader, window, NULL, NULL), 0);
    assert_int_equal(n1_reader_end(b->reader), 0);
}

static int start(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    worker_shift = true;
    b->writer = worker_model(0);
    assert_int_equal(n1_reader_open_fd(n1_writer_fd(b->writer), &b->reader, NULL), 0);
    b->before = n1_profile_create();
    b->now = n1_profile_create();
    *state = b;
    return 0;
}

static int stop(void **state)
{
    struct bench *b = *state;
    n1_profile_destroy(b->before);
    n1_profile_destroy(b->now);
    n1_reader_close(b->reader);
    n1_writer_destroy(b->writer);
    free(b);
    return 0;
}

static const struct n1_difference *row(const struct n1_difference *rows, ptrdiff_t count, const char *name)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    fail_msg("no row of %s", name);
    return NULL;
}

static void check(const struct n1_difference *d, enum n1_change kind, double before, double now)
{
    if (d->kind_of_change != kind || fabs(d->before_value - before) > 0.01 || fabs(d->now_value - now) > 0.01)
        fail_msg("%s: change %d, %.2f to %.2f", d->name, d->kind_of_change, d->before_value, d->now_value);
    assert_true(fabs(d->change - (now - before)) < 0.02);
}

static void changes_are_found(void **state)
{
    struct bench *b = *state;
    profile(b, b->before, 20, 60);
    profile(b, b->now, 70, 80);
    for (int share = 0; share < 2;
         share++) { /* 100 samples of 10 ms a second: both units are the same figures */
        const struct n1_difference_options options = {.share = share};
        struct n1_difference *rows;
        ptrdiff_t count = n1_difference_profiles(b->before, b->now, &options, &rows);
        assert_int_equal(count, 11);
        check(row(rows, count, "PyObject_Malloc"), N1_CHANGE_MORE, 12, 43);
        check(row(rows, count, "parse_row"), N1_CHANGE_GONE, 31, 0);
        check(row(rows, count, "copy_user_generic"), N1_CHANGE_GONE, 8, 0);
        check(row(rows, count, "walk_tree"), N1_CHANGE_MORE, 10, 18);
        check(row(rows, count, "gc_collect_main"), N1_CHANGE_NOISE, 5, 5);
        for (ptrdiff_t i = 0; i < count; i++) /* the four first, largest first */
            assert_true((rows[i].kind_of_change != N1_CHANGE_NOISE) == (i < 4));
        assert_true(fabs(rows[0].change) >= fabs(rows[1].change) &&
                    fabs(rows[2].change) >= fabs(rows[3].change));
        free(rows);
    }
    const struct n1_difference_options total = {.total = true};
    struct n1_difference *rows;
    ptrdiff_t count = n1_difference_profiles(b->before, b->now, &total, &rows);
    check(row(rows, count, "main"), N1_CHANGE_NOISE, 74, 74);
    check(row(rows, count, "parse_row"), N1_CHANGE_NOISE, 43, 43); /* what it calls takes what it took */
    free(rows);
}

static void the_other_way_round_is_new(void **state)
{
    struct bench *b = *state;
    const struct n1_difference_options options = {0};
    struct n1_difference *rows;
    profile(b, b->before, 70, 80);
    profile(b, b->now, 81, 90);
    ptrdiff_t count = n1_difference_profiles(b->before, b->now, &options, &rows);
    check(row(rows, count, "parse_row"), N1_CHANGE_NEW, 0, 31);
    check(row(rows, count, "PyObject_Malloc"), N1_CHANGE_LESS, 43, 12);
    free(rows);
}

static void equal_spans_do_not_differ(void **state)
{
    struct bench *b = *state;
    const struct n1_difference_options options = {0};
    struct n1_difference *rows;
    profile(b, b->before, 0, 30);
    profile(b, b->now, 30, 60);
    ptrdiff_t count = n1_difference_profiles(b->before, b->now, &options, &rows);
    for (ptrdiff_t i = 0; i < count; i++)
        assert_int_equal(rows[i].kind_of_change, N1_CHANGE_NOISE);
    free(rows);
}

static void a_saved_side_is_matched_by_name(void **state)
{
    struct bench *b = *state;
    const struct n1_difference_options options = {0};
    const struct n1_past_function f[] = {{"parse_row", "csv.py", N1_KIND_PYTHON, 100, 100, 1, 1},
                                         {"parse_row", "other.py", N1_KIND_PYTHON, 1000, 1000, 10, 10},
                                         {"tiny", "libstore.so.2", N1_KIND_NATIVE, 20, 20, 0.2, 0.2}};
    const struct n1_past past = {f, 3, 1120, 10, 11.2};
    struct n1_difference *rows;
    profile(b, b->now, 20, 60);
    ptrdiff_t count = n1_difference_saved(&past, b->now, &options, &rows);
    assert_int_equal(count, 12);
    assert_string_equal(rows[0].module_name, "other.py");
    check(&rows[0], N1_CHANGE_GONE, 100, 0);
    check(row(rows, count, "tiny"), N1_CHANGE_NOISE, 2, 2);
    check(row(rows + 1, count - 1, "parse_row"), N1_CHANGE_MORE, 10, 31);
    check(row(rows, count, "walk_tree"), N1_CHANGE_NEW, 0, 10);
    free(rows);
}

/* Counts of a Poisson process that does not change, seen twice: false alarms are about as rare as promised.
 */
static void noise_is_not_news(void **state)
{
    (void)state;
    unsigned alarms = 0, trials = 20000;
    uint64_t seed = 1;
    for (unsigned t = 0; t < trials; t++) {
        unsigned counts[2] = {0, 0};
        for (int side = 0; side < 2; side++) {
            for (int i = 0; i < (side ? 1000 : 4000); i++) { /* 4000 and 1000 chances of 5 % */
                seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                counts[side] += (seed >> 33) % 20 == 0;
            }
        }
        double z = n1_difference_z(counts[0], 4000, 40, counts[1], 1000, 10, t & 1);
        alarms += n1_difference_kind(counts[0], counts[1], z) != N1_CHANGE_NOISE;
    }
    assert_true(alarms < trials / 1000); /* two-sided 3.7 sigma: 4.3 in 20,000 */
}

static void nothing_known_is_noise(void **state)
{
    (void)state;
    assert_int_equal(n1_difference_kind(5, 500, n1_difference_z(5, 0, 0, 500, 1000, 10, false)),
                     N1_CHANGE_NOISE);
    assert_int_equal(n1_difference_kind(5, 500, n1_difference_z(5, 0, 0, 500, 1000, 10, true)),
                     N1_CHANGE_NOISE);
    assert_int_equal(n1_difference_kind(0, 0, n1_difference_z(0, 10, 10, 0, 10, 10, true)), N1_CHANGE_NOISE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changes_are_found, start, stop),
        cmocka_unit_test_setup_teardown(the_other_way_round_is_new, start, stop),
        cmocka_unit_test_setup_teardown(equal_spans_do_not_differ, start, stop),
        cmocka_unit_test_setup_teardown(a_saved_side_is_matched_by_name, start, stop),
        cmocka_unit_test(noise_is_not_news),
        cmocka_unit_test(nothing_known_is_noise)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
