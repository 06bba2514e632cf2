/*
 * The anomaly rules: named data and pure detectors over series of one process. Knows nothing of the model:
 * values are fed as points of metrics, what is noticed comes back as events. One episode is one event, begun,
 * refreshed and ended. A rule fires only on what stands clear of the process's own recent past (median and
 * median deviation), by a least absolute step, so that normal noise is silent; without enough past it is
 * silent too.
 *
 * Times are n1_ns of the points; a handle is for one thread and one process.
 */
#ifndef N1_RULE_H
#define N1_RULE_H

#include "n1/config.h"
#include "n1/metric.h"
#include "n1/model.h"

/* X(constant, name, severity, unit of value and expected, metric it watches, one-liner, then the defaults of
 * min_step, relative, deviations, min_history_s, baseline_s, window_s, settle_s, level). Rules with a level
 * fire when the figure reaches it and stays there some seconds, whatever was before. They were chosen so that
 * a day of noisy but normal service is silent and a clear step is seen within 3 s
 * (tests/unit/core/test_rule*.c). */
#define N1_RULE_MAP(X)                                                                                       \
    X(CPU_SPIKE, "cpu_spike", WARNING, PPM, CPU_TOTAL, "CPU use well above that of the last minute", 0.2,    \
      0.3, 6, 15, 60, 30, 300, 0)                                                                            \
    X(MEMORY_SPIKE, "memory_spike", WARNING, BYTES, MEM_RSS, "resident memory jumped", 32, 0.15, 6, 15, 60,  \
      30, 60, 0)                                                                                             \
    X(MEMORY_GROWTH, "memory_growth", WARNING, BYTES, MEM_RSS,                                               \
      "resident memory grows steadily and does not come back", 32, 0.10, 6, 30, 60, 30, 300, 0)              \
    X(THREAD_GROWTH, "thread_growth", WARNING, COUNT, THREADS, "threads grow steadily or jumped", 16, 0.5,   \
      6, 15, 60, 30, 60, 0)                                                                                  \
    X(FD_GROWTH, "fd_growth", WARNING, COUNT, FDS, "open file descriptors grow steadily or jumped", 50, 0.5, \
      6, 15, 60, 30, 60, 0)                                                                                  \
    X(MEMORY_LIMIT, "memory_limit", WARNING, PPM, CGROUP_MEM_HEADROOM,                                       \
      "little memory is left below the cgroup's limit, or on the host", 0, 0, 6, 15, 60, 30, 300, 0.08)      \
    X(MEMORY_EVENTS, "memory_events", WARNING, COUNT, CGROUP_MEM_MAX,                                        \
      "the kernel keeps taking memory back at the cgroup's limit (events a second)", 0, 0, 6, 15, 60, 30,    \
      300, 20)                                                                                               \
    X(OUT_OF_MEMORY, "out_of_memory", CRITICAL, COUNT, CGROUP_MEM_OOM,                                       \
      "the cgroup ran out of memory; a process may have been killed", 0, 0, 6, 15, 60, 30, 300, 1)           \
    X(GC_PRESSURE, "gc_pressure", WARNING, PPM, GC_CPU,                                                      \
      "collector threads take much of the process's CPU time", 0.1, 0, 6, 15, 60, 30, 300, 0.3)              \
    X(HOT_SHIFT, "hot_shift", INFO, PPM, COUNT, "the CPU time went to other functions than before", 0, 0, 6, \
      15, 60, 30, 60, 0.4)                                                                                   \
    X(LOCK_CONTENTION, "lock_contention", WARNING, PPM, WAIT_LOCK,                                           \
      "threads wait for locks much more than in the last minute", 0.5, 0.5, 6, 15, 60, 30, 300, 0)           \
    X(DEADLOCK, "deadlock", CRITICAL, COUNT, WAIT_DEADLOCKED,                                                \
      "threads wait for each other's locks in a circle: they never go on", 0, 0, 6, 15, 60, 30, 300, 1)      \
    X(IO_STALL, "io_stall", WARNING, PPM, WAIT_DISK,                                                         \
      "threads wait for storage much more than in the last minute", 0.5, 0.5, 6, 15, 60, 30, 300, 0)         \
    X(UNINTERRUPTIBLE, "uninterruptible", CRITICAL, NS, WAIT_DEEP,                                           \
      "a thread stands in an uninterruptible wait (state D)", 0, 0, 6, 15, 60, 30, 300, 2)                   \
    X(RUN_QUEUE, "run_queue", WARNING, PPM, CPU_WAIT,                                                        \
      "threads wait for a CPU much more than in the last minute", 0.5, 0.5, 6, 15, 60, 30, 300, 0)           \
    X(STEAL, "steal", WARNING, PPM, HOST_CPU_STEAL, "the hypervisor gives the host's CPUs to others", 0.3,   \
      0.5, 6, 15, 60, 30, 300, 0)                                                                            \
    X(THROTTLED, "cpu_throttled", WARNING, PPM, CGROUP_CPU_THROTTLED_TIME,                                   \
      "the cgroup's CPU quota stops the process", 0, 0, 6, 15, 60, 30, 300, 0.1)                             \
    X(MEMORY_PRESSURE, "memory_pressure", WARNING, PPM, CGROUP_PSI_MEM_SOME_TOTAL,                           \
      "tasks of the cgroup stand still for want of memory", 0, 0, 6, 15, 60, 30, 300, 0.2)                   \
    X(IO_PRESSURE, "io_pressure", WARNING, PPM, CGROUP_PSI_IO_FULL_TOTAL,                                    \
      "all tasks of the cgroup stand still for storage", 0.3, 0.5, 6, 15, 60, 30, 300, 0)                    \
    X(TARGET_GONE, "target_gone", WARNING, COUNT, COUNT, "the process ended", 0, 0, 6, 15, 60, 30, 60, 0)

