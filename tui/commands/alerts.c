/*
 * `n1top alerts`: what goes wrong, as it goes wrong, one JSON object a line on standard output: for a pager,
 * a log, a script. An episode is told when it begins (as soon as a function behind it has a name, a second
 * later at the latest) and once more when it is over.
 */
#include "tui/commands/command.h"
#include "tui/session.h"

#include <cjson/cJSON.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { TICK_MS = 200, OPEN_MAX = 64, CHUNK = 32 };
static const n1_ns NAMES_NS = N1_SECOND_NS;

struct told {
    uint64_t index; /* in the model's ring */
    n1_ns seen;     /* when we first saw it */
    bool begun;     /* … and told of it */
};

struct alerts {
    struct n1_reader *reader;
    uint64_t next; /* index of the first that we have not seen */
    struct told open[OPEN_MAX];
    size_t count;
};

static void add_time(cJSON *o, const char *key, struct n1_reader *r, n1_ns time)
{
    char text[64];
    int64_t wall = n1_reader_wall_ns(r, time);
    time_t seconds = (time_t)(wall / 1000000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + len, sizeof text - len, ".%03dZ", (int)(wall / 1000000 % 1000));
    cJSON_AddStringToObject(o, key, text);
}

static void add_text(cJSON *o, const char *key, struct n1_reader *r, uint32_t string)
{
    if (string)
        cJSON_AddStringToObject(o, key, n1_reader_string(r, string));
    else
        cJSON_AddNullToObject(o, key);
}

/* False when standard output is closed: nobody listens any more. */
static bool tell(struct n1_reader *r, const struct n1_model_anomaly *a, const char *event)
{
    static const char *const severities[] = {"info", "info", "warning", "critical"};
    struct n1_model_process process = {0};
    struct n1_model_function function;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "event", event);
    add_text(o, "rule", r, a->rule);
    cJSON_AddStringToObject(o, "severity", severities[a->severity < 4 ? a->severity : 0]);
    add_time(o, "start", r, a->start);
    if (a->end)
        add_time(o, "end", r, a->end);
    n1_reader_process(r, a->process, &process);
    cJSON_AddNumberToObject(o, "pid", process.pid);
    add_text(o, "command", r, process.comm);
    add_text(o, "text", r, a->text);
    add_text(o, "resource", r, a->resource);
    cJSON_AddNumberToObject(o, "value", (double)a->value);
    cJSON_AddNumberToObject(o, "expected", (double)a->expected);
    add_text(o, "unit", r, a->unit);
    cJSON *functions = cJSON_AddArrayToObject(o, "functions");
    for (int i = 0; i < N1_ANOMALY_CULPRITS; i++)
        if (a->culprit[i] && n1_reader_function(r, a->culprit[i], &function))
            cJSON_AddItemToArray(functions, cJSON_CreateString(n1_reader_string(r, function.name)));
    char *text = cJSON_PrintUnformatted(o);
    bool good = text && puts(text) >= 0 && fflush(stdout) == 0;
    free(text);
    cJSON_Delete(o);
    return good;
}

static bool is_over(const struct n1_model_anomaly *a)
{
    return a->end != 0;
}

/* One look at the log: what is new, what has a name by now, what is over. False when nobody listens. */
static bool look(struct alerts *alerts, bool last)
{
    struct n1_reader *r = alerts->reader;
    struct n1_model_anomaly entry, chunk[CHUNK];
    if (n1_reader_begin(r) < 0)
        return true;
    n1_ns now = n1_time_mono();
    for (size_t got; (got = n1_reader_anomalies(r, alerts->next, chunk, CHUNK, &alerts->next, NULL)) > 0;)
        for (size_t i = 0; i < got && alerts->count < OPEN_MAX; i++)
            alerts->open[alerts->count++] = (struct told){alerts->next - got + i, now, false};
    for (size_t i = 0; i < alerts->count;) {
        struct told *told = &alerts->open[i];
        uint64_t next;
        bool there =
            n1_reader_anomalies(r, told->index, &entry, 1, &next, NULL) == 1 && next == told->index + 1;
        if (there && !told->begun &&
            (entry.culprit[0] || is_over(&entry) || last || now >= told->seen + NAMES_NS)) {
            if (!tell(r, &entry, entry.start == entry.end ? "once" : "begin"))
                return false;
            told->begun = true;
        }
        bool over = there && told->begun && is_over(&entry);
        if (over && entry.start != entry.end && !tell(r, &entry, "end"))
            return false;
        if (over || !there)
            *told = alerts->open[--alerts->count];
        else
            i++;
    }
    return true;
}

static int stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int follow(struct n1_session *s, int signals, double seconds)
{
    struct alerts alerts = {.reader = n1_session_reader(s)};
    n1_ns end = seconds > 0 ? n1_time_mono() + (n1_ns)(seconds * (double)N1_SECOND_NS) : UINT64_MAX;
    while (n1_time_mono() < end) {
        struct pollfd fds[2] = {{.fd = n1_session_fd(s), .events = POLLIN},
                                {.fd = signals, .events = POLLIN}};
        poll(fds, 2, TICK_MS);
        bool attached = n1_session_pump(s) == N1_SESSION_ATTACHED;
        bool gone =
            n1_reader_begin(alerts.reader) >= 0 && n1_reader_state(alerts.reader) == N1_STATE_TARGET_GONE;
        bool stop = fds[1].revents || !attached || gone;
        if (!look(&alerts, stop))
            return 0; /* the reader of our lines has left */
        if (!attached && !gone)
            return n1_error_print(n1_session_error(s));
        if (stop)
            return 0;
    }
    look(&alerts, true);
    return 0;
}

static int run(const struct n1_command_args *args, const struct n1_config *config)
{
    struct n1_error err = {0};
    struct n1_session *s = NULL;
    if (!args->pid_count) {
        n1_error_set(&err, N1_E_USAGE, "alerts: name a process with -p");
        return n1_error_print(&err);
    }
    if (!config->anomaly_enabled) {
        n1_error_hint(&err, N1_E_CONFIG, "set profiling.anomaly_detection.enabled to true",
                      "alerts: the configuration switches anomaly detection off");
        return n1_error_print(&err);
    }
    int signals = stop_signals();
    struct n1_session_options options = {.pids = args->pids,
                                         .pid_count = args->pid_count,
                                         .rate_hz = args->rate_hz,
                                         .engine = args->engine,
                                         .config = args->config,
                                         .log = args->log,
                                         .children = args->children};
    int rc = n1_session_start(&options, &s, &err);
    if (rc == 0)
        rc = n1_session_wait(s, -1, &err);
    int status = rc < 0 ? n1_error_print(&err) : follow(s, signals, args->seconds);
    n1_session_destroy(s);
    close(signals);
    return status;
}

const struct n1_command n1_command_alerts = {
    .name = "alerts",
    .usage = "alerts -p PID [-d SEC]",
    .text = "what goes wrong, one JSON line an event",
    .options = N1_TAKES_PID N1_TAKES_SECONDS N1_TAKES_RATE N1_TAKES_ENGINE N1_TAKES_CHILDREN,
    .details = "Each episode of an anomaly rule is one line when it begins and one when it is over, with the "
               "functions behind\n"
               "it and the resource (lock and its owner, file, cgroup file). For a pager:\n"
               "  n1top alerts -p NAME | while read -r line; do notify \"$line\"; done\n"
               "n1top doctor lists the rules. It ends with the process, after -d SEC, or by a signal.",
    .run = run,
};
