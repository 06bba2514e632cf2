/*
 * Points of the model as one value a second, for graphs. Counters become what they grew by, spread over the
 * time between two points. Unknown points and gaps are NaN. Main thread, within a pass of the reader.
 */
#ifndef N1_TUI_SCENE_SERIES_H
#define N1_TUI_SCENE_SERIES_H

#include "tui/scene.h"

struct n1_series_source {
    struct n1_reader *reader;
    n1_ns created; /* second 0 */
    n1_ns now;     /* nothing later is shown */
};

/* Fills *ret from a metric (per second when it is a counter), each value multiplied by `scale`. */
void n1_series_fill(const struct n1_series_source *source, int metric, uint32_t scope, double scale,
                    struct n1_scene_series *ret);
/* Growth a second over [from, to], between known points as near as the series has them: those at most 5 s
 * outside are taken for where the span begins and ends, and what lies between is taken for even. NaN with
 * fewer than two. `series` 0 is none. */
double n1_series_rate(struct n1_reader *reader, uint32_t series, n1_ns from, n1_ns to);
/* The highest known value a cell of `cell` ns from `from` on, NaN where there is none; scaled like the above.
 */
void n1_series_cells(const struct n1_series_source *source, int metric, uint32_t scope, double scale,
                     n1_ns from, n1_ns cell, double *ret, size_t count);
/* Sum of the known seconds of a filled series that lie in [from, to). */
double n1_series_sum(const struct n1_scene_series *series, n1_ns from, n1_ns to, n1_ns created);

#endif
