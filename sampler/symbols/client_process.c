/*
 * The helper's life: started from our own program file so that it inherits no memory, reaped when its socket
 * closes, and blamed on the module it was working for. Two crashes (or four kills from outside) make a module
 * damaged.
 */
#include "sampler/symbols/client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER_FD 3
#define BLAME_CRASH 2 /* of N1_CLIENT_BLAME_LIMIT */
#define BLAME_KILLED 1
#define START_FAILURES_MAX 3
#define RETRY_NS (30 * N1_SECOND_NS)
#define SOCKET_BYTES (512 * 1024)

/* Runs in the child between vfork and exec, in the parent's memory: system calls only. */
static void become_helper(int socket, int priority, char *const argv[])
{
    /* It starts without our priority; on a host whose CPUs are all wanted, names would take minutes. */
    setpriority(PRIO_PROCESS, 0, priority);
    /* Without new privileges, file capabilities of our program do not come back by the exec. */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(127);
    if (socket == HELPER_FD ? fcntl(socket, F_SETFD, 0) < 0 : dup2(socket, HELPER_FD) < 0)
        _exit(127);
    if (close_range(HELPER_FD + 1, ~0U, 0) < 0)
        for (int fd = HELPER_FD + 1; fd < 65536; fd++)
            close(fd);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    char *const environment[] = {NULL};
    execve("/proc/self/exe", argv, environment);
    _exit(127);
}

static pid_t spawn(int socket)
{
    static char program[] = "n1top-sampler", option[] = N1_SYMBOLS_HELPER_ARG, number[] = "3";
    char *const argv[] = {program, option, number, NULL};
    sigset_t all, old;
    sigfillset(&all);
    /* A handler of ours must not run in the child, which shares our memory until it executes. */
    sigprocmask(SIG_SETMASK, &all, &old);
    int priority = getpriority(PRIO_PROCESS, 0);
    pid_t pid = vfork();
    if (pid == 0)
        become_helper(socket, priority, argv);
    int saved = errno;
    sigprocmask(SIG_SETMASK, &old, NULL);
    return pid < 0 ? -saved : pid;
}

int n1_client_start(struct n1_symbols *client)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    int size = SOCKET_BYTES; /* capped by the system's limit, which is enough too */
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    struct epoll_event event = {.events = EPOLLIN};
    pid_t pid = -EIO;
    if (epoll_ctl(client->poll_fd, EPOLL_CTL_ADD, pair[0], &event) == 0)
        pid = spawn(pair[1]);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return pid;
    }
    client->socket = pair[0];
    client->helper = pid;
    client->dying = client->killed = client->greeted = client->ahead = false;
    client->progress = n1_time_mono();
    client->stats.helper_starts++;
    struct n1_wire wire;
    n1_wire_begin(&wire, client->buffer, N1_WIRE_CONFIG, 0);
    n1_wire_put_u32(&wire, client->idle_ms);
    n1_wire_send(client->socket, &wire, -1, MSG_DONTWAIT);
    return 0;
}

void n1_client_hang_up(struct n1_symbols *client)
{
    if (client->socket >= 0)
        close(client->socket);
    client->socket = -1;
    client->dying = client->helper > 0;
}

static void blame(struct n1_client_module *module, bool lines, unsigned amount)
{
    uint8_t *counter = lines ? &module->line_blame : &module->blame;
    *counter = (uint8_t)(*counter + amount);
    if (*counter < N1_CLIENT_BLAME_LIMIT)
        return;
    if (lines)
        module->final_lines = N1_SYMBOL_LINES_DAMAGED;
    else
        module->final = N1_SYMBOL_DAMAGED;
}

/* What was in flight goes back to the front of its queues, in the old order. */
static void requeue(struct n1_symbols *client)
{
    for (uint32_t b = client->batch_count; b > 0; b--) {
        struct n1_client_batch *batch = &client->batches[(client->batch_head + b - 1) % N1_CLIENT_BATCHES];
        for (uint32_t i = batch->count; i > 0; i--) {
            struct n1_client_pending *pending = &client->pending[batch->slots[i - 1]];
            if (!pending->used || !pending->sent ||
                pending->batch != (client->batch_head + b - 1) % N1_CLIENT_BATCHES)
                continue;
            pending->sent = false;
            client->in_flight--;
            batch->module->in_flight--;
            n1_client_enqueue(client, batch->module, batch->slots[i - 1], true);
        }
    }
    client->batch_count = 0;
}

static void forget_progress(struct n1_symbols *client, unsigned amount)
{
    for (uint32_t i = 0; i < client->module_count; i++) {
        struct n1_client_module *module = client->modules[i];
        if (!module)
            continue;
        if (module->sent && module->kind == N1_SYMBOL_KALLSYMS && !module->ready)
            blame(module, false, amount);
        module->sent = module->ready = module->ahead = false;
        if (module->debug_state != N1_CLIENT_DEBUG_AWAIT)
            continue;
        /* A candidate that took the helper with it is not tried again. */
        if (module->debug_fd >= 0)
            close(module->debug_fd);
        module->debug_fd = -1;
        module->debug_next += amount >= BLAME_CRASH;
        module->debug_state = N1_CLIENT_DEBUG_OPEN_NEXT;
    }
}

static void bury(struct n1_symbols *client, int status)
{
    bool idle = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    bool outside = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !client->killed;
    unsigned amount = idle ? 0 : outside ? BLAME_KILLED : BLAME_CRASH;
    if (!idle)
        client->stats.helper_crashes++;
    if (!client->greeted && !idle && ++client->start_failures >= START_FAILURES_MAX)
        client->retry_at = n1_time_mono() + RETRY_NS;
    if (client->greeted && client->batch_count > 0 && amount > 0) {
        struct n1_client_batch *oldest = &client->batches[client->batch_head];
        blame(oldest->module, oldest->lines, amount);
    }
    requeue(client);
    forget_progress(client, amount);
    client->helper = 0;
    client->dying = false;
}

void n1_client_reap(struct n1_symbols *client)
{
    int status = 0;
    pid_t pid = waitpid(client->helper, &status, WNOHANG);
    if (pid == 0)
        return;
    if (pid < 0) /* somebody else reaped it: nothing is known, so a kill from outside is assumed */
        status = SIGKILL;
    bury(client, status);
}

void n1_client_stop(struct n1_symbols *client)
{
    n1_client_hang_up(client);
    if (client->helper > 0) {
        kill(client->helper, SIGKILL);
        while (waitpid(client->helper, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    client->helper = 0;
    client->dying = false;
}
