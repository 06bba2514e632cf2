/*
 * The flame pane's geometry: from the merged call tree to boxes of character cells, and moving among them.
 * Pure over the profile; main thread.
 *
 * Box edges are x(c) = round(width * c / whole) of cumulative time c, so that nothing drifts and children
 * fill their parent to within rounding. Children below one cell share a rest bucket at the parent's right.
 * Children stand in order of name, not of weight, so that a live picture holds still. Direct recursion is
 * folded into one box.
 */
#ifndef N1_TUI_FLAME_H
#define N1_TUI_FLAME_H

#include "tui/keys.h"

#include "n1/profile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define N1_FLAME_ZOOM_MAX 64
#define N1_FLAME_NONE UINT32_MAX

struct n1_flame_box {
    int row, col, cols; /* row 0 is the root of what is shown */
    int parent;         /* index of a box, -1 for the root */
    uint32_t function; /* index in the profile; N1_FLAME_NONE: the root "all", a rest bucket or [truncated] */
    uint32_t fold;     /* levels of direct recursion in this box, 1 for none */
    uint32_t rest;     /* not 0: a bucket of this many children */
    uint64_t total_ns, self_ns;
    uint64_t samples;                   /* in the box */
    uint64_t before_ns, before_samples; /* of the same path in the tree that is compared with */
    uint64_t path;                      /* identity: hash of the functions down to here */
    bool odd;                           /* of two shades, so that neighbours differ */
};

struct n1_flame {
    /* what the user asked for */
    uint64_t zoom_function;           /* stable id: all calls of it are the root; 0: the whole */
    uint64_t zoom[N1_FLAME_ZOOM_MAX]; /* then down this path of stable ids */
    size_t zoom_len;
    uint64_t selected; /* path of a box, 0: the root */
    bool flipped;      /* root at the bottom */
    int top;           /* first row shown */
    /* what came out */
    struct n1_flame_box *boxes;
    size_t count, capacity;
    int rows;          /* of the whole picture */
    uint64_t whole_ns; /* of the root shown */
    size_t found;      /* how far down the zoom path there are samples */
};

/* A tree of an earlier time, and which function of it is which of now. */
struct n1_flame_before {
    const struct n1_profile *profile; /* NULL: none */
    const uint32_t *match;            /* by function now: index before, UINT32_MAX: none */
    size_t count;
};

void n1_flame_finish(struct n1_flame *flame);
/* Lays the tree out in `width` columns; `page` rows are visible. `before` may be NULL. Returns 0 or -ENOMEM.
 */
int n1_flame_layout(struct n1_flame *flame, const struct n1_profile *profile, int width, int page,
                    const struct n1_flame_before *before);
/* Index of the selected box, -1 when nothing is shown. */
int n1_flame_selected(const struct n1_flame *flame);
/* Moves the selection: UP to the parent, DOWN to the widest child, LEFT and RIGHT among siblings, TOP to the
 * root (all as seen when not flipped). False when the action is none of these. */
bool n1_flame_move(struct n1_flame *flame, enum n1_action action);
/* Makes the selected box the root. */
void n1_flame_zoom_in(struct n1_flame *flame, const struct n1_profile *profile);
/* One step back; false when there was no zoom. */
bool n1_flame_zoom_out(struct n1_flame *flame);
/* Boxes and time (outermost frames only) of functions that match: `match[i]` for function i. */
size_t n1_flame_hits(const struct n1_profile *profile, const bool *match, uint64_t *ret_ns);

#endif
