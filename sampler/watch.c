/*
 * The loop. Wake-ups come from the engine (a ring filled to its watermark, or its drain time), from the
 * symbol helper, from n1top, from the end of a target, and once a second for the figures. Nothing in it waits
 * for anybody.
 */
#include "sampler/watch.h"

#include "sampler/choose.h"
#include "sampler/follow.h"
#include "sampler/rights.h"
#include "sampler/server.h"
#include "sampler/viewers/attend.h"
#include "sampler/watch_state.h"

#include "n1/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* screens, signals, names, engine, page faults, allocator; targets */
enum { FDS_FIXED = 6, FDS_MAX = FDS_FIXED + N1_TARGETS_MAX };

enum { WAITS_HZ = 20 }; /* sweeps a second over the threads */

static void on_remapped(void *context, const struct n1_remap *remap)
{
    struct n1_watch *watch = context;
    n1_targets_remap(&watch->targets, remap);
    n1_naming_remap(watch->naming, remap);
    n1_figures_remap(&watch->figures, &watch->targets);
    n1_alarms_remap(&watch->alarms, &watch->targets, remap);
    if (watch->waits)
        n1_waits_remap(watch->waits, remap);
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Mappings are reported from add_process on; what was there before is read after it, so nothing falls
 * between. */
int n1_watch_attach(struct n1_watch *watch, pid_t pid, bool child, struct n1_error *reterr)
{
    struct n1_target *t = NULL;
    int rc = (child ? n1_targets_adopt : n1_targets_add)(&watch->targets, pid, &watch->feed.caller, watch->w,
                                                         &t, reterr);
    if (rc == 0)
        rc = n1_choose_add(watch, pid, reterr);
    if (rc < 0)
        return rc;
    struct n1_error why;
    if (n1_space_load(&t->space, &why) < 0)
        n1_log(N1_LOG_WARN, "watch", "mappings of %d: %s", (int)pid, why.what);
    n1_target_scan_threads(t, watch->w, n1_time_mono());
    n1_feed_python_look(&watch->feed, t, n1_time_mono(), true);
    bool python_only = watch->engine.ops && watch->engine.ops->kind == N1_ENGINE_NONSTOP;
    if (python_only && !t->python && t->no_python)
        return n1_error_hint(reterr, N1_E_USAGE, "use --engine auto or perf",
                             "the engine 'nonstop' samples CPython only: %s",
                             watch->feed.python_why.code ? watch->feed.python_why.what : "this is none");
    return 0;
}

/* The descendants that are there already; one that ends meanwhile, or may not be watched, is left out. */
static void attach_children(struct n1_watch *watch)
{
    for (size_t i = 0; i < watch->targets.count; i++) { /* grows: grandchildren follow */
        pid_t pids[N1_TARGETS_MAX];
        size_t n = n1_target_children(watch->targets.items[i], pids, N1_TARGETS_MAX);
        for (size_t c = 0; c < n && !watch->targets.full; c++) {
            struct n1_error why;
            if (!n1_targets_find(&watch->targets, pids[c]) && n1_watch_attach(watch, pids[c], true, &why) < 0)
                n1_log(N1_LOG_WARN, "watch", "child %d: %s", (int)pids[c], why.what);
        }
    }
}

/* "key=value,key=value", as the model keeps them; a comma inside would be a border, so it becomes a space. */
static void join_labels(const struct n1_config_map *labels, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < labels->count; i++) {
        char one[512];
        int n = snprintf(one, sizeof one, "%s=%s", labels->pairs[i].key, labels->pairs[i].value);
        if (n < 0 || (size_t)n >= sizeof one || len + (size_t)n + 2 > cap)
            continue;
        for (char *c = one; (c = strchr(c, ','));)
            *c = ' ';
        len += (size_t)snprintf(out + len, cap - len, "%s%s", len ? "," : "", one);
    }
}

