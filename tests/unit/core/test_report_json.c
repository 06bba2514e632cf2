/*
 * The JSON report of hand-made models: exact figures, unknown ones as null, keys that stay apart, redaction,
 * and the schema, by the same validator that checks reports of real runs.
 */
#include "tests/unit/core/models.h"

#include "n1/metric.h"
#include "n1/report.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

/* The report as text (free it); validated against the schema on the way. */
static char *json_text(struct model *m, const struct n1_report_options *options)
{
    char path[] = "/tmp/n1top-report-XXXXXX", command[256], *text = NULL;
    size_t bytes = 0;
    struct n1_error err = {0};
    FILE *out = open_memstream(&text, &bytes);
    if (n1_report_format_find("json")->write(out, m->r, options, &err))
        fail_msg("json: %s", err.what);
    fclose(out);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, bytes), bytes);
    close(fd);
    snprintf(command, sizeof command, "python3 tests/integration/validate_report.py %s >&2", path);
    int status = system(command);
    unlink(path);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the report does not validate (status %d): %.2000s", status, text);
    return text;
}

static cJSON *json_of(struct model *m, const struct n1_report_options *options)
{
    char *text = json_text(m, options);
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    free(text);
    return json;
}

static cJSON *at(cJSON *json, const char *path)
{
    char copy[256], *rest = copy, *part;
    snprintf(copy, sizeof copy, "%s", path);
    while (json && (part = strsep(&rest, "/")))
        json = cJSON_IsArray(json) ? cJSON_GetArrayItem(json, atoi(part))
                                   : cJSON_GetObjectItemCaseSensitive(json, part);
    if (!json)
        fail_msg("%s is not there", path);
    return json;
}

static void number(cJSON *json, const char *path, double want)
{
    cJSON *value = at(json, path);
    if (!cJSON_IsNumber(value) || fabs(value->valuedouble - want) > 1e-9 * fmax(1, fabs(want)))
        fail_msg("%s is %s, wanted %.12g", path, cJSON_PrintUnformatted(value), want);
}

static void text(cJSON *json, const char *path, const char *want)
{
    cJSON *value = at(json, path);
    if (!cJSON_IsString(value) || strcmp(value->valuestring, want) != 0)
        fail_msg("%s is %s, wanted %s", path, cJSON_PrintUnformatted(value), want);
}

static void unknown(cJSON *json, const char *path)
{
    assert_true(cJSON_IsNull(at(json, path)));
}

/* Ten seconds: parse runs 100, 200, … 0 ms more in each, format 50 ms in every other one. */
static void ten_seconds(struct model *m)
{
    model_open(m, 4000, 4000);
    for (uint64_t second = 0; second < 10; second++) {
        for (uint64_t i = 0; i < 10 + 2 * second; i++)
            push_stack(m, second * 1000 + i * 10, "main;run;parse", 0);
        for (uint64_t i = 0; second % 2 && i < 5; i++)
            push_stack(m, second * 1000 + 600 + i * 10, "main;run;format", i ? 0 : N1_SAMPLE_IN_KERNEL);
        uint32_t rss = n1_writer_series(m->w, N1_METRIC_MEM_RSS, m->process);
        n1_writer_point(m->w, rss, at_ms(second * 1000), (int64_t)(1000 + 100 * second));
        uint32_t io = n1_writer_series(m->w, N1_METRIC_IO_READ_BYTES, m->process);
        n1_writer_point(m->w, io, at_ms(second * 1000 + 1), (int64_t)(5000 + 10 * second));
    }
    n1_writer_self(m->w, N1_SELF_ENGINE, N1_ENGINE_PERF);
    n1_writer_self(m->w, N1_SELF_SAMPLES, 215);
    n1_writer_self(m->w, N1_SELF_CPU_NS, 1500 * MS);
    n1_writer_heartbeat(m->w, at_ms(10000));
    n1_writer_flush(m->w);
    n1_writer_state(m->w, N1_STATE_CLOSED);
}

