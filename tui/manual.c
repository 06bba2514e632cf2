/*
 * `n1top --manual > tui/n1top.1`. Text for roff: a backslash, and a dot or quote at the start of a line, are
 * escaped.
 */
#include "tui/manual.h"

#include "tui/commands/command.h"
#include "tui/keys.h"
#include "tui/live_options.h"

static void text(FILE *out, const char *s)
{
    for (const char *at = s; *at; at++) {
        if ((at == s || at[-1] == '\n') && (*at == '.' || *at == '\''))
            fputs("\\&", out);
        if (*at == '\\')
            fputs("\\e", out);
        else if (*at == '-')
            fputs("\\-", out);
        else
            fputc(*at, out);
    }
}

static void options(FILE *out)
{
    size_t count;
    const struct n1_live_option *all = n1_live_options(&count);
    fputs(".SH OPTIONS\n", out);
    for (size_t i = 0; i < count; i++) {
        if (!all[i].text)
            continue;
        fputs(".TP\n.B ", out);
        if (all[i].value < 128)
            fprintf(out, "\\-%c, ", all[i].value);
        fputs("\\-\\-", out);
        text(out, all[i].name);
        if (all[i].argument)
            fprintf(out, " \\fI%s\\fR", all[i].argument);
        fputc('\n', out);
        text(out, all[i].text);
        fputc('\n', out);
    }
}

static void commands(FILE *out)
{
    fputs(".SH COMMANDS\n", out);
    for (size_t i = 0; n1_commands[i]; i++) {
        fputs(".TP\n.B n1top ", out);
        text(out, n1_commands[i]->usage);
        fputc('\n', out);
        text(out, n1_commands[i]->text);
        fputs(".\n", out);
        if (n1_commands[i]->details) {
            text(out, n1_commands[i]->details);
            fputc('\n', out);
        }
    }
}

static void keys(FILE *out)
{
    size_t count;
    const struct n1_key_binding *bindings = n1_keys(&count);
    fputs(".SH KEYS\n", out);
    for (size_t i = 0; i < count; i++) {
        char name[12];
        n1_keys_name(name, bindings[i].key);
        fputs(".TP\n.B ", out);
        text(out, name);
        if (bindings[i].key2) {
            n1_keys_name(name, bindings[i].key2);
            fputs(" ", out);
            text(out, name);
        }
        fputc('\n', out);
        text(out, bindings[i].help);
        fputc('\n', out);
    }
}

static const char head[] =
    ".\\\" Made by `n1top --manual`; do not edit.\n"
    ".TH N1TOP 1 \"\" \"n1top " N1_VERSION "\" \"User Commands\"\n"
    ".SH NAME\n"
    "n1top \\- see where a running process spends its time and memory, live\n"
    ".SH SYNOPSIS\n"
    ".nf\n"
    ".B n1top\n"
    ".B n1top \\-p \\fIPID\\fR|\\fINAME\\fR|\\fIUNIT.service\\fR [\\fIoptions\\fR]\n"
    ".B n1top [\\fIoptions\\fR] \\-\\- \\fICOMMAND\\fR [\\fIARG\\fR...]\n"
    ".B n1top \\-\\-attach [\\fINAME\\fR|\\fIPID\\fR]\n"
    ".B n1top \\fIFILE\\fR\n"
    ".B n1top \\fICOMMAND\\fR ...\n"
    ".fi\n"
    ".SH DESCRIPTION\n"
    "n1top attaches to a native or CPython process that is already running, leaves it as it was, "
    "and shows on a terminal where its\n"
    "CPU time and memory go: hotspots, callers and callees, a flame graph, memory, "
    "threads, and a log of anomalies.\n"
    "Nothing is injected, and no restart or rebuild is needed. A native process is never "
    "stopped; threads of CPython, and of\n"
    "any process where perf is refused, are stopped for some microseconds a sample. "
    "Without arguments a list\n"
    "of processes is shown to choose from.\n"
    ".PP\n"
    "Figures are sampled CPU time. Sampling knows no calls: a share has a sampling "
    "error, which the reports print.\n"
    "What is unknown is shown as a dash with its reason, never as zero; samples that "
    "were lost or cut short are\n"
    "counted and shown.\n";

static const char tail[] =
    ".SH EXIT STATUS\n"
    "0 fine; 1 the job failed; 2 wrong usage or configuration, or a file that is not there; 3 no such "
    "process, or it\n"
    "ended before the first sample; 4 not permitted (the message names the check and the remedy); 5 the "
    "input file is\n"
    "damaged or not one of n1top's.\n"
    ".SH FILES\n"
    ".TP\n.I $XDG_CONFIG_HOME/n1top/config.json, /etc/n1top/config.json\nthe configuration; the first that "
    "is there\n"
    ".TP\n.I /run/n1top/UID, /tmp/n1top\\-UID\nsockets of samplers that can be joined; N1TOP_RUN names "
    "another "
    "folder\n"
    ".SH WHEN THE LINE DROPS\n"
    "Sampling goes on for profiling.linger (600 s), or as long as was asked with D, and\n"
    ".B n1top \\-\\-attach\n"
    "finds it with its history, from another login too. A second screen may only look until the first has "
    "left. A "
    "target\n"
    "that ends meanwhile keeps its history until that time is over. Sampling stops early when it costs more "
    "than\n"
    "limits.cpu_percent over 30 s, and the sampler ends when it holds more than twice limits.memory_mb. "
    "Where "
    "logind has\n"
    "KillUserProcesses=yes the sampler dies with the login, unless lingering is enabled for the user "
    "(loginctl enable\\-linger) and "
    "n1top was started by\n"
    ".BR \"systemd\\-run \\-\\-user \\-\\-scope\" .\n"
    ".SH PERMISSIONS\n"
    "Own processes can be watched with kernel.perf_event_paranoid at 2 or below; root, or CAP_PERFMON and\n"
    "CAP_SYS_PTRACE on n1top\\-sampler, is needed for those of others and for kernel frames.\n"
    ".B n1top doctor\n"
    "says what is possible, what is refused by what, and the remedy.\n"
    ".SH SEE ALSO\n"
    ".BR perf (1),\n"
    ".BR top (1)\n";

void n1_manual_write(FILE *out)
{
    fputs(head, out);
    options(out);
    commands(out);
    keys(out);
    fputs(tail, out);
}
