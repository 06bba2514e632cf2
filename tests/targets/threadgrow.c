/*
 * Truth: spawn_and_keep starts argument 1 threads a second (10), up to argument 2 (400), which sleep for
 * good; decoy_spawn starts as many that end at once. counts.kept is the number held beside the main thread.
 */
#include "target.h"

#include <stdlib.h>

static void *sleep_for_good(void *arg)
{
    for (;;)
        sleep_ms(3600000);
    return arg;
}

static void *end_at_once(void *arg)
{
    return arg;
}

TARGET_FUNCTION static void spawn_and_keep(struct truth_row *kept)
{
    target_thread("kept", sleep_for_good, NULL);
    truth_add(kept, 1);
}

TARGET_FUNCTION static void decoy_spawn(struct truth_row *ended)
{
    target_thread("decoy", end_at_once, NULL);
    truth_add(ended, 1);
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    double rate = argc > 1 ? atof(argv[1]) : 10;
    uint64_t most = argc > 2 ? strtoull(argv[2], NULL, 10) : 400;
    struct truth_row *kept = truth_count("kept"), *ended = truth_count("ended");
    target_ready();
    uint64_t start = mono_ns();
    while (target_poll()) {
        double at = (double)(mono_ns() - start) / 1e9;
        while ((double)truth_value(kept) < rate * at && truth_value(kept) < most) {
            spawn_and_keep(kept);
            decoy_spawn(ended);
        }
        sleep_ms(5);
    }
    target_end(0);
}
