/*
 * The report for people: who was watched and how well, the hottest functions with their sampling error, and
 * the callers of the first of them. Comment lines begin with '#', so the table can be cut and sorted.
 */
#include "core/report/report_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 20
#define CALLED 5  /* functions of 1 % or more whose callers are shown … */
#define CALLERS 4 /* … and how many of them */

static double seconds(uint64_t ns)
{
    return (double)ns / (double)N1_SECOND_NS;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100 * (double)part / (double)whole : 0;
}

/* Right-aligned in `width`. */
static void column(FILE *out, double value, int places, int width)
{
    int digits = 1;
    for (double v = fabs(value) * pow(10, places) + 0.5; v >= pow(10, places + 1); v /= 10)
        digits++;
    int used = digits + (places ? places + 1 : 0);
    fprintf(out, "%*s", width > used ? width - used : 1, "");
    n1_report_decimal(out, value, places);
}

static void whole_number(FILE *out, const char *before, uint64_t value, const char *after)
{
    fprintf(out, "%s%llu%s", before, (unsigned long long)value, after);
}

/* CPU time that the engine may not see. Engines that weigh samples by a thread's whole CPU time hide none,
 * whatever a recording of before says. */
static uint64_t hidden_ns(const struct n1_report *report)
{
    return n1_reader_self(report->reader, N1_SELF_ENGINE) == N1_ENGINE_PERF
               ? n1_reader_self(report->reader, N1_SELF_KERNEL_HIDDEN_NS)
               : 0;
}

/* Without kernel rights no sample falls into the kernel: what it hides comes from the process's own CPU
 * times. */
static void kernel_share(FILE *out, const struct n1_report *report)
{
    const struct n1_profile_summary *s = report->summary;
    uint64_t hidden = hidden_ns(report);
    uint64_t seen = n1_reader_self(report->reader, N1_SELF_SAMPLED_NS);
    if (!seen) /* a recording of before that was counted, made at one rate */
        seen = n1_reader_self(report->reader, N1_SELF_SAMPLES) *
               n1_reader_self(report->reader, N1_SELF_PERIOD_NS);
    if (n1_reader_self(report->reader, N1_SELF_KERNEL_FRAMES)) {
        fputs("; kernel ", out);
        n1_report_decimal(out, percent(s->in_kernel, s->samples), 1);
        fputs(" %", out);
    } else if (n1_reader_self(report->reader, N1_SELF_ENGINE) != N1_ENGINE_PERF) {
        fputs("; kernel time counts to its callers", out);
    } else {
        fputs("; kernel hidden (not permitted): ", out);
        n1_report_decimal(out, seconds(hidden), 2);
        fputs(" s, ", out);
        n1_report_decimal(out, percent(hidden, hidden + seen), 1);
        fputs(" % of all CPU time", out);
    }
}

/* What explains a difference to top beside a hidden kernel: threads that used less than a period each. */
static void unseen_share(FILE *out, const struct n1_report *report)
{
    uint64_t all = n1_reader_self(report->reader, N1_SELF_TARGET_CPU_NS);
    uint64_t seen = n1_reader_self(report->reader, N1_SELF_SAMPLED_NS) + hidden_ns(report);
    if (all < 2 * N1_SECOND_NS || seen + all / 20 >= all)
        return;
    fputs("\n# of ", out);
    n1_report_decimal(out, seconds(all), 2);
    fputs(" s of CPU time, ", out);
    n1_report_decimal(out, percent(all - seen, all), 1);
    fputs(" % was not sampled: threads that end or sleep before their first sample", out);
}

