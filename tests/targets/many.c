/*
 * Truth: one thread; sixteen functions work_a … work_p get a sixteenth of the CPU time each by the thread's
 * own clock, give or take a tenth, so that a table of them never stands still. The truth file has the seconds
 * of each.
 */
#include "target.h"

#define EACH(X) X(a) X(b) X(c) X(d) X(e) X(f) X(g) X(h) X(i) X(j) X(k) X(l) X(m) X(n) X(o) X(p)

/* Each has a loop of its own, so that its self time is its total. */
#define DEFINE(letter)                                                                                       \
    TARGET_FUNCTION static uint64_t work_##letter(uint64_t ns)                                               \
    {                                                                                                        \
        uint64_t x = ns | 1;                                                                                 \
        for (uint64_t i = 0; i < ns; i++)                                                                    \
            x = x * 6364136223846793005u + #letter[0];                                                       \
        return x;                                                                                            \
    }
EACH(DEFINE)

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    struct share shares[] = {
#define SHARE(letter) {work_##letter, truth_function("work_" #letter), 1.0 / 16},
        EACH(SHARE)};
    target_ready();
    while (target_poll())
        share_step(shares, sizeof shares / sizeof shares[0]);
    target_end(0);
}
