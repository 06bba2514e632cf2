/* See linger.h. */
#include "sampler/viewers/linger.h"

void n1_linger_alone(struct n1_linger *l, n1_ns now, uint64_t cpu_ns)
{
    l->since = now ? now : 1; /* 0 says "watched" */
    l->mark = now;
    l->cpu_mark = cpu_ns;
}

void n1_linger_joined(struct n1_linger *l)
{
    l->since = 0;
}

n1_ns n1_linger_left(const struct n1_linger *l, n1_ns now)
{
    if (!l->since)
        return 0;
    n1_ns gone = now > l->since ? now - l->since : 0;
    return gone < l->span ? l->span - gone : 0;
}

enum n1_linger_verdict n1_linger_look(struct n1_linger *l, n1_ns now, uint64_t cpu_ns, uint64_t memory_bytes)
{
    if (!l->since)
        return N1_LINGER_STAY;
    if (n1_linger_left(l, now) == 0)
        return N1_LINGER_TIME;
    if (l->memory_bytes && memory_bytes > l->memory_bytes)
        return N1_LINGER_MEMORY;
    if (now < l->mark + N1_LINGER_WINDOW_NS)
        return N1_LINGER_STAY;
    double spent = cpu_ns > l->cpu_mark ? (double)(cpu_ns - l->cpu_mark) : 0;
    double share = 100 * spent / (double)(now - l->mark);
    l->mark = now;
    l->cpu_mark = cpu_ns;
    return l->cpu_percent > 0 && share > l->cpu_percent ? N1_LINGER_CPU : N1_LINGER_STAY;
}
