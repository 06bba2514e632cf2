/*
 * The peers of a process's sockets, from the tables of its network namespace below /proc/PID/net. They are
 * read again when a socket is asked for that is not known, but never oftener than a fiftieth of the time that
 * reading them takes. Sampler thread only.
 */
#ifndef N1_SAMPLER_WAITS_SOCKETS_H
#define N1_SAMPLER_WAITS_SOCKETS_H

#include "n1/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { N1_SOCKETS_MAX = 65536, N1_SOCKET_TEXT = 120 };

struct n1_socket {
    uint64_t inode;
    char text[N1_SOCKET_TEXT]; /* "tcp 10.0.0.1:5432", "unix /run/x.sock" */
};

struct n1_sockets {
    struct n1_socket *list; /* by inode */
    size_t count, capacity;
    n1_ns next; /* no earlier is anything read again */
};

void n1_sockets_finish(struct n1_sockets *s);

/* The text of a socket, "socket" when it is not known (yet). `proc_fd` is the folder /proc/PID. Valid until
 * the next call. */
const char *n1_sockets_find(struct n1_sockets *s, int proc_fd, uint64_t inode, n1_ns now);

/* Adds the sockets of a table's text (`kind`: "tcp", "tcp6", "udp", "udp6", "unix"); hostile text adds
 * nothing wrong. For tests; the caller sorts by n1_sockets_sort(). */
void n1_sockets_parse(struct n1_sockets *s, const char *kind, char *text);
void n1_sockets_sort(struct n1_sockets *s);

#endif
