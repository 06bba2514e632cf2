/*
 * A session: one n1top-sampler at work for us, its socket, and a reader over its model; or a recording.
 * Starting does not wait: the screen draws while the sampler attaches. One thread.
 */
#ifndef N1_TUI_SESSION_H
#define N1_TUI_SESSION_H

#include "n1/control.h"
#include "n1/reader.h"

#include <sys/types.h>

struct n1_session;

struct n1_session_options {
    const pid_t *pids; /* processes to watch … */
    size_t pid_count;
    char *const *command; /* … or a command to start and watch, NULL-terminated argv; NULL: none */
    double rate_hz;       /* 0: the configured one */
    double linger_s;      /* how long the sampler goes on when we hang up; 0: not at all */
    const char *engine;   /* "auto", "perf", "ptrace", "nonstop"; NULL: auto */
    uint64_t memory_mb;   /* size of the model; 0: the configured one */
    const char *config;   /* path given with --config; NULL: none */
    const char *log;      /* the sampler's log file; NULL: none */
    bool children;        /* watch children too */
    bool memory;          /* sample page faults from the start */
    bool dump;            /* take every thread's stack once instead of sampling */
};

enum n1_session_state {
    N1_SESSION_STARTING, /* not attached yet */
    N1_SESSION_ATTACHED, /* the model is there, samples follow */
    N1_SESSION_FAILED,   /* start-up failed: n1_session_error() says why */
    N1_SESSION_LOST,     /* the sampler died or hung up without being asked; the model stays readable */
    N1_SESSION_ENDED     /* the sampler detached as asked, or this is a recording */
};

/* Starts n1top-sampler (found beside the program or in ../libexec/n1top, nowhere else) on the given
 * processes, or first a command that waits until the sampler is attached. Errors: N1_E_USAGE, N1_E_FAILED (no
 * sampler), -errno. */
int n1_session_start(const struct n1_session_options *options, struct n1_session **ret,
                     struct n1_error *reterr);

/* A session over a recording; its state is ENDED from the start. Errors as n1_reader_open_file(). */
int n1_session_replay(const char *path, struct n1_session **ret, struct n1_error *reterr);

/* A session over a sampler that somebody else started: `socket` is connected to it (taken over, also on
 * failure), `sampler` its PID. Goes through STARTING as a session that starts one. */
int n1_session_join(int socket, pid_t sampler, struct n1_session **ret, struct n1_error *reterr);

/* Descriptor to poll for reading, -1 when there is nothing more to come. */
int n1_session_fd(const struct n1_session *s);

/* From now on the session's reader redacts (n1_reader_redact), also one that is yet to come. */
void n1_session_redact(struct n1_session *s);

/* Takes what has come from the sampler, without waiting; call when the descriptor is readable and now and
 * then. */
enum n1_session_state n1_session_pump(struct n1_session *s);
enum n1_session_state n1_session_state(const struct n1_session *s);
/* Why it is FAILED or LOST. */
const struct n1_error *n1_session_error(const struct n1_session *s);

/* The reader; NULL while there is no model yet or the session FAILED. Owned by the session. */
struct n1_reader *n1_session_reader(const struct n1_session *s);

/* Latest notice of the sampler and how many there have been; "" when none. Owned by the session. */
const char *n1_session_notice(const struct n1_session *s, uint64_t *ret_count);

/* Sends a command without waiting for its answer. Errors: N1_E_WRITER_GONE, -EAGAIN. */
int n1_session_send(struct n1_session *s, enum n1_control_type type, uint64_t value, const char *text);

/* Waits until the session is ATTACHED (or past it), at most `timeout_ms` (-1: as long as it takes). Returns
 * 0, the error of a FAILED session (also in *reterr), or -ETIMEDOUT. */
int n1_session_wait(struct n1_session *s, int timeout_ms, struct n1_error *reterr);

/* Sends a command and waits for its answer: 0 or the sampler's code (text in *reterr), -ETIMEDOUT,
 * N1_E_WRITER_GONE. */
int n1_session_ask(struct n1_session *s, enum n1_control_type type, uint64_t value, int timeout_ms,
                   struct n1_error *reterr);

/* Whether another screen controls the sampler, so that ours may only look. */
bool n1_session_read_only(const struct n1_session *s);
/* PID of the sampler, 0: unknown. */
pid_t n1_session_sampler_pid(const struct n1_session *s);

/* Closes our end at once, whatever the sampler does (it may be stopped): with `goodbye` it ends when nobody
 * else watches, without it waits for somebody to join again. What is left to do is n1_session_destroy(). */
void n1_session_leave(struct n1_session *s, bool goodbye);

/* PID of the command started by us, 0 when there is none. */
pid_t n1_session_command_pid(const struct n1_session *s);
/* True once that command ended, with its wait(2) status in *ret_status. Does not wait. */
bool n1_session_command_ended(struct n1_session *s, int *ret_status);

/* Asks the sampler to detach, waits for it briefly, frees everything. A command we started goes on running
 * unless it has ended. NULL is fine. */
void n1_session_destroy(struct n1_session *s);

#endif
