/* Histories against a naive count by second: appended to, filtered, recursion, lapped rows, windows that
 * move. */
#include "tests/unit/core/models.h"

#define SECONDS 400
#define NAMES 5

static const char *const stacks[] = {"main;f;g", "main;f;f", "main;g;f;h", "idle", "main;f;g;f;g;h"};
static const char *const names[NAMES] = {"main", "f", "g", "h", "idle"};
static const bool in_stack[][NAMES] = {
    {1, 1, 1, 0, 0}, {1, 1, 0, 0, 0}, {1, 1, 1, 1, 0}, {0, 0, 0, 0, 1}, {1, 1, 1, 1, 0}};
static const int leaf_of[] = {2, 1, 3, 4, 3};

struct truth {
    struct model m;
    uint64_t self[SECONDS][NAMES], total[SECONDS][NAMES], all[SECONDS];
};

/* A second of samples whose mix follows from its number. */
static void play(struct truth *t, uint32_t second)
{
    for (uint32_t i = 0; i < 5 + second % 7; i++) {
        uint32_t stack = (second * 3 + i * i) % 5;
        push_stack(&t->m, second * 1000 + i * 10, stacks[stack], 0);
        t->all[second] += 10 * MS;
        t->self[second][leaf_of[stack]] += 10 * MS;
        for (int n = 0; n < NAMES; n++)
            t->total[second][n] += in_stack[stack][n] ? 10 * MS : 0;
    }
    n1_writer_maintain(t->m.w, at_ms(second * 1000 + 999));
    begin(&t->m, second * 1000 + 999);
}

static uint64_t id_of(const struct n1_profile *p, const char *name)
{
    size_t count;
    const struct n1_profile_function *f = n1_profile_functions(p, &count);
    ptrdiff_t i = named(p, name);
    return i < 0 ? 0 : f[i].id;
}

static void compare(struct truth *t, const struct n1_history *h, const struct n1_profile *p)
{
    uint64_t got[SECONDS];
    uint32_t first;
    size_t seconds = n1_history_seconds(h, &first);
    assert_true(first + seconds <= SECONDS);
    n1_history_all(h, got);
    for (size_t s = 0; s < seconds; s++)
        assert_int_equal(got[s], t->all[first + s]);
    for (int n = 0; n < NAMES; n++) {
        for (int total = 0; total < 2; total++) {
            n1_history_function(h, id_of(p, names[n]), total, got);
            for (size_t s = 0; s < seconds; s++)
                assert_int_equal(got[s], total ? t->total[first + s][n] : t->self[first + s][n]);
        }
    }
}

static void as_time_goes_by(void **state)
{
    (void)state;
    struct truth *t = calloc(1, sizeof *t);
    struct n1_history *h = n1_history_create(), *last = n1_history_create();
    struct n1_profile *p = n1_profile_create();
    uint32_t first;
    model_open(&t->m, 1 << 14, 1 << 12);
    for (uint32_t s = 0; s < SECONDS; s++) {
        play(t, s);
        assert_int_equal(n1_profile_update(p, t->m.r, everything, NULL, NULL), 0);
        assert_int_equal(n1_history_update(h, t->m.r, everything, NULL, NULL), 0);
        compare(t, h, p);
        n1_ns from = s > 30 ? at_ms((s - 30) * 1000 + 500) : 0;
        assert_int_equal(n1_history_update(last, t->m.r, (struct n1_window){from, UINT64_MAX}, NULL, NULL),
                         0);
        compare(t, last, p);
        if (s > 40) {
            size_t seconds = n1_history_seconds(last, &first);
            assert_int_equal(first, s - 29);  /* whole seconds only */
            assert_in_range(seconds, 27, 30); /* the youngest may not be flushed yet */
        }
    }
    uint64_t got[SECONDS];
    assert_true(n1_history_function(h, id_of(p, "f"), false, got));
    assert_false(n1_history_function(h, 12345, true, got));
    assert_int_equal(got[7], 0);
    for (int i = 0; i < 100; i++) /* many questions after one update are answered another way */
        n1_history_function(h, id_of(p, "f"), true, got);
    compare(t, h, p);
    /* back to the past, and one second of it */
    assert_int_equal(
        n1_history_update(h, t->m.r, (struct n1_window){at_ms(100000), at_ms(101000)}, NULL, NULL), 0);
    assert_int_equal(n1_history_seconds(h, &first), 1);
    assert_int_equal(first, 100);
    compare(t, h, p);
    assert_int_equal(n1_history_update(h, t->m.r, (struct n1_window){at_ms(5100), at_ms(5900)}, NULL, NULL),
                     0);
    assert_int_equal(n1_history_seconds(h, &first), 0);
    n1_history_destroy(h);
    n1_history_destroy(last);
    n1_profile_destroy(p);
    model_close(&t->m);
    free(t);
}

