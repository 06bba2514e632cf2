/* Threads one by one: recorded, real ones that come and go, a first thread that ends before the others. */
#include "tests/unit/sampler/metrics_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static const n1_ns start = 100 * N1_SECOND_NS;

static const struct n1_thread_times *find(const struct n1_metrics *m, pid_t tid)
{
    size_t count;
    const struct n1_thread_times *threads = n1_metrics_threads(m, &count);

    for (size_t i = 0; i < count; i++)
        if (threads[i].tid == tid)
            return &threads[i];
    return NULL;
}

static void recorded_threads_come_and_go(void **state)
{
    (void)state;
    struct fixture f;
    size_t count;
    fixture_init(&f);
    fixture_folder(f.proc, "4321/task/not-a-tid");
    fixture_folder(f.proc, "4321/task/99999999999999999999");
    struct n1_metrics *m = fixture_open(&f);
    n1_metrics_threads(m, &count);
    assert_int_equal(count, 0);
    n1_metrics_read(m, start);
    assert_false(find(m, 4400)->switches_valid); /* not in the first pass */
    n1_metrics_read(m, start + N1_SECOND_NS);
    const struct n1_thread_times *threads = n1_metrics_threads(m, &count);
    assert_int_equal(count, 2);
    assert_int_equal(threads[0].tid, 4321);
    assert_int_equal(threads[1].tid, 4400);
    assert_true(threads[1].times_valid && threads[1].switches_valid);
    assert_int_equal(threads[1].run_ns, 500000000);
    assert_int_equal(threads[1].wait_ns, 2000000);
    assert_int_equal(threads[1].slices, 30);
    assert_int_equal(threads[1].voluntary, 20);
    assert_int_equal(threads[1].involuntary, 10);
    assert_int_equal(threads[1].time, start + N1_SECOND_NS);
    uint32_t serial = threads[1].serial;

    /* 4400 ends, 4350 begins: what 4400 did stays in the sums, 4350 is somebody new */
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/4321/task/4400/schedstat", f.proc);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/4321/task/4400/status", f.proc);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/4321/task/4400", f.proc);
    assert_int_equal(rmdir(path), 0);
    fixture_put(f.proc, "4321/task/4350/schedstat", "1 1000000 5\n");
    n1_metrics_read(m, start + 4 * N1_SECOND_NS);
    threads = n1_metrics_threads(m, &count);
    assert_int_equal(count, 2);
    assert_int_equal(threads[0].tid, 4321);
    assert_int_equal(threads[1].tid, 4350);
    assert_true(threads[1].serial > serial);
    assert_false(threads[1].switches_valid); /* its status is not there: unknown, not zero */
    check_value(m, N1_METRIC_CPU_WAIT, 43000000);
    check_value(m, N1_METRIC_SCHED_SLICES, 735);
    check_value(m, N1_METRIC_SCHED_VOLUNTARY, 620);
    n1_metrics_destroy(m);
    fixture_finish(&f);
}

static void counting_that_is_off_is_not_zero(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_put(f.proc, "4321/task/4321/schedstat", "0 0 0\n");
    fixture_put(f.proc, "4321/task/4400/schedstat", "0 0 0\n");
    struct n1_metrics *m = fixture_open(&f);
    n1_metrics_read(m, start);
    check_reason(m, N1_METRIC_CPU_WAIT, "switched off in this kernel");
    assert_false(find(m, 4321)->times_valid);
    fixture_put(f.proc, "4321/task/4321/schedstat", "9223372036854775807 9223372036854775807 3\n");
    fixture_put(f.proc, "4321/task/4400/schedstat", "1 9223372036854775807 -3\n");
    n1_metrics_read(m, start + N1_SECOND_NS);
    check_value(m, N1_METRIC_CPU_WAIT, INT64_MAX);
    assert_false(find(m, 4400)->times_valid);
    n1_metrics_destroy(m);
    fixture_finish(&f);
}

struct worker {
    pthread_t thread;
    _Atomic pid_t tid;
    atomic_bool stop;
    int64_t spin_ns; /* CPU time to burn before it says its tid */
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct timespec ts;

    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    while (ts.tv_sec == 0 && ts.tv_nsec < w->spin_ns);
    w->tid = (pid_t)syscall(SYS_gettid);
    while (!w->stop)
        sched_yield();
    return NULL;
}

