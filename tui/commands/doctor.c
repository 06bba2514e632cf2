/*
 * `n1top doctor`: only the sampler can tell what the sampler may do, so it is the sampler that runs.
 */
#include "tui/commands/command.h"
#include "tui/launch.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int run(const struct n1_command_args *args, const struct n1_config *config)
{
    (void)config;
    struct n1_error err = {0};
    char path[4200], pid[16];
    char *argv[8] = {path, "--doctor"};
    size_t n = 2;
    if (args->pid_count > 1)
        n1_error_set(&err, N1_E_USAGE, "doctor: one process at a time");
    else
        n1_launch_find_sampler(path, sizeof path, &err);
    if (err.code)
        return n1_error_print(&err);
    if (args->pid_count) {
        snprintf(pid, sizeof pid, "%d", (int)args->pids[0]);
        argv[n++] = "-p";
        argv[n++] = pid;
    }
    if (args->config) {
        argv[n++] = "--config";
        argv[n++] = (char *)args->config;
    }
    execv(path, argv);
    n1_error_set(&err, -errno, "cannot run %s: %s", path, strerror(errno));
    return n1_error_print(&err);
}

const struct n1_command n1_command_doctor = {
    .name = "doctor",
    .usage = "doctor [-p PID]",
    .text = "what is possible here, what is refused by what, and the remedy",
    .options = N1_TAKES_PID,
    .run = run,
};
