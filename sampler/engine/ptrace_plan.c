/*
 * See ptrace(2), "Stopped states": after PTRACE_SEIZE a status with PTRACE_EVENT_STOP in its third byte is a
 * stop of ours when the signal is SIGTRAP, and a stop of the whole process when it is one of the four stop
 * signals; without an event it is a signal on its way.
 */
#include "sampler/engine/ptrace_plan.h"

#include "sampler/engine/perf_plan.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

uint32_t n1_ptrace_rate_used(uint32_t asked_hz)
{
    return n1_perf_rate_used(asked_hz < N1_PTRACE_RATE_MAX_HZ ? asked_hz : N1_PTRACE_RATE_MAX_HZ);
}

enum n1_ptrace_stop n1_ptrace_stop_kind(int status, int *ret_signal)
{
    *ret_signal = 0;
    if (!WIFSTOPPED(status))
        return N1_PTRACE_ENDED;
    int event = status >> 16;
    if (event == PTRACE_EVENT_STOP)
        return WSTOPSIG(status) == SIGTRAP ? N1_PTRACE_TRAP : N1_PTRACE_GROUP;
    if (event)
        return N1_PTRACE_GROUP; /* no other event was asked for */
    *ret_signal = WSTOPSIG(status);
    return N1_PTRACE_SIGNAL;
}

bool n1_ptrace_cut_short(const struct n1_ptrace_call *call)
{
    if (call->number < 0)
        return false;
    if (call->result == -EINTR)
        return true;
    switch (call->number) {
    case SYS_write:
    case SYS_sendto:
    case SYS_pwrite64:
        return call->result > 0 && (uint64_t)call->result < call->count;
    default:
        return false;
    }
}

static unsigned class_of(n1_ns ns)
{
    unsigned octave = 0;
    uint64_t value = ns;
    if (value < 16)
        return 0;
    while (octave < 63 && value >> (octave + 1))
        octave++;
    unsigned class = (octave - 4) * 8 + (unsigned)(value >> (octave - 3) & 7);
    return class < N1_PAUSE_CLASSES ? class : N1_PAUSE_CLASSES - 1;
}

void n1_pauses_add(struct n1_pauses *pauses, n1_ns ns)
{
    enum { FORGET = 8192 };
    pauses->classes[class_of(ns)]++;
    if (++pauses->count < FORGET)
        return;
    pauses->count = 0;
    for (unsigned i = 0; i < N1_PAUSE_CLASSES; i++) {
        pauses->classes[i] /= 2;
        pauses->count += pauses->classes[i];
    }
}

n1_ns n1_pauses_quantile(const struct n1_pauses *pauses, double quantile)
{
    double want = quantile * pauses->count, sum = 0;
    for (unsigned i = 0; i < N1_PAUSE_CLASSES && pauses->count; i++) {
        sum += pauses->classes[i];
        if (pauses->classes[i] && sum >= want)
            return (n1_ns)((uint64_t)(i % 8 + 9) << (i / 8 + 1));
    }
    return 0;
}

bool n1_ptrace_worth(uint64_t owed_ns, uint64_t slices)
{
    /* At a stop the thread is on its way to sleep with the chance WAY_NS * slices / owed. */
    const double way_ns = 2000, harmless_ns = 2e9;
    double owed = (double)owed_ns;
    return owed_ns && owed * owed >= way_ns * harmless_ns * (double)slices;
}

n1_ns n1_ptrace_rest(n1_ns rest, bool harmed)
{
    const n1_ns most = 60 * N1_SECOND_NS;
    if (harmed)
        return rest < N1_SECOND_NS ? N1_SECOND_NS : rest * 2 < most ? rest * 2 : most;
    rest -= rest / 8;
    return rest < N1_SECOND_NS / 2 ? 0 : rest;
}
