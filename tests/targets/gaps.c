/*
 * Truth: watches the time stamp counter in a loop and keeps every gap over 2 µs: what ticks, samples and
 * neighbours take from a running thread. counts: gaps, p10_ns, median_ns, p99_ns (of the gaps), lost_ppm (all
 * gaps over the time it ran), each since "ready", or since SIGUSR2. Frequency of the counter is measured
 * against CLOCK_MONOTONIC.
 */
#include "target.h"

#include <signal.h>
#include <stdlib.h>
#ifdef __x86_64__
#include <x86intrin.h>
static inline uint64_t stamp(void)
{
    return __rdtsc();
}
#else
static inline uint64_t stamp(void)
{
    return mono_ns();
}
#endif

#define GAPS_MAX 2000000

static uint32_t gaps[GAPS_MAX];
static unsigned count;

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* A second's worth of the loop; `least` is 2 µs in ticks. Returns the ticks lost in gaps. */
TARGET_FUNCTION static uint64_t watch(uint64_t span, uint64_t least)
{
    uint64_t start = stamp(), last = start, lost = 0;
    while (last - start < span) {
        uint64_t now = stamp();
        if (now - last > least) {
            lost += now - last;
            if (count < GAPS_MAX)
                gaps[count++] = (uint32_t)(now - last);
        }
        last = now;
    }
    return lost;
}

static volatile sig_atomic_t forget;

static void on_usr2(int sig)
{
    (void)sig;
    forget = 1;
}

static void set(const char *name, uint64_t value)
{
    struct truth_row *row = truth_count(name);
    truth_add(row, value - truth_value(row));
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    uint64_t ns = mono_ns(), ticks = stamp(), lost = 0;
    while (mono_ns() - ns < 20000000)
        continue;
    double per_ns = (double)(stamp() - ticks) / (double)(mono_ns() - ns);
    signal(SIGUSR2, on_usr2);
    target_ready();
    uint64_t start = mono_ns();
    while (target_poll()) {
        lost += watch((uint64_t)(per_ns * 2e7), (uint64_t)(per_ns * 2000));
        if (forget) {
            forget = 0;
            count = 0;
            lost = 0;
            start = mono_ns();
        }
    }
    qsort(gaps, count, sizeof(gaps[0]), compare);
    set("gaps", count);
    if (count) {
        set("p10_ns", (uint64_t)(gaps[count / 10] / per_ns));
        set("median_ns", (uint64_t)(gaps[count / 2] / per_ns));
        set("p99_ns", (uint64_t)(gaps[count / 100 * 99] / per_ns));
    }
    set("lost_ppm", (uint64_t)((double)lost / per_ns * 1e6 / (double)(mono_ns() - start)));
    target_end(0);
}
