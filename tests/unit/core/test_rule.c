/* The rules on what they are for: steps, ramps, comings and goings; one episode is one event, soon, with
 * figures. */
#include "tests/unit/core/rule_series.h"

static void run(struct process *p, int seconds)
{
    for (int i = 0; i < seconds; i++)
        process_tick(p);
}

/* Runs until the rule has fired `times` times, at most `most` seconds; returns how many it took. */
static int until(struct process *p, enum n1_rule rule, int times, int most)
{
    int seconds = 0;
    for (; p->begun[rule] < times && seconds < most; seconds++)
        process_tick(p);
    return seconds;
}

static void check_only(const struct process *p, enum n1_rule rule, int times)
{
    for (int other = 0; other < N1_RULE_COUNT; other++) {
        if (p->begun[other] != (other == (int)rule ? times : 0))
            print_error("%s: %d times\n", n1_rule_info(other)->name, p->begun[other]);
        assert_int_equal(p->begun[other], other == (int)rule ? times : 0);
    }
}

static void the_table_is_whole(void **state)
{
    (void)state;
    size_t count;
    const struct n1_config_rule_key *keys = n1_rule_keys(&count);
    assert_int_equal(count, N1_RULE_COUNT * 9);
    for (int rule = 0; rule < N1_RULE_COUNT; rule++) {
        const struct n1_rule_info *info = n1_rule_info(rule);
        assert_int_equal(n1_rule_find(info->name), rule);
        assert_true(strlen(info->text) > 5);
        const double *values = (const double *)&info->defaults;
        for (size_t i = 0; i < count; i++)
            if (!strcmp(keys[i].rule, info->name))
                assert_true(values[i % 9] >= keys[i].least && values[i % 9] <= keys[i].most);
    }
    assert_null(n1_rule_info(-1));
    assert_null(n1_rule_info(N1_RULE_COUNT));
    assert_int_equal(n1_rule_find("cpu"), -1);
}

static void the_configuration_sets_the_rules(void **state)
{
    (void)state;
    struct n1_rule_params p[N1_RULE_COUNT];
    struct n1_config config;
    struct n1_error err = {0};
    static const char good[] =
        "{\"profiling\": {\"anomaly_detection\": {\"rules\": {\"cpu_spike\": {\"min_step\": 2, "
        "\"baseline_s\": 120}, \"fd_growth\": {\"enabled\": false}}}}}";
    static const char bad[] =
        "{\"profiling\": {\"anomaly_detection\": {\"rules\": {\"cpu_spike\": {\"step\": 2}}}}}";
    static const char off[] = "{\"profiling\": {\"anomaly_detection\": {\"enabled\": false}}}";
    assert_int_equal(n1_config_parse(&config, good, strlen(good), "good", &err), 0);
    assert_int_equal(n1_rule_configure(p, &config, &err), 0);
    n1_config_finish(&config);
    assert_true(p[N1_RULE_CPU_SPIKE].min_step >= 2 && p[N1_RULE_CPU_SPIKE].min_step <= 2);
    assert_true(p[N1_RULE_CPU_SPIKE].baseline_s >= 120 && p[N1_RULE_CPU_SPIKE].enabled > 0);
    assert_false(p[N1_RULE_FD_GROWTH].enabled > 0);
    assert_true(p[N1_RULE_THREAD_GROWTH].enabled > 0);
    assert_int_equal(n1_config_parse(&config, bad, strlen(bad), "bad", &err), 0);
    assert_int_equal(n1_rule_configure(p, &config, &err), N1_E_CONFIG);
    assert_non_null(strstr(err.what, "step"));
    n1_config_finish(&config);
    assert_int_equal(n1_config_parse(&config, off, strlen(off), "off", &err), 0);
    assert_int_equal(n1_rule_configure(p, &config, &err), 0);
    for (int rule = 0; rule < N1_RULE_COUNT; rule++)
        assert_false(p[rule].enabled > 0);
    n1_config_finish(&config);
}

