/*
 * A terminal for tests: a pseudo-terminal with libvterm behind it. The program under test runs on it as its
 * session leader; tests press keys and wait for text, never for time. Every wait has a limit and shows the
 * screen when it is over.
 */
#ifndef TESTS_SCREEN_TERM_H
#define TESTS_SCREEN_TERM_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <vterm.h>

#include <cmocka.h>

#define TERM_WAIT_MS 20000

struct term {
    int master, slave; /* our own slave end keeps the modes readable after the program has gone */
    pid_t pid;
    int rows, cols;
    VTerm *vt;
    VTermScreen *screen;
    bool alternate, cursor;
    size_t bytes, writes; /* received so far */
    struct termios before;
    int status; /* wait(2) status, once ended */
    bool ended;
    char raw[1 << 16]; /* the last bytes received */
    size_t raw_len;
};

static inline int64_t term_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int term_property(VTermProp prop, VTermValue *value, void *user)
{
    struct term *t = user;
    if (prop == VTERM_PROP_ALTSCREEN)
        t->alternate = value->boolean;
    if (prop == VTERM_PROP_CURSORVISIBLE)
        t->cursor = value->boolean;
    return 1;
}

static inline const char *term_build(void)
{
    const char *build = getenv("BUILD");
    return build ? build : "build";
}

static inline void term_size(struct term *t, int rows, int cols)
{
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    t->rows = rows;
    t->cols = cols;
    vterm_set_size(t->vt, rows, cols);
    assert_int_equal(ioctl(t->master, TIOCSWINSZ, &size), 0);
}

/* Tells the program another size and leaves the emulator at its own, which must be the larger one: libvterm
 * 0.1.4 itself crashes on some sequences of sizes, and a test that wants many of them wants no cells. */
static inline void term_size_told(struct term *t, int rows, int cols)
{
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    assert_int_equal(ioctl(t->master, TIOCSWINSZ, &size), 0);
}

/* Starts argv on a new terminal. `environment`: "NAME=value" pairs put over a plain one (TERM=xterm-256color,
 * LANG=C.UTF-8, no NO_COLOR), NULL-terminated. A "" value removes the name. */
static inline void term_start(struct term *t, int rows, int cols, const char *const *environment,
                              bool ignore_hangup, char *const *argv)
{
    static const VTermScreenCallbacks callbacks = {.settermprop = term_property};
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    memset(t, 0, sizeof *t);
    t->cursor = true;
    t->rows = rows;
    t->cols = cols;
    t->vt = vterm_new(rows, cols);
    vterm_set_utf8(t->vt, 1);
    t->screen = vterm_obtain_screen(t->vt);
    vterm_screen_set_callbacks(t->screen, &callbacks, t);
    vterm_screen_enable_altscreen(t->screen, 1);
    vterm_screen_reset(t->screen, 1);
    assert_int_equal(openpty(&t->master, &t->slave, NULL, NULL, &size), 0);
    fcntl(t->master, F_SETFD, FD_CLOEXEC);
    fcntl(t->slave, F_SETFD, FD_CLOEXEC);
    assert_int_equal(tcgetattr(t->slave, &t->before), 0);
    t->pid = fork();
    assert_true(t->pid >= 0);
    if (t->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setsid();
        ioctl(t->slave, TIOCSCTTY, 0);
        for (int fd = 0; fd < 3; fd++)
            dup2(t->slave, fd);
        setenv("TERM", "xterm-256color", 1);
        setenv("LANG", "C.UTF-8", 1);
        setenv("TZ", "UTC", 1);
        setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
        unsetenv("LC_ALL");
        unsetenv("NO_COLOR");
        unsetenv("COLORTERM");
        for (; environment != NULL && *environment != NULL; environment++) {
            char name[64];
            const char *equals = strchr(*environment, '=');
            snprintf(name, sizeof name, "%.*s", (int)(equals - *environment), *environment);
            if (equals[1])
                setenv(name, equals + 1, 1);
            else
                unsetenv(name);
        }
        signal(SIGHUP, ignore_hangup ? SIG_IGN : SIG_DFL);
        execv(argv[0], argv);
        _exit(126);
    }
}

