/*
 * Errors of libn1 and of both programs.
 *
 * Functions return 0 or a negative code: -errno for the system's errors, N1_E_* for ours. Functions a user
 * can trigger take `struct n1_error *reterr` last (may be NULL): what failed, why, and what to do, each one
 * line. Any thread. Nothing here allocates.
 */
#ifndef N1_ERROR_H
#define N1_ERROR_H

/* X(code, value, exit status of the program, default hint) */
#define N1_ERROR_MAP(X)                                                                                      \
    X(N1_E_USAGE, -1001, 2, "see n1top --help")                                                              \
    X(N1_E_CONFIG, -1002, 2, "correct the file, or name another with --config")                              \
    X(N1_E_NO_FILE, -1003, 2, "check the path")                                                              \
    X(N1_E_NO_PROCESS, -1004, 3, "check the PID or name; n1top without arguments lists processes")           \
    X(N1_E_NOT_PERMITTED, -1005, 4, "run n1top doctor -p PID: it names the check and the remedy")            \
    X(N1_E_DAMAGED, -1006, 5, "the file is damaged or incomplete; record it again")                          \
    X(N1_E_NOT_OURS, -1007, 5, "the file is not an n1top recording")                                         \
    X(N1_E_VERSION, -1008, 5, "the file or the sampler is of another version; use the n1top that made it")   \
    X(N1_E_FAILED, -1009, 1, "see the message above")                                                        \
    X(N1_E_WRITER_GONE, -1010, 1, "the sampler ended; what was sampled before remains browsable")

enum n1_error_code {
#define X(code, value, exit_status, hint) code = value,
    N1_ERROR_MAP(X)
#undef X
};

struct n1_error {
    int code;       /* 0, -errno or N1_E_* */
    char what[256]; /* what was tried and failed, one line, no control bytes */
    char hint[256]; /* what to do; may be empty */
};

/* Fills `reterr` (may be NULL) from a printf format and the code's default hint; returns `code` so callers
 * can `return n1_error_set(...)`. Control bytes in the text become '?'. */
int n1_error_set(struct n1_error *reterr, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As n1_error_set with an explicit hint instead of the default one. */
int n1_error_hint(struct n1_error *reterr, int code, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Exit status of the programs for a code: 0 fine, 1 failed, 2 usage, 3 no process, 4 not permitted, 5
 * damaged. -ENOENT maps to 2, -ESRCH to 3, -EPERM and -EACCES to 4, every other -errno to 1. */
int n1_error_exit_status(int code);

/* Writes "n1top: what" and, when there is one, "  hint" to standard error; returns the exit status. */
int n1_error_print(const struct n1_error *err);

#endif
