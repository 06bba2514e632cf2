/* The culprit is the function behind the growth: not its callers, not what everybody calls, not noise. */
#include "n1/culprit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static double z_of(double before, double before_s, double now, double now_s)
{
    double scale = now_s / before_s;
    return (now - before * scale) / sqrt(now + before * scale * scale + 1e-9);
}

static struct n1_culprit_candidate from(double before_rate, double now_rate, double depth, bool runtime)
{
    double hz = 99, before_s = 60, now_s = 5;
    return (struct n1_culprit_candidate){
        .samples = (uint64_t)(now_rate * hz * now_s),
        .rate_before = before_rate,
        .rate_now = now_rate,
        .z = z_of(before_rate * hz * before_s, before_s, now_rate * hz * now_s, now_s),
        .depth = depth,
        .runtime = runtime,
    };
}

static void the_deepest_of_a_chain_that_is_not_the_runtimes(void **state)
{
    (void)state;
    struct n1_culprit_candidate c[] = {
        from(0.3, 1.4, 0, true),  /* start_thread */
        from(0, 1.0, 1, false),   /* main */
        from(0, 1.0, 2, false),   /* culprit */
        from(0, 0.95, 3, true),   /* memset, only called by it */
        from(0.3, 0.3, 1, false), /* decoy, steady */
        from(0, 0.1, 1, false),   /* decoy, appears with it */
        from(0.3, 1.4, 4, false), /* spin, called by everybody */
    };
    uint32_t ret[3];
    assert_int_equal(n1_culprit_choose(c, N(c), ret, 3), 3);
    assert_int_equal(ret[0], 2);
    assert_int_not_equal(ret[1], 4);
    assert_int_not_equal(ret[2], 4);
}

static void a_leaf_with_part_of_the_growth_is_not_the_whole(void **state)
{
    (void)state;
    struct n1_culprit_candidate c[] = {from(0, 1.0, 2, false), from(0, 0.5, 3, false),
                                       from(0, 0.45, 3, false)};
    uint32_t ret[3];
    assert_int_equal(n1_culprit_choose(c, N(c), ret, 3), 3);
    assert_int_equal(ret[0], 0);
    assert_int_equal(ret[1] + ret[2], 3);
}

static void nothing_that_grew_beyond_noise_is_nobody(void **state)
{
    (void)state;
    struct n1_culprit_candidate c[] = {from(0.5, 0.55, 1, false), from(0.02, 0.03, 1, false),
                                       from(0.3, 0.1, 1, false)};
    uint32_t ret[3];
    c[1].samples = 4;
    c[1].z = 50; /* few samples do not count, whatever their z */
    assert_int_equal(n1_culprit_choose(c, N(c), ret, 3), 0);
    assert_int_equal(n1_culprit_choose(c, 0, ret, 3), 0);
    assert_int_equal(n1_culprit_choose(c, N(c), ret, 0), 0);
}

static void even_growth_of_all_names_the_most(void **state)
{
    (void)state;
    struct n1_culprit_candidate c[] = {from(0.1, 0.3, 3, false), from(0.5, 1.5, 2, false),
                                       from(0.02, 0.06, 3, false)};
    uint32_t ret[1];
    assert_int_equal(n1_culprit_choose(c, N(c), ret, 1), 1);
    assert_int_equal(ret[0], 1);
}

/* Counts drawn as they are sampled: the right one in at least 99 of 100 spikes of a third of a core. */
static void sampled_counts_name_the_right_one(void **state)
{
    (void)state;
    unsigned seed = 11;
    int right = 0, rounds = 1000;
    for (int round = 0; round < rounds; round++) {
        double rates[][2] = {{0.3, 0.3}, {0.5, 0.5}, {0.05, 0.15}, {0, 0.6}, {0.2, 0.2}};
        struct n1_culprit_candidate c[5];
        for (size_t i = 0; i < 5; i++) {
            double counts[2], seconds[2] = {60, 3};
            for (int k = 0; k < 2; k++) {
                counts[k] = 0;
                for (int s = 0; s < 99 * (int)seconds[k]; s++)
                    counts[k] += (double)rand_r(&seed) / RAND_MAX < rates[i][k];
            }
            c[i] = (struct n1_culprit_candidate){(uint64_t)counts[1],
                                                 counts[0] / 99 / 60,
                                                 counts[1] / 99 / 3,
                                                 z_of(counts[0], 60, counts[1], 3),
                                                 2,
                                                 false};
        }
        uint32_t ret[1] = {9};
        right += n1_culprit_choose(c, 5, ret, 1) == 1 && ret[0] == 3;
    }
    assert_true(right >= rounds * 99 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_deepest_of_a_chain_that_is_not_the_runtimes),
        cmocka_unit_test(a_leaf_with_part_of_the_growth_is_not_the_whole),
        cmocka_unit_test(nothing_that_grew_beyond_noise_is_nobody),
        cmocka_unit_test(even_growth_of_all_names_the_most),
        cmocka_unit_test(sampled_counts_name_the_right_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
