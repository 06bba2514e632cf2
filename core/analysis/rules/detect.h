/*
 * Inside core/analysis/rules/: the detectors, pure functions over values one second apart.
 */
#ifndef N1_CORE_ANALYSIS_RULES_DETECT_H
#define N1_CORE_ANALYSIS_RULES_DETECT_H

#include "n1/rule.h"

#include <math.h>

enum {
    N1_RULE_STEPS = 4096, /* seconds of past kept: over an hour, a power of two */
    N1_RULE_PAST = 600,   /* seconds of it, episodes left out, that say how much a figure varies by itself */
    N1_RULE_SMOOTH = 3
};

/* Values one second apart, oldest first, the last one is now. NAN: unknown. */
struct n1_steps {
    const float *value;
    const bool *excluded; /* within an episode: says nothing about what is expected */
    size_t count;
};

struct n1_detected {
    bool raised;
    double value; /* smoothed level now; NAN when unknown */
    double expected;
    double threshold; /* what it had to grow by; NAN when it was not looked at so closely */
    size_t ago;       /* seconds since it began */
};

/* A jump: the mean of the last three seconds stands above the median of the last `baseline_s` by the greatest
 * of min_step (in the series' unit), `relative` and `deviations` (of ten minutes, where there are), and above
 * everything in these ten minutes; the last two seconds each by most of it. `sharp`: half of it within one
 * second, so that steady growth is not a jump. */
struct n1_detected n1_detect_jump(struct n1_steps steps, const struct n1_rule_params *p, double min_step,
                                  bool sharp);

/* Steady growth over `window` seconds: the least value of every sixth of it is above that of the one before,
 * by an even share of a sum that exceeds min_step, `relative` and `deviations` of the scatter about the
 * past's own line; and it ends above all that came before. */
struct n1_detected n1_detect_growth(struct n1_steps steps, const struct n1_rule_params *p, double min_step,
                                    size_t window);
/* The cheap part of it, for which the window alone is enough: even growth by min_step and `relative`. */
bool n1_detect_climbs(struct n1_steps steps, const struct n1_rule_params *p, double min_step, size_t window);
/* Least value now (last sixth) less that of a window ago (first sixth); NAN when unknown. */
double n1_detect_grown(struct n1_steps steps, size_t window);

/* Median of n > 0 values, which it orders anew. */
double n1_detect_median(double *values, size_t n);

/* At least `want` of the last seconds, the last one among them, stand at `line` or above. */
struct n1_detected n1_detect_level(struct n1_steps s, double line, int want);

#endif