static void a_cpu_step_is_one_event_within_three_seconds(void **state)
{
    (void)state;
    struct process p;
    char text[128];
    process_init(&p);
    run(&p, 60);
    assert_int_equal(process_events(&p), 0);
    n1_ns step = p.now;
    p.cores = 1.5;
    assert_in_range(until(&p, N1_RULE_CPU_SPIKE, 1, 10), 1, 3);
    const struct n1_rule_event *e = &p.last[N1_RULE_CPU_SPIKE];
    assert_int_equal(e->severity, N1_SEVERITY_WARNING);
    assert_in_range(e->start, step - N1_SECOND_NS, step + N1_SECOND_NS);
    assert_in_range(e->before, step - 62 * N1_SECOND_NS, step - 58 * N1_SECOND_NS);
    assert_in_range(e->expected, 499000, 501000);
    assert_int_equal(e->end, 0);
    run(&p, 20);
    assert_int_equal(p.refreshed[N1_RULE_CPU_SPIKE], 1);
    assert_in_range(e->value, 1499000, 1501000);
    n1_rule_describe(text, sizeof text, e);
    assert_string_equal(text, "CPU at 150 %, expected 50.0 %");
    step = p.now;
    p.cores = 0.5;
    run(&p, 10);
    assert_int_equal(p.ended[N1_RULE_CPU_SPIKE], 1);
    assert_in_range(e->end, step - N1_SECOND_NS, step + 2 * N1_SECOND_NS);
    run(&p, 100);
    check_only(&p, N1_RULE_CPU_SPIKE, 1);
    process_finish(&p);
}

/* From idle, on a busy service, on noise: a clear step is seen whatever it stands on. */
static void steps_are_seen_through_noise(void **state)
{
    (void)state;
    int late = 0;
    for (int i = 0; i < 60; i++) {
        struct process p;
        struct noise noise = {.state = (uint64_t)i};
        double base = i % 3 == 0 ? 0 : i % 3 == 1 ? 0.7 : 3;
        process_init(&p);
        for (int k = 0; k < 90 + i; k++) {
            p.cores = base * (1 + 0.05 * coloured(&noise, 2));
            process_tick(&p);
        }
        assert_int_equal(process_events(&p), 0);
        for (int k = 0; k < 5; k++) {
            p.cores = base * (1 + 0.05 * coloured(&noise, 2)) + (base > 1 ? 3 : 1);
            process_tick(&p);
            late += k == 2 && p.begun[N1_RULE_CPU_SPIKE] == 0;
        }
        assert_int_equal(p.begun[N1_RULE_CPU_SPIKE], 1);
        process_finish(&p);
    }
    assert_true(late <= 1);
}

static void repeated_episodes_are_repeated_events(void **state)
{
    (void)state;
    struct process p;
    process_init(&p);
    run(&p, 30);
    for (int i = 0; i < 40; i++) {
        p.cores = 1.5;
        run(&p, 8);
        p.cores = 0.5;
        run(&p, 12);
    }
    check_only(&p, N1_RULE_CPU_SPIKE, 40);
    assert_int_equal(p.ended[N1_RULE_CPU_SPIKE], 40);
    process_finish(&p);
}

/* Three seconds of work every half minute are what the process does, after it has done so a few times. */
static void short_bursts_become_a_habit(void **state)
{
    (void)state;
    struct process p;
    process_init(&p);
    run(&p, 30);
    for (int i = 0; i < 60; i++) {
        p.cores = 1.5;
        run(&p, 3);
        p.cores = 0.5;
        run(&p, 27);
    }
    assert_in_range(p.begun[N1_RULE_CPU_SPIKE], 1, 3);
    process_finish(&p);
}

