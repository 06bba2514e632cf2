/*
 * How far two profiles lie apart, as the share of samples that went to other functions (total variation of
 * the self shares), less what sampling alone would make of equal ones.
 */
#include "core/analysis/profile_private.h"

#include <math.h>

#define BEFORE_LEAST 400
#define NOW_LEAST 150
#define MEAN_ABSOLUTE 0.7979 /* of a normal deviate, sqrt(2/pi) */
#define TIMES 2.0

double n1_profile_shift(const struct n1_profile *before, const struct n1_profile *now)
{
    double n = (double)now->summary.samples, m = (double)before->summary.samples, apart = 0, noise = 0;
    double matched = 0;
    if (n < NOW_LEAST || m < BEFORE_LEAST)
        return NAN;
    for (size_t i = 0; i < now->function_count; i++) {
        const struct n1_profile_function *f = &now->functions[i];
        ptrdiff_t at = n1_profile_find(before, f->id);
        double old = at < 0 ? 0 : (double)before->functions[at].self_samples;
        double p = (double)f->self_samples / n, q = old / m;
        double pooled = ((double)f->self_samples + old) / (n + m);
        apart += fabs(p - q) / 2;
        noise += MEAN_ABSOLUTE * sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)) / 2;
        matched += q;
    }
    /* those that do not run any more */
    if (matched < 1)
        apart += (1 - matched) / 2;
    return fmax(0, apart - TIMES * noise);
}
