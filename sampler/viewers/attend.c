/*
 * A screen that says DETACH has gone for good; one whose connection just ends has lost its line, so the
 * sampler waits for it to come back. Only what was started with --linger waits: nobody comes back to a
 * recording.
 */
#include "sampler/viewers/attend.h"

#include "sampler/server.h"
#include "sampler/watch_state.h"

#include "n1/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS_A_TURN = 64 }; /* of one screen: a flood of commands must not hold up the drains */

/* The terminal may go before we do, and nobody's folder is to be held. */
static void leave_terminal(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    if (chdir("/") < 0)
        n1_log(N1_LOG_WARN, "attend", "chdir: %s", strerror(errno));
}

int n1_attend_start(struct n1_watch *watch, struct n1_error *reterr)
{
    n1_ns now = n1_time_mono();
    int rc = n1_viewers_init(&watch->viewers, watch->options->control, now);
    if (rc < 0)
        return n1_error_set(reterr, rc, "cannot watch the control socket: %s", strerror(-rc));
    watch->control = n1_viewers_control(&watch->viewers);
    watch->started = now;
    if (watch->options->linger_s <= 0)
        return 0;
    struct n1_error why = {0};
    watch->linger = (struct n1_linger){
        .span = (n1_ns)(watch->options->linger_s * 1e9),
        .cpu_percent = watch->config.limit_cpu_percent,
        .memory_bytes = (uint64_t)watch->config.limit_memory_mb * 2 << 20,
    };
    watch->linger_default = watch->linger.span;
    if (n1_viewers_listen(&watch->viewers, &why) < 0) {
        n1_log(N1_LOG_WARN, "attend", "%s", why.what);
        n1_viewers_notice(&watch->viewers, "a dropped line would end this: %.200s", why.what);
        watch->linger.span = 0;
    } else {
        leave_terminal();
    }
    return 0;
}

static void send_role(const struct n1_watch *watch, size_t i)
{
    ptrdiff_t controller = n1_viewers_controller(&watch->viewers);
    struct n1_control record = {.type = N1_CONTROL_ROLE, .value = (ptrdiff_t)i == controller};
    if (!record.value)
        snprintf(record.text, sizeof record.text, "another screen (PID %d) controls this sampler",
                 (int)watch->viewers.items[controller].pid);
    n1_control_send(watch->viewers.items[i].socket, &record, -1);
}

static void join(struct n1_watch *watch, size_t i)
{
    n1_ns now = n1_time_mono(), alone = watch->linger.since ? now - watch->linger.since : 0;
    i = n1_viewers_join(&watch->viewers, i);
    int socket = watch->viewers.items[i].socket;
    n1_linger_joined(&watch->linger);
    watch->linger.span = watch->linger_default;
    if (n1_server_hello(socket, n1_writer_fd(watch->w)) < 0) /* it takes nothing: not worth a place */
        n1_log(N1_LOG_WARN, "attend", "a screen does not take the model");
    n1_server_ready(socket);
    send_role(watch, i);
    if (alone)
        n1_server_notice(
            socket, "joined after %llu s without a screen%s", (unsigned long long)(alone / N1_SECOND_NS),
            watch->over_budget ? "; sampling had stopped: it cost more CPU than limits.cpu_percent" : "");
    if (watch->over_budget)
        n1_watch_pause(watch, false);
    watch->over_budget = false;
    n1_log(N1_LOG_INFO, "attend", "a screen joined, %zu watch", n1_viewers_joined(&watch->viewers));
}

static void send_status(const struct n1_watch *watch, int socket)
{
    n1_ns now = n1_time_mono();
    const char *doing = !watch->targets.alive ? "target ended"
                        : watch->over_budget  ? "over budget, not sampling"
                        : watch->paused       ? "paused"
                                              : "sampling";
    struct n1_control record = {.type = N1_CONTROL_STATUS,
                                .value = n1_linger_left(&watch->linger, now),
                                .value2 = now - watch->started,
                                .count = (int32_t)n1_viewers_joined(&watch->viewers)};
    size_t used = 0;
    snprintf(record.hint, sizeof record.hint, "%s", doing);
    for (size_t i = 0; i < watch->targets.count && used + 40 < sizeof record.text; i++) {
        const struct n1_process *p = watch->targets.items[i]->process;
        used += (size_t)snprintf(record.text + used, sizeof record.text - used, "%s%d %.15s", i ? ", " : "",
                                 (int)p->pid, p->comm);
    }
    n1_control_send(socket, &record, -1);
}