static void a_level_that_stays_is_the_new_one(void **state)
{
    (void)state;
    struct process p;
    process_init(&p);
    run(&p, 60);
    p.cores = 1.5;
    run(&p, 1000);
    check_only(&p, N1_RULE_CPU_SPIKE, 1);
    assert_int_equal(p.ended[N1_RULE_CPU_SPIKE], 1);
    p.cores = 3; /* and what stands above the new one is seen against it */
    assert_in_range(until(&p, N1_RULE_CPU_SPIKE, 2, 10), 1, 3);
    assert_in_range(p.last[N1_RULE_CPU_SPIKE].expected, 1490000, 1510000);
    process_finish(&p);
}

static void a_memory_jump_is_a_spike_and_not_growth(void **state)
{
    (void)state;
    struct process p;
    char text[128];
    process_init(&p);
    run(&p, 60);
    p.rss += 150e6;
    assert_in_range(until(&p, N1_RULE_MEMORY_SPIKE, 1, 10), 1, 3);
    run(&p, 20);
    p.rss -= 150e6;
    run(&p, 200);
    check_only(&p, N1_RULE_MEMORY_SPIKE, 1);
    assert_int_equal(p.ended[N1_RULE_MEMORY_SPIKE], 1);
    n1_rule_describe(text, sizeof text, &p.last[N1_RULE_MEMORY_SPIKE]);
    assert_string_equal(text, "memory jumped to 334 MiB, expected 191 MiB");
    process_finish(&p);
}

static void a_leak_is_growth_and_not_a_spike(void **state)
{
    (void)state;
    static const double rates[] = {8e6, 1e6, 0.1e6}; /* bytes a second */
    static const int most[] = {60, 500, 3000};
    for (int i = 0; i < 3; i++) {
        struct process p;
        struct noise noise = {.state = 7};
        int seconds = 0;
        process_init(&p);
        run(&p, i == 0 ? 100 : i == 1 ? 600 : 3600);
        for (; p.begun[N1_RULE_MEMORY_GROWTH] == 0 && seconds < most[i]; seconds++) {
            p.rss += rates[i] * (1 + 0.3 * normal(&noise));
            process_tick(&p);
        }
        assert_true(seconds < most[i]);
        check_only(&p, N1_RULE_MEMORY_GROWTH, 1);
        const struct n1_rule_event *e = &p.last[N1_RULE_MEMORY_GROWTH];
        assert_true(e->per_second > 0.6 * rates[i] && e->per_second < 1.5 * rates[i]);
        for (int k = 0; k < 1000; k++) { /* it goes on: still the same event */
            p.rss += rates[i];
            process_tick(&p);
        }
        check_only(&p, N1_RULE_MEMORY_GROWTH, 1);
        assert_int_equal(p.ended[N1_RULE_MEMORY_GROWTH], 0);
        run(&p, 1900); /* it has stopped */
        assert_int_equal(p.ended[N1_RULE_MEMORY_GROWTH], 1);
        check_only(&p, N1_RULE_MEMORY_GROWTH, 1);
        process_finish(&p);
    }
}

/* A leak that was there before us is seen once there is something to compare with. */
static void a_leak_from_the_beginning_is_seen(void **state)
{
    (void)state;
    struct process p;
    process_init(&p);
    int seconds = 0;
    for (; p.begun[N1_RULE_MEMORY_GROWTH] == 0 && seconds < 200; seconds++) {
        p.rss += 8e6;
        process_tick(&p);
    }
    assert_in_range(seconds, 60, 70);
    process_finish(&p);
}

/* Filling up to where it has been before we came is not growth for as long as it is short. */
static void growth_below_an_old_peak_waits(void **state)
{
    (void)state;
    struct process p;
    process_init(&p);
    p.peak = 900e6;
    run(&p, 100);
    for (int i = 0; i < 80; i++) {
        p.rss += 8e6;
        process_tick(&p);
    }
    assert_int_equal(p.begun[N1_RULE_MEMORY_GROWTH], 0);
    for (int i = 0; i < 40; i++) {
        p.rss += 8e6;
        process_tick(&p);
    }
    assert_int_equal(p.begun[N1_RULE_MEMORY_GROWTH], 1);
    process_finish(&p);
}

