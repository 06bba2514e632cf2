/* Truth: burns CPU in last_words for argument 1 milliseconds (300) of wall time, then exits with status 7. */
#include "target.h"

#include <stdlib.h>

TARGET_FUNCTION static uint64_t last_words(uint64_t ns)
{
    return spin(ns) + 1;
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    struct share all = {last_words, truth_function("last_words"), 1};
    uint64_t end = mono_ns() + (argc > 1 ? strtoull(argv[1], NULL, 10) : 300) * 1000000;
    target_ready();
    while (mono_ns() < end && target_poll())
        share_step(&all, 1);
    target_end(7);
}
