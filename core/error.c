/*
 * Errors: the code table, the texts made safe for a terminal, and what the programs print and exit with.
 * Nothing here allocates; an error lives in the caller's storage. The texts often carry names read from the
 * target, so a byte that a terminal would act on never enters them.
 */
#include "n1/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* Bytes of the UTF-8 character at `s`, or 0 when no well-formed one that a terminal merely shows begins
 * there: C0, DEL, C1 (C2 80..9F), surrogates and overlong forms are all refused. */
static size_t character_length(const unsigned char *s)
{
    if (s[0] < 0x80)
        return s[0] >= 0x20 && s[0] != 0x7f ? 1 : 0;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        return is_continuation(s[1]) && !(s[0] == 0xc2 && s[1] < 0xa0) ? 2 : 0;
    if (s[0] >= 0xe0 && s[0] <= 0xef) {
        bool refused = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0);
        return is_continuation(s[1]) && is_continuation(s[2]) && !refused ? 3 : 0;
    }
    if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        bool refused = (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90);
        return is_continuation(s[1]) && is_continuation(s[2]) && is_continuation(s[3]) && !refused ? 4 : 0;
    }
    return 0;
}

/* One line of plain text: what a terminal would act on becomes '?', and so does a character cut at the end.
 */
static void make_plain(char *text)
{
    for (unsigned char *s = (unsigned char *)text; *s;) {
        size_t length = character_length(s);
        if (length == 0)
            *s = '?';
        s += length ? length : 1;
    }
}

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
    vsnprintf(made.what, sizeof(made.what), fmt, args);
    snprintf(made.hint, sizeof(made.hint), "%s", hint);
    make_plain(made.what);
    make_plain(made.hint);
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
