/*
 * A class is a matter of the call for locks, sleeps and sockets, of the descriptor for read and write, and of
 * the thread's state for files: only a thread in state D waits for a disk.
 */
#include "sampler/waits/resource.h"

#include "sampler/target/proc_stat.h"
#include "sampler/waits/classify.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static size_t read_memory(pid_t pid, uint64_t address, void *out, size_t len)
{
    /* two pieces, so that what lies before a hole is had */
    size_t first = 4096 - (address & 4095);
    first = first < len ? first : len;
    struct iovec local = {out, len};
    struct iovec remote[2] = {{(void *)(uintptr_t)address, first},
                              {(void *)(uintptr_t)(address + first), len - first}};
    ssize_t got = process_vm_readv(pid, &local, 1, remote, first < len ? 2 : 1, 0);
    return got > 0 ? (size_t)got : 0;
}

static char state_of(const struct n1_target *t, pid_t tid)
{
    char path[48];
    struct n1_proc_stat stat;
    snprintf(path, sizeof path, "task/%d/stat", (int)tid);
    return n1_proc_stat_read(t->process->proc_fd, path, &stat) == 0 ? stat.state : '?';
}

/* Follows the link for its kind only; what a file system would have to ask somebody for stays unasked. */
static bool is_fifo(const struct n1_target *t, int fd)
{
    char path[32];
    struct statx facts;
    snprintf(path, sizeof path, "fd/%d", fd);
    return statx(t->process->proc_fd, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &facts) == 0 &&
           S_ISFIFO(facts.stx_mode);
}

/* The text of a descriptor; returns what it is. */
static enum n1_wait_file describe_fd(const struct n1_target *t, uint64_t fd, struct n1_sockets *sockets,
                                     char *out, size_t cap)
{
    char path[32], link[sizeof((struct n1_wait_resource *)0)->text];
    *out = '\0';
    snprintf(path, sizeof path, "fd/%d", (int)fd);
    ssize_t len = fd <= INT32_MAX ? readlinkat(t->process->proc_fd, path, link, sizeof link - 1) : -1;
    if (len <= 0)
        return N1_FILE_IS_OTHER;
    link[len] = '\0';
    enum n1_wait_file kind = n1_wait_file_kind(link);
    const char *text = link;
    if (kind == N1_FILE_IS_SOCKET && strlen(link) > 8)
        text = n1_sockets_find(sockets, t->process->proc_fd, strtoull(link + 8, NULL, 10), n1_time_mono());
    else if (strcmp(link, "anon_inode:[eventfd]") == 0)
        text = "eventfd";
    snprintf(out, cap, "%s", text);
    return kind;
}

static void by_fd(const struct n1_target *t, pid_t tid, uint64_t fd, struct n1_sockets *sockets,
                  struct n1_wait_resource *ret)
{
    switch (describe_fd(t, fd, sockets, ret->text, sizeof ret->text)) {
    case N1_FILE_IS_SOCKET:
        ret->wait_class = N1_WAIT_NET;
        break;
    case N1_FILE_IS_PIPE:
        ret->wait_class = N1_WAIT_PIPE;
        break;
    case N1_FILE_IS_TIMER:
        ret->wait_class = N1_WAIT_SLEEP;
        break;
    case N1_FILE_IS_PATH:
        if (state_of(t, tid) == 'D')
            ret->flags |= N1_WAIT_DEEP;
        ret->wait_class = !(ret->flags & N1_WAIT_DEEP) && is_fifo(t, (int)fd) ? N1_WAIT_PIPE : N1_WAIT_DISK;
        break;
    default:
        ret->wait_class = N1_WAIT_OTHER;
    }
}

static void by_path(const struct n1_target *t, pid_t tid, uint64_t address, struct n1_wait_resource *ret)
{
    char path[sizeof ret->text];
    size_t got = read_memory(t->pid, address, path, sizeof path - 1);
    path[got] = '\0';
    snprintf(ret->text, sizeof ret->text, "%s", path);
    if (state_of(t, tid) == 'D')
        ret->flags |= N1_WAIT_DEEP;
    else
        ret->wait_class = N1_WAIT_PIPE; /* opening a FIFO is the one that sleeps lightly */
}

