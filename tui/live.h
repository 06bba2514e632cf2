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
    struct n1_screen *screen; /* open; NULL for n1_live_dump() */
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

/* One frame of a recording without a terminal: presses `keys` (as typed; "<F5>", "<Enter>", "<Esc>", "<Up>"…
 * for the rest), draws at the given size and writes characters and roles to `out`. Returns 0, or N1_E_USAGE
 * for a key that does not exist. The clock stands at the end of the recording, so that a frame is the same
 * every time. */
int n1_live_dump(struct n1_session *session, const struct n1_live_options *options, int rows, int cols,
                 const char *keys, bool roles, FILE *out, struct n1_error *reterr);

#endif
