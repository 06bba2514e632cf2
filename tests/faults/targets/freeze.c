/*
 * Preloaded into a sampler: stops it with SIGSTOP at a random moment of each stop that it makes: when it has
 * seized the thread, asked it to stop, between its reads, or before it lets go. What then ends the hold is
 * the sampler's own guard. The moments follow N1_FREEZE_SEED.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <time.h>

enum moment { SEIZED, ASKED, BEFORE_REGISTERS, BEFORE_STACK, AFTER_STACK, BEFORE_DETACH, MOMENTS };

static unsigned seed;
static enum moment chosen = MOMENTS; /* of the stop that is going on */
static int held;                     /* threads seized and not let go: only then is the guard asked for */

static void spin_us(int us)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - start.tv_sec) * 1000000 + (now.tv_nsec - start.tv_nsec) / 1000 < us);
}

static void at(enum moment moment)
{
    if (moment != chosen || !held)
        return;
    chosen = MOMENTS;
    spin_us(rand_r(&seed) % 20);
    raise(SIGSTOP);
}

long ptrace(enum __ptrace_request request, ...)
{
    static long (*real)(enum __ptrace_request, pid_t, void *, void *);
    va_list args;
    va_start(args, request);
    pid_t tid = va_arg(args, pid_t);
    void *address = va_arg(args, void *), *data = va_arg(args, void *);
    va_end(args);
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "ptrace");
        const char *text = getenv("N1_FREEZE_SEED");
        seed = text ? (unsigned)strtoul(text, NULL, 10) : 1;
    }
    if (request == PTRACE_SEIZE)
        chosen = (enum moment)(rand_r(&seed) % MOMENTS);
    if (request == PTRACE_GETREGSET)
        at(BEFORE_REGISTERS);
    if (request == PTRACE_DETACH)
        at(BEFORE_DETACH);
    long result = real(request, tid, address, data);
    if (request == PTRACE_SEIZE && result == 0) {
        held++;
        at(SEIZED);
    }
    if (request == PTRACE_DETACH && result == 0)
        held--;
    if (request == PTRACE_INTERRUPT)
        at(ASKED);
    return result;
}

ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long locals,
                         const struct iovec *remote, unsigned long remotes, unsigned long flags)
{
    static ssize_t (*real)(pid_t, const struct iovec *, unsigned long, const struct iovec *, unsigned long,
                           unsigned long);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "process_vm_readv");
    at(BEFORE_STACK);
    ssize_t result = real(pid, local, locals, remote, remotes, flags);
    at(AFTER_STACK);
    return result;
}
