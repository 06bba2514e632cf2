/* The hash of threads against a plain array: random insertions and removals, tids reused. */
#include "sampler/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TIDS = 500, STEPS = 200000 };

static void holds_what_an_array_holds(void **state)
{
    (void)state;
    struct n1_roster roster;
    static uint64_t truth[TIDS + 1]; /* 0: absent */
    n1_roster_init(&roster);
    srand(11);
    assert_null(n1_roster_find(&roster, 5));
    n1_roster_remove(&roster, 5);
    size_t count = 0;
    for (int step = 1; step <= STEPS; step++) {
        pid_t tid = 1 + rand() % TIDS;
        if (rand() % 2) {
            struct n1_roster_entry *entry = n1_roster_get(&roster, tid);
            assert_non_null(entry);
            if (truth[tid]) {
                assert_int_equal(entry->born, truth[tid]);
            } else {
                assert_int_equal(entry->born, 0);
                entry->born = truth[tid] = (uint64_t)step;
                count++;
            }
        } else {
            n1_roster_remove(&roster, tid);
            count -= truth[tid] != 0;
            truth[tid] = 0;
        }
        assert_int_equal(roster.count, count);
        pid_t probe = 1 + rand() % TIDS;
        const struct n1_roster_entry *found = n1_roster_find(&roster, probe);
        assert_true(!found == !truth[probe]);
        if (found)
            assert_int_equal(found->born, truth[probe]);
    }
    n1_roster_finish(&roster);
}

static void a_slot_is_made_once_and_keeps_its_thread(void **state)
{
    (void)state;
    struct n1_writer_options options = {.memory_bytes = 4 << 20};
    struct n1_writer *w = NULL;
    assert_int_equal(n1_writer_create(&options, &w, NULL), 0);
    struct n1_roster roster;
    n1_roster_init(&roster);
    struct n1_roster_entry *entry = n1_roster_get(&roster, 77);
    n1_roster_rename(entry, w, "first");
    uint32_t slot = n1_roster_slot(entry, w, 1, 1000);
    assert_true(slot > 0);
    assert_int_equal(n1_roster_slot(entry, w, 1, 2000), slot);
    n1_roster_remove(&roster, 77);
    entry = n1_roster_get(&roster, 77);
    entry->born = 5 * N1_SECOND_NS;
    assert_int_not_equal(n1_roster_slot(entry, w, 1, 6 * N1_SECOND_NS), slot);
    n1_roster_finish(&roster);
    n1_writer_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_what_an_array_holds),
        cmocka_unit_test(a_slot_is_made_once_and_keeps_its_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
