/* Series of RSS, loaded once and looked up by bisection. */
#include "core/analysis/resident.h"

#include "n1/metric.h"

#include <errno.h>
#include <stdlib.h>

#define POINTS_MAX 8192

struct n1_resident_series {
    struct n1_model_point *points;
    size_t count;
};

int n1_resident_load(struct n1_resident *s, const struct n1_reader *r, struct n1_window w)
{
    struct n1_model_thread t;
    *s = (struct n1_resident){0};
    size_t processes = (size_t)n1_reader_count(r, N1_SEGMENT_PROCESSES, NULL);
    size_t threads = (size_t)n1_reader_count(r, N1_SEGMENT_THREADS, NULL);
    s->processes = calloc(processes + 1, sizeof *s->processes);
    s->process_of = calloc(threads + 1, sizeof *s->process_of);
    if (!s->processes || !s->process_of)
        return -ENOMEM;
    s->process_count = processes;
    s->thread_count = threads;
    for (uint32_t id = 1; id < threads; id++)
        if (n1_reader_thread(r, id, &t))
            s->process_of[id] = t.process;
    for (uint32_t id = 1; id < processes; id++) {
        uint32_t series = n1_reader_series_find(r, N1_METRIC_MEM_RSS, id);
        struct n1_resident_series *p = &s->processes[id];
        if (series == 0)
            continue;
        p->points = calloc(POINTS_MAX, sizeof *p->points);
        if (!p->points)
            return -ENOMEM;
        /* a point stands until the next one: the one before the window counts too */
        n1_ns from = w.from > 10 * N1_SECOND_NS ? w.from - 10 * N1_SECOND_NS : 0;
        p->count = n1_reader_points(r, series, from, w.to, p->points, POINTS_MAX);
    }
    return 0;
}

void n1_resident_finish(struct n1_resident *s)
{
    for (size_t i = 0; s->processes && i < s->process_count; i++)
        free(s->processes[i].points);
    free(s->processes);
    free(s->process_of);
    *s = (struct n1_resident){0};
}

uint64_t n1_resident_at(const struct n1_resident *s, uint32_t thread, n1_ns time)
{
    uint32_t process = thread < s->thread_count ? s->process_of[thread] : 0;
    if (process >= s->process_count)
        return 0;
    const struct n1_resident_series *p = &s->processes[process];
    size_t low = 0, high = p->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((p->points[middle].time & ~N1_POINT_INVALID) <= time)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || (p->points[low - 1].time & N1_POINT_INVALID) || p->points[low - 1].value < 0)
        return 0;
    return (uint64_t)p->points[low - 1].value;
}