static void figures(void **state)
{
    (void)state;
    struct model m;
    struct n1_report_options o = {.window = everything};
    ten_seconds(&m);
    cJSON *j = json_of(&m, &o);
    text(j, "schema", "n1top.report/1");
    text(j, "n1top/version", N1_VERSION);
    number(j, "targets/0/pid", 4242);
    text(j, "targets/0/exe", "/opt/app/bin/app");
    text(j, "targets/0/cmdline", "app --token secret");
    text(j, "targets/0/labels/env", "prod");
    text(j, "targets/0/labels/tier", "web");
    number(j, "targets/0/started", 1700000000.0 - 100); /* 900 s after boot, the model was made at 1000 s */
    text(j, "sampler/engine", "perf");
    number(j, "sampler/interval", 0.01);
    number(j, "sampler/samples", 215);
    number(j, "sampler/cpu_seconds", 1.5);
    number(j, "summary/total_functions", 4);
    number(j, "summary/total_measurements", 40);
    number(j, "summary/time_range/start", 1700000000.0);
    number(j, "summary/time_range/end", 1700000010.0);
    number(j, "functions/app!parse/self_seconds", 1.9);
    number(j, "functions/app!parse/self_percent", 190 / 2.15);
    number(j, "functions/app!main/total_seconds", 2.15);
    number(j, "functions/app!main/total_percent", 100);
    text(j, "functions/app!parse/basis", "sampled");
    text(j, "functions/app!parse/kind", "native");
    unknown(j, "functions/app!parse/call_count");
    unknown(j, "functions/app!parse/file");
    unknown(j, "functions/app!parse/memory_usage/total"); /* no page faults were sampled */
    number(j, "functions/app!parse/measurements", 10);
    number(j, "functions/app!parse/execution_time/total", 1.9);
    number(j, "functions/app!parse/execution_time/mean", 0.19);
    number(j, "functions/app!parse/execution_time/median", 0.19);
    number(j, "functions/app!parse/execution_time/min", 0.1);
    number(j, "functions/app!parse/execution_time/max", 0.28);
    number(j, "functions/app!parse/execution_time/std", 0.02 * sqrt(82.5 / 9));
    number(j, "functions/app!parse/performance_trends/slope", 0.02);
    text(j, "functions/app!parse/performance_trends/trend", "degrading");
    number(j, "functions/app!format/execution_time/median", 0.025); /* seconds without it count as 0 */
    number(j, "functions/app!format/execution_time/min", 0);
    number(j, "functions/app!format/rss_peak", 1900);
    text(j, "functions/app!format/performance_trends/trend", "stable");
    text(j, "hotspots/0/function", "app!parse");
    number(j, "threads/0/cpu_seconds", 2.15);
    text(j, "threads/0/name", "main");
    text(j, "memory/series/0/metric", "mem.rss");
    number(j, "memory/series/0/points/3/1", 1300);
    number(j, "io/read_bytes", 90);
    unknown(j, "io/write_bytes");
    unknown(j, "gc");
    assert_true(cJSON_IsFalse(at(j, "regressions/regression_detected")));
    number(j, "window/samples", 215);
    number(j, "window/in_kernel", 5);
    text(j, "window/resolution", "samples");
    unknown(j, "window/filter");
    cJSON_Delete(j);

    o.window = (struct n1_window){at_ms(2000), at_ms(4500)};
    o.filter = &(struct n1_filter){.text = "format"};
    j = json_of(&m, &o);
    number(j, "functions/app!format/measurements", 2); /* whole seconds only */
    number(j, "functions/app!format/execution_time/total", 0.05);
    number(j, "window/samples", 5);
    number(j, "window/all_samples", 10 + 4 + 5 + 10 + 6 + 18);
    text(j, "window/filter/text", "format");
    unknown(j, "window/filter/pid");
    cJSON_Delete(j);
    model_close(&m);
}

