/*
 * A process's figures: exact from a recorded tree, refused with a reason from a damaged one, true of real
 * processes (ourselves, a child that dies, somebody else's).
 */
#include "tests/unit/sampler/metrics_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

static const n1_ns start = 100 * N1_SECOND_NS;

static void put_tree(struct fixture *f)
{
    fixture_put(
        f->proc, "4321/status",
        "Name:\tVmRSS:\\n1 kB\nVmPeak:\t  900 kB\nVmSize:\t  800 kB\nVmHWM:\t  300 kB\nVmRSS:\t  200 kB\n"
        "RssAnon:\t  120 kB\nRssFile:\t   70 kB\nRssShmem:\t   10 kB\nVmSwap:\t    5 kB\nThreads:\t2\n");
    fixture_put(f->proc, "4321/io",
                "rchar: 11\nwchar: 12\nsyscr: 13\nsyscw: 14\nread_bytes: 15\nwrite_bytes: 16\n"
                "cancelled_write_bytes: 17\n");
    fixture_put(f->proc, "4321/smaps_rollup",
                "1000-2000 ---p 00000000 00:00 0 [rollup]\nRss: 200 kB\nPss: 90 kB\nPss_Dirty: 1 kB\n"
                "Private_Clean: 20 kB\nPrivate_Dirty: 40 kB\nAnonHugePages: 2048 kB\n");
    fixture_put(f->proc, "4321/maps",
                "00400000-00401000 r-xp 00000000 08:01 77 /bin/a file [heap]\n"
                "00500000-00502000 rw-p 00000000 08:01 78 [heap]\n"
                "01000000-01021000 rw-p 00000000 00:00 0                          [heap]\n"
                "7f0000000000-7f0000100000 rw-p 00000000 00:00 0 \n"
                "7f0000200000-7f0000201000 rw-p 00000000 00:00 0 [anon:glibc: malloc]\n"
                "7f0000300000-7f0000301000 rw-s 00000000 00:00 0 \n"
                "7f0000400000-7f0000401000 ---p 00000000 00:00 0 \n"
                "7ffe00000000-7ffe00021000 rw-p 00000000 00:00 0 [stack]\n");
    fixture_put(f->proc, "4321/limits",
                "Limit                     Soft Limit           Hard Limit           Units     \n"
                "Max cpu time              unlimited            unlimited            seconds   \n"
                "Max open files            1024                 524288               files     \n");
    fixture_put(f->proc, "4321/fd/0", "");
    fixture_put(f->proc, "4321/fd/1", "");
    fixture_put(f->proc, "4321/fd/17", "");
}