static void threads_and_descriptors_jump_or_climb(void **state)
{
    (void)state;
    struct process p;
    process_init(&p);
    run(&p, 60);
    p.threads = 210;
    assert_in_range(until(&p, N1_RULE_THREAD_GROWTH, 1, 10), 1, 3);
    check_only(&p, N1_RULE_THREAD_GROWTH, 1);
    process_finish(&p);

    process_init(&p);
    run(&p, 60);
    process_put(&p, N1_METRIC_FDS_LIMIT, 1024);
    int seconds = 0;
    for (; p.begun[N1_RULE_FD_GROWTH] == 0 && seconds < 100; seconds++) {
        p.fds += 4;
        process_tick(&p);
    }
    assert_true(seconds < 45);
    assert_int_equal(p.last[N1_RULE_FD_GROWTH].severity, N1_SEVERITY_WARNING);
    for (int i = 0; i < 250; i++) {
        p.fds += 4;
        process_tick(&p);
    }
    check_only(&p, N1_RULE_FD_GROWTH, 1);
    run(&p, 200);
    assert_int_equal(p.last[N1_RULE_FD_GROWTH].severity, N1_SEVERITY_CRITICAL); /* near the limit */
    process_finish(&p);
}

static void unknown_is_not_zero(void **state)
{
    (void)state;
    struct process p;
    process_init(&p);
    p.cores = 1.5;
    run(&p, 60);
    for (int i = 0; i < 30; i++) { /* seconds without a figure, one and more at a time */
        p.cores = p.rss = p.threads = p.fds = NAN;
        run(&p, 1 + i % 9);
        p.cores = 1.5;
        p.rss = 200e6;
        p.threads = 10;
        p.fds = 40;
        run(&p, 7);
    }
    assert_int_equal(process_events(&p), 0);
    p.cores = 3;
    run(&p, 6);
    assert_int_equal(p.begun[N1_RULE_CPU_SPIKE], 1);
    p.cores = NAN; /* nobody knows whether it goes on */
    run(&p, 15);
    assert_int_equal(p.ended[N1_RULE_CPU_SPIKE], 1);
    process_finish(&p);
}

static void a_counter_that_begins_anew_is_no_spike(void **state)
{
    (void)state;
    struct process p;
    process_init(&p);
    run(&p, 60);
    p.cpu_ns = 0;
    run(&p, 30);
    p.cpu_ns = 0;
    run(&p, 30);
    assert_int_equal(process_events(&p), 0);
    p.cores = 2;
    assert_in_range(until(&p, N1_RULE_CPU_SPIKE, 1, 10), 1, 3);
    process_finish(&p);
}

/* Ten points a second, and ticks that come early and late, say the same as one a second. */
static void the_pace_of_the_points_does_not_matter(void **state)
{
    (void)state;
    struct n1_rule_params params[N1_RULE_COUNT];
    struct n1_rule_event events[12];
    n1_ns start = 5000 * N1_SECOND_NS;
    struct noise noise = {.state = 3};
    int begun = 0, seconds = 0;
    n1_rule_configure(params, NULL, NULL);
    struct n1_rules *rules = n1_rules_create(params, start);
    for (int i = 1; i < 1000; i++) {
        n1_ns t = start + (n1_ns)i * 100000000 + (n1_ns)(uniform(&noise) * 60e6);
        double elapsed = (double)(t - start);
        struct n1_metric_point point = {t, (int64_t)(elapsed * 0.5 + (i > 700 ? elapsed - 70e9 : 0)), true};
        n1_rules_feed(rules, N1_METRIC_CPU_TOTAL, &point, 1);
        if (i % 10 == 0) {
            size_t n = n1_rules_evaluate(rules, t, events, 12);
            if (n && !begun)
                seconds = i / 10 - 70;
            begun += n && events[0].phase == N1_RULE_BEGIN;
        }
    }
    assert_int_equal(begun, 1);
    assert_in_range(seconds, 1, 3);
    n1_rules_destroy(rules);
}

