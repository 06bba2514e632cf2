/*
 * The table of commands and the one parser of their options.
 */
#include "tui/commands/command.h"

#include "tui/resolve.h"

#include "n1/profile.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

extern const struct n1_command n1_command_alerts, n1_command_record, n1_command_report, n1_command_export,
    n1_command_leaks, n1_command_lines, n1_command_dump, n1_command_doctor, n1_command_status;

const struct n1_command *const n1_commands[] = {
    &n1_command_record, &n1_command_report, &n1_command_export, &n1_command_lines,  &n1_command_leaks,
    &n1_command_alerts, &n1_command_dump,   &n1_command_doctor, &n1_command_status, NULL,
};

const struct n1_command *n1_command_find(const char *name)
{
    for (size_t i = 0; n1_commands[i]; i++)
        if (!strcmp(n1_commands[i]->name, name))
            return n1_commands[i];
    return NULL;
}

void n1_command_list(FILE *out)
{
    for (size_t i = 0; n1_commands[i]; i++)
        fprintf(out, "  n1top %-50s %s\n", n1_commands[i]->usage, n1_commands[i]->text);
}

struct option_line {
    char takes; /* letter of N1_TAKES_…; 0: every command */
    const char *name;
    char letter;          /* short option; 0: none */
    const char *argument; /* NULL: a switch */
    const char *text;
};

static const struct option_line lines[] = {
    {'p', "pid", 'p', "PID|NAME|UNIT", "process to watch; may be given more than once"},
    {'d', "duration", 'd', "SEC", "stop after so many seconds"},
    {'r', "rate", 'r', "HZ", "samples a second and thread on CPU, 1 to 20000"},
    {'o', "output", 'o', "FILE", "where to write; - is standard output"},
    {'F', "format", 'f', "F", "model, json, text, collapsed, svg"},
    {'O', "of", 0, "WHAT",
     "stacks of cpu (default), waits, wall (both), memory (first touched), kept (traced)"},
    {'e', "engine", 0, "ENGINE", "auto, perf, ptrace or nonstop"},
    {'t', "top", 'n', "N", "number of functions"},
    {'R', "redact", 0, NULL, "leave out command lines, labels, folders, host and user names"},
    {'j', "json", 0, NULL, "as JSON"},
    {'N', "function", 0, "NAME", "the function meant"},
    {'T', "trace", 0, NULL, "trace the allocator also when that slows the process"},
    {'m', "memory", 0, NULL, "sample page faults too: who touches memory first"},
    {'C', "children", 0, NULL, "watch children of the process too"},
    {0, "config", 0, "FILE", "configuration file"},
    {0, "log", 0, "FILE", "write what happens to a log file"},
    {0, "help", 'h', NULL, "this text"},
};
enum { LINES = sizeof lines / sizeof *lines, LONG_BASE = 1000 };

static bool taken(const struct n1_command *command, const struct option_line *line)
{
    return !line->takes || strchr(command->options, line->takes);
}

static void help(const struct n1_command *command)
{
    printf("n1top %s\n%s\n\n", command->usage, command->text);
    for (size_t i = 0; i < LINES; i++) {
        if (!taken(command, &lines[i]))
            continue;
        char left[64];
        snprintf(left, sizeof left, "%s%c%s--%s%s%s", lines[i].letter ? "-" : "  ",
                 lines[i].letter ? lines[i].letter : ' ', lines[i].letter ? ", " : " ", lines[i].name,
                 lines[i].argument ? " " : "", lines[i].argument ? lines[i].argument : "");
        printf("  %-28s %s\n", left, lines[i].text);
    }
    if (command->details)
        printf("\n%s\n", command->details);
}

static int number(const char *option, const char *text, double min, double max, double *ret,
                  struct n1_error *reterr)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (errno || end == text || *end || !(value >= min && value <= max))
        return n1_error_set(reterr, N1_E_USAGE, "--%s takes a number from %g to %g, not '%s'", option, min,
                            max, text);
    *ret = value;
    return 0;
}

static const char *const engines[] = {"auto", "perf", "ptrace", "nonstop", NULL};

