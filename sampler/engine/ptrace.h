/*
 * Engine B: samples by stopping one thread for some ten microseconds, where perf is refused or a consistent
 * chain of a language runtime is wanted. A sample is one seize, interrupt, read, detach; between samples
 * nothing is traced. Threads inside a system call are left alone. Sampler thread only, and always the same
 * one, because the kernel lets a thread go only for the thread that seized it; the sink is called from drain
 * only.
 */
#ifndef N1_SAMPLER_ENGINE_PTRACE_H
#define N1_SAMPLER_ENGINE_PTRACE_H

#include "sampler/engine/engine.h"

struct n1_ptrace_config {
    uint32_t rate_hz;     /* asked for, per running thread; 0: 99. At most N1_PTRACE_RATE_MAX_HZ in all */
    uint32_t stack_bytes; /* user stack to copy; 0: 16 KiB */
};

/* Creates the engine: tries whether ptrace is permitted at all, blocks SIGCHLD, asks the scheduler to serve
 * this thread soon. `sink` is copied. Returns 0, N1_E_NOT_PERMITTED or -errno with the reason. */
int n1_ptrace_create(const struct n1_ptrace_config *config, const struct n1_engine_sink *sink,
                     struct n1_engine *ret, struct n1_error *reterr);

/* Whether a system call filter or the kernel lets this process call ptrace at all: 0 or -errno. Touches
 * nobody. */
int n1_ptrace_probe(void);

/* Whether this process may be stopped, tried without stopping it: the kernel guards /proc/PID/syscall by the
 * same check. Returns 0, N1_E_NO_PROCESS or N1_E_NOT_PERMITTED with the check that refused and the remedy. */
int n1_ptrace_permitted(pid_t pid, struct n1_error *reterr);

#endif
