/*
 * Growth since a mark is the value now less that of the last point before the mark.
 */
#include "tui/scene_memory.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define POINTS 16
#define BACK_NS (30 * N1_SECOND_NS) /* costly figures are measured seldom */

void n1_scene_memory_finish(struct n1_scene_memory *memory)
{
    n1_profile_destroy(memory->profile);
    *memory = (struct n1_scene_memory){0};
}

static double value_at(struct n1_reader *reader, int metric, uint32_t process, n1_ns time)
{
    struct n1_model_point points[POINTS];
    uint32_t series = n1_reader_series_find(reader, (uint32_t)metric, process);
    size_t n =
        series ? n1_reader_points(reader, series, time > BACK_NS ? time - BACK_NS : 0, time, points, POINTS)
               : 0;
    if (n == 0 || points[n - 1].time & N1_POINT_INVALID)
        return NAN;
    return (double)points[n - 1].value;
}

int n1_scene_memory_update(struct n1_scene_memory *memory, struct n1_reader *reader, uint32_t process,
                           struct n1_window window, n1_ns mark, const struct n1_filter *filter)
{
    struct n1_filter touched = *filter;
    if (memory->profile == NULL)
        memory->profile = n1_profile_create();
    if (memory->profile == NULL)
        return -ENOMEM;
    memory->mark = mark;
    for (int metric = 0; metric < N1_METRIC_COUNT; metric++) {
        const struct n1_metric_info *info = n1_metric_info(metric);
        memory->grown[metric] = NAN;
        if (mark && info->unit == N1_UNIT_BYTES && info->kind == N1_METRIC_KIND_GAUGE &&
            info->scope == N1_SCOPE_PROCESS)
            memory->grown[metric] =
                value_at(reader, metric, process, window.to) - value_at(reader, metric, process, mark);
    }
    touched.of = N1_OF_MEMORY;
    if (mark)
        window.from = mark;
    int rc = n1_profile_update(memory->profile, reader, window, &touched, NULL);
    if (rc == 0)
        memory->sampled = n1_profile_summary(memory->profile)->all_samples > 0;
    return rc == N1_E_USAGE ? 0 : rc;
}
