/*
 * Every thread's stack once, without stopping anybody. A blocked thread says its stack pointer and program
 * counter in /proc/PID/task/TID/syscall; its stack is read in one call and the file read again: only when
 * nothing moved is the stack a real one. A thread that runs is caught by the engine's clock. What can be had
 * neither way is entered without frames, so that no thread is missing.
 */
#include "sampler/watch_state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { STACK_BYTES = 256 * 1024, TRIES_MS = 500, STEP_MS = 10 };

struct where {
    char text[256]; /* of the syscall file */
    uint64_t sp, pc;
};

/* False when the thread runs, has ended, or may not be read. */
static bool read_where(const struct n1_target *t, pid_t tid, struct where *ret)
{
    char path[48];
    snprintf(path, sizeof path, "task/%d/syscall", (int)tid);
    int fd = openat(t->process->proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, ret->text, sizeof ret->text - 1);
    close(fd);
    if (got <= 0)
        return false;
    ret->text[got] = '\0';
    /* "running", "-1 SP PC" or "NR A0 … A5 SP PC": the last two words. */
    char *pc = strrchr(ret->text, ' ');
    if (!pc)
        return false;
    char *sp = pc;
    while (sp > ret->text && sp[-1] != ' ')
        sp--;
    ret->sp = strtoull(sp, NULL, 16);
    ret->pc = strtoull(pc, NULL, 16);
    return ret->sp && ret->pc;
}

/* The stack's bytes up to the end of its mapping, or as much as is there. */
static size_t read_stack(pid_t pid, uint64_t sp, uint8_t *buf)
{
    size_t got = 0;
    while (got < STACK_BYTES) {
        size_t page_end = 4096 - ((sp + got) & 4095);
        size_t want = got ? STACK_BYTES - got : page_end;
        struct iovec local = {buf + got, want}, remote = {(void *)(uintptr_t)(sp + got), want};
        ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
        if (n <= 0 && want > 4096 && got) {
            /* One call takes all or up to the first hole in whole pieces; go on by pages where it refuses. */
            remote.iov_len = local.iov_len = 4096;
            n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
        }
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

static bool dump_blocked(struct n1_watch *watch, struct n1_target *t, struct n1_roster_entry *entry,
                         uint8_t *buf)
{
    struct where before, after;
    if (!read_where(t, entry->tid, &before))
        return false;
    struct n1_raw_sample raw = {
        .time = n1_time_mono(), .pid = t->pid, .tid = entry->tid, .cpu = UINT32_MAX, .user = {.stack = buf}};
    raw.user.stack_len = read_stack(t->pid, before.sp, buf);
    if (!raw.user.stack_len || !read_where(t, entry->tid, &after) || strcmp(before.text, after.text))
        return false;
    raw.user.regs[N1_REG_RIP] = before.pc;
    raw.user.regs[N1_REG_RSP] = before.sp;
    raw.user.valid = 1u << N1_REG_RIP | 1u << N1_REG_RSP;
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
    for (int waited = 0; try_blocked(watch, t, buf) && waited < TRIES_MS; waited += STEP_MS) {
        struct pollfd p = {.fd = watch->perf ? n1_perf_fd(watch->perf) : -1, .events = POLLIN};
        poll(&p, 1, STEP_MS);
        n1_watch_drain(watch, false);
    }
    enter_missing(watch, t);
    if (watch->perf)
        n1_perf_remove_process(watch->perf, t->pid);
    free(buf);
    return 0;
}