static void a_recorded_process_reads_exactly(void **state)
{
    (void)state;
    struct fixture f;
    int64_t tick = (int64_t)N1_SECOND_NS / sysconf(_SC_CLK_TCK);
    fixture_init(&f);
    put_tree(&f);
    struct n1_metrics *m = fixture_open(&f);
    check_reason(m, N1_METRIC_MEM_RSS, "not measured yet");
    assert_int_equal(n1_metrics_state(m), 0);
    assert_int_equal(n1_metrics_read(m, start), 0);
    check_reason(m, N1_METRIC_MEM_PSS, "not measured yet"); /* the first pass is quick */
    assert_int_equal(n1_metrics_read(m, start + 3 * N1_SECOND_NS), 0);
    assert_int_equal(n1_metrics_state(m), 'S');
    check_value(m, N1_METRIC_CPU_USER, 250 * tick);
    check_value(m, N1_METRIC_CPU_SYSTEM, 50 * tick);
    check_value(m, N1_METRIC_CPU_TOTAL, 300 * tick);
    check_value(m, N1_METRIC_FAULT_MINOR, 1234);
    check_value(m, N1_METRIC_FAULT_MAJOR, 7);
    check_value(m, N1_METRIC_THREADS, 2);
    check_value(m, N1_METRIC_CPU_WAIT, 42000000);
    check_value(m, N1_METRIC_SCHED_SLICES, 730);
    check_value(m, N1_METRIC_SCHED_VOLUNTARY, 620);
    check_value(m, N1_METRIC_SCHED_INVOLUNTARY, 110);
    check_value(m, N1_METRIC_MEM_RSS, 200 * 1024);
    check_value(m, N1_METRIC_MEM_RSS_PEAK, 300 * 1024);
    check_value(m, N1_METRIC_MEM_VIRTUAL, 800 * 1024);
    check_value(m, N1_METRIC_MEM_ANON, 120 * 1024);
    check_value(m, N1_METRIC_MEM_FILE, 70 * 1024);
    check_value(m, N1_METRIC_MEM_SHMEM, 10 * 1024);
    check_value(m, N1_METRIC_MEM_SWAP, 5 * 1024);
    check_value(m, N1_METRIC_MEM_PSS, 90 * 1024);
    check_value(m, N1_METRIC_MEM_USS, 60 * 1024);
    check_value(m, N1_METRIC_MEM_HUGE, 2048 * 1024);
    check_value(m, N1_METRIC_MEM_HEAP, 0x21000);
    check_value(m, N1_METRIC_MEM_ANON_MAPPED, 0x101000);
    check_value(m, N1_METRIC_MEM_MAPPINGS, 8);
    check_value(m, N1_METRIC_IO_READ_CHARS, 11);
    check_value(m, N1_METRIC_IO_WRITE_CHARS, 12);
    check_value(m, N1_METRIC_IO_READ_CALLS, 13);
    check_value(m, N1_METRIC_IO_WRITE_CALLS, 14);
    check_value(m, N1_METRIC_IO_READ_BYTES, 15);
    check_value(m, N1_METRIC_IO_WRITE_BYTES, 16);
    check_value(m, N1_METRIC_FDS, 3);
    check_value(m, N1_METRIC_FDS_LIMIT, 1024);
    check_reason(m, N1_METRIC_HOST_CPU_STEAL, "not measured yet");
    n1_metrics_destroy(m);
    fixture_finish(&f);
}

static void what_cannot_be_had_says_why(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_put(f.proc, "4321/status", "Name:\tkworker\nThreads:\t1\n");
    fixture_put(f.proc, "4321/maps", "");
    fixture_put(f.proc, "4321/limits",
                "Max open files            unlimited            unlimited            files\n");
    struct n1_metrics *m = fixture_open(&f);
    n1_metrics_read(m, start);
    n1_metrics_read(m, start + 3 * N1_SECOND_NS);
    check_reason(m, N1_METRIC_MEM_RSS, "no address space (kernel thread or zombie)");
    check_reason(m, N1_METRIC_MEM_HEAP, "no address space (kernel thread or zombie)");
    check_reason(m, N1_METRIC_MEM_PSS, "not on this kernel");
    check_reason(m, N1_METRIC_IO_READ_BYTES, "not on this kernel");
    check_reason(m, N1_METRIC_FDS_LIMIT, "no limit");
    check_reason(m, N1_METRIC_CGROUP_MEM_CURRENT, "no cgroup");
    check_reason(m, N1_METRIC_CGROUP_PSI_IO_FULL_TOTAL, "no cgroup");
    assert_string_equal(n1_metrics_reason(m, -1), "no such metric");
    assert_string_equal(n1_metrics_reason(m, N1_METRIC_COUNT), "no such metric");
    n1_metrics_destroy(m);
    fixture_finish(&f);
}