static void under_a_filter(void **state)
{
    (void)state;
    struct truth *t = calloc(1, sizeof *t);
    struct n1_history *h = n1_history_create();
    struct n1_profile *p = n1_profile_create();
    uint64_t got[SECONDS];
    uint32_t first;
    model_open(&t->m, 1 << 14, 1 << 12);
    for (uint32_t s = 0; s < 50; s++)
        play(t, s);
    n1_writer_flush(t->m.w);
    n1_writer_state(t->m.w, N1_STATE_CLOSED);
    begin(&t->m, 50000);
    n1_profile_update(p, t->m.r, everything, NULL, NULL);
    assert_int_equal(n1_history_update(h, t->m.r, everything, &(struct n1_filter){.text = "h"}, NULL), 0);
    assert_int_equal(n1_history_seconds(h, &first), 50);
    assert_true(n1_history_function(h, id_of(p, "main"), true, got));
    for (int s = 0; s < 50; s++)
        assert_int_equal(got[s], t->total[s][3]); /* only stacks with h, all of which come from main */
    n1_history_all(h, got);
    assert_int_equal(got[7], t->all[7]);
    assert_int_equal(
        n1_history_update(h, t->m.r, everything, &(struct n1_filter){.thread = t->m.thread2}, NULL), 0);
    assert_false(n1_history_function(h, id_of(p, "main"), true, got));
    assert_int_equal(
        n1_history_update(h, t->m.r, everything, &(struct n1_filter){.text = "(", .regex = true}, NULL),
        N1_E_USAGE);
    assert_int_equal(n1_history_update(h, t->m.r, everything, NULL, NULL), 0);
    compare(t, h, p);
    n1_history_destroy(h);
    n1_history_destroy(NULL);
    n1_profile_destroy(p);
    model_close(&t->m);
    free(t);
}

static void lapped_rows(void **state)
{
    (void)state;
    struct truth *t = calloc(1, sizeof *t);
    struct n1_history *h = n1_history_create();
    struct n1_profile *p = n1_profile_create();
    uint32_t first = 0;
    model_open(&t->m, 1 << 14, 256);
    for (uint32_t s = 0; s < SECONDS; s++) {
        play(t, s);
        assert_int_equal(n1_profile_update(p, t->m.r, everything, NULL, NULL), 0);
        assert_int_equal(n1_history_update(h, t->m.r, everything, NULL, NULL), 0);
        compare(t, h, p);
    }
    assert_true(n1_history_seconds(h, &first) > 40);
    assert_true(first > 200);
    n1_history_destroy(h);
    n1_profile_destroy(p);
    model_close(&t->m);
    free(t);
}

/* A writer's clock far in the future must not make a reader allocate for it. */
static void an_absurd_clock(void **state)
{
    (void)state;
    struct model m;
    struct n1_history *h = n1_history_create();
    uint32_t first;
    model_open(&m, 100, 100);
    push_stack(&m, 1000, "main", 0);
    n1_writer_flush(m.w);
    n1_writer_heartbeat(m.w, UINT64_MAX - 5);
    assert_in_range(n1_reader_begin(m.r), 0, 1);
    assert_int_equal(n1_history_update(h, m.r, everything, NULL, NULL), 0);
    assert_in_range(n1_history_seconds(h, &first), 0, 86400);
    n1_history_destroy(h);
    model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_time_goes_by),
        cmocka_unit_test(under_a_filter),
        cmocka_unit_test(lapped_rows),
        cmocka_unit_test(an_absurd_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
