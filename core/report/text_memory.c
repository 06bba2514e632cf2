/*
 * The memory part of the report for people: who touched memory first in the window, and what allocation
 * tracing found kept. Nothing is written when neither was measured.
 */
#include "core/report/report_private.h"

#include "n1/metric.h"

#include <errno.h>

#define ROWS 10

static const char *const kinds[N1_MEMORY_KINDS] = {
    "unknown", "anonymous", "files", "stacks", "copied after a fork", "kept", "mapped",
};

static void bytes(FILE *out, uint64_t value, int width)
{
    char text[32];
    n1_metric_format(text, sizeof text, N1_UNIT_BYTES, value > INT64_MAX ? INT64_MAX : (int64_t)value);
    fprintf(out, "%*s", width, text);
}

/* Bytes of each kind, before any filter but that of the process and thread. */
static int by_kind(FILE *out, const struct n1_report *report, struct n1_profile *p, struct n1_filter filter)
{
    const char *between = "# by kind: ";
    filter.of = N1_OF_MEMORY;
    for (uint32_t kind = N1_MEMORY_ANON; kind < N1_MEMORY_KEPT; kind++) {
        filter.memory_kinds = 1u << kind;
        int rc = n1_profile_update(p, report->reader, report->options->window, &filter, NULL);
        if (rc)
            return rc;
        fprintf(out, "%s%s ", between, kinds[kind]);
        bytes(out, n1_profile_summary(p)->weight_ns, 0);
        between = ", ";
    }
    fputc('\n', out);
    return 0;
}

static void table(FILE *out, const struct n1_profile *p, const char *title)
{
    size_t count;
    const struct n1_profile_function *f = n1_profile_functions(p, &count);
    uint64_t whole = n1_profile_summary(p)->weight_ns;
    fprintf(out, "#      SELF      TOTAL  TOTAL%%  %s\n", title);
    size_t shown = count < ROWS ? count : ROWS;
    for (size_t i = 0; i < shown; i++) {
        bytes(out, f[i].self_ns, 11);
        bytes(out, f[i].total_ns, 11);
        double share = whole ? 100 * (double)f[i].total_ns / (double)whole : 0;
        fputs(share >= 99.995 ? "  " : share >= 9.995 ? "   " : "    ", out);
        n1_report_decimal(out, share, 2);
        fprintf(out, "  %s%s%s\n", f[i].module_name, *f[i].module_name ? "!" : "", f[i].name);
    }
}

int n1_report_text_memory(FILE *out, struct n1_report *report)
{
    struct n1_filter filter = report->options->filter ? *report->options->filter : (struct n1_filter){0};
    struct n1_profile *p = n1_profile_create();
    int rc = p ? 0 : -ENOMEM;
    filter.of = N1_OF_MEMORY;
    if (rc == 0)
        rc = n1_profile_update(p, report->reader, report->options->window, &filter, NULL);
    if (rc == 0 && n1_profile_summary(p)->samples) {
        fputs("\n# Memory first touched (not: kept), by page-fault samples: ", out);
        bytes(out, n1_profile_summary(p)->weight_ns, 0);
        fprintf(out, ", %llu samples\n", (unsigned long long)n1_profile_summary(p)->samples);
        table(out, p, "FIRST TOUCHED BY");
        rc = by_kind(out, report, p, filter);
    }
    filter.of = N1_OF_KEPT;
    filter.memory_kinds = 0;
    if (rc == 0)
        rc = n1_profile_update(p, report->reader, report->options->window, &filter, NULL);
    if (rc == 0 && n1_profile_summary(p)->samples) {
        fputs("\n# Memory allocated and kept, growing, by tracing of the allocator: ", out);
        bytes(out, n1_profile_summary(p)->weight_ns, 0);
        fputc('\n', out);
        table(out, p, "KEPT BY");
    }
    n1_profile_destroy(p);
    return rc;
}
