/*
 * `n1top report` and `n1top export`: a recording in another form.
 */
#include "tui/commands/command.h"
#include "tui/commands/save.h"
#include "tui/rights.h"

#include <string.h>

static int convert(const struct n1_command_args *args, const struct n1_config *config, const char *format,
                   const char *output, const char *command)
{
    struct n1_error err = {0};
    struct n1_reader *r = NULL;
    char path[4096];
    if (args->file_count != 1) {
        n1_error_set(&err, N1_E_USAGE, "%s: name one recording", command);
        return n1_error_print(&err);
    }
    if (n1_reader_open_file(args->files[0], &r, &err) < 0)
        return n1_error_print(&err);
    if (n1_rights_drop(&err) < 0) {
        n1_reader_close(r);
        return n1_error_print(&err);
    }
    struct n1_filter filter = {.of = (enum n1_profile_of)args->of};
    struct n1_save save = {
        .format = format,
        .output = output,
        .output_dir = config->output_dir,
        .report = {.window = {0, UINT64_MAX},
                   .top = args->top,
                   .redact = args->redact || config->redact,
                   .max_history = config->max_history,
                   .filter = &filter},
    };
    int rc = n1_save(r, &save, path, sizeof path, &err);
    n1_reader_close(r);
    if (rc < 0)
        return n1_error_print(&err);
    if (strcmp(path, "-"))
        printf("%s\n", path);
    return 0;
}

static int run_report(const struct n1_command_args *args, const struct n1_config *config)
{
    return convert(args, config, "text", "-", "report");
}

const struct n1_command n1_command_report = {
    .name = "report",
    .usage = "report FILE [--top N]",
    .text = "hotspots of a recording as text",
    .options = N1_TAKES_FILE N1_TAKES_TOP N1_TAKES_REDACT,
    .run = run_report,
};

static int run_export(const struct n1_command_args *args, const struct n1_config *config)
{
    struct n1_error err = {0};
    if (!args->format || !n1_save_format_known(args->format)) {
        n1_error_hint(&err, N1_E_USAGE, "see n1top export --help", "export: %s",
                      args->format ? "unknown format" : "name a --format");
        return n1_error_print(&err);
    }
    if (args->of != N1_OF_CPU &&
        (!n1_report_format_find(args->format) || !n1_report_format_find(args->format)->any_of)) {
        n1_error_hint(&err, N1_E_USAGE, "use --format collapsed or svg", "export: %s is of CPU time only",
                      args->format);
        return n1_error_print(&err);
    }
    return convert(args, config, args->format, args->output, "export");
}

const struct n1_command n1_command_export = {
    .name = "export",
    .usage = "export FILE --format F [--of WHAT] [-o OUT]",
    .text = "a recording in another format",
    .options = N1_TAKES_FILE N1_TAKES_FORMAT N1_TAKES_OUTPUT N1_TAKES_TOP N1_TAKES_REDACT N1_TAKES_OF,
    .run = run_export,
};
