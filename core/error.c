/*
 * Errors: the code table, the texts made safe for a terminal, and what the programs print and exit with.
 * Nothing here allocates; an error lives in the caller's storage. The texts often carry names read from the
 * target, so a byte that a terminal would act on never enters them.
 */
#include "n1/error.h"

#include "n1/sanitise.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *default_hint(int code)
{
    switch (code) {
#define X(name, value, exit_status, hint)                                                                    \
    case name:                                                                                               \
        return hint;
        N1_ERROR_MAP(X)
#undef X
    case -ENOENT:
        return "check the path";
    case -ESRCH:
        return "check the PID or name; n1top without arguments lists processes";
    case -EPERM:
    case -EACCES:
        return "check who owns it and its mode";
    default:
        return "";
    }
}

static void fill(struct n1_error *reterr, int code, const char *hint, const char *fmt, va_list args)
{
    if (!reterr)
        return;
    /* Built aside: the arguments may point into *reterr itself (an error that wraps an earlier one). */
    struct n1_error made = {.code = code};
    char text[sizeof(made.what)];
    vsnprintf(text, sizeof(text), fmt, args);
    n1_sanitise(made.what, sizeof(made.what), text, strlen(text));
    n1_sanitise(made.hint, sizeof(made.hint), hint, strlen(hint));
    *reterr = made;
}

int n1_error_set(struct n1_error *reterr, int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fill(reterr, code, default_hint(code), fmt, args);
    va_end(args);
    return code;
}

int n1_error_hint(struct n1_error *reterr, int code, const char *hint, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fill(reterr, code, hint ? hint : "", fmt, args);
    va_end(args);
    return code;
}

int n1_error_exit_status(int code)
{
    switch (code) {
    case 0:
        return 0;
#define X(name, value, exit_status, hint)                                                                    \
    case name:                                                                                               \
        return exit_status;
        N1_ERROR_MAP(X)
#undef X
    case -ENOENT:
        return 2;
    case -ESRCH:
        return 3;
    case -EPERM:
    case -EACCES:
        return 4;
    default:
        return 1;
    }
}

int n1_error_print(const struct n1_error *err)
{
    /* One write, so that two programs that share a terminal do not mix their lines. */
    char text[sizeof(err->what) + sizeof(err->hint) + 16];
    int length = snprintf(text, sizeof(text), err->hint[0] ? "n1top: %s\n  %s\n" : "n1top: %s\n", err->what,
                          err->hint);
    for (int done = 0; done < length;) {
        ssize_t n = write(STDERR_FILENO, text + done, (size_t)(length - done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (int)n;
    }
    return n1_error_exit_status(err->code);
}
