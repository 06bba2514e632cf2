/*
 * What a run of the sampler has to do with those who watch it: hears them, answers, decides who controls, and
 * goes on or ends when they have gone. Sampler thread only; private to watch.c.
 */
#ifndef N1_SAMPLER_VIEWERS_ATTEND_H
#define N1_SAMPLER_VIEWERS_ATTEND_H

#include "n1/error.h"
#include "n1/time.h"

struct n1_watch;

/* Takes over options->control; with --linger opens the named socket and leaves the terminal. Without that
 * socket the sampler ends with its screen, which is told why. */
int n1_attend_start(struct n1_watch *watch, struct n1_error *reterr);
/* Hears everybody; call when n1_viewers_fd() is readable. */
void n1_attend_pump(struct n1_watch *watch);
/* Once a second: the lingering clock. */
void n1_attend_tick(struct n1_watch *watch, n1_ns now);

#endif
