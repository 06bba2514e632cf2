/*
 * Samplers that can be joined: found by their sockets, asked what they watch. For `n1top --attach` and
 * `n1top status`. One thread.
 */
#ifndef N1_TUI_WAITING_H
#define N1_TUI_WAITING_H

#include "n1/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { N1_WAITING_MAX = 64 };

struct n1_waiting {
    int socket; /* connected, not joined yet; -1 when taken or closed */
    pid_t sampler;
    uid_t uid;
    bool answered;            /* what follows is known; a stopped sampler does not answer */
    uint64_t left_ns, age_ns; /* left_ns 0: somebody watches */
    int screens;
    char targets[256], doing[256]; /* "4711 worker, 4712 worker"; "sampling" */
};

struct n1_waiting_list {
    struct n1_waiting items[N1_WAITING_MAX];
    size_t count;
    struct n1_error wrong; /* a folder that is not as it should be; code 0: none */
};

/* Fills *ret with what answers within `timeout_ms`, and what does not. */
void n1_waiting_find(struct n1_waiting_list *ret, int timeout_ms);
void n1_waiting_finish(struct n1_waiting_list *list);

/* The one that `name` means: PID of a target or of the sampler, or a target's name; NULL: the only one.
 * Returns its place, N1_E_NO_PROCESS when there is none, N1_E_USAGE when there are several (list them then).
 */
int n1_waiting_choose(const struct n1_waiting_list *list, const char *name, struct n1_error *reterr);

/* A table of those that `name` fits (NULL: all), a line each. */
void n1_waiting_print(const struct n1_waiting_list *list, const char *name, FILE *out);

#endif
