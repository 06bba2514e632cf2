/*
 * Every thread's stack once, without stopping anybody. A blocked thread says its stack pointer and program
 * counter in /proc/PID/task/TID/syscall; its stack is read in one call and the file read again: only when
 * nothing moved is the stack a real one. A thread that runs is caught by the engine's clock. What can be had
 * neither way is entered without frames, so that no thread is missing.
 */
#include "sampler/blocked.h"
#include "sampler/watch_state.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

enum { STACK_BYTES = 256 * 1024, TRIES_MS = 500, STEP_MS = 10 };

static bool dump_blocked(struct n1_watch *watch, struct n1_target *t, struct n1_roster_entry *entry,
                         uint8_t *buf)
{
    struct n1_raw_sample raw;
    if (!n1_blocked_read(t, entry->tid, buf, STACK_BYTES, &raw))
        return false;
    n1_feed_stack(&watch->feed, t, entry->slot, &raw, N1_SAMPLE_DUMP);
    entry->wanted = false;
    return true;
}

/* Threads of a target that still have no stack, after another try at the blocked ones. */
static size_t try_blocked(struct n1_watch *watch, struct n1_target *t, uint8_t *buf)
{
    size_t left = 0;
    for (size_t i = 0; i < t->roster.capacity; i++) {
        struct n1_roster_entry *entry = &t->roster.entries[i];
        if (entry->tid && entry->wanted && !dump_blocked(watch, t, entry, buf))
            left++;
    }
    return left;
}

static void enter_missing(struct n1_watch *watch, struct n1_target *t)
{
    for (size_t i = 0; i < t->roster.capacity; i++) {
        struct n1_roster_entry *entry = &t->roster.entries[i];
        if (!entry->tid || !entry->wanted)
            continue;
        struct n1_model_sample none = {
            .time = n1_time_mono(), .thread = entry->slot, .flags = N1_SAMPLE_DUMP | N1_SAMPLE_TRUNCATED};
        n1_writer_sample(watch->w, &none);
    }
}

int n1_watch_dump(struct n1_watch *watch, struct n1_error *reterr)
{
    uint8_t *buf = malloc(STACK_BYTES);
    if (!buf)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    struct n1_target *t = watch->targets.items[0];
    for (size_t i = 0; i < t->roster.capacity; i++)
        t->roster.entries[i].wanted = t->roster.entries[i].tid && t->roster.entries[i].slot;
    n1_waits_look(watch->waits, t, n1_time_mono());
    for (int waited = 0; try_blocked(watch, t, buf) && waited < TRIES_MS; waited += STEP_MS) {
        struct pollfd p = {.fd = watch->engine.ops ? watch->engine.ops->fd(watch->engine.self) : -1,
                           .events = POLLIN};
        poll(&p, 1, STEP_MS);
        n1_watch_drain(watch, false);
    }
    n1_waits_look(watch->waits, t, n1_time_mono()); /* ends the waits that are over by now */
    enter_missing(watch, t);
    if (watch->engine.ops)
        watch->engine.ops->remove_process(watch->engine.self, t->pid);
    free(buf);
    return 0;
}
