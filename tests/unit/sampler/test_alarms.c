/*
 * The rules at work on a model: a process made of figures and samples, without a kernel behind it. One
 * episode is one entry of the log, updated while it lasts; the culprit is the function that grew, or what
 * newly stands on a stack.
 */
#include "sampler/alarms.h"

#include "core/model/generation.h"

#include "n1/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct world {
    struct n1_writer *w;
    struct n1_feed *feed;
    struct n1_targets targets;
    struct n1_target target, *items[1];
    struct n1_alarms alarms;
    struct n1_config config;
    uint32_t module, thread, function[3], frame[3], node[3];
    n1_ns now;
    int64_t cpu_ns, fds;
};

static uint32_t named_frame(struct world *t, const char *name, uint64_t offset, uint32_t *ret_function)
{
    struct n1_model_function f = {.name = n1_writer_string_z(t->w, name),
                                  .module = t->module,
                                  .kind = N1_KIND_NATIVE,
                                  .start = offset,
                                  .size = 16};
    uint32_t frame = n1_writer_frame(t->w, t->module, offset);
    *ret_function = n1_writer_function(t->w, &f);
    n1_writer_frame_name(t->w, frame, *ret_function, N1_FRAME_NAMED);
    return frame;
}

static void begin(struct world *t)
{
    static const char *const names[] = {"steady", "culprit", "decoy"};
    struct n1_writer_options options = {.memory_bytes = 16 << 20};
    struct n1_error err = {0};
    memset(t, 0, sizeof *t);
    assert_int_equal(n1_config_init(&t->config, N1_MODE_DEVELOPMENT), 0);
    assert_int_equal(n1_writer_create(&options, &t->w, &err), 0);
    t->now = n1_time_mono();
    struct n1_model_process process = {.pid = 42, .start_ticks = 1, .attached = t->now};
    t->target.pid = 42;
    t->target.id = n1_writer_process(t->w, &process);
    struct n1_model_thread thread = {.process = t->target.id, .tid = 42, .from = t->now};
    t->thread = n1_writer_thread(t->w, &thread);
    struct n1_model_module module = {.path = n1_writer_string_z(t->w, "/bin/world"), .kind = 0};
    t->module = n1_writer_module(t->w, &module);
    for (int i = 0; i < 3; i++) {
        t->frame[i] = named_frame(t, names[i], 0x1000u * (unsigned)(i + 1), &t->function[i]);
        t->node[i] = n1_writer_node(t->w, 0, t->frame[i]);
    }
    t->items[0] = &t->target;
    t->targets = (struct n1_targets){.items = t->items, .count = 1, .capacity = 1, .alive = 1};
    t->feed = calloc(1, sizeof *t->feed);
    t->feed->w = t->w;
    t->feed->targets = &t->targets;
    assert_int_equal(n1_alarms_init(&t->alarms, t->feed, &t->config, &err), 0);
    t->fds = 40;
}

static void end(struct world *t)
{
    n1_rules_destroy(t->target.rules);
    if (t->target.seen)
        n1_seen_finish(t->target.seen);
    free(t->target.seen);
    n1_alarms_finish(&t->alarms);
    n1_writer_destroy(t->w);
    n1_config_finish(&t->config);
    free(t->feed);
}

static void put(struct world *t, enum n1_metric_id metric, int64_t value)
{
    struct n1_metric_point point = {t->now, value, true};
    if (t->target.rules)
        n1_rules_feed(t->target.rules, metric, &point, 1);
}

/* A second in which the functions use so many hundredths of a core, in samples of 10 ms. */
static void second(struct world *t, const int hundredths[3])
{
    n1_ns start = t->now;
    for (int i = 0; i < 100; i++) {
        for (int f = 0; f < 3; f++) {
            if (i >= hundredths[f])
                continue;
            struct n1_model_sample sample = {.time = start + (n1_ns)i * 10000000,
                                             .thread = t->thread,
                                             .node = t->node[f],
                                             .leaf = t->frame[f],
                                             .weight_ns = 10000000};
            n1_writer_sample(t->w, &sample);
            t->cpu_ns += 10000000;
        }
    }
    t->now = start + N1_SECOND_NS;
    n1_writer_maintain(t->w, t->now);
    n1_writer_heartbeat(t->w, t->now);
    put(t, N1_METRIC_CPU_TOTAL, t->cpu_ns);
    put(t, N1_METRIC_FDS, t->fds);
    n1_alarms_look(&t->alarms, &t->targets, t->now);
}

