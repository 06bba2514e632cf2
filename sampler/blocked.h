/*
 * The stack of a thread that is blocked, without stopping it: /proc/PID/task/TID/syscall says where it
 * stands, its stack is read in one call, and the file is read again; only when nothing moved is the stack a
 * real one. Needs the right to read the target's memory. Sampler thread only.
 */
#ifndef N1_SAMPLER_BLOCKED_H
#define N1_SAMPLER_BLOCKED_H

#include "sampler/engine/sample.h"
#include "sampler/targets.h"

/* Reads the thread's user state into *ret, whose stack then lies in `buf` (`cap` bytes). False when the
 * thread runs, moved meanwhile, has ended, or may not be read. About 40 us. */
bool n1_blocked_read(const struct n1_target *t, pid_t tid, uint8_t *buf, size_t cap,
                     struct n1_raw_sample *ret);

#endif