static int take(struct n1_command_args *args, char takes, const char *name, const char *text,
                struct n1_error *reterr)
{
    double value = 0;
    int rc = 0;
    switch (takes) {
    case 'p': {
        size_t found = 0;
        rc = n1_process_resolve(text, args->pids + args->pid_count, N1_COMMAND_PIDS - args->pid_count, &found,
                                reterr);
        args->pid_count += rc < 0 ? 0 : found;
        return rc;
    }
    case 'd':
        return number(name, text, 0.01, 1e9, &args->seconds, reterr);
    case 'r':
        return number(name, text, 1, 20000, &args->rate_hz, reterr);
    case 't':
        rc = number(name, text, 1, 1e6, &value, reterr);
        args->top = (size_t)value;
        return rc;
    case 'o':
        args->output = text;
        return 0;
    case 'F':
        args->format = text;
        return 0;
    case 'e':
        for (const char *const *known = engines; *known; known++)
            if (!strcmp(*known, text)) {
                args->engine = text;
                return 0;
            }
        return n1_error_set(reterr, N1_E_USAGE, "--engine takes auto, perf, ptrace or nonstop, not '%s'",
                            text);
    case 'R':
        args->redact = true;
        return 0;
    case 'j':
        args->json = true;
        return 0;
    case 'C':
        args->children = true;
        return 0;
    case 'O':
        args->of = n1_profile_of_find(text);
        return args->of >= 0 ? 0
                             : n1_error_set(reterr, N1_E_USAGE,
                                            "--of takes cpu, waits, wall, memory or kept, not '%s'", text);
    case 'N':
        args->function = text;
        return 0;
    case 'T':
        args->trace = true;
        return 0;
    case 'm':
        args->memory = true;
        return 0;
    default:
        if (!strcmp(name, "config"))
            args->config = text;
        else
            args->log = text;
        return 0;
    }
}

/* Builds getopt's tables from the lines that the command takes. Returns 1 when help was asked for. */
static int parse(const struct n1_command *command, int argc, char **argv, struct n1_command_args *args,
                 struct n1_error *reterr)
{
    struct option longs[LINES + 1] = {0};
    char shorts[3 * LINES + 2] = "";
    size_t n = 0, s = 0;
    for (size_t i = 0; i < LINES; i++) {
        if (!taken(command, &lines[i]))
            continue;
        longs[n++] = (struct option){lines[i].name, lines[i].argument ? required_argument : no_argument, NULL,
                                     LONG_BASE + (int)i};
        if (lines[i].letter) {
            shorts[s++] = lines[i].letter;
            if (lines[i].argument)
                shorts[s++] = ':';
        }
    }
    opterr = 0;
    optind = 1;
    int end = argc; /* what follows "--" is the watched command's, untouched */
    if (strchr(command->options, 'x'))
        for (int i = 1; i < argc; i++)
            if (!strcmp(argv[i], "--")) {
                end = i;
                args->command = argv + i + 1;
                break;
            }
    int option;
    while ((option = getopt_long(end, argv, shorts, longs, NULL)) != -1) {
        const struct option_line *line = NULL;
        for (size_t i = 0; i < LINES && !line; i++)
            if (taken(command, &lines[i]) &&
                (option == LONG_BASE + (int)i || (lines[i].letter && option == lines[i].letter)))
                line = &lines[i];
        if (!line)
            return n1_error_hint(reterr, N1_E_USAGE, "see n1top COMMAND --help",
                                 "%s: unknown or incomplete option %s", command->name, argv[optind - 1]);
        if (!strcmp(line->name, "help"))
            return 1;
        int rc = take(args, line->takes, line->name, optarg ? optarg : "", reterr);
        if (rc < 0)
            return rc;
    }
    args->files = argv + optind;
    args->file_count = (size_t)(end - optind);
    if (args->file_count && !strchr(command->options, 'f'))
        return n1_error_set(reterr, N1_E_USAGE, "%s: unexpected argument '%s'", command->name,
                            args->files[0]);
    if (args->command && !args->command[0])
        return n1_error_set(reterr, N1_E_USAGE, "%s: no command after --", command->name);
    return 0;
}

int n1_command_main(const struct n1_command *command, int argc, char **argv)
{
    struct n1_command_args args = {0};
    struct n1_config config;
    struct n1_error err = {0};
    int rc = parse(command, argc, argv, &args, &err);
    if (rc == 1) {
        help(command);
        return 0;
    }
    if (rc == 0)
        rc = n1_config_load(&config, args.config, &err);
    if (rc < 0)
        return n1_error_print(&err);
    int status = command->run(&args, &config);
    n1_config_finish(&config);
    return status;
}
