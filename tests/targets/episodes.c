/*
 * Truth: a service with a steady base load, decoy_steady (30 % of a CPU, in its own thread, all the time), in
 * which named culprits run on command. Commands are lines on standard input: cpu NAME MS            burn a
 * CPU in culprit_NAME for MS ms        NAME: alpha bravo charlie delta echo memory NAME MS MB culprit_NAME
 * touches and holds MB MB        foxtrot golf hotel india juliet fds NAME MS N          culprit_NAME opens
 * and holds N descriptors threads NAME MS N      culprit_NAME starts N threads, which end after MS ms quit
 * During an episode decoy_beside runs too, in a second thread, at a tenth of a CPU: it appears with the
 * culprit but is not the cause. Each command gives two lines on standard output, whose times are
 * CLOCK_MONOTONIC: start KIND culprit_NAME MONO_NS / end KIND culprit_NAME MONO_NS An unknown command gives
 * "error". The truth file has the CPU seconds of every function.
 */
#include "target.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum kind { KIND_CPU, KIND_MEMORY, KIND_FDS, KIND_THREADS };
static const char *const kinds[] = {"cpu", "memory", "fds", "threads"};

static int running; /* an episode is on: decoy_beside works */
static struct truth_row *steady_row, *beside_row;

TARGET_FUNCTION static uint64_t decoy_steady(uint64_t ns)
{
    return spin(ns) + 1;
}

TARGET_FUNCTION static uint64_t decoy_beside(uint64_t ns)
{
    return spin(ns) + 2;
}

static void *run_steady(void *arg)
{
    struct share share = {decoy_steady, steady_row, 1};
    uint64_t start = mono_ns();
    for (;;) {
        if ((double)truth_value(steady_row) < 0.3 * (double)(mono_ns() - start))
            share_step(&share, 1);
        else
            sleep_ms(2);
    }
    return arg;
}

static void *run_beside(void *arg)
{
    struct share share = {decoy_beside, beside_row, 1};
    for (;;) {
        if (__atomic_load_n(&running, __ATOMIC_RELAXED)) {
            share_step(&share, 1);
            sleep_ms(9);
        } else {
            sleep_ms(2);
        }
    }
    return arg;
}

static void *sleep_span(void *arg)
{
    sleep_ms((unsigned)(uintptr_t)arg);
    return NULL;
}

static void burn(uint64_t ms)
{
    uint64_t end = mono_ns() + ms * 1000000;
    while (mono_ns() < end)
        spin(500000);
}

/* Part of the culprit: it is the culprit itself that touches. */
static inline __attribute__((always_inline)) void hold_memory(uint64_t ms, size_t bytes)
{
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        target_die("mmap");
    for (size_t i = 0; i < bytes; i += 4096)
        ((volatile char *)p)[i] = 1;
    sleep_ms((unsigned)ms);
    munmap(p, bytes);
}

static void hold_fds(uint64_t ms, size_t count)
{
    int fds[4000];
    for (size_t i = 0; i < count; i++)
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sleep_ms((unsigned)ms);
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void hold_threads(uint64_t ms, size_t count)
{
    for (size_t i = 0; i < count; i++)
        target_thread("episode", sleep_span, (void *)(uintptr_t)ms);
    sleep_ms((unsigned)ms);
}

/* Inlined into each culprit, so that the culprit is what stands on the stack. */
static inline __attribute__((always_inline)) void act(enum kind kind, uint64_t ms, size_t amount)
{
    switch (kind) {
    case KIND_CPU:
        burn(ms);
        break;
    case KIND_MEMORY:
        hold_memory(ms, amount * 1000000);
        break;
    case KIND_FDS:
        hold_fds(ms, amount);
        break;
    case KIND_THREADS:
        hold_threads(ms, amount);
        break;
    }
}

#define CULPRITS(X)                                                                                          \
    X(alpha) X(bravo) X(charlie) X(delta) X(echo) X(foxtrot) X(golf) X(hotel) X(india) X(juliet)
#define X(name)                                                                                              \
    TARGET_FUNCTION static void culprit_##name(enum kind kind, uint64_t ms, size_t amount)                   \
    {                                                                                                        \
        act(kind, ms, amount);                                                                               \
        __asm__ volatile("" ::"i"(__LINE__), "r"(#name));                                                    \
    }
CULPRITS(X)
#undef X

static const struct {
    const char *name, *function;
    void (*run)(enum kind kind, uint64_t ms, size_t amount);
} culprits[] = {
#define X(name) {#name, "culprit_" #name, culprit_##name},
    CULPRITS(X)
#undef X
};

static bool obey(const char *line)
{
    char kind[16], name[16];
    unsigned ms, amount = 0;
    int n = sscanf(line, "%15s %15s %u %u", kind, name, &ms, &amount);
    if (n < 3 || ms > 60000 || amount > 4000)
        return false;
    for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        for (unsigned c = 0; c < sizeof(culprits) / sizeof(culprits[0]); c++) {
            if (strcmp(kind, kinds[k]) || strcmp(name, culprits[c].name))
                continue;
            struct truth_row *row = truth_function(culprits[c].function);
            printf("start %s %s %" PRIu64 "\n", kind, culprits[c].function, mono_ns());
            fflush(stdout);
            __atomic_store_n(&running, 1, __ATOMIC_RELAXED);
            uint64_t before = thread_cpu_ns();
            culprits[c].run((enum kind)k, ms, amount);
            truth_add(row, thread_cpu_ns() - before);
            __atomic_store_n(&running, 0, __ATOMIC_RELAXED);
            printf("end %s %s %" PRIu64 "\n", kind, culprits[c].function, mono_ns());
            fflush(stdout);
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    char line[200];
    target_begin(&argc, argv);
    steady_row = truth_function("decoy_steady");
    beside_row = truth_function("decoy_beside");
    target_thread("steady", run_steady, NULL);
    target_thread("beside", run_beside, NULL);
    target_ready();
    while (target_poll() && fgets(line, sizeof(line), stdin)) {
        if (!strncmp(line, "quit", 4))
            break;
        if (!obey(line)) {
            printf("error\n");
            fflush(stdout);
        }
    }
    target_end(0);
}
