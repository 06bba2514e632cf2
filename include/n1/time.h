/*
 * Time. Every time in the model is CLOCK_MONOTONIC nanoseconds of the target's host (`n1_ns`); wall-clock
 * times are derived from the model's anchor and appear only in output. Any thread.
 */
#ifndef N1_TIME_H
#define N1_TIME_H

#include <stdint.h>

typedef uint64_t n1_ns; /* a point on CLOCK_MONOTONIC, or a span, in nanoseconds */

#define N1_SECOND_NS UINT64_C(1000000000)

n1_ns n1_time_mono(void);      /* now, CLOCK_MONOTONIC */
int64_t n1_time_wall_ns(void); /* now, CLOCK_REALTIME, ns since the epoch */

#endif
