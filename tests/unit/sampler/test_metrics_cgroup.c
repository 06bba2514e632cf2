/* Limits, events and pressure of control groups and of the host: v2, v1, both; moved, nested, hostile. */
#include "tests/unit/sampler/metrics_fixture.h"

static const n1_ns start = 100 * N1_SECOND_NS;
#define MIB INT64_C(1048576)

static void put_v2(struct fixture *f)
{
    fixture_put(f->proc, "4321/cgroup", "0::/kube/pod/app\n");
    fixture_put(f->cgroup, "cgroup.controllers", "cpu memory\n");
    fixture_put(f->cgroup, "cpu.stat", "usage_usec 1\n");
    fixture_put(f->cgroup, "kube/memory.max", "max\n");
    fixture_put(f->cgroup, "kube/memory.current", "900000000\n");
    fixture_put(f->cgroup, "kube/cpu.max", "max 100000\n");
    fixture_put(f->cgroup, "kube/pod/memory.max", "209715200\n");     /* 200 MiB: the lowest limit */
    fixture_put(f->cgroup, "kube/pod/memory.current", "104857600\n"); /* 100 MiB below it */
    fixture_put(f->cgroup, "kube/pod/cpu.max", "50000 100000\n");
    fixture_put(f->cgroup, "kube/pod/cpu.stat",
                "usage_usec 900\nuser_usec 800\nnr_periods 40\nnr_throttled 5\nthrottled_usec 123456\n");
    fixture_put(f->cgroup, "kube/pod/app/memory.max", "268435456\n"); /* 256 MiB, yet 60 MiB away */
    fixture_put(f->cgroup, "kube/pod/app/memory.current", "205520896\n");
    fixture_put(f->cgroup, "kube/pod/app/memory.peak", "250000000\n");
    fixture_put(f->cgroup, "kube/pod/app/memory.events",
                "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n");
    fixture_put(f->cgroup, "kube/pod/app/cpu.max", "200000 100000\n");
    fixture_put(f->cgroup, "kube/pod/app/cpu.stat",
                "usage_usec 900\nnr_periods 4\nnr_throttled 0\nthrottled_usec 0\n");
    fixture_put(f->cgroup, "kube/pod/app/cpu.pressure",
                "some avg10=1.25 avg60=0.00 avg300=0.00 total=1000\nfull avg10=0.01 avg60=0.00 avg300=0.00 "
                "total=9\n");
    fixture_put(f->cgroup, "kube/pod/app/memory.pressure",
                "some avg10=100.00 avg60=0.00 avg300=0.00 total=7\nfull avg10=99.99 avg60=0.00 avg300=0.00 "
                "total=6\n");
    fixture_put(f->cgroup, "kube/pod/app/io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
}

static void v2_limits_of_every_level_count(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    put_v2(&f);
    struct n1_metrics *m = fixture_open(&f);
    n1_metrics_read(m, start);
    check_value(m, N1_METRIC_CGROUP_MEM_CURRENT, 196 * MIB);
    check_value(m, N1_METRIC_CGROUP_MEM_LIMIT, 200 * MIB);
    check_value(m, N1_METRIC_CGROUP_MEM_HEADROOM, 60 * MIB);
    check_value(m, N1_METRIC_CGROUP_MEM_PEAK, 250000000);
    check_value(m, N1_METRIC_CGROUP_MEM_LOW, 1);
    check_value(m, N1_METRIC_CGROUP_MEM_HIGH, 2);
    check_value(m, N1_METRIC_CGROUP_MEM_MAX, 3);
    check_value(m, N1_METRIC_CGROUP_MEM_OOM, 4);
    check_value(m, N1_METRIC_CGROUP_MEM_OOM_KILL, 5);
    check_value(m, N1_METRIC_CGROUP_CPU_QUOTA, 500000);
    check_value(m, N1_METRIC_CGROUP_CPU_PERIODS, 40);
    check_value(m, N1_METRIC_CGROUP_CPU_THROTTLED, 5);
    check_value(m, N1_METRIC_CGROUP_CPU_THROTTLED_TIME, 123456000);
    check_value(m, N1_METRIC_CGROUP_PSI_CPU_SOME_AVG10, 12500);
    check_value(m, N1_METRIC_CGROUP_PSI_CPU_SOME_TOTAL, 1000000);
    check_value(m, N1_METRIC_CGROUP_PSI_CPU_FULL_AVG10, 100);
    check_value(m, N1_METRIC_CGROUP_PSI_MEM_SOME_AVG10, 1000000);
    check_value(m, N1_METRIC_CGROUP_PSI_MEM_FULL_AVG10, 999900);
    check_value(m, N1_METRIC_CGROUP_PSI_IO_SOME_AVG10, 0);
    check_reason(m, N1_METRIC_CGROUP_PSI_IO_FULL_AVG10, "not on this kernel");
    n1_metrics_destroy(m);
    fixture_finish(&f);
}

static void a_process_that_moves_is_followed(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    put_v2(&f);
    fixture_put(f.cgroup, "other/memory.current", "4096\n");
    fixture_put(f.cgroup, "other/memory.max", "max\n");
    struct n1_metrics *m = fixture_open(&f);
    n1_metrics_read(m, start);
    check_value(m, N1_METRIC_CGROUP_MEM_CURRENT, 196 * MIB);
    fixture_put(f.cgroup, "kube/pod/app/memory.current", "210000000\n");
    n1_metrics_read(m, start + N1_SECOND_NS);
    check_value(m, N1_METRIC_CGROUP_MEM_CURRENT, 210000000);
    fixture_put(f.proc, "4321/cgroup", "0::/other\n");
    n1_metrics_read(m, start + 2 * N1_SECOND_NS);
    check_value(m, N1_METRIC_CGROUP_MEM_CURRENT, 4096);
    check_reason(m, N1_METRIC_CGROUP_MEM_LIMIT, "no limit");
    check_reason(m, N1_METRIC_CGROUP_MEM_HEADROOM, "no limit");
    check_reason(m, N1_METRIC_CGROUP_MEM_PEAK, "not on this kernel");
    check_reason(m, N1_METRIC_CGROUP_CPU_QUOTA, "cpu controller not enabled");
    check_reason(m, N1_METRIC_CGROUP_PSI_CPU_SOME_AVG10, "kernel without PSI");
    /* a leaf without the controller is charged to the level above it */
    fixture_put(f.cgroup, "other/leaf/cgroup.procs", "4321\n");
    fixture_put(f.proc, "4321/cgroup", "0::/other/leaf\n");
    n1_metrics_read(m, start + 3 * N1_SECOND_NS);
    check_value(m, N1_METRIC_CGROUP_MEM_CURRENT, 4096);
    n1_metrics_destroy(m);
    fixture_finish(&f);
}

static void put_v1(struct fixture *f)
{
    fixture_put(
        f->proc, "4321/cgroup",
        "12:cpuset:/x\n9:cpu,cpuacct:/docker/abc\n8:pids:/\n4:memory:/docker/abc\n1:name=systemd:/\n");
    fixture_put(f->cgroup, "memory/memory.usage_in_bytes", "5000000000\n");
    fixture_put(f->cgroup, "memory/memory.limit_in_bytes", "9223372036854771712\n");
    fixture_put(f->cgroup, "memory/docker/abc/memory.usage_in_bytes", "50000000\n");
    fixture_put(f->cgroup, "memory/docker/abc/memory.limit_in_bytes", "64000000\n");
    fixture_put(f->cgroup, "memory/docker/abc/memory.max_usage_in_bytes", "60000000\n");
    fixture_put(f->cgroup, "memory/docker/abc/memory.failcnt", "17\n");
    fixture_put(f->cgroup, "memory/docker/abc/memory.oom_control",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    fixture_put(f->cgroup, "cpu,cpuacct/cpu.shares", "1024\n");
    fixture_put(f->cgroup, "cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    fixture_put(f->cgroup, "cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "150000\n");
    fixture_put(f->cgroup, "cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
    fixture_put(f->cgroup, "cpu,cpuacct/docker/abc/cpu.stat",
                "nr_periods 10\nnr_throttled 3\nthrottled_time 777\n");
}

static void check_v1(struct n1_metrics *m)
{
    check_value(m, N1_METRIC_CGROUP_MEM_CURRENT, 50000000);
    check_value(m, N1_METRIC_CGROUP_MEM_LIMIT, 64000000);
    check_value(m, N1_METRIC_CGROUP_MEM_HEADROOM, 14000000);
    check_value(m, N1_METRIC_CGROUP_MEM_PEAK, 60000000);
    check_value(m, N1_METRIC_CGROUP_MEM_MAX, 17);
    check_value(m, N1_METRIC_CGROUP_MEM_OOM_KILL, 2);
    check_reason(m, N1_METRIC_CGROUP_MEM_OOM, "only in cgroup v2");
    check_value(m, N1_METRIC_CGROUP_CPU_QUOTA, 1500000);
    check_value(m, N1_METRIC_CGROUP_CPU_PERIODS, 10);
    check_value(m, N1_METRIC_CGROUP_CPU_THROTTLED, 3);
    check_value(m, N1_METRIC_CGROUP_CPU_THROTTLED_TIME, 777);
}

static void v1_reads_the_same_metrics(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    put_v1(&f);
    struct n1_metrics *m = fixture_open(&f);
    n1_metrics_read(m, start);
    check_v1(m);
    check_reason(m, N1_METRIC_CGROUP_PSI_CPU_SOME_AVG10, "no cgroup");
    n1_metrics_destroy(m);
    fixture_finish(&f);
}

static void side_by_side_each_controller_is_where_it_is(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    put_v1(&f);
    fixture_put(f.proc, "4321/cgroup", "9:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/session\n");
    fixture_put(f.cgroup, "unified/cgroup.controllers", "\n");
    fixture_put(f.cgroup, "unified/session/io.pressure", "some avg10=2.00 avg60=0.00 avg300=0.00 total=3\n");
    struct n1_metrics *m = fixture_open(&f);
    n1_metrics_read(m, start);
    check_v1(m);
    check_value(m, N1_METRIC_CGROUP_PSI_IO_SOME_AVG10, 20000);
    n1_metrics_destroy(m);
    fixture_finish(&f);
}

/* Inside a container without a cgroup namespace /proc names the host's path, the mount shows only what is
 * below. */
static void our_own_group_may_be_the_root_of_the_mount(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_put(f.proc, "self/cgroup", "4:memory:/docker/abc\n");
    fixture_put(f.proc, "4321/cgroup", "4:memory:/docker/abc/child\n");
    fixture_put(f.cgroup, "memory/memory.usage_in_bytes", "900\n");
    fixture_put(f.cgroup, "memory/memory.limit_in_bytes", "1000\n");
    fixture_put(f.cgroup, "memory/child/memory.usage_in_bytes", "100\n");
    fixture_put(f.cgroup, "memory/child/memory.limit_in_bytes", "9223372036854771712\n");
    struct n1_metrics *m = fixture_open(&f);
    n1_metrics_read(m, start);
    check_value(m, N1_METRIC_CGROUP_MEM_CURRENT, 100);
    check_value(m, N1_METRIC_CGROUP_MEM_LIMIT, 1000);
    check_value(m, N1_METRIC_CGROUP_MEM_HEADROOM, 100);
    /* a neighbour whose name begins like ours is not below us */
    fixture_put(f.proc, "4321/cgroup", "4:memory:/docker/abcdef\n");
    n1_metrics_read(m, start + N1_SECOND_NS);
    check_reason(m, N1_METRIC_CGROUP_MEM_CURRENT, "no cgroup");
    n1_metrics_destroy(m);
    fixture_finish(&f);
}

static void hostile_memberships_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"0::/../secret\n", "outside our cgroup namespace"},
        {"0::/kube/../../secret\n", "outside our cgroup namespace"},
        {"0::/..\n", "outside our cgroup namespace"},
        {"0::kube/pod/app\n", "unreadable text"},
        {"0::\n", "unreadable text"},
        {"0:\n:::::\n\n::", "unreadable text"},
        {"nothing at all", "no cgroup"},
        {"0::/kube/pod/app (deleted)\n", "no cgroup"},
    };
    struct fixture f;
    char *text = malloc(70000);
    assert_non_null(text);
    fixture_init(&f);
    put_v2(&f);
    fixture_put(f.dir, "secret/memory.current", "666\n");
    struct n1_metrics *m = fixture_open(&f);
    n1_ns now = start;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_put(f.proc, "4321/cgroup", cases[i].text);
        n1_metrics_read(m, now += N1_SECOND_NS);
        check_reason(m, N1_METRIC_CGROUP_MEM_CURRENT, cases[i].reason);
        check_reason(m, N1_METRIC_CGROUP_CPU_THROTTLED, cases[i].reason);
    }
    /* longer than a path can be, and deeper than levels are kept */
    strcpy(text, "0::");
    memset(text + 3, '/', 60000);
    fixture_put_bytes(f.proc, "4321/cgroup", text, 60003);
    n1_metrics_read(m, now += N1_SECOND_NS);
    assert_false(n1_metrics_points(m)[N1_METRIC_CGROUP_PSI_CPU_SOME_AVG10].valid);
    for (int i = 0; i < 100; i++)
        memcpy(text + 3 + 2 * i, "/d", 2);
    text[203] = 0;
    fixture_folder(f.cgroup, text + 4);
    fixture_put(f.proc, "4321/cgroup", text);
    n1_metrics_read(m, now += N1_SECOND_NS);
    check_reason(m, N1_METRIC_CGROUP_MEM_CURRENT, "memory controller not enabled");
    n1_metrics_destroy(m);
    fixture_finish(&f);
    free(text);
}

