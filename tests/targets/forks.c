/*
 * Truth: a pre-forking server: the parent burns a tenth of a CPU in parent_hot; argument 1 workers (3) burn a
 * fifth each in worker_hot, and with argument 2 > 0 each worker ends after that many milliseconds and is
 * replaced. The truth file has the seconds of both functions over all processes, and counts.workers started.
 */
#include "target.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

TARGET_FUNCTION static uint64_t parent_hot(uint64_t ns)
{
    return spin(ns) + 1;
}

TARGET_FUNCTION static uint64_t worker_hot(uint64_t ns)
{
    return spin(ns) + 2;
}

static void work(struct truth_row *row, uint64_t life_ms)
{
    struct share share = {worker_hot, row, 1};
    uint64_t start = mono_ns();
    while (target_poll() && (!life_ms || mono_ns() - start < life_ms * 1000000)) {
        uint64_t before = thread_cpu_ns();
        share_step(&share, 1);
        sleep_ms((unsigned)(4 * (thread_cpu_ns() - before) / 1000000) + 1);
    }
    _exit(0);
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    int workers = argc > 1 ? atoi(argv[1]) : 3, alive = 0;
    uint64_t life_ms = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    struct share share = {parent_hot, truth_function("parent_hot"), 1};
    struct truth_row *row = truth_function("worker_hot"), *started = truth_count("workers");
    bool ready = false;
    while (target_poll()) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            alive--;
        for (; alive < workers; alive++) {
            pid_t pid = fork();
            if (pid < 0)
                target_die("fork");
            if (pid == 0) {
                target_child();
                work(row, life_ms);
            }
            truth_add(started, 1);
        }
        if (!ready)
            target_ready();
        ready = true;
        uint64_t before = thread_cpu_ns();
        share_step(&share, 1);
        sleep_ms((unsigned)(9 * (thread_cpu_ns() - before) / 1000000) + 1);
    }
    target_end(0);
}
