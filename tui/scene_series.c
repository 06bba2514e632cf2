/* Points of the model as one value a second. A value is of the second in which its point was measured. */
#include "tui/scene_series.h"

#include "n1/time.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_MAX (N1_SCENE_SECONDS * 4)
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

double n1_series_rate(struct n1_reader *reader, uint32_t series, n1_ns from, n1_ns to)
{
    static struct n1_model_point points[POINTS_MAX];
    size_t count = series ? n1_reader_points(reader, series, from, to, points, POINTS_MAX) : 0;
    size_t first = 0;
    while (first < count && !known(&points[first]))
        first++;
    while (count > first && !known(&points[count - 1]))
        count--;
    if (count < first + 2 || points[count - 1].time <= points[first].time)
        return NAN;
    return (double)(points[count - 1].value - points[first].value) /
           (double)(points[count - 1].time - points[first].time) * 1e9;
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
