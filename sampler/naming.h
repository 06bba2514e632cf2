/*
 * Giving frames their names: a cursor runs over the frames of the model in order of id and asks the symbol
 * helper; answers come when they come and are written into the model. After a generation step the cursor
 * starts again and asks only for what has no name. Sampler thread only; never waits.
 */
#ifndef N1_SAMPLER_NAMING_H
#define N1_SAMPLER_NAMING_H

#include "sampler/symbols/symbols.h"
#include "sampler/target/module.h"

#include "n1/writer.h"

struct n1_naming;

int n1_naming_create(struct n1_writer *w, struct n1_naming **ret, struct n1_error *reterr);
void n1_naming_destroy(struct n1_naming *n);

/* Enters a module into the model, when it is new, and makes its file known to the symbol helper. `pid` is a
 * process that maps it. Returns its model id, 0 when the model has no room. */
uint32_t n1_naming_module(struct n1_naming *n, struct n1_module *module, pid_t pid);

/* Asks for what is new, a few frames not oftener than four times a second, and takes what is answered. Call
 * after each drain and when n1_naming_fd() is readable. */
void n1_naming_pump(struct n1_naming *n);
/* Has the kernel's symbols read before its first frame is met. */
void n1_naming_prepare_kernel(struct n1_naming *n, struct n1_module *kernel);
/* For the next 2 s everything new is asked for at once: somebody waits for it. As in the first 2 s. */
void n1_naming_hurry(struct n1_naming *n);
int n1_naming_fd(const struct n1_naming *n);

/* Starts to ask for file and line of every frame, too. */
void n1_naming_want_lines(struct n1_naming *n);
/* The same for the frames of one function (model id) that are named already or will be; 0: none. */
void n1_naming_want_lines_of(struct n1_naming *n, uint32_t function);
/* True when every frame has been asked for and answered. */
bool n1_naming_settled(const struct n1_naming *n);

pid_t n1_naming_helper_pid(const struct n1_naming *n);
void n1_naming_remap(struct n1_naming *n, const struct n1_remap *remap);

#endif
