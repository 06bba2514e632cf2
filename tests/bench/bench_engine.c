/*
 * Bench of engine A: what it costs the target and what it costs itself, on small programs of its own.
 *
 *   build/bench/bench_engine [SECONDS]       length of one measurement, default 0.4
 *   build/bench/bench_engine tick PID HZ SECONDS     bare ticks on a thread, nothing copied
 *   build/bench/bench_engine operations CPUS         ping-pong and create + join only, as on so many CPUs;
 *                                                    under setpriv --reuid=65534 as an ordinary user has it
 *
 * Each figure is a median over ROUNDS alternating unwatched and watched measurements, so that neighbours on
 * the machine hit both alike; "cpu" figures are CPU time of the target, which neighbours do not touch.
 * Watching is the engine as a user gets it, drained by a child that does nothing with the samples. A gap is a
 * stretch in which a spinning thread did not run, seen by its time-stamp counter. Prints only; nothing is
 * judged.
 */
#include "sampler/engine/perf.h"
#include "sampler/engine/perf_attr.h"
#include "sampler/engine/perf_record.h"
#include "sampler/engine/perf_ring.h"
#include "sampler/target/process.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

enum { ROUNDS = 7, GAPS_MAX = 1 << 16, RING_BYTES = 1 << 20 };

static struct shared {
    volatile int recording;
    volatile uint64_t count; /* operations done */
    volatile uint32_t gap_count;
    struct gap {
        uint64_t start, end; /* TSC */
    } gaps[GAPS_MAX];
} * shared;

#define SETTLE_S 1.8

static n1_ns sample_times[GAPS_MAX];
static double slice_s = 0.4;
static double ticks_per_us;
static uint64_t samples, weight_ns, lost;
static uint32_t stack_bytes; /* to copy with each sample; 0: as the engine begins */
static uint32_t cpus;        /* to behave as if there were so many; 0: as it is */

static void on_sample(void *context, const struct n1_raw_sample *sample)
{
    (void)context;
    if (samples < GAPS_MAX)
        sample_times[samples] = sample->time;
    samples++;
    weight_ns += sample->weight_ns;
}

static void on_lost(void *context, n1_ns time, uint64_t count)
{
    (void)context;
    (void)time;
    lost += count;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double quantile(double *values, size_t count, double q)
{
    if (!count)
        return 0;
    qsort(values, count, sizeof(*values), by_value);
    return values[(size_t)(q * (double)(count - 1))];
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

/* The targets. */

static void spin_for_gaps(void)
{
    uint64_t floor_ticks = (uint64_t)(2 * ticks_per_us), last = __rdtsc();

    pin(0);
    for (;;) {
        uint64_t now = __rdtsc();
        if (now - last > floor_ticks && shared->recording && shared->gap_count < GAPS_MAX)
            shared->gaps[shared->gap_count++] = (struct gap){last, now};
        last = now;
    }
}

static int ping[2], pong[2];

static void *answer(void *arg)
{
    char byte;

    while (read(ping[0], &byte, 1) == 1 && write(pong[1], &byte, 1) == 1)
        ;
    return arg;
}

static void play_ping_pong(void)
{
    pthread_t thread;
    char byte = 0;

    pin(0);
    if (pipe(ping) || pipe(pong) || pthread_create(&thread, NULL, answer, NULL))
        _exit(1);
    while (write(ping[1], &byte, 1) == 1 && read(pong[0], &byte, 1) == 1)
        shared->count += 2; /* switches */
}

static void *nothing(void *arg)
{
    return arg;
}

static void create_and_join(void)
{
    pthread_t thread;

    while (!pthread_create(&thread, NULL, nothing, NULL) && !pthread_join(thread, NULL))
        shared->count++;
}

static void *spin(void *arg)
{
    for (volatile unsigned x = 0;; x++)
        ;
    return arg;
}

static void spin_16(void)
{
    for (int i = 1; i < 16; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, spin, NULL))
            _exit(1);
    }
    spin(NULL);
}

static void spin_1(void)
{
    spin(NULL);
}

static void nap(double s)
{
    struct timespec t = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};

    nanosleep(&t, NULL);
}

static pid_t start(void (*target)(void))
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        target();
        _exit(1);
    }
    nap(0.05);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* Watching. */

