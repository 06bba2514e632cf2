/*
 * The table of formats and what they share. A report makes its own passes over the model; text from the
 * target has been sanitised on its way into the profile, and strings of the model are sanitised here.
 */
#include "core/report/report_private.h"

#include "n1/sanitise.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TRIES 20

const struct n1_report_format n1_report_formats[] = {
    {"json", "json", "everything that is known, as one JSON object", n1_report_write_json, false},
    {"text", "txt", "hotspots and their callers, for people", n1_report_write_text, false},
    {"collapsed", "collapsed", "one line a stack: function;function;function samples",
     n1_report_write_collapsed, true},
    {"svg", "svg", "flame graph with zoom and search, for a browser", n1_report_write_svg, true},
    {NULL, NULL, NULL, NULL, false},
};

const struct n1_report_format *n1_report_format_find(const char *name)
{
    for (const struct n1_report_format *f = n1_report_formats; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

int n1_report_flush(FILE *out, struct n1_error *reterr)
{
    errno = 0;
    if (fflush(out) == 0 && !ferror(out))
        return 0;
    int code = errno ? -errno : -EIO;
    return n1_error_set(reterr, code, "cannot write the report: %s", strerror(-code));
}

void n1_report_decimal(FILE *out, double value, int places)
{
    double scale = pow(10, places), scaled = nearbyint(fabs(value) * scale);
    if (!(scaled < 9e18)) { /* NaN too */
        fputc('-', out);
        return;
    }
    unsigned long long whole = (unsigned long long)scaled, unit = (unsigned long long)scale;
    if (value < 0 && whole > 0)
        fputc('-', out);
    fprintf(out, "%llu", whole / unit);
    if (places > 0)
        fprintf(out, ".%0*llu", places, whole % unit);
}

const char *n1_report_kind(uint32_t kind)
{
    static const char *const names[N1_KIND_COUNT] = {"unknown", "native", "python", "kernel", "jit", "gc"};
    return kind < N1_KIND_COUNT ? names[kind] : names[N1_KIND_UNKNOWN];
}

const char *n1_report_text(const struct n1_report *report, uint32_t string, char out[N1_REPORT_TEXT])
{
    const char *text = n1_reader_string(report->reader, string);
    n1_sanitise(out, N1_REPORT_TEXT, text, strlen(text));
    return out;
}

const char *n1_report_title(struct n1_report *report, char out[N1_REPORT_TEXT])
{
    struct n1_model_process p;
    if (report->options->title)
        return n1_sanitise(out, N1_REPORT_TEXT, report->options->title, strlen(report->options->title)), out;
    uint32_t id =
        report->options->filter && report->options->filter->process ? report->options->filter->process : 1;
    if (!n1_reader_process(report->reader, id, &p))
        return strcpy(out, "n1top");
    size_t len = strlen(n1_report_text(report, p.comm ? p.comm : p.exe, out));
    snprintf(out + len, N1_REPORT_TEXT - len, "%s%u", len ? " " : "process ", p.pid);
    return out;
}

const char *n1_report_function_key(const struct n1_report *report, uint32_t function,
                                   char out[N1_REPORT_TEXT])
{
    struct n1_model_function f;
    struct n1_model_module m;
    char path[N1_REPORT_TEXT];
    out[0] = '\0';
    if (function == 0 || !n1_reader_function(report->reader, function, &f))
        return out;
    for (size_t i = 0; i < report->function_count; i++)
        if (report->functions[i].function == function)
            return report->keys[i];
    n1_reader_module(report->reader, f.module, &m);
    const char *module = n1_reader_string(report->reader, m.path), *slash = strrchr(module, '/');
    n1_sanitise(path, sizeof path / 2, slash ? slash + 1 : module, strlen(slash ? slash + 1 : module));
    size_t len = (size_t)snprintf(out, N1_REPORT_TEXT, "%s%s", path, *path ? "!" : "");
    const char *name = n1_reader_string(report->reader, f.name);
    n1_sanitise(out + len, N1_REPORT_TEXT - len, name, strlen(name));
    return out;
}

struct named {
    char *key;
    uint32_t function;
};

static int by_key(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order ? order : (x->function > y->function) - (x->function < y->function);
}

/* Makes the key of every function that shares its key with another one longer. Returns 1 when there was one.
 */
static int tell_apart(struct n1_report *report, struct named *named, int round)
{
    int found = 0;
    char place[N1_REPORT_TEXT], *longer;
    struct n1_model_function f;
    struct n1_model_frame frame;
    size_t n = report->function_count;
    qsort(named, n, sizeof *named, by_key);
    for (size_t i = 0, same; i < n; i += same) {
        for (same = 1; i + same < n && strcmp(named[i].key, named[i + same].key) == 0; same++)
            ;
        for (size_t k = i; same > 1 && k < i + same; k++) {
            const struct n1_profile_function *shown = &report->functions[named[k].function];
            n1_reader_function(report->reader, shown->function, &f);
            n1_reader_frame(report->reader, shown->frame, &frame);
            unsigned long long start = shown->function ? f.start : frame.offset;
            int made;
            if (round == 0 && f.file && f.line) {
                const char *file = n1_report_text(report, f.file, place);
                const char *slash = strrchr(file, '/');
                made = asprintf(&longer, "%s@%s:%u", named[k].key, slash ? slash + 1 : file, f.line);
            } else if (round < 2) {
                made = asprintf(&longer, "%s@0x%llx", named[k].key, start);
            } else {
                made = asprintf(&longer, "%s#%zu", named[k].key, k - i + 1);
            }
            if (made < 0)
                return -ENOMEM;
            free(named[k].key);
            named[k].key = report->keys[named[k].function] = longer;
            found = 1;
        }
    }
    return found;
}

static int make_keys(struct n1_report *report)
{
    size_t n = report->function_count;
    report->keys = calloc(n + 1, sizeof *report->keys);
    struct named *named = calloc(n + 1, sizeof *named);
    int rc = report->keys && named ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct n1_profile_function *f = &report->functions[i];
        if (asprintf(&report->keys[i], "%s%s%s", f->module_name, *f->module_name ? "!" : "", f->name) < 0) {
            report->keys[i] = NULL;
            rc = -ENOMEM;
        }
        named[i] = (struct named){report->keys[i], (uint32_t)i};
    }
    for (int round = 0; rc == 0 && round < 3; round++) {
        rc = tell_apart(report, named, round);
        if (rc == 0)
            break;
        rc = rc < 0 ? rc : 0;
    }
    free(named);
    return rc;
}

static void finish(struct n1_report *report)
{
    for (size_t i = 0; report->keys && i < report->function_count; i++)
        free(report->keys[i]);
    free(report->keys);
    n1_profile_destroy(report->profile);
}

static int one_pass(FILE *out, struct n1_reader *r, const struct n1_report_options *options,
                    n1_report_body *body, struct n1_error *reterr)
{
    struct n1_report report = {.reader = r, .options = options, .profile = n1_profile_create()};
    int rc = report.profile ? n1_profile_update(report.profile, r, options->window, options->filter, reterr)
                            : n1_error_set(reterr, -ENOMEM, "no memory for a report");
    if (rc == 0) {
        report.summary = n1_profile_summary(report.profile);
        report.functions = n1_profile_functions(report.profile, &report.function_count);
        report.nodes = n1_profile_nodes(report.profile, &report.node_count);
        rc = make_keys(&report);
        if (rc)
            n1_error_set(reterr, rc, "no memory for a report");
    }
    if (rc == 0)
        rc = body(out, &report, reterr);
    finish(&report);
    return rc;
}

/* Into memory, and out only when it is of one generation. 1: try again. */
static int buffered_pass(FILE *out, struct n1_reader *r, const struct n1_report_options *options,
                         n1_report_body *body, struct n1_error *reterr)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *memory = open_memstream(&text, &bytes);
    if (!memory)
        return n1_error_set(reterr, -ENOMEM, "no memory for a report");
    int rc = one_pass(memory, r, options, body, reterr);
    if (fclose(memory) && rc == 0)
        rc = n1_error_set(reterr, -ENOMEM, "no memory for a report");
    if (rc == 0 && n1_reader_end(r))
        rc = -EAGAIN;
    if (rc == 0) {
        fwrite(text, 1, bytes, out);
        rc = n1_report_flush(out, reterr);
    }
    free(text);
    return rc == -EAGAIN ? 1 : rc;
}

