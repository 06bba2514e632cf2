/*
 * Truth: descend calls itself to 60 frames, then bottom, then spin. descend and bottom have all the CPU time
 * but for the loop in main, counted once however deep the recursion; counts.depth is 60.
 */
#include "target.h"

#define DEPTH 60

TARGET_FUNCTION static uint64_t bottom(uint64_t ns)
{
    return spin(ns) + 1;
}

TARGET_FUNCTION static uint64_t descend(int depth, uint64_t ns)
{
    return (depth > 1 ? descend(depth - 1, ns) : bottom(ns)) + 1;
}

static uint64_t run(uint64_t ns)
{
    return descend(DEPTH, ns);
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    struct share all = {run, truth_function("descend"), 1};
    struct truth_row *as_bottom = truth_function("bottom");
    truth_add(truth_count("depth"), DEPTH);
    target_ready();
    while (target_poll()) {
        uint64_t before = truth_value(all.row);
        share_step(&all, 1);
        truth_add(as_bottom, truth_value(all.row) - before);
    }
    target_end(0);
}
