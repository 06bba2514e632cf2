/*
 * Travel in time: which span of the past the panes show, and which other span it is compared with. A span is
 * made of whole seconds since the model's beginning. Pure; main thread.
 */
#ifndef N1_TUI_TRAVEL_H
#define N1_TUI_TRAVEL_H

#include "n1/profile.h"

#include <stdbool.h>

struct n1_travel {
    bool past;    /* false: live, and nothing below counts */
    n1_ns cursor; /* start of the second that the cursor is on */
    bool marked;  /* the span reaches from `mark` to the cursor; else it is the window that ends there */
    n1_ns mark;   /* start of a second */
};

enum n1_compare_kind {
    N1_COMPARE_OFF,
    N1_COMPARE_SPAN,     /* with `before` */
    N1_COMPARE_PREVIOUS, /* with the minute before what is shown */
    N1_COMPARE_SAVED     /* with a file that the owner of the loop has read */
};

struct n1_compare {
    enum n1_compare_kind kind;
    struct n1_window before; /* of N1_COMPARE_SPAN */
    bool share;              /* differences of shares; else of CPU time a second */
};

/* Moves the cursor by whole seconds; from live it starts at the last finished one. Stays within [created,
 * now].
 */
void n1_travel_step(struct n1_travel *travel, int seconds, n1_ns created, n1_ns now);
/* Starts a span at the cursor, or gives the one there is up again. */
void n1_travel_mark(struct n1_travel *travel, n1_ns created, n1_ns now);
/* Goes to a span. */
void n1_travel_to(struct n1_travel *travel, n1_ns from, n1_ns to, n1_ns created, n1_ns now);
/* The span, at least a second long. `window` is the length of an unmarked one, 0: all that went before. */
struct n1_window n1_travel_window(const struct n1_travel *travel, n1_ns window, n1_ns created);
/* The span of N1_COMPARE_SPAN or _PREVIOUS for what is shown now. */
struct n1_window n1_compare_window(const struct n1_compare *compare, struct n1_window shown, n1_ns created);

/* Seconds of one cell, one of few round numbers, so that `cols` cells reach from `from` to `to`. */
uint32_t n1_travel_cell(n1_ns from, n1_ns to, int cols);

#endif
