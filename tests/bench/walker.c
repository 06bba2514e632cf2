/*
 * Bench of the walker on a real process: samples its registers and stack by perf events, walks every sample
 * with the walker and with libunwind alone, and prints cost and agreement.
 *
 *   build/bench/walker PID [SECONDS [HZ [STACK_BYTES]]]
 *
 * Samples are copied while the target runs and walked afterwards. Each is walked RUNS times and its figure is
 * the median of them, so that a preempted run does not count; "in order" is one pass over all samples, caches
 * as they come. "equal" is over samples whose walk crossed no code without unwind information (JIT), "agree"
 * over all. N1_BENCH_SHOW=1 prints the first differences. Needs the right to profile the process; nothing is
 * written.
 */
#include "sampler/walk/walker.h"
#include "sampler/walk/libunwind.h"
#include "sampler/walk/unwind.h"

#include "n1/time.h"

#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RING_BYTES (UINT64_C(512) * 4096)
#define RINGS_MAX 256
#define SAMPLES_MAX 4000
#define RUNS 5
#define SHOWN_MAX 5

/* perf's register numbers, in its order, as DWARF numbers. */
static const struct {
    int perf, dwarf;
} registers[] = {{0, N1_REG_RAX},  {1, N1_REG_RBX},  {2, N1_REG_RCX},  {3, N1_REG_RDX},  {4, N1_REG_RSI},
                 {5, N1_REG_RDI},  {6, N1_REG_RBP},  {7, N1_REG_RSP},  {8, N1_REG_RIP},  {16, N1_REG_R8},
                 {17, N1_REG_R9},  {18, N1_REG_R10}, {19, N1_REG_R11}, {20, N1_REG_R12}, {21, N1_REG_R13},
                 {22, N1_REG_R14}, {23, N1_REG_R15}};
#define REGISTERS (sizeof(registers) / sizeof(registers[0]))

struct ring {
    int fd;
    struct perf_event_mmap_page *page;
    const uint8_t *data;
};

static struct n1_user_state samples[SAMPLES_MAX];
static size_t sample_count;
static uint64_t lost;

static void take_sample(const uint8_t *body, size_t len, size_t stack_asked)
{
    const size_t head = 8 + REGISTERS * 8 + 8; /* abi, registers, stack size */
    uint64_t abi, dynamic = 0;
    if (sample_count == SAMPLES_MAX || len < head)
        return;
    memcpy(&abi, body, 8);
    if (abi != PERF_SAMPLE_REGS_ABI_64)
        return;
    struct n1_user_state state = {0};
    for (size_t i = 0; i < REGISTERS; i++) {
        memcpy(&state.regs[registers[i].dwarf], body + 8 + i * 8, 8);
        state.valid |= 1u << registers[i].dwarf;
    }
    if (len >= head + stack_asked + 8)
        memcpy(&dynamic, body + head + stack_asked, 8);
    uint8_t *copy = malloc(dynamic ? dynamic : 1);
    if (!copy)
        return;
    memcpy(copy, body + head, dynamic);
    state.stack = copy;
    state.stack_len = dynamic;
    samples[sample_count++] = state;
}

static void drain(struct ring *ring, size_t stack_asked)
{
    static uint8_t record[65536];
    uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE), tail = ring->page->data_tail;
    while (tail < head) {
        struct perf_event_header header;
        for (size_t i = 0; i < sizeof(header); i++)
            ((uint8_t *)&header)[i] = ring->data[(tail + i) % RING_BYTES];
        for (size_t i = 0; i < header.size; i++)
            record[i] = ring->data[(tail + i) % RING_BYTES];
        if (header.type == PERF_RECORD_SAMPLE) {
            take_sample(record + sizeof(header), header.size - sizeof(header), stack_asked);
        } else if (header.type == PERF_RECORD_LOST) {
            uint64_t count;
            memcpy(&count, record + sizeof(header) + 8, 8);
            lost += count;
        }
        tail += header.size;
    }
    __atomic_store_n(&ring->page->data_tail, tail, __ATOMIC_RELEASE);
}

