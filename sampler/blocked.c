/*
 * See blocked.h. The program counter of a blocked thread is that behind the system call; rbp is unknown,
 * which costs nothing where unwind tables are there.
 */
#include "sampler/blocked.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096, PIECES = 72 };

/* "NR A0 … A5 SP PC" or "-1 SP PC"; anything else is "running". */
bool n1_blocked_parse(const char *text, size_t len, struct n1_blocked *ret)
{
    char *end;
    *ret = (struct n1_blocked){.syscall = -2};
    if (len == 0 || len >= sizeof ret->text)
        return false;
    memcpy(ret->text, text, len);
    ret->text[len] = '\0';
    errno = 0;
    long number = strtol(ret->text, &end, 10);
    if (end == ret->text || errno || number < -1 || number > 100000)
        return false;
    uint64_t words[8] = {0};
    int count = 0, want = number < 0 ? 2 : 8;
    for (; count < want && *end == ' '; count++) {
        char *start = end;
        words[count] = strtoull(start, &end, 16);
        if (end == start || errno)
            return false;
    }
    if (count != want)
        return false;
    ret->syscall = (int32_t)number;
    if (number >= 0)
        memcpy(ret->args, words, sizeof ret->args);
    ret->sp = words[want - 2];
    ret->pc = words[want - 1];
    return ret->sp && ret->pc;
}

int n1_blocked_where(const struct n1_target *t, pid_t tid, struct n1_blocked *ret)
{
    char path[48], text[sizeof ret->text];
    snprintf(path, sizeof path, "task/%d/syscall", (int)tid);
    int fd = openat(t->process->proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    ssize_t got = read(fd, text, sizeof text - 1);
    int err = got < 0 ? errno : 0;
    close(fd);
    if (got < 0)
        return -err;
    return n1_blocked_parse(text, (size_t)got, ret) ? 0 : -EAGAIN;
}

/* The stack's bytes up to the end of its mapping, or as much as is there. A transfer ends before the first
 * piece that is not there, so each page is a piece of its own. */
static size_t read_stack(pid_t pid, uint64_t sp, uint8_t *buf, size_t cap)
{
    size_t got = 0;
    while (got < cap) {
        struct iovec remote[PIECES];
        size_t pieces = 0, want = 0;
        for (; pieces < PIECES && got + want < cap; pieces++) {
            uint64_t at = sp + got + want;
            size_t len = PAGE - (at & (PAGE - 1));
            if (len > cap - got - want)
                len = cap - got - want;
            remote[pieces] = (struct iovec){(void *)(uintptr_t)at, len};
            want += len;
        }
        struct iovec local = {buf + got, want};
        ssize_t n = process_vm_readv(pid, &local, 1, remote, pieces, 0);
        if (n <= 0)
            break;
        got += (size_t)n;
        if ((size_t)n < want)
            break;
    }
    return got;
}

bool n1_blocked_stack(const struct n1_target *t, pid_t tid, const struct n1_blocked *where, uint8_t *buf,
                      size_t cap, struct n1_raw_sample *ret)
{
    struct n1_raw_sample raw = {
        .time = n1_time_mono(), .pid = t->pid, .tid = tid, .cpu = UINT32_MAX, .user = {.stack = buf}};
    raw.user.stack_len = read_stack(t->pid, where->sp, buf, cap);
    if (!raw.user.stack_len)
        return false;
    raw.user.regs[N1_REG_RIP] = where->pc;
    raw.user.regs[N1_REG_RSP] = where->sp;
    raw.user.valid = 1u << N1_REG_RIP | 1u << N1_REG_RSP;
    *ret = raw;
    return true;
}

bool n1_blocked_read(const struct n1_target *t, pid_t tid, uint8_t *buf, size_t cap,
                     struct n1_raw_sample *ret)
{
    struct n1_blocked before, after;
    struct n1_raw_sample raw;
    if (n1_blocked_where(t, tid, &before) < 0 || !n1_blocked_stack(t, tid, &before, buf, cap, &raw) ||
        n1_blocked_where(t, tid, &after) < 0 || strcmp(before.text, after.text) != 0)
        return false;
    *ret = raw;
    return true;
}
