/*
 * The line to the terminal: a frame is one write, what the line does not take is skipped and not queued, and
 * how it fares is watched. A pseudo-terminal tells nobody that what is behind it is slow (its queue reads as
 * empty, and sshd takes megabytes), so each frame ends with a question that every terminal answers ("are you
 * well?", DSR 5); the next frame of the clock waits for that answer. Knows no curses. Main thread.
 */
#ifndef N1_TUI_LINE_H
#define N1_TUI_LINE_H

#include "n1/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define N1_LINE_LATE_NS N1_SECOND_NS           /* an answer is late after … */
#define N1_LINE_HOLD_NS (N1_SECOND_NS / 2)     /* frames are skipped while one has been out for … */
#define N1_LINE_LOST_NS (10 * N1_SECOND_NS)    /* and this long at most: it may have got lost */
#define N1_LINE_BLOCKED_NS (N1_SECOND_NS / 20) /* a write that takes longer says that the line is full */
#define N1_LINE_QUEUE_MAX 2048                 /* bytes that may wait in the terminal's own queue */
#define N1_LINE_BRACKET_MIN 512                /* shorter frames arrive in one piece anyway */

/* How the line fares: a function of what happened when. All zero at first. */
struct n1_line_health {
    bool waiting;  /* a question is out … */
    n1_ns asked;   /* … since */
    n1_ns answer;  /* how long the last answer took, 0: none yet */
    unsigned late; /* answers in a row that were late */
    char why[64];  /* why the line is called slow, "": it is not */
};

void n1_line_health_asked(struct n1_line_health *h, n1_ns now);
void n1_line_health_answered(struct n1_line_health *h, n1_ns now);
/* A write took so long, or could not be finished for so long; so many bytes wait. */
void n1_line_health_blocked(struct n1_line_health *h, n1_ns took);
void n1_line_health_queued(struct n1_line_health *h, size_t bytes);
/* Whether a frame may be sent now; notices answers that do not come. */
bool n1_line_health_free(struct n1_line_health *h, n1_ns now);

struct n1_line {
    int terminal; /* as it was given */
    int out;      /* the same without waiting, where it could be opened anew */
    bool owned;   /* `out` is ours to close */
    int curses;   /* what curses writes to: the terminal, and while a frame is made … */
    int frame;    /* … this file */
    FILE *file;   /* `curses` as newterm() wants it */
    char *bytes;  /* a frame on its way */
    size_t length, sent, capacity;
    n1_ns stuck;                 /* since when the rest of it waits, 0: nothing waits */
    bool ask, answers, brackets; /* it may be asked, it has answered, it knows synchronized output */
    n1_ns queried;               /* when it was asked for the first time, 0: not yet */
    struct n1_line_health health;
    uint64_t total, frames; /* bytes and frames sent */
    struct {
        uint64_t second, bytes;
    } recent[16]; /* bytes by second */
};

/* Takes `terminal` (a descriptor, kept open by the caller) for a line. `ask`: whether it may be asked
 * questions. Returns 0 or -errno. */
int n1_line_open(struct n1_line *line, int terminal, bool ask);
void n1_line_close(struct n1_line *line);

/* From now on what curses writes is collected … */
void n1_line_begin(struct n1_line *line);
/* … and sent with one write. Returns 0, also when a rest waits; -EIO when the terminal is gone. */
int n1_line_send(struct n1_line *line, n1_ns now);
/* Whether a frame may be made now: 0, -EAGAIN, or -EIO when the terminal is gone. Sends what still waits. */
int n1_line_ready(struct n1_line *line, n1_ns now);

/* Answers that came as keys: to DSR 5, and to the query of mode 2026 with its value. */
void n1_line_answered(struct n1_line *line, n1_ns now);
void n1_line_mode(struct n1_line *line, unsigned value);

/* How long to wait for an answer that would else come when we have gone, and be typed to the shell; ms. */
int n1_line_due_ms(const struct n1_line *line, n1_ns now);

/* Bytes a second over the last whole ten seconds (or what there is of them). */
double n1_line_rate(const struct n1_line *line, n1_ns now);

#endif