static void header(FILE *out, struct n1_report *report)
{
    static const char *const resolutions[] = {"", "single samples", "whole seconds",
                                              "seconds, then single samples"};
    static const char *const engines[] = {"none", "perf", "ptrace", "nonstop"};
    const struct n1_profile_summary *s = report->summary;
    char title[N1_REPORT_TEXT];
    uint64_t engine = n1_reader_self(report->reader, N1_SELF_ENGINE);
    uint64_t span = s->window.to - s->window.from;
    fprintf(out, "# n1top %s: %s\n# ", N1_VERSION, n1_report_title(report, title));
    n1_report_decimal(out, seconds(span), 1);
    fprintf(out, " s seen as %s; engine %s", resolutions[s->resolution], engines[engine < 4 ? engine : 0]);
    whole_number(out, ", ", n1_reader_self(report->reader, N1_SELF_RATE_USED), " Hz");
    const char *why = n1_engine_why_text(n1_reader_self(report->reader, N1_SELF_ENGINE_WHY));
    fprintf(out, "%s%s\n", why[0] ? ": " : "", why);
    whole_number(out, "# ", s->samples, " samples, ");
    n1_report_decimal(out, seconds(s->weight_ns), 2);
    fputs(" CPU seconds", out);
    if (span) {
        fputs(" (", out);
        n1_report_decimal(out, percent(s->weight_ns, span), 1);
        fputs(" % of a core)", out);
    }
    if (s->samples != s->all_samples)
        whole_number(out, ", of ", s->all_samples, " samples before the filter");
    whole_number(out, "\n# lost ", n1_reader_self(report->reader, N1_SELF_LOST) + s->lost, "");
    whole_number(out, ", truncated ", s->truncated, "");
    whole_number(out, ", rejected ", n1_reader_self(report->reader, N1_SELF_REJECTED), "");
    kernel_share(out, report);
    unseen_share(out, report);
    fputs("\n#\n", out);
}

static void table(FILE *out, const struct n1_report *report, size_t rows)
{
    const struct n1_profile_summary *s = report->summary;
    size_t width = 6;
    for (size_t i = 0; i < rows; i++) {
        size_t len = strlen(report->functions[i].module_name);
        width = len > width ? len : width;
    }
    width = width < 24 ? width : 24;
    fprintf(out, "#  SELF%%    +-  TOTAL%%   SELF s  SAMPLES  %-*s  FUNCTION\n", (int)width, "MODULE");
    for (size_t i = 0; i < rows; i++) {
        const struct n1_profile_function *f = &report->functions[i];
        column(out, percent(f->self_ns, s->weight_ns), 2, 8);
        column(out, 100 * n1_profile_share_error(f->self_samples, s->samples), 2, 6);
        column(out, percent(f->total_ns, s->weight_ns), 2, 8);
        column(out, seconds(f->self_ns), 2, 9);
        fprintf(out, "%9llu  %-*s  %s\n", (unsigned long long)f->self_samples, (int)width, f->module_name,
                f->name);
    }
    if (rows < report->function_count)
        whole_number(out, "# and ", report->function_count - rows, " more functions\n");
}

static void callers(FILE *out, const struct n1_report *report, size_t function)
{
    struct n1_profile_edge edge[CALLERS];
    const struct n1_profile_function *f = &report->functions[function];
    size_t count = n1_profile_callers(report->profile, function, edge, CALLERS);
    fprintf(out, "\n%s, called from\n", report->keys[function]);
    for (size_t i = 0; i < count && i < CALLERS; i++) {
        uint32_t caller = edge[i].function;
        column(out, percent(edge[i].ns, f->total_ns), 2, 8);
        fprintf(out, "  %s\n", caller == UINT32_MAX ? "(the stack's root)" : report->keys[caller]);
    }
    if (count > CALLERS)
        whole_number(out, "          and ", count - CALLERS, " more\n");
}

static int write_text(FILE *out, struct n1_report *report, struct n1_error *reterr)
{
    size_t rows = report->options->top ? report->options->top : ROWS;
    if (rows > report->function_count)
        rows = report->function_count;
    header(out, report);
    if (report->summary->samples == 0) {
        fputs("# nothing ran on a CPU in this window\n", out);
        int rc = n1_report_text_waits(out, report, reterr);
        return rc ? rc : n1_report_text_memory(out, report);
    }
    table(out, report, rows);
    for (size_t i = 0;
         i < rows && i < CALLED && percent(report->functions[i].self_ns, report->summary->weight_ns) >= 1;
         i++)
        callers(out, report, i);
    int rc = n1_report_text_waits(out, report, reterr);
    return rc ? rc : n1_report_text_memory(out, report);
}

int n1_report_write_text(FILE *out, struct n1_reader *r, const struct n1_report_options *o,
                         struct n1_error *reterr)
{
    return n1_report_run(out, r, o, write_text, reterr);
}
