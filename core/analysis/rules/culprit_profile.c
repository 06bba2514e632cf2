/*
 * The culprits of an episode from two profiles: every function that grew becomes a candidate with its mean
 * depth.
 */
#include "n1/culprit.h"
#include "n1/profile.h"

#include <stdlib.h>
#include <string.h>

enum { CANDIDATES_MAX = 4096, LEAST_SAMPLES = 5 };

/* Modules that run in every program: the C and C++ libraries, the loader, the kernel's own. */
static bool is_runtime(const struct n1_profile_function *f)
{
    static const char *const starts[] = {"libc.so",   "libc-",    "libm.so",  "libm-", "libpthread",
                                         "libstdc++", "libgcc_s", "ld-linux", "[vdso]"};
    if (f->kind == N1_KIND_KERNEL)
        return true;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (!strncmp(f->module_name, starts[i], strlen(starts[i])))
            return true;
    return false;
}

/* Mean depth of each function, weighted by the time below it. The caller frees; NULL without memory. */
static double *depths_of(const struct n1_profile *p, size_t functions)
{
    size_t count;
    const struct n1_profile_node *nodes = n1_profile_nodes(p, &count);
    double *depth = calloc(functions + 1, sizeof *depth), *weight = calloc(functions + 1, sizeof *weight);
    for (size_t i = 0; depth && weight && i < count; i++) {
        if (nodes[i].function >= functions)
            continue;
        depth[nodes[i].function] += (double)nodes[i].depth * (double)nodes[i].total_ns;
        weight[nodes[i].function] += (double)nodes[i].total_ns;
    }
    for (size_t i = 0; depth && weight && i < functions; i++)
        depth[i] = weight[i] > 0 ? depth[i] / weight[i] : 0;
    free(weight);
    return depth;
}

size_t n1_culprits_of_profiles(const struct n1_profile *before, const struct n1_profile *now, uint32_t *ret,
                               size_t cap)
{
    size_t functions, chosen = 0;
    const struct n1_profile_function *list = n1_profile_functions(now, &functions);
    struct n1_profile_growth *grown = calloc(CANDIDATES_MAX, sizeof *grown);
    struct n1_culprit_candidate *candidates = calloc(CANDIDATES_MAX, sizeof *candidates);
    double *depths = depths_of(now, functions);
    if (grown && candidates && depths) {
        size_t n = n1_profile_growth(before, now, true, LEAST_SAMPLES, grown, CANDIDATES_MAX);
        n = n < CANDIDATES_MAX ? n : CANDIDATES_MAX;
        for (size_t i = 0; i < n; i++)
            candidates[i] = (struct n1_culprit_candidate){
                .samples = list[grown[i].function].total_samples,
                .rate_before = grown[i].rate_before,
                .rate_now = grown[i].rate_now,
                .z = grown[i].rate_z,
                .depth = depths[grown[i].function],
                .runtime = is_runtime(&list[grown[i].function]),
            };
        chosen = n1_culprit_choose(candidates, n, ret, cap);
        for (size_t i = 0; i < chosen; i++)
            ret[i] = grown[ret[i]].function;
    }
    free(depths);
    free(candidates);
    free(grown);
    return chosen;
}