static void the_end_of_the_process_is_told_once(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum n1_severity severity;
        const char *text;
    } ends[] = {
        {0, N1_SEVERITY_INFO, "process ended with status 0"},
        {3 << 8, N1_SEVERITY_WARNING, "process ended with status 3"},
        {9, N1_SEVERITY_CRITICAL, "process killed by signal 9 (SIGKILL)"},
        {11 | 128, N1_SEVERITY_CRITICAL, "process killed by signal 11 (SIGSEGV)"},
        {-1, N1_SEVERITY_WARNING, "process ended; how is not known"},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct process p;
        char text[96];
        process_init(&p);
        run(&p, 60);
        p.cores = 2;
        run(&p, 5);
        assert_int_equal(p.begun[N1_RULE_CPU_SPIKE], 1);
        n1_ns when = p.now + 300000000;
        n1_rules_gone(p.rules, when, ends[i].status);
        p.cores = p.rss = p.threads = p.fds = NAN;
        run(&p, 30);
        assert_int_equal(p.begun[N1_RULE_TARGET_GONE], 1);
        const struct n1_rule_event *e = &p.last[N1_RULE_TARGET_GONE];
        assert_int_equal(e->start, when);
        assert_int_equal(e->end, when);
        assert_int_equal(e->severity, ends[i].severity);
        n1_rule_describe(text, sizeof text, e);
        assert_string_equal(text, ends[i].text);
        assert_int_equal(p.ended[N1_RULE_CPU_SPIKE], 1); /* what was going on ended with it */
        assert_int_equal(p.last[N1_RULE_CPU_SPIKE].end, when);
        process_finish(&p);
    }
}

static void a_long_sleep_and_odd_points_do_no_harm(void **state)
{
    (void)state;
    struct process p;
    process_init(&p);
    run(&p, 60);
    p.now += UINT64_C(86400) * N1_SECOND_NS; /* the machine was suspended */
    run(&p, 60);
    assert_int_equal(process_events(&p), 0);
    struct n1_metric_point odd[] = {
        {0, INT64_MAX, true}, {p.now, INT64_MIN, true}, {p.now + 1, INT64_MAX, true}};
    n1_rules_feed(p.rules, N1_METRIC_CPU_TOTAL, odd, 3);
    n1_rules_feed(p.rules, N1_METRIC_MEM_RSS, odd, 3);
    n1_rules_feed(p.rules, N1_METRIC_HOST_CPUS, odd, 3);
    run(&p, 30);
    process_finish(&p);
    n1_rules_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_whole),
        cmocka_unit_test(the_configuration_sets_the_rules),
        cmocka_unit_test(a_cpu_step_is_one_event_within_three_seconds),
        cmocka_unit_test(steps_are_seen_through_noise),
        cmocka_unit_test(repeated_episodes_are_repeated_events),
        cmocka_unit_test(short_bursts_become_a_habit),
        cmocka_unit_test(a_level_that_stays_is_the_new_one),
        cmocka_unit_test(a_memory_jump_is_a_spike_and_not_growth),
        cmocka_unit_test(a_leak_is_growth_and_not_a_spike),
        cmocka_unit_test(a_leak_from_the_beginning_is_seen),
        cmocka_unit_test(growth_below_an_old_peak_waits),
        cmocka_unit_test(threads_and_descriptors_jump_or_climb),
        cmocka_unit_test(unknown_is_not_zero),
        cmocka_unit_test(a_counter_that_begins_anew_is_no_spike),
        cmocka_unit_test(the_pace_of_the_points_does_not_matter),
        cmocka_unit_test(the_end_of_the_process_is_told_once),
        cmocka_unit_test(a_long_sleep_and_odd_points_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
