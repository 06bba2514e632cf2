/*
 * Reports over a window of a model: one call, many formats. Each writes to a stream and changes nothing.
 * One thread per reader. A report makes its own passes (n1_reader_begin, _end), so it is called between those
 * of its caller, who afterwards compares n1_reader_generation() when it keeps ids. Of a live model the text
 * is made in memory and written when all of it is known to be of one generation; of a file or a closed model
 * it is streamed.
 */
#ifndef N1_REPORT_H
#define N1_REPORT_H

#include "n1/profile.h"

#include <stdio.h>

struct n1_report_options {
    struct n1_window window;        /* {0, UINT64_MAX}: everything the model holds */
    const struct n1_filter *filter; /* NULL: all */
    size_t top;                     /* text: rows; json: hotspots; 0: 20 */
    bool redact;                    /* as n1_reader_redact(), for this report */
    uint32_t max_history;           /* json: execution_time and trends of so many seconds, the last; 0: all */
    const char *title;              /* SVG; NULL: the target's name */
};

/* A format: `name` as the commands take it, `extension` of a file made without -o. One table line a format.
 * `write` returns 0, N1_E_USAGE (bad filter), -ENOMEM, N1_E_DAMAGED, -EAGAIN (the model never held still), or
 * -errno of the stream (-ENOSPC, -EPIPE…), which it flushes. */
struct n1_report_format {
    const char *name, *extension, *text;
    int (*write)(FILE *out, struct n1_reader *r, const struct n1_report_options *options,
                 struct n1_error *reterr);
    bool any_of; /* takes a filter of something else than CPU time (enum n1_profile_of) */
};

/* All formats but "model" (which is n1/file.h); NULL-terminated by name. */
extern const struct n1_report_format n1_report_formats[];
const struct n1_report_format *n1_report_format_find(const char *name);

#endif
