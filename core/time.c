/*
 * The two clocks. CLOCK_MONOTONIC is what perf events are asked to use, so times of samples and of everything
 * else compare directly; CLOCK_REALTIME serves the anchor only. Nanoseconds.
 */
#include "n1/time.h"

#include <time.h>

n1_ns n1_time_mono(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (n1_ns)now.tv_sec * N1_SECOND_NS + (n1_ns)now.tv_nsec;
}

int64_t n1_time_wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * (int64_t)N1_SECOND_NS + now.tv_nsec;
}
