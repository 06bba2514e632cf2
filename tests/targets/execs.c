/*
 * Truth: burns CPU in before_exec for argument 1 milliseconds (1000), writes the truth, then becomes the
 * program argument 2 with the arguments that follow "--"; same PID, other code.
 */
#include "target.h"

#include <stdlib.h>
#include <unistd.h>

TARGET_FUNCTION static uint64_t before_exec(uint64_t ns)
{
    return spin(ns) + 1;
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    if (argc < 3)
        target_die("usage: execs MS -- PROGRAM [ARG...]");
    struct share all = {before_exec, truth_function("before_exec"), 1};
    uint64_t end = mono_ns() + strtoull(argv[1], NULL, 10) * 1000000;
    target_ready();
    while (mono_ns() < end && target_poll())
        share_step(&all, 1);
    truth_write();
    execv(argv[2], argv + 2);
    target_die(argv[2]);
}
