/*
 * What this program may do on this machine, to this user, and to one process: each thing is really tried, and
 * each refusal is named with who refused and what helps. One line a thing: ok|limited|refused  thing: why.
 * remedy Nothing is changed, nothing of a process is read beyond what a sample would read. Sampler thread
 * only.
 */
#ifndef N1_SAMPLER_DOCTOR_H
#define N1_SAMPLER_DOCTOR_H

#include "sampler/target/process.h"

#include <stdio.h>

enum n1_doctor_level {
    N1_DOCTOR_OK,
    N1_DOCTOR_LIMITED, /* works, with something missing */
    N1_DOCTOR_REFUSED,
};

struct n1_doctor {
    FILE *out;
    struct n1_caller caller;
    unsigned counts[3]; /* lines of each level so far */
};

/* Writes one line; for the checks here and for those that other parts of the sampler add. Text
 * that comes from a process is sanitised. */
void n1_doctor_line(struct n1_doctor *doctor, enum n1_doctor_level level, const char *thing, const char *fmt,
                    ...) __attribute__((format(printf, 4, 5)));

/* Checks the machine and the user (`caller` is this program's real user) and, when `pid` > 0, that process;
 * then calls `more` (may be NULL) for the lines of others. Returns the exit status of the program: 0, or that
 * of n1_process_open's error when the process cannot be sampled at all (its line says why). */
int n1_doctor(FILE *out, pid_t pid, void (*more)(struct n1_doctor *doctor));

/* The part about the process alone; returns 0 or the code of n1_process_open. */
int n1_doctor_process(struct n1_doctor *doctor, pid_t pid);

#endif
