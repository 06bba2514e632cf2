/*
 * Reads the Python stack of a running process as often as asked, as an engine does, and says what came of it:
 * stacks that cannot have existed, stacks rejected, the split of the leaves, what a read costs.
 *
 *   python_chain stop|run PID STACKS [gap in us]
 *
 * "Impossible" are stacks that hold functions ending in _a and in _b. Reads are some microseconds apart at
 * random, so that they do not keep step with the target.
 */
#include "sampler/engine/short_stop.h"
#include "sampler/python/python.h"

#include "n1/reader.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LEAVES = 64, PATIENCE = 50 };

struct leaf {
    char name[64];
    uint64_t count;
};

static struct n1_python *python;
static struct n1_py_chain_reader *reader;
static struct n1_py_chain chain;
static struct n1_python_stack stack;
static pid_t pid;
static struct leaf leaves[LEAVES];
static size_t leaf_count;

static void read_stopped(void *context, const struct n1_user_state *user)
{
    (void)context;
    (void)user;
    n1_python_read(python, reader, pid, true, &chain);
}

static const char *name_of(struct n1_writer *w, struct n1_reader *r, uint32_t frame)
{
    struct n1_model_function f;
    n1_reader_function(r, n1_writer_frame_at(w, frame)->function, &f);
    return n1_reader_string(r, f.name);
}

static void count_leaf(const char *name)
{
    size_t i = 0;
    while (i < leaf_count && strcmp(leaves[i].name, name))
        i++;
    if (i == LEAVES)
        return;
    if (i == leaf_count)
        snprintf(leaves[leaf_count++].name, sizeof(leaves[0].name), "%s", name);
    leaves[i].count++;
}

static bool impossible(struct n1_writer *w, struct n1_reader *r)
{
    bool a = false, b = false;
    for (size_t i = 0; i < stack.count; i++) {
        const char *name = name_of(w, r, stack.frames[i].frame);
        size_t len = strlen(name);
        a = a || (len > 2 && !strcmp(name + len - 2, "_a"));
        b = b || (len > 2 && !strcmp(name + len - 2, "_b"));
    }
    return a && b;
}

static int by_value(const void *x, const void *y)
{
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return a < b ? -1 : a > b;
}

static void fail(const char *what)
{
    fprintf(stderr, "python_chain: %s\n", what);
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        fail("usage: python_chain stop|run PID STACKS [gap in us]");
    bool stop = !strcmp(argv[1], "stop");
    pid = atoi(argv[2]);
    uint64_t wanted = strtoull(argv[3], NULL, 10), gap = argc > 4 ? strtoull(argv[4], NULL, 10) : 20;
    struct n1_error err = {0};
    struct n1_caller caller = n1_caller_self(NULL);
    struct n1_process *process;
    struct n1_modules modules;
    struct n1_space space;
    struct n1_short_stop *stopper = NULL;
    struct n1_writer *w;
    struct n1_reader *r;
    size_t bytes;
    uint64_t *cost = calloc(wanted, sizeof(*cost));
    n1_modules_init(&modules);
    n1_space_init(&space, &modules, pid);
    reader = n1_py_chain_reader_create();
    struct n1_writer_options options = {.memory_bytes = 16 << 20};
    if (!cost || !reader || n1_process_open(pid, &caller, &process, &err) < 0 ||
        n1_space_load(&space, &err) < 0 || n1_python_open(&space, process, &python, &err) < 0 ||
        n1_writer_create(&options, &w, &err) < 0 || (stop && n1_short_stop_create(&stopper, &err) < 0))
        fail(err.what[0] ? err.what : "not a CPython process");
    void *base = n1_writer_base(w, &bytes);
    if (n1_reader_open_memory(base, bytes, &r, &err) < 0)
        fail(err.what);
    uint64_t taken = 0, rejected = 0, bad = 0, empty = 0, failures = 0;
    srand(7);
    while (taken + rejected < wanted && failures < PATIENCE + wanted) {
        usleep((useconds_t)(gap + (uint64_t)rand() % 23));
        if (stopper)
            n1_short_stop_late(stopper);
        struct n1_user_state user;
        n1_ns began = n1_time_mono();
        if (!stop)
            n1_python_read(python, reader, pid, false, &chain);
        else if (n1_short_stop_take(stopper, pid, read_stopped, NULL, &user) < 0) {
            failures++;
            continue;
        }
        cost[taken + rejected] = n1_time_mono() - began;
        n1_python_resolve(python, w, &chain, pid, n1_time_mono(), &stack);
        if (stack.end == N1_PY_CHAIN_TORN || stack.end == N1_PY_CHAIN_BAD) {
            rejected++;
            continue;
        }
        taken++;
        n1_reader_begin(r);
        empty += !stack.count;
        bad += impossible(w, r);
        if (stack.count)
            count_leaf(name_of(w, r, stack.frames[0].frame));
    }
    uint64_t all = taken + rejected;
    if (!all)
        fail("no stack could be read");
    qsort(cost, all, sizeof(*cost), by_value);
    printf("%s %s: %" PRIu64 " stacks, impossible %" PRIu64
           " (95 %% below %.2g), rejected %.3f %%, empty %" PRIu64 ", read median %.1f us, 99 %% %.1f us\n",
           n1_python_name(python), stop ? "stopped" : "running", taken, bad,
           (bad ? (double)bad + 2 * sqrt((double)bad) : 3.0) / (double)taken,
           100.0 * (double)rejected / (double)all, empty, (double)cost[all / 2] / 1e3,
           (double)cost[all * 99 / 100] / 1e3);
    for (size_t i = 0; i < leaf_count; i++)
        printf("    %-24s %6.2f %%  +- %.2f (1 sigma)\n", leaves[i].name,
               100.0 * (double)leaves[i].count / (double)taken,
               100 * sqrt((double)leaves[i].count / (double)taken *
                          (1 - (double)leaves[i].count / (double)taken) / (double)taken));
    n1_short_stop_destroy(stopper);
    n1_reader_close(r);
    n1_writer_destroy(w);
    n1_python_close(python);
    n1_process_close(process);
    n1_space_finish(&space);
    n1_modules_finish(&modules);
    n1_py_chain_reader_destroy(reader);
    free(cost);
    return 0;
}
