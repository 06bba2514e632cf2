/* Rates, ring and stack sizes, and the choice of mode of engine A. */
#include "sampler/engine/perf_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void rates_are_odd(void **state)
{
    (void)state;
    static const uint32_t pairs[][2] = {{99, 99},   {100, 99},      {1000, 997},      {5000, 4999},
                                        {250, 241}, {50, 49},       {10, 9},          {1, 1},
                                        {0, 1},     {2, 2},         {997, 997},       {200, 199},
                                        {199, 199}, {20000, 19997}, {1000000, 19997}, {4294967295u, 19997}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        assert_int_equal(n1_perf_rate_used(pairs[i][0]), pairs[i][1]);
    assert_int_equal(n1_perf_period_ns(100), 10000000);
    assert_int_equal(n1_perf_period_ns(0), 1000000000);
}

static void rings_keep_the_budget(void **state)
{
    (void)state;
    for (unsigned rings = 1; rings <= 1024; rings++) {
        size_t bytes = n1_perf_ring_bytes(rings, N1_PERF_BUDGET_BYTES, 4096);
        assert_true(bytes && (bytes & (bytes - 1)) == 0);
        if (bytes > N1_PERF_RING_MIN_BYTES)
            assert_true((bytes + 4096) * rings <= N1_PERF_BUDGET_BYTES);
        if (bytes < N1_PERF_RING_MAX_BYTES) /* and use as much of it as powers of two can */
            assert_true((2 * bytes + 4096) * rings > N1_PERF_BUDGET_BYTES);
    }
    assert_int_equal(n1_perf_ring_bytes(2, N1_PERF_BUDGET_BYTES, 4096), N1_PERF_RING_MAX_BYTES);
    assert_int_equal(n1_perf_ring_bytes(128, N1_PERF_BUDGET_BYTES, 4096), 64 * 1024);
    assert_int_equal(n1_perf_ring_bytes(0, 0, 4096), N1_PERF_RING_MIN_BYTES);
}

static void stacks_fit_the_rings(void **state)
{
    (void)state;
    assert_int_equal(n1_perf_stack_bytes(0, 4 << 20), N1_PERF_STACK_BYTES);
    assert_int_equal(n1_perf_stack_bytes(0, 64 << 10), N1_PERF_STACK_SMALL_BYTES);
    assert_int_equal(n1_perf_stack_bytes(32768, 4 << 20), 32768);
    assert_int_equal(n1_perf_stack_bytes(65536, 4 << 20), N1_PERF_STACK_MAX_BYTES);
    assert_int_equal(n1_perf_stack_bytes(1, 4 << 20), 1024);
    assert_int_equal(n1_perf_stack_bytes(4001, 4 << 20), 4008);
}

static void the_reader_is_woken_in_time(void **state)
{
    (void)state;
    assert_int_equal(n1_perf_watermark_bytes(4 << 20, 997, 100), 2 << 20);
    assert_int_equal(n1_perf_watermark_bytes(4 << 20, 4999, 100), 1 << 20);
    assert_int_equal(n1_perf_watermark_bytes(64 << 10, 99, 100), 16 << 10);
    assert_int_equal(n1_perf_watermark_bytes(4 << 20, N1_PERF_RATE_MAX_HZ, UINT32_MAX), 1 << 20);
}

static void modes_follow_threads_cpus_and_churn(void **state)
{
    (void)state;
    struct n1_perf_choice c = {.threads = 16, .cpus = 2};
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_INHERIT);
    c = (struct n1_perf_choice){.threads = 16, .cpus = 2, .births_per_s = 500};
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_INHERIT);
    c = (struct n1_perf_choice){.threads = 16, .cpus = 32, .births_per_s = 500};
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_SCAN);
    c.system = true;
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_SYSTEM);
    c.own_cgroup = true;
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_CGROUP);
    c = (struct n1_perf_choice){.threads = 1000, .cpus = 2};
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_INHERIT);
    c = (struct n1_perf_choice){.threads = 1001, .cpus = 2};
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_SCAN);
    /* Threads that end before their first tick are not seen by events of their own: only with rights is there
     * a way. */
    c = (struct n1_perf_choice){.threads = 4, .cpus = 2, .blind = true};
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_INHERIT);
    c.system = true;
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_SYSTEM);
    /* Too few descriptors: in part is better than nothing, but whole CPUs are better. */
    c = (struct n1_perf_choice){.threads = 16, .cpus = 2, .events_room = 20};
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_INHERIT);
    c.system = true;
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_SYSTEM);
    c.events_room = 32;
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_INHERIT);
    /* A timer is set at each context switch, except by events on whole CPUs. */
    c = (struct n1_perf_choice){
        .threads = 4, .cpus = 2, .switches_per_s = 5000, .system = true, .own_cgroup = true};
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_INHERIT);
    c.virtual_machine = true;
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_SYSTEM);
    c.system = c.own_cgroup = false;
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_INHERIT);
    c = (struct n1_perf_choice){.threads = 4294967295u, .cpus = 4294967295u};
    assert_int_equal(n1_perf_mode_choose(&c), N1_PERF_MODE_SCAN);
}

static void many_switches_lower_the_rate(void **state)
{
    const uint64_t CPU = 1000000000; /* of a whole one, in a second */
    (void)state;
    assert_int_equal(n1_perf_slow_divisor(99, 50000, CPU, true), 1);
    assert_int_equal(n1_perf_slow_divisor(99, 250000, CPU, true), 4);
    assert_int_equal(n1_perf_slow_divisor(99, 250000, CPU, false),
                     1); /* without a hypervisor a timer is cheap */
    assert_int_equal(n1_perf_slow_divisor(997, 8000, CPU, true), 1);
    assert_int_equal(n1_perf_slow_divisor(997, 12000, CPU, true), 49);
    assert_int_equal(n1_perf_slow_divisor(997, 120000, CPU, false), 49);
    assert_int_equal(n1_perf_slow_divisor(19, 4000000000u, CPU, true), 1);
    /* It is the process's own time that counts: a third of a CPU beside others, or four of them. */
    assert_int_equal(n1_perf_slow_divisor(99, 46000, CPU * 3 / 10, true), 4);
    assert_int_equal(n1_perf_slow_divisor(997, 12000, 4 * CPU, true), 1);
    assert_int_equal(n1_perf_slow_divisor(99, 5000, CPU / 50, true), 1); /* nothing to speak of */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_odd),
        cmocka_unit_test(rings_keep_the_budget),
        cmocka_unit_test(stacks_fit_the_rings),
        cmocka_unit_test(the_reader_is_woken_in_time),
        cmocka_unit_test(many_switches_lower_the_rate),
        cmocka_unit_test(modes_follow_threads_cpus_and_churn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
