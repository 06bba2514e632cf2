/*
 * The choice of culprits. Rates and their errors are the caller's; here only their order. Pure.
 */
#include "n1/culprit.h"

#include <math.h>
#include <stdlib.h>

#define SAMPLES_MIN 5
#define Z_MIN 4.0         /* hundreds of functions are asked at once: 4 is one in thirty thousand each */
#define GROWTH_WORTH 0.05 /* of the largest growth */
#define NEAR 0.85 /* of the best score: a caller and its callee differ by their own time and by noise */
#define NEAR_NEW                                                                                             \
    0.55 /* for what did nothing before: of what `main` began to do, the part that is most of it */

static double growth(const struct n1_culprit_candidate *c)
{
    return c->rate_now - c->rate_before;
}

static bool counts(const struct n1_culprit_candidate *c)
{
    return c->samples >= SAMPLES_MIN && c->z >= Z_MIN && growth(c) > 0;
}

static double score(const struct n1_culprit_candidate *c)
{
    double new_part = growth(c) / c->rate_now;

    return growth(c) * new_part * new_part;
}

static double near(const struct n1_culprit_candidate *c)
{
    return c->rate_before <= 0.05 * c->rate_now ? NEAR_NEW : NEAR;
}

static bool better(const struct n1_culprit_candidate *a, const struct n1_culprit_candidate *b)
{
    if (a->runtime != b->runtime)
        return b->runtime;
    if (a->depth < b->depth || a->depth > b->depth)
        return a->depth > b->depth;
    return score(a) > score(b);
}

size_t n1_culprit_choose(const struct n1_culprit_candidate *candidates, size_t n, uint32_t *ret, size_t cap)
{
    double most = 0;
    size_t chosen = 0;

    for (size_t i = 0; i < n; i++)
        if (counts(&candidates[i]))
            most = fmax(most, growth(&candidates[i]));
    while (chosen < cap) {
        double best_score = 0;
        size_t best = n;
        for (int pass = 0; pass < 2; pass++) {
            for (size_t i = 0; i < n; i++) {
                bool taken = !counts(&candidates[i]) || growth(&candidates[i]) < GROWTH_WORTH * most;
                for (size_t k = 0; k < chosen && !taken; k++)
                    taken = ret[k] == i;
                if (taken)
                    continue;
                if (pass == 0)
                    best_score = fmax(best_score, score(&candidates[i]));
                else if (score(&candidates[i]) >= near(&candidates[i]) * best_score &&
                         (best == n || better(&candidates[i], &candidates[best])))
                    best = i;
            }
        }
        if (best == n)
            break;
        ret[chosen++] = (uint32_t)best;
    }
    return chosen;
}
