/*
 * Truth: threads that never run but for an instant: in-futex (condition variable), lock-waiter (a mutex that
 * lock-holder keeps while it sleeps), in-epoll, in-poll, in-pipe (read), in-sleep (nanosleep, 1 s at a time),
 * and main. All CPU time of the process after "ready" is the wake-ups of in-sleep; each thread blocks below a
 * function of its own: wait_futex, wait_lock, hold_lock, wait_epoll, wait_poll, wait_pipe, wait_sleep.
 */
#include "target.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

static pthread_mutex_t contended = PTHREAD_MUTEX_INITIALIZER, quiet = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static int pipe_fds[2], settled;

TARGET_FUNCTION static void *hold_lock(void *arg)
{
    pthread_mutex_lock(&contended);
    __atomic_store_n(&settled, 1, __ATOMIC_RELEASE);
    for (;;)
        sleep_ms(3600000);
    return arg;
}

TARGET_FUNCTION static void *wait_lock(void *arg)
{
    pthread_mutex_lock(&contended);
    return arg;
}

TARGET_FUNCTION static void *wait_futex(void *arg)
{
    pthread_mutex_lock(&quiet);
    for (;;)
        pthread_cond_wait(&never, &quiet);
    return arg;
}

TARGET_FUNCTION static void *wait_epoll(void *arg)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, pipe_fds[0], &event) < 0)
        target_die("epoll");
    for (;;)
        epoll_wait(fd, &event, 1, -1);
    return arg;
}

TARGET_FUNCTION static void *wait_poll(void *arg)
{
    struct pollfd poll_fd = {.fd = pipe_fds[0], .events = POLLIN};
    for (;;)
        poll(&poll_fd, 1, -1);
    return arg;
}

TARGET_FUNCTION static void *wait_pipe(void *arg)
{
    char byte;
    while (read(pipe_fds[0], &byte, 1) != 0)
        continue;
    return arg;
}

TARGET_FUNCTION static void *wait_sleep(void *arg)
{
    for (;;)
        sleep_ms(1000);
    return arg;
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    if (pipe2(pipe_fds, 0) < 0)
        target_die("pipe");
    target_thread("lock-holder", hold_lock, NULL);
    while (!__atomic_load_n(&settled, __ATOMIC_ACQUIRE))
        sleep_ms(1);
    target_thread("lock-waiter", wait_lock, NULL);
    target_thread("in-futex", wait_futex, NULL);
    target_thread("in-epoll", wait_epoll, NULL);
    target_thread("in-poll", wait_poll, NULL);
    target_thread("in-pipe", wait_pipe, NULL);
    target_thread("in-sleep", wait_sleep, NULL);
    sleep_ms(50);
    target_ready();
    target_wait();
    target_end(0);
}
