/*
 * Which engine samples, and why. `auto` is perf; where perf is refused it is the engine that stops threads;
 * where all targets are CPython it is that one, too, because only so are Python and native frames of one
 * instant. Sampler thread only.
 */
#ifndef N1_SAMPLER_CHOOSE_H
#define N1_SAMPLER_CHOOSE_H

#include "n1/error.h"
#include "n1/model.h"

#include <sys/types.h>

struct n1_watch;

/* Looks whether a filter of system calls lies over this process: to be called before we lay our own. */
void n1_choose_prepare(void);

/* Starts the engine that was asked for; when `auto` falls back, the reason is in the model. Returns 0 or the
 * refusal of each engine tried. */
int n1_choose_engine(struct n1_watch *watch, struct n1_error *reterr);

/* Has the engine sample one more process. With `auto`, and nothing sampled yet, a process that perf may not
 * see is given to the engine that stops threads. */
int n1_choose_add(struct n1_watch *watch, pid_t pid, struct n1_error *reterr);

/* Looks whether another engine suits the targets better now. */
void n1_choose_again(struct n1_watch *watch);

/* Why perf_event_open is refused to this process: N1_ENGINE_WHY_NONE when it is not. Touches nobody. */
enum n1_engine_why n1_choose_perf_refusal(void);

#endif
