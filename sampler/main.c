/*
 * n1top-sampler: started by n1top (or run by hand without --control, then it says why it cannot start, and
 * ends).
 */
#include "sampler/doctor.h"
#include "sampler/options.h"
#include "sampler/reach.h"
#include "sampler/rights.h"
#include "sampler/symbols/symbols.h"
#include "sampler/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int doctor(const struct n1_options *options)
{
    struct n1_config config = {0};
    struct n1_error err = {0};
    if (n1_config_load(&config, options->config, &err) < 0)
        return n1_error_print(&err);
    n1_reach_configure(&config);
    int status = n1_doctor(stdout, options->pid_count ? options->pids[0] : 0, n1_reach_lines);
    n1_config_finish(&config);
    return status;
}

int main(int argc, char **argv)
{
    /* The helper parses hostile files: nothing may have happened in its process before it drops its rights.
     */
    if (argc == 3 && !strcmp(argv[1], N1_SYMBOLS_HELPER_ARG)) {
        n1_rights_tell_refused(); /* it is born under the sampler's list */
        return n1_symbols_helper_main(atoi(argv[2]));
    }

    struct n1_options options;
    struct n1_error err = {0};
    if (n1_options_parse(argc, argv, &options, &err) < 0)
        return n1_error_print(&err);
    return options.doctor ? doctor(&options) : n1_watch_run(&options);
}
