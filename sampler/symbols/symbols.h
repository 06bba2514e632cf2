/*
 * Names for addresses: the client side of the symbol helper. The helper is a child process without rights
 * that parses ELF, DWARF, JIT maps and mangled names (all hostile input); this side opens files, passes
 * descriptors and requests, and takes answers. Nothing here waits: a request is queued, and n1_symbols_pump
 * sends and delivers.
 *
 * Addresses are ELF virtual addresses for modules of kind ELF and absolute addresses for JIT maps and the
 * kernel. Unstable, sampler only; one thread (the sampler's) per client. Every text delivered has passed
 * n1_sanitise.
 */
#ifndef N1_SAMPLER_SYMBOLS_SYMBOLS_H
#define N1_SAMPLER_SYMBOLS_SYMBOLS_H

#include "n1/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define N1_SYMBOL_NAME_MAX 1024 /* bytes of a name or a path, with its NUL */
#define N1_SYMBOL_INLINES_MAX 24

/* X(code, reason as shown): what became of an address, or of its line. */
#define N1_SYMBOL_STATUS_MAP(X)                                                                              \
    X(N1_SYMBOL_FOUND, "")                                                                                   \
    X(N1_SYMBOL_NO_SYMBOL, "no symbol covers the address")                                                   \
    X(N1_SYMBOL_STRIPPED, "no symbols: stripped file, no debug file found")                                  \
    X(N1_SYMBOL_DAMAGED, "no symbols: damaged file")                                                         \
    X(N1_SYMBOL_NOT_ELF, "no symbols: not an ELF file")                                                      \
    X(N1_SYMBOL_UNSUPPORTED, "no symbols: unsupported kind of ELF file")                                     \
    X(N1_SYMBOL_UNREADABLE, "no symbols: the file cannot be read")                                           \
    X(N1_SYMBOL_TOO_LARGE, "no symbols: too large for the helper's memory limit")                            \
    X(N1_SYMBOL_NO_FILE, "no symbols: the file was not found")                                               \
    X(N1_SYMBOL_NOT_PERMITTED, "no symbols: not permitted")                                                  \
    X(N1_SYMBOL_NO_MAP, "no symbols: the runtime writes no perf map")                                        \
    X(N1_SYMBOL_NO_HELPER, "no symbols: the symbol helper cannot run")                                       \
    X(N1_SYMBOL_NO_LINES, "no line information")                                                             \
    X(N1_SYMBOL_LINES_DAMAGED, "line information damaged")

enum n1_symbol_status {
#define X(code, text) code,
    N1_SYMBOL_STATUS_MAP(X)
#undef X
        N1_SYMBOL_STATUS_COUNT
};

/* The reason text of a status, "" for N1_SYMBOL_FOUND. Static, never NULL. */
const char *n1_symbol_reason(enum n1_symbol_status status);

enum n1_symbol_flags {
    N1_SYMBOL_LINE = 1,    /* file, line and where the function is defined, by DWARF */
    N1_SYMBOL_INLINES = 2, /* inlined functions at the address as well; implies N1_SYMBOL_LINE */
};

/* One inlined function at an address. */
struct n1_symbol_inline {
    const char *name; /* demangled; "" when unknown */
    const char *file; /* position inside that function; "" when unknown */
    uint32_t line;    /* 1 and up; 0 unknown */
};

/* One answer; every pointer is valid during the callback only, no text is NULL. */
struct n1_symbol_result {
    uint64_t cookie, key, addr;   /* as requested */
    enum n1_symbol_status status; /* N1_SYMBOL_FOUND, or why there is no name */
    const char *name;             /* demangled; "" unless found */
    const char *linkage;          /* mangled name when demangling changed it, else "" */
    bool mangled;                 /* name is still a mangled one that could not be decoded */
    uint64_t start,
        size; /* of the function; known for one without a name, too, when the file's unwind
                       information tells; else 0. size may reach to the next symbol when none is stated */
    enum n1_symbol_status
        line_status;      /* N1_SYMBOL_FOUND, or why there is no line; NO_LINES when not asked for */
    const char *file;     /* innermost position (as addr2line), "" when unknown */
    uint32_t line;        /* 0 when unknown */
    const char *own_file; /* position inside the physical function (outermost call site) */
    uint32_t own_line;
    const char *decl_file; /* where the function is defined */
    uint32_t decl_line;
    const struct n1_symbol_inline *inlines; /* innermost first, only with N1_SYMBOL_INLINES */
    size_t inline_count;
};