static void by_kernel(const struct n1_target *t, pid_t tid, struct n1_wait_resource *ret)
{
    char path[48], wchan[128];
    const char *text = NULL;
    snprintf(path, sizeof path, "task/%d/wchan", (int)tid);
    if (state_of(t, tid) == 'D')
        ret->flags |= N1_WAIT_DEEP;
    if (n1_proc_read(t->process->proc_fd, path, wchan, sizeof wchan, NULL) < 0 || !strcmp(wchan, "0"))
        return;
    ret->wait_class = n1_wait_class_by_kernel(wchan, &text);
    if (text)
        snprintf(ret->text, sizeof ret->text, "%s", text);
    else if (!*ret->text)
        snprintf(ret->text, sizeof ret->text, "kernel: %s", wchan);
}

struct n1_lock n1_wait_lock(const struct n1_target *t, const uint64_t args[6], n1_lock_lives *lives,
                            const void *context)
{
    uint8_t bytes[N1_LOCK_BYTES] = {0};
    uint64_t start = args[0] - N1_LOCK_BEFORE;
    size_t from = 0, got = read_memory(t->pid, start, bytes, sizeof bytes);
    if (got <= N1_LOCK_BEFORE) { /* the page before may not be there */
        from = N1_LOCK_BEFORE;
        got = from + read_memory(t->pid, args[0], bytes + from, sizeof bytes - from);
    }
    return n1_lock_decode(args, bytes, from, got, lives, context);
}

static void by_poll(const struct n1_target *t, const uint64_t args[6], struct n1_sockets *sockets,
                    struct n1_wait_resource *ret)
{
    struct pollfd one;
    if (args[1] == 0) {
        ret->wait_class = N1_WAIT_SLEEP;
        return;
    }
    if (args[1] == 1 && read_memory(t->pid, args[0], &one, sizeof one) == sizeof one && one.fd >= 0)
        describe_fd(t, (uint64_t)one.fd, sockets, ret->text, sizeof ret->text);
    else
        snprintf(ret->text, sizeof ret->text, "%llu descriptors", (unsigned long long)args[1]);
}

void n1_wait_resource(const struct n1_target *t, pid_t tid, const struct n1_blocked *where,
                      struct n1_sockets *sockets, n1_lock_lives *lives, const void *context,
                      struct n1_wait_resource *ret)
{
    struct n1_wait_call call = n1_wait_classify(where->syscall, where->args);
    *ret = (struct n1_wait_resource){.wait_class = call.wait_class};
    snprintf(ret->text, sizeof ret->text, "%s", call.text ? call.text : "");
    switch (call.how) {
    case N1_HOW_FD:
        by_fd(t, tid, where->args[call.arg], sockets, ret);
        break;
    case N1_HOW_FD_OF:
        describe_fd(t, where->args[call.arg], sockets, ret->text, sizeof ret->text);
        if (call.wait_class == N1_WAIT_DISK && state_of(t, tid) == 'D')
            ret->flags |= N1_WAIT_DEEP;
        break;
    case N1_HOW_PATH:
        by_path(t, tid, where->args[call.arg], ret);
        break;
    case N1_HOW_FUTEX:
        ret->lock = n1_wait_lock(t, where->args, lives, context);
        if (ret->lock.kind == N1_LOCK_CONDITION || ret->lock.kind == N1_LOCK_JOIN ||
            ret->lock.kind == N1_LOCK_UNKNOWN)
            ret->wait_class = N1_WAIT_OTHER;
        n1_lock_text(&ret->lock, ret->text, sizeof ret->text);
        break;
    case N1_HOW_POLL:
        by_poll(t, where->args, sockets, ret);
        break;
    case N1_HOW_SELECT:
        if (where->args[0] == 0)
            ret->wait_class = N1_WAIT_SLEEP;
        break;
    case N1_HOW_EPOLL:
        snprintf(ret->text, sizeof ret->text, "epoll %d", (int)where->args[0]);
        break;
    case N1_HOW_KERNEL:
        by_kernel(t, tid, ret);
        break;
    case N1_HOW_NONE:
        break;
    }
}
