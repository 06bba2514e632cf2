/*
 * Changing over: the new engine is given the targets first and the old one drained last, so that only samples
 * of some milliseconds are of both, and none is missing.
 */
#include "sampler/choose.h"

#include "sampler/engine/nonstop.h"
#include "sampler/engine/perf_attr.h"
#include "sampler/engine/ptrace.h"
#include "sampler/engine/ptrace_plan.h"
#include "sampler/watch_state.h"

#include "n1/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint32_t rate_of(const struct n1_watch *watch)
{
    if (watch->options->rate_hz > 0)
        return (uint32_t)(watch->options->rate_hz + 0.5);
    return (uint32_t)(1 / watch->config.sampling_interval_s + 0.5);
}

static bool filtered;

void n1_choose_prepare(void)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = '\0';
    const char *at = strstr(text, "\nSeccomp:");
    filtered = at && atoi(at + strlen("\nSeccomp:")) == 2;
}

enum n1_engine_why n1_choose_perf_refusal(void)
{
    switch (n1_perf_refusal()) {
    case 0:
        return N1_ENGINE_WHY_NONE;
    case -EACCES:
        return n1_perf_paranoid() > 2 ? N1_ENGINE_WHY_PARANOID : N1_ENGINE_WHY_POLICY;
    case -EPERM:
        return filtered ? N1_ENGINE_WHY_SECCOMP : N1_ENGINE_WHY_POLICY;
    default:
        return filtered ? N1_ENGINE_WHY_SECCOMP : N1_ENGINE_WHY_ABSENT;
    }
}

static void note(struct n1_watch *watch, enum n1_engine_why why)
{
    n1_writer_self(watch->w, N1_SELF_ENGINE, watch->engine.ops->kind);
    n1_writer_self(watch->w, N1_SELF_ENGINE_WHY, why);
}

static int start_perf(struct n1_watch *watch, const struct n1_engine_sink *sink, struct n1_error *reterr)
{
    bool dump = watch->options->dump; /* it needs one sample of each running thread, soon */
    uint64_t model_bytes, ring_bytes;
    n1_governor_split((uint64_t)watch->config.limit_memory_mb << 20, &model_bytes, &ring_bytes);
    struct n1_perf_config config = {
        .rate_hz = dump ? 1000 : rate_of(watch),
        .assume_cpus = watch->options->cpus,
        .budget_bytes = ring_bytes,
        .follow_children = watch->options->children,
        .drain_ms = dump ? 10 : 100,
    };
    struct n1_perf *perf;
    int rc = n1_perf_create(&config, sink, &perf, reterr);
    if (rc == 0)
        watch->engine = n1_perf_engine(perf);
    return rc;
}

static int start_ptrace(struct n1_watch *watch, struct n1_engine *ret, struct n1_error *reterr)
{
    struct n1_engine_sink sink = n1_feed_sink(&watch->feed);
    struct n1_ptrace_config config = {.rate_hz =
                                          watch->options->dump ? N1_PTRACE_RATE_MAX_HZ : rate_of(watch)};
    return n1_ptrace_create(&config, &sink, ret, reterr);
}

/* Two engines were tried in vain: both refusals are said, and the remedy for the first, which is the better.
 */
static int refuse(const struct n1_error *first, const struct n1_error *second, struct n1_error *reterr)
{
    return n1_error_hint(reterr, first->code, first->hint, "%s; %s", first->what, second->what);
}

static int fall_back(struct n1_watch *watch, enum n1_engine_why why, struct n1_error *reterr)
{
    struct n1_error second = {0}, first = *reterr;
    if (start_ptrace(watch, &watch->engine, &second) < 0)
        return refuse(&first, &second, reterr);
    n1_log(N1_LOG_WARN, "choose", "stopping threads instead: %s", first.what);
    note(watch, why);
    return 0;
}

int n1_choose_engine(struct n1_watch *watch, struct n1_error *reterr)
{
    const char *engine = watch->engine_asked;
    struct n1_engine_sink sink = n1_feed_sink(&watch->feed);
    bool automatic = !strcmp(engine, "auto");
    int rc;
    if (!strcmp(engine, "nonstop"))
        rc = n1_nonstop_create(rate_of(watch), &sink, &watch->engine, reterr);
    else if (!strcmp(engine, "ptrace"))
        rc = start_ptrace(watch, &watch->engine, reterr);
    else
        rc = start_perf(watch, &sink, reterr);
    if (rc == 0)
        note(watch, automatic ? N1_ENGINE_WHY_NONE : N1_ENGINE_WHY_ASKED);
    else if (automatic && rc != -ENOMEM) {
        enum n1_engine_why why = n1_choose_perf_refusal();
        rc = fall_back(watch, why ? why : N1_ENGINE_WHY_RINGS, reterr);
    }
    return rc;
}

int n1_choose_add(struct n1_watch *watch, pid_t pid, struct n1_error *reterr)
{
    if (!watch->engine.ops)
        return 0;
    int rc = watch->engine.ops->add_process(watch->engine.self, pid, reterr);
    bool first = watch->targets.count <= 1 && watch->engine.ops->kind == N1_ENGINE_PERF;
    if (rc != N1_E_NOT_PERMITTED || !first || strcmp(watch->engine_asked, "auto"))
        return rc;
    struct n1_error why = *reterr, second = {0};
    if (n1_ptrace_permitted(pid, &second) < 0)
        return refuse(&why, &second, reterr);
    watch->engine.ops->destroy(watch->engine.self);
    watch->engine = (struct n1_engine){0};
    rc = fall_back(watch, N1_ENGINE_WHY_TARGET, reterr);
    return rc < 0 ? rc : watch->engine.ops->add_process(watch->engine.self, pid, reterr);
}

void n1_choose_again(struct n1_watch *watch)
{
    bool perf = watch->engine.ops && watch->engine.ops->kind == N1_ENGINE_PERF;
    if (!perf || watch->feed.dump || strcmp(watch->engine_asked, "auto") || !watch->targets.alive)
        return;
    for (size_t i = 0; i < watch->targets.count; i++)
        if (!watch->targets.items[i]->gone && !watch->targets.items[i]->python)
            return;
    struct n1_engine fresh;
    struct n1_error why;
    int rc = start_ptrace(watch, &fresh, &why);
    if (rc < 0) {
        n1_log(N1_LOG_WARN, "choose", "native frames only: %s", why.what);
        return;
    }
    for (size_t i = 0; i < watch->targets.count && rc == 0; i++)
        if (!watch->targets.items[i]->gone)
            rc = fresh.ops->add_process(fresh.self, watch->targets.items[i]->pid, &why);
    if (rc < 0) {
        n1_log(N1_LOG_WARN, "choose", "native frames only: %s", why.what);
        fresh.ops->destroy(fresh.self);
        return;
    }
    if (watch->paused)
        fresh.ops->pause(fresh.self, true);
    watch->engine.ops->drain(watch->engine.self, true);
    watch->engine.ops->destroy(watch->engine.self);
    watch->engine = fresh;
    watch->figures.damaged_told = 0;
    note(watch, N1_ENGINE_WHY_PYTHON);
    n1_log(N1_LOG_INFO, "choose", "CPython: threads are stopped for each sample");
}
