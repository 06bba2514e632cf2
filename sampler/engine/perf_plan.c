/*
 * Rates, sizes and the choice of mode. The limits come from measurements: two inherited events make a
 * pthread_create + join 24 us instead of 18, sixteen 53 us, 128 of them 685 us.
 */
#include "sampler/engine/perf_plan.h"

#include "n1/time.h"

const char *n1_perf_mode_name(enum n1_perf_mode mode)
{
    switch (mode) {
    case N1_PERF_MODE_INHERIT:
        return "inherited events";
    case N1_PERF_MODE_CGROUP:
        return "cgroup events";
    case N1_PERF_MODE_SYSTEM:
        return "events on all CPUs";
    case N1_PERF_MODE_SCAN:
        return "thread scan";
    }
    return "unknown";
}

uint32_t n1_perf_slow_divisor(uint32_t rate_hz, unsigned switches_per_s, uint64_t cpu_ns_per_s,
                              bool virtual_machine)
{
    enum { SLOW_HZ = 20, LITTLE_US = 20000 }; /* below SLOW_HZ, a switch costs the same at any rate */
    /* A switch costs 0.4 us and 10 ns a Hz in a virtual machine, a tenth of it on metal; a tenth of the CPU
     * time that the process gets is too much, be that a whole CPU or, beside others, a part of one. */
    double cost_us = (0.4 + 0.01 * rate_hz) * (virtual_machine ? 1 : 0.1) * switches_per_s;
    bool bearable = cost_us < LITTLE_US || cost_us * 1000 < (double)cpu_ns_per_s / 10;
    return rate_hz < 2 * SLOW_HZ || bearable ? 1 : rate_hz / SLOW_HZ;
}

static bool is_prime(uint32_t n)
{
    for (uint32_t d = 2; d * d <= n; d++) {
        if (n % d == 0)
            return false;
    }
    return n >= 2;
}

uint32_t n1_perf_rate_used(uint32_t asked_hz)
{
    uint32_t hz = asked_hz > N1_PERF_RATE_MAX_HZ ? N1_PERF_RATE_MAX_HZ : asked_hz;

    if (hz < 4)
        return hz ? hz : 1;
    if (hz < 200) {
        while (hz % 2 == 0 || hz % 5 == 0)
            hz--;
    } else {
        while (!is_prime(hz))
            hz--;
    }
    return hz;
}

uint64_t n1_perf_period_ns(uint32_t rate_hz)
{
    return N1_SECOND_NS / (rate_hz ? rate_hz : 1);
}

size_t n1_perf_ring_bytes(unsigned rings, size_t budget_bytes, size_t page_bytes)
{
    size_t share = budget_bytes / (rings ? rings : 1);
    size_t bytes = N1_PERF_RING_MAX_BYTES;

    while (bytes > N1_PERF_RING_MIN_BYTES && bytes + page_bytes > share)
        bytes /= 2;
    return bytes;
}

uint32_t n1_perf_watermark_bytes(size_t ring_bytes, uint32_t rate_hz, uint32_t drain_ms)
{
    uint64_t written = (uint64_t)rate_hz * drain_ms / 1000 * (N1_PERF_STACK_BYTES + 512);

    return (uint32_t)(written + written / 8 < ring_bytes / 2 ? ring_bytes / 2 : ring_bytes / 4);
}

uint32_t n1_perf_stack_bytes(uint32_t asked_bytes, size_t ring_bytes)
{
    uint32_t bytes = asked_bytes ? (asked_bytes + 7) & ~7u : N1_PERF_STACK_BYTES;

    if (bytes < 1024)
        bytes = 1024;
    if (bytes > N1_PERF_STACK_MAX_BYTES)
        bytes = N1_PERF_STACK_MAX_BYTES;
    if (bytes > N1_PERF_STACK_SMALL_BYTES && ring_bytes / bytes < 16)
        bytes = N1_PERF_STACK_SMALL_BYTES;
    return bytes;
}

enum n1_perf_mode n1_perf_mode_choose(const struct n1_perf_choice *choice)
{
    uint64_t events = (uint64_t)choice->threads * choice->cpus;
    bool no_room = choice->events_room && events > choice->events_room;
    bool too_many = events > N1_PERF_EVENTS_MAX || (no_room && (choice->own_cgroup || choice->system));
    bool churn = choice->cpus > N1_PERF_CPUS_CHURN && choice->births_per_s > N1_PERF_CHURN_PER_S;
    bool inherit_fits = !too_many && !churn;
    bool switching = choice->switches_per_s >
                     (choice->virtual_machine ? N1_PERF_SWITCHES_VM_PER_S : N1_PERF_SWITCHES_METAL_PER_S);

    if (inherit_fits && !choice->blind && !(switching && choice->system))
        return N1_PERF_MODE_INHERIT;
    if (choice->own_cgroup &&
        !(switching && choice->system)) /* its timer is set at each switch to others, too */
        return N1_PERF_MODE_CGROUP;
    if (choice->system)
        return N1_PERF_MODE_SYSTEM;
    return inherit_fits ? N1_PERF_MODE_INHERIT : N1_PERF_MODE_SCAN;
}