static void memory_waits_lines_anomalies(void **state)
{
    (void)state;
    struct model m;
    struct n1_report_options o = {.window = everything};
    ten_seconds(&m);
    uint32_t file = n1_writer_string_z(m.w, "/src/app/parse.c"), leaf = make_frame(&m, "parse", 16);
    n1_writer_frame_line(m.w, leaf, file, 77);
    n1_writer_frame_line(m.w, make_frame(&m, "run", 8), file, 12);
    struct n1_model_memory fault = {.time = at_ms(50),
                                    .bytes = 4096,
                                    .thread = m.thread,
                                    .leaf = leaf,
                                    .node = make_chain(&m, "main;run;run", 8),
                                    .kind = N1_MEMORY_ANON};
    n1_writer_memory(m.w, &fault);
    struct n1_model_wait wait = {.start = at_ms(1000),
                                 .end = at_ms(1500),
                                 .thread = m.thread,
                                 .leaf = leaf,
                                 .node = make_chain(&m, "main", 8),
                                 .wait_class = N1_WAIT_DISK,
                                 .resource = n1_writer_string_z(m.w, "/var/lib/app/data.db")};
    n1_writer_wait(m.w, &wait);
    wait.start = at_ms(9500);
    wait.end = 0; /* still waiting at the end */
    n1_writer_wait(m.w, &wait);
    struct n1_model_function f;
    n1_reader_begin(m.r);
    struct n1_model_anomaly a = {.start = at_ms(3000),
                                 .process = m.process,
                                 .severity = N1_SEVERITY_WARNING,
                                 .rule = n1_writer_string_z(m.w, "cpu_spike"),
                                 .value = 95,
                                 .expected = 20,
                                 .unit = n1_writer_string_z(m.w, "ppm"),
                                 .text = n1_writer_string_z(m.w, "spike while writing /var/lib/app/data.db")};
    for (uint32_t id = 1; n1_reader_function(m.r, id, &f); id++)
        if (strcmp(n1_reader_string(m.r, f.name), "parse") == 0)
            a.culprit[0] = id;
    a.share_ppm[0] = 700000;
    a.before_ppm[0] = 100000;
    n1_writer_anomaly(m.w, &a);
    cJSON *j = json_of(&m, &o);
    number(j, "functions/app!run/memory_usage/total", 4096); /* once, though it is twice on the stack */
    number(j, "functions/app!parse/memory_usage/mean", 409.6);
    number(j, "functions/app!format/memory_usage/total", 0); /* known to be none */
    cJSON *line = cJSON_GetObjectItemCaseSensitive(at(j, "functions/app!parse/lines"), "/src/app/parse.c:77");
    number(line, "self", 1.9);
    number(line, "total", 1.9);
    line = cJSON_GetObjectItemCaseSensitive(at(j, "functions/app!run/lines"), "/src/app/parse.c:12");
    number(line, "self", 0);
    number(line, "total", 2.15);
    text(j, "waits/0/class", "disk");
    text(j, "waits/0/function", "app!parse");
    number(j, "waits/0/seconds", 1);
    number(j, "waits/0/count", 2);
    text(j, "waits/0/resource", "/var/lib/app/data.db");
    text(j, "anomalies/0/rule", "cpu_spike");
    text(j, "anomalies/0/severity", "warning");
    number(j, "anomalies/0/start", 1700000003.0);
    unknown(j, "anomalies/0/end");
    text(j, "anomalies/0/culprits/0/function", "app!parse");
    number(j, "anomalies/0/culprits/0/share_percent", 70);
    cJSON_Delete(j);

    o.redact = true;
    char *redacted = json_text(&m, &o);
    assert_null(strstr(redacted, "/src"));
    assert_null(strstr(redacted, "/var"));
    assert_null(strstr(redacted, "/opt"));
    assert_null(strstr(redacted, "secret"));
    assert_null(strstr(redacted, "prod"));
    assert_non_null(strstr(redacted, "spike while writing data.db"));
    assert_non_null(strstr(redacted, "\"parse.c:77\""));
    free(redacted);
    model_close(&m);
}

