/* Series for the tests of the rules: seeded noise, waves, saw-teeth; and a process made of them, fed once a
 * second. */
#ifndef N1_TESTS_RULE_SERIES_H
#define N1_TESTS_RULE_SERIES_H

#include "n1/rule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct noise {
    uint64_t state;
    double walk; /* of the autocorrelated part, standard deviation 1 */
};

static inline double uniform(struct noise *n)
{
    n->state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t z = n->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static inline double normal(struct noise *n)
{
    return sqrt(-2 * log(1 - uniform(n))) * cos(6.283185307179586 * uniform(n));
}

/* Autocorrelated over `tau` seconds, standard deviation 1. */
static inline double coloured(struct noise *n, double tau)
{
    double keep = tau > 0 ? exp(-1 / tau) : 0;
    n->walk = keep * n->walk + sqrt(1 - keep * keep) * normal(n);
    return n->walk;
}

/* A process whose figures a test sets and which is fed and evaluated once a second. */
struct process {
    struct n1_rules *rules;
    n1_ns now;
    double cpu_ns;                   /* counter */
    double cores, rss, threads, fds; /* of this second; NAN: not measured */
    double peak;                     /* resident peak, follows rss */
    struct n1_rule_event last[N1_RULE_COUNT];
    int begun[N1_RULE_COUNT], ended[N1_RULE_COUNT], refreshed[N1_RULE_COUNT];
    n1_ns begun_at[N1_RULE_COUNT], ended_at[N1_RULE_COUNT]; /* when it was told */
};

static inline void process_init(struct process *p)
{
    struct n1_rule_params params[N1_RULE_COUNT];
    assert_int_equal(n1_rule_configure(params, NULL, NULL), 0);
    *p = (struct process){.now = 1000 * N1_SECOND_NS, .cores = 0.5, .rss = 200e6, .threads = 10, .fds = 40};
    p->rules = n1_rules_create(params, p->now);
    assert_non_null(p->rules);
}

static inline void process_finish(struct process *p)
{
    n1_rules_destroy(p->rules);
}

static inline void process_put(struct process *p, enum n1_metric_id metric, double value)
{
    struct n1_metric_point point = {p->now, isnan(value) ? 0 : (int64_t)value, !isnan(value)};
    n1_rules_feed(p->rules, metric, &point, 1);
}

static inline void process_tick(struct process *p)
{
    struct n1_rule_event events[2 * N1_RULE_COUNT];

    p->now += N1_SECOND_NS;
    if (!isnan(p->cores))
        p->cpu_ns += fmax(p->cores, 0) * 1e9;
    if (!isnan(p->rss))
        p->peak = fmax(p->peak, p->rss);
    process_put(p, N1_METRIC_CPU_TOTAL, isnan(p->cores) ? NAN : p->cpu_ns);
    process_put(p, N1_METRIC_MEM_RSS, p->rss);
    process_put(p, N1_METRIC_MEM_RSS_PEAK, p->peak);
    process_put(p, N1_METRIC_THREADS, p->threads);
    process_put(p, N1_METRIC_FDS, p->fds);
    size_t n = n1_rules_evaluate(p->rules, p->now, events, 2 * N1_RULE_COUNT);
    for (size_t i = 0; i < n; i++) {
        enum n1_rule rule = events[i].rule;
        p->last[rule] = events[i];
        p->begun[rule] += events[i].phase == N1_RULE_BEGIN;
        p->refreshed[rule] += events[i].phase == N1_RULE_REFRESH;
        p->ended[rule] += events[i].phase == N1_RULE_END;
        if (events[i].phase == N1_RULE_BEGIN)
            p->begun_at[rule] = p->now;
        if (events[i].phase == N1_RULE_END)
            p->ended_at[rule] = p->now;
    }
}

static inline int process_events(const struct process *p)
{
    int sum = 0;

    for (int rule = 0; rule < N1_RULE_COUNT; rule++)
        sum += p->begun[rule];
    return sum;
}

#endif
