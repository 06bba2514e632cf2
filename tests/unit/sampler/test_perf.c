/* Engine A on real processes: samples against CPU time, time order, threads, exec, pause, rate, and every
 * mode. */
#include "sampler/engine/perf.h"
#include "sampler/engine/perf_attr.h"
#include "sampler/target/process.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
    uint64_t samples, weight_ns, disorder, no_stack, lost;
    unsigned forks, exits, execs, mmaps, others;
    uint64_t code;                  /* address of a page that is waited for, 0: none */
    unsigned in_code, before_mmaps; /* samples in it; those of them that came before any mapping */
    pid_t pid, forked, tids[64];
    unsigned tid_count;
    n1_ns last;
    char comm[64];
} seen;

static void in_order(n1_ns time)
{
    seen.disorder += time < seen.last;
    seen.last = time;
}

static void on_sample(void *context, const struct n1_raw_sample *s)
{
    unsigned i;

    (void)context;
    in_order(s->time);
    seen.samples++;
    seen.weight_ns += s->weight_ns;
    seen.others += s->pid != seen.pid;
    if (seen.code && s->user.regs[N1_REG_RIP] - seen.code < 4096) {
        seen.in_code++;
        seen.before_mmaps += seen.mmaps == 0;
    }
    if (!s->in_kernel && (s->user.valid != (1u << N1_REG_COUNT) - 1 || s->user.stack_len == 0))
        seen.no_stack++;
    for (i = 0; i < seen.tid_count && seen.tids[i] != s->tid; i++)
        ;
    if (i == seen.tid_count && i < 64)
        seen.tids[seen.tid_count++] = s->tid;
}

static void on_mmap(void *context, n1_ns time, const struct n1_mmap_event *event)
{
    (void)context;
    in_order(time);
    seen.mmaps += event->end > event->start;
}

static void on_comm(void *context, n1_ns time, pid_t pid, pid_t tid, const char *name, bool exec)
{
    (void)context;
    (void)tid;
    in_order(time);
    if (pid == seen.pid)
        snprintf(seen.comm, sizeof(seen.comm), "%s", name);
    seen.execs += exec;
}

static void on_fork(void *context, n1_ns time, pid_t pid, pid_t tid, pid_t parent_pid, pid_t parent_tid)
{
    (void)context;
    (void)tid;
    (void)parent_pid;
    (void)parent_tid;
    in_order(time);
    seen.forks++;
    seen.forked = pid;
}

static void on_exit_(void *context, n1_ns time, pid_t pid, pid_t tid)
{
    (void)context;
    (void)pid;
    (void)tid;
    in_order(time);
    seen.exits++;
}

static void on_lost(void *context, n1_ns time, uint64_t count)
{
    (void)context;
    in_order(time);
    seen.lost += count;
}

static const struct n1_engine_sink sink = {.sample = on_sample,
                                           .mmap = on_mmap,
                                           .comm = on_comm,
                                           .fork = on_fork,
                                           .exit = on_exit_,
                                           .lost = on_lost};

static struct n1_perf *start(const struct n1_perf_config *config, pid_t pid, unsigned flags)
{
    struct n1_perf *perf = NULL;
    struct n1_error err = {0};

    memset(&seen, 0, sizeof(seen));
    seen.pid = pid;
    assert_int_equal(n1_perf_create(config, &sink, &perf, &err), 0);
    assert_int_equal(n1_perf_add_process(perf, pid, flags, &err), 0);
    return perf;
}

static void drain_once(struct n1_perf *perf)
{
    struct pollfd fd = {.fd = n1_perf_fd(perf), .events = POLLIN};

    assert_true(poll(&fd, 1, 10000) == 1);
    n1_perf_drain(perf);
}

