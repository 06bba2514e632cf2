/* A recorded /proc and cgroup tree that a test writes into a folder of its own, and a handle that reads it.
 */
#ifndef N1_TESTS_METRICS_FIXTURE_H
#define N1_TESTS_METRICS_FIXTURE_H

#include "sampler/metrics/metrics.h"

#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXTURE_PID 4321

struct fixture {
    char dir[64], proc[80], cgroup[80];
    struct n1_metric_roots roots;
};

static inline void fixture_folder(const char *root, const char *path)
{
    char whole[2 * PATH_MAX];

    snprintf(whole, sizeof whole, "%s/%s/", root, path);
    for (char *slash = whole + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(whole, 0700);
        *slash = '/';
    }
}

/* Writes `text` to `path` below `root`, making its folders. */
static inline void fixture_put_bytes(const char *root, const char *path, const char *text, size_t len)
{
    char whole[2 * PATH_MAX], folder[PATH_MAX];

    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) {
        *slash = 0;
        fixture_folder(root, folder);
    }
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static inline void fixture_put(const char *root, const char *path, const char *text)
{
    fixture_put_bytes(root, path, text, strlen(text));
}

static inline void fixture_init(struct fixture *f)
{
    strcpy(f->dir, "/tmp/n1-metrics-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->proc, sizeof f->proc, "%s/proc", f->dir);
    snprintf(f->cgroup, sizeof f->cgroup, "%s/cgroup", f->dir);
    fixture_folder(f->dir, "proc/4321/task");
    fixture_folder(f->dir, "cgroup");
    f->roots = (struct n1_metric_roots){f->proc, f->cgroup};
    fixture_put(
        f->proc, "4321/stat",
        "4321 (a (name) R\n 9 ) S 1 4321 4321 0 -1 4194304 1234 0 7 0 250 50 0 0 20 0 2 0 100 9999 55 "
        "18446744073709551615 1 2 3 4 5 6 7 8 9 0 0 0 17 1 0 0 0 0 0\n");
    fixture_put(f->proc, "4321/task/4321/schedstat", "2500000000 40000000 700\n");
    fixture_put(f->proc, "4321/task/4321/status",
                "Name:\tmain\nvoluntary_ctxt_switches:\t600\nnonvoluntary_ctxt_switches:\t100\n");
    fixture_put(f->proc, "4321/task/4400/schedstat", "500000000 2000000 30\n");
    fixture_put(f->proc, "4321/task/4400/status",
                "Name:\tworker\nvoluntary_ctxt_switches:\t20\nnonvoluntary_ctxt_switches:\t10\n");
}

static inline int fixture_remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static inline void fixture_finish(struct fixture *f)
{
    assert_int_equal(nftw(f->dir, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline struct n1_metrics *fixture_open(struct fixture *f)
{
    struct n1_metrics *m;
    struct n1_error error = {0};

    assert_int_equal(n1_metrics_create(&m, FIXTURE_PID, &f->roots, &error), 0);
    return m;
}

static inline void check_value(const struct n1_metrics *m, enum n1_metric_id id, int64_t value)
{
    const struct n1_metric_point *point = &n1_metrics_points(m)[id];

    if (!point->valid || point->value != value)
        print_error("%s: %s %lld, expected %lld (%s)\n", n1_metric_info(id)->name,
                    point->valid ? "is" : "invalid", (long long)point->value, (long long)value,
                    n1_metrics_reason(m, id));
    assert_true(point->valid);
    assert_int_equal(point->value, value);
    assert_string_equal(n1_metrics_reason(m, id), "");
}

static inline void check_reason(const struct n1_metrics *m, enum n1_metric_id id, const char *reason)
{
    if (n1_metrics_points(m)[id].valid)
        print_error("%s: valid, expected: %s\n", n1_metric_info(id)->name, reason);
    assert_false(n1_metrics_points(m)[id].valid);
    assert_string_equal(n1_metrics_reason(m, id), reason);
}

#endif
