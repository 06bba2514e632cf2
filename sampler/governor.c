/*
 * Down: the mean of five seconds over the limit halves the rate. Up: when twice the rate is expected to stay
 * under 80 % of the limit for 20 s in a row, it doubles. A raise that is taken back within a minute doubles
 * the time the next one waits, up to 10 minutes, so that a load at the border does not make the rate swing.
 * Memory is divided beforehand; its limit lowers the rate only when names and tables have grown beyond their
 * part.
 */
#include "sampler/governor.h"

enum { CALM_S = 20, CALM_MAX_S = 600, LEAST_HZ = 2 };

#define REST_BYTES (UINT64_C(6) << 20) /* the sampler's and its helper's own, at least */
#define RINGS_BYTES (UINT64_C(16) << 20)
#define ROOM 0.8                            /* of a limit that a raise may be expected to use */
#define MEMORY_ROOM 0.9                     /* of the memory limit below which a raise is thought of */
#define MEMORY_AGAIN_NS (60 * N1_SECOND_NS) /* it grows slowly, and a lower rate gives nothing back */
#define MEMORY_DIVISOR 4                    /* so memory lowers the rate to no less than this part */
#define LASTING_NS (60 * N1_SECOND_NS)

void n1_governor_init(struct n1_governor *g, double cpu_percent, uint64_t memory_bytes)
{
    *g =
        (struct n1_governor){.cpu_percent = cpu_percent, .memory_bytes = memory_bytes, .calm_needed = CALM_S};
}

void n1_governor_split(uint64_t limit_bytes, uint64_t *ret_model_bytes, uint64_t *ret_ring_bytes)
{
    uint64_t rest = limit_bytes / 8 > REST_BYTES ? limit_bytes / 8 : REST_BYTES;
    *ret_ring_bytes = limit_bytes / 4 < RINGS_BYTES ? limit_bytes / 4 : RINGS_BYTES;
    *ret_model_bytes = limit_bytes - *ret_ring_bytes - rest;
}

static void start_anew(struct n1_governor *g)
{
    g->seconds = 0;
    g->calm = 0;
}

void n1_governor_asked(struct n1_governor *g, uint32_t hz)
{
    g->asked_hz = g->rate_hz = hz;
    g->reason = N1_GOVERNOR_NONE;
    g->calm_needed = CALM_S;
    g->raised = 0;
    start_anew(g);
}

double n1_governor_share(const struct n1_governor *g)
{
    double sum = 0;
    if (g->seconds < N1_GOVERNOR_SECONDS)
        return -1;
    for (unsigned i = 0; i < N1_GOVERNOR_SECONDS; i++)
        sum += g->shares[i];
    return sum / N1_GOVERNOR_SECONDS;
}

/* What doubling the rate would cost. Part of the cost does not grow with it: this errs on the careful side.
 */
static bool affordable(const struct n1_governor *g, double share, uint64_t memory_bytes)
{
    return (!(g->cpu_percent > 0) || share * 2 < g->cpu_percent * ROOM) &&
           (!g->memory_bytes || (double)memory_bytes < (double)g->memory_bytes * MEMORY_ROOM);
}

static uint32_t lower(struct n1_governor *g, enum n1_governor_reason reason)
{
    g->reason = reason;
    return g->rate_hz / 2 > LEAST_HZ ? g->rate_hz / 2 : g->rate_hz < LEAST_HZ ? g->rate_hz : LEAST_HZ;
}

uint32_t n1_governor_look(struct n1_governor *g, n1_ns now, uint64_t cpu_ns, uint64_t memory_bytes)
{
    n1_ns span = g->last ? now - g->last : 0;
    double share = span ? (double)(cpu_ns - g->last_cpu_ns) / (double)span * 100 : 0;
    g->last = now;
    g->last_cpu_ns = cpu_ns;
    if (!span || !g->rate_hz)
        return g->rate_hz;
    g->shares[g->seconds++ % N1_GOVERNOR_SECONDS] = share;
    double mean = n1_governor_share(g);
    if (mean < 0)
        return g->rate_hz;
    if (g->cpu_percent > 0 && mean > g->cpu_percent)
        return lower(g, N1_GOVERNOR_CPU);
    if (g->memory_bytes && memory_bytes > g->memory_bytes && g->rate_hz > g->asked_hz / MEMORY_DIVISOR &&
        (!g->memory_lowered || now - g->memory_lowered >= MEMORY_AGAIN_NS)) {
        g->memory_lowered = now;
        return lower(g, N1_GOVERNOR_MEMORY);
    }
    if (g->rate_hz >= g->asked_hz)
        return g->rate_hz;
    g->calm = affordable(g, mean, memory_bytes) ? g->calm + 1 : 0;
    if (g->calm < g->calm_needed)
        return g->rate_hz;
    return g->rate_hz * 2 < g->asked_hz ? g->rate_hz * 2 : g->asked_hz;
}

void n1_governor_applied(struct n1_governor *g, n1_ns now, uint32_t hz, bool failed)
{
    start_anew(g);
    if (failed)
        return;
    if (hz > g->rate_hz) {
        g->raised = now;
    } else if (g->raised && now - g->raised < LASTING_NS) {
        g->calm_needed = g->calm_needed * 2 < CALM_MAX_S ? g->calm_needed * 2 : CALM_MAX_S;
        g->raised = 0;
    }
    g->rate_hz = hz;
    if (hz >= g->asked_hz)
        g->reason = N1_GOVERNOR_NONE;
}
