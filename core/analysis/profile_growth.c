/*
 * What grew between two profiles. Shares are compared as two proportions, rates as two Poisson counts over
 * the lengths of their windows; samples are counted, not weighed, so that the errors are those of counting.
 */
#include "core/analysis/profile_private.h"

#include <math.h>
#include <stdlib.h>

static double seconds(const struct n1_profile_summary *s)
{
    return (double)(s->window.to - s->window.from) / (double)N1_SECOND_NS;
}

static double share_z(double part0, double whole0, double part1, double whole1)
{
    if (whole0 <= 0 || whole1 <= 0)
        return 0;
    double pooled = (part0 + part1) / (whole0 + whole1);
    double error = sqrt(pooled * (1 - pooled) * (1 / whole0 + 1 / whole1));
    return error > 0 ? (part1 / whole1 - part0 / whole0) / error : 0;
}

static double rate_z(double count0, double seconds0, double count1, double seconds1)
{
    if (seconds0 <= 0 || seconds1 <= 0 || count0 + count1 <= 0)
        return 0;
    double scale = seconds1 / seconds0;
    return (count1 - count0 * scale) / sqrt(count1 + count0 * scale * scale);
}

static int by_growth(const void *a, const void *b)
{
    const struct n1_profile_growth *x = a, *y = b;
    double grown_x = x->share_now - x->share_before, grown_y = y->share_now - y->share_before;
    if (grown_x < grown_y || grown_x > grown_y)
        return grown_x < grown_y ? 1 : -1;
    return (x->function > y->function) - (x->function < y->function);
}

size_t n1_profile_growth(const struct n1_profile *before, const struct n1_profile *now, bool total,
                         uint64_t min_samples, struct n1_profile_growth *ret, size_t cap)
{
    size_t count = 0, kept = 0;
    const struct n1_profile_summary *s0 = &before->summary, *s1 = &now->summary;
    double time0 = seconds(s0), time1 = seconds(s1), whole0 = (double)s0->samples,
           whole1 = (double)s1->samples;
    struct n1_profile_growth *all = now->function_count ? calloc(now->function_count, sizeof *all) : NULL;
    for (size_t i = 0; all && i < now->function_count; i++) {
        const struct n1_profile_function *f1 = &now->functions[i], *f0 = NULL;
        uint64_t samples = total ? f1->total_samples : f1->self_samples;
        ptrdiff_t at = n1_profile_find(before, f1->id);
        if (samples == 0 || samples < min_samples)
            continue;
        if (at >= 0)
            f0 = &before->functions[at];
        double part1 = (double)samples;
        double part0 = f0 ? (double)(total ? f0->total_samples : f0->self_samples) : 0;
        double ns1 = (double)(total ? f1->total_ns : f1->self_ns);
        double ns0 = f0 ? (double)(total ? f0->total_ns : f0->self_ns) : 0;
        struct n1_profile_growth g = {
            .function = (uint32_t)i,
            .share_before = whole0 > 0 ? part0 / whole0 : 0,
            .share_now = part1 / whole1,
            .share_z = share_z(part0, whole0, part1, whole1),
            .rate_before = time0 > 0 ? ns0 / (double)N1_SECOND_NS / time0 : 0,
            .rate_now = time1 > 0 ? ns1 / (double)N1_SECOND_NS / time1 : 0,
            .rate_z = rate_z(part0, time0, part1, time1),
        };
        if (g.share_now > g.share_before || g.rate_now > g.rate_before)
            all[count++] = g;
    }
    if (count)
        qsort(all, count, sizeof *all, by_growth);
    for (; kept < count && kept < cap; kept++)
        ret[kept] = all[kept];
    free(all);
    return count;
}
