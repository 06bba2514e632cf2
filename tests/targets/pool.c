/*
 * Truth: a pool of many threads that each work a little: argument 1 threads (300), argument 2 microseconds of
 * CPU time a thread and second (2000), all of it in `task`, in one piece at a time of its own within each
 * second.
 */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>

static struct truth_row *row;
static uint64_t piece_ns = 2000000;

TARGET_FUNCTION static uint64_t task(uint64_t ns)
{
    uint64_t start = thread_cpu_ns(), sum = 0;
    while (thread_cpu_ns() - start < ns)
        sum += spin(20000);
    return sum + 1;
}

static void *work(void *arg)
{
    unsigned number = (unsigned)(uintptr_t)arg;
    sleep_ms(number * 7919 % 1000);
    for (;;) {
        uint64_t start = thread_cpu_ns();
        task(piece_ns);
        truth_add(row, thread_cpu_ns() - start);
        sleep_ms(900 + number * 31 % 200);
    }
    return arg;
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    int threads = argc > 1 ? atoi(argv[1]) : 300;
    if (argc > 2)
        piece_ns = strtoull(argv[2], NULL, 10) * 1000;
    row = truth_function("task");
    for (int i = 0; i < threads; i++) {
        char name[16];
        snprintf(name, sizeof(name), "pool-%04d", i % 10000);
        target_thread(name, work, (void *)(uintptr_t)i);
    }
    target_ready();
    target_wait();
    target_end(0);
}
