/*
 * The perf events of engine A: what is asked of the kernel, what this kernel and these rights grant, and the
 * opens. Sampler thread only.
 */
#ifndef N1_SAMPLER_ENGINE_PERF_ATTR_H
#define N1_SAMPLER_ENGINE_PERF_ATTR_H

#include "n1/error.h"

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What was found possible once, by opening events on ourselves. */
struct n1_perf_rights {
    bool kernel;         /* kernel mode is sampled and its frames come with it */
    bool system;         /* events on whole CPUs and on cgroups are permitted */
    bool inherit_thread; /* events can be inherited by threads without child processes (Linux 5.13) */
    int kernel_refusal;  /* -errno with which kernel mode was refused; 0 when it was granted or not asked for
                          */
};

/* One kind of event of the engine. */
struct n1_perf_event_spec {
    uint64_t period_ns; /* of CPU time between samples; 0: an event that only reports what happens to tasks */
    uint32_t stack_bytes;
    bool inherit;  /* new threads get it too */
    bool children; /* and new processes */
    bool on_exec;  /* starts at the next exec of the task */
};

/* perf_event_open(2). Returns an fd (close-on-exec) or -errno. */
int n1_perf_open(const struct perf_event_attr *attr, pid_t pid, int cpu, unsigned long flags);

/* Fills `attr` with an event of the engine under `rights`. */
void n1_perf_attr_event(struct perf_event_attr *attr, const struct n1_perf_event_spec *spec,
                        const struct n1_perf_rights *rights);

/* Fills `attr` with the event that owns a ring: it counts nothing and wakes up its poller each time that
 * `watermark_bytes` were written by anybody to its ring. */
void n1_perf_attr_ring(struct perf_event_attr *attr, uint32_t watermark_bytes);

/* What the kernel says to an event of user mode on ourselves: 0 or -errno. */
int n1_perf_refusal(void);

/* Finds out what is permitted by opening events on the calling thread; `user_only`: never ask for kernel
 * mode. Returns 0, or N1_E_NOT_PERMITTED or -errno with the reason and remedy when no event can be opened at
 * all. */
int n1_perf_rights_probe(struct n1_perf_rights *ret_rights, bool user_only, struct n1_error *reterr);

/* Explains a refused perf_event_open in one line; returns the code to give on. `err` is -errno. */
int n1_perf_refused(int err, const char *what, struct n1_error *reterr);

/* The value of kernel.perf_event_paranoid, or -100 when it cannot be read. */
int n1_perf_paranoid(void);

#endif
