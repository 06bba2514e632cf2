/*
 * Starting the sampler and, for `n1top -- CMD`, the command that it watches. One thread.
 */
#ifndef N1_TUI_LAUNCH_H
#define N1_TUI_LAUNCH_H

#include "tui/session.h"

struct n1_launch {
    int socket;    /* our end, -1 when closed */
    pid_t sampler; /* 0: none, or reaped */
    pid_t command; /* 0: none */
    int release;   /* write end of the pipe on which the command waits, -1 once it runs */
};

/* Path of n1top-sampler: beside the running program or in ../libexec/n1top, nowhere else. Errors:
 * N1_E_FAILED. */
int n1_launch_find_sampler(char *ret, size_t cap, struct n1_error *reterr);

void n1_launch_init(struct n1_launch *l);
/* Starts the command, if there is one, held before its exec, then the sampler. Errors as n1_session_start().
 */
int n1_launch_start(struct n1_launch *l, const struct n1_session_options *options, struct n1_error *reterr);
/* Lets the command run. */
void n1_launch_release(struct n1_launch *l);
/* Reaps a sampler that has hung up and says how it ended, in one line. Waits 200 ms at most. */
void n1_launch_sampler_end(struct n1_launch *l, char *ret, size_t cap);
/* Closes everything; a sampler that does not end within `wait_ms` is left to init. */
void n1_launch_finish(struct n1_launch *l, int wait_ms);

#endif
