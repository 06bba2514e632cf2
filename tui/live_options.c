/*
 * From the command line to a running screen. Order: options, configuration, theme, then the terminal, because
 * a mistake in any of them is told on a terminal that is still as it was. The terminal comes before the
 * sampler, so that the first frame does not wait for it.
 */
#include "tui/live_options.h"

#include "tui/batch.h"
#include "tui/commands/command.h"
#include "tui/keys.h"
#include "tui/live.h"
#include "tui/manual.h"
#include "tui/picker.h"
#include "tui/resolve.h"
#include "tui/signals.h"
#include "tui/waiting.h"

#include "n1/config.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ASK_MS = 1000 }; /* samplers that can be joined answer within */

struct choice {
    pid_t pids[N1_COMMAND_PIDS];
    size_t pid_count;
    char *const *command;
    const char *file, *engine, *config, *log, *theme, *color, *glyphs, *motion, *keys;
    double rate_hz, refresh_s;
    int rows, cols;  /* --size, for --batch and --dump-frame */
    double pictures; /* of --batch; 0: no end */
    double linger_s; /* -1: as configured */
    bool children, dump, batch, attach, low, redact;
};

enum {
    OPT_ENGINE = 1000,
    OPT_CHILDREN,
    OPT_CONFIG,
    OPT_LOG,
    OPT_THEME,
    OPT_COLOR,
    OPT_GLYPHS,
    OPT_MOTION,
    OPT_REFRESH,
    OPT_SIZE,
    OPT_DUMP,
    OPT_BATCH,
    OPT_KEYS,
    OPT_ATTACH,
    OPT_LINGER,
    OPT_LOW,
    OPT_REDACT,
    OPT_MANUAL
};

static const struct n1_live_option table[] = {
    {'p', "pid", "PID|NAME|UNIT", "process to watch; may be given more than once"},
    {'r', "rate", "HZ", "samples a second and thread on CPU, 1 to 20000"},
    {OPT_ENGINE, "engine", "ENGINE", "auto, perf, ptrace or nonstop"},
    {OPT_CHILDREN, "children", NULL, "watch children of the process too"},
    {OPT_REDACT, "redact", NULL, "show no command lines, folders, host or user names"},
    {OPT_THEME, "theme", "NAME|FILE", "colours; see the themes folder"},
    {OPT_COLOR, "color", "WHEN", "auto, never, 8, 16, 256 or rgb (NO_COLOR is honoured)"},
    {OPT_GLYPHS, "glyphs", "SET", "auto, block, braille or ascii"},
    {OPT_MOTION, "motion", "HOW", "graphs: sweep (few bytes) or scroll"},
    {OPT_REFRESH, "refresh", "SEC", "seconds between frames, 0.25 to 10"},
    {OPT_ATTACH, "attach", NULL, "rejoin a sampler whose screen has gone, or watch along with another one"},
    {OPT_LOW, "low-bandwidth", NULL,
     "few bytes, for a slow line (key L; switched on by itself when it lags)"},
    {OPT_BATCH, "batch", NULL,
     "pictures as text on standard output, without a terminal; a blank line after each"},
    {'n', "iterations", "N", "that many pictures of --batch; else until the process ends"},
    {OPT_SIZE, "size", "COLSxROWS", "of a picture of --batch (120x40)"},
    {OPT_KEYS, "keys", "KEYS", "pressed before the first picture of --batch: f, <F5>, <Enter> ..."},
    {OPT_LINGER, "linger", "SEC", "how long sampling goes on when the line drops; 0: not at all"},
    {OPT_CONFIG, "config", "FILE", "configuration file"},
    {OPT_LOG, "log", "FILE", "write what happens to a log file"},
    {'h', "help", NULL, "this text; n1top COMMAND --help tells more"},
    {'V', "version", NULL, "the version"},
    {OPT_DUMP, "dump-frame", NULL, NULL},
    {OPT_MANUAL, "manual", NULL, NULL},
};
enum { OPTION_COUNT = sizeof table / sizeof table[0] };

const struct n1_live_option *n1_live_options(size_t *ret_count)
{
    *ret_count = OPTION_COUNT;
    return table;
}

