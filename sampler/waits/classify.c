/*
 * The tables: system call, kernel function, function on the stack. A call that is not here cannot block for
 * long, or is rare: the kernel's function then says what it sleeps in.
 */
#include "sampler/waits/classify.h"

#include <string.h>
#include <sys/syscall.h>

/* X(call, class, how, argument, text) */
#define CALL_MAP(X)                                                                                          \
    X(read, OTHER, FD, 0, NULL)                                                                              \
    X(write, OTHER, FD, 0, NULL)                                                                             \
    X(readv, OTHER, FD, 0, NULL)                                                                             \
    X(writev, OTHER, FD, 0, NULL)                                                                            \
    X(pread64, OTHER, FD, 0, NULL)                                                                           \
    X(pwrite64, OTHER, FD, 0, NULL)                                                                          \
    X(preadv, OTHER, FD, 0, NULL)                                                                            \
    X(pwritev, OTHER, FD, 0, NULL)                                                                           \
    X(preadv2, OTHER, FD, 0, NULL)                                                                           \
    X(pwritev2, OTHER, FD, 0, NULL)                                                                          \
    X(sendfile, OTHER, FD, 0, NULL)                                                                          \
    X(splice, OTHER, FD, 0, NULL)                                                                            \
    X(tee, OTHER, FD, 0, NULL)                                                                               \
    X(vmsplice, OTHER, FD, 0, NULL)                                                                          \
    X(copy_file_range, DISK, FD_OF, 2, NULL)                                                                 \
    X(ioctl, OTHER, FD, 0, NULL)                                                                             \
    X(fsync, DISK, FD_OF, 0, NULL)                                                                           \
    X(fdatasync, DISK, FD_OF, 0, NULL)                                                                       \
    X(syncfs, DISK, FD_OF, 0, NULL)                                                                          \
    X(sync_file_range, DISK, FD_OF, 0, NULL)                                                                 \
    X(fallocate, DISK, FD_OF, 0, NULL)                                                                       \
    X(ftruncate, DISK, FD_OF, 0, NULL)                                                                       \
    X(getdents64, DISK, FD_OF, 0, NULL)                                                                      \
    X(fstat, DISK, FD_OF, 0, NULL)                                                                           \
    X(close, OTHER, FD, 0, NULL)                                                                             \
    X(sync, DISK, NONE, 0, "sync")                                                                           \
    X(msync, DISK, NONE, 0, "mapped memory")                                                                 \
    X(openat, DISK, PATH, 1, NULL)                                                                           \
    X(newfstatat, DISK, PATH, 1, NULL)                                                                       \
    X(statx, DISK, PATH, 1, NULL)                                                                            \
    X(unlinkat, DISK, PATH, 1, NULL)                                                                         \
    X(mkdirat, DISK, PATH, 1, NULL)                                                                          \
    X(renameat2, DISK, PATH, 1, NULL)                                                                        \
    X(renameat, DISK, PATH, 1, NULL)                                                                         \
    X(faccessat, DISK, PATH, 1, NULL)                                                                        \
    X(readlinkat, DISK, PATH, 1, NULL)                                                                       \
    X(execve, DISK, PATH, 0, NULL)                                                                           \
    X(truncate, DISK, PATH, 0, NULL)                                                                         \
    X(statfs, DISK, PATH, 0, NULL)                                                                           \
    X(accept, NET, FD_OF, 0, NULL)                                                                           \
    X(accept4, NET, FD_OF, 0, NULL)                                                                          \
    X(connect, NET, FD_OF, 0, NULL)                                                                          \
    X(recvfrom, NET, FD_OF, 0, NULL)                                                                         \
    X(recvmsg, NET, FD_OF, 0, NULL)                                                                          \
    X(recvmmsg, NET, FD_OF, 0, NULL)                                                                         \
    X(sendto, NET, FD_OF, 0, NULL)                                                                           \
    X(sendmsg, NET, FD_OF, 0, NULL)                                                                          \
    X(sendmmsg, NET, FD_OF, 0, NULL)                                                                         \
    X(shutdown, NET, FD_OF, 0, NULL)                                                                         \
    X(futex, LOCK, FUTEX, 0, NULL)                                                                           \
    X(flock, LOCK, FD_OF, 0, NULL)                                                                           \
    X(semop, LOCK, NONE, 0, "System V semaphore")                                                            \
    X(semtimedop, LOCK, NONE, 0, "System V semaphore")                                                       \
    X(msgrcv, PIPE, NONE, 0, "System V message queue")                                                       \
    X(msgsnd, PIPE, NONE, 0, "System V message queue")                                                       \
    X(mq_timedreceive, PIPE, FD_OF, 0, NULL)                                                                 \
    X(mq_timedsend, PIPE, FD_OF, 0, NULL)                                                                    \
    X(nanosleep, SLEEP, NONE, 0, NULL)                                                                       \
    X(clock_nanosleep, SLEEP, NONE, 0, NULL)                                                                 \
    X(ppoll, POLL, POLL, 0, NULL)                                                                            \
    X(pselect6, POLL, SELECT, 0, NULL)                                                                       \
    X(epoll_pwait, POLL, EPOLL, 0, NULL)                                                                     \
    X(epoll_pwait2, POLL, EPOLL, 0, NULL)                                                                    \
    X(io_getevents, DISK, NONE, 0, "asynchronous I/O")                                                       \
    X(io_uring_enter, POLL, NONE, 0, "io_uring")                                                             \
    X(wait4, OTHER, NONE, 0, "child process")                                                                \
    X(waitid, OTHER, NONE, 0, "child process")                                                               \
    X(rt_sigtimedwait, OTHER, NONE, 0, "signal")                                                             \
    X(rt_sigsuspend, OTHER, NONE, 0, "signal")
