/*
 * What n1top and n1top-sampler say to each other beside the model: fixed records, one a packet, over a
 * SOCK_SEQPACKET socketpair made by n1top and named to the sampler by --control FD, or over a connection to
 * the sampler's named socket (n1/rendezvous.h), on which n1top speaks first: JOIN or ASK_STATUS. Both sides
 * check size, magic and type of every packet; the sampler answers each command once, in order. Of several
 * screens the one that has been there longest controls, the others may only look. Live only, no stability
 * across versions (HELLO carries the model's version).
 */
#ifndef N1_CONTROL_H
#define N1_CONTROL_H

#include "n1/error.h"

#include <stdbool.h>
#include <stdint.h>

#define N1_CONTROL_MAGIC 0x6e314354u

enum n1_control_type {
    /* n1top to sampler */
    N1_CONTROL_RATE = 1, /* value: Hz asked, 1 … 20000 */
    N1_CONTROL_PAUSE,    /* value: 1 pause sampling, 0 resume */
    N1_CONTROL_MARK,     /* text: a note; becomes an info line of the anomaly log */
    N1_CONTROL_NAME_ALL, /* name every frame in the model; answered when nothing is pending, or after
                            `value` ns (0: 15 s) with an error */
    N1_CONTROL_LINES,    /* as NAME_ALL, with source files and lines of every frame */
    N1_CONTROL_MEMORY,   /* value: 1 sample page faults (who touches memory first), 0 stop that */
    N1_CONTROL_LEAKS, /* value: enum n1_control_leaks, for the first process. The answer to a begin comes when
                         it is known whether the allocator is traced; an error says why not, the rest goes on
                       */
    N1_CONTROL_LINES_OF, /* value: a function's model id: from now on files and lines of its frames, too */
    N1_CONTROL_DETACH,   /* leave; the last one to leave so makes the sampler let go of the target and end */
    N1_CONTROL_LINGER,   /* value: ns to go on once nobody watches any more, 0: as configured */
    N1_CONTROL_JOIN,     /* first on a named socket: watch; HELLO, READY and ROLE follow, or FAILED */
    N1_CONTROL_ASK_STATUS, /* first on a named socket: STATUS follows */
    /* sampler to n1top */
    N1_CONTROL_HELLO = 100, /* value: model version; the memfd rides along (SCM_RIGHTS) */
    N1_CONTROL_READY,       /* attached, the first drain will follow; sent once after HELLO */
    N1_CONTROL_FAILED,      /* start-up failed: code, text, hint; the sampler ends */
    N1_CONTROL_DONE,        /* value: the type answered; code: 0 or the error, with text */
    N1_CONTROL_NOTICE,      /* text: something a person should read (degraded, throttled, lost) */
    N1_CONTROL_ROLE,        /* value: 1 this screen controls, 0 it may only look (text: who controls) */
    N1_CONTROL_STATUS /* text: targets; hint: what it does; value: ns left to linger, 0: watched; value2: age
                         in ns; count: screens */
};

/* A look for leaks: mappings that stay, and what the allocator's blocks do. */
enum n1_control_leaks {
    N1_LEAKS_END,   /* what was found goes into the model */
    N1_LEAKS_BEGIN, /* traces the allocator if the predicted cost is inside the budget */
    N1_LEAKS_TRACE, /* traces it in any case */
    N1_LEAKS_NO_TRACE
};

struct n1_control {
    uint32_t magic, type;
    uint64_t value, value2;
    int32_t code, count;
    char text[256], hint[256]; /* NUL-terminated by the receiver again */
};

/* Sends one record, with `fd` riding along unless it is -1. Never blocks: -EAGAIN when the other side does
 * not read. Returns 0 or -errno (-EPIPE when it is gone; no signal is raised). */
int n1_control_send(int socket, const struct n1_control *record, int fd);

/* Receives one record. Returns 1 with *ret filled (text and hint terminated, control bytes replaced), 0 when
 * the other side is gone, -EAGAIN when nothing is there, -EBADMSG for a malformed packet. A descriptor that
 * came along is stored in *ret_fd (CLOEXEC, the caller's) and -1 otherwise; with ret_fd NULL it is closed. */
int n1_control_receive(int socket, struct n1_control *ret, int *ret_fd);

#endif
