#include "sampler/python/draws.h"

static struct n1_py_draw *find(struct n1_py_draws *d, uint64_t code)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->open[i].code == code)
            return &d->open[i];
    return NULL;
}

static void drop(struct n1_py_draws *d, size_t i)
{
    d->open[i] = d->open[--d->count];
}

void n1_py_draws_add(struct n1_py_draws *d, uint64_t code, uint64_t weight_ns, n1_ns now)
{
    size_t oldest = 0;
    struct n1_py_draw *draw = find(d, code);
    if (!draw) {
        for (size_t i = 1; i < d->count; i++)
            if (d->open[i].first < d->open[oldest].first)
                oldest = i;
        if (d->count == N1_PY_DRAWS)
            drop(d, oldest);
        draw = &d->open[d->count++];
        *draw = (struct n1_py_draw){.code = code, .first = now};
    }
    draw->weight_ns += weight_ns;
    draw->samples++;
}

static uint64_t take(struct n1_py_draws *d, struct n1_py_draw *draw)
{
    uint64_t weight_ns = draw->weight_ns / draw->samples;
    draw->weight_ns -= weight_ns;
    if (--draw->samples == 0)
        drop(d, (size_t)(draw - d->open));
    return weight_ns;
}

uint64_t n1_py_draws_take(struct n1_py_draws *d, uint64_t code)
{
    struct n1_py_draw *draw = find(d, code);
    return draw ? take(d, draw) : 0;
}

uint64_t n1_py_draws_overdue(struct n1_py_draws *d, n1_ns now, uint64_t *ret_code)
{
    for (size_t i = 0; i < d->count; i++)
        if (now > d->open[i].first + N1_PY_DRAWS_WAIT_NS) {
            *ret_code = d->open[i].code;
            return take(d, &d->open[i]);
        }
    return 0;
}
