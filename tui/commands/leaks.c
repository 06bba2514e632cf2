/*
 * `n1top leaks`: does the process grow, and who keeps what it took. Live it watches for a while, traces the
 * allocator when that is cheap or asked for, and tells; of a recording it tells what that holds.
 */
#include "tui/commands/command.h"
#include "tui/commands/frame_text.h"
#include "tui/rights.h"
#include "tui/session.h"

#include "n1/leaks.h"
#include "n1/sanitise.h"
#include "n1/time.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { ANSWER_MS = 10000, NAMES_MS = 20000, SECONDS = 60, KEEPERS = 64, CHAIN = 6, ROWS = 10, TICK_MS = 250 };

struct finding {
    uint32_t process;
    struct n1_window window;
    struct n1_growth growth;
    struct n1_keeper keepers[KEEPERS];
    size_t keeper_count;
    const char *not_traced; /* why; NULL: it was, or nothing is known of that */
};

static void size_text(char out[32], double bytes)
{
    n1_metric_format(out, 32, N1_UNIT_BYTES, (int64_t)bytes);
}

/* "leak_here < main < ..." */
static void chain_text(struct n1_reader *r, const struct n1_keeper *k, char *out, size_t cap)
{
    uint32_t frames[CHAIN + 1];
    size_t n = n1_frames_of(r, k->node, k->leaf, frames, CHAIN + 1), len = 0;
    *out = 0;
    for (size_t i = 0; i < n && i < CHAIN && len + 1 < cap; i++) {
        char name[512];
        const char *module;
        n1_frame_text(r, frames[i], name, sizeof name, &module);
        len += (size_t)snprintf(out + len, cap - len, "%s%s", i ? " < " : "", name);
    }
    if (n > CHAIN && len + 6 < cap)
        strcpy(out + len, " < ...");
}

static void print_growth(const struct finding *f)
{
    const struct n1_growth *g = &f->growth;
    char first[32], last[32], rate[32];
    size_text(first, g->first);
    size_text(last, g->last);
    size_text(rate, g->per_second);
    if (!g->known)
        printf("growth: not known: a longer look is needed (-d)\n");
    else if (g->significant)
        printf("growth: anonymous memory grows steadily by %s/s: from %s to %s in the last %.0f s (p %.4f)\n",
               rate, first, last, g->seconds, g->p);
    else
        printf("growth: none that is steady and over 1 MB (%s, then %s, in the last %.0f s)\n", first, last,
               g->seconds);
}

static void print_keepers(struct n1_reader *r, const struct finding *f, enum n1_memory_kind kind, size_t rows)
{
    size_t shown = 0;
    char bytes[32], chain[2048];
    for (size_t i = 0; i < f->keeper_count && i < KEEPERS && shown < rows; i++) {
        const struct n1_keeper *k = &f->keepers[i];
        if (k->kind != kind)
            continue;
        size_text(bytes, (double)k->bytes);
        chain_text(r, k, chain, sizeof chain);
        if (!shown++)
            puts(kind == N1_MEMORY_KEPT
                     ? "\nkept (blocks allocated during the look, not given back, growing steadily)\n"
                       "     GROWN   BLOCKS  BY"
                     : "\nlarge mappings that came or grew, and stayed\n      SIZE  ADDRESS         FIRST "
                       "TOUCHED "
                       "BY (which is not: kept by)");
        if (kind == N1_MEMORY_KEPT)
            printf("%10s %8llu  %s\n", bytes, (unsigned long long)k->blocks, chain);
        else if (k->leaf)
            printf("%10s  %-14llx  %.0f %% %s\n", bytes, (unsigned long long)k->address, 100 * k->touched,
                   chain);
        else
            printf("%10s  %-14llx  not seen\n", bytes, (unsigned long long)k->address);
    }
    if (kind == N1_MEMORY_KEPT && !shown && f->not_traced)
        printf("\nkept: not known: %s\n", f->not_traced);
    else if (kind == N1_MEMORY_KEPT && !shown && !f->growth.significant)
        return;
    else if (kind == N1_MEMORY_KEPT && !shown)
        puts("\nkept: no stack of calls of the allocator keeps more and more");
}

