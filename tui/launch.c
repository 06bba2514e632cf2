/*
 * fork + exec of both: the command exists, with its final PID, before the sampler attaches, and blocks on a
 * pipe until then, so that its first instruction is already sampled.
 */
#include "tui/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PIDS_MAX = 256, ARGS_MAX = 32 };

void n1_launch_init(struct n1_launch *l)
{
    *l = (struct n1_launch){.socket = -1, .release = -1};
}

/* Only where the program itself lies, never by the current folder or PATH: the sampler may hold rights. */
int n1_launch_find_sampler(char *ret, size_t cap, struct n1_error *reterr)
{
    char self[4096];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len < 0)
        return n1_error_set(reterr, -errno, "cannot read /proc/self/exe: %s", strerror(errno));
    self[len] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    static const char *const places[] = {"n1top-sampler", "../libexec/n1top/n1top-sampler"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int n = snprintf(ret, cap, "%s/%s", self, places[i]);
        if (n > 0 && (size_t)n < cap && access(ret, X_OK) == 0)
            return 0;
    }
    return n1_error_hint(reterr, N1_E_FAILED, "install both programs together (make install)",
                         "n1top-sampler is neither in %.120s nor in its ../libexec/n1top", self);
}

static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 1; i < 32; i++)
        signal(i, SIG_DFL);
}

static int start_command(struct n1_launch *l, char *const *command, struct n1_error *reterr)
{
    int gate[2];
    if (pipe2(gate, O_CLOEXEC) < 0)
        return n1_error_set(reterr, -errno, "cannot make a pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        char go;
        ssize_t got;
        close(gate[1]);
        reset_signals();
        do
            got = read(gate[0], &go, 1);
        while (got < 0 && errno == EINTR);
        if (got != 1)
            _exit(127);
        execvp(command[0], command);
        fprintf(stderr, "n1top: cannot run %s: %s\n", command[0], strerror(errno));
        _exit(errno == ENOENT ? 127 : 126);
    }
    int code = errno;
    close(gate[0]);
    if (pid < 0) {
        close(gate[1]);
        return n1_error_set(reterr, -code, "cannot start %s: %s", command[0], strerror(code));
    }
    l->command = pid;
    l->release = gate[1];
    return 0;
}

/* Arguments of the sampler; numbers live in `text` until exec. */
struct args {
    char *items[ARGS_MAX + 2 * PIDS_MAX];
    size_t count;
    char text[(PIDS_MAX + ARGS_MAX) * 16];
    size_t used;
};

static void add(struct args *a, const char *option, const char *value)
{
    a->items[a->count++] = (char *)option;
    if (value)
        a->items[a->count++] = (char *)value;
}

static void add_number(struct args *a, const char *option, double value)
{
    char *at = a->text + a->used;
    a->used += (size_t)snprintf(at, sizeof a->text - a->used, "%.10g", value) + 1;
    add(a, option, at);
}

static void make_args(struct args *a, const char *path, int socket, pid_t command,
                      const struct n1_session_options *o)
{
    add(a, path, NULL);
    add_number(a, "--control", socket);
    if (command)
        add_number(a, "-p", command);
    for (size_t i = 0; i < o->pid_count; i++)
        add_number(a, "-p", o->pids[i]);
    if (o->rate_hz > 0)
        add_number(a, "--rate", o->rate_hz);
    if (o->linger_s > 0)
        add_number(a, "--linger", o->linger_s);
    if (o->memory_mb)
        add_number(a, "--memory", (double)o->memory_mb);
    if (o->engine)
        add(a, "--engine", o->engine);
    if (o->config)
        add(a, "--config", o->config);
    if (o->log)
        add(a, "--log", o->log);
    if (o->children)
        add(a, "--children", NULL);
    if (o->dump)
        add(a, "--dump", NULL);
    if (o->memory)
        add(a, "--faults", NULL);
}

static int start_sampler(struct n1_launch *l, const struct n1_session_options *o, struct n1_error *reterr)
{
    char path[4200];
    int pair[2];
    int rc = n1_launch_find_sampler(path, sizeof path, reterr);
    if (rc < 0)
        return rc;
    struct args *a = calloc(1, sizeof *a);
    if (!a)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        rc = n1_error_set(reterr, -errno, "cannot make a socketpair: %s", strerror(errno));
        goto done;
    }
    make_args(a, path, pair[1], l->command, o);
    pid_t pid = fork();
    if (pid == 0) {
        reset_signals();
        /* Keys typed at the terminal are the screen's, and so is its hang-up: neither may take the sampler
         * away. */
        setsid();
        fcntl(pair[1], F_SETFD, 0);
        execv(path, a->items);
        _exit(127);
    }
    if (pid < 0)
        rc = n1_error_set(reterr, -errno, "cannot start the sampler: %s", strerror(errno));
    close(pair[1]);
    if (rc < 0) {
        close(pair[0]);
        goto done;
    }
    l->sampler = pid;
    l->socket = pair[0];
done:
    free(a);
    return rc;
}

int n1_launch_start(struct n1_launch *l, const struct n1_session_options *options, struct n1_error *reterr)
{
    if (!options->pid_count && !options->command)
        return n1_error_set(reterr, N1_E_USAGE, "no process to watch");
    if (options->pid_count >= PIDS_MAX)
        return n1_error_set(reterr, N1_E_USAGE, "more than %d processes", PIDS_MAX - 1);
    int rc = options->command ? start_command(l, options->command, reterr) : 0;
    return rc < 0 ? rc : start_sampler(l, options, reterr);
}

void n1_launch_release(struct n1_launch *l)
{
    if (l->release < 0)
        return;
    ssize_t ignored = write(l->release, "g", 1);
    (void)ignored;
    close(l->release);
    l->release = -1;
}

/* Waits for the sampler's end, looking every 2 ms: a signal handler for this would be the screen's to own. */
static bool reap(struct n1_launch *l, int wait_ms, int *ret_status)
{
    struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};
    for (int waited = 0; l->sampler > 0; waited += 2) {
        if (waitpid(l->sampler, ret_status, WNOHANG) != 0) {
            l->sampler = 0;
            return true;
        }
        if (waited >= wait_ms)
            return false;
        nanosleep(&pause, NULL);
    }
    return false;
}

void n1_launch_sampler_end(struct n1_launch *l, char *ret, size_t cap)
{
    int status;
    if (!reap(l, 200, &status))
        snprintf(ret, cap, "the sampler hung up");
    else if (WIFSIGNALED(status))
        snprintf(ret, cap, "the sampler was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(ret, cap, "the sampler ended with status %d", WEXITSTATUS(status));
}

void n1_launch_finish(struct n1_launch *l, int wait_ms)
{
    int status;
    if (l->socket >= 0)
        close(l->socket);
    if (l->release >= 0)
        close(l->release);
    l->socket = l->release = -1;
    reap(l, wait_ms, &status);
}
