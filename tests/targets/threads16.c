/*
 * Truth: 16 threads worker-01 … worker-16; worker-K burns K/136 of 0.8 CPUs, the even ones in work_even, the
 * odd ones in work_odd (72 : 64), and sleeps the rest. The truth file has the seconds of each thread and
 * function.
 */
#include "target.h"

#include <stdio.h>

#define THREADS 16
#define CPUS 0.8

TARGET_FUNCTION static uint64_t work_even(uint64_t ns)
{
    return spin(ns) + 1;
}

TARGET_FUNCTION static uint64_t work_odd(uint64_t ns)
{
    return spin(ns) + 2;
}

struct worker {
    int number;
    struct truth_row *own, *function;
};

static void *run(void *arg)
{
    struct worker *w = arg;
    struct share share = {w->number % 2 ? work_odd : work_even, w->own, 1};
    double part = CPUS * w->number / (THREADS * (THREADS + 1) / 2);
    uint64_t start = mono_ns();
    for (;;) {
        uint64_t before = truth_value(w->own);
        if ((double)before > part * (double)(mono_ns() - start)) {
            sleep_ms(2);
            continue;
        }
        share_step(&share, 1);
        truth_add(w->function, truth_value(w->own) - before);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct worker workers[THREADS];
    char name[16];
    target_begin(&argc, argv);
    for (int i = 0; i < THREADS; i++) {
        snprintf(name, sizeof(name), "worker-%02d", i + 1);
        workers[i].number = i + 1;
        workers[i].own = truth_thread(name);
        workers[i].function = truth_function((i + 1) % 2 ? "work_odd" : "work_even");
        target_thread(name, run, &workers[i]);
    }
    target_ready();
    target_wait();
    target_end(0);
}