static int print_touchers(struct n1_reader *r, const struct finding *f, size_t rows)
{
    struct n1_profile *p = n1_profile_create();
    struct n1_filter filter = {
        .of = N1_OF_MEMORY, .process = f->process, .memory_kinds = 1u << N1_MEMORY_ANON};
    char bytes[32];
    size_t count = 0;
    int rc = p ? n1_profile_update(p, r, f->window, &filter, NULL) : -ENOMEM;
    const struct n1_profile_function *list = rc ? NULL : n1_profile_functions(p, &count);
    for (size_t i = 0; i < count && i < rows && list[i].self_ns; i++) {
        if (i == 0)
            puts("\nanonymous memory first touched during the look (which is not: kept)\n   TOUCHED  BY");
        size_text(bytes, (double)list[i].self_ns);
        printf("%10s  %s%s%s\n", bytes, list[i].module_name, *list[i].module_name ? "!" : "", list[i].name);
    }
    n1_profile_destroy(p);
    return rc;
}

static void add_number(cJSON *o, const char *name, double value)
{
    cJSON_AddItemToObject(o, name, isnan(value) ? cJSON_CreateNull() : cJSON_CreateNumber(value));
}

static void print_json(struct n1_reader *r, const struct finding *f)
{
    const struct n1_growth *g = &f->growth;
    char chain[2048];
    cJSON *all = cJSON_CreateObject(), *growth = cJSON_AddObjectToObject(all, "growth");
    cJSON_AddBoolToObject(growth, "known", g->known);
    cJSON_AddBoolToObject(growth, "significant", g->significant);
    add_number(growth, "bytes_per_second", g->known ? g->per_second : NAN);
    add_number(growth, "first_bytes", g->first);
    add_number(growth, "last_bytes", g->last);
    add_number(growth, "p", g->p);
    cJSON_AddStringToObject(all, "not_traced", f->not_traced ? f->not_traced : "");
    cJSON *kept = cJSON_AddArrayToObject(all, "kept"), *mapped = cJSON_AddArrayToObject(all, "mappings");
    for (size_t i = 0; i < f->keeper_count && i < KEEPERS; i++) {
        const struct n1_keeper *k = &f->keepers[i];
        cJSON *o = cJSON_CreateObject();
        chain_text(r, k, chain, sizeof chain);
        add_number(o, "bytes", (double)k->bytes);
        if (k->kind == N1_MEMORY_KEPT)
            add_number(o, "blocks", (double)k->blocks);
        else
            add_number(o, "address", (double)k->address);
        cJSON_AddStringToObject(o, k->kind == N1_MEMORY_KEPT ? "stack" : "first_touched_by", chain);
        cJSON_AddItemToArray(k->kind == N1_MEMORY_KEPT ? kept : mapped, o);
    }
    char *text = cJSON_Print(all);
    if (text)
        puts(text);
    cJSON_free(text);
    cJSON_Delete(all);
}

static int tell(struct n1_reader *r, n1_ns from, const char *not_traced, const struct n1_command_args *args)
{
    struct n1_error err;
    static struct finding f; /* some kilobytes */
    struct n1_model_process process;
    int rc = n1_reader_begin(r);
    if (rc < 0) {
        n1_error_set(&err, rc, "the model cannot be read");
        return n1_error_print(&err);
    }
    f = (struct finding){.process = 1, .window = {from, UINT64_MAX}, .not_traced = not_traced};
    n1_reader_process(r, f.process, &process);
    n1_growth_of(r, N1_METRIC_MEM_ANON, f.process, f.window, &f.growth);
    f.keeper_count = n1_keepers(r, f.window, f.keepers, KEEPERS);
    size_t rows = args->top ? args->top : ROWS;
    if (args->json) {
        print_json(r, &f);
        return 0;
    }
    printf("leaks of %s %u\n", n1_reader_string(r, process.comm), process.pid);
    print_growth(&f);
    print_keepers(r, &f, N1_MEMORY_KEPT, rows);
    print_keepers(r, &f, N1_MEMORY_MAPPED, rows);
    return print_touchers(r, &f, rows) < 0 ? 1 : 0;
}