/* Called by n1_symbols_pump; may call n1_symbols_request and n1_symbols_module_add, nothing else of the
 * client. */
typedef void n1_symbol_callback(void *context, const struct n1_symbol_result *result);

enum n1_symbol_module_kind { N1_SYMBOL_ELF, N1_SYMBOL_PERF_MAP, N1_SYMBOL_KALLSYMS };

/* What the client is told about a module. */
struct n1_symbol_module {
    enum n1_symbol_module_kind kind;
    int take_fd; /* ELF: open file, memory image or vdso copy, owned by the client from now on, also on error;
                    -1: no file (every request is answered with NO_FILE). Ignored for the other kinds. */
    pid_t pid;   /* ELF: a process in whose root debug files are sought, 0 for none; PERF_MAP: the process */
    const char
        *path; /* ELF: path of the file as the target sees it, for debug files beside it; may be NULL */
};

struct n1_symbols_options {
    uint32_t queue_max;    /* requests at most pending; 0 = 8192 */
    uint32_t idle_ms;      /* the helper ends after that long without work; 0 = 60000 */
    uint32_t watchdog_ms;  /* an unanswered helper is ended after that long; 0 = 15000 */
    const char *debug_dir; /* host folder of debug files; NULL = "/usr/lib/debug" */
};

struct n1_symbols_stats {
    uint64_t requested, answered, found;
    uint64_t dropped;        /* refused because the queue was full; the caller may ask again */
    uint64_t helper_starts;  /* processes started */
    uint64_t helper_crashes; /* ends that were neither idle nor asked for */
    uint32_t pending;        /* queued or sent, not answered */
};

struct n1_symbols;

/* Makes a client; `options` may be NULL. The helper is started by the first request, not here. Returns 0 or
 * -errno. */
int n1_symbols_create(struct n1_symbols **ret_client, const struct n1_symbols_options *options,
                      struct n1_error *reterr);
/* Ends the helper, closes what the client owns. Pending requests are not answered. NULL is fine. */
void n1_symbols_destroy(struct n1_symbols *client);

/* Makes `key` known. Returns 0, -EEXIST when it is already known, -ENOMEM. */
int n1_symbols_module_add(struct n1_symbols *client, uint64_t key, const struct n1_symbol_module *module);
/* Forgets `key`; its pending requests are answered with N1_SYMBOL_NO_FILE by the next pump. -ENOENT when
 * unknown. */
int n1_symbols_module_remove(struct n1_symbols *client, uint64_t key);
/* Has the kernel's symbols (a module of kind KALLSYMS) read soon, before the first request. */
void n1_symbols_prepare(struct n1_symbols *client, uint64_t key);
bool n1_symbols_module_known(const struct n1_symbols *client, uint64_t key);

/* Queues one address; `cookie` comes back with the answer. Never waits. Returns 0, -ENOENT for an unknown
 * key, -EAGAIN when the queue is full (counted as dropped: ask again later). */
int n1_symbols_request(struct n1_symbols *client, uint64_t cookie, uint64_t key, uint64_t addr,
                       unsigned flags);

/* A descriptor that stays the same for the client's life and polls readable when n1_symbols_pump has work. */
int n1_symbols_fd(const struct n1_symbols *client);
/* Sends what is queued, takes answers (a bounded number a call), restarts a helper that died, ends one that
 * hangs. Returns the number of answers delivered. */
int n1_symbols_pump(struct n1_symbols *client, n1_symbol_callback *callback, void *context);

void n1_symbols_stats(const struct n1_symbols *client, struct n1_symbols_stats *ret_stats);
/* Process id of the running helper, for the sampler's own figures; 0 when none runs. */
pid_t n1_symbols_helper_pid(const struct n1_symbols *client);

/* Argument that makes the program call n1_symbols_helper_main: argv = {program, N1_SYMBOLS_HELPER_ARG, "FD"}.
 */
#define N1_SYMBOLS_HELPER_ARG "--symbol-helper"
/* The helper process: drops every right, then serves the socket `fd` until it closes or idles. Returns the
 * exit status; main() must do nothing before it and return at once. */
int n1_symbols_helper_main(int fd);

#endif
