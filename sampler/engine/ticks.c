/*
 * The kernel keeps the schedule: a periodic timer descriptor with an absolute start counts what passed.
 */
#include "sampler/engine/ticks.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

int n1_ticks_init(struct n1_ticks *ticks)
{
    *ticks = (struct n1_ticks){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
    return ticks->fd < 0 ? -errno : 0;
}

void n1_ticks_finish(struct n1_ticks *ticks)
{
    if (ticks->fd >= 0)
        close(ticks->fd);
    ticks->fd = -1;
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / N1_SECOND_NS), (long)(ns % N1_SECOND_NS)};
}

int n1_ticks_set(struct n1_ticks *ticks, uint64_t period_ns)
{
    struct itimerspec timer = {0};
    if (period_ns) {
        timer.it_interval = timespec_of(period_ns);
        timer.it_value = timespec_of(n1_time_mono() + period_ns);
    }
    ticks->period_ns = period_ns;
    return timerfd_settime(ticks->fd, TFD_TIMER_ABSTIME, &timer, NULL) ? -errno : 0;
}

uint64_t n1_ticks_take(struct n1_ticks *ticks)
{
    uint64_t passed = 0;
    if (read(ticks->fd, &passed, sizeof(passed)) != sizeof(passed) || !passed)
        return 0;
    ticks->served++;
    ticks->missed += passed - 1;
    return passed;
}
