/*
 * The waits of a report for people.
 */
#include "core/report/report_private.h"

#include "n1/waits.h"

#include <errno.h>
#include <math.h>

#define WAITS 10

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

/* What threads waited for: the classes in a line, then the largest rows. */
int n1_report_text_waits(FILE *out, struct n1_report *report, struct n1_error *reterr)
{
    char text[N1_REPORT_TEXT];
    size_t count = 0;
    struct n1_wait_view *view = n1_wait_view_create();
    int rc = view ? n1_wait_view_update(view, report->reader, report->summary->window,
                                        report->options->filter, reterr)
                  : n1_error_set(reterr, -ENOMEM, "no memory for the waits");
    const struct n1_wait_totals *t = rc == 0 ? n1_wait_totals(view) : NULL;
    const struct n1_wait_row *rows = rc == 0 ? n1_wait_rows(view, &count) : NULL;
    if (count) {
        fputs("\nwaits, summed over threads: ", out);
        n1_report_decimal(out, seconds(t->all_ns), 2);
        fputs(" s;", out);
        for (int c = N1_WAIT_RUN_QUEUE; c <= N1_WAIT_OTHER; c++)
            if (t->ns[c]) {
                fprintf(out, " %s ", n1_wait_class_name((uint32_t)c));
                n1_report_decimal(out, percent(t->ns[c], t->all_ns), 1);
                fputs(" %", out);
            }
        fputs("\n#   WAIT%    WAIT s    COUNT  CLASS      FUNCTION, RESOURCE\n", out);
    }
    for (size_t i = 0; i < count && i < WAITS; i++) {
        column(out, percent(rows[i].ns, t->all_ns), 2, 9);
        column(out, seconds(rows[i].ns), 2, 10);
        fprintf(out, "%9llu  %-9s  %s%s%s", (unsigned long long)rows[i].count,
                n1_wait_class_name(rows[i].wait_class), rows[i].module, *rows[i].module ? "!" : "",
                rows[i].function);
        const char *resource = n1_report_text(report, rows[i].resource, text);
        fprintf(out, "%s%s\n", *resource ? ", " : "", resource);
    }
    if (count > WAITS)
        fprintf(out, "# and %zu more\n", count - WAITS);
    n1_wait_view_destroy(view);
    return rc;
}