static struct n1_perf *attach(pid_t pid, uint32_t rate_hz)
{
    struct n1_engine_sink sink = {.sample = on_sample, .lost = on_lost};
    struct n1_perf_config config = {.rate_hz = rate_hz, .stack_bytes = stack_bytes, .assume_cpus = cpus};
    struct n1_perf *perf;
    struct n1_error err = {0};

    samples = weight_ns = lost = 0;
    if (n1_perf_create(&config, &sink, &perf, &err) || n1_perf_add_process(perf, pid, 0, &err))
        exit(n1_error_print(&err));
    return perf;
}

static void watch_for(struct n1_perf *perf, double s)
{
    n1_ns until = n1_time_mono() + (n1_ns)(s * 1e9), now;

    while ((now = n1_time_mono()) < until) {
        struct pollfd fd = {.fd = n1_perf_fd(perf), .events = POLLIN};
        if (poll(&fd, 1, (int)((until - now) / 1000000) + 1) == 1)
            n1_perf_drain(perf);
    }
}

/* `settle`: time is left to the engine to find the mode that fits the process. */
static void rest_or_watch(pid_t pid, uint32_t rate_hz, bool settle, void (*begin)(void), void (*done)(void))
{
    struct n1_perf *perf = rate_hz ? attach(pid, rate_hz) : NULL;

    if (perf && settle)
        watch_for(perf, SETTLE_S);
    begin();
    if (perf)
        watch_for(perf, slice_s);
    else
        nap(slice_s);
    done();
    if (perf)
        n1_perf_flush(perf);
    n1_perf_destroy(perf);
}

static uint64_t tsc_begin, tsc_end;
static n1_ns ns_begin, ns_end;

static void record_gaps(void)
{
    shared->gap_count = 0;
    samples = 0;
    ns_begin = n1_time_mono();
    tsc_begin = __rdtsc();
    shared->recording = 1;
}

static void stop_recording(void)
{
    shared->recording = 0;
    ns_end = n1_time_mono();
    tsc_end = __rdtsc();
}

/* Where on the TSC a time of a record lies. */
static double on_tsc(n1_ns time)
{
    double ns_per_tick = (double)(ns_end - ns_begin) / (double)(tsc_end - tsc_begin);

    return ((double)time - (double)ns_begin) / ns_per_tick + (double)tsc_begin;
}

/* Lengths in microseconds of the gaps that hold one of `times` and none of `others` (both rising). */
static size_t gaps_of(const n1_ns *times, size_t count, const n1_ns *others, size_t other_count, double *us)
{
    size_t found = 0, gap = 0, other = 0;

    for (size_t i = 0; i < count; i++) {
        double at = on_tsc(times[i]);
        while (gap < shared->gap_count && (double)shared->gaps[gap].end < at)
            gap++;
        if (gap == shared->gap_count || (double)shared->gaps[gap].start > at)
            continue;
        while (other < other_count && on_tsc(others[other]) < (double)shared->gaps[gap].start)
            other++;
        if (other == other_count || on_tsc(others[other]) > (double)shared->gaps[gap].end)
            us[found++] = (double)(shared->gaps[gap].end - shared->gaps[gap].start) / ticks_per_us;
    }
    return found;
}

/* The times of a bare clock event, which copies nothing of the target into its ring. */
static n1_ns bare_times[GAPS_MAX];

static size_t read_bare(struct n1_perf_ring *ring)
{
    struct perf_event_header header;
    size_t count = 0;

    n1_perf_ring_refresh(ring);
    while (n1_perf_ring_peek(ring, &header)) {
        if (header.type == PERF_RECORD_SAMPLE && count < GAPS_MAX)
            bare_times[count++] = n1_perf_ring_word(ring, n1_perf_record_time_offset(&header));
        n1_perf_ring_consume(ring, header.size);
    }
    return count;
}

/* Both kinds of tick run on one thread at once, at slightly different rates, so that whatever else the
 * machine does meets both; gaps that hold a tick of each are left out. */
