/*
 * One stop: seize, interrupt, wait a little, read, let go. Between the stop and the letting go there are only
 * reads. A thread that does not come to its stop at once had no CPU: where it stops later is where it was put
 * off, not where it spends its time, so it is let go unread as soon as it does.
 *
 * The guard is timers of the kernel, armed while a thread is seized. Two continue this process when somebody
 * stopped it (SIGCONT does nothing else), the third kills it when it is held in a way that cannot be undone,
 * a debugger or a frozen control group: the kernel then lets every seized thread go. The signal has a handler
 * because the kernel does not start a timer anew whose signal is ignored; and there are two because a stop
 * signal that comes while the first one's is on its way takes that away, and with it all that were to follow.
 */
#include "sampler/engine/ptrace_internal.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define ON_TIME_NS (300 * UINT64_C(1000)) /* a thread on a CPU stops within some ten microseconds */
#define SPIN_NS (40 * UINT64_C(1000))
#define DEAD_AFTER_NS N1_SECOND_NS
#define SOON_NS (40 * MS)
#define REST_REFUSED_NS N1_SECOND_NS

static const struct {
    int signal;
    struct itimerspec when;
} guards[PTRACE_GUARDS] = {
    {SIGCONT, {{0, 10 * MS}, {0, 10 * MS}}},
    {SIGCONT, {{0, 10 * MS}, {0, 15 * MS}}},
    {SIGKILL, {{0, 0}, {2, 0}}}, /* a starved machine is no reason: ours must be held for good */
};

static void nothing(int signal)
{
    (void)signal;
}

int ptrace_guard_make(struct n1_ptrace *e)
{
    struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    sigaction(SIGCONT, &action, NULL);
    for (int i = 0; i < PTRACE_GUARDS; i++) {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = guards[i].signal};
        if (timer_create(CLOCK_MONOTONIC, &event, &e->guard[i]))
            return -errno;
        e->guard_made[i] = true;
    }
    return 0;
}

void ptrace_guard_finish(struct n1_ptrace *e)
{
    for (int i = 0; i < PTRACE_GUARDS; i++)
        if (e->guard_made[i])
            timer_delete(e->guard[i]);
}

void ptrace_guard(struct n1_ptrace *e, bool on)
{
    static const struct itimerspec off;
    if (!on && !e->guarded)
        return;
    for (int i = PTRACE_GUARDS; i-- > 0;)
        timer_settime(e->guard[i], 0, on ? &guards[i].when : &off, NULL);
    e->guarded = on;
}

void ptrace_sleep(n1_ns ns)
{
    sigset_t set;
    struct timespec most = {(time_t)(ns / N1_SECOND_NS), (long)(ns % N1_SECOND_NS)};
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD); /* blocked: the kernel sends it at each stop */
    sigtimedwait(&set, NULL, &most);
}

#ifdef __x86_64__
static bool read_registers(pid_t tid, struct n1_user_state *user, struct n1_ptrace_call *call)
{
    struct user_regs_struct r;
    struct iovec io = {&r, sizeof(r)};
    if (ptrace(PTRACE_GETREGSET, tid, (void *)(uintptr_t)NT_PRSTATUS, &io) || io.iov_len < sizeof(r))
        return false;
    const uint64_t regs[N1_REG_COUNT] = {
        [N1_REG_RAX] = r.rax, [N1_REG_RDX] = r.rdx, [N1_REG_RCX] = r.rcx, [N1_REG_RBX] = r.rbx,
        [N1_REG_RSI] = r.rsi, [N1_REG_RDI] = r.rdi, [N1_REG_RBP] = r.rbp, [N1_REG_RSP] = r.rsp,
        [N1_REG_R8] = r.r8,   [N1_REG_R9] = r.r9,   [N1_REG_R10] = r.r10, [N1_REG_R11] = r.r11,
        [N1_REG_R12] = r.r12, [N1_REG_R13] = r.r13, [N1_REG_R14] = r.r14, [N1_REG_R15] = r.r15,
        [N1_REG_RIP] = r.rip};
    memcpy(user->regs, regs, sizeof(regs));
    user->valid = (1u << N1_REG_COUNT) - 1;
    *call = (struct n1_ptrace_call){(int64_t)r.orig_rax, (int64_t)r.rax, r.rdx};
    return true;
}
#else
#error "engine B knows the registers of x86-64 only"
#endif

