/*
 * The process as it sees itself: its sums, its memory, its attributes, and how often it left its CPU of its
 * own accord although it never waits, which is what being stopped looks like. That does not depend on how
 * busy the machine is.
 */
#include "account.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CANARY_BYTES = 4 << 20, TEXT = 8192, BLOCK_NS = 5000000 };

static unsigned char *canary;
static char state_at_start[TEXT];

static unsigned char canary_byte(size_t i)
{
    return (unsigned char)(i * 2654435761u >> 13);
}

static void *sums(void *arg)
{
    (void)arg;
    struct truth_row *done = truth_count("sums"), *bad = truth_count("sums_bad");
    while (account_runs()) {
        if (account_sum() != account_right_sum())
            truth_add(bad, 1);
        truth_add(done, 1);
        sleep_ms(1);
    }
    return NULL;
}

static size_t put(char *text, size_t used, const char *name, long value)
{
    return used + (size_t)snprintf(text + used, TEXT - used, "%s %ld\n", name, value);
}

static size_t put_status(char *text, size_t used)
{
    static const char *const kept[] = {
        "TracerPid:", "Seccomp:", "NoNewPrivs:", "CapEff:", "SigIgn:", "SigCgt:", "Uid:", "CoreDumping:"};
    char line[512];
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
            if (!strncmp(line, kept[i], strlen(kept[i])))
                used += (size_t)snprintf(text + used, TEXT - used, "%s", line);
    if (f)
        fclose(f);
    return used;
}

/* Executable mappings: a probe or an injected library is one more. */
static long executable_mappings(void)
{
    char line[4096];
    long count = 0;
    FILE *f = fopen("/proc/self/maps", "re");
    while (f && fgets(line, sizeof line, f))
        count += strstr(line, " r-xp ") || strstr(line, " rwxp ");
    if (f)
        fclose(f);
    return count;
}

static void read_state(char *text)
{
    struct rlimit limit;
    size_t used = 0;
    getrlimit(RLIMIT_NOFILE, &limit);
    used = put(text, used, "nofile", (long)limit.rlim_cur);
    used = put(text, used, "dumpable", prctl(PR_GET_DUMPABLE));
    used = put(text, used, "timerslack", prctl(PR_GET_TIMERSLACK));
    used = put(text, used, "nice", getpriority(PRIO_PROCESS, 0));
    used = put(text, used, "policy", sched_getscheduler(0));
    used = put(text, used, "executable", executable_mappings());
    put_status(text, used);
}

static void check_canary(void)
{
    for (size_t i = 0; i < CANARY_BYTES; i++)
        if (canary[i] != canary_byte(i))
            truth_add(truth_count("canary_bad"), 1);
}

void account_keep_state(void)
{
    truth_count("state_changed");
    read_state(state_at_start);
}

void account_compare_state(void)
{
    char now[TEXT];
    read_state(now);
    if (!strcmp(now, state_at_start))
        return;
    truth_add(truth_count("state_changed"), 1);
    fprintf(stderr, "state at start:\n%sstate at end:\n%s", state_at_start, now);
}

void scene_sum(void)
{
    canary = malloc(CANARY_BYTES);
    if (!canary)
        target_die("malloc");
    for (size_t i = 0; i < CANARY_BYTES; i++)
        canary[i] = canary_byte(i);
    truth_count("sums");
    truth_count("sums_bad");
    truth_count("canary_bad");
    account_at_end(check_canary);
    account_thread("sum", sums, NULL);
}

static uint64_t own_switches(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (uint64_t)usage.ru_nvcsw;
}

/* What blocks lost in which it was stopped, for their median. */
static uint64_t holds[4096];
static size_t hold_count;

static int by_length(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void book_median_hold(void)
{
    qsort(holds, hold_count, sizeof *holds, by_length);
    truth_add(truth_count("stopped_p50_us"), hold_count ? holds[hold_count / 2] : 0);
}

/* How long this thread has waited for a CPU while it could have run; -1 where that is not told. */
static int64_t waited_ns(int schedstat)
{
    char text[128];
    unsigned long long ran, waited;
    ssize_t len = pread(schedstat, text, sizeof text - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    return sscanf(text, "%llu %llu", &ran, &waited) == 2 ? (int64_t)waited : -1;
}

/* Spins in blocks that never wait. A thread that gave up its CPU there without being preempted was stopped,
 * and the block's wall time in which it neither ran nor could have run is what that took. Between blocks it
 * sleeps, so that the suite leaves the machine something. */
static void *stopped(void *arg)
{
    (void)arg;
    struct truth_row *sum = truth_count("stopped_us"), *max = truth_count("stopped_max_us");
    struct truth_row *blocks = truth_count("stopped_blocks"), *times = truth_count("stopped_times");
    int schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    while (account_runs()) {
        int64_t waited = waited_ns(schedstat);
        uint64_t switches = own_switches(), cpu = thread_cpu_ns(), wall = mono_ns();
        while (mono_ns() - wall < BLOCK_NS)
            spin(2000);
        int64_t idle =
            (int64_t)(mono_ns() - wall - (thread_cpu_ns() - cpu)) - (waited_ns(schedstat) - waited);
        uint64_t lost = idle > 0 ? (uint64_t)idle / 1000 : 0;
        switches = own_switches() - switches;
        truth_add(blocks, 1);
        if (switches) {
            truth_add(times, switches);
            truth_add(sum, lost);
            if (hold_count < sizeof holds / sizeof *holds)
                holds[hold_count++] = lost;
            if (lost > truth_value(max))
                truth_add(max, lost - truth_value(max));
        }
        sleep_ms(15);
    }
    return NULL;
}

void scene_stopped(void)
{
    truth_count("stopped_us");
    truth_count("stopped_max_us");
    truth_count("stopped_blocks");
    truth_count("stopped_times");
    truth_count("stopped_p50_us");
    account_at_end(book_median_hold);
    account_thread("spinner", stopped, NULL);
}
