/* Culprits between two profiles of a model: who grew, then who grew beside it, and only then its callers. */
#include "tests/unit/core/models.h"

#include "n1/culprit.h"

struct load {
    const char *stack;
    int samples; /* a second, 10 ms each */
};

struct scene {
    struct model m;
    struct n1_profile *before, *now;
    uint32_t chosen[8];
    const char *names[8];
    size_t count;
};

static void push(struct scene *s, int from, int to, const struct load *loads, size_t n)
{
    for (int second = from; second < to; second++)
        for (size_t i = 0; i < n; i++)
            for (int k = 0; k < loads[i].samples; k++)
                push_stack(&s->m, (uint64_t)second * 1000 + (uint64_t)k * 10 + i, loads[i].stack, 0);
}

/* 40 s of `usual`, 4 s of `episode`; asks for `cap` culprits. */
static void judge(struct scene *s, const struct load *usual, size_t n_usual, const struct load *episode,
                  size_t n_episode, size_t cap)
{
    struct n1_error err;
    memset(s, 0, sizeof *s);
    model_open(&s->m, 32768, 4096);
    push(s, 0, 40, usual, n_usual);
    push(s, 40, 44, episode, n_episode);
    s->before = n1_profile_create();
    s->now = n1_profile_create();
    begin(&s->m, 44000);
    struct n1_window w0 = {BORN, at_ms(39000)}, w1 = {at_ms(40000), at_ms(44000)};
    assert_int_equal(n1_profile_update(s->before, s->m.r, w0, NULL, &err), 0);
    assert_int_equal(n1_profile_update(s->now, s->m.r, w1, NULL, &err), 0);
    s->count = n1_culprits_of_profiles(s->before, s->now, s->chosen, cap);
    size_t functions;
    const struct n1_profile_function *f = n1_profile_functions(s->now, &functions);
    for (size_t i = 0; i < s->count; i++)
        s->names[i] = f[s->chosen[i]].name;
}

static void finish(struct scene *s)
{
    n1_profile_destroy(s->before);
    n1_profile_destroy(s->now);
    model_close(&s->m);
}

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void the_second_place_is_not_a_callers(void **state)
{
    (void)state;
    static const struct load usual[] = {{"start;serve;spin", 30}};
    static const struct load episode[] = {
        {"start;serve;spin", 30}, {"start;main;run;culprit;spin", 60}, {"start;beside;spin", 10}};
    struct scene s;
    judge(&s, usual, N(usual), episode, N(episode), 3);
    assert_int_equal(s.count, 3);
    assert_string_equal(s.names[0], "culprit");
    assert_string_equal(s.names[1], "beside");
    assert_string_equal(s.names[2], "run"); /* the nearest caller takes the place nobody else claims */
    finish(&s);
}

static void recursion_counts_once(void **state)
{
    (void)state;
    static const struct load usual[] = {{"start;serve", 30}};
    static const struct load episode[] = {{"start;serve", 30}, {"start;deep;deep;deep;deep", 20}};
    struct scene s;
    judge(&s, usual, N(usual), episode, N(episode), 3);
    assert_in_range(s.count, 1, 1);
    assert_string_equal(s.names[0], "deep");
    finish(&s);
}

/* Two a second that were never there before are not chance; a tenth more of what was there is. */
static void few_samples_are_enough_when_there_were_none(void **state)
{
    (void)state;
    static const struct load usual[] = {{"start;serve", 30}};
    static const struct load few[] = {{"start;serve", 30}, {"start;rare", 2}};
    static const struct load more[] = {{"start;serve", 33}};
    struct scene s;
    judge(&s, usual, N(usual), few, N(few), 3);
    assert_in_range(s.count, 1, 1);
    assert_string_equal(s.names[0], "rare");
    finish(&s);
    judge(&s, usual, N(usual), more, N(more), 3);
    assert_int_equal(s.count, 0);
    finish(&s);
}

static void an_idle_time_before_is_something_to_compare_with(void **state)
{
    (void)state;
    static const struct load most[] = {{"start;main;work;leaf", 60}, {"start;main;other", 20}};
    static const struct load halves[] = {{"start;main;work", 40}, {"start;main;other", 40}};
    struct scene s;
    judge(&s, NULL, 0, most, N(most), 2);
    assert_int_equal(s.count, 2);
    assert_string_equal(s.names[0], "leaf"); /* most of it is one function's … */
    assert_string_equal(s.names[1], "other");
    finish(&s);
    judge(&s, NULL, 0, halves, N(halves), 1);
    assert_int_equal(s.count, 1);
    assert_string_equal(s.names[0], "main"); /* … or it is of what calls them all */
    finish(&s);
    judge(&s, NULL, 0, NULL, 0, 2);
    assert_int_equal(s.count, 0);
    finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_place_is_not_a_callers),
        cmocka_unit_test(recursion_counts_once),
        cmocka_unit_test(few_samples_are_enough_when_there_were_none),
        cmocka_unit_test(an_idle_time_before_is_something_to_compare_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