static int open_ring(struct ring *ring, pid_t tid, unsigned hz, size_t stack_bytes)
{
    struct perf_event_attr attr = {.size = sizeof(attr),
                                   .type = PERF_TYPE_SOFTWARE,
                                   .config = PERF_COUNT_SW_CPU_CLOCK,
                                   .sample_period = 1000000000 / hz,
                                   .sample_type = PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
                                   .sample_stack_user = (uint32_t)stack_bytes,
                                   .disabled = 1,
                                   .wakeup_events = 1};
    for (size_t i = 0; i < REGISTERS; i++)
        attr.sample_regs_user |= UINT64_C(1) << registers[i].perf;
    ring->fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (ring->fd < 0 && errno == EACCES) {
        attr.exclude_kernel = 1;
        ring->fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    }
    if (ring->fd < 0)
        return -errno;
    void *base = mmap(NULL, RING_BYTES + 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
    if (base == MAP_FAILED) {
        int r = -errno;
        close(ring->fd);
        return r;
    }
    ring->page = base;
    ring->data = (const uint8_t *)base + 4096;
    return 0;
}

static int collect(pid_t pid, double seconds, unsigned hz, size_t stack_bytes)
{
    static struct ring rings[RINGS_MAX];
    struct pollfd fds[RINGS_MAX];
    size_t count = 0;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        return -errno;
    int r = 0;
    for (struct dirent *d; count < RINGS_MAX && (d = readdir(tasks));) {
        if (d->d_name[0] == '.')
            continue;
        r = open_ring(&rings[count], atoi(d->d_name), hz, stack_bytes);
        if (r == 0) {
            fds[count] = (struct pollfd){.fd = rings[count].fd, .events = POLLIN};
            count++;
        }
    }
    closedir(tasks);
    if (count == 0)
        return r ? r : -ESRCH;
    for (size_t i = 0; i < count; i++)
        ioctl(rings[i].fd, PERF_EVENT_IOC_ENABLE, 0);
    n1_ns end = n1_time_mono() + (n1_ns)(seconds * 1e9);
    while (n1_time_mono() < end && sample_count < SAMPLES_MAX) {
        poll(fds, count, 20);
        for (size_t i = 0; i < count; i++)
            drain(&rings[i], stack_bytes);
    }
    for (size_t i = 0; i < count; i++) {
        munmap(rings[i].page, RING_BYTES + 4096);
        close(rings[i].fd);
    }
    return 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *values, size_t count, double q)
{
    qsort(values, count, sizeof(*values), by_value);
    return values[(size_t)(q * (double)(count - 1))];
}

static double share(double part, double whole)
{
    return whole > 0 ? 100.0 * part / whole : 0;
}

static void show_difference(const struct n1_walk_frame *frames, const struct n1_walk *walk,
                            const uint64_t *pcs, size_t count, bool complete)
{
    printf("  differs: walker %zu (%s), libunwind %zu (%s)\n", walk->count, n1_walk_end_text(walk->end),
           count, complete ? "complete" : "failed");
    size_t first = 0;
    while (first < walk->count && first < count && frames[first].pc == pcs[first])
        first++;
    bool cut = walk->end != N1_WALK_COMPLETE;
    for (size_t i = cut || first < 2 ? 0 : first - 2; i < (cut ? walk->count : first + 3); i++) {
        printf("    %2zu", i);
        if (i < walk->count)
            printf("  walker %012llx %s+%llx flags %u", (unsigned long long)frames[i].pc,
                   frames[i].module ? frames[i].module->path : "?", (unsigned long long)frames[i].offset,
                   frames[i].flags);
        if (i < count)
            printf("  libunwind %012llx", (unsigned long long)pcs[i]);
        printf("\n");
    }
}

struct tally {
    double frames, ours_ns, theirs_ns;
    size_t agree, plain, equal, complete, their_complete, fallback, shown;
    double fresh_ns, fresh[SAMPLES_MAX], ours[SAMPLES_MAX], theirs[SAMPLES_MAX], depth[SAMPLES_MAX];
};

static void compare_one(struct n1_walker *walker, struct n1_libunwind *lu, struct n1_space *space, size_t i,
                        struct tally *t)
{
    static struct n1_walk_frame frames[N1_WALK_FRAMES_MAX];
    static uint64_t pcs[N1_WALK_FRAMES_MAX];
    struct n1_walk walk;
    double runs[RUNS];
    bool complete, jit = false;
    for (int run = 0; run < RUNS; run++) {
        n1_ns begin = n1_time_mono();
        n1_walker_walk(walker, space, &samples[i], frames, N1_WALK_FRAMES_MAX, &walk);
        runs[run] = (double)(n1_time_mono() - begin);
    }
    t->ours[i] = quantile(runs, RUNS, 0.5);
    n1_ns begin = n1_time_mono();
    size_t count = n1_libunwind_chain(lu, space, &samples[i], pcs, N1_WALK_FRAMES_MAX, &complete);
    t->theirs[i] = (double)(n1_time_mono() - begin);
    bool same = count == walk.count;
    for (size_t k = 0; same && k < count; k++)
        same = frames[k].pc == pcs[k];
    for (size_t k = 0; k < walk.count; k++)
        jit |=
            !frames[k].module || n1_module_absolute(frames[k].module) || (frames[k].flags & N1_FRAME_BY_FP);
    t->agree += same;
    t->plain += !jit && complete;
    t->equal += !jit && complete && same;
    t->their_complete += complete;
    t->complete += walk.end == N1_WALK_COMPLETE;
    t->fallback += walk.libunwind > 0;
    t->depth[i] = (double)walk.count;
    t->frames += (double)walk.count;
    t->ours_ns += t->ours[i];
    t->theirs_ns += t->theirs[i];
    const char *show = getenv("N1_BENCH_SHOW");
    bool odd = show && (strcmp(show, "ends") == 0 ? walk.end != N1_WALK_COMPLETE : !same);
    if (odd && t->shown++ < SHOWN_MAX)
        show_difference(frames, &walk, pcs, count, complete);
}

static void print(const struct n1_modules *modules, const struct n1_walker_counters *c, struct tally *t,
                  double first_ns, uint64_t misses)
{
    const double n = (double)sample_count;
    printf("samples %zu  lost %llu  depth median %.0f  complete %.2f %% (libunwind %.2f %%)\n", sample_count,
           (unsigned long long)lost, quantile(t->depth, sample_count, 0.5), share((double)t->complete, n),
           share((double)t->their_complete, n));
    printf("fresh      median %.2f us  p99 %.2f us  mean %.1f ns/frame  %.2f %% cache misses\n",
           quantile(t->fresh, sample_count, 0.5) / 1e3, quantile(t->fresh, sample_count, 0.99) / 1e3,
           t->fresh_ns / t->frames, share((double)misses, t->frames));
    printf("again      median %.2f us  p99 %.2f us  mean %.1f ns/frame\n",
           quantile(t->ours, sample_count, 0.5) / 1e3, quantile(t->ours, sample_count, 0.99) / 1e3,
           t->ours_ns / t->frames);
    printf("libunwind  median %.2f us  mean %.1f ns/frame\n", quantile(t->theirs, sample_count, 0.5) / 1e3,
           t->theirs_ns / t->frames);
    printf("equal %zu/%zu (%.2f %%) without JIT frames where libunwind is complete; agree %zu/%zu (%.2f %%) "
           "of all\n",
           t->equal, t->plain, share((double)t->equal, (double)t->plain), t->agree, sample_count,
           share((double)t->agree, n));
    size_t tables = 0, rows = 0;
    n1_ns build_ns = 0, one_ns;
    for (const struct n1_module *m = modules->head; m; m = m->next) {
        const struct n1_unwind_table *table = m->unwind ? n1_unwind_table_of(m->unwind, &one_ns) : NULL;
        if (!table)
            continue;
        tables++;
        rows += table->count;
        build_ns += one_ns;
    }
    printf("libunwind needed by %.2f %% of samples; first sample %.1f ms; %zu tables, %zu rows, %.2f MB, "
           "%.1f ms\n",
           share((double)t->fallback, n), first_ns / 1e6, tables, rows, (double)rows * 8 / 1e6,
           (double)build_ns / 1e6);
    printf("ends:");
    for (int i = 0; i < N1_WALK_ENDS; i++)
        if (c->ends[i])
            printf("  %s %.2f %%", n1_walk_end_text(i), share((double)c->ends[i], (double)c->walks));
    printf("\n");
}

int main(int argc, char **argv)
{
    static struct n1_walk_frame frames[N1_WALK_FRAMES_MAX];
    static struct tally tally;
    struct n1_modules modules;
    struct n1_space space;
    struct n1_walker *walker = NULL;
    struct n1_libunwind *lu = NULL;
    struct n1_error err = {0};
    if (argc < 2) {
        fprintf(stderr, "usage: %s PID [SECONDS [HZ [STACK_BYTES]]]\n", argv[0]);
        return 2;
    }
    pid_t pid = atoi(argv[1]);
    double seconds = argc > 2 ? atof(argv[2]) : 2;
    unsigned hz = argc > 3 && atoi(argv[3]) > 0 ? (unsigned)atoi(argv[3]) : 997;
    size_t stack_bytes = argc > 4 ? (size_t)atoi(argv[4]) : 16384;
    n1_modules_init(&modules);
    n1_space_init(&space, &modules, pid);
    if (n1_walker_create(N1_WALK_FRAMES_MAX, &walker) < 0 || n1_libunwind_create(&lu) < 0)
        return 1;
    int r = collect(pid, seconds, hz, stack_bytes);
    if (r < 0 || sample_count == 0) {
        fprintf(stderr, "cannot sample %d: %s\n", pid, r < 0 ? strerror(-r) : "it did not run");
        return 1;
    }
    if (n1_space_load(&space, &err) < 0)
        return n1_error_print(&err);

    n1_ns begin = n1_time_mono();
    double first_ns = 0;
    for (size_t i = 0; i < sample_count; i++) { /* opens modules and builds tables */
        struct n1_walk walk;
        n1_walker_walk(walker, &space, &samples[i], frames, N1_WALK_FRAMES_MAX, &walk);
        if (i == 0)
            first_ns = (double)(n1_time_mono() - begin);
    }
    uint64_t misses = n1_walker_counters(walker)->cache_misses;
    for (size_t i = 0; i < sample_count; i++) {
        static uint8_t stack[65536];
        struct n1_user_state state = samples[i];
        struct n1_walk walk;
        memcpy(stack, state.stack, state.stack_len);
        state.stack = stack;
        begin = n1_time_mono();
        n1_walker_walk(walker, &space, &state, frames, N1_WALK_FRAMES_MAX, &walk);
        tally.fresh[i] = (double)(n1_time_mono() - begin);
        tally.fresh_ns += tally.fresh[i];
    }
    misses = n1_walker_counters(walker)->cache_misses - misses;
    for (size_t i = 0; i < sample_count; i++)
        compare_one(walker, lu, &space, i, &tally);
    print(&modules, n1_walker_counters(walker), &tally, first_ns, misses);

    for (size_t i = 0; i < sample_count; i++)
        free((void *)samples[i].stack);
    n1_libunwind_destroy(lu);
    n1_walker_destroy(walker);
    n1_space_finish(&space);
    n1_modules_finish(&modules);
    return 0;
}
