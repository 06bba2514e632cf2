/*
 * One epoll descriptor stands for all of them in the sampler's loop.
 */
#include "sampler/viewers/viewers.h"

#include "n1/rendezvous.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SILENT_NS (5 * N1_SECOND_NS)
enum { ACCEPT_MAX = 32 }; /* a wake-up */

static int follow(struct n1_viewers *v, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(v->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int n1_viewers_init(struct n1_viewers *v, int control, n1_ns now)
{
    *v = (struct n1_viewers){.epoll = epoll_create1(EPOLL_CLOEXEC), .listener = -1, .folder = -1};
    if (v->epoll < 0)
        return -errno;
    if (control < 0)
        return 0;
    v->items[v->count++] = (struct n1_viewer){.socket = control, .joined = true, .since = now};
    n1_rendezvous_peer_allowed(control, geteuid(), &v->items[0].pid);
    return follow(v, control);
}

int n1_viewers_listen(struct n1_viewers *v, struct n1_error *reterr)
{
    char path[256];
    v->folder = n1_rendezvous_open(path, sizeof path, reterr);
    if (v->folder < 0)
        return v->folder;
    v->listener = n1_rendezvous_listen(v->folder, getpid(), reterr);
    return v->listener < 0 ? v->listener : follow(v, v->listener);
}

void n1_viewers_finish(struct n1_viewers *v)
{
    if (v->listener >= 0) {
        n1_rendezvous_remove(v->folder, getpid());
        close(v->listener);
    }
    if (v->folder >= 0)
        close(v->folder);
    while (v->count)
        n1_viewers_remove(v, v->count - 1);
    if (v->epoll >= 0)
        close(v->epoll);
    v->epoll = v->listener = v->folder = -1;
}

int n1_viewers_fd(const struct n1_viewers *v)
{
    return v->epoll;
}

static void turn_away(int fd, int code, const char *text)
{
    struct n1_control record = {.type = N1_CONTROL_FAILED, .code = code};
    snprintf(record.text, sizeof record.text, "%s", text);
    n1_control_send(fd, &record, -1);
    close(fd);
}

void n1_viewers_accept(struct n1_viewers *v, n1_ns now)
{
    for (int i = 0; v->listener >= 0 && !v->deaf && i < ACCEPT_MAX; i++) {
        pid_t pid;
        int fd = accept4(v->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            /* One who waits and cannot be taken keeps the listener readable: we would spin until he goes. */
            v->deaf = (errno == EMFILE || errno == ENFILE) &&
                      epoll_ctl(v->epoll, EPOLL_CTL_DEL, v->listener, NULL) == 0;
            return;
        }
        if (!n1_rendezvous_peer_allowed(fd, geteuid(), &pid))
            turn_away(fd, N1_E_NOT_PERMITTED, "the sampler belongs to another user");
        else if (v->count == N1_VIEWERS_MAX)
            turn_away(fd, N1_E_FAILED, "too many screens watch this sampler already");
        else if (follow(v, fd) < 0)
            close(fd);
        else
            v->items[v->count++] = (struct n1_viewer){.socket = fd, .pid = pid, .since = now};
    }
}

void n1_viewers_expire(struct n1_viewers *v, n1_ns now)
{
    for (size_t i = v->count; i-- > 0;)
        if (!v->items[i].joined && now > v->items[i].since + SILENT_NS)
            n1_viewers_remove(v, i);
    if (v->deaf)
        v->deaf = follow(v, v->listener) < 0;
}

void n1_viewers_remove(struct n1_viewers *v, size_t i)
{
    close(v->items[i].socket); /* and epoll forgets it */
    memmove(v->items + i, v->items + i + 1, (v->count - i - 1) * sizeof *v->items);
    v->count--;
}

size_t n1_viewers_join(struct n1_viewers *v, size_t i)
{
    struct n1_viewer viewer = v->items[i];
    size_t last = v->count - 1;
    viewer.joined = true;
    memmove(v->items + i, v->items + i + 1, (last - i) * sizeof *v->items);
    v->items[last] = viewer;
    return last;
}

size_t n1_viewers_joined(const struct n1_viewers *v)
{
    size_t joined = 0;
    for (size_t i = 0; i < v->count; i++)
        joined += v->items[i].joined;
    return joined;
}

ptrdiff_t n1_viewers_controller(const struct n1_viewers *v)
{
    for (size_t i = 0; i < v->count; i++)
        if (v->items[i].joined)
            return (ptrdiff_t)i;
    return -1;
}

int n1_viewers_control(const struct n1_viewers *v)
{
    ptrdiff_t at = n1_viewers_controller(v);
    return at < 0 ? -1 : v->items[at].socket;
}

void n1_viewers_notice(const struct n1_viewers *v, const char *fmt, ...)
{
    struct n1_control record = {.type = N1_CONTROL_NOTICE};
    va_list args;
    va_start(args, fmt);
    vsnprintf(record.text, sizeof record.text, fmt, args);
    va_end(args);
    for (size_t i = 0; i < v->count; i++)
        if (v->items[i].joined)
            n1_control_send(v->items[i].socket, &record, -1);
}
