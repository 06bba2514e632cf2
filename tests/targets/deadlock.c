/*
 * Truth: after --after SECONDS (default 0) the threads dead-0, dead-1 and dead-2 each hold one of three
 * mutexes and wait for the next one's: a deadlock. victim waits for the first mutex and is no part of the
 * circle; idle waits for a condition variable. Counts: tid-dead-0 … tid-victim are kernel thread ids,
 * deadlock-ns is when the circle closed (CLOCK_MONOTONIC).
 */
#include "target.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEAD = 3 };
static pthread_mutex_t locks[DEAD] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
                                      PTHREAD_MUTEX_INITIALIZER};
static pthread_mutex_t quiet = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t held;
static struct truth_row *tids[DEAD + 1], *closed;
static unsigned after_ms;

TARGET_FUNCTION static void take_second(int i)
{
    pthread_mutex_lock(&locks[(i + 1) % DEAD]);
    target_die("no deadlock");
}

TARGET_FUNCTION static void *take_first(void *arg)
{
    int i = (int)(intptr_t)arg;
    truth_add(tids[i], (uint64_t)gettid());
    pthread_mutex_lock(&locks[i]);
    pthread_barrier_wait(&held);
    sleep_ms(after_ms);
    if (i == 0)
        truth_add(closed, mono_ns());
    take_second(i);
    return arg;
}

TARGET_FUNCTION static void *be_victim(void *arg)
{
    truth_add(tids[DEAD], (uint64_t)gettid());
    pthread_barrier_wait(&held);
    pthread_mutex_lock(&locks[0]);
    return arg;
}

TARGET_FUNCTION static void *be_idle(void *arg)
{
    pthread_mutex_lock(&quiet);
    for (;;)
        pthread_cond_wait(&never, &quiet);
    return arg;
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    if (argc == 3 && !strcmp(argv[1], "--after"))
        after_ms = (unsigned)(atof(argv[2]) * 1000);
    static const char *const names[] = {"tid-dead-0", "tid-dead-1", "tid-dead-2", "tid-victim"};
    for (int i = 0; i <= DEAD; i++)
        tids[i] = truth_count(names[i]);
    closed = truth_count("deadlock-ns");
    pthread_barrier_init(&held, NULL, DEAD + 2);
    for (int i = 0; i < DEAD; i++) {
        char name[16];
        snprintf(name, sizeof name, "dead-%d", i);
        target_thread(name, take_first, (void *)(intptr_t)i);
    }
    target_thread("victim", be_victim, NULL);
    target_thread("idle", be_idle, NULL);
    pthread_barrier_wait(&held);
    sleep_ms(50);
    target_ready();
    target_wait();
    target_end(0);
}