static int start(struct n1_watch *watch, struct n1_error *reterr)
{
    const struct n1_options *o = watch->options;
    int rc = n1_config_load(&watch->config, o->config, reterr);
    if (rc < 0)
        return rc;
    if (!watch->config.enabled)
        return n1_error_hint(reterr, N1_E_CONFIG, "set profiling.enabled to true",
                             "profiling is disabled in %s",
                             watch->config.source ? watch->config.source : "the configuration");
    /* A dump looks at any process once; that of nonstop alone would refuse most. */
    watch->engine_asked = o->engine ? o->engine
                          : o->dump ? "auto"
                                    : n1_config_engine_name(watch->config.engine);
    /* Whom else a caller may watch is the administrator's word, never that of a file the caller wrote. */
    bool system = watch->config.source && !strcmp(watch->config.source, "/etc/n1top/config.json");
    watch->feed.caller = n1_caller_self(system ? watch->config.allow_group : NULL);
    uint64_t model_bytes, ring_bytes;
    n1_governor_split((uint64_t)watch->config.limit_memory_mb << 20, &model_bytes, &ring_bytes);
    struct n1_writer_options options = {
        .memory_bytes = o->memory_mb ? o->memory_mb << 20 : model_bytes,
        .remapped = on_remapped,
        .context = watch,
    };
    rc = n1_writer_create(&options, &watch->w, reterr);
    if (!o->log)
        n1_rights_no_files();
    if (rc == 0)
        rc = n1_naming_create(watch->w, &watch->naming, reterr);
    if (rc == 0)
        rc = n1_walker_create(N1_WALK_FRAMES_MAX, &watch->feed.walker);
    if (rc < 0)
        return rc;
    watch->feed.w = watch->w;
    watch->feed.targets = &watch->targets;
    watch->feed.naming = watch->naming;
    watch->feed.dump = o->dump;
    watch->feed.children = o->children;
    n1_figures_init(&watch->figures, watch->w);
    rc = n1_alarms_init(&watch->alarms, &watch->feed, &watch->config, reterr);
    if (rc == 0 && n1_waits_create(&watch->feed, WAITS_HZ, &watch->waits) < 0)
        rc = n1_error_set(reterr, -ENOMEM, "out of memory");
    if (rc < 0)
        return rc;
    watch->alarms.host = watch->figures.host;
    rc = n1_attend_start(watch, reterr);
    if (rc < 0)
        return rc;
    join_labels(&watch->config.labels, watch->labels, sizeof watch->labels);
    watch->targets.labels = watch->labels;
    n1_writer_state(watch->w, N1_STATE_STARTING);
    n1_writer_heartbeat(watch->w, n1_time_mono());
    if (watch->control >= 0)
        n1_server_hello(watch->control, n1_writer_fd(watch->w));
    rc = n1_choose_engine(watch, reterr);
    if (rc < 0 && !o->dump)
        return rc;
    for (size_t i = 0; i < o->pid_count; i++) {
        rc = n1_watch_attach(watch, o->pids[i], false, reterr);
        if (rc < 0)
            return rc;
    }
    if (o->children)
        attach_children(watch);
    n1_choose_again(watch);
    if (o->faults)
        n1_watch_memory(watch, true, NULL);
    if (!watch->engine.ops)
        return 0;
    struct n1_engine_stats stats;
    watch->engine.ops->stats(watch->engine.self, &stats);
    watch->feed.kernel_frames = stats.kernel_frames;
    n1_governor_init(&watch->governor, watch->config.limit_cpu_percent,
                     (uint64_t)watch->config.limit_memory_mb << 20);
    n1_governor_asked(&watch->governor, stats.rate_asked_hz);
    n1_writer_self(watch->w, N1_SELF_ENGINE, watch->engine.ops->kind);
    if (stats.kernel_frames)
        n1_naming_prepare_kernel(watch->naming, n1_modules_kernel(&watch->targets.modules));
    return 0;
}

static void stop(struct n1_watch *watch)
{
    n1_leaks_end(&watch->leaks);
    n1_touch_stop(watch->touch);
    watch->touch = NULL;
    if (watch->engine.ops) {
        if (!watch->feed.dump)
            watch->engine.ops->drain(watch->engine.self, true);
        watch->engine.ops->destroy(watch->engine.self);
        watch->engine = (struct n1_engine){0};
    }
    if (!watch->w)
        return;
    if (watch->naming)
        n1_naming_pump(watch->naming);
    for (size_t i = 0; watch->waits && i < watch->targets.count; i++)
        n1_waits_end(watch->waits, watch->targets.items[i], n1_time_mono());
    n1_writer_flush(watch->w);
    n1_writer_heartbeat(watch->w, n1_time_mono());
    n1_writer_state(watch->w, N1_STATE_CLOSED);
}