static int stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Until the time is over, a signal came or the target is gone. */
static void look(struct n1_session *s, int signals, n1_ns end, bool tty)
{
    struct n1_reader *r = n1_session_reader(s);
    uint64_t told = 0;
    for (n1_ns now; (now = n1_time_mono()) < end;) {
        struct pollfd fds[2] = {{.fd = n1_session_fd(s), .events = POLLIN},
                                {.fd = signals, .events = POLLIN}};
        poll(fds, 2, TICK_MS);
        uint64_t count;
        const char *notice = n1_session_notice(s, &count);
        if (count != told)
            fprintf(stderr, "%sn1top: %s\n", tty ? "\r" : "", notice);
        told = count;
        if (fds[1].revents || n1_session_pump(s) != N1_SESSION_ATTACHED)
            break;
        if (n1_reader_begin(r) >= 0 && n1_reader_state(r) == N1_STATE_TARGET_GONE)
            break;
        if (tty)
            fprintf(stderr, "\rn1top: looking for leaks, %.0f s left ", (double)(end - now) / 1e9);
    }
    if (tty)
        fputc('\n', stderr);
}

static int live(const struct n1_command_args *args)
{
    struct n1_error err = {0}, why = {0};
    int signals = stop_signals();
    struct n1_session_options options = {.pids = args->pids,
                                         .pid_count = args->pid_count,
                                         .config = args->config,
                                         .log = args->log,
                                         .memory = true};
    struct n1_session *s = NULL;
    int rc = n1_session_start(&options, &s, &err);
    if (rc == 0)
        rc = n1_session_wait(s, -1, &err);
    if (rc < 0) {
        n1_session_destroy(s);
        return n1_error_print(&err);
    }
    n1_ns begin = n1_time_mono();
    n1_ns span = (n1_ns)((args->seconds > 0 ? args->seconds : SECONDS) * (double)N1_SECOND_NS);
    rc = n1_session_ask(s, N1_CONTROL_LEAKS, args->trace ? N1_LEAKS_TRACE : N1_LEAKS_BEGIN, ANSWER_MS, &why);
    if (rc < 0)
        fprintf(stderr, "n1top: %s%s%s\n", why.what, *why.hint ? "\n  " : "", why.hint);
    look(s, signals, begin + span, isatty(STDERR_FILENO));
    n1_session_ask(s, N1_CONTROL_LEAKS, N1_LEAKS_END, ANSWER_MS, NULL);
    n1_session_ask(s, N1_CONTROL_NAME_ALL, 0, NAMES_MS, NULL);
    int status = tell(n1_session_reader(s), begin, rc < 0 ? why.what : NULL, args);
    n1_session_destroy(s);
    close(signals);
    return status;
}

static int run(const struct n1_command_args *args, const struct n1_config *config)
{
    struct n1_error err;
    struct n1_reader *r = NULL;
    (void)config;
    if (args->pid_count && !args->file_count)
        return live(args);
    if (args->file_count != 1 || args->pid_count) {
        n1_error_set(&err, N1_E_USAGE, "leaks: name one recording, or a process with -p");
        return n1_error_print(&err);
    }
    if (n1_reader_open_file(args->files[0], &r, &err) < 0)
        return n1_error_print(&err);
    if (n1_rights_drop(&err) < 0) {
        n1_reader_close(r);
        return n1_error_print(&err);
    }
    int status = tell(r, 0, "a recording does not trace the allocator; n1top leaks -p does", args);
    n1_reader_close(r);
    return status;
}

const struct n1_command n1_command_leaks = {
    .name = "leaks",
    .usage = "leaks FILE|-p PID [-d SEC] [--trace]",
    .text = "does it grow, and who keeps the memory",
    .options = N1_TAKES_FILE N1_TAKES_PID N1_TAKES_SECONDS N1_TAKES_TRACE N1_TAKES_TOP N1_TAKES_JSON,
    .details = "Growth is told apart from warm-up: the first third of the look does not count. Who keeps "
               "memory is told by\n"
               "exact tracing of malloc and free: breakpoints that the kernel puts into its copy of the "
               "allocator's code for\n"
               "this process, taken away at the end. It is done by itself when it is predicted to cost the "
               "process under 2 %\n"
               "of a CPU, and with --trace up to half a CPU; it ends by itself when it costs twice that. It "
               "needs root or\n"
               "CAP_SYS_ADMIN (which the kernel wants for breakpoints of this kind), and is refused for Go "
               "programs and where greenlets are used.\n"
               "Without -d it looks for 60 s.",
    .run = run,
};
