/*
 * Takes every right from the calling process for good: capabilities, user, new descriptors, new processes,
 * memory, and all system calls but those that read what it already holds. For the symbol helper, once,
 * single-threaded.
 */
#ifndef N1_SAMPLER_SYMBOLS_SANDBOX_H
#define N1_SAMPLER_SYMBOLS_SANDBOX_H

#include <stdint.h>

/* Returns 0, or -errno when something that protects could not be set: then the process must not go on. */
int n1_sandbox_enter(void);
/* Gives the next piece of work `seconds` of CPU time; beyond it SIGXCPU ends the process. */
void n1_sandbox_allow_cpu(uint32_t seconds);

#endif
