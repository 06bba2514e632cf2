/*
 * While a thread is stopped nothing happens but reads: no allocation, no log, no other file. A signal that
 * arrives meanwhile is handed on at the detach. A system call is not interrupted knowingly: who calls has
 * seen the thread running; when it went into one meanwhile, that is counted.
 */
#include "sampler/engine/short_stop.h"

#include "n1/time.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STACK_BYTES = 16384, PAGE = 4096, LATE_MOST = 64, BUCKETS = 256 };
#define WAIT_MOST_NS (2 * UINT64_C(1000000))
#define SPIN_NS UINT64_C(30000)
#define GUARD_LIMIT_NS (100 * UINT64_C(1000000))
#define GUARD_PERIOD_NS 25000000L

struct n1_short_stop {
    struct n1_short_stop_stats stats;
    _Atomic uint64_t *since; /* shared with the guardian: when the stop began, 0: none */
    pid_t guardian;
    pid_t late[LATE_MOST]; /* interrupted, and not stopped in time */
    size_t late_count;
    uint64_t histogram[BUCKETS]; /* of stops, in microseconds; the last takes all longer ones */
    uint8_t stack[STACK_BYTES + PAGE];
};

/* Lives beside the tracer, with nothing to do but to look at the clock. */
static void guard(const _Atomic uint64_t *since, pid_t tracer)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close_range(0, ~0u, 0);
    prctl(PR_SET_NAME, "n1top-guardian");
    while (getppid() == tracer) {
        nanosleep(&(struct timespec){0, GUARD_PERIOD_NS}, NULL);
        uint64_t began = *since;
        if (began && n1_time_mono() - began > GUARD_LIMIT_NS)
            kill(tracer, SIGKILL);
    }
    _exit(0);
}

int n1_short_stop_create(struct n1_short_stop **ret, struct n1_error *reterr)
{
    struct n1_short_stop *s = calloc(1, sizeof(*s));
    if (!s)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    s->since = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s->since == MAP_FAILED) {
        free(s);
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    }
    pid_t tracer = getpid();
    s->guardian = fork();
    if (s->guardian == 0)
        guard(s->since, tracer);
    if (s->guardian < 0) {
        int rc = -errno;
        munmap(s->since, PAGE);
        free(s);
        return n1_error_set(reterr, rc, "cannot start a guardian: %s", strerror(-rc));
    }
    *ret = s;
    return 0;
}

void n1_short_stop_destroy(struct n1_short_stop *s)
{
    if (!s)
        return;
    n1_ns deadline = n1_time_mono() + GUARD_LIMIT_NS;
    while (s->late_count && n1_time_mono() < deadline) {
        n1_short_stop_late(s);
        sched_yield();
    } /* what is left is let go by the kernel when we end */
    kill(s->guardian, SIGKILL);
    waitpid(s->guardian, NULL, 0);
    munmap((void *)s->since, PAGE);
    free(s);
}

/* The signal to hand on when letting go: only a stop for the delivery of a signal has one. */
static int signal_of(int status)
{
    return status >> 16 ? 0 : WSTOPSIG(status);
}

static void let_go(pid_t tid, int status)
{
    ptrace(PTRACE_DETACH, tid, NULL, (void *)(intptr_t)signal_of(status));
}

void n1_short_stop_late(struct n1_short_stop *s)
{
    for (size_t i = 0; i < s->late_count;) {
        int status;
        pid_t got = waitpid(s->late[i], &status, __WALL | WNOHANG);
        if (got == 0) {
            i++;
            continue;
        }
        if (got > 0 && WIFSTOPPED(status))
            let_go(s->late[i], status);
        s->late[i] = s->late[--s->late_count];
    }
}

/* Waits for the stop without ever blocking on it. Returns 1 stopped, 0 not in time, -1 gone. */
static int wait_stop(pid_t tid, int *ret_status)
{
    n1_ns began = n1_time_mono();
    for (;;) {
        pid_t got = waitpid(tid, ret_status, __WALL | WNOHANG);
        if (got == tid)
            return WIFSTOPPED(*ret_status) ? 1 : -1;
        if (got < 0 && errno != EINTR)
            return -1;
        n1_ns waited = n1_time_mono() - began;
        if (waited > WAIT_MOST_NS)
            return 0;
        if (waited > SPIN_NS)
            nanosleep(&(struct timespec){0, 20000}, NULL); /* it may need our CPU in order to stop */
        else
            sched_yield();
    }
}

