/*
 * Children of every kind, each of which must end as its parent knows: plain, executing another program, under
 * a strict seccomp filter, under another user id (when started as root); children stopped and set running by
 * job control; and threads by the thousand.
 */
#include "account.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, THREADS = 2000, THREAD_STACK = 64 * 1024 };

static int code_of(unsigned number)
{
    return account_sum() == account_right_sum() ? (int)(number % 100) : 255;
}

int account_child_main(const char *number)
{
    return code_of((unsigned)atoi(number));
}

static void child(unsigned number)
{
    char text[16];
    target_child();
    switch (number % 4) {
    case 1:
        snprintf(text, sizeof text, "%u", number);
        execl("/proc/self/exe", "account", "--child", text, (char *)NULL);
        _exit(254);
    case 2:
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        syscall(SYS_exit, code_of(number)); /* exit_group is not on the strict list */
        break;
    case 3:
        if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0)
            _exit(253);
        break;
    default:
        break;
    }
    _exit(code_of(number));
}

static void *forks(void *arg)
{
    struct truth_row *count = arg, *bad = truth_count("children_bad"), *eintr = truth_count("eintr_wait4");
    for (unsigned number = 0; account_runs(); number++) {
        pid_t pid = fork();
        if (pid < 0)
            target_die("fork");
        if (pid == 0)
            child(number);
        int status;
        while (waitpid(pid, &status, 0) < 0) {
            if (errno != EINTR)
                target_die("waitpid");
            truth_add(eintr, 1);
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != (int)(number % 100)) {
            truth_add(bad, 1);
            fprintf(stderr, "child %u ended with status %#x\n", number, status);
        }
        truth_add(count, 1);
        sleep_ms(8);
    }
    return NULL;
}

void scene_forks(void)
{
    struct truth_row *count = truth_count("children");
    truth_count("children_bad");
    truth_count("eintr_wait4");
    account_thread("forks", forks, count);
}

static pid_t stopping_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        target_child();
        sigprocmask(SIG_SETMASK, &none, NULL);
        for (;;)
            spin(100000), usleep(1000);
    }
    if (pid < 0)
        target_die("fork");
    return pid;
}

static bool wait_state(pid_t pid, int option, struct truth_row *wrong)
{
    int status;
    pid_t got;
    do
        got = waitpid(pid, &status, option);
    while (got < 0 && errno == EINTR);
    bool right = got == pid && (option == WUNTRACED ? WIFSTOPPED(status) : WIFCONTINUED(status));
    if (!right)
        truth_add(wrong, 1);
    return right;
}

static void *stops(void *arg)
{
    struct truth_row *sent = arg, *seen = truth_count("stops_seen");
    struct truth_row *continued = truth_count("continues_seen"), *wrong = truth_count("stops_wrong");
    pid_t pid = stopping_child();
    while (account_runs()) {
        kill(pid, SIGSTOP);
        truth_add(sent, 1);
        truth_add(seen, wait_state(pid, WUNTRACED, wrong));
        sleep_ms(3);
        int status; /* it must stay stopped until it is told otherwise */
        if (waitpid(pid, &status, WNOHANG | WUNTRACED | WCONTINUED) != 0)
            truth_add(wrong, 1);
        kill(pid, SIGCONT);
        truth_add(continued, wait_state(pid, WCONTINUED, wrong));
        sleep_ms(10);
        if (waitpid(pid, &status, WNOHANG | WUNTRACED | WCONTINUED) != 0)
            truth_add(wrong, 1);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return NULL;
}

void scene_stops(void)
{
    struct truth_row *sent = truth_count("stops_sent");
    truth_count("stops_seen");
    truth_count("continues_seen");
    truth_count("stops_wrong");
    account_thread("stops", stops, sent);
}

static sem_t gate;

static void *held(void *arg)
{
    while (sem_wait(&gate) < 0 && errno == EINTR)
        continue;
    truth_add(arg, 1);
    return NULL;
}

static void *pass(void *arg)
{
    truth_add(arg, 1);
    return NULL;
}

static void *churn(void *arg)
{
    struct truth_row *joined = arg, *passed = truth_count("passed");
    while (account_runs()) {
        pthread_t thread;
        errno = pthread_create(&thread, NULL, pass, passed);
        if (errno || pthread_join(thread, NULL) != 0)
            target_die("a thread of the churn");
        truth_add(joined, 1);
        sleep_ms(5);
    }
    return NULL;
}

static void release(void)
{
    for (int i = 0; i < THREADS; i++)
        sem_post(&gate);
    for (int waited = 0; truth_value(truth_count("threads_ended")) < THREADS && waited < 10000; waited++)
        sleep_ms(1);
}

/* THREADS that only wait, each counted when it is let go. */
void scene_threads(void)
{
    struct truth_row *made = truth_count("threads_made"), *ended = truth_count("threads_ended");
    pthread_attr_t attr;
    sigset_t all, before;
    sem_init(&gate, 0, 0);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        errno = pthread_create(&thread, &attr, held, ended);
        if (errno)
            target_die("pthread_create");
        truth_add(made, 1);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    account_at_end(release);
    truth_count("passed");
    account_thread("joiner", churn, truth_count("joined"));
}
