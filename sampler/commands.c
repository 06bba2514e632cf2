/*
 * What n1top may ask for while the sampler runs.
 */
#include "sampler/server.h"
#include "sampler/watch_state.h"

#include "n1/log.h"

#include <errno.h>
#include <string.h>

/* A recording waits for its names so long; a file without some of them is better than none. */
static const n1_ns NAMES_NS = 15 * N1_SECOND_NS;

static void rate(struct n1_watch *watch, uint64_t hz)
{
    struct n1_error err = {0};
    if (hz < 1 || hz > 20000)
        n1_error_set(&err, N1_E_USAGE, "the rate must lie between 1 and 20000 Hz");
    else if (!watch->engine.ops)
        n1_error_set(&err, N1_E_FAILED, "nothing is being sampled");
    else if (watch->engine.ops->set_rate(watch->engine.self, (uint32_t)hz) < 0)
        n1_error_set(&err, N1_E_FAILED, "the kernel refused the rate");
    else
        n1_governor_asked(&watch->governor, (uint32_t)hz);
    n1_server_done(watch->control, N1_CONTROL_RATE, &err);
}

int n1_watch_pause(struct n1_watch *watch, bool paused)
{
    int rc = watch->engine.ops ? watch->engine.ops->pause(watch->engine.self, paused) : -ENODEV;
    if (rc == 0)
        watch->paused = paused;
    watch->sampled = false;
    if (watch->targets.alive)
        n1_writer_state(watch->w, watch->paused ? N1_STATE_PAUSED : N1_STATE_LIVE);
    return rc;
}

static void pause_sampling(struct n1_watch *watch, bool paused)
{
    struct n1_error err = {0};
    if (n1_watch_pause(watch, paused) < 0)
        n1_error_set(&err, N1_E_FAILED, "sampling could not be %s", paused ? "paused" : "resumed");
    n1_server_done(watch->control, N1_CONTROL_PAUSE, &err);
}

static void mark(struct n1_watch *watch, const char *text)
{
    n1_ns now = n1_time_mono();
    struct n1_model_anomaly note = {
        .start = now,
        .end = now,
        .process = watch->targets.count ? watch->targets.items[0]->id : 0,
        .rule = n1_writer_string_z(watch->w, "mark"),
        .severity = N1_SEVERITY_INFO,
        .text = n1_writer_string_z(watch->w, text[0] ? text : "mark"),
    };
    n1_writer_anomaly(watch->w, &note);
    n1_server_done(watch->control, N1_CONTROL_MARK, NULL);
}

int n1_watch_memory(struct n1_watch *watch, bool on, struct n1_error *reterr)
{
    struct n1_error why = {0};
    int rc = 0;
    if (on && !watch->touch) {
        rc = n1_touch_start(&watch->feed, &watch->touch, &why);
        watch->alarms.touched_since = rc < 0 ? 0 : n1_time_mono();
        if (rc < 0) {
            n1_log(N1_LOG_WARN, "watch", "page faults: %s", why.what);
            if (reterr)
                *reterr = why;
        }
    } else if (!on) {
        n1_touch_stop(watch->touch);
        watch->touch = NULL;
        watch->alarms.touched_since = 0;
    }
    return rc;
}

static void memory(struct n1_watch *watch, bool on)
{
    struct n1_error err = {0};
    n1_watch_memory(watch, on, &err);
    n1_server_done(watch->control, N1_CONTROL_MEMORY, &err);
}

static void leaks(struct n1_watch *watch, uint64_t how)
{
    struct n1_error err = {0};
    struct n1_target *t = watch->targets.count ? watch->targets.items[0] : NULL;
    int rc = 0;
    if (how == N1_LEAKS_END)
        n1_leaks_end(&watch->leaks);
    else if (how > N1_LEAKS_NO_TRACE || !t || t->gone)
        n1_error_set(&err, N1_E_USAGE, "there is no process to look at");
    else
        rc = n1_leaks_begin(&watch->leaks, &watch->feed, t, (enum n1_control_leaks)how, &err);
    if (rc != 1)
        n1_server_done(watch->control, N1_CONTROL_LEAKS, &err);
}

void n1_watch_leaks(struct n1_watch *watch)
{
    struct n1_error err;
    int rc = n1_leaks_drain(&watch->leaks, &err);
    if (rc == 1)
        n1_server_done(watch->control, N1_CONTROL_LEAKS, &err);
    else if (rc == 2)
        n1_viewers_notice(&watch->viewers, "%s", err.what);
}

static void ask_names(struct n1_watch *watch, const struct n1_control *command)
{
    n1_watch_drain(watch, true);
    if (command->type == N1_CONTROL_LINES)
        n1_naming_want_lines(watch->naming);
    watch->names_asked = command->type;
    watch->names_deadline = n1_time_mono() + (command->value ? command->value : NAMES_NS);
    n1_naming_hurry(watch->naming);
    n1_naming_pump(watch->naming);
}

void n1_watch_answer_names(struct n1_watch *watch, n1_ns now)
{
    if (!watch->names_asked)
        return;
    struct n1_error err = {0};
    if (!n1_naming_settled(watch->naming)) {
        if (now < watch->names_deadline)
            return;
        n1_error_set(&err, -ETIMEDOUT, "some names were not found in time");
    }
    n1_writer_flush(watch->w);
    n1_server_done(watch->control, watch->names_asked, &err);
    watch->names_asked = 0;
}

void n1_watch_command(struct n1_watch *watch, const struct n1_control *command)
{
    switch (command->type) {
    case N1_CONTROL_RATE:
        rate(watch, command->value);
        break;
    case N1_CONTROL_PAUSE:
        pause_sampling(watch, command->value != 0);
        break;
    case N1_CONTROL_MARK:
        mark(watch, command->text);
        break;
    case N1_CONTROL_NAME_ALL:
    case N1_CONTROL_LINES:
        ask_names(watch, command);
        break;
    case N1_CONTROL_LINES_OF:
        n1_naming_want_lines_of(watch->naming, (uint32_t)command->value);
        n1_naming_hurry(watch->naming);
        n1_naming_pump(watch->naming);
        n1_server_done(watch->control, N1_CONTROL_LINES_OF, NULL);
        break;
    case N1_CONTROL_MEMORY:
        memory(watch, command->value != 0);
        break;
    case N1_CONTROL_LEAKS:
        leaks(watch, command->value);
        break;
    default: {
        struct n1_error err;
        n1_error_set(&err, N1_E_USAGE, "unknown command %u", command->type);
        n1_server_done(watch->control, command->type, &err);
    }
    }
}
