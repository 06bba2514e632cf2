/* The governor over simulated seconds: what the sampler costs is a base and a share of the rate. */
#include "sampler/governor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MB (UINT64_C(1) << 20)

struct world {
    struct n1_governor g;
    n1_ns now;
    double cpu_ns;
    double base, per_hz; /* own CPU in % of one CPU: base + per_hz * rate */
    uint64_t memory;
    unsigned changes;
    bool refuse;
};

static void seconds(struct world *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        w->now += N1_SECOND_NS;
        w->cpu_ns += (w->base + w->per_hz * w->g.rate_hz) / 100 * 1e9;
        uint32_t hz = n1_governor_look(&w->g, w->now, (uint64_t)w->cpu_ns, w->memory);
        if (hz == w->g.rate_hz)
            continue;
        w->changes++;
        n1_governor_applied(&w->g, w->now, hz, w->refuse);
    }
}

static struct world begin(double cpu_percent, uint64_t memory, uint32_t hz)
{
    struct world w = {.now = 1000 * N1_SECOND_NS};
    n1_governor_init(&w.g, cpu_percent, memory);
    n1_governor_asked(&w.g, hz);
    return w;
}

static void within_limits_nothing_changes(void **state)
{
    (void)state;
    struct world w = begin(1, 64 * MB, 99);
    w.per_hz = 0.009;
    w.memory = 64 * MB;
    seconds(&w, 3600);
    assert_int_equal(w.changes, 0);
    assert_int_equal(w.g.reason, N1_GOVERNOR_NONE);
}

static void over_the_limit_it_halves_until_it_fits(void **state)
{
    (void)state;
    struct world w = begin(1, 0, 997);
    w.per_hz = 0.004; /* 4 % at 997 Hz, 1 % at 249 */
    seconds(&w, 60);
    assert_int_equal(w.g.rate_hz, 249);
    assert_int_equal(w.changes, 2);
    assert_int_equal(w.g.reason, N1_GOVERNOR_CPU);
    assert_true(n1_governor_share(&w.g) <= 1);
}

static void a_short_burst_is_no_reason(void **state)
{
    (void)state;
    struct world w = begin(1, 0, 99);
    w.base = 4;
    seconds(&w, 2); /* names and tables after an attach */
    w.base = 0.1;
    seconds(&w, 100);
    assert_int_equal(w.g.rate_hz, 99);
}

static void it_comes_back_when_there_is_room(void **state)
{
    (void)state;
    struct world w = begin(1, 0, 400);
    w.base = 3;
    seconds(&w, 20);
    assert_true(w.g.rate_hz < 400);
    w.base = 0.05;
    seconds(&w, 600);
    assert_int_equal(w.g.rate_hz, 400);
    assert_int_equal(w.g.reason, N1_GOVERNOR_NONE);
}

/* At half the rate twice the cost would look affordable if it were not for the load's own swing. */
static void a_load_at_the_border_does_not_make_it_swing(void **state)
{
    (void)state;
    struct world w = begin(1, 0, 400);
    unsigned first_hour = 0;
    for (unsigned minute = 0; minute < 120; minute++) {
        w.per_hz = minute % 2 ? 0.0009 : 0.004; /* 0.36 % and 1.6 % at 400 Hz */
        seconds(&w, 60);
        if (minute == 59)
            first_hour = w.changes;
    }
    assert_true(w.changes - first_hour <= 14); /* one up and one down in ten minutes at most */
}

static void memory_over_the_limit_lowers_it_too(void **state)
{
    (void)state;
    struct world w = begin(0, 64 * MB, 99);
    w.memory = 70 * MB;
    seconds(&w, 12);
    assert_int_equal(w.g.rate_hz, 49); /* slowly: what is held does not shrink by it */
    assert_int_equal(w.g.reason, N1_GOVERNOR_MEMORY);
    seconds(&w, 600);
    assert_int_equal(w.g.rate_hz, 24);
    w.memory = 40 * MB;
    seconds(&w, 400);
    assert_int_equal(w.g.rate_hz, 99);
}

static void the_parts_stay_within_the_memory_limit(void **state)
{
    (void)state;
    for (uint64_t mb = 16; mb <= 4096; mb++) {
        uint64_t model, rings;
        n1_governor_split(mb * MB, &model, &rings);
        assert_true(model >= 4 * MB && rings >= 4 * MB && model + rings + 6 * MB <= mb * MB);
    }
}

static void it_never_stops_sampling(void **state)
{
    (void)state;
    struct world w = begin(0.1, 0, 99);
    w.base = 50;
    seconds(&w, 300);
    assert_int_equal(w.g.rate_hz, 2);
    w = begin(0.1, 0, 1);
    w.base = 50;
    seconds(&w, 300);
    assert_int_equal(w.g.rate_hz, 1);
}

static void a_refused_change_leaves_the_rate(void **state)
{
    (void)state;
    struct world w = begin(1, 0, 99);
    w.base = 5;
    w.refuse = true;
    seconds(&w, 60);
    assert_int_equal(w.g.rate_hz, 99);
    assert_true(w.changes <= 12); /* tried again, not every second */
}

static void the_user_asks_anew(void **state)
{
    (void)state;
    struct world w = begin(1, 0, 997);
    w.per_hz = 0.004;
    seconds(&w, 60);
    n1_governor_asked(&w.g, 99);
    assert_int_equal(w.g.rate_hz, 99);
    assert_int_equal(w.g.reason, N1_GOVERNOR_NONE);
    seconds(&w, 60);
    assert_int_equal(w.g.rate_hz, 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(within_limits_nothing_changes),
        cmocka_unit_test(over_the_limit_it_halves_until_it_fits),
        cmocka_unit_test(a_short_burst_is_no_reason),
        cmocka_unit_test(it_comes_back_when_there_is_room),
        cmocka_unit_test(a_load_at_the_border_does_not_make_it_swing),
        cmocka_unit_test(memory_over_the_limit_lowers_it_too),
        cmocka_unit_test(the_parts_stay_within_the_memory_limit),
        cmocka_unit_test(it_never_stops_sampling),
        cmocka_unit_test(a_refused_change_leaves_the_rate),
        cmocka_unit_test(the_user_asks_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