/* Calls that only older architectures have. */
#ifdef SYS_poll
#define OLD_CALL_MAP(X)                                                                                      \
    X(poll, POLL, POLL, 0, NULL)                                                                             \
    X(select, POLL, SELECT, 0, NULL)                                                                         \
    X(epoll_wait, POLL, EPOLL, 0, NULL)                                                                      \
    X(pause, OTHER, NONE, 0, "signal")                                                                       \
    X(vfork, OTHER, NONE, 0, "child process")                                                                \
    X(open, DISK, PATH, 0, NULL)                                                                             \
    X(creat, DISK, PATH, 0, NULL)                                                                            \
    X(stat, DISK, PATH, 0, NULL)                                                                             \
    X(lstat, DISK, PATH, 0, NULL)                                                                            \
    X(access, DISK, PATH, 0, NULL)                                                                           \
    X(unlink, DISK, PATH, 0, NULL)                                                                           \
    X(rename, DISK, PATH, 0, NULL)                                                                           \
    X(mkdir, DISK, PATH, 0, NULL)                                                                            \
    X(rmdir, DISK, PATH, 0, NULL)                                                                            \
    X(readlink, DISK, PATH, 0, NULL)
#else
#define OLD_CALL_MAP(X)
#endif
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct n1_wait_call n1_wait_classify(int32_t syscall, const uint64_t args[6])
{
    switch (syscall) {
#define X(call, class_, how_, arg_, text_)                                                                   \
    case SYS_##call:                                                                                         \
        return (struct n1_wait_call){N1_WAIT_##class_, N1_HOW_##how_, arg_, text_};
        CALL_MAP(X)
        OLD_CALL_MAP(X)
#undef X
    case SYS_futex_waitv:
        return (struct n1_wait_call){N1_WAIT_LOCK, N1_HOW_NONE, 0, "several futexes"};
    case SYS_fcntl: /* F_SETLKW, F_OFD_SETLKW */
        if (args[1] == 7 || args[1] == 38)
            return (struct n1_wait_call){N1_WAIT_LOCK, N1_HOW_FD_OF, 0, NULL};
        return (struct n1_wait_call){N1_WAIT_OTHER, N1_HOW_FD_OF, 0, NULL};
    case -1:
        return (struct n1_wait_call){N1_WAIT_OTHER, N1_HOW_KERNEL, 0, "page fault"};
    default:
        return (struct n1_wait_call){N1_WAIT_OTHER, N1_HOW_KERNEL, 0, NULL};
    }
}

enum n1_wait_file n1_wait_file_kind(const char *link)
{
    static const struct {
        const char *start;
        enum n1_wait_file kind;
    } kinds[] = {
        {"socket:", N1_FILE_IS_SOCKET},
        {"pipe:", N1_FILE_IS_PIPE},
        {"anon_inode:[eventfd]", N1_FILE_IS_PIPE},
        {"anon_inode:[timerfd]", N1_FILE_IS_TIMER},
        {"anon_inode:[signalfd]", N1_FILE_IS_SIGNAL},
        {"/dev/pts/", N1_FILE_IS_TERMINAL},
        {"/dev/tty", N1_FILE_IS_TERMINAL},
        {"/dev/console", N1_FILE_IS_TERMINAL},
        {"/memfd:", N1_FILE_IS_OTHER},
        {"/", N1_FILE_IS_PATH},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(link, kinds[i].start, strlen(kinds[i].start)) == 0)
            return kinds[i].kind;
    return N1_FILE_IS_OTHER;
}

enum n1_wait_class n1_wait_class_by_name(const char *name, size_t len)
{
    static const struct {
        const char *name;
        enum n1_wait_class wait_class;
    } names[] = {
        {"take_gil", N1_WAIT_GIL},
        {"_PyThreadState_Attach", N1_WAIT_GIL},
        {"PyEval_AcquireThread", N1_WAIT_GIL},
        {"PyThread_acquire_lock_timed", N1_WAIT_LOCK},
        {"PyThread_acquire_lock_timed_with_retries", N1_WAIT_LOCK},
        {"_PyMutex_LockTimed", N1_WAIT_LOCK},
        {"ObjectMonitor::enter", N1_WAIT_LOCK},
        {"ObjectMonitor::EnterI", N1_WAIT_LOCK},
        {"SafepointSynchronize::block", N1_WAIT_GC},
        {"VM_GC_Operation::doit_prologue", N1_WAIT_GC},
        {"v8::internal::LocalHeap::SafepointSlowPath", N1_WAIT_GC},
        {"runtime.gcParkAssist", N1_WAIT_GC},
        {"gc_collect_main", N1_WAIT_GC},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t want = strlen(names[i].name);
        if (len >= want && memcmp(name, names[i].name, want) == 0 &&
            (len == want || name[want] == '(' || name[want] == '.'))
            return names[i].wait_class;
    }
    return (enum n1_wait_class)0;
}

enum n1_wait_class n1_wait_class_by_kernel(const char *wchan, const char **ret_text)
{
    static const struct {
        const char *part;
        enum n1_wait_class wait_class;
        const char *text;
    } parts[] = {
        {"nanosleep", N1_WAIT_SLEEP, NULL},
        {"futex", N1_WAIT_LOCK, NULL},
        {"poll", N1_WAIT_POLL, NULL},
        {"select", N1_WAIT_POLL, NULL},
        {"pipe", N1_WAIT_PIPE, NULL},
        {"folio_wait", N1_WAIT_DISK, NULL},
        {"wait_on_page", N1_WAIT_DISK, NULL},
        {"io_schedule", N1_WAIT_DISK, NULL},
        {"wait_on_buffer", N1_WAIT_DISK, NULL},
        {"jbd2", N1_WAIT_DISK, NULL},
        {"xfs", N1_WAIT_DISK, NULL},
        {"btrfs", N1_WAIT_DISK, NULL},
        {"balance_dirty", N1_WAIT_DISK, "too much written and not yet on disk"},
        {"nfs", N1_WAIT_DISK, "NFS"},
        {"rpc_", N1_WAIT_DISK, "NFS"},
        {"request_wait_answer", N1_WAIT_DISK, "FUSE"},
        {"skb", N1_WAIT_NET, NULL},
        {"sk_wait", N1_WAIT_NET, NULL},
        {"inet_", N1_WAIT_NET, NULL},
        {"unix_", N1_WAIT_NET, NULL},
        {"rwsem", N1_WAIT_LOCK, "a lock in the kernel"},
        {"mutex", N1_WAIT_LOCK, "a lock in the kernel"},
        {"do_signal_stop", N1_WAIT_OTHER, "stopped"},
        {"ptrace_stop", N1_WAIT_OTHER, "stopped by a debugger"},
        {"do_wait", N1_WAIT_OTHER, "child process"},
        {"mem_cgroup", N1_WAIT_OTHER, "the memory limit of its cgroup"},
        {"throttle", N1_WAIT_OTHER, "throttled"},
    };
    *ret_text = NULL;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(wchan, parts[i].part)) {
            *ret_text = parts[i].text;
            return parts[i].wait_class;
        }
    return N1_WAIT_OTHER;
}
