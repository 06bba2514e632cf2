/*
 * The rules as data: their table, the keys of the configuration, and an event as one line of text.
 */
#include "n1/rule.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const struct n1_rule_info rules[N1_RULE_COUNT] = {
#define X(constant, name_, severity_, unit_, metric_, text_, ...)                                            \
    [N1_RULE_##constant] = {.name = name_,                                                                   \
                            .text = text_,                                                                   \
                            .severity = N1_SEVERITY_##severity_,                                             \
                            .unit = N1_UNIT_##unit_,                                                         \
                            .metric = N1_METRIC_##metric_,                                                   \
                            .defaults = {1, __VA_ARGS__}},
    N1_RULE_MAP(X)
#undef X
};

static const struct n1_config_rule_key keys[] = {
#define KEY(rule, field, boolean, least, most, text) {rule, #field, boolean, least, most},
#define X(constant, name, ...) N1_RULE_KEY_MAP(KEY, name)
    N1_RULE_MAP(X)
#undef X
#undef KEY
};

const struct n1_rule_info *n1_rule_info(int rule)
{
    return rule >= 0 && rule < N1_RULE_COUNT ? &rules[rule] : NULL;
}

int n1_rule_find(const char *name)
{
    for (int rule = 0; rule < N1_RULE_COUNT; rule++)
        if (strcmp(rules[rule].name, name) == 0)
            return rule;
    return -1;
}

const struct n1_config_rule_key *n1_rule_keys(size_t *ret_count)
{
    *ret_count = sizeof keys / sizeof *keys;
    return keys;
}

int n1_rule_configure(struct n1_rule_params ret[N1_RULE_COUNT], const struct n1_config *config,
                      struct n1_error *reterr)
{
    int rc = config ? n1_config_check_rules(config, keys, sizeof keys / sizeof *keys, reterr) : 0;

    if (rc < 0)
        return rc;
    for (int rule = 0; rule < N1_RULE_COUNT; rule++) {
        struct n1_rule_params p = rules[rule].defaults;
#define X(unused, field, boolean, least, most, text)                                                         \
    p.field = config ? n1_config_rule(config, rules[rule].name, #field, p.field) : p.field;
        N1_RULE_KEY_MAP(X, )
#undef X
        if (config && !config->anomaly_enabled)
            p.enabled = 0;
        ret[rule] = p;
    }
    return 0;
}

static void describe_end(char *out, size_t cap, int status)
{
    if (status < 0) {
        snprintf(out, cap, "process ended; how is not known");
    } else if (WIFEXITED(status)) {
        snprintf(out, cap, "process ended with status %d", WEXITSTATUS(status));
    } else {
        const char *name = sigabbrev_np(WTERMSIG(status));
        snprintf(out, cap, name ? "process killed by signal %d (SIG%s)" : "process killed by signal %d",
                 WTERMSIG(status), name);
    }
}

/* Rules about waiting: a share of 1 is one thread's (or one core's) whole time. */
static bool describe_wait(char *out, size_t cap, const struct n1_rule_event *event)
{
    double value = (double)event->value / 1e6, expected = (double)event->expected / 1e6;
    switch (event->rule) {
    case N1_RULE_LOCK_CONTENTION:
        snprintf(out, cap, "%.1f threads at a time wait for locks, expected %.1f", value, expected);
        return true;
    case N1_RULE_DEADLOCK:
        snprintf(out, cap, "%lld threads wait for each other and never go on", (long long)event->value);
        return true;
    case N1_RULE_IO_STALL:
        snprintf(out, cap, "%.1f threads at a time wait for storage, expected %.1f", value, expected);
        return true;
    case N1_RULE_UNINTERRUPTIBLE:
        snprintf(out, cap, "a thread stands still for %.0f s in a wait that nothing can interrupt",
                 (double)event->value / 1e9);
        return true;
    case N1_RULE_RUN_QUEUE:
        snprintf(out, cap, "%.1f threads at a time wait for a CPU, expected %.1f", value, expected);
        return true;
    case N1_RULE_STEAL:
        snprintf(out, cap, "the hypervisor takes %.1f cores away, expected %.1f", value, expected);
        return true;
    case N1_RULE_THROTTLED:
        snprintf(out, cap, "stopped by the CPU quota for %.2f s a second, summed over CPUs", value);
        return true;
    case N1_RULE_MEMORY_PRESSURE:
        snprintf(out, cap, "tasks stand still for want of memory %.0f %% of the time", 100 * value);
        return true;
    case N1_RULE_IO_PRESSURE:
        snprintf(out, cap, "all tasks stand still for storage %.0f %% of the time, expected %.0f %%",
                 100 * value, 100 * expected);
        return true;
    default:
        return false;
    }
}

size_t n1_rule_describe(char *out, size_t cap, const struct n1_rule_event *event)
{
    static const char *const subjects[N1_RULE_COUNT] = {
        [N1_RULE_CPU_SPIKE] = "CPU",
        [N1_RULE_MEMORY_SPIKE] = "memory",
        [N1_RULE_MEMORY_GROWTH] = "memory",
        [N1_RULE_THREAD_GROWTH] = "threads",
        [N1_RULE_FD_GROWTH] = "file descriptors",
    };
    char value[32], expected[32], rate[32];
    const struct n1_rule_info *info = n1_rule_info((int)event->rule);

    if (cap == 0)
        return 0;
    *out = 0;
    if (!info)
        return 0;
    if (event->rule == N1_RULE_TARGET_GONE) {
        describe_end(out, cap, event->exit_status);
        return strlen(out);
    }
    n1_metric_format(value, sizeof value, (int)info->unit, event->value);
    n1_metric_format(expected, sizeof expected, (int)info->unit, event->expected);
    n1_metric_format_rate(rate, sizeof rate, (int)info->unit, event->per_second);
    if (describe_wait(out, cap, event))
        return strlen(out);
    const char *subject = subjects[event->rule];
    if (event->rule == N1_RULE_MEMORY_LIMIT)
        snprintf(out, cap, "%s left of %s", value, event->resource ? event->resource : "memory");
    else if (event->rule == N1_RULE_MEMORY_EVENTS)
        snprintf(out, cap, "memory taken back at the cgroup's limit %s times a second", value);
    else if (event->rule == N1_RULE_OUT_OF_MEMORY)
        snprintf(out, cap, "out of memory in the cgroup: %s events", value);
    else if (event->rule == N1_RULE_GC_PRESSURE)
        snprintf(out, cap, "collector threads take %s of the CPU time", value);
    else if (event->rule == N1_RULE_HOT_SHIFT)
        snprintf(out, cap, "%s of the CPU time went to other functions", value);
    else if (event->rule == N1_RULE_CPU_SPIKE)
        snprintf(out, cap, "%s at %s, expected %s", subject, value, expected);
    else if (event->per_second > 0)
        snprintf(out, cap, "%s up %s: %s, from %s", subject, rate, value, expected);
    else
        snprintf(out, cap, "%s jumped to %s, expected %s", subject, value, expected);
    return strlen(out);
}
