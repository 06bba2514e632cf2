/*
 * Which functions are behind an episode: those whose CPU time a second grew most between the time before it
 * and its span, beyond what sampling explains. Pure; any thread.
 */
#ifndef N1_CULPRIT_H
#define N1_CULPRIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A function's figures (total: time with it anywhere on the stack) before and during the episode. */
struct n1_culprit_candidate {
    uint64_t samples;             /* in the span */
    double rate_before, rate_now; /* of whatever is counted (CPU seconds, bytes) a second */
    double z;                     /* growth over its counting error */
    double depth;                 /* mean distance from the stack's root */
    bool runtime;                 /* of the C or C++ runtime, or the kernel: seldom the one to look at */
};

/* Chooses at most `cap` of `n` candidates, the likeliest first, as indices; returns how many. Left out: fewer
 * than 5 samples, z under 4, less than a twentieth of the largest growth. First come those that grew most and
 * did little before (growth times the square of its part of the rate now); among near equals, which are
 * callers of one another, one that is not the runtime's, the deepest first: so `culprit` and neither `main`
 * above it nor `memset` below it. 0 when nothing grew beyond noise: unknown is not a guess. */
size_t n1_culprit_choose(const struct n1_culprit_candidate *candidates, size_t n, uint32_t *ret, size_t cap);

struct n1_profile;
/* The culprits between two profiles (n1/profile.h), as indices into the functions of `now`: each by what the
 * ones before it do not explain, then callers that did little else. Returns how many, at most `cap`
 * and 8. Allocates while it runs; 0 when that fails. */
size_t n1_culprits_of_profiles(const struct n1_profile *before, const struct n1_profile *now, uint32_t *ret,
                               size_t cap);

#endif