static void finish(struct n1_watch *watch)
{
    n1_alarms_finish(&watch->alarms);
    if (watch->waits) {
        struct n1_waits_stats waits;
        n1_waits_stats(watch->waits, &waits);
        n1_log(N1_LOG_INFO, "watch",
               "waits: %llu sweeps, %llu reads, %llu looks, %llu of them too late; %llu us of CPU time",
               (unsigned long long)waits.sweeps, (unsigned long long)waits.reads,
               (unsigned long long)waits.looks, (unsigned long long)waits.moved,
               (unsigned long long)(waits.cost_ns / 1000));
    }
    n1_waits_destroy(watch->waits);
    n1_figures_finish(&watch->figures);
    n1_targets_finish(&watch->targets);
    n1_feed_python_finish(&watch->feed.python);
    n1_walker_destroy(watch->feed.walker);
    n1_naming_destroy(watch->naming);
    n1_writer_destroy(watch->w);
    n1_viewers_finish(&watch->viewers);
    n1_config_finish(&watch->config);
    if (watch->signals >= 0)
        close(watch->signals);
}

void n1_watch_drain(struct n1_watch *watch, bool all)
{
    if (watch->engine.ops)
        watch->engine.ops->drain(watch->engine.self, all);
    n1_touch_drain(watch->touch); /* after the engine: it knows the newest mappings */
    n1_watch_leaks(watch);
    n1_naming_pump(watch->naming);
    n1_writer_maintain(watch->w, n1_time_mono());
}

/* What a person should know at once, said once an occasion. */
static void tell_losses(struct n1_watch *watch)
{
    const struct n1_model_header *h = n1_writer_header(watch->w);
    uint64_t lost = h->self[N1_SELF_LOST];
    if (lost > watch->lost_told)
        n1_viewers_notice(&watch->viewers,
                          "%llu samples lost: the kernel's buffers were full; a lower rate helps",
                          (unsigned long long)(lost - watch->lost_told));
    watch->lost_told = lost;
    if (watch->feed.throttled > watch->throttled_told)
        n1_viewers_notice(&watch->viewers,
                          "the kernel throttled sampling (kernel.perf_event_max_sample_rate)");
    watch->throttled_told = watch->feed.throttled;
    if (watch->targets.full && !watch->full_told)
        n1_viewers_notice(&watch->viewers, "not every child is watched: %d processes are at most",
                          N1_TARGETS_MAX);
    watch->full_told |= watch->targets.full;
    watch->targets.full = false;
    struct n1_engine_stats stats = {0};
    if (watch->engine.ops)
        watch->engine.ops->stats(watch->engine.self, &stats);
    if (stats.traced_by && stats.traced_by != watch->tracer_told)
        n1_viewers_notice(
            &watch->viewers,
            "process %d traces the target: not sampled until it lets go (--engine perf does not mind)",
            (int)stats.traced_by);
    watch->tracer_told = stats.traced_by;
}

static const char *const governor_texts[] = {"", "own CPU limit", "own memory limit"};

