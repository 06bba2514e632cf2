/* The frame of the target: which scenes run, and how they end. account SCENE... (none: all but threads and
 * stopped). */
#include "account.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHECKS_MAX = 16, TABLE = 8192, END_MS = 20000 };

static const struct {
    const char *name;
    void (*start)(void);
} scenes[] = {
    {"sum", scene_sum},     {"stopped", scene_stopped}, {"loop", scene_loop},
    {"waits", scene_waits}, {"timers", scene_timers},   {"signals", scene_signals},
    {"forks", scene_forks}, {"stops", scene_stops},     {"threads", scene_threads},
};
enum { SCENES = sizeof scenes / sizeof *scenes };

static atomic_bool ending;
static atomic_int running;
static void (*checks[CHECKS_MAX])(void);
static int check_count;
static uint32_t table[TABLE];
static uint64_t right_sum;

bool account_runs(void)
{
    return !atomic_load_explicit(&ending, memory_order_relaxed);
}

uint64_t account_us_since(uint64_t since_ns)
{
    return (mono_ns() - since_ns) / 1000;
}

struct start {
    void *(*run)(void *);
    void *arg;
};

static void *run(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    start.run(start.arg);
    atomic_fetch_sub(&running, 1);
    return NULL;
}

void account_thread(const char *name, void *(*body)(void *), void *arg)
{
    struct start *start = malloc(sizeof *start);
    if (!start)
        target_die("malloc");
    *start = (struct start){body, arg};
    atomic_fetch_add(&running, 1);
    target_thread(name, run, start);
}

void account_at_end(void (*check)(void))
{
    if (check_count == CHECKS_MAX)
        target_die("too many checks");
    checks[check_count++] = check;
}

uint64_t account_sum(void)
{
    uint64_t sum = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < TABLE; i++)
        sum = (sum ^ table[i]) * 0x100000001b3u + (sum >> 29);
    return sum;
}

uint64_t account_right_sum(void)
{
    return right_sum;
}

static void start_scene(const char *name)
{
    for (int i = 0; i < SCENES; i++) {
        if (!strcmp(scenes[i].name, name)) {
            scenes[i].start();
            return;
        }
    }
    errno = EINVAL;
    target_die(name);
}

int main(int argc, char **argv)
{
    for (uint32_t i = 0, x = 1; i < TABLE; i++)
        table[i] = x = x * 1664525u + 1013904223u;
    right_sum = account_sum();
    if (argc == 3 && !strcmp(argv[1], "--child"))
        return account_child_main(argv[2]);
    target_begin(&argc, argv);
    for (int i = 1; i < argc; i++)
        start_scene(argv[i]);
    for (int i = 0; argc == 1 && i < SCENES; i++)
        if (strcmp(scenes[i].name, "threads") != 0 && strcmp(scenes[i].name, "stopped") != 0)
            scenes[i].start();
    account_keep_state();
    target_ready();
    target_wait();
    atomic_store(&ending, true);
    for (int waited = 0; atomic_load(&running) > 0 && waited < END_MS; waited++)
        sleep_ms(1);
    struct truth_row *stuck = truth_count("stuck_threads");
    truth_add(stuck, (uint64_t)atomic_load(&running));
    account_compare_state();
    for (int i = 0; i < check_count; i++)
        checks[i]();
    target_end(0);
}
