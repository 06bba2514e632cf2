/*
 * Bench of the model: what a sample costs to push, what a generation step costs, how long a screen takes to
 * read a full window, and what a recording costs to write and load.
 *
 *   push      n1_writer_sample() with its row of the second, 99 stacks a thread over 16 threads, 20,000
 * samples a second of model time, maintained once a model second; median over batches of 1,000, flushes
 * included intern    a chain of 25 frames found again, as for every sample of a warm profile step      one
 * generation step of a full 64 MiB model with nothing to give up, and the same after churn read      480,000
 * samples copied out and summed, the finest window of a screen record    that model written to memory as a
 * file, and loaded
 */
#include "core/model/generation.h"
#include "core/model/writer.h"
#include "n1/file.h"
#include "n1/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES 480000u
#define BATCH 1000u
#define THREADS 16u
#define STACKS 99u
#define DEPTH 25u

static struct n1_writer *w;
static uint32_t threads[THREADS], nodes[STACKS], leaves[STACKS];
static unsigned steps;

static void on_step(void *context, const struct n1_remap *remap)
{
    (void)context;
    steps++;
    for (unsigned i = 0; i < THREADS; i++)
        threads[i] = n1_remap_thread(remap, threads[i]);
    for (unsigned i = 0; i < STACKS; i++) {
        nodes[i] = n1_remap_node(remap, nodes[i]);
        leaves[i] = n1_remap_frame(remap, leaves[i]);
    }
}

/* CPU time of this thread: what else runs on the machine does not count. */
static n1_ns cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (n1_ns)now.tv_sec * N1_SECOND_NS + (n1_ns)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static uint32_t chain(unsigned stack)
{
    uint32_t node = 0;
    for (unsigned depth = 0; depth < DEPTH; depth++)
        node = n1_writer_node(
            w, node, n1_writer_frame(w, 1, 0x1000 + (depth < 20 ? depth : depth * 1000 + stack) * 16));
    return node;
}

static void make_names(n1_ns t0)
{
    struct n1_model_process p = {.pid = 1, .state = N1_PROCESS_RUNNING, .attached = t0};
    uint32_t process = n1_writer_process(w, &p);
    struct n1_model_module m = {.path = n1_writer_string_z(w, "/bin/target"), .kind = N1_MODULE_FILE};
    uint32_t module = n1_writer_module(w, &m);
    for (unsigned i = 0; i < THREADS; i++) {
        struct n1_model_thread t = {.process = process, .tid = 10 + i, .from = t0};
        threads[i] = n1_writer_thread(w, &t);
    }
    for (unsigned i = 0; i < STACKS; i++) {
        char name[32];
        snprintf(name, sizeof(name), "function_%u", i);
        nodes[i] = chain(i);
        leaves[i] = n1_writer_frame(w, module, 0x900000 + i * 256 + 7);
        struct n1_model_function f = {
            .name = n1_writer_string_z(w, name), .module = module, .start = 0x900000 + i * 256, .size = 256};
        n1_writer_frame_name(w, leaves[i], n1_writer_function(w, &f), N1_FRAME_NAMED);
    }
}

static void bench_push(n1_ns t0)
{
    static double batch[SAMPLES / BATCH];
    n1_ns now = t0, total = 0;
    for (unsigned b = 0; b < SAMPLES / BATCH; b++) {
        n1_ns start = cpu_ns();
        for (unsigned i = 0; i < BATCH; i++) {
            unsigned number = b * BATCH + i;
            struct n1_model_sample s = {.time = now += 50000,
                                        .thread = threads[number % THREADS],
                                        .node = nodes[number % STACKS],
                                        .leaf = leaves[number % STACKS],
                                        .weight_ns = 50000};
            n1_writer_sample(w, &s);
        }
        if (b % 20 == 19)
            n1_writer_maintain(w, now);
        n1_ns took = cpu_ns() - start;
        total += took;
        batch[b] = (double)took / BATCH;
    }
    qsort(batch, SAMPLES / BATCH, sizeof(batch[0]), by_value);
    n1_writer_heartbeat(w, now);
    printf("push     %.0f ns a sample (median of batches), %.0f ns mean with flushes of %u rows a second\n",
           batch[SAMPLES / BATCH / 2], (double)total / SAMPLES, STACKS * THREADS);
    n1_ns start = cpu_ns();
    uint32_t sum = 0;
    for (unsigned i = 0; i < 20000; i++)
        sum += chain(i % STACKS);
    printf("intern   %.0f ns a chain of %u frames (%.1f ns a frame)%s\n", (double)(cpu_ns() - start) / 20000,
           DEPTH, (double)(cpu_ns() - start) / 20000 / DEPTH, sum ? "" : "!");
}