static void real_threads_are_counted_and_timed(void **state)
{
    (void)state;
    struct worker workers[3] = {{.spin_ns = 1000}, {.spin_ns = 80000000}, {.spin_ns = 1000}};
    struct n1_metrics *m;
    size_t count;
    n1_ns now = start;
    assert_int_equal(n1_metrics_create(&m, getpid(), NULL, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (int i = 0; i < 3; i++)
        while (!workers[i].tid)
            sched_yield();
    assert_int_equal(n1_metrics_read(m, now), 0);
    assert_int_equal(n1_metrics_read(m, now += 3 * N1_SECOND_NS), 0);
    n1_metrics_threads(m, &count);
    assert_true(count >= 4); /* a sanitizer may have one of its own */
    check_value(m, N1_METRIC_THREADS, (int64_t)count);
    const struct n1_thread_times *spinner = find(m, workers[1].tid);
    assert_non_null(spinner);
    if (spinner->times_valid) {
        assert_true(spinner->run_ns >= 80000000);
        assert_true(spinner->slices > 0);
    } else {
        assert_string_not_equal(n1_metrics_reason(m, N1_METRIC_CPU_WAIT), "");
    }
    assert_true(spinner->switches_valid);
    for (int i = 0; i < 3; i++) {
        workers[i].stop = true;
        pthread_join(workers[i].thread, NULL);
    }
    /* the kernel takes a moment to release a joined thread's entry */
    for (size_t left = count; left > count - 3;) {
        assert_int_equal(n1_metrics_read(m, now += 3 * N1_SECOND_NS), 0);
        n1_metrics_threads(m, &left);
    }
    assert_null(find(m, workers[1].tid));
    n1_metrics_destroy(m);
}

/* The first thread of a process may end while others go on: memory and descriptors are still the process's.
 */
static void a_dead_first_thread_hides_nothing(void **state)
{
    (void)state;
    int ready[2];
    struct n1_metrics *m;
    pid_t child;
    char byte, status[64], letter = 0;
    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        static struct worker worker = {.spin_ns = 1000};
        pthread_create(&worker.thread, NULL, work, &worker);
        while (!worker.tid)
            sched_yield();
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        syscall(SYS_exit, 0); /* this thread alone */
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    snprintf(status, sizeof status, "/proc/%d/stat", (int)child);
    while (letter != 'Z') {
        FILE *file = fopen(status, "r");
        assert_non_null(file);
        assert_int_equal(fscanf(file, "%*d (%*[^)]) %c", &letter), 1);
        fclose(file);
    }
    assert_int_equal(n1_metrics_create(&m, child, NULL, NULL), 0);
    assert_int_equal(n1_metrics_read(m, start), 0);
    assert_int_equal(n1_metrics_read(m, start + 3 * N1_SECOND_NS), 0);
    assert_int_not_equal(n1_metrics_state(m), 'Z');
    assert_true(n1_metrics_points(m)[N1_METRIC_MEM_RSS].valid);
    assert_true(n1_metrics_points(m)[N1_METRIC_MEM_RSS].value > 0);
    assert_true(n1_metrics_points(m)[N1_METRIC_MEM_PSS].valid);
    assert_true(n1_metrics_points(m)[N1_METRIC_FDS].valid);
    assert_true(n1_metrics_points(m)[N1_METRIC_FDS].value >= 2);
    n1_metrics_destroy(m);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(ready[0]);
    close(ready[1]);
}

static void descriptors_are_given_back(void **state)
{
    (void)state;
    struct n1_metrics *m, *self;
    assert_int_equal(n1_metrics_create(&self, getpid(), NULL, NULL), 0);
    n1_metrics_read(self, start);
    n1_metrics_read(self, start + N1_SECOND_NS); /* now with the descriptors that it keeps itself */
    int64_t before = n1_metrics_points(self)[N1_METRIC_FDS].value;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(n1_metrics_create(&m, i % 2 ? 0 : getpid(), NULL, NULL), 0);
        n1_metrics_read(m, start);
        n1_metrics_read(m, start + 3 * N1_SECOND_NS);
        n1_metrics_destroy(m);
    }
    n1_metrics_read(self, start + 3 * N1_SECOND_NS);
    assert_true(n1_metrics_points(self)[N1_METRIC_FDS].value <= before);
    n1_metrics_destroy(self);
    n1_metrics_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_threads_come_and_go),
        cmocka_unit_test(counting_that_is_off_is_not_zero),
        cmocka_unit_test(real_threads_are_counted_and_timed),
        cmocka_unit_test(a_dead_first_thread_hides_nothing),
        cmocka_unit_test(descriptors_are_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