/* The rate that our own limits allow. */
static void govern(struct n1_watch *watch, n1_ns now)
{
    struct n1_governor *g = &watch->governor;
    const uint64_t *self = n1_writer_header(watch->w)->self;
    if (!watch->engine.ops || !watch->targets.alive || watch->feed.dump)
        return;
    uint32_t before = g->rate_hz;
    uint32_t hz = watch->paused ? before
                                : n1_governor_look(g, now, self[N1_SELF_CPU_NS],
                                                   self[N1_SELF_MEMORY_BYTES] + self[N1_SELF_PINNED_BYTES]);
    if (hz != before) {
        double share = n1_governor_share(g);
        enum n1_governor_reason reason = g->reason;
        bool failed = watch->engine.ops->set_rate(watch->engine.self, hz) < 0;
        n1_governor_applied(g, now, hz, failed);
        n1_viewers_notice(
            &watch->viewers, "rate %u to %u Hz: %s (%.1f %% of a CPU, %llu MB)%s", before, hz,
            hz < before ? governor_texts[reason] : "own limits allow it again", share,
            (unsigned long long)((self[N1_SELF_MEMORY_BYTES] + self[N1_SELF_PINNED_BYTES]) >> 20),
            failed ? ", refused by the kernel" : "");
    }
    n1_writer_self(watch->w, N1_SELF_RATE_ASKED, g->asked_hz);
    struct n1_engine_stats stats;
    watch->engine.ops->stats(watch->engine.self, &stats);
    if (stats.slowed_hz && !watch->slowed_told)
        n1_viewers_notice(
            &watch->viewers,
            "%u Hz only: each of its many context switches sets a timer; CAP_PERFMON avoids that",
            stats.slowed_hz);
    watch->slowed_told |= stats.slowed_hz != 0;
    n1_writer_self(watch->w, N1_SELF_GOVERNOR, stats.slowed_hz ? N1_GOVERNOR_SWITCHES : g->reason);
}

static void end_of_target(struct n1_watch *watch, struct n1_target *t, n1_ns now)
{
    n1_watch_drain(watch, true);
    n1_waits_end(watch->waits, t, now);
    n1_target_ended(&watch->targets, t, watch->w, now);
    n1_touch_forget(watch->touch, t->pid);
    if (watch->engine.ops)
        watch->engine.ops->remove_process(watch->engine.self, t->pid);
    if (!watch->feed.dump) /* a recording ends now: the log must know before it does */
        n1_alarms_look(&watch->alarms, &watch->targets, now);
    if (!watch->targets.alive) {
        n1_writer_flush(watch->w);
        n1_writer_state(watch->w, N1_STATE_TARGET_GONE);
    }
}

static void tick(struct n1_watch *watch, n1_ns now)
{
    if (watch->engine.ops && watch->engine.ops->kind != N1_ENGINE_PERF)
        n1_follow(watch);
    for (size_t i = 0; i < watch->targets.count; i++)
        if (!watch->targets.items[i]->gone) {
            n1_target_scan_threads(watch->targets.items[i], watch->w, now);
            n1_feed_python_look(&watch->feed, watch->targets.items[i], now, false);
        }
    n1_choose_again(watch);
    n1_figures_read(&watch->figures, &watch->targets, now);
    n1_touch_tick(watch->touch, now);
    if (!watch->feed.dump)
        n1_alarms_look(&watch->alarms, &watch->targets, now);
    n1_figures_self(&watch->figures, &watch->targets, watch->naming, &watch->engine, now);
    n1_figures_coverage(&watch->figures, &watch->targets, watch->sampled);
    watch->sampled = watch->engine.ops && !watch->paused;
    govern(watch, now);
    if (watch->engine.ops && watch->engine.ops->set_stack && watch->targets.alive &&
        n1_stack_fit(&watch->stack_fit, &watch->feed.need, &watch->engine) > 0)
        n1_viewers_notice(&watch->viewers, "stacks are deep: copying more of each from now on");
    tell_losses(watch);
    n1_attend_tick(watch, now);
}

static size_t poll_set(const struct n1_watch *watch, struct pollfd *fds, size_t *ret_targets)
{
    size_t n = 0;
    fds[n++] = (struct pollfd){.fd = n1_viewers_fd(&watch->viewers), .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = watch->signals, .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = n1_naming_fd(watch->naming), .events = POLLIN};
    bool sampling = watch->engine.ops && watch->targets.alive;
    fds[n++] =
        (struct pollfd){.fd = sampling ? watch->engine.ops->fd(watch->engine.self) : -1, .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = n1_touch_fd(watch->touch), .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = n1_leaks_fd(&watch->leaks), .events = POLLIN};
    *ret_targets = n;
    for (size_t i = 0; i < watch->targets.count && n < FDS_MAX; i++)
        fds[n++] = (struct pollfd){
            .fd = watch->targets.items[i]->gone ? -1 : watch->targets.items[i]->process->pidfd,
            .events = POLLIN};
    return n;
}