static const struct option *long_options(void)
{
    static struct option longs[OPTION_COUNT + 1]; /* ended by zeros */
    for (size_t i = 0; i < OPTION_COUNT; i++)
        longs[i] = (struct option){table[i].name, table[i].argument ? required_argument : no_argument, NULL,
                                   table[i].value};
    return longs;
}

static void help(void)
{
    printf("n1top: where a running process spends its time and memory, live\n\n"
           "  n1top                                              pick a process\n"
           "  n1top -p PID|NAME|UNIT.service [options]           live screen on a process\n"
           "  n1top [options] -- COMMAND [ARG...]                start and watch a command\n"
           "  n1top --attach [NAME|PID]                          rejoin a sampler whose screen went, or "
           "watch along\n"
           "  n1top FILE [options]                               look at a recording\n");
    n1_command_list(stdout);
    puts("");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct n1_live_option *o = &table[i];
        char letter[8] = "    ", name[48];
        if (o->value < OPT_ENGINE && o->value != 'V')
            snprintf(letter, sizeof letter, "-%c, ", o->value);
        snprintf(name, sizeof name, "%s%s%s", o->name, o->argument ? " " : "",
                 o->argument ? o->argument : "");
        if (o->text)
            printf("  %s--%-19s %s\n", letter, name, o->text);
    }
    puts("\nOn the screen: ? shows every key and what the columns mean, q leaves.");
}

static int number(const char *option, const char *text, double min, double max, double *ret,
                  struct n1_error *reterr)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (errno || end == text || *end || !(value >= min && value <= max))
        return n1_error_set(reterr, N1_E_USAGE, "%s takes a number from %g to %g, not '%s'", option, min, max,
                            text);
    *ret = value;
    return 0;
}

static int take(struct choice *choice, int option, const char *text, struct n1_error *reterr)
{
    size_t found = 0;
    int rc = 0;
    char end;
    switch (option) {
    case 'p':
        rc = n1_process_resolve(text, choice->pids + choice->pid_count, N1_COMMAND_PIDS - choice->pid_count,
                                &found, reterr);
        choice->pid_count += rc < 0 ? 0 : found;
        return rc;
    case 'r':
        return number("--rate", text, 1, 20000, &choice->rate_hz, reterr);
    case OPT_REFRESH:
        return number("--refresh", text, 0.25, 10, &choice->refresh_s, reterr);
    case OPT_ENGINE:
        choice->engine = text;
        return 0;
    case OPT_CHILDREN:
        choice->children = true;
        return 0;
    case OPT_REDACT:
        choice->redact = true;
        return 0;
    case OPT_CONFIG:
        choice->config = text;
        return 0;
    case OPT_ATTACH:
        choice->attach = true;
        return 0;
    case OPT_LOW:
        choice->low = true;
        return 0;
    case OPT_LINGER:
        return number("--linger", text, 0, 86400, &choice->linger_s, reterr);
    case OPT_LOG:
        choice->log = text;
        return 0;
    case OPT_THEME:
        choice->theme = text;
        return 0;
    case OPT_COLOR:
        choice->color = text;
        return 0;
    case OPT_GLYPHS:
        choice->glyphs = text;
        return 0;
    case OPT_MOTION:
        choice->motion = text;
        return 0;
    case OPT_KEYS:
        choice->keys = text;
        return 0;
    case OPT_DUMP:
        choice->dump = true;
        return 0;
    case OPT_BATCH:
        choice->batch = true;
        return 0;
    case 'n':
        return number("--iterations", text, 1, 1e9, &choice->pictures, reterr);
    case OPT_SIZE:
        if (sscanf(text, "%dx%d%c", &choice->cols, &choice->rows, &end) != 2 || choice->rows < 1 ||
            choice->cols < 1 || choice->rows > 1000 || choice->cols > 1000)
            return n1_error_set(reterr, N1_E_USAGE, "--size takes COLUMNSxROWS, not '%s'", text);
        return 0;
    default:
        return n1_error_set(reterr, N1_E_USAGE, "unknown or incomplete option");
    }
}