static void bench_gaps(const char *what)
{
    static const uint32_t rates[] = {99, 1000, 5000};
    static double bare_us[GAPS_MAX * ROUNDS], engine_us[GAPS_MAX * ROUNDS];
    pid_t pid = start(spin_for_gaps);

    printf("gap in the target per tick, one spinning thread, %s, %d rounds:\n", what, ROUNDS);
    for (size_t r = 0; r < 3; r++) {
        size_t bare_count = 0, engine_count = 0;
        for (int round = 0; round < ROUNDS; round++) {
            struct perf_event_attr attr;
            struct n1_perf_ring ring;
            n1_perf_attr_ring(&attr, RING_BYTES);
            attr.config = PERF_COUNT_SW_CPU_CLOCK;
            attr.sample_period = n1_perf_period_ns(n1_perf_rate_used(rates[r])) / 100 * 97;
            int fd = n1_perf_open(&attr, pid, -1, 0);
            if (fd < 0 || n1_perf_ring_map(&ring, fd, RING_BYTES))
                exit(1);
            rest_or_watch(pid, rates[r], false, record_gaps, stop_recording);
            size_t bare = read_bare(&ring);
            n1_perf_ring_unmap(&ring);
            close(fd);
            size_t taken = samples < GAPS_MAX ? samples : GAPS_MAX;
            bare_count += gaps_of(bare_times, bare, sample_times, taken, bare_us + bare_count);
            engine_count += gaps_of(sample_times, taken, bare_times, bare, engine_us + engine_count);
        }
        double bare10 = quantile(bare_us, bare_count, 0.1), engine10 = quantile(engine_us, engine_count, 0.1);
        double bare50 = quantile(bare_us, bare_count, 0.5), engine50 = quantile(engine_us, engine_count, 0.5);
        printf("  %4u Hz  bare tick p10 %5.1f median %5.1f us (%zu)   engine A p10 %5.1f median %5.1f us "
               "(%zu)   "
               "more: p10 %+.1f median %+.1f us\n",
               rates[r], bare10, bare50, bare_count, engine10, engine50, engine_count, engine10 - bare10,
               engine50 - bare50);
    }
    end(pid);
}

static pid_t counted;
static uint64_t count_before, cpu_before;
static n1_ns wall_before;
static double per_op_cpu_us, per_op_wall_us;

static void count_begin(void)
{
    count_before = shared->count;
    n1_process_cpu_ns(counted, &cpu_before);
    wall_before = n1_time_mono();
}

static void count_done(void)
{
    uint64_t cpu_ns = 0;
    n1_ns wall_ns = n1_time_mono() - wall_before;
    double count = (double)(shared->count - count_before);

    n1_process_cpu_ns(counted, &cpu_ns);
    per_op_cpu_us = (double)(cpu_ns - cpu_before) / 1e3 / count;
    per_op_wall_us = (double)wall_ns / 1e3 / count;
}

static void bench_operations(const char *name, void (*target)(void), uint32_t rate_hz, bool settle)
{
    double cpu[2][ROUNDS], wall[2][ROUNDS];
    pid_t pid = start(target);

    counted = pid;
    for (int round = 0; round < ROUNDS; round++) {
        for (int how = 0; how < 2; how++) {
            rest_or_watch(pid, how ? rate_hz : 0, settle, count_begin, count_done);
            cpu[how][round] = per_op_cpu_us;
            wall[how][round] = per_op_wall_us;
        }
    }
    end(pid);
    double cpu0 = quantile(cpu[0], ROUNDS, 0.5), cpu1 = quantile(cpu[1], ROUNDS, 0.5);
    double wall0 = quantile(wall[0], ROUNDS, 0.5), wall1 = quantile(wall[1], ROUNDS, 0.5);
    printf("%-26s %4u Hz  cpu %6.2f -> %6.2f us (x%.2f)   wall %6.2f -> %6.2f us (x%.2f)\n", name, rate_hz,
           cpu0, cpu1, cpu1 / cpu0, wall0, wall1, wall1 / wall0);
}

static uint64_t stolen_ticks(void)
{
    unsigned long long v[8] = {0};
    FILE *f = fopen("/proc/stat", "re");

    if (f) {
        if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
                   &v[6], &v[7]) != 8)
            v[7] = 0;
        fclose(f);
    }
    return v[7];
}

