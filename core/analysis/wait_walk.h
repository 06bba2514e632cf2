/*
 * The waits of a window, one after another, with the part of each that lies inside. Internal to core/.
 */
#ifndef CORE_ANALYSIS_WAIT_WALK_H
#define CORE_ANALYSIS_WAIT_WALK_H

#include "core/analysis/pass.h"

/* `ns` is what lies inside the window; `going` that it was not over at its end. Stops at the first result
 * that is not 0. */
typedef int n1_wait_each(void *context, const struct n1_model_wait *wait, uint64_t ns, bool going);

/* Calls `each` for every wait of the window that passes by thread, process and class. Returns what it
 * returned, or -ENOMEM. *ret_lost grows by what was lapped meanwhile. */
int n1_wait_walk(struct n1_reader *r, struct n1_window window, const struct n1_filter *filter,
                 struct n1_pass *pass, n1_wait_each *each, void *context, uint64_t *ret_lost);

/* Code that runs in every program: the C and C++ libraries, the loader, the kernel. */
bool n1_is_runtime(const char *module_name, enum n1_function_kind kind);

#endif
