/*
 * Who watches: the screen that started the sampler, over its socketpair, and those that joined over the named
 * socket. In the order of joining; the first one controls. Connections that have not said what they want yet
 * are kept apart and dropped after a while. Nothing here waits, and nobody who reads slowly or not at all
 * holds anything up: what a socket does not take is dropped. Sampler thread only.
 */
#ifndef N1_SAMPLER_VIEWERS_VIEWERS_H
#define N1_SAMPLER_VIEWERS_VIEWERS_H

#include "n1/control.h"
#include "n1/time.h"

#include <stddef.h>
#include <sys/types.h>

enum { N1_VIEWERS_MAX = 16 };

struct n1_viewer {
    int socket;
    bool joined;
    pid_t pid; /* 0: unknown, as of another PID namespace */
    n1_ns since;
};

struct n1_viewers {
    int epoll, listener, folder; /* -1: none */
    bool deaf;                   /* the listener is not followed: there was no descriptor for one who came */
    struct n1_viewer items[N1_VIEWERS_MAX];
    size_t count;
};

/* Begins with the screen at the end of `control` (-1: none; taken over). Returns 0 or -errno. */
int n1_viewers_init(struct n1_viewers *v, int control, n1_ns now);
/* Opens the named socket. Errors as n1_rendezvous_open() and _listen(). */
int n1_viewers_listen(struct n1_viewers *v, struct n1_error *reterr);
/* Closes everything and removes the named socket. */
void n1_viewers_finish(struct n1_viewers *v);

/* Readable when somebody came, said something or went. */
int n1_viewers_fd(const struct n1_viewers *v);
/* Takes new connections; peers that are neither of our user nor root, and those beyond the limit, are told so
 * and closed. Out of descriptors, it hears of none until n1_viewers_expire() is called again. */
void n1_viewers_accept(struct n1_viewers *v, n1_ns now);
/* Drops connections that have said nothing for five seconds; call once a second. */
void n1_viewers_expire(struct n1_viewers *v, n1_ns now);
void n1_viewers_remove(struct n1_viewers *v, size_t i);

/* Marks a connection as watching and puts it behind the others that do; returns its new place. */
size_t n1_viewers_join(struct n1_viewers *v, size_t i);
size_t n1_viewers_joined(const struct n1_viewers *v);
/* Place of the one in control, -1 when nobody watches. */
ptrdiff_t n1_viewers_controller(const struct n1_viewers *v);
/* Its socket, -1. */
int n1_viewers_control(const struct n1_viewers *v);

/* Tells everybody who watches. */
void n1_viewers_notice(const struct n1_viewers *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
