/*
 * The arithmetic of engine A: which rate is really used, how large the rings and the stack copies are, and
 * which of the ways of watching a process is chosen. Pure functions, any thread, nothing allocated.
 */
#ifndef N1_SAMPLER_ENGINE_PERF_PLAN_H
#define N1_SAMPLER_ENGINE_PERF_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    N1_PERF_RATE_MAX_HZ = 20000,
    N1_PERF_STACK_SMALL_BYTES = 8 * 1024,
    N1_PERF_STACK_BYTES = 16 * 1024,
    N1_PERF_STACK_MAX_BYTES = 32 * 1024,
    N1_PERF_RING_MIN_BYTES = 32 * 1024,
    N1_PERF_RING_MAX_BYTES = 4 * 1024 * 1024,
    N1_PERF_BUDGET_BYTES = 16 * 1024 * 1024,
    N1_PERF_EVENTS_MAX = 2000,        /* threads x CPUs above which inherited events are not used */
    N1_PERF_CPUS_CHURN = 16,          /* CPUs above which thread churn makes inherited events too dear */
    N1_PERF_CHURN_PER_S = 20,         /* thread births a second that count as churn */
    N1_PERF_SWITCHES_VM_PER_S = 2000, /* context switches that make events of threads too dear: a timer is */
    N1_PERF_SWITCHES_METAL_PER_S = 20000, /* set at each, which in a virtual machine costs 3 to 15 us */
};

/* How a process is watched. */
enum n1_perf_mode {
    N1_PERF_MODE_INHERIT, /* an event per thread and CPU, inherited by new threads; a ring per CPU */
    N1_PERF_MODE_CGROUP,  /* an event per CPU on the target's own cgroup; a ring per CPU */
    N1_PERF_MODE_SYSTEM,  /* an event per CPU on everybody, others' samples dropped here; a ring per CPU */
    N1_PERF_MODE_SCAN,    /* an event and a small ring per thread that runs, found by scanning */
};

/* What the choice of the mode hangs on. */
struct n1_perf_choice {
    unsigned threads, cpus;
    unsigned events_room;    /* events that descriptors are left for; 0: not known */
    unsigned births_per_s;   /* new threads a second */
    unsigned switches_per_s; /* context switches */
    bool virtual_machine;
    bool own_cgroup; /* it has a cgroup to itself, and events on that are permitted */
    bool system;     /* events on whole CPUs are permitted */
    bool blind;      /* most of its CPU time is spent in threads that end before the first sample */
};

/* By how much the rate of a process is to be divided that may only be watched by events of its threads: a
 * timer is set at each of its context switches, unless it lies far enough ahead. `cpu_ns_per_s`: CPU time
 * that the process gets in a second. 1: leave it. */
uint32_t n1_perf_slow_divisor(uint32_t rate_hz, unsigned switches_per_s, uint64_t cpu_ns_per_s,
                              bool virtual_machine);

const char *n1_perf_mode_name(enum n1_perf_mode mode);

/* The rate really used for a rate asked for, both in Hz: no multiple of 2 or 5 below 200, a prime from 200,
 * so that programs with a round period are not sampled in step (1000 gives 997). Clamped
 * to 1..N1_PERF_RATE_MAX_HZ. */
uint32_t n1_perf_rate_used(uint32_t asked_hz);

/* Period in nanoseconds of CPU time for a rate in Hz (> 0). */
uint64_t n1_perf_period_ns(uint32_t rate_hz);

/* Data bytes of one ring (a power of two) so that `rings` of them with a control page each stay within
 * `budget_bytes`; never below N1_PERF_RING_MIN_BYTES, even when the budget asks for it. */
size_t n1_perf_ring_bytes(unsigned rings, size_t budget_bytes, size_t page_bytes);

/* Bytes written to a ring after which the reader is woken: half of it when a busy CPU does not write that
 * much at `rate_hz` within `drain_ms`, so that the timer alone wakes it; else a quarter, which leaves it time
 * to come. */
uint32_t n1_perf_watermark_bytes(size_t ring_bytes, uint32_t rate_hz, uint32_t drain_ms);

/* Bytes of user stack to copy: `asked_bytes` (0: the default) rounded to 8 and clamped, or
 * N1_PERF_STACK_SMALL_BYTES when fewer than 16 such samples fit a ring of `ring_bytes`. */
uint32_t n1_perf_stack_bytes(uint32_t asked_bytes, size_t ring_bytes);

/* Chooses the mode for a process. Events of the threads themselves cost only the target; where they do not
 * fit, those on its cgroup cost it alone too; those on whole CPUs a little of everybody's time; a scan misses
 * some threads. */
enum n1_perf_mode n1_perf_mode_choose(const struct n1_perf_choice *choice);

#endif
