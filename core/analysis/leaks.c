/*
 * Growth and keepers, see the header.
 */
#include "n1/leaks.h"

#include "n1/stat.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 4096, CHUNK = 256, KEEPERS_MAX = 1024, POINTS_LEAST = 8, TOUCHERS = 64 };
#define THRESHOLD 1e6 /* bytes; less is nobody's concern */

int n1_growth_of(struct n1_reader *r, enum n1_metric_id metric, uint32_t process, struct n1_window window,
                 struct n1_growth *ret)
{
    *ret = (struct n1_growth){.per_second = NAN, .p = NAN, .first = NAN, .last = NAN};
    uint32_t series = n1_reader_series_find(r, metric, process);
    struct n1_model_point *points = calloc(POINTS, sizeof *points);
    double *values = calloc(POINTS, sizeof *values);
    if (!points || !values) {
        free(points);
        free(values);
        return -ENOMEM;
    }
    size_t all = series ? n1_reader_points(r, series, window.from, window.to, points, POINTS) : 0;
    n1_ns begin = all ? points[0].time & ~N1_POINT_INVALID : 0;
    n1_ns end = all ? points[all - 1].time & ~N1_POINT_INVALID : 0, first = 0, last = 0;
    size_t n = 0;
    for (size_t i = 0; i < all; i++) {
        n1_ns time = points[i].time & ~N1_POINT_INVALID;
        if (points[i].time & N1_POINT_INVALID || time < begin + (end - begin) / 3)
            continue;
        first = n ? first : time;
        last = time;
        values[n++] = (double)points[i].value;
    }
    struct n1_stat_trend trend;
    double climb = n1_stat_climb(values, n);
    int rc = n >= POINTS_LEAST && last > first ? n1_stat_trend(values, n, &trend) : 1;
    if (rc == 0) {
        double seconds = (double)(last - first) / (double)N1_SECOND_NS, step = seconds / (double)(n - 1);
        double whole = (double)(end - begin) / (double)N1_SECOND_NS;
        bool told = trend.blocks >= POINTS_LEAST;
        ret->known = told || n >= 12;
        ret->first = values[0];
        ret->last = values[n - 1];
        ret->seconds = seconds;
        ret->per_second = (told ? trend.slope : climb) / step;
        ret->p = trend.p;
        /* not DEGRADING, which is a matter of five hundredths of the mean: a large process leaks, too */
        ret->significant = ret->known && ((told && trend.p <= 0.01) || climb > 0) &&
                           ret->per_second * whole >= THRESHOLD && values[n - 1] > values[0];
    }
    free(points);
    free(values);
    return rc < 0 ? rc : 0;
}

static int by_size(const void *a, const void *b)
{
    const struct n1_keeper *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

typedef void each_entry(void *context, const struct n1_model_memory *m);

static void walk(struct n1_reader *r, struct n1_window window, each_entry *each, void *context)
{
    struct n1_model_memory chunk[CHUNK];
    uint64_t tail, head = n1_reader_count(r, N1_SEGMENT_MEMORY, &tail);
    for (uint64_t at = tail, next; at < head; at = next) {
        size_t got = n1_reader_memory(r, at, chunk, CHUNK, &next, NULL);
        if (next <= at)
            return;
        for (size_t i = 0; i < got; i++)
            if (chunk[i].time >= window.from && chunk[i].time < window.to)
                each(context, &chunk[i]);
    }
}

struct last_look {
    n1_ns kept, mapped;
};

static void find_last(void *context, const struct n1_model_memory *m)
{
    struct last_look *last = context;
    n1_ns *time = m->kind == N1_MEMORY_KEPT     ? &last->kept
                  : m->kind == N1_MEMORY_MAPPED ? &last->mapped
                                                : NULL;
    if (time && m->time > *time)
        *time = m->time;
}

struct collection {
    struct last_look last;
    struct n1_keeper *list;
    size_t count;
};

static void collect(void *context, const struct n1_model_memory *m)
{
    struct collection *c = context;
    bool kept = m->kind == N1_MEMORY_KEPT && m->time == c->last.kept;
    bool mapped = m->kind == N1_MEMORY_MAPPED && m->time == c->last.mapped;
    /* two looks: of an older one that traced, what a newer one without a trace says nothing about */
    if ((!kept && !mapped) || c->count == KEEPERS_MAX)
        return;
    c->list[c->count++] = (struct n1_keeper){.kind = (enum n1_memory_kind)m->kind,
                                             .bytes = m->bytes,
                                             .blocks = kept ? m->address : 0,
                                             .address = mapped ? m->address : 0,
                                             .node = m->node,
                                             .leaf = m->leaf};
}

struct toucher {
    uint32_t node, leaf;
    uint64_t bytes;
};

struct touching {
    const struct n1_keeper *mapping;
    struct toucher list[TOUCHERS];
    size_t count;
    uint64_t bytes;
};

static void add_touch(void *context, const struct n1_model_memory *m)
{
    struct touching *t = context;
    if (m->kind >= N1_MEMORY_KEPT || m->address < t->mapping->address ||
        m->address - t->mapping->address >= t->mapping->bytes)
        return;
    t->bytes += m->bytes;
    for (size_t i = 0; i < t->count; i++)
        if (t->list[i].node == m->node && t->list[i].leaf == m->leaf) {
            t->list[i].bytes += m->bytes;
            return;
        }
    if (t->count < TOUCHERS)
        t->list[t->count++] = (struct toucher){m->node, m->leaf, m->bytes};
}

static void find_toucher(struct n1_reader *r, struct n1_window window, struct n1_keeper *mapping)
{
    struct touching t = {.mapping = mapping};
    walk(r, window, add_touch, &t);
    const struct toucher *most = NULL;
    for (size_t i = 0; i < t.count; i++)
        if (!most || t.list[i].bytes > most->bytes)
            most = &t.list[i];
    if (!most || t.bytes == 0)
        return;
    mapping->node = most->node;
    mapping->leaf = most->leaf;
    mapping->touched = (double)most->bytes / (double)t.bytes;
}

size_t n1_keepers(struct n1_reader *r, struct n1_window window, struct n1_keeper *ret, size_t cap)
{
    struct collection c = {.list = calloc(KEEPERS_MAX, sizeof *c.list)};
    if (!c.list)
        return 0;
    walk(r, window, find_last, &c.last);
    walk(r, window, collect, &c);
    qsort(c.list, c.count, sizeof *c.list, by_size);
    size_t n = c.count < cap ? c.count : cap;
    for (size_t i = 0; i < n; i++) {
        ret[i] = c.list[i];
        if (ret[i].kind == N1_MEMORY_MAPPED)
            find_toucher(r, window, &ret[i]);
    }
    size_t all = c.count;
    free(c.list);
    return all;
}
