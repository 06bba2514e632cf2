/*
 * Truth: two threads, ping and pong, wake each other through two pipes and do nothing else; counts.rounds is
 * the number of there-and-backs, two context switches each when they share a CPU (argument 1 = "same").
 */
#include "target.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

static int to_pong[2], to_ping[2];
static bool same_cpu;
static struct truth_row *rounds;

static void settle(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    if (same_cpu && sched_setaffinity(0, sizeof(one), &one) < 0)
        target_die("sched_setaffinity");
}

TARGET_FUNCTION static void pass(int from, int to)
{
    char ball;
    if (read(from, &ball, 1) != 1 || write(to, &ball, 1) != 1)
        target_die("pipe");
}

static void *ping(void *arg)
{
    settle();
    for (;;) {
        pass(to_ping[0], to_pong[1]);
        truth_add(rounds, 1);
    }
    return arg;
}

static void *pong(void *arg)
{
    settle();
    for (;;)
        pass(to_pong[0], to_ping[1]);
    return arg;
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    same_cpu = argc > 1 && !strcmp(argv[1], "same");
    rounds = truth_count("rounds");
    if (pipe(to_pong) < 0 || pipe(to_ping) < 0)
        target_die("pipe");
    target_thread("ping", ping, NULL);
    target_thread("pong", pong, NULL);
    if (write(to_ping[1], "o", 1) != 1)
        target_die("write");
    target_ready();
    target_wait();
    target_end(0);
}
