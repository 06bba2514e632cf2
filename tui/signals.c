/* Signals as bytes of a pipe; see signals.h. */
#include "tui/signals.h"

#include "tui/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

static const int numbers[] = {SIGWINCH, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGCONT};
#define COUNT (sizeof numbers / sizeof numbers[0])

static int ends[2] = {-1, -1};

static void on_signal(int number)
{
    int saved_errno = errno;
    bool last = number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGHUP;
    struct pollfd line = {STDOUT_FILENO, POLLOUT, 0};
    /* The line may never take another byte. Where it does, the loop ends in order: the sampler hears that we
     * go for good, and does not wait for us to come back. */
    if (last && n1_screen_painting && poll(&line, 1, 0) != 1) {
        n1_screen_emergency();
        _exit(128 + number);
    }
    unsigned char byte = (unsigned char)number;
    if (write(ends[1], &byte, 1) < 0)
        errno = 0; /* full: enough signals are waiting already */
    errno = saved_errno;
}

int n1_signals_open(void)
{
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < COUNT; i++) {
        /* An ignored hang-up stays ignored: then the terminal itself tells that it is gone. */
        if (numbers[i] == SIGHUP && sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler == SIG_IGN)
            continue;
        sigaction(numbers[i], &action, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

int n1_signals_fd(void)
{
    return ends[0];
}

int n1_signals_next(void)
{
    unsigned char byte;
    return read(ends[0], &byte, 1) == 1 ? byte : 0;
}

void n1_signals_close(void)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (numbers[i] != SIGHUP)
            signal(numbers[i], SIG_DFL);
    }
    for (int i = 0; i < 2; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
        ends[i] = -1;
    }
}
