/*
 * Differences. Shares are compared as two proportions, rates as two Poisson counts over their times; samples
 * are counted, not weighed, so that the errors are those of counting. Both sides are made lists of the same
 * shape first, and then there is one comparison.
 */
#include "n1/difference.h"

#include "n1/time.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

double n1_difference_z(double count0, double whole0, double seconds0, double count1, double whole1,
                       double seconds1, bool share)
{
    if (share) {
        if (whole0 <= 0 || whole1 <= 0)
            return 0;
        double pooled = (count0 + count1) / (whole0 + whole1);
        double error = sqrt(pooled * (1 - pooled) * (1 / whole0 + 1 / whole1));
        return error > 0 ? (count1 / whole1 - count0 / whole0) / error : 0;
    }
    if (seconds0 <= 0 || seconds1 <= 0 || count0 + count1 <= 0)
        return 0;
    /* Under "no change" the two counts are shares of their sum as the times are of theirs. */
    double all = count0 + count1, expected = all * seconds1 / (seconds0 + seconds1);
    double error = sqrt(all * (seconds1 / (seconds0 + seconds1)) * (seconds0 / (seconds0 + seconds1)));
    return error > 0 ? (count1 - expected) / error : 0;
}

enum n1_change n1_difference_kind(double count0, double count1, double z)
{
    if (!(fabs(z) >= N1_DIFFERENCE_Z))
        return N1_CHANGE_NOISE;
    if (z > 0)
        return count0 > 0 ? N1_CHANGE_MORE : N1_CHANGE_NEW;
    return count1 > 0 ? N1_CHANGE_LESS : N1_CHANGE_GONE;
}

struct whole {
    double samples, seconds, weight_s;
};

static struct whole whole_of(const struct n1_profile *p)
{
    const struct n1_profile_summary *s = n1_profile_summary(p);
    return (struct whole){(double)s->samples, (double)(s->window.to - s->window.from) / 1e9,
                          (double)s->weight_ns / 1e9};
}

struct figures {
    double samples, cpu_s;
};

static struct figures figures_of(const struct n1_profile_function *f, bool total)
{
    return (struct figures){(double)(total ? f->total_samples : f->self_samples),
                            (double)(total ? f->total_ns : f->self_ns) / 1e9};
}

static double value_of(struct figures f, struct whole w, bool share)
{
    if (share)
        return w.weight_s > 0 ? f.cpu_s / w.weight_s * 100 : 0;
    return w.seconds > 0 ? f.cpu_s / w.seconds * 100 : NAN;
}

static void fill(struct n1_difference *d, struct figures f0, struct whole w0, struct figures f1,
                 struct whole w1, bool share)
{
    d->before_value = value_of(f0, w0, share);
    d->now_value = value_of(f1, w1, share);
    d->change = d->now_value - d->before_value;
    d->z = n1_difference_z(f0.samples, w0.samples, w0.seconds, f1.samples, w1.samples, w1.seconds, share);
    d->kind_of_change = n1_difference_kind(f0.samples, f1.samples, d->z);
}

