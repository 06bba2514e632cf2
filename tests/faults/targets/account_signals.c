/* Timers, whose every expiry must be accounted for, and a storm of queued signals, each of which must arrive.
 */
#include "account.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 16, PAUSE_MS = 5, TIMER_US = 1000 };

/* Expiries that were not told, or told and not due. The last look at the timer happened between the two
 * times.
 */
static uint64_t missing(uint64_t start, uint64_t before, uint64_t after, uint64_t told)
{
    uint64_t period = TIMER_US * 1000;
    uint64_t least = before < start ? 0 : (before - start) / period + 1;
    uint64_t most = after < start ? 0 : (after - start) / period + 1;
    return told < least ? least - told : told > most ? told - most : 0;
}

static void *timer_fd(void *arg)
{
    (void)arg;
    struct truth_row *expired = truth_count("timerfd_expired"), *gaps = truth_count("timerfd_missing");
    struct truth_row *overruns = truth_count("timerfd_overruns");
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    uint64_t start = mono_ns() + 1000000;
    struct itimerspec every = {
        .it_interval = {0, TIMER_US * 1000},
        .it_value = {(time_t)(start / 1000000000), (long)(start % 1000000000)},
    };
    if (fd < 0 || timerfd_settime(fd, TFD_TIMER_ABSTIME, &every, NULL) < 0)
        target_die("timerfd");
    uint64_t count, before = 0, after = 0;
    while (account_runs()) {
        before = mono_ns();
        if (read(fd, &count, sizeof count) != sizeof count)
            target_die("read of a timer");
        after = mono_ns();
        truth_add(expired, count);
        truth_add(overruns, count - 1);
    }
    truth_add(gaps, missing(start, before, after, truth_value(expired)));
    close(fd);
    return NULL;
}

static void *timer_posix(void *arg)
{
    (void)arg;
    struct truth_row *expired = truth_count("posix_expired"), *gaps = truth_count("posix_missing");
    struct truth_row *overruns = truth_count("posix_overruns"), *eintr = truth_count("eintr_sigwaitinfo");
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 3};
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    timer_t timer;
    uint64_t start = mono_ns() + 1000000;
    struct itimerspec every = {
        .it_interval = {0, TIMER_US * 1000},
        .it_value = {(time_t)(start / 1000000000), (long)(start % 1000000000)},
    };
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 ||
        timer_settime(timer, TIMER_ABSTIME, &every, NULL) < 0)
        target_die("timer_create");
    uint64_t before = 0, after = 0;
    while (account_runs()) {
        siginfo_t info;
        uint64_t asked = mono_ns();
        if (sigwaitinfo(&set, &info) < 0) {
            truth_add(eintr, errno == EINTR);
            continue;
        }
        before = asked;
        after = mono_ns();
        truth_add(expired, 1 + (uint64_t)info.si_overrun);
        truth_add(overruns, (uint64_t)info.si_overrun);
    }
    truth_add(gaps, missing(start, before, after, truth_value(expired)));
    timer_delete(timer);
    return NULL;
}

void scene_timers(void)
{
    static const char *const names[] = {"timerfd_expired",  "timerfd_missing", "timerfd_overruns",
                                        "posix_expired",    "posix_missing",   "posix_overruns",
                                        "eintr_sigwaitinfo"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        truth_count(names[i]);
    account_thread("timerfd", timer_fd, NULL);
    account_thread("timer", timer_posix, NULL);
}

static pthread_t catcher;
static atomic_bool catching, all_sent;
static atomic_uint received, disorder;

static void on_storm(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    unsigned got = (unsigned)info->si_value.sival_int;
    if (got != atomic_fetch_add(&received, 1) + 1)
        atomic_fetch_add(&disorder, 1);
}

/* Works while the signals come, as a program does, and is asleep part of the time. */
static void *catch (void *arg)
{
    (void)arg;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 2);
    catcher = pthread_self();
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    atomic_store(&catching, true);
    while (!atomic_load(&all_sent)) {
        if (account_sum() != account_right_sum())
            truth_add(truth_count("sums_bad"), 1);
        struct timespec pause = {0, 300000};
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void *send_storm(void *arg)
{
    struct truth_row *sent = arg;
    unsigned number = 0;
    while (!atomic_load(&catching))
        sleep_ms(1);
    while (account_runs()) {
        for (int i = 0; i < BURST; i++) {
            union sigval value = {.sival_int = (int)(number + 1)};
            int rc = pthread_sigqueue(catcher, SIGRTMIN + 2, value);
            if (rc == EAGAIN) /* the queue is full: not sent */
                break;
            if (rc)
                target_die("pthread_sigqueue");
            number++;
        }
        sleep_ms(PAUSE_MS);
    }
    truth_add(sent, number);
    for (int waited = 0; atomic_load(&received) != number && waited < 5000; waited++)
        sleep_ms(1);
    atomic_store(&all_sent, true);
    return NULL;
}

static void book_signals(void)
{
    truth_add(truth_count("signals_received"), atomic_load(&received));
    truth_add(truth_count("signals_disorder"), atomic_load(&disorder));
}

void scene_signals(void)
{
    struct sigaction action = {.sa_sigaction = on_storm, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGRTMIN + 2, &action, NULL);
    struct truth_row *sent = truth_count("signals_sent");
    truth_count("signals_received");
    truth_count("signals_disorder");
    truth_count("sums_bad");
    account_at_end(book_signals);
    account_thread("catcher", catch, NULL);
    account_thread("sender", send_storm, sent);
}
