/*
 * Inside core/analysis/rules/: figures that matter by their level, not by what was before: memory that is
 * left, events at a limit, the collector's share. Each is the value of the last seconds; NAN: not known.
 */
#ifndef N1_CORE_ANALYSIS_RULES_LEVEL_H
#define N1_CORE_ANALYSIS_RULES_LEVEL_H

#include "n1/rule.h"

/* A counter as a rate over its last two points. */
struct n1_level_rate {
    bool known;
    struct n1_metric_point last;
    double per_second; /* NAN: unknown */
};

struct n1_levels {
    struct n1_metric_point headroom, limit, available, total, swap_free;
    struct n1_level_rate high, max, oom, oom_kill, gc, cpu;
    double shift;
    n1_ns shift_time;
};

void n1_levels_init(struct n1_levels *levels);
bool n1_levels_wants(enum n1_metric_id metric);
void n1_levels_feed(struct n1_levels *levels, enum n1_metric_id metric, const struct n1_metric_point *point);

/* Whether a rule goes by a level, and how. */
struct n1_level_shape {
    bool is_level, below; /* below: it is less that is worse */
    int lasts;            /* evaluations beyond the level that begin an episode */
    double over;          /* the episode is over beyond level times this */
    double scale;         /* of the configured level to the rule's unit */
};
const struct n1_level_shape *n1_level_shape(enum n1_rule rule);
/* Value of a level rule now, in its unit. *ret_resource: what is short, static; NULL: nothing to name. */
double n1_level_value(const struct n1_levels *levels, const struct n1_rule_params *p, enum n1_rule rule,
                      n1_ns now, const char **ret_resource);

#endif
