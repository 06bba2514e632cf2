/*
 * Pressure (PSI) of the host and of the cgroup: "some avg10=1.25 avg60=… avg300=… total=123" and "full …".
 * avg10 is per cent with two decimals and becomes ppm; total is µs and becomes ns.
 */
#include "sampler/metrics/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { SOME_AVG10, SOME_TOTAL, FULL_AVG10, FULL_TOTAL, PRESSURE_METRICS };

/* "12.34" to 123400; the number of decimals is the kernel's business. */
static bool take_percent(struct n1_text *text, int64_t *ret_ppm)
{
    int64_t whole, unit = 1000;

    if (!n1_text_int(text, &whole) || whole < 0 || whole > 100)
        return false;
    int64_t ppm = whole * 10000;
    if (text->at < text->end && *text->at == '.')
        for (text->at++; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++, unit /= 10)
            ppm += (*text->at - '0') * unit;
    *ret_ppm = ppm;
    return true;
}

int n1_pressure_put(struct n1_metrics *m, enum n1_metric_id first, struct n1_text text)
{
    int64_t values[PRESSURE_METRICS];
    bool valid[PRESSURE_METRICS] = {false};
    struct n1_text line, rest, word, number;

    while (n1_text_line(&text, &line)) {
        bool full = n1_text_after(line, "full", &rest);
        if (!full && !n1_text_after(line, "some", &rest))
            continue;
        int avg10 = full ? FULL_AVG10 : SOME_AVG10, total = full ? FULL_TOTAL : SOME_TOTAL;
        while (n1_text_word(&rest, &word)) {
            if (n1_text_after(word, "avg10", &number))
                valid[avg10] = take_percent(&number, &values[avg10]);
            else if (n1_text_after(word, "total", &number))
                valid[total] = n1_text_int(&number, &values[total]) && values[total] >= 0 &&
                               !__builtin_mul_overflow(values[total], 1000, &values[total]);
        }
    }
    if (!valid[SOME_AVG10] && !valid[SOME_TOTAL])
        return -EBADMSG;
    for (int i = 0; i < PRESSURE_METRICS; i++) {
        if (valid[i])
            n1_source_put(m, first + (unsigned)i, values[i]);
        else
            n1_source_refuse(m, first + (unsigned)i, i >= FULL_AVG10 ? N1_WHY_OLD_KERNEL : N1_WHY_UNREADABLE);
    }
    return 0;
}

void n1_pressure_refuse(struct n1_metrics *m, enum n1_metric_id first, const char *reason)
{
    for (unsigned i = 0; i < PRESSURE_METRICS; i++)
        n1_source_refuse(m, first + i, reason);
}

static int read_host_pressure(struct n1_metrics *m, const struct n1_source *source)
{
    static const char *const paths[] = {"pressure/cpu", "pressure/memory", "pressure/io"};
    static const enum n1_metric_id firsts[] = {N1_METRIC_HOST_PSI_CPU_SOME_AVG10,
                                               N1_METRIC_HOST_PSI_MEM_SOME_AVG10,
                                               N1_METRIC_HOST_PSI_IO_SOME_AVG10};
    struct n1_text text;

    for (size_t i = 0; i < N1_ARRAY_LEN(paths); i++) {
        int rc = n1_text_read(m->dirfd, paths[i], &m->fd_pressure[i], m->text, sizeof m->text, &text);
        if (rc == 0)
            rc = n1_pressure_put(m, firsts[i], text);
        if (rc < 0)
            n1_pressure_refuse(m, firsts[i], n1_source_reason(source, rc));
    }
    return 0;
}

/* `fields` serves to refuse what a gone process had; the host never goes. */
const struct n1_source n1_source_host_pressure = {
    .name = "pressure", .read = read_host_pressure, .share_ppm = 1000, .missing = "kernel without PSI"};