static void damaged_numbers_are_refused_one_by_one(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    put_tree(&f);
    fixture_put(
        f.proc, "4321/status",
        "VmRSS:\t99999999999999999999 kB\nVmHWM:\t-3 kB\nVmSize:\t9223372036854775807 kB\nRssAnon:\tx kB\n"
        "RssFile:\nRssShmem:\t10 kB\nVmSwap");
    fixture_put(f.proc, "4321/maps", "00400000-00401000 r-xp 00000000 08:01 77 /bin/a\nnonsense\n");
    fixture_put(f.proc, "4321/smaps_rollup",
                "Pss: 90 kB\nPrivate_Clean: 9007199254740991 kB\nPrivate_Dirty: 1 kB\n");
    struct n1_metrics *m = fixture_open(&f);
    n1_metrics_read(m, start);
    n1_metrics_read(m, start + 3 * N1_SECOND_NS);
    check_reason(m, N1_METRIC_MEM_RSS, "unreadable text");
    check_reason(m, N1_METRIC_MEM_RSS_PEAK, "unreadable text");
    check_reason(m, N1_METRIC_MEM_VIRTUAL, "unreadable text");
    check_reason(m, N1_METRIC_MEM_ANON, "unreadable text");
    check_value(m, N1_METRIC_MEM_SHMEM, 10 * 1024);
    check_reason(m, N1_METRIC_MEM_SWAP, "no address space (kernel thread or zombie)");
    check_reason(m, N1_METRIC_MEM_HEAP, "unreadable text");
    check_value(m, N1_METRIC_MEM_PSS, 90 * 1024);
    check_reason(m, N1_METRIC_MEM_USS, "unreadable text");
    check_reason(m, N1_METRIC_MEM_HUGE, "not on this kernel");
    n1_metrics_destroy(m);
    fixture_finish(&f);
}

/* Every file cut, or with bytes replaced: the sanitizers watch, and no value may come out negative. */
static void random_damage_does_no_harm(void **state)
{
    (void)state;
    static const char *const files[] = {"4321/stat",
                                        "4321/status",
                                        "4321/io",
                                        "4321/smaps_rollup",
                                        "4321/maps",
                                        "4321/limits",
                                        "4321/task/4321/schedstat",
                                        "4321/task/4400/status"};
    static const char alphabet[] = "0123456789 -:\n\tkB)(ax\xff";
    struct fixture f;
    unsigned seed = 20240607;
    fixture_init(&f);
    put_tree(&f);
    for (int round = 0; round < 300; round++) {
        char path[256], original[4096], damaged[4096];
        const char *name = files[(size_t)rand_r(&seed) % (sizeof files / sizeof *files)];
        snprintf(path, sizeof path, "%s/%s", f.proc, name);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        size_t len = fread(original, 1, sizeof original, file);
        fclose(file);
        memcpy(damaged, original, len);
        size_t cut = rand_r(&seed) % 3 == 0 ? (size_t)rand_r(&seed) % (len + 1) : len;
        for (int i = rand_r(&seed) % 8; i > 0 && cut > 0; i--)
            damaged[(size_t)rand_r(&seed) % cut] = alphabet[(size_t)rand_r(&seed) % (sizeof alphabet)];
        fixture_put_bytes(f.proc, name, damaged, cut);
        struct n1_metrics *m = fixture_open(&f);
        n1_metrics_read(m, start);
        n1_metrics_read(m, start + 3 * N1_SECOND_NS);
        for (int id = 0; id < N1_METRIC_COUNT; id++)
            assert_true(!n1_metrics_points(m)[id].valid || n1_metrics_points(m)[id].value >= 0);
        n1_metrics_destroy(m);
        fixture_put_bytes(f.proc, name, original, len);
    }
    fixture_finish(&f);
}

static void overlong_lines_and_many_mappings_are_read(void **state)
{
    (void)state;
    struct fixture f;
    char *text = malloc(4000000);
    size_t len = 0;
    assert_non_null(text);
    fixture_init(&f);
    put_tree(&f);
    for (int i = 0; i < 20000; i++)
        len += (size_t)sprintf(text + len, "%x000-%x000 rw-p 00000000 00:00 0 \n", 0x10000 + 2 * i,
                               0x10001 + 2 * i);
    len += (size_t)sprintf(text + len, "7f0000000000-7f0000001000 r--p 00000000 08:01 9 /");
    memset(text + len, 'x', 200000); /* three buffers of one line */
    len += 200000;
    len += (size_t)sprintf(text + len, "\n01000000-01021000 rw-p 00000000 00:00 0 [heap]\n");
    fixture_put_bytes(f.proc, "4321/maps", text, len);
    struct n1_metrics *m = fixture_open(&f);
    n1_metrics_read(m, start);
    n1_metrics_read(m, start + 3 * N1_SECOND_NS);
    check_value(m, N1_METRIC_MEM_MAPPINGS, 20002);
    check_value(m, N1_METRIC_MEM_ANON_MAPPED, INT64_C(20000) * 4096);
    check_value(m, N1_METRIC_MEM_HEAP, 0x21000);
    n1_metrics_destroy(m);
    fixture_finish(&f);
    free(text);
}

