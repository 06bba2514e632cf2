/*
 * From a PID to an entry of the model, and what happens to it on the way to its end.
 */
#include "sampler/targets.h"

#include "sampler/options.h"
#include "sampler/python/python.h"
#include "sampler/seen.h"
#include "sampler/waits/waits.h"

#include "n1/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void n1_targets_init(struct n1_targets *targets)
{
    *targets = (struct n1_targets){0};
    n1_modules_init(&targets->modules);
}

static void target_destroy(struct n1_target *t)
{
    if (t->seen)
        n1_seen_finish(t->seen);
    free(t->seen);
    n1_wait_set_destroy(t->waits);
    n1_rules_destroy(t->rules);
    n1_metrics_destroy(t->metrics);
    n1_python_close(t->python);
    n1_threads_finish(&t->threads);
    n1_roster_finish(&t->roster);
    n1_space_finish(&t->space);
    n1_process_close(t->process);
    free(t);
}

void n1_targets_finish(struct n1_targets *targets)
{
    for (size_t i = 0; i < targets->count; i++)
        target_destroy(targets->items[i]);
    free(targets->items);
    n1_modules_finish(&targets->modules);
    *targets = (struct n1_targets){0};
}

struct n1_target *n1_targets_find(struct n1_targets *targets, pid_t pid)
{
    if (targets->last < targets->count && targets->items[targets->last]->pid == pid)
        return targets->items[targets->last];
    /* Newest first: a PID that was used again belongs to the later process. */
    for (size_t i = targets->count; i-- > 0;)
        if (targets->items[i]->pid == pid) {
            targets->last = i;
            return targets->items[i];
        }
    return NULL;
}

/* The command line as one line: arguments are NUL-separated and may hold line breaks. */
static uint32_t cmdline_string(struct n1_writer *w, const struct n1_process *p)
{
    if (!p->cmdline || !p->cmdline_len)
        return n1_writer_string_z(w, p->comm);
    char line[4096];
    size_t len = p->cmdline_len < sizeof line ? p->cmdline_len : sizeof line;
    memcpy(line, p->cmdline, len);
    while (len && !line[len - 1])
        len--;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ')
            line[i] = ' ';
    return n1_writer_string(w, line, len);
}

static struct n1_model_process entry_of(struct n1_writer *w, const struct n1_process *p)
{
    struct n1_model_process entry = {
        .pid = (uint32_t)p->pid,
        .parent_pid = (uint32_t)p->ppid,
        .ns_pid = (uint32_t)p->ns_pid,
        .uid = p->uid,
        .start_ticks = p->start_ticks,
        .exe = n1_writer_string_z(w, p->exe),
        .cmdline = cmdline_string(w, p),
        .comm = n1_writer_string_z(w, p->comm),
        .runtime = n1_writer_string_z(w, "native"),
        .container = n1_writer_string_z(w, p->container),
        .state = p->state == 'T' || p->state == 't' ? N1_PROCESS_STOPPED : N1_PROCESS_RUNNING,
        .exit_status = N1_STATUS_UNKNOWN,
        .attached = n1_time_mono(),
    };
    return entry;
}

int n1_targets_add(struct n1_targets *targets, pid_t pid, const struct n1_caller *caller, struct n1_writer *w,
                   struct n1_target **ret, struct n1_error *reterr)
{
    if (targets->count == targets->capacity) {
        size_t capacity = targets->capacity ? 2 * targets->capacity : 8;
        struct n1_target **items = realloc(targets->items, capacity * sizeof *items);
        if (!items)
            return n1_error_set(reterr, -ENOMEM, "out of memory");
        targets->items = items;
        targets->capacity = capacity;
    }
    struct n1_target *t = calloc(1, sizeof *t);
    if (!t)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    t->pid = pid;
    t->hidden_base_ns = UINT64_MAX;
    t->cpu_read_ns = UINT64_MAX;
    n1_space_init(&t->space, &targets->modules, pid);
    n1_roster_init(&t->roster);
    n1_threads_init(&t->threads);
    int rc = n1_process_open(pid, caller, &t->process, reterr);
    if (rc < 0) {
        target_destroy(t);
        return rc;
    }
    struct n1_model_process entry = entry_of(w, t->process);
    entry.labels = n1_writer_string_z(w, targets->labels ? targets->labels : "");
    t->id = n1_writer_process(w, &entry);
    struct n1_error why = {0};
    if (n1_metrics_create(&t->metrics, pid, NULL, &why) < 0)
        n1_log(N1_LOG_WARN, "targets", "no metrics of %d: %s", (int)pid, why.what);
    targets->items[targets->count++] = t;
    targets->alive++;
    *ret = t;
    return 0;
}

int n1_targets_adopt(struct n1_targets *targets, pid_t pid, const struct n1_caller *caller,
                     struct n1_writer *w, struct n1_target **ret, struct n1_error *reterr)
{
    if (targets->count >= N1_TARGETS_MAX) {
        targets->full = true;
        return n1_error_set(reterr, -E2BIG, "%d processes are watched already", N1_TARGETS_MAX);
    }
    int rc = n1_targets_add(targets, pid, caller, w, ret, reterr);
    if (rc == 0)
        (*ret)->child = true;
    return rc;
}

