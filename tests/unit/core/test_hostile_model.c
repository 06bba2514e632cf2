/*
 * Models with bytes overwritten at random: every figure and every report over them ends, and says what it
 * says in well-formed text. Run with sanitizers it also proves that nothing outside is touched. N1_ROUNDS=N
 * for more.
 */
#include "tests/unit/core/models.h"

#include "n1/metric.h"
#include "n1/report.h"

#include <cjson/cJSON.h>

static uint64_t seed;
static int written;

static uint32_t dice(uint32_t sides)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % sides;
}

/* Small enough to be copied for every round, with an entry or more in every segment. */
static void fill(struct model *m)
{
    model_open(m, 256, 64);
    const char *stacks[] = {"main;run;parse", "main;run;run;format", "idle", "main;a;b;c;d;e;f;g;h", ""};
    for (uint64_t i = 0; i < 400; i++) {
        push_stack(m, i * 40, stacks[dice(5)], dice(8) ? 0 : dice(128));
        n1_writer_maintain(m->w, at_ms(i * 40));
    }
    uint32_t file = n1_writer_string_z(m->w, "/src/app/parse.c");
    n1_writer_frame_line(m->w, make_frame(m, "parse", 16), file, 77);
    for (uint64_t i = 0; i < 20; i++) {
        struct n1_model_memory fault = {.time = at_ms(i * 500),
                                        .bytes = 4096,
                                        .thread = m->thread,
                                        .leaf = make_frame(m, "parse", 16),
                                        .node = make_chain(m, "main;run", 8)};
        struct n1_model_wait wait = {.start = at_ms(i * 500),
                                     .end = at_ms(i * 500 + 9),
                                     .thread = m->thread,
                                     .node = fault.node,
                                     .leaf = fault.leaf,
                                     .wait_class = 1 + dice(10)};
        struct n1_model_anomaly anomaly = {.start = at_ms(i),
                                           .process = m->process,
                                           .rule = file,
                                           .text = file,
                                           .severity = 1,
                                           .culprit = {1, 2, 3}};
        n1_writer_memory(m->w, &fault);
        n1_writer_wait(m->w, &wait);
        n1_writer_anomaly(m->w, &anomaly);
        n1_writer_point(m->w, n1_writer_series(m->w, N1_METRIC_MEM_RSS, m->process), at_ms(i * 500),
                        (int64_t)i);
        n1_writer_point(m->w, n1_writer_series(m->w, N1_METRIC_IO_READ_BYTES, m->process), at_ms(i * 500),
                        (int64_t)i);
    }
    n1_writer_heartbeat(m->w, at_ms(16000));
}

/* Overwrites some words: mostly of entries that are in use, now and then of the header's changing words. */
static void damage(uint8_t *bytes, const struct n1_model_header *h)
{
    static const uint64_t words[] = {
        0, 1, 2, UINT32_MAX, UINT64_MAX, UINT64_C(1) << 63, UINT64_C(0xffffffff00000001)};
    for (uint32_t n = 1 + dice(40); n > 0; n--) {
        const struct n1_model_segment *s = &h->segments[dice(N1_SEGMENT_COUNT)];
        uint64_t used = h->heads[s->kind] < s->capacity ? h->heads[s->kind] : s->capacity;
        uint64_t size = (used * s->stride + 7) / 8;
        uint64_t at = s->offset / 8 + (size ? dice((uint32_t)size) : 0);
        if (dice(20) == 0)
            at = (offsetof(struct n1_model_header, state) + 8 * dice(3 + 5 + 2 * N1_MODEL_SEGMENTS_MAX)) / 8;
        uint64_t word = ((uint64_t)dice(UINT32_MAX) << 32) ^ dice(UINT32_MAX);
        switch (dice(4)) {
        case 0:
            word = words[dice(7)];
            break;
        case 1:
            word &= UINT64_C(0x000000ff000000ff);
            break;
        case 2:
            memcpy(&word, bytes + at * 8, 8);
            word ^= UINT64_C(1) << dice(64);
            break;
        default:
            break;
        }
        memcpy(bytes + at * 8, &word, 8);
    }
}

static void look_at(struct n1_reader *r)
{
    static const char *const texts[] = {NULL, "run", "^m", "["};
    struct n1_filter f = {
        .process = dice(3), .thread = dice(3), .kinds = dice(64), .text = texts[dice(4)], .regex = dice(2)};
    struct n1_report_options o = {.window = everything, .filter = dice(2) ? &f : NULL, .redact = dice(2)};
    if (dice(2))
        o.window = (struct n1_window){at_ms(dice(16000)), at_ms(dice(16000))};
    for (const struct n1_report_format *format = n1_report_formats; format->name; format++) {
        char *text = NULL;
        size_t bytes = 0;
        FILE *out = open_memstream(&text, &bytes);
        int rc = format->write(out, r, &o, NULL);
        fclose(out);
        if (rc == 0 && strcmp(format->name, "json") == 0) {
            cJSON *json = cJSON_Parse(text);
            assert_non_null(json);
            cJSON_Delete(json);
            written++;
        }
        free(text);
    }
}

static void random_damage(void **state)
{
    (void)state;
    struct model m;
    const char *more = getenv("N1_ROUNDS");
    size_t bytes;
    seed = 4711;
    fill(&m);
    const uint8_t *base = n1_writer_base(m.w, &bytes);
    uint8_t *copy = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    struct n1_profile *p = n1_profile_create();
    int opened = 0, rounds = more ? atoi(more) : 60;
    for (int round = 0; round < rounds; round++) {
        struct n1_reader *r;
        seed = 1000 + (uint64_t)round;
        memcpy(copy, base, bytes);
        damage(copy, (const struct n1_model_header *)base);
        if (n1_reader_open_memory(copy, bytes, &r, NULL))
            continue;
        opened++;
        look_at(r);
        /* a profile that goes on while the memory changes under it */
        for (int step = 0; step < 3; step++) {
            if (n1_reader_begin(r) >= 0) {
                n1_profile_update(p, r, everything, NULL, NULL);
                size_t count;
                n1_profile_functions(p, &count);
                for (size_t i = 0; i < count && i < 5; i++)
                    n1_profile_callers(p, i, NULL, 0);
            }
            damage(copy, (const struct n1_model_header *)base);
        }
        n1_reader_close(r);
    }
    print_message("%d models opened, %d reported on\n", opened, written);
    assert_true(opened > rounds / 2 && written > rounds / 4);
    n1_profile_destroy(p);
    free(copy);
    model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
