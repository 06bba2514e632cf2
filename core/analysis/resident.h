/*
 * Resident memory of processes at a time of a window. Internal to core/. One thread per object.
 */
#ifndef CORE_ANALYSIS_RESIDENT_H
#define CORE_ANALYSIS_RESIDENT_H

#include "n1/profile.h"

struct n1_resident {
    struct n1_resident_series *processes; /* by process id */
    size_t process_count;
    uint32_t *process_of; /* by thread id */
    size_t thread_count;
};

/* Reads the RSS of every process over the window. 0 or -ENOMEM; finish even then. */
int n1_resident_load(struct n1_resident *s, const struct n1_reader *r, struct n1_window window);
void n1_resident_finish(struct n1_resident *s);
/* Bytes resident in the thread's process by the last value known at `time`, 0: none. */
uint64_t n1_resident_at(const struct n1_resident *s, uint32_t thread, n1_ns time);

#endif
