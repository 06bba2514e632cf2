/*
 * `n1top lines`: the line table of one function, of a recording or of a process that is watched for a while.
 */
#include "tui/commands/command.h"
#include "tui/rights.h"
#include "tui/session.h"
#include "tui/source.h"

#include "n1/lines.h"
#include "n1/metric.h"
#include "n1/time.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { SECONDS = 10, NAMES_MS = 20000, TICK_MS = 250, SHOWN = 10 };

static bool is_named(const struct n1_profile_function *f, const char *name, bool exact)
{
    char full[1024];
    snprintf(full, sizeof full, "%s!%s", f->module_name, f->name);
    return exact ? !strcmp(f->name, name) || !strcmp(full, name) : strstr(full, name) != NULL;
}

/* The one function that is meant: by its exact name, else by a part of it. */
static const struct n1_profile_function *choose(const struct n1_profile *p, const char *name,
                                                struct n1_error *reterr)
{
    size_t count, found = 0;
    const struct n1_profile_function *list = n1_profile_functions(p, &count), *one = NULL;
    bool exact = true;
    for (int pass = 0; pass < 2 && found == 0; pass++) {
        exact = pass == 0;
        for (size_t i = 0; i < count; i++)
            if (is_named(&list[i], name, exact)) {
                one = &list[i];
                found++;
            }
    }
    if (found == 1)
        return one;
    if (found == 0) {
        n1_error_hint(reterr, N1_E_USAGE, "n1top report lists the functions that were seen",
                      "no function '%s' in the samples", name);
        return NULL;
    }
    for (size_t i = 0, shown = 0; i < count && shown < SHOWN; i++)
        if (is_named(&list[i], name, exact)) {
            fprintf(stderr, "  %s!%s\n", list[i].module_name, list[i].name);
            shown++;
        }
    n1_error_hint(reterr, N1_E_USAGE, "name one of them, as MODULE!NAME where the name repeats",
                  "%zu functions match '%s'%s", found, name, found > SHOWN ? " (the first ones above)" : "");
    return NULL;
}

