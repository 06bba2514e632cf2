/*
 * A sampler that does harm, to show that the suite can say no: it speaks as much of the control socket as the
 * suite needs, and N1_HARM names what it does to the target between READY and the end.
 */
#include "n1/control.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIDS_MAX = 256 };

static size_t list_threads(pid_t pid, pid_t *tids)
{
    char path[64];
    size_t n = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    for (struct dirent *e; d && n < TIDS_MAX && (e = readdir(d));)
        if (atoi(e->d_name) > 0)
            tids[n++] = atoi(e->d_name);
    if (d)
        closedir(d);
    return n;
}

/* Stops every thread for that long. */
static void hold(pid_t pid, unsigned ms)
{
    pid_t tids[TIDS_MAX];
    int status;
    size_t n = list_threads(pid, tids);
    for (size_t i = 0; i < n; i++)
        if (ptrace(PTRACE_SEIZE, tids[i], 0, 0) == 0 && ptrace(PTRACE_INTERRUPT, tids[i], 0, 0) == 0)
            waitpid(tids[i], &status, __WALL);
    usleep(ms * 1000);
    for (size_t i = 0; i < n; i++)
        ptrace(PTRACE_DETACH, tids[i], 0, 0);
}

/* The mapping that holds the canary is the only one of its size. */
static void poke(pid_t pid)
{
    char path[64], line[512], byte = 0x5a;
    unsigned long start, end;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx rw-p", &start, &end) != 2 || end - start < (4 << 20) ||
            end - start > (4 << 20) + 65536)
            continue;
        struct iovec local = {&byte, 1}, remote = {(void *)(start + (2 << 20)), 1};
        process_vm_writev(pid, &local, 1, &remote, 1, 0);
    }
    if (f)
        fclose(f);
}

static void litter(void)
{
    char path[512];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/n1top-left-over", folder ? folder : "/tmp");
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    if (fd >= 0)
        close(fd);
}

/* A second process that goes on, holding a thread traced or only being there. */
static void stay(pid_t pid, int socket, int traced)
{
    if (fork() != 0)
        return;
    close(socket);
    setsid();
    if (traced)
        ptrace(PTRACE_SEIZE, pid, 0, 0);
    sleep(30);
    _exit(0);
}

static void harm(const char *how, pid_t pid, int socket)
{
    union sigval value = {.sival_int = -1};
    if (!strcmp(how, "interrupt"))
        hold(pid, 0);
    else if (!strcmp(how, "freeze"))
        hold(pid, 400);
    else if (!strcmp(how, "stop"))
        kill(pid, SIGSTOP);
    else if (!strcmp(how, "trace"))
        stay(pid, socket, 1);
    else if (!strcmp(how, "stay"))
        stay(pid, socket, 0);
    else if (!strcmp(how, "poke"))
        poke(pid);
    else if (!strcmp(how, "signal"))
        sigqueue(pid, SIGRTMIN + 2, value);
    else if (!strcmp(how, "nice"))
        setpriority(PRIO_PROCESS, (id_t)pid, 5);
    else if (!strcmp(how, "kill"))
        kill(pid, SIGKILL);
    else if (!strcmp(how, "litter"))
        litter();
    else if (!strcmp(how, "crash"))
        abort();
}

static void tell(int socket, uint32_t type, uint64_t value)
{
    struct n1_control record = {.magic = N1_CONTROL_MAGIC, .type = type, .value = value};
    if (send(socket, &record, sizeof record, MSG_NOSIGNAL) < 0)
        exit(1);
}

int main(int argc, char **argv)
{
    int socket = -1;
    pid_t pid = 0;
    const char *how = getenv("N1_HARM");
    for (int i = 1; i + 1 < argc; i++) {
        if (!strcmp(argv[i], "--control"))
            socket = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "-p"))
            pid = atoi(argv[i + 1]);
    }
    if (socket < 0 || pid <= 0)
        return 2;
    tell(socket, N1_CONTROL_HELLO, 0);
    tell(socket, N1_CONTROL_READY, 0);
    harm(how ? how : "", pid, socket);
    struct pollfd wait = {.fd = socket, .events = POLLIN};
    poll(&wait, 1, 5000);
    struct n1_control command; /* a socket closed with something unread in it is a reset to its peer */
    if (recv(socket, &command, sizeof command, 0) <= 0)
        return 1;
    tell(socket, N1_CONTROL_DONE, N1_CONTROL_DETACH);
    return 0;
}
