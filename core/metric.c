/*
 * The table of metrics as memory, look-up by name, and the one way a metric's value becomes text. Values are
 * in the unit of the table; text is at most about 12 characters. Nothing here allocates or keeps state.
 */
#include "n1/metric.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define N1_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct n1_metric_info metrics[N1_METRIC_COUNT] = {
#define X(id, name, unit, kind, scope, level, text, source)                                                  \
    [N1_METRIC_##id] = {name, N1_UNIT_##unit, N1_METRIC_KIND_##kind, N1_SCOPE_##scope, N1_LEVEL_##level,     \
                        text, source},
    N1_METRIC_MAP(X)
#undef X
};

static const char *const unit_names[N1_UNIT_END] = {
#define X(constant, name) [constant] = name,
    N1_METRIC_UNIT_MAP(X)
#undef X
};

static const char *const kind_names[] = {
    [N1_METRIC_KIND_GAUGE] = "gauge", [N1_METRIC_KIND_COUNTER] = "counter"};
static const char *const scope_names[] = {
    [N1_SCOPE_HOST] = "host", [N1_SCOPE_PROCESS] = "process", [N1_SCOPE_THREAD] = "thread"};

struct step {
    double from; /* smallest magnitude shown with this suffix */
    double divide;
    const char *suffix;
};

/* Each list from the largest; the threshold is where rounding to three digits would print 1000 of the step
 * below. */
static const struct step steps_bytes[] = {{0x1p60 * 0.99995, 0x1p60, " EiB"},
                                          {0x1p50 * 0.99995, 0x1p50, " PiB"},
                                          {0x1p40 * 0.99995, 0x1p40, " TiB"},
                                          {0x1p30 * 0.99995, 0x1p30, " GiB"},
                                          {0x1p20 * 0.99995, 0x1p20, " MiB"},
                                          {0x1p10, 0x1p10, " KiB"},
                                          {0, 1, " B"}};
static const struct step steps_ns[] = {
    {999.5e6, 1e9, " s"}, {999.5e3, 1e6, " ms"}, {999.5, 1e3, " us"}, {0, 1, " ns"}};
static const struct step steps_count[] = {{999.5e15, 1e18, " E"},
                                          {999.5e12, 1e15, " P"},
                                          {999.5e9, 1e12, " T"},
                                          {999.5e6, 1e9, " G"},
                                          {999.5e3, 1e6, " M"},
                                          {99999.5, 1e3, " k"},
                                          {0, 1, ""}};
static const struct step steps_ppm[] = {{0, 1e4, " %"}};

static const struct {
    const struct step *steps;
    size_t len;
} unit_steps[N1_UNIT_END] = {
    [N1_UNIT_BYTES] = {steps_bytes, N1_ARRAY_LEN(steps_bytes)},
    [N1_UNIT_NS] = {steps_ns, N1_ARRAY_LEN(steps_ns)},
    [N1_UNIT_COUNT] = {steps_count, N1_ARRAY_LEN(steps_count)},
    [N1_UNIT_PPM] = {steps_ppm, N1_ARRAY_LEN(steps_ppm)},
};

const struct n1_metric_info *n1_metric_info(int id)
{
    return id >= 0 && id < N1_METRIC_COUNT ? &metrics[id] : NULL;
}

int n1_metric_find(const char *name)
{
    for (int id = 0; id < N1_METRIC_COUNT; id++)
        if (strcmp(metrics[id].name, name) == 0)
            return id;
    return -1;
}

const char *n1_metric_unit_name(int unit)
{
    return unit >= 0 && unit < N1_UNIT_END ? unit_names[unit] : "?";
}

const char *n1_metric_kind_name(int kind)
{
    return kind >= 0 && (size_t)kind < N1_ARRAY_LEN(kind_names) ? kind_names[kind] : "?";
}

const char *n1_metric_scope_name(int scope)
{
    return scope >= 0 && (size_t)scope < N1_ARRAY_LEN(scope_names) ? scope_names[scope] : "?";
}

static size_t written(int len, size_t cap)
{
    return len < 0 ? 0 : (size_t)len < cap ? (size_t)len : cap - 1;
}

/* Three significant digits; whole numbers of an undivided unit stay whole. */
static size_t print_scaled(char *out, size_t cap, double value, const struct step *steps, size_t len,
                           bool whole, const char *after)
{
    double magnitude = fabs(value);
    size_t i = 0;

    while (i + 1 < len && magnitude < steps[i].from)
        i++;
    double scaled = value / steps[i].divide;
    double shown = fabs(scaled);
    int digits = whole && steps[i].divide == 1 ? 0 : shown < 9.995 ? 2 : shown < 99.95 ? 1 : 0;
    return written(snprintf(out, cap, "%.*f%s%s", digits, scaled, steps[i].suffix, after), cap);
}

size_t n1_metric_format(char *out, size_t cap, int unit, int64_t value)
{
    if (unit < 0 || unit >= N1_UNIT_END)
        return written(snprintf(out, cap, "?"), cap);
    return print_scaled(out, cap, (double)value, unit_steps[unit].steps, unit_steps[unit].len, true, "");
}

size_t n1_metric_format_rate(char *out, size_t cap, int unit, double per_second)
{
    if (unit < 0 || unit >= N1_UNIT_END || !isfinite(per_second))
        return written(snprintf(out, cap, "?"), cap);
    if (unit == N1_UNIT_NS)
        return print_scaled(out, cap, per_second / 1e3, steps_ppm, N1_ARRAY_LEN(steps_ppm), false, "");
    const char *after = unit == N1_UNIT_COUNT && fabs(per_second) < 99999.5 ? " /s" : "/s";
    return print_scaled(out, cap, per_second, unit_steps[unit].steps, unit_steps[unit].len, false, after);
}