static void bench_step(n1_ns now)
{
    /* Due by decree: the model is as full of samples as it gets, its tables are not. */
    w->step_at[N1_SEGMENT_NODES] = 0;
    n1_ns start = cpu_ns();
    n1_writer_maintain(w, now);
    printf("step     %.2f ms with %u samples, %" PRIu64 " rows, nothing to give up\n",
           (double)(cpu_ns() - start) / 1e6, SAMPLES, w->head[N1_SEGMENT_SECONDS]);
    /* Churn until one is due by itself: frames seen once each. */
    double longest = 0, sum = 0;
    unsigned before = steps;
    for (uint64_t i = 0; steps < before + 3; i++) {
        uint32_t frame = n1_writer_frame(w, 1, 0x10000000 + i * 16);
        struct n1_model_sample s = {.time = now += 50000,
                                    .thread = threads[0],
                                    .node = n1_writer_node(w, nodes[0], frame),
                                    .leaf = frame,
                                    .weight_ns = 50000};
        n1_writer_sample(w, &s);
        start = cpu_ns();
        if (i % 1000 == 999 && n1_writer_maintain(w, now)) {
            double took = (double)(cpu_ns() - start) / 1e6;
            longest = took > longest ? took : longest;
            sum += took;
        }
    }
    printf("         %.2f ms mean, %.2f ms longest under churn (flush of rows included); %" PRIu64
           " rows given up\n",
           sum / 3, longest, w->header->self[N1_SELF_ROWS_DROPPED]);
}

static void bench_read(void)
{
    static struct n1_model_sample part[1024];
    struct n1_reader *r;
    if (n1_reader_open_fd(n1_writer_fd(w), &r, NULL) < 0)
        abort();
    for (int pass = 0; pass < 3; pass++) {
        uint64_t sum = 0, next, count = 0;
        n1_ns start = cpu_ns();
        n1_reader_begin(r);
        uint64_t head = n1_reader_count(r, N1_SEGMENT_SAMPLES, &next);
        while (next < head) {
            size_t n = n1_reader_samples(r, next, part, 1024, &next, NULL);
            for (size_t i = 0; i < n; i++)
                sum += part[i].weight_ns;
            count += n;
        }
        if (pass == 2)
            printf("read     %.2f ms for %" PRIu64 " samples (%.1f ns each), %s\n",
                   (double)(cpu_ns() - start) / 1e6, count, (double)(cpu_ns() - start) / (double)count,
                   n1_reader_end(r) == 0 && sum ? "whole" : "!");
    }
    int fd = memfd_create("recording", MFD_CLOEXEC);
    struct n1_reader *back;
    struct stat st;
    char path[32];
    n1_ns start = cpu_ns();
    if (n1_file_write(r, fd, 0, UINT64_MAX, NULL) < 0 || fstat(fd, &st) < 0)
        abort();
    printf("record   %.0f ms to write %.1f MB", (double)(cpu_ns() - start) / 1e6, (double)st.st_size / 1e6);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    start = cpu_ns();
    if (n1_reader_open_file(path, &back, NULL) < 0)
        abort();
    printf(", %.0f ms to load\n", (double)(cpu_ns() - start) / 1e6);
    n1_reader_close(back);
    n1_reader_close(r);
    close(fd);
}

int main(void)
{
    struct n1_writer_options options = {.memory_bytes = 64 << 20, .remapped = on_step};
    n1_ns t0;
    if (n1_writer_create(&options, &w, NULL) < 0)
        return 1;
    t0 = n1_writer_header(w)->created;
    make_names(t0);
    bench_push(t0);
    bench_read();
    bench_step(t0 + (n1_ns)SAMPLES * 50000);
    n1_writer_destroy(w);
    return 0;
}