static void costly_sources_keep_their_pace(void **state)
{
    (void)state;
    struct n1_metrics *m;
    struct n1_error error;
    int rss = 0, pss = 0;
    n1_ns last_rss = 0, last_pss = 0;
    assert_int_equal(n1_metrics_create(&m, getpid(), NULL, &error), 0);
    for (n1_ns now = start; now < start + 10 * N1_SECOND_NS; now += N1_SECOND_NS / 10) {
        assert_int_equal(n1_metrics_read(m, now), 0);
        const struct n1_metric_point *p = n1_metrics_points(m);
        rss += p[N1_METRIC_MEM_RSS].time != last_rss;
        pss += p[N1_METRIC_MEM_PSS].valid && p[N1_METRIC_MEM_PSS].time != last_pss;
        last_rss = p[N1_METRIC_MEM_RSS].time;
        if (p[N1_METRIC_MEM_PSS].valid)
            last_pss = p[N1_METRIC_MEM_PSS].time;
    }
    assert_in_range(rss, 50, 100); /* a pass is left out only when one cost more than 0.1 ms */
    assert_in_range(pss, 1, 11);   /* once a second, less often when the walk is dear */
    n1_metrics_destroy(m);
}

static void our_own_figures_are_true(void **state)
{
    (void)state;
    enum { SIZE = 32 << 20, FILES = 20 };
    struct n1_metrics *m;
    struct n1_error error;
    int fds[FILES];
    assert_int_equal(n1_metrics_create(&m, getpid(), NULL, &error), 0);
    n1_ns now = n1_time_mono();
    assert_int_equal(n1_metrics_read(m, now), 0);
    assert_int_equal(n1_metrics_read(m, now += 3 * N1_SECOND_NS), 0);
    struct n1_metric_point before[N1_METRIC_COUNT];
    memcpy(before, n1_metrics_points(m), sizeof before);

    char *block = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(block, MAP_FAILED);
    memset(block, 1, SIZE);
    for (int i = 0; i < FILES; i++)
        assert_true((fds[i] = open("/dev/null", O_WRONLY | O_CLOEXEC)) >= 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(write(fds[0], block, 1000), 1000);
    struct timespec ts;
    do
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    while ((int64_t)ts.tv_sec * (int64_t)N1_SECOND_NS + ts.tv_nsec <
           before[N1_METRIC_CPU_TOTAL].value + 50000000);

    assert_int_equal(n1_metrics_read(m, now += 3 * N1_SECOND_NS), 0);
    const struct n1_metric_point *after = n1_metrics_points(m);
#define GREW(id) (after[id].value - before[id].value)
    assert_in_range(GREW(N1_METRIC_MEM_RSS), SIZE - (1 << 20), SIZE + (4 << 20));
    assert_in_range(GREW(N1_METRIC_MEM_ANON), SIZE - (1 << 20), SIZE + (4 << 20));
    assert_in_range(GREW(N1_METRIC_MEM_USS), SIZE - (1 << 20), SIZE + (4 << 20));
    assert_true(GREW(N1_METRIC_MEM_ANON_MAPPED) >= SIZE);
    assert_int_equal(GREW(N1_METRIC_FDS), FILES);
    assert_true(GREW(N1_METRIC_FAULT_MINOR) > 0);
    assert_true(GREW(N1_METRIC_CPU_TOTAL) >= 50000000);
    if (after[N1_METRIC_IO_WRITE_CALLS].valid) {
        assert_true(GREW(N1_METRIC_IO_WRITE_CALLS) >= 1000);
        assert_true(GREW(N1_METRIC_IO_WRITE_CHARS) >= 1000000);
    } else {
        assert_string_equal(n1_metrics_reason(m, N1_METRIC_IO_WRITE_CALLS), "not on this kernel");
    }
#undef GREW
    assert_true(n1_metrics_cost_ns(m) > 0);
    for (int i = 0; i < FILES; i++)
        close(fds[i]);
    munmap(block, SIZE);
    n1_metrics_destroy(m);
}

static void a_dying_process_is_followed_to_its_end(void **state)
{
    (void)state;
    struct n1_metrics *m, *none;
    struct n1_error error = {0};
    siginfo_t info;
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    assert_int_equal(n1_metrics_create(&m, child, NULL, &error), 0);
    assert_int_equal(n1_metrics_read(m, start), 0);
    assert_true(n1_metrics_points(m)[N1_METRIC_MEM_RSS].valid);
    kill(child, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(n1_metrics_read(m, start + 3 * N1_SECOND_NS), 0);
    assert_int_equal(n1_metrics_state(m), 'Z');
    check_reason(m, N1_METRIC_MEM_RSS, "no address space (kernel thread or zombie)");
    check_reason(m, N1_METRIC_MEM_PSS, "no address space (kernel thread or zombie)");
    check_reason(m, N1_METRIC_FDS, "no address space (kernel thread or zombie)");
    assert_true(n1_metrics_points(m)[N1_METRIC_CPU_TOTAL].valid);
    waitpid(child, NULL, 0);
    assert_int_equal(n1_metrics_read(m, start + 6 * N1_SECOND_NS), -ESRCH);
    assert_int_equal(n1_metrics_read(m, start + 7 * N1_SECOND_NS), -ESRCH);
    assert_int_equal(n1_metrics_state(m), 'X');
    check_reason(m, N1_METRIC_CPU_TOTAL, "process gone");
    check_reason(m, N1_METRIC_CGROUP_MEM_CURRENT, "process gone");
    n1_metrics_destroy(m);
    assert_int_equal(n1_metrics_create(&none, child, NULL, &error), -ESRCH);
    assert_int_equal(error.code, N1_E_NO_PROCESS);
    assert_int_equal(n1_metrics_create(&none, -5, NULL, NULL), -EINVAL);
}

/* As an ordinary user on somebody else's process: what everybody may read is there, the rest says
 * "permission". */
static void another_users_process_is_read_as_far_as_permitted(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct n1_metrics *m;
        if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(2);
        if (n1_metrics_create(&m, 1, NULL, NULL) != 0)
            _exit(3);
        n1_metrics_read(m, start);
        n1_metrics_read(m, start + 3 * N1_SECOND_NS);
        const struct n1_metric_point *p = n1_metrics_points(m);
        bool ok = p[N1_METRIC_MEM_RSS].valid && p[N1_METRIC_CPU_TOTAL].valid && p[N1_METRIC_THREADS].valid &&
                  !p[N1_METRIC_MEM_PSS].valid &&
                  !strcmp(n1_metrics_reason(m, N1_METRIC_MEM_PSS), "permission") &&
                  !p[N1_METRIC_IO_READ_BYTES].valid &&
                  !strcmp(n1_metrics_reason(m, N1_METRIC_IO_READ_BYTES), "permission") &&
                  (p[N1_METRIC_FDS].valid || !strcmp(n1_metrics_reason(m, N1_METRIC_FDS), "permission"));
        n1_metrics_destroy(m);
        _exit(ok ? 0 : 4);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorded_process_reads_exactly),
        cmocka_unit_test(what_cannot_be_had_says_why),
        cmocka_unit_test(damaged_numbers_are_refused_one_by_one),
        cmocka_unit_test(random_damage_does_no_harm),
        cmocka_unit_test(overlong_lines_and_many_mappings_are_read),
        cmocka_unit_test(costly_sources_keep_their_pace),
        cmocka_unit_test(our_own_figures_are_true),
        cmocka_unit_test(a_dying_process_is_followed_to_its_end),
        cmocka_unit_test(another_users_process_is_read_as_far_as_permitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
