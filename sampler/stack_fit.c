/*
 * Down once enough walks have shown that less is plenty; up as soon as more than one in two hundred is cut
 * short, and from then on never again down to what was too little.
 */
#include "sampler/stack_fit.h"

#include "n1/log.h"

enum { LEAST = 1024, USUAL = 16384, MOST = 32768, STEP = 512 };
enum { ENOUGH_WALKS = 200, ENOUGH_SHORT = 3, FORGET_WALKS = 4000 };

uint32_t n1_stack_fit_bytes(const struct n1_stack_fit *fit, const struct n1_stack_need *need, uint32_t bytes)
{
    if (need->too_short >= ENOUGH_SHORT && need->too_short * 200 > need->walks)
        return bytes >= USUAL ? MOST : bytes * 4 < USUAL ? bytes * 4 : USUAL;
    if (need->walks < ENOUGH_WALKS || need->too_short)
        return bytes;
    /* A copy that reaches beyond the stack's end costs the target a page fault: so little more than needed.
     */
    uint64_t want = (need->most_bytes + need->most_bytes / 2 + 2 * STEP - 1) / STEP * STEP;
    if (want < LEAST)
        want = LEAST;
    if (want <= fit->too_little)
        want = fit->too_little * 2;
    /* A change opens every event anew, so only a fair gain is worth one. */
    return want * 4 <= (uint64_t)bytes * 3 ? (uint32_t)want : bytes;
}

/* Old walks lose their weight, or a change of habits after an hour would take an hour to be seen. */
static void forget(struct n1_stack_need *need)
{
    if (need->walks < FORGET_WALKS)
        return;
    need->walks /= 2;
    need->too_short /= 2;
}

int n1_stack_fit(struct n1_stack_fit *fit, struct n1_stack_need *need, const struct n1_engine *engine)
{
    struct n1_engine_stats stats;
    engine->ops->stats(engine->self, &stats);
    uint32_t bytes = n1_stack_fit_bytes(fit, need, stats.stack_bytes);
    need->copied = stats.stack_bytes;
    forget(need);
    if (bytes == stats.stack_bytes || bytes == fit->failed_bytes)
        return 0;
    if (engine->ops->set_stack(engine->self, bytes) < 0) {
        fit->failed_bytes = bytes;
        return 0;
    }
    n1_log(N1_LOG_INFO, "stack",
           "copying %u bytes with each sample, not %u: %llu walks needed %llu at most, %llu were cut", bytes,
           stats.stack_bytes, (unsigned long long)need->walks, (unsigned long long)need->most_bytes,
           (unsigned long long)need->too_short);
    *need = (struct n1_stack_need){.copied = bytes};
    if (bytes > stats.stack_bytes && stats.stack_bytes > fit->too_little)
        fit->too_little = stats.stack_bytes;
    return bytes > stats.stack_bytes ? 1 : -1;
}