enum n1_rule {
#define X(constant, ...) N1_RULE_##constant,
    N1_RULE_MAP(X)
#undef X
        N1_RULE_COUNT
};

/* Keys below profiling.anomaly_detection.rules.RULE: X(rule, field, boolean, least, most, one-liner); `rule`
 * is passed through. */
#define N1_RULE_KEY_MAP(X, rule)                                                                             \
    X(rule, enabled, true, 0, 1, "the rule is on")                                                           \
    X(rule, min_step, false, 0, 1e12, "least change that counts: cores, MiB, threads or descriptors")        \
    X(rule, relative, false, 0, 100, "least change as a fraction of what is expected")                       \
    X(rule, deviations, false, 1, 100, "least change in robust standard deviations of the past")             \
    X(rule, min_history_s, false, 10, 3600, "seconds of past without which the rule is silent")              \
    X(rule, baseline_s, false, 10, 600, "seconds of past that say what is expected of a jump")               \
    X(rule, window_s, false, 12, 60, "seconds of steady growth; ten and sixty times as long count too")      \
    X(rule, settle_s, false, 10, 3600, "seconds after which a new level is the expected one")                \
    X(rule, level, false, 0, 1e12,                                                                           \
      "where a rule with a level begins: a share (1 is all), seconds, a number, or events a second")

struct n1_rule_params {
#define X(rule, field, boolean, least, most, text) double field;
    N1_RULE_KEY_MAP(X, )
#undef X
};

/* Name, severity and one-liner, static; NULL when out of range. */
struct n1_rule_info {
    const char *name, *text;
    enum n1_severity severity;
    enum n1_metric_unit unit; /* of value and expected; CPU: ppm of one core */
    enum n1_metric_id metric; /* the series it watches; N1_METRIC_COUNT: none */
    struct n1_rule_params defaults;
};
const struct n1_rule_info *n1_rule_info(int rule);
int n1_rule_find(const char *name); /* -1 when there is none */

/* Every rule's every key, for n1_config_check_rules(); static. */
const struct n1_config_rule_key *n1_rule_keys(size_t *ret_count);
/* The defaults, then what the configuration says; N1_E_CONFIG as n1_config_check_rules(). `config` may be
 * NULL. With anomaly_detection.enabled false every rule is off. */
int n1_rule_configure(struct n1_rule_params ret[N1_RULE_COUNT], const struct n1_config *config,
                      struct n1_error *reterr);

enum n1_rule_phase { N1_RULE_BEGIN, N1_RULE_REFRESH, N1_RULE_END };

struct n1_rule_event {
    enum n1_rule rule;
    enum n1_rule_phase phase; /* REFRESH: 5 and 30 s after the begin, figures and culprits are surer now */
    enum n1_severity severity;
    n1_ns start;  /* since when, looking back: earlier than the event was noticed */
    n1_ns end;    /* of the episode; 0 while it lasts */
    n1_ns before; /* [before, start) is the time to compare with: a minute, less the episode before this */
    int64_t value, expected; /* in the rule's unit; value: the highest so far */
    double per_second;       /* growth, in units a second; 0 for a jump */
    const char *resource;    /* what is short: static text; NULL: none */
    int exit_status;         /* of target_gone: wait(2) status, or -1 unknown */
};

struct n1_rules;
/* `now` is the origin of the handle's one-second steps. NULL when out of memory. `params` are copied. */
struct n1_rules *n1_rules_create(const struct n1_rule_params params[N1_RULE_COUNT], n1_ns now);
void n1_rules_destroy(struct n1_rules *rules);

/* Metrics that some rule looks at: what n1_rules_feed() wants. */
bool n1_rules_wants(enum n1_metric_id metric);
/* Adds points of one metric, oldest first, none older than those fed before. Counters become rates; a counter
 * that went back (a restart) and a gap of more than 5 s are unknown, not zero. Other metrics are ignored. */
void n1_rules_feed(struct n1_rules *rules, enum n1_metric_id metric, const struct n1_metric_point *points,
                   size_t count);
/* How far the CPU time of the last seconds went to other functions than before, beyond what sampling
 * explains: 0 to 1, NAN: not known. Once in some seconds. */
void n1_rules_feed_shift(struct n1_rules *rules, n1_ns time, double shift);
/* The process ended; open episodes end with it at the next evaluation. `exit_status` -1: unknown. */
void n1_rules_gone(struct n1_rules *rules, n1_ns when, int exit_status);

/* Looks at everything fed so far, as of `now`; once a second. Fills at most `cap` events (N1_RULE_COUNT * 2
 * is enough) and returns how many. About 20 us. */
size_t n1_rules_evaluate(struct n1_rules *rules, n1_ns now, struct n1_rule_event *ret, size_t cap);

/* One line for people: "CPU 2.31 cores, expected 0.50". Returns its length. */
size_t n1_rule_describe(char *out, size_t cap, const struct n1_rule_event *event);

#endif