/* profiling.max_history: the last seconds make the statistics, all of them the sums. */
static void history_has_its_bound(void **state)
{
    (void)state;
    struct model m;
    struct n1_report_options o = {.window = everything, .max_history = 4};
    ten_seconds(&m);
    cJSON *j = json_of(&m, &o);
    number(j, "summary/total_measurements", 4 * 4);
    number(j, "functions/app!parse/measurements", 4);
    number(j, "functions/app!parse/execution_time/min", 0.22);
    number(j, "functions/app!parse/execution_time/max", 0.28);
    number(j, "functions/app!parse/execution_time/mean", 0.25);
    number(j, "functions/app!parse/self_seconds", 1.9);
    cJSON_Delete(j);
    model_close(&m);
}

static void keys_stay_apart(void **state)
{
    (void)state;
    struct model m;
    struct n1_report_options o = {.window = everything};
    model_open(&m, 1000, 1000);
    uint32_t file = n1_writer_string_z(m.w, "/src/a.c");
    for (uint64_t i = 0; i < 4; i++) {
        uint32_t function =
            make_function(&m, i < 3 ? "init" : "weird \"name\" \\ with, everything", 0x1000 * (i + 1));
        uint32_t frame = n1_writer_frame(m.w, m.module, 0x1000 * (i + 1) + 4);
        n1_writer_frame_name(m.w, frame, function, N1_FRAME_NAMED);
        if (i < 1)
            n1_writer_function_line(m.w, function, file, 10);
        struct n1_model_sample s = {
            .time = at_ms(i), .thread = m.thread, .leaf = frame, .weight_ns = 10 * MS};
        n1_writer_sample(m.w, &s);
    }
    push_stack(&m, 20, "", 0);
    begin(&m, 1000);
    cJSON *j = json_of(&m, &o);
    text(j, "functions/app!init@a.c:10/name", "init");
    text(j, "functions/app!init@0x2000/name", "init");
    text(j, "functions/app!init@0x3000/name", "init");
    text(j, "functions/[other]/name", "[other]");
    unknown(j, "functions/[other]/module");
    cJSON_Delete(j);
    model_close(&m);
}

static void nothing_at_all(void **state)
{
    (void)state;
    struct model m;
    struct n1_report_options o = {.window = everything};
    model_open(&m, 1000, 1000);
    n1_writer_self(m.w, N1_SELF_PERIOD_NS, 0);
    cJSON *j = json_of(&m, &o);
    number(j, "summary/total_functions", 0);
    unknown(j, "sampler/interval");
    cJSON_Delete(j);
    model_close(&m);
}

static void another_locale(void **state)
{
    (void)state;
    struct model m;
    struct n1_report_options o = {.window = everything};
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8"))
        skip(); /* neither locale is installed; nothing can be shown then */
    ten_seconds(&m);
    cJSON_Delete(json_of(&m, &o));
    model_close(&m);
    setlocale(LC_NUMERIC, "C");
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    struct model m;
    struct n1_report_options o = {.window = everything};
    ten_seconds(&m);
    for (const struct n1_report_format *f = n1_report_formats; f->name; f++) {
        struct n1_error err = {0};
        FILE *full = fopen("/dev/full", "w");
        assert_non_null(full);
        assert_int_equal(f->write(full, m.r, &o, &err), -ENOSPC);
        assert_non_null(strstr(err.what, "cannot write"));
        fclose(full);
    }
    n1_writer_state(m.w, N1_STATE_LIVE);
    FILE *full = fopen("/dev/full", "w");
    assert_int_equal(n1_report_format_find("json")->write(full, m.r, &o, NULL), -ENOSPC);
    fclose(full);
    o.filter = &(struct n1_filter){.text = "a[", .regex = true};
    assert_int_equal(n1_report_format_find("json")->write(stderr, m.r, &o, NULL), N1_E_USAGE);
    assert_null(n1_report_format_find("model"));
    model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures),
        cmocka_unit_test(history_has_its_bound),
        cmocka_unit_test(memory_waits_lines_anomalies),
        cmocka_unit_test(keys_stay_apart),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(another_locale),
        cmocka_unit_test(a_full_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
