/*
 * Truth: 300 threads a second (or argument 1), each named churn-N, burns about 1 ms in churn_work and ends.
 * The truth file has the seconds in churn_work and counts.threads, the threads started.
 */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>

static struct truth_row *work, *started;

TARGET_FUNCTION static uint64_t churn_work(uint64_t ns)
{
    return spin(ns) + 1;
}

static void *run(void *arg)
{
    (void)arg;
    uint64_t before = thread_cpu_ns();
    churn_work(1000000);
    truth_add(work, thread_cpu_ns() - before);
    return NULL;
}

int main(int argc, char **argv)
{
    char name[16];
    target_begin(&argc, argv);
    double rate = argc > 1 ? atof(argv[1]) : 300;
    work = truth_function("churn_work");
    started = truth_count("threads");
    target_ready();
    uint64_t start = mono_ns();
    while (target_poll()) {
        uint64_t due = (uint64_t)((double)(mono_ns() - start) / 1e9 * rate);
        /* On a busy machine it falls behind for good rather than start a flood. */
        if (due > truth_value(started) + 50)
            start += 100000000;
        if (due <= truth_value(started)) {
            sleep_ms(1);
            continue;
        }
        snprintf(name, sizeof(name), "churn-%u", (unsigned)truth_value(started));
        target_thread(name, run, NULL);
        truth_add(started, 1);
    }
    sleep_ms(50);
    target_end(0);
}
