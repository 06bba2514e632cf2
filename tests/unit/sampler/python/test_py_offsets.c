/*
 * Offsets: the tables are sane, the interpreter's own block is believed only when it makes sense, whatever a
 * hostile process puts there; versions from texts.
 */
#include "sampler/python/interpreter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t block[N1_PY_DEBUG_BYTES];

/* The block of a real interpreter, as it lies in tests/fixtures/python. */
static size_t load(const char *version)
{
    char path[128];
    snprintf(path, sizeof(path), "tests/fixtures/python/debug_offsets_%s.bin", version);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t n = fread(block, 1, sizeof(block), file);
    fclose(file);
    return n;
}

static void tables_are_sane(void **state)
{
    const struct n1_py_offsets *table;
    (void)state;
    for (size_t i = 0; (table = n1_py_offsets_at(i)); i++) {
        assert_true(n1_py_offsets_sane(table));
        assert_ptr_equal(n1_py_offsets_table(table->version), table);
    }
    assert_null(n1_py_offsets_table(0x0307));
    assert_null(n1_py_offsets_table(0x030d));
}

static void real_blocks_are_read(void **state)
{
    static const struct {
        const char *version;
        uint32_t minor, frame, threads, collecting, tid;
    } known[] = {{"3.13", 0x030d, 72, 7344, 7600, 160},
                 {"3.14", 0x030e, 72, 7344, 7600, 160},
                 {"3.15", 0x030f, 72, 7336, 7512, 184}};
    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct n1_py_offsets o;
        uint32_t hex;
        assert_int_equal(n1_py_offsets_parse(block, load(known[i].version), &o, &hex, NULL), 0);
        assert_int_equal(hex >> 16, known[i].minor);
        assert_int_equal(o.thread_frame, known[i].frame);
        assert_int_equal(o.interp_threads, known[i].threads);
        assert_int_equal(o.interp_gc_collecting, known[i].collecting);
        assert_int_equal(o.thread_tid, known[i].tid);
        assert_int_equal(o.gil_locked, 16);
        assert_int_equal(o.gil_holder, 8);
    }
}

static int parse(size_t len)
{
    struct n1_py_offsets o;
    uint32_t hex;
    return n1_py_offsets_parse(block, len, &o, &hex, NULL);
}

static void put(size_t word, uint64_t value)
{
    memcpy(block + 8 * word, &value, 8);
}

static void what_is_not_known_is_refused(void **state)
{
    (void)state;
    size_t len = load("3.13");
    block[0] ^= 1;
    assert_int_equal(parse(len), -ENOENT);
    load("3.13");
    put(1, 0x031000f0); /* 3.16 */
    assert_int_equal(parse(len), -ENOTSUP);
    put(1, 0x030f00a3); /* an alpha */
    assert_int_equal(parse(len), -ENOTSUP);
    put(1, UINT64_C(0x1030d00f0));
    assert_int_equal(parse(len), -EBADMSG);
    load("3.13");
    put(2, 1); /* without GIL */
    assert_int_equal(parse(len), -ENOTSUP);
    load("3.15");
    assert_int_equal(parse(760), -EBADMSG);
    assert_int_equal(parse(10), -ENOENT);
}

/* Whatever passes lies within its struct: reading by it stays within what is copied. */
static void fuzzed_blocks_stay_within_bounds(void **state)
{
    static const char *const versions[] = {"3.13", "3.14", "3.15"};
    (void)state;
    srand(9);
    unsigned passed = 0;
    for (int round = 0; round < 60000; round++) {
        size_t len = load(versions[round % 3]);
        for (int hits = 1 + rand() % 3; hits > 0; hits--)
            put(3 + (size_t)rand() % (len / 8 - 3),
                rand() % 2 ? (uint64_t)rand() % 5000 : (uint64_t)rand() << (rand() % 34));
        struct n1_py_offsets o;
        uint32_t hex;
        if (n1_py_offsets_parse(block, len, &o, &hex, NULL) != 0)
            continue;
        passed++;
        assert_true(n1_py_offsets_sane(&o));
        assert_true(o.frame_code + 8 <= o.frame_size && o.frame_size <= 512);
        assert_true(o.thread_interp + 8 <= o.thread_size && o.thread_size <= 4096);
        assert_true(o.str_state + 4 <= 256 && o.code_filename + 8 <= 512 + 8);
    }
    assert_true(passed > 0);
}

static void versions_from_texts(void **state)
{
    (void)state;
    assert_int_equal(n1_py_version_of_text("3.10.13", 7), 0x030a0df0);
    assert_int_equal(n1_py_version_of_text("3.9.2", 5), 0x030902f0);
    assert_int_equal(n1_py_version_of_text("3.9.2+", 6), 0x030902f0);
    static const char *const bad[] = {"",     "3",       "3.9",     "3.9.",  ".3.9.2",
                                      "3..2", "3.9.2.1", "3.999.1", "3.9.x", "a.b.c"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(n1_py_version_of_text(bad[i], strlen(bad[i])), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_sane),
        cmocka_unit_test(real_blocks_are_read),
        cmocka_unit_test(what_is_not_known_is_refused),
        cmocka_unit_test(fuzzed_blocks_stay_within_bounds),
        cmocka_unit_test(versions_from_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
