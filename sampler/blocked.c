/*
 * See blocked.h. The program counter of a blocked thread is that behind the system call; rbp is unknown,
 * which costs nothing where unwind tables are there.
 */
#include "sampler/blocked.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

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
static size_t read_stack(pid_t pid, uint64_t sp, uint8_t *buf, size_t cap)
{
    size_t got = 0;
    while (got < cap) {
        size_t page_end = 4096 - ((sp + got) & 4095);
        size_t want = got ? cap - got : page_end;
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

bool n1_blocked_read(const struct n1_target *t, pid_t tid, uint8_t *buf, size_t cap,
                     struct n1_raw_sample *ret)
{
    struct where before, after;
    if (!read_where(t, tid, &before))
        return false;
    struct n1_raw_sample raw = {
        .time = n1_time_mono(), .pid = t->pid, .tid = tid, .cpu = UINT32_MAX, .user = {.stack = buf}};
    raw.user.stack_len = read_stack(t->pid, before.sp, buf, cap);
    if (!raw.user.stack_len || !read_where(t, tid, &after) || strcmp(before.text, after.text))
        return false;
    raw.user.regs[N1_REG_RIP] = before.pc;
    raw.user.regs[N1_REG_RSP] = before.sp;
    raw.user.valid = 1u << N1_REG_RIP | 1u << N1_REG_RSP;
    *ret = raw;
    return true;
}
