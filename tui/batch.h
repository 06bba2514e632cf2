/* Pictures without a terminal: as text, for a pipe, a ticket, a test. Main thread. */
#ifndef N1_TUI_BATCH_H
#define N1_TUI_BATCH_H

#include "tui/app.h"
#include "tui/session.h"

#include <stdio.h>

struct n1_batch_options {
    const struct n1_glyphs *glyphs;
    enum n1_spark_motion motion;
    int rows, cols;
    const char
        *keys;  /* pressed first, as typed; "<F5>", "<Enter>", "<Esc>", "<Up>"… for the rest; may be NULL */
    bool roles; /* a letter a cell after the characters (n1_canvas_dump) */
    bool low_bandwidth;
    unsigned refresh_ms; /* between two pictures of n1_batch_run() */
    unsigned pictures; /* of n1_batch_run(); 0: until the process, the sampler or the reader of `out` ends */
};

/* One picture of a recording. The clock stands at its end, so that the picture is the same every time.
 * Returns 0, or N1_E_USAGE for a key that does not exist. */
int n1_batch_dump(struct n1_session *session, const struct n1_batch_options *options, FILE *out,
                  struct n1_error *reterr);

/* Pictures of a running session (or the one of a recording), a blank line after each; n1_signals_open() was
 * called. Returns the exit status (128 + n after a signal), or an error in *reterr and its status. */
int n1_batch_run(struct n1_session *session, const struct n1_batch_options *options, FILE *out,
                 struct n1_error *reterr);

#endif