static bool registers(pid_t tid, struct n1_user_state *user, bool *ret_interrupted)
{
    struct user_regs_struct r;
    struct iovec part = {&r, sizeof(r)};
    if (ptrace(PTRACE_GETREGSET, tid, (void *)1 /* NT_PRSTATUS */, &part) < 0)
        return false;
    const uint64_t regs[N1_REG_COUNT] = {r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8,
                                         r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip};
    memcpy(user->regs, regs, sizeof(regs));
    user->valid = (1u << N1_REG_COUNT) - 1;
    /* ERESTARTSYS … ERESTARTNOINTR are taken up again by the kernel; what the program sees is EINTR. */
    *ret_interrupted = (int64_t)r.orig_rax >= 0 && ((int64_t)r.rax == -EINTR);
    return true;
}

/* Page by page: the copy ends where the stack's mapping does. */
static void copy_stack(struct n1_short_stop *s, pid_t tid, struct n1_user_state *user)
{
    uint64_t sp = user->regs[N1_REG_RSP];
    struct iovec local = {s->stack, STACK_BYTES}, remote[STACK_BYTES / PAGE + 1];
    size_t parts = 0, planned = 0;
    while (planned < STACK_BYTES) {
        size_t len = PAGE - (sp + planned) % PAGE;
        if (len > STACK_BYTES - planned)
            len = STACK_BYTES - planned;
        remote[parts++] = (struct iovec){(void *)(uintptr_t)(sp + planned), len};
        planned += len;
    }
    ssize_t n = process_vm_readv(tid, &local, 1, remote, parts, 0);
    user->stack = s->stack;
    user->stack_len = n > 0 ? (size_t)n : 0;
}

static void account(struct n1_short_stop *s, uint64_t stopped_ns)
{
    uint64_t us = stopped_ns / 1000;
    s->stats.stops++;
    s->histogram[us < BUCKETS ? us : BUCKETS - 1]++;
    if (stopped_ns > s->stats.max_ns)
        s->stats.max_ns = stopped_ns;
}

int n1_short_stop_take(struct n1_short_stop *s, pid_t tid,
                       void (*read)(void *context, const struct n1_user_state *user), void *context,
                       struct n1_user_state *user)
{
    *user = (struct n1_user_state){0};
    if (s->late_count == LATE_MOST)
        return -ETIMEDOUT;
    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0) {
        int rc = -errno;
        s->stats.refused += rc != -ESRCH;
        return rc;
    }
    n1_ns began = n1_time_mono();
    *s->since = began;
    int status = 0, rc = 0;
    bool interrupted = false;
    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
    int stopped = wait_stop(tid, &status);
    if (stopped > 0) {
        if (registers(tid, user, &interrupted)) {
            copy_stack(s, tid, user);
            read(context, user);
        } else {
            rc = -ESRCH;
        }
        let_go(tid, status);
        account(s, n1_time_mono() - began);
        s->stats.interrupted += interrupted;
    } else if (stopped == 0) {
        s->late[s->late_count++] = tid;
        s->stats.slow++;
        rc = -ETIMEDOUT;
    } else {
        rc = -ESRCH;
    }
    *s->since = 0;
    return rc;
}

void n1_short_stop_stats(const struct n1_short_stop *s, struct n1_short_stop_stats *ret)
{
    uint64_t sum = 0, half = (s->stats.stops + 1) / 2, most = s->stats.stops - s->stats.stops / 100;
    *ret = s->stats;
    for (size_t i = 0; i < BUCKETS && sum < most; i++) {
        sum += s->histogram[i];
        if (sum >= half && !ret->p50_ns)
            ret->p50_ns = i * 1000 + 500;
        if (sum >= most)
            ret->p99_ns = i * 1000 + 500;
    }
}