/* Takes what has come, waiting at most `ms` for the first byte. False when nothing came. */
static inline bool term_read(struct term *t, int ms)
{
    char bytes[8192], reply[256];
    struct pollfd fd = {t->master, POLLIN, 0};
    if (t->master < 0 || poll(&fd, 1, ms) != 1 || !(fd.revents & POLLIN))
        return false;
    ssize_t got = read(t->master, bytes, sizeof bytes);
    if (got <= 0)
        return false;
    t->bytes += (size_t)got;
    t->writes++;
    size_t keep = (size_t)got < sizeof t->raw ? (size_t)got : sizeof t->raw;
    if (t->raw_len + keep > sizeof t->raw) {
        memmove(t->raw, t->raw + keep, sizeof t->raw - keep);
        t->raw_len = sizeof t->raw - keep;
    }
    memcpy(t->raw + t->raw_len, bytes + got - keep, keep);
    t->raw_len += keep;
    vterm_input_write(t->vt, bytes, (size_t)got);
    size_t answer = vterm_output_read(t->vt, reply, sizeof reply); /* the emulator answers queries */
    if (answer > 0 && write(t->master, reply, answer) < 0)
        return false;
    return true;
}

static inline void term_cell(struct term *t, int row, int col, VTermScreenCell *ret)
{
    VTermPos pos = {row, col};
    memset(ret, 0, sizeof *ret);
    vterm_screen_get_cell(t->screen, pos, ret);
}

/* The text of a row without trailing blanks, as UTF-8. */
static inline void term_row(struct term *t, int row, char *out, size_t cap)
{
    VTermRect rect = {row, row + 1, 0, t->cols};
    size_t len = vterm_screen_get_text(t->screen, out, cap - 1, rect);
    while (len > 0 && (out[len - 1] == ' ' || out[len - 1] == '\n'))
        len--;
    out[len] = '\0';
}

/* Row of the first line that holds `text`, -1 when there is none. */
static inline int term_find(struct term *t, const char *text)
{
    char line[4096];
    for (int row = 0; row < t->rows; row++) {
        term_row(t, row, line, sizeof line);
        if (strstr(line, text) != NULL)
            return row;
    }
    return -1;
}

static inline void term_print(struct term *t)
{
    char line[4096];
    for (int row = 0; row < t->rows; row++) {
        term_row(t, row, line, sizeof line);
        fprintf(stderr, "|%s\n", line);
    }
}

#define term_wait(t, text) term_wait_at((t), (text), true, __FILE__, __LINE__)
#define term_wait_gone(t, text) term_wait_at((t), (text), false, __FILE__, __LINE__)

static inline void term_wait_at(struct term *t, const char *text, bool wanted, const char *file, int line)
{
    int64_t end = term_clock_ms() + TERM_WAIT_MS;
    while ((term_find(t, text) >= 0) != wanted) {
        if (!term_read(t, 100) && term_clock_ms() > end) {
            fprintf(stderr, "%s:%d: waited in vain for \"%s\" to %s; the screen:\n", file, line, text,
                    wanted ? "come" : "go");
            term_print(t);
            _fail(file, line);
        }
    }
}

static inline void term_keys(struct term *t, const char *keys)
{
    assert_int_equal(write(t->master, keys, strlen(keys)), strlen(keys));
}

/* Reads on until the program has ended and its last bytes are in; returns its wait(2) status. */
static inline int term_end(struct term *t)
{
    int64_t end = term_clock_ms() + TERM_WAIT_MS;
    while (!t->ended) {
        while (term_read(t, 20)) {}
        pid_t got = waitpid(t->pid, &t->status, WNOHANG);
        t->ended = got == t->pid;
        if (!t->ended && term_clock_ms() > end) {
            fprintf(stderr, "the program does not end; the screen:\n");
            term_print(t);
            fail();
        }
    }
    while (term_read(t, 20)) {}
    return t->status;
}

/* The terminal is as it was found: modes, first screen, cursor, colours. */
static inline void term_check_restored(struct term *t)
{
    struct termios now;
    assert_int_equal(tcgetattr(t->slave, &now), 0);
    assert_int_equal(now.c_lflag, t->before.c_lflag);
    assert_int_equal(now.c_iflag, t->before.c_iflag);
    assert_int_equal(now.c_oflag, t->before.c_oflag);
    assert_false(t->alternate);
    assert_true(t->cursor);
}

static inline void term_stop(struct term *t)
{
    if (!t->ended) {
        kill(t->pid, SIGKILL);
        waitpid(t->pid, &t->status, 0);
    }
    if (t->master >= 0)
        close(t->master);
    if (t->slave >= 0)
        close(t->slave);
    vterm_free(t->vt);
}

#endif
