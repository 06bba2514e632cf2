/*
 * The live screen: the loop over keys, signals, the sampler's socket and the clock. Keys are handled before
 * anything is painted; at most one frame follows a wake-up. Main thread.
 */
#ifndef N1_TUI_LIVE_H
#define N1_TUI_LIVE_H

#include "tui/app.h"
#include "tui/screen.h"
#include "tui/session.h"

struct n1_live_options {
    struct n1_screen *screen; /* open */
    const struct n1_glyphs *glyphs;
    unsigned refresh_ms; /* 250..10000 */
    enum n1_spark_motion motion;
    const char *output_dir; /* of snapshots */
    uint32_t max_history;   /* of their execution times, seconds */
    const char *notice;     /* shown at first, may be NULL */
    bool low_bandwidth;     /* asked for from the start */
};

/* Runs until the user leaves, the terminal goes, or a signal ends it. The screen is closed on return. Returns
 * the program's exit status; *reterr is filled when the session failed. */
int n1_live_run(struct n1_session *session, const struct n1_live_options *options, struct n1_error *reterr);

#endif