static void bench_own_cost(const char *name, void (*target)(void), uint32_t rate_hz, double s)
{
    struct n1_perf_process_info info = {0};
    struct n1_perf_stats stats;
    struct timespec cpu0, cpu1;
    pid_t pid = start(target);
    uint64_t stolen = stolen_ticks();
    n1_ns t0 = n1_time_mono();
    struct n1_perf *perf = attach(pid, rate_hz);

    n1_ns t1 = n1_time_mono();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu0);
    watch_for(perf, s);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu1);
    double wall = (double)(n1_time_mono() - t1) / 1e9;
    n1_perf_process_info(perf, pid, &info);
    n1_perf_flush(perf);
    n1_perf_stats(perf, &stats);
    double own = (double)(cpu1.tv_sec - cpu0.tv_sec) + (double)(cpu1.tv_nsec - cpu0.tv_nsec) / 1e9;
    double cpu = (double)info.cpu_ns / 1e9, weight = (double)weight_ns / 1e9;
    printf("%-12s %4u Hz: attach %.2f ms, %llu samples, lost %llu, late %llu, weight / CPU time = %.3f / "
           "%.3f s = "
           "%.4f, steal %.2f s, own CPU %.3f %% of a core (%.3f %% per 1000 samples/s)\n",
           name, rate_hz, (double)(t1 - t0) / 1e6, (unsigned long long)samples, (unsigned long long)lost,
           (unsigned long long)stats.late, weight, cpu, weight / cpu,
           (double)(stolen_ticks() - stolen) / (double)sysconf(_SC_CLK_TCK), own / wall * 100,
           own / ((double)samples / 1000) * 100);
    n1_perf_destroy(perf);
    end(pid);
}

static void calibrate(void)
{
    n1_ns t0 = n1_time_mono();
    uint64_t c0 = __rdtsc();

    nap(0.1);
    ticks_per_us = (double)(__rdtsc() - c0) / ((double)(n1_time_mono() - t0) / 1e3);
}

static void print_machine(void)
{
    struct utsname u;
    char line[256] = "", model[256] = "?";
    FILE *f = fopen("/proc/cpuinfo", "re");

    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "model name : %255[^\n]", model) == 1)
            break;
    }
    if (f)
        fclose(f);
    uname(&u);
    printf("engine A on %s, Linux %s, %s, %ld CPUs\n", u.nodename, u.release, model,
           sysconf(_SC_NPROCESSORS_ONLN));
}

/* Bare ticks on the first thread of a process: what bench_gaps.sh compares the product with. */
static int tick(pid_t pid, uint32_t rate_hz, double s)
{
    struct perf_event_attr attr;
    struct n1_perf_ring ring;

    n1_perf_attr_ring(&attr, RING_BYTES);
    attr.config = PERF_COUNT_SW_CPU_CLOCK;
    attr.sample_period = n1_perf_period_ns(n1_perf_rate_used(rate_hz));
    int fd = n1_perf_open(&attr, pid, -1, 0);
    if (fd < 0 || n1_perf_ring_map(&ring, fd, RING_BYTES))
        return 1;
    for (double t = 0; t < s; t += 0.1) {
        nap(0.1);
        read_bare(&ring);
    }
    return 0;
}

static void bench_all_operations(void)
{
    bench_operations("pipe ping-pong, at first", play_ping_pong, 99, false);
    bench_operations("pipe ping-pong, settled", play_ping_pong, 99, true);
    bench_operations("pipe ping-pong, at first", play_ping_pong, 1000, false);
    bench_operations("pipe ping-pong, settled", play_ping_pong, 1000, true);
    bench_operations("create + join, at first", create_and_join, 99, false);
    bench_operations("create + join, settled", create_and_join, 99, true);
    bench_operations("create + join, settled", create_and_join, 1000, true);
}

int main(int argc, char **argv)
{
    bool operations = argc == 3 && !strcmp(argv[1], "operations");
    if (argc == 5 && !strcmp(argv[1], "tick"))
        return tick(atoi(argv[2]), (uint32_t)atoi(argv[3]), atof(argv[4]));
    if (operations)
        cpus = (uint32_t)atoi(argv[2]);
    else if (argc > 1)
        slice_s = atof(argv[1]);
    if (slice_s < 0.05)
        slice_s = 0.05;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    print_machine();
    if (operations) {
        bench_all_operations();
        return 0;
    }
    calibrate();
    bench_gaps("stack copy as at first (16 KiB)");
    stack_bytes = 1024;
    bench_gaps("stack copy as fitted to it (1 KiB)");
    stack_bytes = 0;
    bench_all_operations();
    bench_own_cost("1 thread", spin_1, 99, 5 * slice_s);
    bench_own_cost("1 thread", spin_1, 1000, 5 * slice_s);
    bench_own_cost("16 threads", spin_16, 1000, 5 * slice_s);
    bench_own_cost("16 threads", spin_16, 5000, 5 * slice_s);
    munmap(shared, sizeof(*shared));
    return 0;
}
