/*
 * All are asked at once and then heard, so that one that is stopped costs the time-out once and nobody else.
 */
#include "tui/waiting.h"

#include "n1/control.h"
#include "n1/rendezvous.h"
#include "n1/time.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void take(void *context, int socket, pid_t pid, uid_t uid)
{
    struct n1_waiting_list *list = context;
    struct n1_control ask = {.type = N1_CONTROL_ASK_STATUS};
    if (list->count == N1_WAITING_MAX || n1_control_send(socket, &ask, -1) < 0) {
        close(socket);
        return;
    }
    list->items[list->count++] = (struct n1_waiting){.socket = socket, .sampler = pid, .uid = uid};
}

static void wrong(void *context, const struct n1_error *error)
{
    struct n1_waiting_list *list = context;
    list->wrong = *error;
}

static void hear(struct n1_waiting *w)
{
    struct n1_control record;
    int rc = n1_control_receive(w->socket, &record, NULL);
    if (rc == -EAGAIN)
        return;
    if (rc != 1 || record.type != N1_CONTROL_STATUS) { /* it is ending, or full */
        close(w->socket);
        w->socket = -1;
        return;
    }
    w->answered = true;
    w->left_ns = record.value;
    w->age_ns = record.value2;
    w->screens = record.count;
    memcpy(w->targets, record.text, sizeof w->targets);
    memcpy(w->doing, record.hint, sizeof w->doing);
}

static int oldest_first(const void *a, const void *b)
{
    const struct n1_waiting *x = a, *y = b;
    return x->age_ns < y->age_ns ? 1 : x->age_ns > y->age_ns ? -1 : x->sampler - y->sampler;
}

void n1_waiting_find(struct n1_waiting_list *ret, int timeout_ms)
{
    *ret = (struct n1_waiting_list){0};
    n1_rendezvous_each(take, wrong, ret);
    n1_ns end = n1_time_mono() + (n1_ns)timeout_ms * 1000000;
    for (;;) {
        struct pollfd fds[N1_WAITING_MAX];
        bool open = false;
        for (size_t i = 0; i < ret->count; i++) {
            bool waits = ret->items[i].socket >= 0 && !ret->items[i].answered;
            fds[i] = (struct pollfd){waits ? ret->items[i].socket : -1, POLLIN, 0};
            open |= waits;
        }
        n1_ns now = n1_time_mono();
        if (!open || now >= end || poll(fds, ret->count, (int)((end - now) / 1000000 + 1)) <= 0)
            break;
        for (size_t i = 0; i < ret->count; i++)
            if (fds[i].revents)
                hear(&ret->items[i]);
    }
    size_t kept = 0;
    for (size_t i = 0; i < ret->count; i++)
        if (ret->items[i].socket >= 0)
            ret->items[kept++] = ret->items[i];
    ret->count = kept;
    qsort(ret->items, ret->count, sizeof ret->items[0], oldest_first);
}

void n1_waiting_finish(struct n1_waiting_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].socket >= 0)
            close(list->items[i].socket);
    list->count = 0;
}

/* "4711 worker, 4712 worker": the number, or the name up to the comma. */
static bool fits(const struct n1_waiting *w, const char *name)
{
    if (!name)
        return true;
    char *end;
    unsigned long pid = isdigit((unsigned char)*name) ? strtoul(name, &end, 10) : 0;
    bool number = pid && !*end;
    if (number && (pid_t)pid == w->sampler)
        return true;
    for (const char *at = w->targets; *at;) {
        unsigned long target = strtoul(at, &end, 10);
        if (number && target == pid)
            return true;
        const char *comm = *end == ' ' ? end + 1 : end, *comma = strstr(comm, ", ");
        size_t len = comma ? (size_t)(comma - comm) : strlen(comm);
        if (len == strlen(name) && !strncmp(comm, name, len))
            return true;
        at = comma ? comma + 2 : "";
    }
    return false;
}

int n1_waiting_choose(const struct n1_waiting_list *list, const char *name, struct n1_error *reterr)
{
    int found = -1;
    for (size_t i = 0; i < list->count; i++) {
        if (!fits(&list->items[i], name))
            continue;
        if (found >= 0)
            return n1_error_hint(reterr, N1_E_USAGE, "name one by the PID in the first column",
                                 name ? "several samplers fit '%s'" : "there are several samplers to join%s",
                                 name ? name : "");
        found = (int)i;
    }
    if (found >= 0)
        return found;
    if (list->wrong.code) {
        if (reterr)
            *reterr = list->wrong;
        return list->wrong.code;
    }
    static const char hint[] =
        "n1top status lists what runs; a sampler can be joined while a screen watches and "
        "for profiling.linger after its line dropped";
    return name ? n1_error_hint(reterr, N1_E_NO_PROCESS, hint, "no sampler to join for '%s'", name)
                : n1_error_hint(reterr, N1_E_NO_PROCESS, hint, "no sampler to join");
}

void n1_waiting_print(const struct n1_waiting_list *list, const char *name, FILE *out)
{
    fprintf(out, "%8s %7s %10s %8s %10s  %-16s %s\n", "SAMPLER", "UID", "RUNNING", "SCREENS", "ENDS IN",
            "STATE", "WATCHES");
    for (size_t i = 0; i < list->count; i++) {
        const struct n1_waiting *w = &list->items[i];
        char left[24] = "-";
        if (!fits(w, name))
            continue;
        if (w->left_ns)
            snprintf(left, sizeof left, "%llu s", (unsigned long long)(w->left_ns / N1_SECOND_NS));
        if (w->answered)
            fprintf(out, "%8d %7u %8llu s %8d %10s  %-16s %s\n", (int)w->sampler, w->uid,
                    (unsigned long long)(w->age_ns / N1_SECOND_NS), w->screens, left, w->doing, w->targets);
        else
            fprintf(out, "%8d %7u %10s %8s %10s  %-16s\n", (int)w->sampler, w->uid, "-", "-", "-",
                    "does not answer");
    }
}
