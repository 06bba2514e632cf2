/*
 * One run of the sampler: from the options to the end of the targets or of the conversation with n1top.
 */
#ifndef N1_SAMPLER_WATCH_H
#define N1_SAMPLER_WATCH_H

#include "sampler/options.h"

/* Attaches, samples and answers until it is told to detach, the socket closes or a signal comes. Returns the
 * exit status; a failed start has then been reported over the socket (or to standard error without one). */
int n1_watch_run(const struct n1_options *options);

#endif
