/*
 * What the sampler may do once it has started: least rights, taken before a byte of the target is read and
 * kept to the end. What the list of calls refuses fails with EPERM and is told in the log with the number of
 * the call.
 */
#ifndef N1_SAMPLER_RIGHTS_H
#define N1_SAMPLER_RIGHTS_H

#include "n1/error.h"

/* Refuses to run setuid or setgid: the caller's files would be opened with rights that are not the caller's.
 * Errors: N1_E_NOT_PERMITTED. */
int n1_rights_check(struct n1_error *reterr);

/* Gives up every capability but those that sampling needs, and the ways to new ones, and core dumps (they
 * would hold the target's memory). Then only the listed calls. Process-wide for the list, else the calling
 * thread's: called before other threads are started. Returns 0 or an error. */
int n1_rights_reduce(struct n1_error *reterr);

/* From now on no regular file can be written: for a run without a log, once the model has its size. */
void n1_rights_no_files(void);

/* Installs the handler that turns a refused call into EPERM and a line of the log; for a program that starts
 * under a filter of its parent. */
void n1_rights_tell_refused(void);

/* Loads the list of calls for all threads. 0 or -errno; rights_calls.c. */
int n1_rights_filter_calls(void);

#endif
