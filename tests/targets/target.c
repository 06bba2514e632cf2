/* The common part of the test targets; target.h says what each call does. */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define ROWS_MAX 64
#define NAME_MAX_BYTES 80

enum kind { KIND_FUNCTION, KIND_THREAD, KIND_COUNT };

struct truth_row {
    enum kind kind;
    char name[NAME_MAX_BYTES];
    uint64_t value;
};

static struct truth_row *rows; /* shared with forked children */
static int row_count;
static const char *truth_path;
static const char *program;
static uint64_t end_ns; /* mono; 0: no end of its own */
static unsigned sequence;
static pid_t owner; /* the process that writes the truth */
static volatile sig_atomic_t asked_truth, asked_end;

static void on_signal(int sig)
{
    if (sig == SIGUSR1)
        asked_truth = 1;
    else
        asked_end = 1;
}

void target_die(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program ? program : "target", what, strerror(errno));
    _exit(1);
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t thread_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t mono_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

void sleep_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        continue;
}

void target_begin(int *argc, char **argv)
{
    unsigned limit = 120;
    int kept = 1;
    const char *slash = strrchr(argv[0], '/');
    program = slash ? slash + 1 : argv[0];
    bool ours = true;
    for (int i = 1; i < *argc; i++) {
        bool has_value = ours && i + 1 < *argc;
        if (ours && !strcmp(argv[i], "--"))
            ours = false;
        else if (has_value && !strcmp(argv[i], "--truth"))
            truth_path = argv[++i];
        else if (has_value && !strcmp(argv[i], "--limit"))
            limit = (unsigned)atoi(argv[++i]);
        else if (has_value && !strcmp(argv[i], "--for"))
            end_ns = mono_ns() + (uint64_t)(atof(argv[++i]) * 1e9);
        else
            argv[kept++] = argv[i];
    }
    argv[kept] = NULL;
    *argc = kept;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(limit);
    owner = getpid();
    rows = mmap(NULL, ROWS_MAX * sizeof(*rows), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (rows == MAP_FAILED)
        target_die("mmap");
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void target_ready(void)
{
    if (write(STDOUT_FILENO, "ready\n", 6) != 6)
        target_die("write ready");
}

void target_child(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGTERM, SIG_DFL);
    truth_path = NULL;
}

static struct truth_row *row(enum kind kind, const char *name)
{
    for (int i = 0; i < row_count; i++)
        if (rows[i].kind == kind && !strcmp(rows[i].name, name))
            return &rows[i];
    if (row_count == ROWS_MAX)
        target_die("too many rows");
    struct truth_row *made = &rows[row_count++];
    made->kind = kind;
    snprintf(made->name, sizeof(made->name), "%s", name);
    return made;
}

struct truth_row *truth_function(const char *name)
{
    return row(KIND_FUNCTION, name);
}

struct truth_row *truth_thread(const char *name)
{
    return row(KIND_THREAD, name);
}

struct truth_row *truth_count(const char *name)
{
    return row(KIND_COUNT, name);
}

void truth_add(struct truth_row *r, uint64_t amount)
{
    __atomic_fetch_add(&r->value, amount, __ATOMIC_RELAXED);
}

uint64_t truth_value(const struct truth_row *r)
{
    return __atomic_load_n(&r->value, __ATOMIC_RELAXED);
}

static void write_section(FILE *out, const char *title, enum kind kind)
{
    const char *comma = "";
    fprintf(out, ", \"%s\": {", title);
    for (int i = 0; i < row_count; i++) {
        if (rows[i].kind != kind)
            continue;
        if (kind == KIND_COUNT)
            fprintf(out, "%s\"%s\": %" PRIu64, comma, rows[i].name, truth_value(&rows[i]));
        else
            fprintf(out, "%s\"%s\": %.9f", comma, rows[i].name, (double)truth_value(&rows[i]) / 1e9);
        comma = ", ";
    }
    fprintf(out, "}");
}

void truth_write(void)
{
    char temporary[4096];
    if (!truth_path)
        return;
    snprintf(temporary, sizeof(temporary), "%s.tmp", truth_path);
    FILE *out = fopen(temporary, "we");
    if (!out)
        target_die(temporary);
    fprintf(out, "{\"target\": \"%s\", \"pid\": %d, \"sequence\": %u, \"mono_ns\": %" PRIu64, program,
            (int)owner, ++sequence, mono_ns());
    fprintf(out, ", \"process_cpu_seconds\": %.9f", (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9);
    write_section(out, "functions", KIND_FUNCTION);
    write_section(out, "threads", KIND_THREAD);
    write_section(out, "counts", KIND_COUNT);
    fprintf(out, "}\n");
    if (fclose(out) || rename(temporary, truth_path) < 0)
        target_die(truth_path);
}

bool target_poll(void)
{
    if (asked_truth) {
        asked_truth = 0;
        truth_write();
    }
    return !asked_end && !(end_ns && mono_ns() >= end_ns);
}

void target_wait(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    while (target_poll()) {
        uint64_t now = mono_ns(), left = end_ns > now ? end_ns - now : 0;
        struct timespec timeout = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
        int sig = sigtimedwait(&set, NULL, end_ns ? &timeout : NULL);
        if (sig > 0)
            on_signal(sig);
    }
}

void target_end(int status)
{
    truth_write();
    fflush(NULL);
    _exit(status);
}

struct start {
    char name[16];
    void *(*run)(void *);
    void *arg;
};

static void *start_thread(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    prctl(PR_SET_NAME, start.name);
    return start.run(start.arg);
}

void target_thread(const char *name, void *(*run)(void *), void *arg)
{
    struct start *start = calloc(1, sizeof(*start));
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    if (!start)
        target_die("calloc");
    strncpy(start->name, name, sizeof(start->name) - 1);
    start->run = run;
    start->arg = arg;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    errno = pthread_create(&thread, &attr, start_thread, start);
    if (errno)
        target_die("pthread_create");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
}

TARGET_FUNCTION uint64_t spin(uint64_t rounds)
{
    uint64_t x = rounds | 1;
    for (uint64_t i = 0; i < rounds; i++)
        x = x * 6364136223846793005u + 1442695040888963407u;
    return x;
}

void share_step(struct share *shares, int count)
{
    static __thread uint64_t random = 88172645463325252u;
    struct share *behind = &shares[0];
    for (int i = 1; i < count; i++)
        if ((double)truth_value(shares[i].row) * behind->part <
            (double)truth_value(behind->row) * shares[i].part)
            behind = &shares[i];
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    uint64_t before = thread_cpu_ns();
    behind->run(500000 + random % 1000000);
    truth_add(behind->row, thread_cpu_ns() - before);
}
