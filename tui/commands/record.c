/*
 * `n1top record`: samples without a screen until the time is over, Ctrl-C, or the target ends, then writes
 * what there is. Progress goes to standard error, the name of the file to standard output.
 */
#include "tui/commands/command.h"
#include "tui/commands/save.h"
#include "tui/session.h"

#include "n1/time.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TICK_MS = 100, NAMES_MS = 20000, AGAIN_MS = 1000, AGAIN_TIMES = 60 };

/* Signals that end a recording early, with everything written. */
static int stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void forget_signals(int signals)
{
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == sizeof info)
        ;
}

static void progress(struct n1_reader *r, n1_ns since, bool tty)
{
    if (!tty)
        return;
    fprintf(stderr, "\rn1top: %.0f s, %" PRIu64 " samples, %" PRIu64 " lost ",
            (double)(n1_time_mono() - since) / N1_SECOND_NS, n1_reader_self(r, N1_SELF_SAMPLES),
            n1_reader_self(r, N1_SELF_LOST));
    fflush(stderr);
}

/* Why the recording stopped; each but DIED leads to a file. */
enum stop { STOP_TIME, STOP_SIGNAL, STOP_GONE, STOP_DIED };

static enum stop wait_for_end(struct n1_session *s, int signals, double seconds)
{
    struct n1_reader *r = n1_session_reader(s);
    bool tty = isatty(STDERR_FILENO);
    n1_ns start = n1_time_mono(), shown = start;
    n1_ns end = seconds > 0 ? start + (n1_ns)(seconds * (double)N1_SECOND_NS) : UINT64_MAX;
    enum stop why = STOP_TIME;

    for (;;) {
        n1_ns now = n1_time_mono();
        if (now >= end)
            break;
        n1_ns left_ms = (end - now + 999999) / 1000000;
        struct pollfd fds[2] = {{.fd = n1_session_fd(s), .events = POLLIN},
                                {.fd = signals, .events = POLLIN}};
        poll(fds, 2, left_ms < TICK_MS ? (int)left_ms : TICK_MS);
        if (fds[1].revents) {
            why = STOP_SIGNAL;
            break;
        }
        if (n1_session_pump(s) != N1_SESSION_ATTACHED) {
            why = STOP_DIED;
            break;
        }
        int rc = n1_reader_begin(r);
        enum n1_model_state state = n1_reader_state(r);
        if (rc >= 0 && now - shown >= N1_SECOND_NS) {
            progress(r, start, tty);
            shown = now;
        }
        if (rc >= 0 && state == N1_STATE_TARGET_GONE) {
            why = STOP_GONE;
            break;
        }
    }
    if (tty && shown != start)
        fputc('\n', stderr);
    return why;
}

static void say_losses(struct n1_reader *r)
{
    uint64_t tail;
    if (n1_reader_begin(r) < 0)
        return;
    n1_reader_count(r, N1_SEGMENT_SAMPLES, &tail);
    if (tail > 0)
        fprintf(stderr,
                "n1top: the first %" PRIu64 " samples are kept as per-second rows only; --log and limits."
                "memory_mb tell and change how many fit\n",
                tail);
    if (n1_reader_self(r, N1_SELF_LOST))
        fprintf(stderr, "n1top: %" PRIu64 " samples were lost by the kernel; a lower rate loses none\n",
                n1_reader_self(r, N1_SELF_LOST));
}

/* How a command of ours ended, when that was not well. */
static void say_command_end(struct n1_session *s)
{
    int status;
    if (!n1_session_command_ended(s, &status))
        return;
    if (WIFSIGNALED(status))
        fprintf(stderr, "n1top: the command was ended by signal %d\n", WTERMSIG(status));
    else if (WEXITSTATUS(status))
        fprintf(stderr, "n1top: the command ended with status %d\n", WEXITSTATUS(status));
}

/* Waits for `ms`; false when a signal says to give up. */
static bool wait_again(int signals, int ms)
{
    struct pollfd fd = {.fd = signals, .events = POLLIN};
    return poll(&fd, 1, ms) <= 0 || !fd.revents;
}

/*
 * Writes where it was asked for; where that fails (a disk that filled up meanwhile), where there is room, and
 * says so. With room nowhere the samples stay in memory and it is tried again: a minute long, or, before a
 * person, until Ctrl-C. Returns the exit status: a file at another place than asked for is a failure too.
 */
static int save_surely(struct n1_reader *r, const struct n1_save *save, int signals)
{
    struct n1_error err = {0};
    char path[4096];
    bool waited = false, stream = save->output && !strcmp(save->output, "-");
    int failed = 0;
    for (int tries = 0;; tries++) {
        if (tries == 0 || !stream) /* what went to a stream cannot be taken back: never twice */
            failed = n1_save(r, save, path, sizeof path, &err);
        if (failed == 0)
            break;
        int rc = n1_save_elsewhere(r, save, failed, path, sizeof path);
        if (rc == 0) {
            fprintf(stderr, "n1top: %s\nn1top: the recording is not lost: it went to %s\n", err.what, path);
            if (!stream)
                printf("%s\n", path);
            return 1;
        }
        bool person = isatty(STDERR_FILENO);
        if (rc != -ENOSPC || (!person && tries == AGAIN_TIMES))
            return n1_error_print(&err);
        if (!waited)
            fprintf(stderr, "n1top: %s\nn1top: no room elsewhere either; trying again%s\n", err.what,
                    person ? " until Ctrl-C: free some space" : " for a minute");
        waited = true;
        if (!wait_again(signals, AGAIN_MS))
            return n1_error_print(&err);
    }
    if (!stream)
        printf("%s\n", path);
    return 0;
}

