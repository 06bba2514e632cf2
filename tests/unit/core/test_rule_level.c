/* Rules that go by a level: memory left, events at the limit, out of memory, the collector's share, a shift.
 */
#include "n1/rule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct levels {
    struct n1_rules *rules;
    n1_ns now;
    struct n1_rule_event last;
    int begun[N1_RULE_COUNT], ended[N1_RULE_COUNT];
};

static void init(struct levels *l)
{
    struct n1_rule_params params[N1_RULE_COUNT];
    assert_int_equal(n1_rule_configure(params, NULL, NULL), 0);
    *l = (struct levels){.now = 500 * N1_SECOND_NS};
    l->rules = n1_rules_create(params, l->now);
    assert_non_null(l->rules);
}

static void put(struct levels *l, enum n1_metric_id metric, int64_t value)
{
    struct n1_metric_point point = {l->now, value, true};
    n1_rules_feed(l->rules, metric, &point, 1);
}

static void tick(struct levels *l)
{
    struct n1_rule_event events[2 * N1_RULE_COUNT];
    size_t n = n1_rules_evaluate(l->rules, l->now, events, 2 * N1_RULE_COUNT);
    for (size_t i = 0; i < n; i++) {
        l->last = events[i];
        l->begun[events[i].rule] += events[i].phase == N1_RULE_BEGIN;
        l->ended[events[i].rule] += events[i].phase == N1_RULE_END;
    }
    l->now += N1_SECOND_NS;
}

static void memory_left(struct levels *l, int64_t megabytes, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        put(l, N1_METRIC_CGROUP_MEM_LIMIT, 1000000000);
        put(l, N1_METRIC_CGROUP_MEM_HEADROOM, megabytes * 1000000);
        tick(l);
    }
}

static void near_the_limit(void **state)
{
    (void)state;
    struct levels l;
    char text[200];
    init(&l);
    memory_left(&l, 500, 20);
    memory_left(&l, 50, 1); /* one second is no state */
    memory_left(&l, 500, 5);
    assert_int_equal(l.begun[N1_RULE_MEMORY_LIMIT], 0);
    memory_left(&l, 60, 2);
    assert_int_equal(l.begun[N1_RULE_MEMORY_LIMIT], 1);
    assert_int_equal(l.last.severity, N1_SEVERITY_WARNING);
    n1_rule_describe(text, sizeof text, &l.last);
    assert_string_equal(text, "6.00 % left of memory.max of the cgroup");
    memory_left(&l, 90, 20); /* not far enough to be over */
    assert_int_equal(l.ended[N1_RULE_MEMORY_LIMIT], 0);
    memory_left(&l, 10, 3);
    memory_left(&l, 300, 4);
    assert_int_equal(l.ended[N1_RULE_MEMORY_LIMIT], 1);
    assert_int_equal(l.last.value, 10000);
    assert_int_equal(l.last.severity, N1_SEVERITY_CRITICAL);
    memory_left(&l, 60, 700); /* told once, then it is how it is */
    assert_int_equal(l.begun[N1_RULE_MEMORY_LIMIT], 2);
    assert_int_equal(l.ended[N1_RULE_MEMORY_LIMIT], 2);
    memory_left(&l, 500, 5);
    memory_left(&l, 60, 5);
    assert_int_equal(l.begun[N1_RULE_MEMORY_LIMIT], 3);
    n1_rules_destroy(l.rules);
}

static void the_host_too(void **state)
{
    (void)state;
    struct levels l;
    init(&l);
    for (int i = 0; i < 10; i++) {
        put(&l, N1_METRIC_HOST_MEM_TOTAL, 1000);
        put(&l, N1_METRIC_HOST_MEM_AVAILABLE, i < 5 ? 60 : 30);
        put(&l, N1_METRIC_HOST_SWAP_FREE, 0);
        tick(&l);
        assert_int_equal(l.begun[N1_RULE_MEMORY_LIMIT], i > 5);
    }
    assert_non_null(strstr(l.last.resource, "host"));
    n1_rules_destroy(l.rules);
}

static void events_at_the_limit(void **state)
{
    (void)state;
    struct levels l;
    int64_t max = 1000, oom = 7;
    init(&l);
    for (int i = 0; i < 60; i++) {
        put(&l, N1_METRIC_CGROUP_MEM_MAX, max += i >= 20 && i < 40 ? 100 : 3);
        put(&l, N1_METRIC_CGROUP_MEM_OOM, oom);
        put(&l, N1_METRIC_CGROUP_MEM_OOM_KILL, i >= 50 ? 1 : 0);
        tick(&l);
        assert_int_equal(l.begun[N1_RULE_MEMORY_EVENTS], i >= 21);
        assert_int_equal(l.begun[N1_RULE_OUT_OF_MEMORY], i >= 50);
        if (i == 50)
            assert_int_equal(l.last.severity, N1_SEVERITY_CRITICAL);
    }
    assert_int_equal(l.ended[N1_RULE_MEMORY_EVENTS], 1);
    assert_int_equal(l.ended[N1_RULE_OUT_OF_MEMORY], 1);
    n1_rules_destroy(l.rules);
}

static void the_collector(void **state)
{
    (void)state;
    struct levels l;
    int64_t cpu = 0, gc = 0;
    init(&l);
    for (int i = 0; i < 40; i++) {
        put(&l, N1_METRIC_CPU_TOTAL, cpu += 1000000000);
        put(&l, N1_METRIC_GC_CPU, gc += i >= 20 && i < 30 ? 450000000 : 100000000);
        tick(&l);
        assert_int_equal(l.begun[N1_RULE_GC_PRESSURE], i >= 22);
    }
    assert_int_equal(l.ended[N1_RULE_GC_PRESSURE], 1);
    /* little in all, whatever its share */
    for (int i = 0; i < 20; i++) {
        put(&l, N1_METRIC_CPU_TOTAL, cpu += 50000000);
        put(&l, N1_METRIC_GC_CPU, gc += 45000000);
        tick(&l);
    }
    assert_int_equal(l.begun[N1_RULE_GC_PRESSURE], 1);
    n1_rules_destroy(l.rules);
}

static void a_shift(void **state)
{
    (void)state;
    struct levels l;
    init(&l);
    for (int i = 0; i < 200; i++) {
        if (i % 5 == 0)
            n1_rules_feed_shift(l.rules, l.now, i == 50 || i == 55 ? 0.7 : i == 0 ? (double)NAN : 0.02);
        tick(&l);
    }
    assert_int_equal(l.begun[N1_RULE_HOT_SHIFT], 1);
    assert_int_equal(l.ended[N1_RULE_HOT_SHIFT], 1);
    for (int rule = 0; rule < N1_RULE_COUNT; rule++)
        assert_int_equal(l.begun[rule], rule == N1_RULE_HOT_SHIFT);
    n1_rules_destroy(l.rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_the_limit),
        cmocka_unit_test(the_host_too),
        cmocka_unit_test(events_at_the_limit),
        cmocka_unit_test(the_collector),
        cmocka_unit_test(a_shift),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
