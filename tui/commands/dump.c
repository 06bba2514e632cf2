/*
 * `n1top dump`: every thread's stack, once. The sampler takes them without stopping a thread; here they are
 * printed.
 */
#include "tui/commands/command.h"
#include "tui/commands/frame_text.h"
#include "tui/session.h"

#include "n1/sanitise.h"

#include <cjson/cJSON.h>

#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 30000, DEPTH_MAX = 512 };

static const char *state_text(const struct n1_model_sample *s)
{
    return s->cpu == UINT32_MAX ? "blocked" : "running";
}

static void print_text(struct n1_reader *r, const struct n1_model_sample *s)
{
    struct n1_model_thread thread;
    uint32_t frames[DEPTH_MAX];
    n1_reader_thread(r, s->thread, &thread);
    printf("thread %u \"%s\" %s\n", thread.tid, n1_reader_string(r, thread.name), state_text(s));
    size_t n = n1_frames_of(r, s->node, s->leaf, frames, DEPTH_MAX);
    for (size_t i = 0; i < n; i++) {
        char name[1200];
        const char *module;
        n1_frame_text(r, frames[i], name, sizeof name, &module);
        struct n1_model_frame frame;
        n1_reader_frame(r, frames[i], &frame);
        if (frame.line)
            printf("  %3zu %s (%s) %s:%u\n", i, name, module, n1_reader_string(r, frame.file), frame.line);
        else
            printf("  %3zu %s (%s)\n", i, name, module);
    }
    if (!n)
        printf("      no stack: %s\n",
               s->flags & N1_SAMPLE_TRUNCATED ? "it could not be read" : "in the kernel");
    else if (s->flags & N1_SAMPLE_TRUNCATED)
        printf("      [truncated]\n");
}

static void add_json(cJSON *list, struct n1_reader *r, const struct n1_model_sample *s)
{
    struct n1_model_thread thread;
    uint32_t frames[DEPTH_MAX];
    n1_reader_thread(r, s->thread, &thread);
    cJSON *item = cJSON_CreateObject();
    cJSON_AddNumberToObject(item, "tid", thread.tid);
    cJSON_AddStringToObject(item, "name", n1_reader_string(r, thread.name));
    cJSON_AddStringToObject(item, "state", state_text(s));
    cJSON_AddBoolToObject(item, "truncated", s->flags & N1_SAMPLE_TRUNCATED ? 1 : 0);
    cJSON *stack = cJSON_AddArrayToObject(item, "stack");
    size_t n = n1_frames_of(r, s->node, s->leaf, frames, DEPTH_MAX);
    for (size_t i = 0; i < n; i++) {
        char name[1200];
        const char *module;
        struct n1_model_frame frame;
        n1_frame_text(r, frames[i], name, sizeof name, &module);
        n1_reader_frame(r, frames[i], &frame);
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "name", name);
        cJSON_AddStringToObject(entry, "module", module);
        if (frame.line) {
            cJSON_AddStringToObject(entry, "file", n1_reader_string(r, frame.file));
            cJSON_AddNumberToObject(entry, "line", frame.line);
        }
        cJSON_AddItemToArray(stack, entry);
    }
    cJSON_AddItemToArray(list, item);
}

struct stack {
    uint32_t tid;
    struct n1_model_sample sample;
};

static int by_tid(const void *a, const void *b)
{
    uint32_t x = ((const struct stack *)a)->tid, y = ((const struct stack *)b)->tid;
    return x < y ? -1 : x > y;
}

/* The dump's stacks in order of tid, so that the main thread comes first. The caller frees. */
static struct stack *collect(struct n1_reader *r, size_t *ret_count)
{
    uint64_t tail, next = 0, head = n1_reader_count(r, N1_SEGMENT_SAMPLES, &tail);
    struct stack *stacks = calloc(head - tail + 1, sizeof *stacks);
    struct n1_model_sample samples[64];
    size_t count = 0;
    for (size_t n; stacks && (n = n1_reader_samples(r, next, samples, 64, &next, NULL));)
        for (size_t i = 0; i < n && count < head - tail; i++) {
            struct n1_model_thread thread;
            if (!(samples[i].flags & N1_SAMPLE_DUMP))
                continue;
            n1_reader_thread(r, samples[i].thread, &thread);
            stacks[count++] = (struct stack){thread.tid, samples[i]};
        }
    if (count)
        qsort(stacks, count, sizeof *stacks, by_tid);
    *ret_count = count;
    return stacks;
}

static int print_all(struct n1_reader *r, bool json)
{
    cJSON *root = json ? cJSON_CreateObject() : NULL;
    cJSON *threads = json ? cJSON_AddArrayToObject(root, "threads") : NULL;
    struct n1_model_process process;
    n1_reader_process(r, 1, &process);
    if (json) {
        cJSON_AddStringToObject(root, "schema", "n1top.dump/1");
        cJSON_AddNumberToObject(root, "pid", process.pid);
        cJSON_AddStringToObject(root, "cmdline", n1_reader_string(r, process.cmdline));
    } else {
        printf("process %u %s\n", process.pid, n1_reader_string(r, process.cmdline));
    }
    size_t count = 0;
    struct stack *stacks = collect(r, &count);
    for (size_t i = 0; i < count; i++) {
        if (json)
            add_json(threads, r, &stacks[i].sample);
        else
            print_text(r, &stacks[i].sample);
    }
    free(stacks);
    if (json) {
        char *text = cJSON_Print(root);
        puts(text ? text : "{}");
        free(text);
        cJSON_Delete(root);
    }
    return fflush(stdout) ? 1 : 0;
}

static int run(const struct n1_command_args *args, const struct n1_config *config)
{
    (void)config;
    struct n1_error err = {0};
    struct n1_session *s = NULL;
    if (args->pid_count != 1)
        n1_error_set(&err, N1_E_USAGE, "dump: name one process with -p");
    struct n1_session_options options = {.pids = args->pids,
                                         .pid_count = 1,
                                         .dump = true,
                                         .engine = args->engine,
                                         .config = args->config,
                                         .log = args->log};
    if (!err.code)
        n1_session_start(&options, &s, &err);
    if (!err.code)
        n1_session_wait(s, WAIT_MS, &err);
    struct n1_error names = {0};
    /* A stack without some names still tells where a thread stands: the more wanted, the busier the machine.
     */
    if (!err.code && n1_session_ask(s, N1_CONTROL_LINES, 0, WAIT_MS, &names) < 0)
        fprintf(stderr, "n1top: not every name was found: %s\n", names.what);
    int status;
    if (err.code) {
        status = n1_error_print(&err);
    } else {
        n1_reader_begin(n1_session_reader(s));
        status = print_all(n1_session_reader(s), args->json);
    }
    n1_session_destroy(s);
    return status;
}

const struct n1_command n1_command_dump = {
    .name = "dump",
    .usage = "dump -p PID [--json]",
    .text = "every thread's stack, once",
    .options = N1_TAKES_PID N1_TAKES_JSON N1_TAKES_ENGINE,
    .run = run,
};