static int record(struct n1_session *s, const struct n1_command_args *args, const struct n1_config *config,
                  int signals)
{
    struct n1_error err = {0};
    if (n1_session_wait(s, -1, &err) < 0)
        return n1_error_print(&err);
    enum stop why = wait_for_end(s, signals, args->seconds);
    struct n1_reader *r = n1_session_reader(s);
    /* Finding names takes a while on a busy machine; what runs meanwhile is not part of what was asked for.
     */
    n1_ns stopped = n1_time_mono();
    if (why == STOP_TIME || why == STOP_SIGNAL)
        n1_session_ask(s, N1_CONTROL_PAUSE, 1, NAMES_MS, NULL);
    if (why == STOP_DIED)
        n1_error_print(n1_session_error(s));
    /* Everything is named before the file closes: on another host there is nothing left to ask. */
    else if (n1_session_ask(s, N1_CONTROL_LINES, 0, NAMES_MS, &err) < 0)
        fprintf(stderr, "n1top: not every name was found: %s\n", err.what);
    if (n1_reader_begin(r) < 0 || (why == STOP_GONE && n1_reader_self(r, N1_SELF_SAMPLES) == 0)) {
        int ended;
        if (n1_session_command_ended(s, &ended) && WIFEXITED(ended) && WEXITSTATUS(ended) == 127)
            return n1_error_exit_status(N1_E_NO_PROCESS); /* it could not be run, and that has been said */
        say_command_end(s);
        if (args->command)
            n1_error_hint(&err, N1_E_NO_PROCESS, "it used too little CPU; a higher --rate sees more",
                          "the command ended before the first sample");
        else
            n1_error_set(&err, N1_E_NO_PROCESS, "the process ended before the first sample");
        return n1_error_print(&err);
    }
    say_losses(r);
    struct n1_save save = {
        .format = args->format,
        .output = args->output,
        .output_dir = config->output_dir,
        .report = {.window = {0, stopped},
                   .top = args->top,
                   .redact = args->redact || config->redact,
                   .max_history = config->max_history},
    };
    forget_signals(signals); /* that ended the recording */
    int status = save_surely(r, &save, signals);
    say_command_end(s);
    return why == STOP_DIED && status == 0 ? 1 : status;
}

static int run(const struct n1_command_args *args, const struct n1_config *config)
{
    struct n1_error err = {0};
    if (!args->pid_count && !args->command) {
        n1_error_set(&err, N1_E_USAGE, "record: name a process with -p, or a command after --");
        return n1_error_print(&err);
    }
    if (args->format && !n1_save_format_known(args->format)) {
        n1_error_hint(&err, N1_E_USAGE, "see n1top record --help", "record: unknown format '%s'",
                      args->format);
        return n1_error_print(&err);
    }
    signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is an error of the write, not our end */
    int signals = stop_signals();
    struct n1_session_options options = {
        .pids = args->pids,
        .pid_count = args->pid_count,
        .command = args->command,
        .rate_hz = args->rate_hz,
        .engine = args->engine,
        .config = args->config,
        .log = args->log,
        .children = args->children,
        .memory = args->memory || config->memory_tracking,
    };
    struct n1_session *s = NULL;
    if (n1_session_start(&options, &s, &err) < 0)
        return n1_error_print(&err);
    /* Asked with the rights that it will be written with; a command of ours still waits for its start. */
    struct n1_save save = {.output = args->output, .output_dir = config->output_dir};
    int status = n1_save_check(&save, &err) < 0 ? n1_error_print(&err) : record(s, args, config, signals);
    n1_session_destroy(s);
    close(signals);
    return status;
}

const struct n1_command n1_command_record = {
    .name = "record",
    .usage = "record -p PID|-- CMD [-d SEC] [-r HZ] [-o FILE]",
    .text = "sample without a screen and write a file",
    .options = N1_TAKES_PID N1_TAKES_COMMAND N1_TAKES_SECONDS N1_TAKES_RATE N1_TAKES_OUTPUT N1_TAKES_FORMAT
        N1_TAKES_ENGINE N1_TAKES_TOP N1_TAKES_REDACT N1_TAKES_CHILDREN N1_TAKES_MEMORY,
    .details =
        "Without -d it samples until Ctrl-C or until the target ends. Without -o the file goes to "
        "output_dir\n"
        "and its name is printed. The default format is model: it replays in `n1top FILE` and every "
        "command.\n"
        "A command that is still running when the recording ends goes on running.\n"
        "When the file cannot be written (a disk that filled up), it goes where there is room, its name is\n"
        "printed, and the exit status is 1.",
    .run = run,
};
