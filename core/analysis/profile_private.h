/*
 * The insides of a profile, shared by its three files: profile.c slides the window, profile_merge.c makes the
 * figures that are shown, profile_ask.c answers questions about them.
 */
#ifndef CORE_ANALYSIS_PROFILE_PRIVATE_H
#define CORE_ANALYSIS_PROFILE_PRIVATE_H

#include "core/analysis/fold.h"
#include "core/analysis/pass.h"
#include "core/analysis/span.h"
#include "core/analysis/tally.h"

struct n1_profile_sum {
    uint64_t self_ns, total_ns, self_samples, total_samples;
};

/* What was read of one generation of one model. Replaced whole when ids change. */
struct n1_profile_state {
    struct n1_fold fold;
    struct n1_tally tally;
    const struct n1_reader *reader;
    uint64_t generation, created;
    uint64_t epoch;           /* of the fold, for which the tally's nodes hold */
    struct n1_range rows;     /* counted in the tally … */
    struct n1_window samples; /* … and the samples of these times … */
    uint64_t oldest, seen;    /* … with indices in [oldest, seen) */
    struct n1_pass pass;
    enum n1_profile_of of;
    uint64_t all_samples, all_ns, lost;
    bool broken; /* half changed by a failure: of no use any more */
};

struct n1_profile {
    struct n1_profile_state *state; /* NULL or what the next update works on */
    struct n1_profile_state *shown; /* owns the names of the figures below */
    struct n1_profile_summary summary;
    struct n1_profile_function *functions;
    size_t function_count, functions_cap;
    struct n1_profile_node *nodes;
    size_t node_count, nodes_cap;
    /* by function or node of the fold; `place` is that of the shown figures, the rest is scratch */
    size_t placed;   /* functions of the fold that `place` covers */
    uint32_t *place; /* function: where it is shown, N1_FOLD_NONE: nowhere */
    uint32_t *active, *order;
    uint32_t *youngest; /* by shown node: its last child so far */
    struct n1_profile_sum *of_function, *of_node;
    size_t place_cap, active_cap, order_cap, youngest_cap, of_function_cap, of_node_cap;
};

void n1_profile_state_destroy(struct n1_profile_state *s); /* NULL is fine */

/* Counts the MEMORY ring's entries of `window` that `filter` asks for into the empty tally; *span tells what
 * was covered. 0 or -ENOMEM. */
int n1_profile_memory(struct n1_profile_state *s, struct n1_reader *r, struct n1_window window,
                      const struct n1_filter *filter, struct n1_span *span);
/* The same for waits; of the wall clock they are added to the CPU time of `span`. */
int n1_profile_waits(struct n1_profile_state *s, struct n1_reader *r, struct n1_window window,
                     const struct n1_filter *filter, struct n1_span *span);

/* Sums up the tally of `s` under the kinds of `filter`, once the fold's order stands. First makes room, then
 * asks the reader whether all that was read belongs together, then fills: on failure the last figures stay.
 */
int n1_profile_merge(struct n1_profile *p, struct n1_profile_state *s, struct n1_reader *r, uint32_t kinds,
                     const struct n1_span *span, struct n1_error *reterr);

#endif
