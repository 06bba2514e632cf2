/*
 * What threads waited for in a window: sums by class, function and resource, and the waits that went on at
 * its end. Pure over the reader, as n1/profile.h; one thread per view. Times are blocked time summed over
 * threads, so a window of 10 s of 4 threads holds at most 40 s.
 *
 * The function of a wait is the innermost one on the stack that is not the C or C++ runtime's: who called
 * read, not read.
 */
#ifndef N1_WAITS_H
#define N1_WAITS_H

#include "n1/profile.h"

struct n1_wait_row {
    enum n1_wait_class wait_class;
    uint64_t function_id;          /* as n1_profile_function.id */
    const char *function, *module; /* owned by the view */
    uint32_t model_function;       /* model id; 0: a frame without a name */
    uint32_t resource;             /* model string; 0 none */
    uint64_t ns;                   /* inside the window */
    uint64_t count;                /* waits seen; a least number where they were too short to tell apart */
    bool least;
};

struct n1_wait_open {
    uint32_t thread, owner; /* model ids; owner 0: none or unknown */
    enum n1_wait_class wait_class;
    const char *function, *module;
    uint32_t resource, flags; /* model string; enum n1_wait_flags */
    n1_ns start;
};

struct n1_wait_totals {
    uint64_t ns[N1_WAIT_OTHER + 1], count[N1_WAIT_OTHER + 1]; /* by class */
    uint64_t all_ns, all_count;
    uint64_t lost; /* entries lapped before they could be read */
};

struct n1_wait_view;
struct n1_wait_view *n1_wait_view_create(void); /* NULL when out of memory */
void n1_wait_view_destroy(struct n1_wait_view *v);

/* Sums up `window` under `filter` (NULL: all; its wait_classes count, its kinds do not). Call between
 * n1_reader_begin and _end. Errors as n1_profile_update(); then the view is empty. */
int n1_wait_view_update(struct n1_wait_view *v, struct n1_reader *r, struct n1_window window,
                        const struct n1_filter *filter, struct n1_error *reterr);
/* Longest first. */
const struct n1_wait_row *n1_wait_rows(const struct n1_wait_view *v, size_t *ret_count);
/* Waits that were going on at the window's end, longest first. */
const struct n1_wait_open *n1_wait_open(const struct n1_wait_view *v, size_t *ret_count);
const struct n1_wait_totals *n1_wait_totals(const struct n1_wait_view *v);

/* "run queue", "lock"…; "other" when out of range. */
const char *n1_wait_class_name(uint32_t wait_class);

#endif