/* `goodbye`: it said so. Leaves the registry as it is when the sampler ends, for the last answer. */
static void left(struct n1_watch *watch, size_t i, bool goodbye)
{
    struct n1_viewers *v = &watch->viewers;
    bool controlled = (ptrdiff_t)i == n1_viewers_controller(v), last = n1_viewers_joined(v) == 1;
    if (!v->items[i].joined) {
        n1_viewers_remove(v, i);
        return;
    }
    n1_log(N1_LOG_INFO, "attend", "a screen %s", goodbye ? "left" : "lost its line");
    if (last && (goodbye || !watch->linger.span)) {
        watch->stop = true;
        return;
    }
    if (goodbye)
        n1_server_done(v->items[i].socket, N1_CONTROL_DETACH, NULL);
    n1_viewers_remove(v, i);
    if (controlled)
        watch->names_asked = 0;
    if (last) {
        const struct n1_model_header *h = n1_writer_header(watch->w);
        n1_linger_alone(&watch->linger, n1_time_mono(), h->self[N1_SELF_CPU_NS]);
    } else if (controlled) {
        size_t next = (size_t)n1_viewers_controller(v);
        send_role(watch, next);
        n1_server_notice(v->items[next].socket, "the screen before has left: this one controls now");
    }
}

static void set_linger(struct n1_watch *watch, n1_ns span)
{
    struct n1_error err = {0};
    if (watch->viewers.listener < 0)
        n1_error_hint(&err, N1_E_FAILED, "n1top status and the first message say why",
                      "this sampler has no socket by which it could be found again");
    else
        watch->linger.span = span ? span : watch->linger_default;
    n1_server_done(watch->control, N1_CONTROL_LINGER, &err);
}

/* False when the connection is no more. */
static bool heard(struct n1_watch *watch, size_t i, const struct n1_control *record)
{
    struct n1_viewer *viewer = &watch->viewers.items[i];
    if (!viewer->joined) {
        if (record->type == N1_CONTROL_JOIN)
            join(watch, i);
        else if (record->type == N1_CONTROL_ASK_STATUS)
            send_status(watch, viewer->socket);
        else
            n1_viewers_remove(&watch->viewers, i);
        return false; /* in another place, or gone: it is heard again with the next turn */
    }
    if (record->type == N1_CONTROL_DETACH) {
        left(watch, i, true);
        return false;
    }
    if ((ptrdiff_t)i != n1_viewers_controller(&watch->viewers)) {
        struct n1_error err;
        n1_error_hint(&err, N1_E_NOT_PERMITTED, "it takes over when the first one leaves",
                      "this screen may only look: another one controls the sampler");
        n1_server_done(viewer->socket, record->type, &err);
        return true;
    }
    watch->control = viewer->socket;
    if (record->type == N1_CONTROL_LINGER)
        set_linger(watch, record->value);
    else
        n1_watch_command(watch, record);
    return true;
}

static void hear(struct n1_watch *watch, size_t i)
{
    for (int n = 0; n < RECORDS_A_TURN && !watch->stop; n++) {
        struct n1_control record;
        int rc = n1_control_receive(watch->viewers.items[i].socket, &record, NULL);
        if (rc == -EAGAIN)
            return;
        if (rc == 1 && !heard(watch, i, &record))
            return;
        if (rc != 1 && rc != -EBADMSG) {
            left(watch, i, false);
            return;
        }
    }
}

void n1_attend_pump(struct n1_watch *watch)
{
    struct n1_viewers *v = &watch->viewers;
    n1_viewers_accept(v, n1_time_mono());
    for (size_t i = v->count;
         i-- > 0 && !watch->stop;) /* from the end: one that goes moves only those behind */
        if (i < v->count)
            hear(watch, i);
    watch->control = n1_viewers_control(v);
}

void n1_attend_tick(struct n1_watch *watch, n1_ns now)
{
    const struct n1_model_header *h = n1_writer_header(watch->w);
    n1_viewers_expire(&watch->viewers, now);
    switch (n1_linger_look(&watch->linger, now, h->self[N1_SELF_CPU_NS], h->self[N1_SELF_MEMORY_BYTES])) {
    case N1_LINGER_STAY:
        break;
    case N1_LINGER_CPU:
        if (!watch->over_budget)
            n1_log(N1_LOG_WARN, "attend",
                   "more CPU than limits.cpu_percent and nobody watches: not sampling");
        watch->over_budget = true;
        n1_watch_pause(watch, true);
        break;
    case N1_LINGER_TIME:
    case N1_LINGER_MEMORY:
        n1_log(N1_LOG_INFO, "attend", "nobody came back%s",
               n1_linger_left(&watch->linger, now) ? ", and memory is over twice limits.memory_mb"
                                                   : " in time");
        watch->stop = true;
        break;
    }
}
