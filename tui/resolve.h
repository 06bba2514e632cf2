/*
 * Which processes a person means by `-p`: a PID, a name, or a systemd unit. From /proc and /sys/fs/cgroup of
 * the host, before anything is attached.
 */
#ifndef N1_TUI_RESOLVE_H
#define N1_TUI_RESOLVE_H

#include "n1/error.h"

#include <stddef.h>
#include <sys/types.h>

/* Fills `ret` with the processes meant by `text`: digits are a PID (not looked up here), "X.service" and
 * other unit names mean every process of the unit's cgroup, anything else the one process of that name (comm,
 * or the last component of its executable or of its first argument). Errors: N1_E_NO_PROCESS when there is
 * none, N1_E_USAGE when a name fits several (they are listed in the hint) or when `cap` is too small. */
int n1_process_resolve(const char *text, pid_t *ret, size_t cap, size_t *ret_count, struct n1_error *reterr);

#endif