static int by_change(const void *a, const void *b)
{
    const struct n1_difference *x = a, *y = b;
    bool p = x->kind_of_change != N1_CHANGE_NOISE, q = y->kind_of_change != N1_CHANGE_NOISE;
    double m = isnan(x->change) ? 0 : fabs(x->change), n = isnan(y->change) ? 0 : fabs(y->change);
    if (p != q)
        return p ? -1 : 1;
    if (m != n)
        return m < n ? 1 : -1;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

ptrdiff_t n1_difference_profiles(const struct n1_profile *before, const struct n1_profile *now,
                                 const struct n1_difference_options *options, struct n1_difference **ret)
{
    size_t count0, count1, used = 0;
    const struct n1_profile_function *f0 = n1_profile_functions(before, &count0),
                                     *f1 = n1_profile_functions(now, &count1);
    struct whole w0 = whole_of(before), w1 = whole_of(now);
    struct n1_difference *all = calloc(count0 + count1 + 1, sizeof *all);
    if (!all)
        return -ENOMEM;
    for (size_t i = 0; i < count1; i++) {
        ptrdiff_t at = n1_profile_find(before, f1[i].id);
        struct figures a = {0}, b = figures_of(&f1[i], options->total);
        if (at >= 0 && (size_t)at < count0)
            a = figures_of(&f0[at], options->total);
        if (a.samples == 0 && b.samples == 0)
            continue;
        struct n1_difference *d = &all[used++];
        *d = (struct n1_difference){.id = f1[i].id,
                                    .now = (uint32_t)i,
                                    .before = at >= 0 ? (uint32_t)at : UINT32_MAX,
                                    .name = f1[i].name,
                                    .module_name = f1[i].module_name,
                                    .kind = f1[i].kind};
        fill(d, a, w0, b, w1, options->share);
    }
    for (size_t i = 0; i < count0; i++) {
        if (n1_profile_find(now, f0[i].id) >= 0)
            continue;
        struct figures a = figures_of(&f0[i], options->total), none = {0};
        if (a.samples == 0)
            continue;
        struct n1_difference *d = &all[used++];
        *d = (struct n1_difference){.id = f0[i].id,
                                    .now = UINT32_MAX,
                                    .before = (uint32_t)i,
                                    .name = f0[i].name,
                                    .module_name = f0[i].module_name,
                                    .kind = f0[i].kind};
        fill(d, a, w0, none, w1, options->share);
    }
    qsort(all, used, sizeof *all, by_change);
    *ret = all;
    return (ptrdiff_t)used;
}

/* --- a saved side: matched by name and module, through an index sorted by both --- */

struct name {
    const char *name, *module;
    uint32_t index;
};

static int by_name(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->module, y->module);
}

ptrdiff_t n1_difference_saved(const struct n1_past *before, const struct n1_profile *now,
                              const struct n1_difference_options *options, struct n1_difference **ret)
{
    size_t count1, used = 0;
    const struct n1_profile_function *f1 = n1_profile_functions(now, &count1);
    struct whole w0 = {before->samples, before->seconds, before->weight_s}, w1 = whole_of(now);
    struct n1_difference *all = calloc(before->count + count1 + 1, sizeof *all);
    struct name *names = calloc(count1 + 1, sizeof *names);
    uint32_t *of_now = calloc(count1 + 1, sizeof *of_now); /* index before of each function now, plus one */
    if (!all || !names || !of_now) {
        free(all);
        free(names);
        free(of_now);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count1; i++)
        names[i] = (struct name){f1[i].name, f1[i].module_name, (uint32_t)i};
    qsort(names, count1, sizeof *names, by_name);
    for (size_t i = 0; i < before->count; i++) {
        const struct n1_past_function *p = &before->functions[i];
        struct figures a = {options->total ? p->total_samples : p->self_samples,
                            options->total ? p->total_s : p->self_s};
        struct name key = {p->name, p->module_name, 0};
        const struct name *found = bsearch(&key, names, count1, sizeof *names, by_name);
        struct figures b = found ? figures_of(&f1[found->index], options->total) : (struct figures){0};
        if (found)
            of_now[found->index] = (uint32_t)i + 1;
        if (a.samples == 0 && b.samples == 0)
            continue;
        struct n1_difference *d = &all[used++];
        *d = (struct n1_difference){.id = found ? f1[found->index].id : 0,
                                    .now = found ? found->index : UINT32_MAX,
                                    .before = (uint32_t)i,
                                    .name = p->name,
                                    .module_name = p->module_name,
                                    .kind = p->kind};
        fill(d, a, w0, b, w1, options->share);
    }
    for (size_t i = 0; i < count1; i++) {
        struct figures none = {0}, b = figures_of(&f1[i], options->total);
        if (of_now[i] || b.samples == 0)
            continue;
        struct n1_difference *d = &all[used++];
        *d = (struct n1_difference){.id = f1[i].id,
                                    .now = (uint32_t)i,
                                    .before = UINT32_MAX,
                                    .name = f1[i].name,
                                    .module_name = f1[i].module_name,
                                    .kind = f1[i].kind};
        fill(d, none, w0, b, w1, options->share);
    }
    free(names);
    free(of_now);
    qsort(all, used, sizeof *all, by_change);
    *ret = all;
    return (ptrdiff_t)used;
}
