/*
 * The sampler's command line. It is a program for n1top to start, not for people, so it says little and
 * refuses whatever it does not know.
 */
#ifndef N1_SAMPLER_OPTIONS_H
#define N1_SAMPLER_OPTIONS_H

#include "n1/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { N1_TARGETS_MAX = 256 };

struct n1_options {
    int control; /* socket to n1top, -1 without one */
    pid_t pids[N1_TARGETS_MAX];
    size_t pid_count;
    double rate_hz;           /* 1 … 20000 */
    double linger_s;          /* how long to go on when the screen's line drops; 0: not at all */
    uint64_t memory_mb;       /* size of the model */
    const char *engine;       /* "auto", "perf", "ptrace", "nonstop"; NULL: as configured */
    const char *config, *log; /* paths or NULL */
    unsigned cpus;            /* number of CPUs to plan for; 0: the machine's (tests set it) */
    bool children, dump, doctor;
    bool faults; /* sample page faults from the start */
};

/* Fills *ret from argv; errors are N1_E_USAGE with the argument named. Strings point into argv. */
int n1_options_parse(int argc, char **argv, struct n1_options *ret, struct n1_error *reterr);

#endif
