/*
 * Calls that return EINTR when a tracer interrupts them, each in a loop of its own with a time-out; and an
 * event loop that measures how late its events are.
 */
#include "account.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { EVERY_MS = 2, WAIT_MS = 10, BUCKETS = 4096, BUCKET_US = 10 };

struct event {
    uint64_t sequence, sent_ns;
};

static int event_pipe[2];
static uint32_t late[BUCKETS + 1]; /* by 10 µs; the last: later than all */

static void book(int rc, struct truth_row *eintr, struct truth_row *waits)
{
    if (rc < 0 && errno == EINTR)
        truth_add(eintr, 1);
    truth_add(waits, 1);
}

static void *feed(void *arg)
{
    (void)arg;
    struct truth_row *eintr = truth_count("eintr_clock_nanosleep");
    struct timespec next;
    struct event event = {0};
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (account_runs()) {
        next.tv_nsec += EVERY_MS * 1000000;
        if (next.tv_nsec >= 1000000000) {
            next.tv_nsec -= 1000000000;
            next.tv_sec++;
        }
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
            truth_add(eintr, 1);
        event.sequence++;
        event.sent_ns = mono_ns();
        if (write(event_pipe[1], &event, sizeof event) != sizeof event)
            target_die("write of an event");
    }
    event.sequence = 0; /* the end */
    if (write(event_pipe[1], &event, sizeof event) != sizeof event)
        target_die("write of an event");
    return NULL;
}

static void take_event(const struct event *event, uint64_t *last, struct truth_row *missing)
{
    uint64_t us = account_us_since(event->sent_ns) / BUCKET_US;
    late[us < BUCKETS ? us : BUCKETS]++;
    if (event->sequence != ++*last)
        truth_add(missing, 1);
    *last = event->sequence;
}

static void *loop(void *arg)
{
    (void)arg;
    struct truth_row *eintr = truth_count("eintr_epoll_wait"), *events = truth_count("loop_events");
    struct truth_row *missing = truth_count("loop_missing"), *max = truth_count("loop_max_us");
    uint64_t last = 0;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ready, interest = {.events = EPOLLIN};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, event_pipe[0], &interest) < 0)
        target_die("epoll");
    for (;;) {
        int n = epoll_wait(epoll, &ready, 1, 50);
        if (n < 0 && errno == EINTR)
            truth_add(eintr, 1);
        if (n != 1)
            continue;
        struct event event;
        if (read(event_pipe[0], &event, sizeof event) != sizeof event)
            target_die("read of an event");
        if (!event.sequence)
            break;
        take_event(&event, &last, missing);
        truth_add(events, 1);
        uint64_t us = account_us_since(event.sent_ns);
        if (us > truth_value(max))
            truth_add(max, us - truth_value(max));
    }
    return NULL;
}

static uint64_t quantile(double part)
{
    uint64_t sum = 0, seen = 0;
    for (int i = 0; i <= BUCKETS; i++)
        sum += late[i];
    for (int i = 0; i <= BUCKETS; i++) {
        seen += late[i];
        if ((double)seen >= part * (double)sum)
            return (uint64_t)(i + 1) * BUCKET_US;
    }
    return 0;
}

static void book_latency(void)
{
    truth_add(truth_count("loop_p50_us"), quantile(0.5));
    truth_add(truth_count("loop_p99_us"), quantile(0.99));
}

void scene_loop(void)
{
    static const char *const names[] = {"eintr_epoll_wait", "eintr_clock_nanosleep", "loop_events",
                                        "loop_missing",     "loop_max_us",           "loop_p50_us",
                                        "loop_p99_us"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        truth_count(names[i]);
    if (pipe(event_pipe) < 0)
        target_die("pipe");
    account_at_end(book_latency);
    account_thread("loop", loop, NULL);
    account_thread("feeder", feed, NULL);
}

static void *wait_recv(void *arg)
{
    struct truth_row *eintr = truth_count("eintr_recv");
    int pair[2];
    struct timeval timeout = {.tv_usec = WAIT_MS * 1000};
    char byte;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ||
        setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0)
        target_die("socketpair");
    while (account_runs())
        book((int)recv(pair[0], &byte, 1, 0), eintr, arg);
    return NULL;
}

static void *wait_signal(void *arg)
{
    struct truth_row *eintr = truth_count("eintr_sigtimedwait");
    struct timespec timeout = {0, WAIT_MS * 1000000};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMAX);
    while (account_runs())
        book(sigtimedwait(&set, NULL, &timeout), eintr, arg);
    return NULL;
}

static void *wait_semaphore(void *arg)
{
    struct truth_row *eintr = truth_count("eintr_semtimedop");
    struct timespec timeout = {0, WAIT_MS * 1000000};
    struct sembuf take = {.sem_op = -1};
    int id = semget(IPC_PRIVATE, 1, 0600);
    if (id < 0)
        target_die("semget");
    while (account_runs())
        book(semtimedop(id, &take, 1, &timeout), eintr, arg);
    semctl(id, 0, IPC_RMID);
    return NULL;
}

static void *wait_poll(void *arg)
{
    struct truth_row *eintr = truth_count("eintr_poll");
    while (account_runs())
        book(poll(NULL, 0, WAIT_MS), eintr, arg);
    return NULL;
}

static void *wait_sleep(void *arg)
{
    struct truth_row *eintr = truth_count("eintr_nanosleep");
    struct timespec time = {0, WAIT_MS * 1000000};
    while (account_runs())
        book(nanosleep(&time, NULL), eintr, arg);
    return NULL;
}

/* Nobody writes: it sits in the call for the whole run, where an interruption shows at once. */
static void *wait_long(void *arg)
{
    struct truth_row *eintr = truth_count("eintr_epoll_long");
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event none;
    if (epoll < 0)
        target_die("epoll");
    while (account_runs())
        book(epoll_wait(epoll, &none, 1, 50), eintr, arg);
    close(epoll);
    return NULL;
}

void scene_waits(void)
{
    static const struct {
        const char *name, *row;
        void *(*run)(void *);
    } all[] = {
        {"recv", "eintr_recv", wait_recv},           {"sigwait", "eintr_sigtimedwait", wait_signal},
        {"sem", "eintr_semtimedop", wait_semaphore}, {"poll", "eintr_poll", wait_poll},
        {"sleep", "eintr_nanosleep", wait_sleep},    {"long", "eintr_epoll_long", wait_long},
    };
    struct truth_row *waits = truth_count("waits");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        truth_count(all[i].row);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        account_thread(all[i].name, all[i].run, waits);
}