/* The entries of the log; `*ret_last` is the newest. */
static uint64_t entries(struct world *t, struct n1_model_anomaly *ret_last)
{
    struct n1_reader *r = t->alarms.reader;
    uint64_t tail = 0, head, next, lost;
    assert_true(n1_reader_begin(r) >= 0);
    head = n1_reader_count(r, N1_SEGMENT_ANOMALIES, &tail);
    if (head > tail)
        assert_int_equal(n1_reader_anomalies(r, head - 1, ret_last, 1, &next, &lost), 1);
    n1_reader_end(r);
    return head - tail;
}

static void a_cpu_spike_is_one_entry_with_its_culprit(void **state)
{
    (void)state;
    static struct world t;
    struct n1_model_anomaly last = {0};
    begin(&t);
    for (int i = 0; i < 70; i++)
        second(&t, (const int[3]){30, 2, 20});
    assert_int_equal(entries(&t, &last), 0);
    for (int i = 0; i < 25; i++)
        second(&t, (const int[3]){30, 80, 20});
    assert_int_equal(entries(&t, &last), 1);
    assert_int_equal(last.process, t.target.id);
    assert_int_equal(last.culprit[0], t.function[1]);
    assert_true(last.share_ppm[0] > 500000 && last.before_ppm[0] < 100000);
    assert_int_equal(last.end, 0);
    for (int i = 0; i < 60; i++)
        second(&t, (const int[3]){30, 2, 20});
    assert_int_equal(entries(&t, &last), 1); /* the same entry, closed */
    assert_true(last.end > last.start);
    assert_int_equal(last.culprit[0], t.function[1]);
    assert_int_equal(t.alarms.open_count, 0);
    end(&t);
}

static void a_jump_of_descriptors_names_nobody_who_only_ran(void **state)
{
    (void)state;
    static struct world t;
    struct n1_model_anomaly last = {0};
    begin(&t);
    for (int i = 0; i < 70; i++)
        second(&t, (const int[3]){30, 2, 20});
    t.fds = 900;
    for (int i = 0; i < 5; i++)
        second(&t, (const int[3]){30, 60, 20});
    assert_true(entries(&t, &last) >= 1);
    bool found = false;
    for (size_t i = 0; i < t.alarms.open_count; i++)
        if (t.alarms.open[i].event.rule == N1_RULE_FD_GROWTH) {
            found = true;
            assert_int_equal(t.alarms.open[i].entry.culprit[0], 0);
        }
    assert_true(found);
    end(&t);
}

/* An episode that is over but waited for names when ids changed must not take in the next one. */
static void a_generation_step_leaves_no_dead_episode_open(void **state)
{
    (void)state;
    static struct world t;
    begin(&t);
    t.alarms.open_count = 2;
    t.alarms.open[0] =
        (struct n1_alarm){.pid = 42, .event = {.rule = N1_RULE_FD_GROWTH, .end = 7}, .look_again = true};
    t.alarms.open[0].stacks = calloc(1, sizeof *t.alarms.open[0].stacks);
    t.alarms.open[1] = (struct n1_alarm){.pid = 42, .event = {.rule = N1_RULE_CPU_SPIKE}};
    struct n1_remap remap = {0}; /* every id is gone */
    n1_alarms_remap(&t.alarms, &t.targets, &remap);
    assert_int_equal(t.alarms.open_count, 1);
    assert_int_equal(t.alarms.open[0].event.rule, N1_RULE_CPU_SPIKE);
    end(&t);
}

static void the_end_of_a_target_is_told_once(void **state)
{
    (void)state;
    static struct world t;
    struct n1_model_anomaly last = {0};
    begin(&t);
    for (int i = 0; i < 3; i++)
        second(&t, (const int[3]){10, 0, 0});
    t.target.gone = true;
    t.target.ended_at = t.now;
    t.target.exit_status = 11;
    for (int i = 0; i < 3; i++)
        second(&t, (const int[3]){0, 0, 0});
    assert_int_equal(entries(&t, &last), 1);
    assert_true(t.target.rules_over);
    end(&t);
}

static void stack(struct n1_stacks *stacks, size_t count, const uint32_t *frames)
{
    memcpy(stacks->stacks[stacks->count].frames, frames, count * sizeof *frames);
    stacks->stacks[stacks->count++].len = (uint32_t)count;
}

