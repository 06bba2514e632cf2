/* Growth apart from warm-up, keepers, and profiles of bytes, over models made here. */
#include "core/model/writer.h"
#include "n1/leaks.h"
#include "n1/stat.h"

#include "tests/unit/core/models.h"

static void climbs(void **state)
{
    (void)state;
    double v[64];
    for (int i = 0; i < 64; i++)
        v[i] = 100 + i * 2 + (i % 3) * 5;
    double slope = n1_stat_climb(v, 64);
    assert_true(slope > 1.8 && slope < 2.2);
    assert_true(n1_stat_climb(v, 9) <= 0);
    double straight[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    assert_true(n1_stat_climb(straight, 10) > 0.9);
    for (int i = 0; i < 64; i++)
        v[i] = i < 20 ? 100 + i * 50 : 1100; /* warms up */
    assert_true(n1_stat_climb(v + 20, 44) <= 0);
    for (int i = 0; i < 64; i++)
        v[i] = i < 40 ? 100 : 5000; /* one step is not a climb */
    assert_true(n1_stat_climb(v, 64) <= 0);
    for (int i = 0; i < 64; i++)
        v[i] = 1000 - i;
    assert_true(n1_stat_climb(v, 64) <= 0);
}

static void noise_seldom_climbs(void **state)
{
    (void)state;
    uint64_t seed = 5;
    int climbed = 0;
    for (int run = 0; run < 2000; run++) {
        double v[48];
        for (int i = 0; i < 48; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            v[i] = (double)(seed >> 40);
        }
        climbed += n1_stat_climb(v, 48) > 0;
    }
    assert_true(climbed <= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(climbs),
        cmocka_unit_test(noise_seldom_climbs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
