/*
 * Truth: one thread; hot_a, hot_b and hot_c call the same leaf, spin, and get 50, 30 and 20 % of the CPU time
 * by the thread's own clock. The truth file has the seconds of each. Built in variants: stripped, static-pie,
 * with frame pointers, with a separate debug file, with a compressed symbol table (.gnu_debugdata).
 */
#include "target.h"

TARGET_FUNCTION static uint64_t hot_a(uint64_t ns)
{
    return spin(ns) + 1;
}

TARGET_FUNCTION static uint64_t hot_b(uint64_t ns)
{
    return spin(ns) + 2;
}

TARGET_FUNCTION static uint64_t hot_c(uint64_t ns)
{
    return spin(ns) + 3;
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    struct share shares[] = {
        {hot_a, truth_function("hot_a"), 0.5},
        {hot_b, truth_function("hot_b"), 0.3},
        {hot_c, truth_function("hot_c"), 0.2},
    };
    target_ready();
    while (target_poll())
        share_step(shares, 3);
    target_end(0);
}
