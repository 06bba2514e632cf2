/*
 * The arithmetic of engine B: rates, what a stop means, whether it cut a system call short, how long stops
 * took. Pure functions, any thread, nothing allocated.
 */
#ifndef N1_SAMPLER_ENGINE_PTRACE_PLAN_H
#define N1_SAMPLER_ENGINE_PTRACE_PLAN_H

#include "n1/time.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    N1_PTRACE_RATE_MAX_HZ = 250, /* stops a second, of all threads together */
    N1_PTRACE_BURST_MAX = 8,     /* stops at one deadline */
};

/* The rate really used for a rate asked for, Hz: odd, as engine A's, and within the limit. */
uint32_t n1_ptrace_rate_used(uint32_t asked_hz);

/* What waitpid() says of a thread that was seized without options. */
enum n1_ptrace_stop {
    N1_PTRACE_TRAP,   /* the stop that was asked for */
    N1_PTRACE_GROUP,  /* the process is stopped by a signal: let go, it stays so */
    N1_PTRACE_SIGNAL, /* a signal is about to be delivered: must be handed on */
    N1_PTRACE_ENDED,  /* the thread ended */
};

/* Takes a status of waitpid() apart; *ret_signal is what to hand on when the thread is let go, else 0. */
enum n1_ptrace_stop n1_ptrace_stop_kind(int status, int *ret_signal);

/* A system call as the registers show it at a stop. */
struct n1_ptrace_call {
    int64_t number; /* orig_rax; negative: the thread was not in a system call */
    int64_t result; /* rax */
    uint64_t count; /* rdx: the bytes asked for, of calls that have such an argument */
};

/* True when the stop may show in the result of the call: EINTR is returned, or fewer bytes were written than
 * asked for. Calls that the kernel restarts by itself are not cut short. */
bool n1_ptrace_cut_short(const struct n1_ptrace_call *call);

/* Durations, in classes of an eighth of a power of two; the old lose their weight with the new. */
enum { N1_PAUSE_CLASSES = 30 * 8 };
struct n1_pauses {
    uint32_t classes[N1_PAUSE_CLASSES], count;
};

void n1_pauses_add(struct n1_pauses *pauses, n1_ns ns);
/* The upper end of the class that holds the quantile (0 to 1); 0 when there is none. */
n1_ns n1_pauses_quantile(const struct n1_pauses *pauses, double quantile);

/* Whether CPU time that no sample stands for is worth a stop, in view of the harm one may do: a thread that
 * sleeps after each few microseconds is caught on its way to sleep more often than one that computes. The
 * more slices the time came in, the more of it is asked for: on average one call cut short in two seconds of
 * CPU time. */
bool n1_ptrace_worth(uint64_t owed_ns, uint64_t slices);

/* How long a thread is left alone after a stop cut a call of its short: doubled each time, up to a minute;
 * each stop that did no harm takes an eighth off, down to nothing below a second. */
n1_ns n1_ptrace_rest(n1_ns rest, bool harmed);

#endif