/* Without a blank, so that the columns before the contents can be cut. */
static void bytes_text(char out[32], uint64_t bytes)
{
    if (bytes == N1_LINE_UNKNOWN) {
        strcpy(out, "-");
        return;
    }
    n1_metric_format(out, 32, N1_UNIT_BYTES, (int64_t)(bytes > INT64_MAX ? INT64_MAX : bytes));
    for (char *blank; (blank = strchr(out, ' ')) != NULL;)
        memmove(blank, blank + 1, strlen(blank));
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_line(const struct n1_line *l, const struct n1_lines_summary *s, const char *text)
{
    char resident[32], increment[32];
    bytes_text(resident, l->resident);
    bytes_text(increment, l->increment);
    printf("%6u %10s %10s %6.1f %6.1f %6.1f %6.1f %6.1f  %s\n", l->line, resident, increment,
           percent(l->self_ns, s->all_ns), percent(l->total_ns, s->all_ns), percent(l->python_ns, s->all_ns),
           percent(l->native_ns, s->all_ns), percent(l->system_ns, s->all_ns), text);
}

static void print_table(const struct n1_profile_function *f, const struct n1_lines *lines, pid_t pid,
                        bool redact)
{
    struct n1_lines_summary s = n1_lines_summary(lines);
    struct n1_source source = {0};
    size_t count;
    const struct n1_line *list = n1_lines_list(lines, &count);
    printf("# %s%s%s: %.1f %% of the CPU time itself, %.1f %% with what it calls\n", f->module_name,
           *f->module_name ? "!" : "", f->name, percent(s.self_ns, s.all_ns), percent(s.total_ns, s.all_ns));
    for (size_t i = 0; i < count; i++) {
        char text[1024];
        if (i == 0 || strcmp(list[i].file, list[i - 1].file) != 0) {
            if (redact)
                snprintf(source.why, sizeof source.why, "left out");
            else
                n1_source_load(&source, list[i].file, pid);
            printf("# file: %s%s%s%s\n", list[i].file,
                   source.count ? "" : " (no contents: ", source.count ? "" : source.why,
                   source.count ? "" : ")");
            puts("Line #  Mem usage  Increment  Self%   CPU% Python Native System  Line contents");
        }
        n1_source_line(&source, list[i].line, text, sizeof text);
        print_line(&list[i], &s, text);
    }
    if (count == 0)
        puts("# no line is known: its module has no line tables");
    else if (s.lineless_ns)
        printf("# %.1f %% of its CPU time has no line\n", percent(s.lineless_ns, s.total_ns));
    if (s.coarse_ns)
        printf("# %.1f %% of its own time is from one-second rows, which do not tell lines\n",
               percent(s.coarse_ns, s.self_ns));
    if (!s.faults)
        puts("# Increment is not known: page faults were not sampled throughout (record --memory)");
    n1_source_finish(&source);
}

static int tell(struct n1_reader *r, struct n1_window window, pid_t pid, const struct n1_command_args *args,
                bool redact)
{
    struct n1_error err = {0};
    const struct n1_profile_function *f = NULL;
    struct n1_profile *p = n1_profile_create();
    struct n1_lines *lines = n1_lines_create();
    int rc = p && lines ? 0 : n1_error_set(&err, -ENOMEM, "no memory for the lines");
    if (rc == 0 && redact && n1_reader_redact(r, true) < 0)
        rc = n1_error_set(&err, -ENOMEM, "no memory to redact");
    if (rc == 0 && n1_reader_begin(r) < 0)
        rc = n1_error_set(&err, N1_E_DAMAGED, "the model cannot be read");
    if (rc == 0)
        rc = n1_profile_update(p, r, window, NULL, &err);
    if (rc == 0) {
        f = choose(p, args->function, &err);
        rc = f ? 0 : N1_E_USAGE;
    }
    if (rc == 0 && n1_lines_update(lines, r, window, NULL, f->id) < 0)
        rc = n1_error_set(&err, -ENOMEM, "no memory for the lines");
    if (rc == 0)
        print_table(f, lines, pid, redact);
    int status = rc == 0 ? 0 : n1_error_print(&err);
    n1_lines_destroy(lines);
    n1_profile_destroy(p);
    return status;
}

static int live(const struct n1_command_args *args, const struct n1_config *config)
{
    struct n1_error err = {0};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    struct n1_session_options options = {.pids = args->pids,
                                         .pid_count = args->pid_count,
                                         .rate_hz = args->rate_hz,
                                         .engine = args->engine,
                                         .config = args->config,
                                         .log = args->log,
                                         .memory = true};
    struct n1_session *s = NULL;
    int rc = n1_session_start(&options, &s, &err);
    if (rc == 0)
        rc = n1_session_wait(s, -1, &err);
    if (rc < 0) {
        n1_session_destroy(s);
        return n1_error_print(&err);
    }
    struct n1_reader *r = n1_session_reader(s);
    n1_ns end =
        n1_time_mono() + (n1_ns)((args->seconds > 0 ? args->seconds : SECONDS) * (double)N1_SECOND_NS);
    while (n1_time_mono() < end) {
        struct pollfd fds[2] = {{.fd = n1_session_fd(s), .events = POLLIN},
                                {.fd = signals, .events = POLLIN}};
        poll(fds, 2, TICK_MS);
        if (fds[1].revents || n1_session_pump(s) != N1_SESSION_ATTACHED ||
            (n1_reader_begin(r) >= 0 && n1_reader_state(r) == N1_STATE_TARGET_GONE))
            break;
    }
    n1_ns stopped = n1_time_mono();
    n1_session_ask(s, N1_CONTROL_PAUSE, 1, NAMES_MS, NULL);
    if (n1_session_ask(s, N1_CONTROL_LINES, 0, NAMES_MS, &err) < 0)
        fprintf(stderr, "n1top: not every line was found: %s\n", err.what);
    int status = tell(r, (struct n1_window){0, stopped}, args->pids[0], args, config->redact);
    n1_session_destroy(s);
    close(signals);
    return status;
}

static int run(const struct n1_command_args *args, const struct n1_config *config)
{
    struct n1_error err = {0};
    struct n1_reader *r = NULL;
    if (!args->function || !*args->function || args->file_count + (args->pid_count > 0) != 1) {
        n1_error_hint(&err, N1_E_USAGE, "n1top lines FILE|-p PID --function NAME", "lines: name %s",
                      args->function && *args->function ? "one recording, or a process with -p"
                                                        : "a --function");
        return n1_error_print(&err);
    }
    if (args->pid_count)
        return live(args, config);
    if (n1_reader_open_file(args->files[0], &r, &err) < 0)
        return n1_error_print(&err);
    int status = n1_rights_drop(&err) < 0
                     ? n1_error_print(&err)
                     : tell(r, (struct n1_window){0, UINT64_MAX}, 0, args, config->redact);
    n1_reader_close(r);
    return status;
}

const struct n1_command n1_command_lines = {
    .name = "lines",
    .usage = "lines FILE|-p PID --function NAME [-d SEC]",
    .text = "CPU time and memory of a function by source line",
    .options = N1_TAKES_FILE N1_TAKES_PID N1_TAKES_FUNCTION N1_TAKES_SECONDS N1_TAKES_RATE N1_TAKES_ENGINE,
    .details =
        "NAME is a function's whole name, MODULE!NAME, or a part that only one function has. Shares are of\n"
        "the CPU time of all samples: Self% ran the line itself (of a Python line: its own bytecode), CPU%\n"
        "had it on the stack. Python, Native and System split what ran there; of a Python line only until "
        "it\n"
        "calls another Python function. Mem usage is the median RSS of the samples on the line, Increment\n"
        "the bytes first touched while it was on the stack, - where that is not known.\n"
        "Without -d a process is watched for 10 s. Source is read with the rights of who asks.",
    .run = run,
};