/* 0, 1 when everything has been said (help), or an error. */
static int parse(struct choice *choice, int argc, char **argv, struct n1_error *reterr)
{
    int end = argc, option;
    for (int i = 1; i < argc && choice->command == NULL; i++) {
        if (strcmp(argv[i], "--") == 0) {
            end = i;
            choice->command = argv + i + 1;
        }
    }
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(end, argv, "p:r:n:hV", long_options(), NULL)) != -1) {
        if (option == 'h') {
            help();
            return 1;
        }
        if (option == 'V') {
            printf("n1top %s\n", N1_VERSION);
            return 1;
        }
        if (option == OPT_MANUAL) {
            n1_manual_write(stdout);
            return 1;
        }
        if (option == '?')
            return n1_error_set(reterr, N1_E_USAGE, "unknown or incomplete option %s", argv[optind - 1]);
        int rc = take(choice, option, optarg ? optarg : "", reterr);
        if (rc < 0)
            return rc;
    }
    if (choice->command != NULL && choice->command[0] == NULL)
        return n1_error_set(reterr, N1_E_USAGE, "no command after --");
    if (end - optind > 1)
        return n1_error_set(reterr, N1_E_USAGE, "unexpected argument '%s'", argv[optind + 1]);
    choice->file = optind < end ? argv[optind] : NULL;
    if (choice->attach && (choice->command != NULL || choice->pid_count > 0))
        return n1_error_set(reterr, N1_E_USAGE,
                            "--attach takes the name or PID of what is watched, nothing else");
    if (choice->attach)
        return 0; /* what would be a file is a name */
    if (choice->file != NULL && n1_command_find(choice->file) != NULL)
        return n1_error_hint(reterr, N1_E_USAGE, "n1top COMMAND [options]; see n1top COMMAND --help",
                             "the command '%s' comes first, then its options", choice->file);
    if ((choice->file != NULL) + (choice->command != NULL) + (choice->pid_count > 0) > 1)
        return n1_error_set(reterr, N1_E_USAGE, "give one of -p, a recording, or -- and a command");
    if (choice->file != NULL && strchr(choice->file, '/') == NULL && strchr(choice->file, '.') == NULL &&
        access(choice->file, F_OK) < 0)
        return n1_error_hint(reterr, N1_E_USAGE,
                             "commands: record, report, export, dump, doctor, status; see --help",
                             "'%s' is neither a command nor a file", choice->file);
    return 0;
}

static int choose(const char *option, const char *text, const char *const *words, int configured, int *ret,
                  struct n1_error *reterr)
{
    *ret = configured;
    if (text == NULL)
        return 0;
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            *ret = i;
            return 0;
        }
    }
    return n1_error_set(reterr, N1_E_USAGE, "%s does not know '%s'", option, text);
}

struct looks {
    struct n1_theme theme;
    int color; /* N1_COLORS_AUTO or a level */
    const struct n1_glyphs *glyphs;
    enum n1_spark_motion motion;
    char notice[520]; /* why the theme is not the one asked for */
};

static void find_theme(const char *name, struct looks *looks)
{
    char home[PATH_MAX] = "", beside[PATH_MAX] = "", source[PATH_MAX] = "", exe[PATH_MAX];
    const char *config = getenv("XDG_CONFIG_HOME"), *user = getenv("HOME");
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(exe, '/');
    if (slash != NULL) {
        *slash = '\0';
        snprintf(beside, sizeof beside, "%.4000s/../share/n1top/themes", exe);
        snprintf(source, sizeof source, "%.4000s/../themes", exe);
    }
    if (config != NULL && config[0] == '/')
        snprintf(home, sizeof home, "%.4000s/n1top/themes", config);
    else if (user != NULL && user[0] == '/')
        snprintf(home, sizeof home, "%.4000s/.config/n1top/themes", user);
    const char *folders[] = {home[0] ? home : "/nonexistent", "/etc/n1top/themes", beside[0] ? beside : NULL,
                             source[0] ? source : NULL, NULL};
    struct n1_error error = {0};
    if (n1_theme_load(name, folders, &looks->theme, &error) < 0) {
        n1_theme_builtin(&looks->theme);
        snprintf(looks->notice, sizeof looks->notice, "%s; %s", error.what, error.hint);
    }
}

