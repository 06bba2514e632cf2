/*
 * The process as it sees itself: its sums, its memory, its attributes, and the time in which it was neither
 * running nor waiting for a CPU although it never blocked, which is what a tracer takes. That figure does not
 * depend on how busy the machine is.
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

/* Nanoseconds this thread waited for a CPU, by the scheduler's own account. */
static uint64_t run_queue_ns(int fd)
{
    char text[128];
    unsigned long long run = 0, wait = 0;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n <= 0)
        target_die("schedstat");
    text[n] = 0;
    if (sscanf(text, "%llu %llu", &run, &wait) != 2)
        target_die("schedstat");
    return wait;
}

/* Spins in blocks and books wall − CPU − run queue of each. Between blocks it sleeps, so that the suite
 * leaves the machine something. */
static void *stopped(void *arg)
{
    (void)arg;
    struct truth_row *sum = truth_count("stopped_us"), *max = truth_count("stopped_max_us");
    struct truth_row *blocks = truth_count("stopped_blocks");
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        target_die("schedstat");
    while (account_runs()) {
        uint64_t wait = run_queue_ns(fd), cpu = thread_cpu_ns(), wall = mono_ns();
        while (mono_ns() - wall < BLOCK_NS)
            spin(2000);
        uint64_t wall_took = mono_ns() - wall, cpu_took = thread_cpu_ns() - cpu,
                 wait_took = run_queue_ns(fd) - wait;
        uint64_t accounted = cpu_took + wait_took;
        uint64_t lost = wall_took > accounted ? (wall_took - accounted) / 1000 : 0;
        truth_add(sum, lost);
        if (lost > truth_value(max))
            truth_add(max, lost - truth_value(max));
        truth_add(blocks, 1);
        sleep_ms(15);
    }
    close(fd);
    return NULL;
}

void scene_stopped(void)
{
    truth_count("stopped_us");
    truth_count("stopped_max_us");
    truth_count("stopped_blocks");
    account_thread("spinner", stopped, NULL);
}
