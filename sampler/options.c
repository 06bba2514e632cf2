/*
 * One table line an option.
 */
#include "sampler/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const struct option long_options[] = {
    {"control", required_argument, NULL, 'c'}, {"pid", required_argument, NULL, 'p'},
    {"rate", required_argument, NULL, 'r'},    {"memory", required_argument, NULL, 'm'},
    {"engine", required_argument, NULL, 'e'},  {"config", required_argument, NULL, 'f'},
    {"log", required_argument, NULL, 'l'},     {"cpus", required_argument, NULL, 'n'},
    {"children", no_argument, NULL, 'C'},      {"dump", no_argument, NULL, 'D'},
    {"doctor", no_argument, NULL, 'd'},        {"faults", no_argument, NULL, 'F'},
    {"linger", required_argument, NULL, 'L'},  {0},
};

static bool number(const char *text, double min, double max, double *ret)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (errno || end == text || *end || !(value >= min && value <= max))
        return false;
    *ret = value;
    return true;
}

static bool known_engine(const char *name)
{
    static const char *const names[] = {"auto", "perf", "ptrace", "nonstop"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static bool take(struct n1_options *o, int option, const char *text)
{
    double value = 0;
    switch (option) {
    case 'c':
        if (!number(text, 3, 65535, &value))
            return false;
        o->control = (int)value;
        return true;
    case 'p':
        if (!number(text, 1, 1 << 30, &value) || value != (pid_t)value || o->pid_count == N1_TARGETS_MAX)
            return false;
        o->pids[o->pid_count++] = (pid_t)value;
        return true;
    case 'r':
        return number(text, 1, 20000, &o->rate_hz);
    case 'L':
        return number(text, 0, 1e7, &o->linger_s);
    case 'm':
        if (!number(text, 4, 16384, &value))
            return false;
        o->memory_mb = (uint64_t)value;
        return true;
    case 'n':
        if (!number(text, 1, 4096, &value))
            return false;
        o->cpus = (unsigned)value;
        return true;
    case 'e':
        o->engine = text;
        return known_engine(text);
    case 'f':
        o->config = text;
        return true;
    case 'l':
        o->log = text;
        return true;
    case 'C':
        return o->children = true;
    case 'D':
        return o->dump = true;
    case 'F':
        return o->faults = true;
    case 'd':
        return o->doctor = true;
    default:
        return false;
    }
}

int n1_options_parse(int argc, char **argv, struct n1_options *ret, struct n1_error *reterr)
{
    struct n1_options o = {.control = -1, .rate_hz = 0, .memory_mb = 0};
    optind = 1;
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, "p:", long_options, NULL)) != -1) {
        if (option == '?')
            return n1_error_set(reterr, N1_E_USAGE, "unknown or incomplete option %s", argv[optind - 1]);
        if (!take(&o, option, optarg ? optarg : ""))
            return n1_error_set(reterr, N1_E_USAGE, "bad value '%s'", optarg ? optarg : "");
    }
    if (optind < argc)
        return n1_error_set(reterr, N1_E_USAGE, "unexpected argument %s", argv[optind]);
    if (!o.pid_count && !o.doctor)
        return n1_error_hint(reterr, N1_E_USAGE, "n1top starts this program; run n1top -p PID",
                             "no process named");
    *ret = o;
    return 0;
}
