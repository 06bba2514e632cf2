/*
 * Bench of the profile: the first update over a million samples, updates as a window slides at 10 Hz, an
 * update after a name came, the memory of it, and the reports over the same samples. CPU time of the thread,
 * so that neighbours on the machine do not count.
 */
#include "n1/report.h"
#include "n1/writer.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLES 1000000
#define FRAMES 3000
#define SLIDES 50
#define TICK_NS UINT64_C(100000) /* between samples: 10 kHz in all */

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

struct bench {
    struct n1_writer *w;
    struct n1_reader *r;
    uint32_t thread, module, frame[FRAMES];
    uint32_t *node, *leaf;
    size_t stacks;
    n1_ns now;
};

static int open_model(struct bench *b)
{
    uint64_t capacity[N1_SEGMENT_COUNT];
    size_t bytes;
    for (int i = 0; i < N1_SEGMENT_COUNT; i++)
        capacity[i] = 64;
    capacity[N1_SEGMENT_STRING_INDEX] = capacity[N1_SEGMENT_FUNCTIONS] = 8192;
    capacity[N1_SEGMENT_STRING_BYTES] = 1 << 20;
    capacity[N1_SEGMENT_FRAMES] = 8192;
    capacity[N1_SEGMENT_NODES] = capacity[N1_SEGMENT_SECONDS] = 1 << 20;
    capacity[N1_SEGMENT_SAMPLES] = 1 << 21;
    if (n1_writer_create_private(capacity, 16, &b->w, NULL))
        return -1;
    struct n1_model_process p = {.pid = 1, .start_ticks = 1};
    struct n1_model_thread t = {.process = n1_writer_process(b->w, &p), .tid = 1};
    struct n1_model_module m = {.path = n1_writer_string_z(b->w, "/usr/bin/app"), .kind = N1_MODULE_FILE};
    b->thread = n1_writer_thread(b->w, &t);
    b->module = n1_writer_module(b->w, &m);
    b->now = n1_writer_header(b->w)->created;
    void *base = n1_writer_base(b->w, &bytes);
    return n1_reader_open_memory(base, bytes, &b->r, NULL);
}

static void name(struct bench *b, uint32_t frame, const char *text, uint64_t start)
{
    struct n1_model_function f = {
        .name = n1_writer_string_z(b->w, text), .module = b->module, .start = start};
    n1_writer_frame_name(b->w, frame, n1_writer_function(b->w, &f), N1_FRAME_NAMED);
}

/* Chains 20 deep with eight variations of the end, three call sites a function. */
static int make_stacks(struct bench *b)
{
    char text[80];
    uint32_t node = 0;
    for (uint32_t i = 0; i < FRAMES; i++) {
        snprintf(text, sizeof text, "ns%d::klass<int>::method_%u(char const*, int)", rand() % 50, i / 3);
        b->frame[i] = n1_writer_frame(b->w, b->module, (UINT64_C(1) << 24) + i / 3 * 256 + i % 3 * 16);
        name(b, b->frame[i], text, (UINT64_C(1) << 24) + i / 3 * 256);
    }
    b->node = calloc(b->stacks, sizeof *b->node);
    b->leaf = calloc(b->stacks, sizeof *b->leaf);
    for (size_t s = 0; b->node && b->leaf && s < b->stacks; s++) {
        node = s % 8 ? node : 0;
        for (int d = s % 8 ? 1 : 20; d > 0; d--)
            node = n1_writer_node(b->w, node, b->frame[rand() % FRAMES]);
        b->node[s] = node;
        b->leaf[s] = b->frame[rand() % FRAMES];
    }
    return b->node && b->leaf && node ? 0 : -1;
}

static void push(struct bench *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t s = (size_t)rand() % b->stacks;
        struct n1_model_sample sample = {.time = b->now += TICK_NS,
                                         .thread = b->thread,
                                         .node = b->node[s],
                                         .leaf = b->leaf[s],
                                         .weight_ns = 1000000};
        n1_writer_sample(b->w, &sample);
    }
    n1_writer_heartbeat(b->w, b->now);
    n1_reader_begin(b->r);
}

static double update(struct bench *b, struct n1_profile *p, n1_ns from)
{
    double start = cpu_ms();
    if (n1_profile_update(p, b->r, (struct n1_window){from, UINT64_MAX}, NULL, NULL))
        puts("update failed");
    return cpu_ms() - start;
}

static int run(size_t stacks)
{
    struct bench b = {.stacks = stacks};
    size_t nodes, functions, before = 0;
    double sum = 0, worst = 0;
    if (open_model(&b) || make_stacks(&b))
        return 1;
    push(&b, SAMPLES);
    n1_ns start = n1_reader_created(b.r);
    struct n1_profile *p = n1_profile_create();
    before = mallinfo2().uordblks + mallinfo2().hblkhd;
    double first = update(&b, p, 0);
    size_t memory = mallinfo2().uordblks + mallinfo2().hblkhd - before;
    n1_profile_nodes(p, &nodes);
    n1_profile_functions(p, &functions);
    printf("%zu stacks, %zu functions, %zu nodes of the merged tree: %zu KiB\n", stacks, functions, nodes,
           memory / 1024);
    printf("  first update over %d samples   %8.2f ms\n", SAMPLES, first);
    for (n1_ns i = 1; i <= SLIDES; i++) {
        push(&b, 1000);
        double ms = update(&b, p, start + i * 1000 * TICK_NS);
        sum += ms;
        worst = ms > worst ? ms : worst;
    }
    printf("  sliding by 1000 samples             %8.2f ms mean, %.2f worst\n", sum / SLIDES, worst);
    uint32_t late = n1_writer_frame(b.w, b.module, 0x77);
    b.leaf[0] = late;
    push(&b, 10 * stacks);
    update(&b, p, start);
    name(&b, late, "late", 0x70);
    push(&b, 1);
    printf("  after a name came                   %8.2f ms\n", update(&b, p, start));
    n1_writer_flush(b.w);
    n1_writer_state(b.w, N1_STATE_CLOSED);
    for (const struct n1_report_format *f = n1_report_formats; f->name; f++) {
        struct n1_report_options options = {.window = {0, UINT64_MAX}};
        FILE *out = fopen("/dev/null", "w");
        double begun = cpu_ms();
        if (!out || f->write(out, b.r, &options, NULL))
            puts("report failed");
        printf("  report %-10s                   %8.2f ms\n", f->name, cpu_ms() - begun);
        if (out)
            fclose(out);
    }
    n1_profile_destroy(p);
    n1_reader_close(b.r);
    n1_writer_destroy(b.w);
    free(b.node);
    free(b.leaf);
    return 0;
}

int main(void)
{
    srand(1);
    return run(1000) || run(5000) || run(23000);
}