uint64_t n1_target_hidden_ns(struct n1_target *t)
{
    if (!t->metrics)
        return 0;
    const struct n1_metric_point *system = &n1_metrics_points(t->metrics)[N1_METRIC_CPU_SYSTEM];
    if (!system->valid)
        return 0;
    if (t->hidden_base_ns == UINT64_MAX)
        t->hidden_base_ns = (uint64_t)system->value;
    return (uint64_t)system->value - t->hidden_base_ns;
}

void n1_targets_bury(struct n1_targets *targets)
{
    size_t kept = 0;
    for (size_t i = 0; i < targets->count; i++) {
        struct n1_target *t = targets->items[i];
        if (t->child && t->gone && t->rules_over) {
            targets->buried_hidden_ns += n1_target_hidden_ns(t);
            target_destroy(t);
        } else {
            targets->items[kept++] = t;
        }
    }
    targets->count = kept;
    targets->last = 0;
}

struct scan {
    struct n1_target *target;
    struct n1_writer *writer;
    n1_ns now;
};

static void thread_born(void *context, const struct n1_thread *thread)
{
    struct scan *scan = context;
    struct n1_roster_entry *entry = n1_roster_get(&scan->target->roster, thread->tid);
    if (!entry)
        return;
    if (!entry->slot) {
        entry->start_ticks = thread->start_ticks;
        n1_roster_rename(entry, scan->writer, thread->name);
    }
    n1_roster_slot(entry, scan->writer, scan->target->id, scan->now);
}

static void thread_gone(void *context, const struct n1_thread *thread)
{
    struct scan *scan = context;
    struct n1_roster_entry *entry = n1_roster_find(&scan->target->roster, thread->tid);
    if (!entry)
        return;
    if (entry->slot)
        n1_writer_thread_end(scan->writer, entry->slot, scan->now);
    n1_roster_remove(&scan->target->roster, thread->tid);
}

void n1_target_scan_threads(struct n1_target *t, struct n1_writer *w, n1_ns now)
{
    struct scan scan = {.target = t, .writer = w, .now = now};
    struct n1_threads_sink sink = {.context = &scan, .born = thread_born, .gone = thread_gone};
    n1_threads_scan(&t->threads, t->process->proc_fd, &sink);
}

size_t n1_target_children(const struct n1_target *t, pid_t *ret, size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < t->threads.count; i++) {
        char path[48];
        snprintf(path, sizeof path, "task/%d/children", (int)t->threads.list[i].tid);
        int fd = openat(t->process->proc_fd, path, O_RDONLY | O_CLOEXEC);
        FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
        if (!file) {
            if (fd >= 0)
                close(fd);
            continue;
        }
        for (int pid; count < cap && fscanf(file, "%d", &pid) == 1;)
            ret[count++] = pid;
        fclose(file);
    }
    return count;
}

void n1_target_exec(struct n1_target *t, const struct n1_caller *caller, struct n1_writer *w)
{
    struct n1_error err;
    n1_python_close(t->python);
    t->python = NULL;
    t->no_python = t->python_told = false;
    n1_space_reset(&t->space);
    if (n1_process_refresh(t->process, caller, &err) < 0)
        return;
    struct n1_model_process entry = entry_of(w, t->process);
    n1_writer_process_exec(w, t->id, entry.exe, entry.cmdline, entry.comm, entry.runtime);
    n1_space_load(&t->space, &err);
}

/* As wait(2) has it, so that every reader can use WIFSIGNALED and friends. */
static uint32_t wait_status(const struct n1_exit *exit)
{
    switch (exit->kind) {
    case N1_EXIT_CODE:
        return ((uint32_t)exit->value & 0xff) << 8;
    case N1_EXIT_SIGNAL:
        return ((uint32_t)exit->value & 0x7f) | (exit->core_dumped ? 0x80 : 0);
    default:
        return N1_STATUS_UNKNOWN;
    }
}

void n1_target_ended(struct n1_targets *targets, struct n1_target *t, struct n1_writer *w, n1_ns now)
{
    if (t->gone)
        return;
    uint32_t status = wait_status(&t->process->exit);
    t->gone = true;
    t->ended_at = now;
    t->exit_status = status == N1_STATUS_UNKNOWN ? -1 : (int)status;
    targets->alive--;
    n1_writer_process_state(w, t->id, N1_PROCESS_GONE, status, now);
    for (size_t i = 0; i < t->roster.capacity; i++)
        if (t->roster.entries[i].slot)
            n1_writer_thread_end(w, t->roster.entries[i].slot, now);
}

void n1_targets_remap(struct n1_targets *targets, const struct n1_remap *remap)
{
    for (size_t i = 0; i < targets->count; i++) {
        struct n1_target *t = targets->items[i];
        t->id = n1_remap_process(remap, t->id);
        n1_roster_remap(&t->roster, remap);
        if (t->python)
            n1_python_remap(t->python);
    }
    for (struct n1_module *m = targets->modules.head; m; m = m->next)
        m->model_id = n1_remap_module(remap, m->model_id);
}