static void stop(struct n1_perf *perf)
{
    struct n1_perf_stats stats;

    n1_perf_flush(perf);
    n1_perf_stats(perf, &stats);
    assert_int_equal(seen.disorder, 0);
    assert_int_equal(seen.lost, stats.lost);
    assert_int_equal(stats.damaged, 0);
    assert_int_equal(stats.unopened, 0);
    n1_perf_destroy(perf);
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A child that does not outlive a test that fails. */
static pid_t fork_bound(void)
{
    pid_t pid = fork();

    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static void *spin(void *arg)
{
    for (volatile unsigned x = 0;; x++)
        ;
    return arg;
}

static pid_t spinner(unsigned threads)
{
    int ready[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork_bound();
    if (pid == 0) {
        for (unsigned i = 1; i < threads; i++) {
            pthread_t thread;
            if (pthread_create(&thread, NULL, spin, NULL))
                _exit(1);
        }
        if (write(ready[1], "x", 1) == 1)
            spin(NULL);
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

/* User time only, so that it holds with and without rights; a spinning thread has hardly any other. The
 * tolerance covers a started period per thread, and what the clocks of a busy virtual machine disagree about.
 */
static void samples_stand_for_cpu_time(void **state)
{
    struct n1_perf_process_info info;
    struct n1_perf_config config = {.rate_hz = 1000};
    (void)state;
    pid_t pid = spinner(4);
    struct n1_perf *perf = start(&config, pid, 0);
    do {
        drain_once(perf);
        assert_true(n1_perf_process_info(perf, pid, &info));
    } while (info.cpu_ns < 500 * 1000000ull);
    kill(pid, SIGSTOP);
    while (waitpid(pid, NULL, WUNTRACED) != pid)
        ;
    n1_perf_flush(perf);
    assert_true(n1_perf_process_info(perf, pid, &info));
    assert_true(info.cpu_known);
    assert_int_equal(info.mode, N1_PERF_MODE_INHERIT);
    assert_true(info.sampled_ns == seen.weight_ns);
    assert_true((double)info.sampled_ns > 0.9 * (double)info.cpu_ns);
    assert_true((double)info.sampled_ns < 1.1 * (double)info.cpu_ns);
    assert_int_equal(seen.tid_count, 4);
    assert_int_equal(seen.no_stack, 0);
    assert_int_equal(seen.others, 0);
    stop(perf);
    end(pid);
}

static void pause_rate_and_stack_change_on_the_fly(void **state)
{
    struct n1_perf_config config = {.rate_hz = 1000};
    struct n1_perf_stats stats;
    (void)state;
    pid_t pid = spinner(2);
    struct n1_perf *perf = start(&config, pid, 0);
    while (seen.samples < 100)
        drain_once(perf);
    n1_perf_stats(perf, &stats);
    assert_int_equal(stats.rate_asked_hz, 1000);
    assert_int_equal(stats.rate_used_hz, 997);
    uint32_t fds = stats.fds;
    assert_int_equal(n1_perf_pause(perf, true), 0);
    n1_perf_flush(perf);
    uint64_t before = seen.samples;
    for (int i = 0; i < 3; i++)
        drain_once(perf);
    assert_int_equal(seen.samples, before);
    assert_int_equal(n1_perf_set_rate(perf, 2000), 0);
    assert_int_equal(n1_perf_pause(perf, false), 0);
    while (seen.samples < before + 100)
        drain_once(perf);
    assert_int_equal(n1_perf_set_stack(perf, 4096), 0);
    for (int round = 0; round < 6; round++) {
        assert_int_equal(n1_perf_set_rate(perf, round % 2 ? 500 : 4000), 0);
        before = seen.samples;
        while (seen.samples < before + 20)
            drain_once(perf);
    }
    n1_perf_stats(perf, &stats);
    assert_int_equal(stats.rate_used_hz, 499);
    assert_int_equal(stats.stack_bytes, 4096);
    assert_int_equal(stats.fds, fds);
    stop(perf);
    end(pid);
}

static void *short_life(void *arg)
{
    struct timespec t;

    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    while (t.tv_nsec < 2000000);
    return arg;
}

static pid_t churner(void)
{
    pid_t pid = fork_bound();

    if (pid == 0) {
        for (;;) {
            pthread_t threads[4];
            for (int i = 0; i < 4; i++) {
                if (pthread_create(&threads[i], NULL, short_life, NULL))
                    _exit(1);
            }
            for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        }
    }
    return pid;
}

/* Attached over and over to a process whose threads come and go all the time: none may count twice. */
static void a_churning_process_is_not_counted_twice(void **state)
{
    struct n1_perf_config config = {.rate_hz = 5000};
    (void)state;
    pid_t pid = churner();
    for (int round = 0; round < 10; round++) {
        struct n1_perf_process_info info;
        struct n1_perf *perf = start(&config, pid, 0);
        do {
            drain_once(perf);
            assert_true(n1_perf_process_info(perf, pid, &info));
        } while (info.cpu_ns < 50 * 1000000ull);
        n1_perf_flush(perf);
        assert_true(n1_perf_process_info(perf, pid, &info));
        assert_true((double)info.sampled_ns < 1.15 * (double)info.cpu_ns);
        assert_true(seen.forks > 0 && seen.exits > 0);
        stop(perf);
    }
    end(pid);
}

static void threads_born_later_are_seen_in_each_mode(void **state)
{
    /* CPUs assumed, and the mode this leads to with rights and without */
    static const struct {
        unsigned cpus;
        enum n1_perf_mode with, without;
    } cases[] = {{0, N1_PERF_MODE_INHERIT, N1_PERF_MODE_INHERIT},
                 {3000, N1_PERF_MODE_SYSTEM, N1_PERF_MODE_SCAN}};
    struct n1_perf_rights rights;
    (void)state;
    assert_int_equal(n1_perf_rights_probe(&rights, false, NULL), 0);
    for (size_t i = 0; i < 2; i++) {
        struct n1_perf_config config = {.rate_hz = 997, .assume_cpus = cases[i].cpus};
        struct n1_perf_process_info info;
        int gate[2];
        assert_int_equal(pipe(gate), 0);
        pid_t pid = fork_bound();
        if (pid == 0) {
            char byte;
            pthread_t thread;
            if (read(gate[0], &byte, 1) != 1 || pthread_create(&thread, NULL, spin, NULL))
                _exit(1);
            pthread_join(thread, NULL);
            _exit(1);
        }
        struct n1_perf *perf = start(&config, pid, 0);
        assert_true(n1_perf_process_info(perf, pid, &info));
        if (info.mode != N1_PERF_MODE_CGROUP) /* where the test itself runs alone in a cgroup */
            assert_int_equal(info.mode, rights.system ? cases[i].with : cases[i].without);
        assert_int_equal(write(gate[1], "x", 1), 1);
        while (seen.samples < 50)
            drain_once(perf);
        assert_int_equal(seen.others, 0);
        assert_true(seen.tids[seen.tid_count - 1] != pid);
        close(gate[0]);
        close(gate[1]);
        stop(perf);
        end(pid);
    }
}

static void exec_is_followed_from_its_first_instruction(void **state)
{
    struct n1_perf_config config = {.rate_hz = 997};
    int gate[2];
    (void)state;
    assert_int_equal(pipe(gate), 0);
    pid_t pid = fork_bound();
    if (pid == 0) {
        char byte;
        if (read(gate[0], &byte, 1) != 1)
            _exit(1);
        execl("/bin/sh", "sh", "-c", "while :; do :; done", (char *)NULL);
        _exit(1);
    }
    struct n1_perf *perf = start(&config, pid, N1_PERF_ON_EXEC);
    drain_once(perf);
    assert_int_equal(seen.samples, 0);
    assert_int_equal(write(gate[1], "x", 1), 1);
    while (seen.samples < 50)
        drain_once(perf);
    assert_int_equal(seen.execs, 1);
    assert_string_equal(seen.comm, "sh");
    assert_true(seen.mmaps >= 3); /* the program, its loader, the C library */
    uint64_t before = seen.samples;
    assert_int_equal(n1_perf_set_rate(perf, 1999), 0); /* the exec must not be waited for again */
    while (seen.samples < before + 50)
        drain_once(perf);
    close(gate[0]);
    close(gate[1]);
    stop(perf);
    end(pid);
}

static void children_are_followed_only_when_asked(void **state)
{
    (void)state;
    for (int follow = 0; follow < 2; follow++) {
        struct n1_perf_config config = {.rate_hz = 1999, .follow_children = follow};
        int gate[2];
        assert_int_equal(pipe(gate), 0);
        pid_t pid = fork_bound();
        if (pid == 0) {
            char byte;
            if (read(gate[0], &byte, 1) != 1)
                _exit(1);
            pid_t child = fork();
            if (child == 0)
                alarm(60);
            spin(NULL);
        }
        struct n1_perf *perf = start(&config, pid, 0);
        assert_int_equal(write(gate[1], "x", 1), 1);
        while (seen.samples - seen.others < 100 || (follow && seen.others < 100))
            drain_once(perf);
        assert_int_equal(seen.forks, 1);
        if (!follow)
            assert_int_equal(seen.others, 0);
        end(pid); /* the child lives on, and so do its samples when followed */
        if (follow) {
            n1_perf_remove_process(perf, pid);
            uint64_t before = seen.others;
            while (seen.others < before + 100)
                drain_once(perf);
        }
        kill(seen.forked, SIGKILL);
        close(gate[0]);
        close(gate[1]);
        stop(perf);
    }
}

static unsigned count_fds(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");

    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* A shell script has thousands of them. */
static void children_that_ended_leave_nothing_behind(void **state)
{
    enum { CHILDREN = 20 };
    struct n1_perf_config config = {.rate_hz = 997, .follow_children = true};
    int gate[2];
    (void)state;
    assert_int_equal(pipe(gate), 0);
    pid_t pid = fork_bound();
    if (pid == 0) {
        char byte;
        if (read(gate[0], &byte, 1) != 1)
            _exit(1);
        for (int i = 0; i < CHILDREN; i++) {
            pid_t child = fork();
            if (child == 0)
                _exit(0);
            waitpid(child, NULL, 0);
        }
        spin(NULL);
    }
    struct n1_perf *perf = start(&config, pid, 0);
    unsigned fds = count_fds();
    assert_int_equal(write(gate[1], "x", 1), 1);
    while (seen.exits < CHILDREN)
        drain_once(perf);
    n1_ns until = n1_time_mono() + 30 * N1_SECOND_NS;
    while (count_fds() > fds && n1_time_mono() < until)
        drain_once(perf);
    assert_int_equal(count_fds(), fds);
    close(gate[0]);
    close(gate[1]);
    stop(perf);
    end(pid);
}

static void library_mappings_come_before_the_samples_in_them(void **state)
{
    struct n1_perf_config config = {.rate_hz = 997};
    int gate[2];
    (void)state;
    assert_int_equal(pipe(gate), 0);
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork_bound();
    if (pid == 0) {
        char byte;
        if (read(gate[0], &byte, 1) != 1)
            _exit(1);
        memcpy(code, "\xeb\xfe", 2); /* jmp . */
        void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
        if (!library || mprotect(code, 4096, PROT_READ | PROT_EXEC))
            _exit(1);
        ((void (*)(void))(uintptr_t)code)();
    }
    struct n1_perf *perf = start(&config, pid, 0);
    seen.code = (uintptr_t)code;
    assert_int_equal(write(gate[1], "x", 1), 1);
    while (seen.in_code < 20)
        drain_once(perf);
    assert_int_equal(seen.before_mmaps, 0);
    munmap(code, 4096);
    close(gate[0]);
    close(gate[1]);
    stop(perf);
    end(pid);
}

static void the_end_of_a_target_and_of_the_engine(void **state)
{
    struct n1_perf_config config = {.rate_hz = 997};
    struct n1_perf_process_info info;
    struct n1_error err = {0};
    (void)state;
    unsigned fds = count_fds();
    pid_t pid = spinner(3), other = spinner(1);
    struct n1_perf *perf = start(&config, pid, 0);
    assert_int_equal(n1_perf_add_process(perf, pid, 0, &err), 0); /* twice is once */
    assert_int_equal(n1_perf_add_process(perf, other, 0, &err), 0);
    while (seen.samples < 50 || seen.others < 50)
        drain_once(perf);
    end(pid);
    while (seen.exits < 3)
        drain_once(perf);
    n1_perf_remove_process(perf, pid);
    n1_perf_remove_process(perf, pid);
    assert_false(n1_perf_process_info(perf, pid, &info));
    assert_int_equal(n1_perf_add_process(perf, pid, 0, &err), N1_E_NO_PROCESS);
    assert_non_null(strstr(err.what, "gone"));
    uint64_t before = seen.others;
    while (seen.others < before + 50)
        drain_once(perf);
    stop(perf);
    end(other);
    assert_int_equal(count_fds(), fds);
    n1_perf_destroy(NULL);
}

int main(void)
{
    struct n1_perf_rights rights;
    struct n1_error err = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_stand_for_cpu_time),
        cmocka_unit_test(pause_rate_and_stack_change_on_the_fly),
        cmocka_unit_test(a_churning_process_is_not_counted_twice),
        cmocka_unit_test(threads_born_later_are_seen_in_each_mode),
        cmocka_unit_test(exec_is_followed_from_its_first_instruction),
        cmocka_unit_test(children_are_followed_only_when_asked),
        cmocka_unit_test(children_that_ended_leave_nothing_behind),
        cmocka_unit_test(library_mappings_come_before_the_samples_in_them),
        cmocka_unit_test(the_end_of_a_target_and_of_the_engine),
    };
    if (n1_perf_rights_probe(&rights, false, &err)) {
        printf("%s\n", err.what);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
