/* A day of noisy but normal service is silent, and so are hundreds of first minutes: seeded, no clock. */
#include "tests/unit/core/rule_series.h"

enum { DAY = 86400 };

/* `kind` shapes the noise; `seed` makes it another day. Returns how many events there were and tells them. */
static int a_day(int kind, uint64_t seed, int seconds)
{
    static const double taus[] = {0, 2, 10, 60, 300};
    struct process p;
    struct noise cpu = {.state = seed * 4 + 1}, rss = {.state = seed * 4 + 2}, fds = {.state = seed * 4 + 3};
    double tau = taus[kind % 5], base_cores = 0.2 + 3 * uniform(&cpu),
           base_rss = 50e6 * exp(4 * uniform(&rss));
    double period = 8 + 900 * uniform(&rss) * uniform(&rss), tooth = 0.5 * uniform(&rss),
           phase = uniform(&rss);
    process_init(&p);
    p.peak = base_rss * (1 + tooth) * 1.2; /* it has been running like that before we came */
    for (int i = 0; i < seconds; i++) {
        double day = sin(6.283185307179586 * ((double)i / DAY + phase));
        double load = 1 + 0.4 * day;
        p.cores = base_cores * load * (1 + 0.15 * coloured(&cpu, tau));
        if (kind >= 5 && i % 45 < 1) /* a collector's burst */
            p.cores += 0.6;
        p.rss = base_rss * (1 + 0.1 * day + 0.02 * coloured(&rss, tau));
        if (kind % 2)
            p.rss += base_rss * tooth * fmod((double)i / period + phase, 1);
        double served = 60 * load * (1 + 0.12 * coloured(&fds, tau));
        p.fds = 30 + floor(fmax(served, 0));
        p.threads = 20 + floor(fmax(served, 0) / 8);
        process_tick(&p);
    }
    for (int rule = 0; rule < N1_RULE_COUNT; rule++)
        if (p.begun[rule])
            print_error("kind %d seed %d: %s %d times, last at %d s: %g against %g\n", kind, (int)seed,
                        n1_rule_info(rule)->name, p.begun[rule],
                        (int)((p.begun_at[rule] - 1000 * N1_SECOND_NS) / N1_SECOND_NS),
                        (double)p.last[rule].value, (double)p.last[rule].expected);
    int events = process_events(&p);
    process_finish(&p);
    return events;
}

static void a_day_of_normal_service_is_silent(void **state)
{
    (void)state;
    static const int kinds[] = {0, 3, 6, 7, 9};
    int events = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        events += a_day(kinds[i], (uint64_t)kinds[i] + 1, DAY);
    assert_int_equal(events, 0);
}

/* The beginning is where the past is short and the deviation least known. */
static void the_first_minutes_are_silent(void **state)
{
    (void)state;
    int events = 0;
    for (int run = 0; run < 500; run++)
        events += a_day(run % 10, 1000 + (uint64_t)run, 300);
    assert_int_equal(events, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_of_normal_service_is_silent),
        cmocka_unit_test(the_first_minutes_are_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