/* A hang-up of the terminal is the screen's business when we are to outlive it. */
static void take_signals(struct n1_watch *watch)
{
    struct signalfd_siginfo info;
    while (read(watch->signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo != SIGHUP || watch->options->linger_s <= 0)
            watch->stop = true;
}

static void loop(struct n1_watch *watch)
{
    struct pollfd fds[FDS_MAX];
    size_t first_target;
    watch->next_tick = n1_time_mono();
    while (!watch->stop) {
        n1_ns now = n1_time_mono();
        if (now >= watch->next_tick) {
            tick(watch, now);
            watch->next_tick += N1_SECOND_NS;
            if (watch->next_tick <= now)
                watch->next_tick = now + N1_SECOND_NS;
        }
        bool sweeps = watch->targets.alive && !watch->paused && !watch->feed.dump;
        if (sweeps && now >= n1_waits_due(watch->waits)) {
            n1_waits_sweep(watch->waits, now);
            n1_naming_pump(watch->naming);
        }
        size_t n = poll_set(watch, fds, &first_target);
        n1_ns next = watch->next_tick;
        if (sweeps && n1_waits_due(watch->waits) < next)
            next = n1_waits_due(watch->waits);
        now = n1_time_mono();
        int wait_ms = next > now ? (int)((next - now) / 1000000 + 1) : 0;
        if (watch->names_asked && wait_ms > 20)
            wait_ms = 20;
        if (wait_ms < 0)
            wait_ms = 0;
        if (poll(fds, n, wait_ms) < 0 && errno != EINTR)
            break;
        now = n1_time_mono();
        n1_writer_heartbeat(watch->w, now);
        if (fds[3].revents || fds[4].revents || fds[5].revents)
            n1_watch_drain(watch, false);
        else if (fds[2].revents)
            n1_naming_pump(watch->naming);
        for (size_t i = 0; i < watch->targets.count && first_target + i < n; i++)
            if (fds[first_target + i].revents && n1_process_poll(watch->targets.items[i]->process))
                end_of_target(watch, watch->targets.items[i], now);
        n1_targets_bury(&watch->targets);
        if (fds[0].revents)
            n1_attend_pump(watch);
        if (fds[1].revents)
            take_signals(watch);
        n1_watch_answer_names(watch, now);
    }
}

static int fail(const struct n1_watch *watch, const struct n1_error *err)
{
    if (watch->control < 0)
        return n1_error_print(err);
    n1_server_failed(watch->control, err);
    return n1_error_exit_status(err->code);
}

int n1_watch_run(const struct n1_options *options)
{
    static struct n1_watch watch; /* large, and there is one */
    struct n1_error err = {0};
    watch = (struct n1_watch){.options = options,
                              .control = options->control,
                              .viewers = {.epoll = -1, .listener = -1, .folder = -1}};
    watch.signals = open_signals();
    prctl(PR_SET_TIMERSLACK, 50000);
    if (options->log)
        n1_log_open(options->log, N1_LOG_DEBUG);
    n1_targets_init(&watch.targets);
    n1_choose_prepare();
    int rc = n1_rights_check(&err);
    if (rc == 0)
        rc = n1_rights_reduce(&err);
    if (rc == 0)
        rc = start(&watch, &err);
    if (rc == 0 && options->dump)
        rc = n1_watch_dump(&watch, &err);
    int status = 0;
    if (rc < 0) {
        if (!err.code)
            n1_error_set(&err, rc, "the sampler could not start: %s", strerror(rc > -1000 ? -rc : EINVAL));
        status = fail(&watch, &err);
    } else {
        n1_writer_state(watch.w, N1_STATE_LIVE);
        if (watch.control >= 0)
            n1_server_ready(watch.control);
        loop(&watch);
    }
    stop(&watch);
    if (rc == 0 && watch.control >= 0)
        n1_server_done(watch.control, N1_CONTROL_DETACH, NULL);
    finish(&watch);
    return status;
}