static void damaged_cgroup_files_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    put_v2(&f);
    fixture_put(f.cgroup, "kube/pod/app/memory.current", "-5\n");
    fixture_put(f.cgroup, "kube/pod/app/memory.peak", "99999999999999999999\n");
    fixture_put(f.cgroup, "kube/pod/app/memory.events", "low one\nhigh 2\n");
    fixture_put(f.cgroup, "kube/pod/cpu.max", "50000 0\n");
    fixture_put(f.cgroup, "kube/pod/app/cpu.max", "9223372036854775807 1\n");
    fixture_put(f.cgroup, "kube/pod/app/cpu.pressure", "some avg10=101.00 total=x\nfull\n");
    fixture_put(f.cgroup, "kube/pod/app/memory.pressure", "some avg10=3.5 total=18446744073709551615\n");
    struct n1_metrics *m = fixture_open(&f);
    n1_metrics_read(m, start);
    check_reason(m, N1_METRIC_CGROUP_MEM_CURRENT, "unreadable text");
    check_reason(m, N1_METRIC_CGROUP_MEM_PEAK, "unreadable text");
    check_reason(m, N1_METRIC_CGROUP_MEM_LOW, "unreadable text");
    check_value(m, N1_METRIC_CGROUP_MEM_HIGH, 2);
    check_reason(m, N1_METRIC_CGROUP_MEM_OOM, "not on this kernel");
    check_reason(m, N1_METRIC_CGROUP_CPU_QUOTA, "no limit");
    check_reason(m, N1_METRIC_CGROUP_PSI_CPU_SOME_AVG10, "unreadable text");
    check_value(m, N1_METRIC_CGROUP_PSI_MEM_SOME_AVG10, 35000);
    check_reason(m, N1_METRIC_CGROUP_PSI_MEM_SOME_TOTAL, "unreadable text");
    n1_metrics_destroy(m);
    fixture_finish(&f);
}