static void what_is_new_is_the_first_departure_from_the_root(void **state)
{
    (void)state;
    static struct world t;
    static struct n1_stacks before, after;
    struct n1_seen seen = {0};
    uint32_t found[4];
    begin(&t);
    uint32_t unnamed = n1_writer_frame(t.w, t.module, 0x9000);
    stack(&before, 1, (const uint32_t[]){t.frame[0]});
    assert_int_equal(n1_seen_new(&seen, t.w, &before, found, 4),
                     0); /* nothing was ever seen: nothing is new */
    n1_seen_add(&seen, t.w, &before);
    assert_int_equal(n1_seen_new(&seen, t.w, &before, found, 4), 0);
    stack(&after, 4, (const uint32_t[]){t.frame[0], unnamed, t.frame[1], t.frame[2]});
    stack(&after, 2, (const uint32_t[]){t.frame[0], t.frame[1]});
    stack(&after, 2, (const uint32_t[]){t.frame[2], t.frame[0]});
    assert_int_equal(n1_seen_new(&seen, t.w, &after, found, 4), 2);
    assert_int_equal(found[0], t.function[1]); /* once, though two stacks lead to it; not what it calls */
    assert_int_equal(found[1], t.function[2]);
    assert_int_equal(n1_seen_new(&seen, t.w, &after, found, 1), 1);
    n1_seen_add(&seen, t.w, &after);
    assert_int_equal(n1_seen_new(&seen, t.w, &after, found, 4), 0);
    n1_seen_clear(&seen);
    assert_int_equal(n1_seen_new(&seen, t.w, &after, found, 4), 0);
    n1_seen_finish(&seen);
    end(&t);
}

static void what_an_anomaly_shows_has_not_become_usual_before_it_was_found(void **state)
{
    (void)state;
    static struct world t;
    static struct n1_stacks usual, culprit;
    struct n1_seen seen = {0};
    uint32_t found[4];
    begin(&t);
    stack(&usual, 1, (const uint32_t[]){t.frame[0]});
    usual.time = N1_SECOND_NS;
    n1_seen_wait(&seen, &usual);
    assert_false(n1_seen_settle(&seen, t.w, usual.time + N1_SEEN_WAIT_NS - 1));
    assert_true(n1_seen_settle(&seen, t.w, usual.time + N1_SEEN_WAIT_NS));
    assert_int_equal(n1_seen_new(&seen, t.w, &usual, found, 4), 0);
    stack(&culprit, 2, (const uint32_t[]){t.frame[0], t.frame[1]});
    culprit.time = 100 * N1_SECOND_NS; /* looked at in the second before the figures jump */
    n1_seen_wait(&seen, &culprit);
    n1_seen_doubt(&seen);
    assert_true(n1_seen_settle(&seen, t.w, culprit.time + N1_SEEN_WAIT_NS));
    assert_int_equal(n1_seen_new(&seen, t.w, &culprit, found, 4), 1);
    assert_int_equal(found[0], t.function[1]);
    n1_seen_finish(&seen);
    end(&t);
}

static void names_are_waited_for_but_not_for_ever(void **state)
{
    (void)state;
    static struct world t;
    static struct n1_stacks stacks;
    struct n1_seen seen = {0};
    begin(&t);
    stack(&stacks, 1, (const uint32_t[]){n1_writer_frame(t.w, t.module, 0x9000)});
    stacks.time = N1_SECOND_NS;
    n1_seen_wait(&seen, &stacks);
    assert_false(n1_seen_settle(&seen, t.w, stacks.time + N1_SEEN_NAMES_NS - 1));
    assert_true(n1_seen_settle(&seen, t.w, stacks.time + N1_SEEN_NAMES_NS));
    n1_seen_finish(&seen);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cpu_spike_is_one_entry_with_its_culprit),
        cmocka_unit_test(a_jump_of_descriptors_names_nobody_who_only_ran),
        cmocka_unit_test(a_generation_step_leaves_no_dead_episode_open),
        cmocka_unit_test(the_end_of_a_target_is_told_once),
        cmocka_unit_test(what_is_new_is_the_first_departure_from_the_root),
        cmocka_unit_test(what_an_anomaly_shows_has_not_become_usual_before_it_was_found),
        cmocka_unit_test(names_are_waited_for_but_not_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
