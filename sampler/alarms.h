/*
 * The anomaly rules at work: once a second each target's figures are fed to its rules, and what they notice
 * goes into the model's log with the functions behind it. Reads its own model through a reader, as the screen
 * would. Sampler thread only.
 */
#ifndef N1_SAMPLER_ALARMS_H
#define N1_SAMPLER_ALARMS_H

#include "sampler/seen.h"

#include "n1/profile.h"
#include "n1/rule.h"
#include "n1/waits.h"

enum { N1_ALARMS_OPEN_MAX = 32 };

/* An episode that may still change in the log. */
struct n1_alarm {
    pid_t pid;
    struct n1_rule_event event;    /* as it was last told */
    struct n1_model_anomaly entry; /* as it stands in the log */
    uint64_t index;                /* where, in the model's ring */
    bool look_again;               /* names were not there yet */
    n1_ns begun;                   /* when it was entered */
    struct n1_stacks *stacks;      /* of blocked threads when it began; NULL: not wanted */
};

struct n1_alarms {
    struct n1_writer *w;
    struct n1_feed *feed;
    struct n1_reader *reader;
    struct n1_profile *before, *now;
    struct n1_wait_view *waits_before, *waits_now;
    struct n1_rule_params params[N1_RULE_COUNT];
    struct n1_alarm open[N1_ALARMS_OPEN_MAX];
    size_t open_count;
    const struct n1_metrics *host; /* figures of the host; NULL: none */
    n1_ns touched_since;           /* page faults are sampled since; 0: they are not */
};

/* Errors: those of the rules' configuration, -ENOMEM. */
int n1_alarms_init(struct n1_alarms *alarms, struct n1_feed *feed, const struct n1_config *config,
                   struct n1_error *reterr);
void n1_alarms_finish(struct n1_alarms *alarms);

/* Feeds and evaluates every target's rules; `now` is that of the pass of figures. */
void n1_alarms_look(struct n1_alarms *alarms, struct n1_targets *targets, n1_ns now);

/* Rules about waiting have culprits and resources of their own (alarms_waits.c): who waits for what, or whose
 * CPU time the quota, the hypervisor or the queue takes. Called within a pass of alarms->reader; fills what
 * it finds into alarm->entry. */
bool n1_alarm_of_waits(enum n1_rule rule);
void n1_alarm_waits(struct n1_alarms *alarms, const struct n1_target *t, struct n1_alarm *alarm, n1_ns now);

/* After a generation step. */
void n1_alarms_remap(struct n1_alarms *alarms, struct n1_targets *targets, const struct n1_remap *remap);

#endif
