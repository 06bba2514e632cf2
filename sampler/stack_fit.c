/*
 * Down once enough walks have shown that a quarter is plenty; up as soon as more than one in a hundred is cut
 * short.
 */
#include "sampler/stack_fit.h"

enum { LEAST = 1024, USUAL = 16384, MOST = 32768, ENOUGH_WALKS = 500, ENOUGH_TO_RAISE = 200 };

uint32_t n1_stack_fit_bytes(const struct n1_stack_fit *fit, const struct n1_stack_need *need, uint32_t bytes)
{
    if (need->walks >= ENOUGH_TO_RAISE && need->too_short * 100 > need->walks)
        return bytes < USUAL ? USUAL : MOST;
    if (fit->raised || need->walks < ENOUGH_WALKS || need->too_short)
        return bytes;
    uint32_t want = LEAST;
    while (want < need->most_bytes * 2 && want < bytes)
        want *= 2;
    /* A change costs each thread half a period, so only a large gain is worth one. */
    return want * 4 <= bytes ? want : bytes;
}

int n1_stack_fit(struct n1_stack_fit *fit, struct n1_stack_need *need, struct n1_perf *perf)
{
    struct n1_perf_stats stats;
    n1_perf_stats(perf, &stats);
    uint32_t bytes = n1_stack_fit_bytes(fit, need, stats.stack_bytes);
    if (bytes == stats.stack_bytes || bytes == fit->failed_bytes)
        return 0;
    if (n1_perf_set_stack(perf, bytes) < 0) {
        fit->failed_bytes = bytes;
        return 0;
    }
    *need = (struct n1_stack_need){0};
    fit->raised |= bytes > stats.stack_bytes;
    return bytes > stats.stack_bytes ? 1 : -1;
}
