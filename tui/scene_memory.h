/*
 * The scene's picture of memory: who touched it first in the window, or since a mark, and what has grown
 * since. Main thread.
 */
#ifndef N1_TUI_SCENE_MEMORY_H
#define N1_TUI_SCENE_MEMORY_H

#include "n1/metric.h"
#include "n1/profile.h"

struct n1_scene_memory {
    struct n1_profile *profile;    /* bytes first touched, anonymous; NULL before the first picture */
    bool sampled;                  /* page faults were sampled in the window */
    n1_ns mark;                    /* since then; 0: no mark */
    double grown[N1_METRIC_COUNT]; /* of bytes, since the mark; NAN: not known */
};

void n1_scene_memory_finish(struct n1_scene_memory *memory);
/* Inside a pass. `window` counts when there is no mark. 0, -ENOMEM, -EAGAIN. */
int n1_scene_memory_update(struct n1_scene_memory *memory, struct n1_reader *reader, uint32_t process,
                           struct n1_window window, n1_ns mark, const struct n1_filter *filter);

#endif
