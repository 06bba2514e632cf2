/* Points of the model as one value a second. A value is of the second in which its point was measured. */
#include "tui/scene_series.h"

#include "n1/time.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_MAX (N1_SCENE_SECONDS * 4)
#define CELL_POINTS_MAX 16384
#define RATE_SLACK (5 * N1_SECOND_NS)
#define GAP_SECONDS 3 /* a point stands for the seconds after it up to here; later it is a gap */

static bool known(const struct n1_model_point *point)
{
    return (point->time & N1_POINT_INVALID) == 0;
}

/* What a point says: the gauge's value, or the counter's growth a second since the point before. */
static double value_of(const struct n1_model_point *points, size_t i, bool counter)
{
    if (!known(&points[i]))
        return NAN;
    if (!counter)
        return (double)points[i].value;
    if (i == 0 || !known(&points[i - 1]) || points[i].time <= points[i - 1].time ||
        points[i].value < points[i - 1].value)
        return NAN;
    return (double)(points[i].value - points[i - 1].value) / (double)(points[i].time - points[i - 1].time) *
           1e9;
}

void n1_series_fill(const struct n1_series_source *source, int metric, uint32_t scope, double scale,
                    struct n1_scene_series *ret)
{
    static struct n1_model_point points[POINTS_MAX]; /* main thread only; too large for a stack */
    uint32_t series = n1_reader_series_find(source->reader, (uint32_t)metric, scope);
    bool counter = n1_metric_info(metric)->kind == N1_METRIC_KIND_COUNTER;
    uint64_t last = source->now > source->created ? (source->now - source->created) / N1_SECOND_NS : 0;
    ret->first = last + 1 > N1_SCENE_SECONDS ? last + 1 - N1_SCENE_SECONDS : 0;
    ret->count = (size_t)(last + 1 - ret->first);
    ret->last = NAN;
    for (size_t i = 0; i < N1_SCENE_SECONDS; i++)
        ret->values[i] = NAN;
    if (series == 0)
        return;
    n1_ns from = source->created + ret->first * N1_SECOND_NS;
    from -=
        from > 5 * N1_SECOND_NS ? 5 * N1_SECOND_NS : from; /* the counter's point before the first shown */
    size_t count = n1_reader_points(source->reader, series, from, source->now, points, POINTS_MAX);
    for (size_t i = 0; i < count; i++) {
        n1_ns time = points[i].time & ~N1_POINT_INVALID;
        double value = value_of(points, i, counter) * scale;
        uint64_t second = time > source->created ? (time - source->created) / N1_SECOND_NS : 0;
        n1_ns next = i + 1 < count ? points[i + 1].time & ~N1_POINT_INVALID : source->now + 1;
        uint64_t until = next > source->created ? (next - source->created) / N1_SECOND_NS : 0;
        if (until > second + GAP_SECONDS)
            until = second + GAP_SECONDS;
        if (until <= second)
            until = second + 1;
        for (uint64_t s = second; s < until && s <= last; s++) {
            if (s >= ret->first)
                ret->values[s - ret->first] = value;
        }
        if (!isnan(value) || !known(&points[i]))
            ret->last = value;
    }
}

/* The value of a counter or gauge at `time`, on the straight line between two points. */
static double value_at(const struct n1_model_point *points, size_t first, size_t last, n1_ns time)
{
    size_t i = first;
    while (i < last && points[i + 1].time <= time)
        i++;
    if (i >= last)
        return (double)points[last].value;
    double part = time > points[i].time
                      ? (double)(time - points[i].time) / (double)(points[i + 1].time - points[i].time)
                      : 0;
    return (double)points[i].value + part * (double)(points[i + 1].value - points[i].value);
}

double n1_series_rate(struct n1_reader *reader, uint32_t series, n1_ns from, n1_ns to)
{
    static struct n1_model_point points[POINTS_MAX];
    n1_ns before = from > RATE_SLACK ? from - RATE_SLACK : 0;
    size_t all = series ? n1_reader_points(reader, series, before, to + RATE_SLACK, points, POINTS_MAX) : 0;
    size_t count = 0;
    for (size_t i = 0; i < all; i++) { /* the known ones, in order of time */
        if (known(&points[i]) && (count == 0 || points[i].time > points[count - 1].time))
            points[count++] = points[i];
    }
    if (count < 2)
        return NAN;
    n1_ns start = from > points[0].time ? from : points[0].time;
    n1_ns end = to < points[count - 1].time ? to : points[count - 1].time;
    if (end <= start)
        return NAN;
    return (value_at(points, 0, count - 1, end) - value_at(points, 0, count - 1, start)) /
           (double)(end - start) * 1e9;
}

void n1_series_cells(const struct n1_series_source *source, int metric, uint32_t scope, double scale,
                     n1_ns from, n1_ns cell, double *ret, size_t count)
{
    static struct n1_model_point points[CELL_POINTS_MAX];
    uint32_t series = n1_reader_series_find(source->reader, (uint32_t)metric, scope);
    bool counter = n1_metric_info(metric)->kind == N1_METRIC_KIND_COUNTER;
    n1_ns before = from > RATE_SLACK ? from - RATE_SLACK : 0;
    for (size_t i = 0; i < count; i++)
        ret[i] = NAN;
    size_t got =
        series ? n1_reader_points(source->reader, series, before, source->now, points, CELL_POINTS_MAX) : 0;
    for (size_t i = 0; i < got; i++) {
        n1_ns time = points[i].time & ~N1_POINT_INVALID;
        double value = value_of(points, i, counter) * scale;
        size_t at = time >= from ? (size_t)((time - from) / cell) : count;
        if (at < count && !isnan(value) && !(ret[at] >= value))
            ret[at] = value;
    }
    for (size_t i = 1; i < count; i++) { /* a cell shorter than the points' pace */
        if (isnan(ret[i]) && !isnan(ret[i - 1]) && cell < 2 * N1_SECOND_NS && i + 1 < count &&
            !isnan(ret[i + 1]))
            ret[i] = ret[i - 1];
    }
}

double n1_series_sum(const struct n1_scene_series *series, n1_ns from, n1_ns to, n1_ns created)
{
    double sum = 0;
    for (size_t i = 0; i < series->count; i++) {
        n1_ns start = created + (series->first + i) * N1_SECOND_NS;
        if (start + N1_SECOND_NS > from && start < to && !isnan(series->values[i]))
            sum += series->values[i];
    }
    return sum;
}
