/* Something saved earlier to compare with: a recording, or a JSON report of n1top. Main thread. */
#ifndef N1_TUI_SAVED_H
#define N1_TUI_SAVED_H

#include "n1/difference.h"

struct n1_saved;

/* Reads a file of either kind, at most 256 MiB of JSON. Errors: N1_E_NO_FILE, N1_E_NOT_OURS, N1_E_DAMAGED,
 * -errno. */
int n1_saved_load(const char *path, struct n1_saved **ret, struct n1_error *reterr);
void n1_saved_destroy(struct n1_saved *saved); /* NULL is fine */

/* The last component of its path, sanitised. */
const char *n1_saved_name(const struct n1_saved *saved);
/* Brings its figures up to a filter, of which text and kinds count (the rest names things of another model);
 * a report cannot be filtered any more. Returns 0 or an error of n1_profile_update(). */
int n1_saved_filter(struct n1_saved *saved, const struct n1_filter *filter);
/* Its functions by name. */
const struct n1_past *n1_saved_past(const struct n1_saved *saved);
/* Its profile with a call tree; NULL for a report. */
const struct n1_profile *n1_saved_profile(const struct n1_saved *saved);

#endif
