/* The comparison in the picture: the profile of the span before, and what differs. Main thread. */
#ifndef N1_TUI_SCENE_COMPARE_H
#define N1_TUI_SCENE_COMPARE_H

#include "tui/saved.h"
#include "tui/travel.h"

struct n1_scene_compare {
    bool on; /* what follows is filled */
    bool share;
    struct n1_window before;       /* of a span; empty: something saved */
    char saved[64];                /* its name */
    const struct n1_profile *tree; /* with the calls of the time before; NULL: a report, which has none */
    struct n1_difference *rows;
    size_t count, significant; /* the significant ones come first */
    uint32_t *match;           /* by function of the profile now: index before, UINT32_MAX: none */
    size_t matched;            /* entries of match */
    double samples_before, samples_now, seconds_before, seconds_now;
    struct n1_profile *profile; /* of a span; kept between pictures */
};

void n1_scene_compare_finish(struct n1_scene_compare *compare);
/* What differs from `window` of the same model, or from something saved (`saved` not NULL), under the filter
 * that `now` was made with. Within a pass of the reader. Returns 0, -ENOMEM, -EAGAIN. */
int n1_scene_compare_update(struct n1_scene_compare *compare, struct n1_reader *reader,
                            struct n1_window window, struct n1_saved *saved, const struct n1_filter *filter,
                            const struct n1_profile *now, bool share);
/* z of a change between numbers of samples of the two sides. */
double n1_scene_compare_z(const struct n1_scene_compare *compare, double before, double now);

#endif
