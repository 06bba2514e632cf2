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
    for (size_t i = d->count; i-- > 0;)
        if (now - d->open[i].first > N1_PY_DRAWS_WAIT_NS)
            drop(d, i);
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

uint64_t n1_py_draws_take(struct n1_py_draws *d, uint64_t code)
{
    struct n1_py_draw *draw = find(d, code);
    if (!draw)
        return 0;
    uint64_t weight_ns = draw->weight_ns / draw->samples;
    draw->weight_ns -= weight_ns;
    if (--draw->samples == 0)
        drop(d, (size_t)(draw - d->open));
    return weight_ns;
}