static int run(FILE *out, struct n1_reader *r, const struct n1_report_options *options, n1_report_body *body,
               struct n1_error *reterr)
{
    const struct timespec pause = {0, 5000000};
    for (int i = 0; i < TRIES; i++) {
        int rc = n1_reader_begin(r);
        if (rc >= 0 && (n1_reader_is_file(r) || n1_reader_state(r) == N1_STATE_CLOSED)) {
            rc = one_pass(out, r, options, body, reterr);
            return rc ? rc : n1_report_flush(out, reterr);
        }
        if (rc >= 0)
            rc = buffered_pass(out, r, options, body, reterr);
        if (rc != 1 && rc != -EAGAIN)
            return rc == N1_E_DAMAGED ? n1_error_set(reterr, rc, "the model is damaged") : rc;
        nanosleep(&pause, NULL);
    }
    return n1_error_set(reterr, -EAGAIN, "the model changed all the time while the report was made");
}

int n1_report_run(FILE *out, struct n1_reader *r, const struct n1_report_options *options,
                  n1_report_body *body, struct n1_error *reterr)
{
    int was = options->redact ? n1_reader_redact(r, true) : 1;
    if (was < 0)
        return n1_error_set(reterr, was, "no memory for a report");
    int rc = run(out, r, options, body, reterr);
    if (was == 0)
        n1_reader_redact(r, false);
    return rc;
}