static int decide_looks(const struct choice *choice, const struct n1_config *config, struct looks *looks,
                        struct n1_error *reterr)
{
    static const char *const colors[] = {"auto", "never", "8", "16", "256", "rgb", NULL};
    static const char *const glyphs[] = {"auto", "braille", "block", "ascii", NULL};
    static const char *const motions[] = {"auto", "sweep", "scroll", NULL};
    int color, set, motion, rc;
    enum n1_glyph_set chosen = N1_GLYPH_SET_ASCII;
    memset(looks, 0, sizeof *looks);
    if ((rc = choose("--color", choice->color, colors, config->color, &color, reterr)) < 0 ||
        (rc = choose("--glyphs", choice->glyphs, glyphs, config->glyphs, &set, reterr)) < 0 ||
        (rc = choose("--motion", choice->motion, motions, config->motion, &motion, reterr)) < 0)
        return rc;
    n1_color_parse(colors[color], &looks->color);
    n1_glyphs_parse(glyphs[set], getenv("TERM"), &chosen);
    looks->glyphs = n1_glyphs_get(chosen);
    /* A sweep costs a fifth of the bytes, which only a local terminal does not mind. */
    looks->motion = motion == 2 ? N1_SPARK_SCROLL : N1_SPARK_SWEEP;
    const char *name = choice->theme ? choice->theme : config->theme;
    find_theme(name && name[0] && strcmp(name, "default") != 0 ? name : "default-dark", looks);
    return 0;
}

static int join(const char *name, struct n1_session **ret, struct n1_error *reterr)
{
    struct n1_waiting_list list;
    n1_waiting_find(&list, ASK_MS);
    int at = n1_waiting_choose(&list, name, reterr);
    if (at == N1_E_USAGE)
        n1_waiting_print(&list, name, stderr);
    if (at >= 0) {
        struct n1_waiting *w = &list.items[at];
        int socket = w->socket;
        w->socket = -1;
        at = n1_session_join(socket, w->sampler, ret, reterr);
    }
    n1_waiting_finish(&list);
    return at;
}

static int start(struct choice *choice, const struct n1_config *config, struct n1_session **ret,
                 struct n1_error *reterr)
{
    if (choice->attach)
        return join(choice->file, ret, reterr);
    if (choice->file != NULL)
        return n1_session_replay(choice->file, ret, reterr);
    if (!config->enabled)
        return n1_error_hint(reterr, N1_E_CONFIG, "set profiling.enabled to true",
                             "the configuration forbids profiling");
    struct n1_session_options options = {.pids = choice->pids,
                                         .pid_count = choice->pid_count,
                                         .command = choice->command,
                                         .rate_hz = choice->rate_hz,
                                         .linger_s =
                                             choice->linger_s >= 0 ? choice->linger_s : config->linger_s,
                                         .engine = choice->engine,
                                         .config = choice->config,
                                         .log = choice->log,
                                         .children = choice->children};
    return n1_session_start(&options, ret, reterr);
}

static struct n1_batch_options batch_options(const struct choice *choice, const struct n1_config *config,
                                             const struct looks *looks)
{
    double refresh = choice->refresh_s > 0 ? choice->refresh_s : config->refresh_s;
    return (struct n1_batch_options){.glyphs = looks->glyphs,
                                     .motion = looks->motion,
                                     .rows = choice->rows   ? choice->rows
                                             : choice->dump ? 24
                                                            : 40,
                                     .cols = choice->cols   ? choice->cols
                                             : choice->dump ? 80
                                                            : 120,
                                     .keys = choice->keys,
                                     .roles = choice->dump,
                                     .low_bandwidth = choice->low,
                                     .refresh_ms =
                                         refresh >= 0.25 && refresh <= 10 ? (unsigned)(refresh * 1000) : 1000,
                                     .pictures = (unsigned)choice->pictures};
}

static int dump(struct choice *choice, const struct n1_config *config, const struct looks *looks,
                struct n1_error *reterr)
{
    struct n1_session *session = NULL;
    struct n1_batch_options options = batch_options(choice, config, looks);
    if (choice->file == NULL)
        return n1_error_set(reterr, N1_E_USAGE, "--dump-frame needs a recording");
    int rc = n1_session_replay(choice->file, &session, reterr);
    if (rc == 0 && choice->redact)
        n1_session_redact(session);
    if (rc == 0)
        rc = n1_batch_dump(session, &options, stdout, reterr);
    n1_session_destroy(session);
    return rc;
}