static void read_stack(struct n1_ptrace *e, pid_t tid, struct n1_user_state *user)
{
    struct iovec local = {e->stack, e->stats.stack_bytes};
    struct iovec remote = {(void *)(uintptr_t)user->regs[N1_REG_RSP], /* NOLINT: the target's address */
                           e->stats.stack_bytes};
    ssize_t len = process_vm_readv(tid, &local, 1, &remote, 1, 0); /* short at the stack's end */
    user->stack = e->stack;
    user->stack_len = len > 0 ? (size_t)len : 0;
}

static void drop_hold(struct n1_ptrace *e, struct ptrace_hold *hold)
{
    *hold = e->holds[--e->hold_count];
}

/* Takes note when a stop has cut a system call of the thread short: it is then left alone for a while. */
static void count_race(struct n1_ptrace *e, const struct ptrace_hold *hold, const struct n1_ptrace_call *call)
{
    bool harmed = n1_ptrace_cut_short(call);
    struct ptrace_thread *t = ptrace_thread_find(e, hold->pid, hold->tid);
    if (harmed && e->sink.race)
        e->sink.race(e->sink.context);
    if (!t)
        return;
    t->rest_ns = n1_ptrace_rest(t->rest_ns, harmed);
    if (harmed)
        t->rest_until = n1_time_mono() + t->rest_ns;
}

/* Lets a thread go that stands; ESRCH: it was killed meanwhile, and waitpid will say so. */
static void let_go(struct n1_ptrace *e, struct ptrace_hold *hold, int signal)
{
    if (ptrace(PTRACE_DETACH, hold->tid, NULL, (void *)(intptr_t)signal)) /* NOLINT: its argument */
        return;
    n1_pauses_add(&e->pauses, n1_time_mono() - hold->running);
    drop_hold(e, hold);
}

/* Asks the kernel whether the thread stands. After an exec by another thread of the process it goes on under
 * the process's id. Returns 1 with the status, 0 not yet, -1 when it is no longer ours. */
static int look(struct ptrace_hold *hold, int *status)
{
    n1_ns now = n1_time_mono();
    pid_t r = waitpid(hold->tid, status, WNOHANG | __WALL);
    if (r < 0 && hold->tid != hold->pid) {
        hold->tid = hold->pid;
        r = waitpid(hold->tid, status, WNOHANG | __WALL);
    }
    if (r == 0)
        hold->running = now;
    return r < 0 ? -1 : r > 0;
}

static char state_of(pid_t pid, pid_t tid)
{
    char path[64], text[256];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = '\0';
    const char *end = strrchr(text, ')');
    return end && end[1] ? end[2] : '\0';
}

/* Lets a thread go whose stop came too late, or was not the one that was asked for. */
static void release(struct n1_ptrace *e, struct ptrace_hold *hold, int status)
{
    struct n1_user_state user;
    struct n1_ptrace_call call;
    struct ptrace_hold was = *hold;
    int signal;
    bool trap = n1_ptrace_stop_kind(status, &signal) == N1_PTRACE_TRAP;
    bool known = trap && read_registers(hold->tid, &user, &call);
    let_go(e, hold, signal);
    if (known)
        count_race(e, &was, &call);
}

bool ptrace_collect(struct n1_ptrace *e)
{
    bool soon = false;
    n1_ns now = n1_time_mono();
    for (unsigned i = e->hold_count; i-- > 0;) {
        struct ptrace_hold *hold = &e->holds[i];
        int status, signal;
        if (hold->dead && now - hold->checked < DEAD_AFTER_NS)
            continue;
        int r = look(hold, &status);
        if (r < 0 || (r > 0 && n1_ptrace_stop_kind(status, &signal) == N1_PTRACE_ENDED)) {
            drop_hold(e, hold);
        } else if (r > 0) {
            release(e, hold, status);
        } else if (now - hold->since > DEAD_AFTER_NS) {
            /* The first thread of a process ended before the others: it cannot stop and cannot be let go. */
            hold->dead = state_of(hold->pid, hold->tid) == 'Z';
            hold->checked = now;
        } else {
            soon |= now - hold->since < SOON_NS;
        }
    }
    return soon;
}

/* SEIZE was refused: by another tracer, mostly. */
static void refused(struct n1_ptrace *e, struct ptrace_process *p, struct ptrace_thread *t, int err)
{
    char path[64], text[4096];
    t->rest_until = n1_time_mono() + REST_REFUSED_NS;
    if (err != EPERM)
        return;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)p->pid, (int)t->tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = '\0';
    const char *tracer = strstr(text, "\nTracerPid:");
    int pid = tracer ? atoi(tracer + strlen("\nTracerPid:")) : 0;
    if (pid > 0) {
        p->rest_until = t->rest_until;
        e->stats.traced_by = pid;
        e->stats.traced++;
    }
}

