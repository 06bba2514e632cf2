/*
 * The processes of the host with their share of a CPU, for the picker. From /proc/PID/stat, status and
 * cmdline; kernel threads are left out, they cannot be profiled. Main thread.
 */
#ifndef N1_TUI_PROCESS_LIST_H
#define N1_TUI_PROCESS_LIST_H

#include "n1/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct n1_process_entry {
    pid_t pid;
    uid_t uid; /* real */
    uint64_t start_ticks, cpu_ticks;
    double cpu; /* percent of one core since the last read; NaN before there were two */
    double rss_bytes;
    char name[32];     /* comm, sanitised */
    char command[256]; /* command line, sanitised; the name when it is empty */
};

struct n1_process_list {
    struct n1_process_entry *entries; /* busiest first */
    size_t count;
    n1_ns read_at;
};

/* Reads /proc again; figures are over the time since the last call. Returns 0 or -errno; what vanishes
 * meanwhile is left out. Start with a list that is all zero. */
int n1_process_list_read(struct n1_process_list *list);
void n1_process_list_finish(struct n1_process_list *list);

#endif