/* Returns the exit status. */
static int batch(struct choice *choice, const struct n1_config *config, const struct looks *looks,
                 struct n1_error *reterr)
{
    struct n1_session *session = NULL;
    struct n1_batch_options options = batch_options(choice, config, looks);
    if (choice->file == NULL && choice->command == NULL && choice->pid_count == 0 && !choice->attach)
        return n1_error_exit_status(
            n1_error_set(reterr, N1_E_USAGE, "--batch: name a process with -p, or a recording"));
    int rc = n1_signals_open();
    if (rc == 0)
        rc = start(choice, config, &session, reterr);
    if (rc == 0 && (choice->redact || config->redact))
        n1_session_redact(session);
    int status = rc < 0 ? n1_error_exit_status(rc) : n1_batch_run(session, &options, stdout, reterr);
    n1_session_destroy(session);
    n1_signals_close();
    return status;
}

/* The screen is open from here on; returns the exit status and closes it. */
static int run(struct choice *choice, const struct n1_config *config, const struct looks *looks,
               struct n1_screen *screen, struct n1_session *session, struct n1_error *reterr)
{
    bool failed = false;
    if (session == NULL && choice->command == NULL && choice->pid_count == 0) {
        int rc = n1_picker_run(screen, looks->glyphs, &choice->pids[0]);
        if (rc != 0) {
            n1_screen_close(screen);
            return rc == 1 ? 0 : rc > 0 ? rc : rc == -EIO ? 129 : 1;
        }
        choice->pid_count = 1;
    }
    if (session == NULL && start(choice, config, &session, reterr) < 0)
        failed = true;
    if (failed) {
        n1_screen_close(screen);
        return n1_error_exit_status(reterr->code);
    }
    double refresh = choice->refresh_s > 0 ? choice->refresh_s : config->refresh_s;
    struct n1_live_options options = {
        .screen = screen,
        .glyphs = looks->glyphs,
        .refresh_ms = refresh >= 0.25 && refresh <= 10 ? (unsigned)(refresh * 1000) : 1000,
        .motion = looks->motion,
        .low_bandwidth = choice->low,
        .output_dir = config->output_dir,
        .max_history = config->max_history,
        .notice = looks->notice};
    if (choice->redact || config->redact)
        n1_session_redact(session);
    int status = n1_live_run(session, &options, reterr);
    n1_session_destroy(session);
    return status;
}

int n1_live_main(int argc, char **argv)
{
    struct choice choice = {.linger_s = -1};
    struct n1_config config = {0};
    struct n1_error error = {0};
    struct looks looks;
    struct n1_screen *screen = NULL;
    struct n1_session *session = NULL;
    int rc = parse(&choice, argc, argv, &error), status = 0;
    if (rc == 1)
        return 0;
    if (rc == 0)
        rc = n1_config_load(&config, choice.config, &error);
    if (rc == 0)
        rc = decide_looks(&choice, &config, &looks, &error);
    for (size_t i = 0; rc == 0 && i < config.keys.count; i++)
        rc = n1_keys_bind(config.keys.pairs[i].key, config.keys.pairs[i].value, &error);
    if (rc == 0)
        rc = n1_keys_check(&error);
    if (rc == 0 && choice.dump) {
        rc = dump(&choice, &config, &looks, &error);
        n1_config_finish(&config);
        return rc < 0 ? n1_error_print(&error) : 0;
    }
    if (rc == 0 && choice.batch) {
        error = (struct n1_error){0};
        status = batch(&choice, &config, &looks, &error);
        n1_config_finish(&config);
        if (error.code != 0)
            n1_error_print(&error);
        return status;
    }
    if (rc == 0)
        rc = n1_screen_check(&error);
    if (rc == 0 && (choice.file != NULL ||
                    choice.attach)) /* what cannot be read or joined is told before the screen is taken */
        rc = start(&choice, &config, &session, &error);
    if (rc == 0)
        rc = n1_screen_open(&looks.theme, looks.color, &screen, &error);
    if (rc == 0)
        rc = n1_signals_open();
    if (rc == 0) {
        error = (struct n1_error){0};
        status = run(&choice, &config, &looks, screen, session, &error);
        n1_signals_close();
    } else {
        n1_screen_close(screen);
    }
    n1_config_finish(&config);
    if (rc < 0 || (status != 0 && error.code != 0))
        return n1_error_print(&error);
    return status;
}
