/*
 * What a run of the sampler holds together; private to watch*.c and dump.c.
 */
#ifndef N1_SAMPLER_WATCH_STATE_H
#define N1_SAMPLER_WATCH_STATE_H

#include "sampler/alarms.h"
#include "sampler/engine/nonstop.h"
#include "sampler/engine/perf.h"
#include "sampler/feed.h"
#include "sampler/figures.h"
#include "sampler/governor.h"
#include "sampler/memory/first_touch.h"
#include "sampler/memory/leaks.h"
#include "sampler/options.h"
#include "sampler/stack_fit.h"
#include "sampler/viewers/linger.h"
#include "sampler/viewers/viewers.h"
#include "sampler/waits/waits.h"

#include "n1/config.h"
#include "n1/control.h"

struct n1_watch {
    const struct n1_options *options;
    struct n1_config config;
    const char *engine_asked; /* by --engine, else by the configuration */
    struct n1_writer *w;
    struct n1_targets targets;
    struct n1_naming *naming;
    struct n1_engine engine; /* none when refused (dumps work without) */
    struct n1_feed feed;
    struct n1_figures figures;
    struct n1_alarms alarms;
    struct n1_stack_fit stack_fit;
    struct n1_governor governor;
    char labels[2048];
    bool slowed_told, full_told;
    bool sampled;           /* since the last tick, without a pause */
    struct n1_touch *touch; /* NULL: page faults are not sampled */
    struct n1_leaks leaks;
    int control; /* socket of the screen in control, -1: none */
    int signals;
    struct n1_viewers viewers;
    struct n1_linger linger;
    n1_ns started, linger_default;
    struct n1_waits *waits;
    n1_ns next_tick;
    bool stop, paused;
    bool over_budget;     /* sampling was stopped because it cost too much with nobody watching */
    uint32_t names_asked; /* command to answer when every name is known; 0: none */
    n1_ns names_deadline;
    uint64_t lost_told, throttled_told;
    pid_t tracer_told; /* the debugger that was spoken of */
};

/* Opens a process and samples it from now on; `child`: of another target. Errors as n1_targets_add() and the
 * engine's. */
int n1_watch_attach(struct n1_watch *watch, pid_t pid, bool child, struct n1_error *reterr);

/* Takes the stack of every thread once (sampler/dump.c). */
int n1_watch_dump(struct n1_watch *watch, struct n1_error *reterr);

/* One command of n1top (sampler/commands.c). */
void n1_watch_command(struct n1_watch *watch, const struct n1_control *command);
/* Stops or resumes sampling; -errno when the engine refuses. */
int n1_watch_pause(struct n1_watch *watch, bool paused);
/* Answers a NAME_ALL or LINES whose names are all there, or whose time is over. */
void n1_watch_answer_names(struct n1_watch *watch, n1_ns now);

/* Starts or stops to sample page faults. Refused, it goes on without; the reason is logged and in *reterr
 * (which may be NULL). */
int n1_watch_memory(struct n1_watch *watch, bool on, struct n1_error *reterr);

/* Takes what probes of the allocator told, and answers a LEAKS that can be answered now. */
void n1_watch_leaks(struct n1_watch *watch);

/* Delivers everything the engine holds, and names what is new. */
void n1_watch_drain(struct n1_watch *watch, bool all);

#endif
