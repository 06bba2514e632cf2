/*
 * What the formats of core/report/ share: one profile of the window with a key for every function, facts that
 * a profile does not hold, redaction, and passes over a live model that end in a whole report or none.
 */
#ifndef CORE_REPORT_REPORT_PRIVATE_H
#define CORE_REPORT_REPORT_PRIVATE_H

#include "n1/report.h"

#define N1_REPORT_TEXT 4096 /* room for a text of the model after redaction */

/* One pass over the model, inside n1_reader_begin and _end. */
struct n1_report {
    struct n1_reader *reader;
    const struct n1_report_options *options;
    struct n1_profile *profile;
    const struct n1_profile_summary *summary;
    const struct n1_profile_function *functions;
    const struct n1_profile_node *nodes;
    size_t function_count, node_count;
    char **keys; /* by function: canonical and unique, "module!name"; owned */
};

/* Runs `body` over consistent figures. A live model may make a generation step meanwhile: then the text is
 * made in memory first and thrown away when it mixes two generations. Returns 0, what `body` returns, -errno
 * of a failed write, -EAGAIN when the writer never held still. */
typedef int n1_report_body(FILE *out, struct n1_report *report, struct n1_error *reterr);
int n1_report_run(FILE *out, struct n1_reader *r, const struct n1_report_options *options,
                  n1_report_body *body, struct n1_error *reterr);

/* Pushes everything out. Returns 0 or -errno (ENOSPC, EPIPE…). */
int n1_report_flush(FILE *out, struct n1_error *reterr);

/* Text of the model, clean, in `out`. What the options do not allow out the reader has already taken away. */
const char *n1_report_text(const struct n1_report *report, uint32_t string, char out[N1_REPORT_TEXT]);

/* Key of a function of the model, which the window may not hold: then "module!name". 0 and bad ids give "".
 */
const char *n1_report_function_key(const struct n1_report *report, uint32_t function,
                                   char out[N1_REPORT_TEXT]);

/* "python", "native"…; "unknown" when out of range. */
const char *n1_report_kind(uint32_t kind);

/* Writes `value` with `places` (0..6) decimals and a point, whatever the locale says. */
void n1_report_decimal(FILE *out, double value, int places);

/* Title of a picture: the options' or the first target's. */
const char *n1_report_title(struct n1_report *report, char out[N1_REPORT_TEXT]);

/* The memory part of the text; nothing when nothing was measured. 0, -ENOMEM, -EAGAIN. */
int n1_report_text_memory(FILE *out, struct n1_report *report);

/* A section of the text report. */
int n1_report_text_waits(FILE *out, struct n1_report *report, struct n1_error *reterr);

int n1_report_write_json(FILE *out, struct n1_reader *r, const struct n1_report_options *o,
                         struct n1_error *reterr);
int n1_report_write_text(FILE *out, struct n1_reader *r, const struct n1_report_options *o,
                         struct n1_error *reterr);
int n1_report_write_collapsed(FILE *out, struct n1_reader *r, const struct n1_report_options *o,
                              struct n1_error *reterr);
int n1_report_write_svg(FILE *out, struct n1_reader *r, const struct n1_report_options *o,
                        struct n1_error *reterr);

#endif
