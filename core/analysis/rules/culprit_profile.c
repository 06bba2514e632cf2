/*
 * The culprits of an episode from two profiles. A function is a candidate by its samples and its mean depth;
 * once one is chosen, the samples that have it on the stack are taken out on both sides, so that its callers
 * do not take the other places but who grew beside it.
 */
#include "core/analysis/wait_walk.h"
#include "n1/culprit.h"
#include "n1/profile.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 8 };
#define MOSTLY_NEW 0.3 /* of its rate was there before, at most */

/* Growth from `count0` events in `time0` to `count1` in `time1` over its error if nothing had changed: the
 * score test of two Poisson rates, which is right for few events and for none before. */
static double score_z(double count0, double time0, double count1, double time1)
{
    if (!(time0 > 0) || !(time1 > 0) || !(count0 + count1 > 0))
        return 0;
    double expected = (count0 + count1) * time1 / (time0 + time1);
    return (count1 - expected) / sqrt(expected * time0 / (time0 + time1));
}

static double seconds(const struct n1_profile *p)
{
    struct n1_window w = n1_profile_summary(p)->window;
    return w.to > w.from ? (double)(w.to - w.from) / (double)N1_SECOND_NS : 0;
}

/* The functions of a profile without the samples that have one already chosen on the stack, so that the next
 * one chosen is not merely its caller. */
struct rest {
    const struct n1_profile *profile;
    size_t functions;
    double *samples; /* by function: with it on the stack, recursion once */
    double *depth;   /* mean distance from the root, by samples */
    double all;
};

static void rest_finish(struct rest *rest)
{
    free(rest->samples);
    free(rest->depth);
}

static int rest_init(struct rest *rest, const struct n1_profile *p)
{
    *rest = (struct rest){.profile = p};
    n1_profile_functions(p, &rest->functions);
    rest->samples = calloc(rest->functions + 1, sizeof *rest->samples);
    rest->depth = calloc(rest->functions + 1, sizeof *rest->depth);
    return rest->samples && rest->depth ? 0 : -ENOMEM;
}

/* One pass over the tree, whose nodes lie in pre-order: a subtree is a run. */
static int rest_count(struct rest *rest, const uint32_t *without, size_t n_without)
{
    size_t n, path_len = 0;
    const struct n1_profile_node *nodes = n1_profile_nodes(rest->profile, &n);
    uint32_t *path = calloc(n + 1, sizeof *path); /* nodes from the root's child to the present one */
    uint64_t *self = calloc(n + 1, sizeof *self);
    uint32_t *seen = calloc(rest->functions + 1, sizeof *seen); /* last node that counted it */
    int rc = path && self && seen ? 0 : -ENOMEM;

    memset(rest->samples, 0, rest->functions * sizeof *rest->samples);
    memset(rest->depth, 0, rest->functions * sizeof *rest->depth);
    rest->all = 0;
    for (size_t i = n; rc == 0 && i-- > 1;) { /* own samples: those of the subtree less the children's */
        self[i] += nodes[i].samples;
        if (nodes[i].parent < i)
            self[nodes[i].parent] -= nodes[i].samples;
    }
    for (size_t i = 1; rc == 0 && i < n; i++) {
        while (path_len && (nodes[i].depth <= nodes[path[path_len - 1]].depth))
            path_len--;
        path[path_len++] = (uint32_t)i;
        bool left_out = self[i] == 0;
        for (size_t k = 0; k < path_len && !left_out; k++)
            for (size_t w = 0; w < n_without; w++)
                left_out = left_out || nodes[path[k]].function == without[w];
        if (left_out)
            continue;
        rest->all += (double)self[i];
        for (size_t k = 0; k < path_len; k++) {
            uint32_t f = nodes[path[k]].function;
            if (f >= rest->functions || seen[f] == i)
                continue;
            seen[f] = (uint32_t)i;
            rest->samples[f] += (double)self[i];
            rest->depth[f] += (double)self[i] * nodes[path[k]].depth;
        }
    }
    for (size_t f = 0; f < rest->functions; f++)
        rest->depth[f] = rest->samples[f] > 0 ? rest->depth[f] / rest->samples[f] : 0;
    free(path);
    free(self);
    free(seen);
    return rc;
}

static void candidates(const struct rest *before, const struct rest *now, struct n1_culprit_candidate *c)
{
    size_t n;
    const struct n1_profile_function *f = n1_profile_functions(now->profile, &n);
    double time0 = seconds(before->profile), time1 = seconds(now->profile);

    for (size_t i = 0; i < n; i++) {
        ptrdiff_t at = n1_profile_find(before->profile, f[i].id);
        double count0 = at >= 0 ? before->samples[at] : 0, count1 = now->samples[i];
        c[i] = (struct n1_culprit_candidate){.samples = (uint64_t)count1,
                                             .rate_before = time0 > 0 ? count0 / time0 : 0,
                                             .rate_now = time1 > 0 ? count1 / time1 : 0,
                                             .z = score_z(count0, time0, count1, time1),
                                             .depth = now->depth[i],
                                             .runtime = n1_is_runtime(f[i].module_name, f[i].kind)};
    }
}

static bool among(const uint32_t *list, size_t n, uint32_t which)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == which)
            return true;
    return false;
}

size_t n1_culprits_of_profiles(const struct n1_profile *p0, const struct n1_profile *p1, uint32_t *ret,
                               size_t cap)
{
    uint32_t without[PLACES], alike[PLACES];
    size_t n, n_without = 0, count = 0;
    const struct n1_profile_function *f = n1_profile_functions(p1, &n);
    struct rest before, now;
    struct n1_culprit_candidate *c = calloc(n + 1, sizeof *c);
    int rc = rest_init(&before, p0), rc1 = rest_init(&now, p1);
    bool able = c && rc == 0 && rc1 == 0;
    if (cap > PLACES)
        cap = PLACES;
    while (able && count < cap) {
        able = rest_count(&before, without, n_without) == 0 && rest_count(&now, ret, count) == 0;
        if (!able)
            break;
        candidates(&before, &now, c);
        if (n1_culprit_choose(c, n, &ret[count], 1) == 0)
            break;
        ptrdiff_t at = n1_profile_find(p0, f[ret[count++]].id);
        if (at >= 0)
            without[n_without++] = (uint32_t)at;
    }
    /* places that are left go to callers that did little else, nearest first */
    if (able && count > 0 && count < cap && rest_count(&before, NULL, 0) == 0 &&
        rest_count(&now, NULL, 0) == 0) {
        candidates(&before, &now, c);
        size_t found = n1_culprit_choose(c, n, alike, cap);
        for (size_t i = 0; i < found && count < cap; i++)
            if (!c[alike[i]].runtime && c[alike[i]].rate_before <= MOSTLY_NEW * c[alike[i]].rate_now &&
                !among(ret, count, alike[i]))
                ret[count++] = alike[i];
    }
    rest_finish(&before);
    rest_finish(&now);
    free(c);
    return count;
}
