/*
 * The stack of a thread that is blocked, without stopping it: /proc/PID/task/TID/syscall says where it
 * stands, its stack is read in one call, and it is looked at again; only when nothing moved is the stack a
 * real one. Needs the right to read the target's memory. Sampler thread only.
 */
#ifndef N1_SAMPLER_BLOCKED_H
#define N1_SAMPLER_BLOCKED_H

#include "sampler/engine/sample.h"
#include "sampler/targets.h"

/* Where a blocked thread stands. */
struct n1_blocked {
    int32_t syscall; /* its number; -1: not in a system call (a page fault), -2: not known */
    uint64_t args[6];
    uint64_t sp, pc;
    char text[256]; /* of the file, to be compared with later */
};

/* Takes the line of a syscall file apart. False when the thread runs or the text is not of that kind. */
bool n1_blocked_parse(const char *text, size_t len, struct n1_blocked *ret);

/* Reads where a thread stands. Returns 0, -EAGAIN (it runs), -ESRCH (it ended), -EPERM or -EACCES. 6 us. */
int n1_blocked_where(const struct n1_target *t, pid_t tid, struct n1_blocked *ret);

/* Reads its stack into `buf` (`cap` bytes) and makes a raw sample of it; the caller then makes sure that the
 * thread has not moved. False when the stack cannot be read. */
bool n1_blocked_stack(const struct n1_target *t, pid_t tid, const struct n1_blocked *where, uint8_t *buf,
                      size_t cap, struct n1_raw_sample *ret);

/* All three steps. False when the thread runs, moved meanwhile, has ended, or may not be read. About 40 us.
 */
bool n1_blocked_read(const struct n1_target *t, pid_t tid, uint8_t *buf, size_t cap,
                     struct n1_raw_sample *ret);

#endif
