/*
 * `n1top dump`: every thread's stack, once. The sampler takes them without stopping a thread; here they are
 * printed.
 */
#include "tui/commands/command.h"
#include "tui/commands/frame_text.h"
#include "tui/session.h"

#include "n1/sanitise.h"
#include "n1/waits.h"

#include <cjson/cJSON.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 30000, DEPTH_MAX = 512 };

static const char *state_text(const struct n1_model_sample *s)
{
    return s->cpu == UINT32_MAX ? "blocked" : "running";
}

struct stack {
    uint32_t tid;
    struct n1_model_sample sample;
    struct n1_model_wait wait; /* wait_class 0: it runs, or what it waits for is not known */
};

/* "1234 "name"" */
static const char *thread_text(struct n1_reader *r, uint32_t id, char out[96])
{
    struct n1_model_thread thread;
    n1_reader_thread(r, id, &thread);
    snprintf(out, 96, "%u \"%.60s\"", thread.tid, n1_reader_string(r, thread.name));
    return out;
}

/* How long it has waited, NAN when it had begun before anybody looked. */
static double waited(struct n1_reader *r, const struct n1_model_wait *wait)
{
    n1_ns now = n1_reader_now(r);
    bool known = !(wait->flags & N1_WAIT_BEFORE) && now > wait->start;
    return known ? (double)(now - wait->start) / (double)N1_SECOND_NS : NAN;
}

static void print_wait(struct n1_reader *r, const struct n1_model_wait *wait)
{
    char owner[96];
    double seconds = waited(r, wait);
    printf(": %s", n1_wait_class_name(wait->wait_class));
    if (wait->resource)
        printf(", %s", n1_reader_string(r, wait->resource));
    if (!isnan(seconds))
        printf(", for %.*f s", seconds < 10 ? 2 : 0, seconds);
    if (wait->owner)
        printf(", held by %s", thread_text(r, wait->owner, owner));
    if (wait->flags & N1_WAIT_DEEP)
        printf(", uninterruptible");
    if (wait->flags & N1_WAIT_DEAD)
        printf(", DEADLOCK");
}

static void print_text(struct n1_reader *r, const struct stack *stack)
{
    const struct n1_model_sample *s = &stack->sample;
    struct n1_model_thread thread;
    uint32_t frames[DEPTH_MAX];
    n1_reader_thread(r, s->thread, &thread);
    printf("thread %u \"%s\" %s", thread.tid, n1_reader_string(r, thread.name), state_text(s));
    if (stack->wait.wait_class)
        print_wait(r, &stack->wait);
    putchar('\n');
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

static void add_wait(cJSON *item, struct n1_reader *r, const struct n1_model_wait *wait)
{
    struct n1_model_thread owner;
    double seconds = waited(r, wait);
    cJSON *o = cJSON_AddObjectToObject(item, "wait");
    cJSON_AddStringToObject(o, "class", n1_wait_class_name(wait->wait_class));
    if (wait->resource)
        cJSON_AddStringToObject(o, "resource", n1_reader_string(r, wait->resource));
    else
        cJSON_AddNullToObject(o, "resource");
    if (isnan(seconds))
        cJSON_AddNullToObject(o, "seconds");
    else
        cJSON_AddNumberToObject(o, "seconds", seconds);
    if (n1_reader_thread(r, wait->owner, &owner) && wait->owner)
        cJSON_AddNumberToObject(o, "owner", owner.tid);
    else
        cJSON_AddNullToObject(o, "owner");
    cJSON_AddBoolToObject(o, "uninterruptible", (wait->flags & N1_WAIT_DEEP) != 0);
    cJSON_AddBoolToObject(o, "deadlock", (wait->flags & N1_WAIT_DEAD) != 0);
}

static void add_json(cJSON *list, struct n1_reader *r, const struct stack *taken)
{
    const struct n1_model_sample *s = &taken->sample;
    struct n1_model_thread thread;
    uint32_t frames[DEPTH_MAX];
    n1_reader_thread(r, s->thread, &thread);
    cJSON *item = cJSON_CreateObject();
    cJSON_AddNumberToObject(item, "tid", thread.tid);
    cJSON_AddStringToObject(item, "name", n1_reader_string(r, thread.name));
    cJSON_AddStringToObject(item, "state", state_text(s));
    cJSON_AddBoolToObject(item, "truncated", s->flags & N1_SAMPLE_TRUNCATED ? 1 : 0);
    if (taken->wait.wait_class)
        add_wait(item, r, &taken->wait);
    else
        cJSON_AddNullToObject(item, "wait");
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

static int by_tid(const void *a, const void *b)
{
    uint32_t x = ((const struct stack *)a)->tid, y = ((const struct stack *)b)->tid;
    return x < y ? -1 : x > y;
}

/* Gives each blocked thread the wait that was going on when its stack was taken. */
static void add_waits(struct n1_reader *r, struct stack *stacks, size_t count)
{
    struct n1_model_wait waits[64];
    uint64_t next = 0;
    for (size_t n; (n = n1_reader_waits(r, next, waits, 64, &next, NULL));)
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; waits[i].end == 0 && k < count; k++)
                if (stacks[k].sample.thread == waits[i].thread && stacks[k].sample.cpu == UINT32_MAX &&
                    stacks[k].sample.node == waits[i].node && stacks[k].sample.leaf == waits[i].leaf)
                    stacks[k].wait = waits[i];
}

static const struct stack *owner_of(const struct stack *stacks, size_t count, const struct stack *of)
{
    for (size_t i = 0; i < count && (of->wait.flags & N1_WAIT_DEAD); i++)
        if (stacks[i].sample.thread == of->wait.owner)
            return &stacks[i];
    return NULL;
}

/* Each circle once, from its lowest tid; a thread that only waits for one of a circle is not of it. */
static void deadlocks(struct n1_reader *r, const struct stack *stacks, size_t count, cJSON *json)
{
    char a[96], b[96];
    for (size_t i = 0; i < count; i++) {
        const struct stack *at = &stacks[i];
        bool circle = false;
        for (size_t steps = 0; at && steps < count; steps++) {
            at = owner_of(stacks, count, at);
            if (!at || at->tid < stacks[i].tid)
                break;
            circle = at == &stacks[i];
            if (circle)
                break;
        }
        if (!circle)
            continue;
        cJSON *list = json ? cJSON_CreateArray() : NULL;
        if (!json)
            printf("deadlock:\n");
        at = &stacks[i];
        do {
            if (json)
                cJSON_AddItemToArray(list, cJSON_CreateNumber(at->tid));
            else
                printf("  %s waits for %s, held by %s\n", thread_text(r, at->sample.thread, a),
                       n1_reader_string(r, at->wait.resource), thread_text(r, at->wait.owner, b));
            at = owner_of(stacks, count, at);
        } while (at && at != &stacks[i]);
        if (json)
            cJSON_AddItemToArray(json, list);
    }
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
            stacks[count++] = (struct stack){.tid = thread.tid, .sample = samples[i]};
        }
    add_waits(r, stacks, count);
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
            add_json(threads, r, &stacks[i]);
        else
            print_text(r, &stacks[i]);
    }
    deadlocks(r, stacks, count, json ? cJSON_AddArrayToObject(root, "deadlocks") : NULL);
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
    if (!err.code && (args->redact || config->redact))
        n1_session_redact(s);
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
    .options = N1_TAKES_PID N1_TAKES_JSON N1_TAKES_ENGINE N1_TAKES_REDACT,
    .run = run,
};
