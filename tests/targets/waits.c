/*
 * Truth: --threads N threads (default 4) that do nothing but wait: each spends 40 % of its time for a mutex
 * (wait_lock; owner: lock-owner, which holds it for some milliseconds and lets it go), 30 % for the disk
 * (wait_disk: fdatasync of a file below --dir, default the working folder) and 30 % asleep (wait_sleep),
 * chosen step by step by what is furthest behind, each of some milliseconds of jittered length. Counts:
 * wait_lock, wait_disk, wait_sleep are nanoseconds by the threads' own clocks, less what they ran and queued
 * for a CPU; owner-tid is the kernel's id of lock-owner.
 * --part LOCK,DISK,SLEEP changes the parts (percent), --storm SECONDS begins with sleep alone for so long.
 */
#include "target.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KINDS = 3, THREADS_MAX = 2048 };
static pthread_mutex_t contended = PTHREAD_MUTEX_INITIALIZER;
static struct truth_row *rows[KINDS], *owner_row;
static double parts[KINDS] = {40, 30, 30};
static const char *dir = ".";
static uint64_t calm_until;

struct worker {
    uint64_t spent[KINDS];
    uint64_t random;
    int fd;
};

static unsigned jitter(struct worker *w, unsigned least, unsigned span)
{
    w->random = w->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return least + (unsigned)(w->random >> 40) % span;
}

/* Holds the lock for 3 to 12 ms out of each 4 to 14, so that whoever comes waits for it. */
TARGET_FUNCTION static void *own_lock(void *arg)
{
    struct worker w = {.random = 99};
    truth_add(owner_row, (uint64_t)gettid());
    for (;;) {
        pthread_mutex_lock(&contended);
        usleep(jitter(&w, 3000, 9000));
        pthread_mutex_unlock(&contended);
        usleep(jitter(&w, 300, 1000));
    }
    return arg;
}

TARGET_FUNCTION static void wait_lock(struct worker *w)
{
    (void)w;
    pthread_mutex_lock(&contended);
    pthread_mutex_unlock(&contended);
}

TARGET_FUNCTION static void wait_disk(struct worker *w)
{
    static const char block[4096] = "block";
    if (pwrite(w->fd, block, sizeof block, 4096 * (off_t)jitter(w, 0, 256)) < 0 || fdatasync(w->fd) < 0)
        target_die("disk");
}

TARGET_FUNCTION static void wait_sleep(struct worker *w)
{
    usleep(jitter(w, 2000, 8000));
}

/* Time the thread was runnable without a CPU so far. */
static uint64_t queued_ns(int schedstat)
{
    char text[128] = {0};
    unsigned long long ran, waited = 0;
    if (pread(schedstat, text, sizeof text - 1, 0) <= 0 || sscanf(text, "%llu %llu", &ran, &waited) != 2)
        target_die("schedstat");
    return waited;
}

static void *work(void *arg)
{
    static void (*const kinds[KINDS])(struct worker *) = {wait_lock, wait_disk, wait_sleep};
    struct worker *w = arg;
    int schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    for (;;) {
        int next = 0;
        for (int k = 1; k < KINDS; k++)
            if (parts[k] > 0 &&
                (parts[next] <= 0 || (double)w->spent[k] / parts[k] < (double)w->spent[next] / parts[next]))
                next = k;
        if (mono_ns() < calm_until)
            next = 2;
        uint64_t begun = mono_ns(), cpu = thread_cpu_ns(), queued = queued_ns(schedstat);
        kinds[next](w);
        uint64_t took = mono_ns() - begun, ran = thread_cpu_ns() - cpu + queued_ns(schedstat) - queued;
        took = took > ran ? took - ran : 0;
        if (mono_ns() >= calm_until)
            w->spent[next] += took;
        truth_add(rows[next], took);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct worker workers[THREADS_MAX];
    int threads = 4;
    target_begin(&argc, argv);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--threads"))
            threads = atoi(argv[i + 1]) < THREADS_MAX ? atoi(argv[i + 1]) : THREADS_MAX;
        else if (!strcmp(argv[i], "--dir"))
            dir = argv[i + 1];
        else if (!strcmp(argv[i], "--storm"))
            calm_until = mono_ns() + (uint64_t)(atof(argv[i + 1]) * 1e9);
        else if (!strcmp(argv[i], "--part"))
            sscanf(argv[i + 1], "%lf,%lf,%lf", &parts[0], &parts[1], &parts[2]);
    }
    rows[0] = truth_count("wait_lock");
    rows[1] = truth_count("wait_disk");
    rows[2] = truth_count("wait_sleep");
    owner_row = truth_count("owner-tid");
    target_thread("lock-owner", own_lock, NULL);
    for (int i = 0; i < threads; i++) {
        char path[4096], name[16];
        snprintf(path, sizeof path, "%s/waits-%d-%d.dat", dir, (int)getpid(), i % 16);
        workers[i] = (struct worker){.random = (uint64_t)i * 7919 + 1};
        workers[i].fd = parts[1] > 0 ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
        if (parts[1] > 0 && workers[i].fd < 0)
            target_die(path);
        snprintf(name, sizeof name, "waiter-%d", i);
        target_thread(name, work, &workers[i]);
    }
    for (int i = 0; i < threads && i < 16 && parts[1] > 0; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/waits-%d-%d.dat", dir, (int)getpid(), i);
        unlink(path);
    }
    target_ready();
    target_wait();
    target_end(0);
}