static void deliver(struct n1_ptrace *e, const struct ptrace_process *p, struct ptrace_thread *t,
                    const struct n1_user_state *user, n1_ns now)
{
    const uint64_t most = N1_SECOND_NS; /* after a long rest one sample does not stand for all of it */
    struct n1_raw_sample sample = {.time = now,
                                   .pid = p->pid,
                                   .tid = t->tid,
                                   .weight_ns = t->owed_ns < most ? t->owed_ns : most,
                                   .cpu = N1_CPU_UNKNOWN,
                                   .user = *user};
    t->owed_ns -= sample.weight_ns;
    t->owed_slices = 0;
    e->sink.sample(e->sink.context, &sample);
}

/* The thread stands for us: reads, lets go, and then thinks. */
static bool read_thread(struct n1_ptrace *e, struct ptrace_process *p, struct ptrace_thread *t,
                        struct ptrace_hold *hold, uint64_t slices)
{
    struct n1_user_state user = {0};
    struct n1_ptrace_call call = {.number = -1};
    n1_ns now = n1_time_mono();
    struct ptrace_hold was = *hold;
    uint64_t slices_now = slices;
    bool good = read_registers(t->tid, &user, &call);
    /* A thread that had no CPU when it was asked stops where it was put off. In the midst of its code that is
     * a place like any other; in a system call it is where it slept. */
    if (good && call.number >= 0 && (!ptrace_slices(t, &slices_now) || slices_now != slices)) {
        e->stats.missed++;
        good = false;
    }
    if (good) {
        read_stack(e, t->tid, &user);
        if (e->sink.stopped)
            e->sink.stopped(e->sink.context, p->pid, t->tid, &user);
    }
    let_go(e, hold, 0);
    if (!e->hold_count)
        ptrace_guard(e, false);
    count_race(e, &was, &call);
    if (good)
        deliver(e, p, t, &user, now);
    return good;
}

/* When we woke on the CPU of the thread it had to make room for us, and could not stop before we sleep. */
static void step_aside(struct n1_ptrace *e, struct ptrace_process *p, struct ptrace_thread *t)
{
    if (e->cpus <= 1)
        return;
    int cpu = ptrace_cpu(p, t);
    if (cpu < 0 || cpu != sched_getcpu())
        return;
    cpu_set_t others = e->allowed;
    CPU_CLR(cpu, &others);
    sched_setaffinity(0, sizeof(others), &others);
}

bool ptrace_take(struct n1_ptrace *e, struct ptrace_process *p, struct ptrace_thread *t)
{
    int status, signal;
    uint64_t slices;
    if (e->hold_count == PTRACE_HOLDS_MAX)
        return false;
    for (unsigned i = 0; i < e->hold_count; i++)
        if (e->holds[i].tid == t->tid)
            return false;
    ptrace_guard(e, true);
    step_aside(e, p, t);
    int running = ptrace_slices(t, &slices) ? ptrace_running(p, t) : -ESRCH;
    if (running <= 0) {
        if (running < 0)
            t->rest_until = n1_time_mono() + REST_REFUSED_NS;
        return false;
    }
    /* From here to the INTERRUPT nothing but the two calls: a thread that enters a system call now, and
     * sleeps in it, is the race that is left. */
    if (ptrace(PTRACE_SEIZE, t->tid, NULL, NULL)) {
        refused(e, p, t, errno);
        return false;
    }
    ptrace(PTRACE_INTERRUPT, t->tid, NULL, NULL);
    n1_ns asked = n1_time_mono();
    struct ptrace_hold *hold = &e->holds[e->hold_count++];
    *hold = (struct ptrace_hold){.pid = p->pid, .tid = t->tid, .since = asked, .running = asked};
    for (;;) {
        int r = look(hold, &status);
        if (r < 0) {
            drop_hold(e, hold);
            return false;
        }
        if (r > 0)
            break;
        if (hold->running - asked > ON_TIME_NS) {
            e->stats.missed++;
            return false;
        }
        if (e->cpus <= 1 || hold->running - asked > SPIN_NS)
            ptrace_sleep(ON_TIME_NS);
    }
    switch (n1_ptrace_stop_kind(status, &signal)) {
    case N1_PTRACE_TRAP:
        if (hold->tid == t->tid)
            return read_thread(e, p, t, hold, slices);
        release(e, hold, status);
        return false;
    case N1_PTRACE_ENDED:
        drop_hold(e, hold);
        return false;
    default:
        let_go(e, hold, signal);
        return false;
    }
}
