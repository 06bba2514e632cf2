/*
 * What all test targets share: they end with their parent or after a limit, say "ready", burn CPU in a leaf
 * called spin, and keep the truth about themselves in rows that survive fork (shared memory).
 *
 * Common options, taken out of argv by target_begin: --truth FILE (written at the end and on SIGUSR1, whole
 * or not at all), --for SECONDS (end by itself), --limit SECONDS (die, default 120), -- (what follows is not
 * ours). CPU times are CLOCK_THREAD_CPUTIME_ID nanoseconds; the file has seconds:
 *   {"target", "pid", "sequence", "mono_ns", "process_cpu_seconds",
 *    "functions": {NAME: seconds with NAME on the stack}, "threads": {NAME: seconds}, "counts": {NAME:
 * number}}
 */
#ifndef N1_TESTS_TARGET_H
#define N1_TESTS_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Keeps a function a physical one: neither inlined nor cloned nor reasoned about by its callers. */
#define TARGET_FUNCTION __attribute__((noipa, used))

struct truth_row; /* a figure of the truth; added to from any thread and any forked process */

/* First thing in main. Leaves in argv what is the target's own. */
void target_begin(int *argc, char **argv);
/* Set up: writes "ready" and a new line to standard output. */
void target_ready(void);
/* For a loop of one thread: answers SIGUSR1; false when it is time to end. */
bool target_poll(void);
/* For the main thread of a target whose other threads work: returns when it is time to end. */
void target_wait(void);
/* Writes the truth and exits. */
void target_end(int status) __attribute__((noreturn));
/* A complaint on standard error, and exit 1. */
void target_die(const char *what) __attribute__((noreturn));

/* A named thread with all signals blocked, detached; its stack is 256 KiB. */
void target_thread(const char *name, void *(*run)(void *), void *arg);
/* After fork, in the child: ends with its new parent; the truth is the parent's to write. */
void target_child(void);

/* Rows are made before threads start; the same kind and name give the same row. */
struct truth_row *truth_function(const char *name);
struct truth_row *truth_thread(const char *name);
struct truth_row *truth_count(const char *name);
void truth_add(struct truth_row *row, uint64_t amount);
uint64_t truth_value(const struct truth_row *row);
/* Writes the truth file now, if there is one. */
void truth_write(void);

uint64_t thread_cpu_ns(void);
uint64_t mono_ns(void);
void sleep_ms(unsigned ms);

/* The hot leaf: about `rounds` nanoseconds of arithmetic without memory or system calls. */
uint64_t spin(uint64_t rounds);

/* A function that burns about that many nanoseconds, and the part of the CPU time it is to get. */
struct share {
    uint64_t (*run)(uint64_t ns);
    struct truth_row *row;
    double part;
};
/* Runs the function that is furthest behind its part once, for about a millisecond (never the same twice, so
 * that no sampling period beats against it), and books what the thread's CPU clock says. */
void share_step(struct share *shares, int count);

#ifdef __cplusplus
}
#endif
#endif