static void the_host_reads_exactly(void **state)
{
    (void)state;
    struct fixture f;
    struct n1_metrics *m;
    int64_t tick = (int64_t)N1_SECOND_NS / sysconf(_SC_CLK_TCK);
    fixture_init(&f);
    fixture_put(
        f.proc, "stat",
        "cpu  100 20 30 4000 50 6 7 8 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\ncpu1 1 1 1 1 1 1 1 1 0 0\nintr 5 6\n");
    fixture_put(f.proc, "meminfo",
                "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 600 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
    fixture_put(
        f.proc, "pressure/memory",
        "some avg10=0.50 avg60=0.00 avg300=0.00 total=2\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=1\n");
    assert_int_equal(n1_metrics_create(&m, 0, &f.roots, NULL), 0);
    assert_int_equal(n1_metrics_read(m, start), 0);
    check_value(m, N1_METRIC_HOST_CPU_USER, 120 * tick);
    check_value(m, N1_METRIC_HOST_CPU_SYSTEM, 43 * tick);
    check_value(m, N1_METRIC_HOST_CPU_IDLE, 4000 * tick);
    check_value(m, N1_METRIC_HOST_CPU_IOWAIT, 50 * tick);
    check_value(m, N1_METRIC_HOST_CPU_STEAL, 8 * tick);
    check_value(m, N1_METRIC_HOST_CPUS, 2);
    check_value(m, N1_METRIC_HOST_MEM_TOTAL, 1000 * 1024);
    check_value(m, N1_METRIC_HOST_MEM_AVAILABLE, 600 * 1024);
    check_value(m, N1_METRIC_HOST_SWAP_TOTAL, 0);
    check_value(m, N1_METRIC_HOST_PSI_MEM_SOME_AVG10, 5000);
    check_value(m, N1_METRIC_HOST_PSI_MEM_FULL_TOTAL, 1000);
    check_reason(m, N1_METRIC_HOST_PSI_CPU_SOME_AVG10, "kernel without PSI");
    fixture_put(f.proc, "stat", "cpu  100 20\n");
    n1_metrics_read(m, start + N1_SECOND_NS);
    check_reason(m, N1_METRIC_HOST_CPU_STEAL, "unreadable text");
    n1_metrics_destroy(m);

    /* and this very host makes sense */
    assert_int_equal(n1_metrics_create(&m, 0, NULL, NULL), 0);
    assert_int_equal(n1_metrics_read(m, start), 0);
    const struct n1_metric_point *p = n1_metrics_points(m);
    assert_int_equal(p[N1_METRIC_HOST_CPUS].value, sysconf(_SC_NPROCESSORS_ONLN));
    assert_int_equal(p[N1_METRIC_HOST_MEM_TOTAL].value / MIB,
                     (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / MIB);
    assert_in_range(p[N1_METRIC_HOST_MEM_AVAILABLE].value, 1, p[N1_METRIC_HOST_MEM_TOTAL].value);
    n1_metrics_destroy(m);
    fixture_finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v2_limits_of_every_level_count),
        cmocka_unit_test(a_process_that_moves_is_followed),
        cmocka_unit_test(v1_reads_the_same_metrics),
        cmocka_unit_test(side_by_side_each_controller_is_where_it_is),
        cmocka_unit_test(our_own_group_may_be_the_root_of_the_mount),
        cmocka_unit_test(hostile_memberships_are_refused),
        cmocka_unit_test(damaged_cgroup_files_are_refused),
        cmocka_unit_test(the_host_reads_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
