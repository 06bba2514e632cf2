/*
 * The chain reader over a process made of bytes: whole chains, chains that change while they are read, and
 * every kind of nonsense that a hostile process may show.
 */
#include "tests/unit/sampler/python/fake_process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* Where things lie in the fake process. */
#define RUNTIME (FAKE_BASE + 0x1000)
#define INTERP (FAKE_BASE + 0x4000)
#define THREAD (FAKE_BASE + 0x8000)
#define CFRAME (FAKE_BASE + 0x9000)
#define CHUNK (FAKE_BASE + 0x10000)
#define CODE (FAKE_BASE + 0x40000)
enum { CHUNK_BYTES = 16384, FRAME_BYTES = 96, TID = 4711 };

static struct fake fake;
static struct n1_memory memory;
static struct n1_py_source source;
static struct n1_py_chain_reader *reader;
static struct n1_py_place place;
static struct n1_py_chain chain;
static const struct n1_py_offsets *o;

static uint64_t frame_at(size_t i)
{
    return CHUNK + N1_PY_CHUNK_DATA + i * FRAME_BYTES;
}

static void put_frame(size_t i, uint64_t previous, uint64_t code, bool executes)
{
    fake_put(&fake, frame_at(i) + o->frame_previous, previous, 8);
    fake_put(&fake, frame_at(i) + o->frame_code, code, 8);
    fake_put(&fake, frame_at(i) + o->frame_instr, code + o->code_bytes + 4, 8);
    fake_put(&fake, frame_at(i) + o->frame_stack, executes ? UINT32_MAX : 3, 4);
    fake_put(&fake, frame_at(i) + o->frame_owner, 0, 1);
    fake_put(&fake, frame_at(i) + o->frame_entry, i == 0, 1);
}

/* A stack of `depth` frames in one loop; the newest, depth - 1, executes. */
static void build(size_t depth)
{
    memset(&fake, 0, sizeof(fake));
    fake_put(&fake, THREAD + o->thread_interp, INTERP, 8);
    fake_put(&fake, THREAD + o->thread_tid, TID, 8);
    fake_put(&fake, THREAD + o->thread_cframe, CFRAME, 8);
    fake_put(&fake, THREAD + o->thread_chunk, CHUNK, 8);
    fake_put(&fake, CHUNK + N1_PY_CHUNK_SIZE, CHUNK_BYTES, 8);
    for (size_t i = 0; i < depth; i++)
        put_frame(i, i ? frame_at(i - 1) : 0, CODE + i * 0x100, i + 1 == depth);
    fake_put(&fake, CFRAME + o->cframe_frame, depth ? frame_at(depth - 1) : 0, 8);
    memset(&place, 0, sizeof(place));
    place.thread = THREAD;
    place.identity = TID;
}

static int setup(void **state)
{
    (void)state;
    o = n1_py_offsets_table(0x030b);
    memory = fake_memory(&fake);
    reader = n1_py_chain_reader_create();
    return reader && n1_py_source_init(&source, &memory, o, RUNTIME) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    n1_py_chain_reader_destroy(reader);
    return 0;
}

static void reads_a_whole_chain_leaf_first(void **state)
{
    (void)state;
    build(7);
    for (int stopped = 0; stopped < 2; stopped++) {
        n1_py_chain_read(reader, &source, &place, stopped, &chain);
        assert_int_equal(chain.end, N1_PY_CHAIN_COMPLETE);
        assert_int_equal(chain.count, 7);
        for (size_t i = 0; i < 7; i++)
            assert_int_equal(chain.frames[i].code, CODE + (6 - i) * 0x100);
        assert_true(chain.frames[6].entry);
        assert_false(chain.frames[0].entry);
    }
}

/* What was learned makes the second read one call. */
static void a_second_read_is_one_call(void **state)
{
    (void)state;
    build(20);
    n1_py_chain_read(reader, &source, &place, true, &chain);
    uint64_t before = memory.calls;
    n1_py_chain_read(reader, &source, &place, true, &chain);
    assert_int_equal(chain.count, 20);
    assert_int_equal(memory.calls - before, 1);
}

static void no_frame_is_an_empty_chain(void **state)
{
    (void)state;
    build(0);
    n1_py_chain_read(reader, &source, &place, false, &chain);
    assert_int_equal(chain.end, N1_PY_CHAIN_EMPTY);
    assert_int_equal(chain.count, 0);
}

static void another_thread_in_its_memory_is_refused(void **state)
{
    (void)state;
    build(3);
    fake_put(&fake, THREAD + o->thread_tid, TID + 1, 8);
    n1_py_chain_read(reader, &source, &place, true, &chain);
    assert_int_equal(chain.end, N1_PY_CHAIN_BAD);
}

static void a_chain_that_meets_itself_ends(void **state)
{
    (void)state;
    for (size_t back = 0; back < 9; back++) {
        build(9);
        fake_put(&fake, frame_at(0) + o->frame_previous, frame_at(back), 8);
        n1_py_chain_read(reader, &source, &place, true, &chain);
        assert_int_equal(chain.end, N1_PY_CHAIN_BAD);
    }
}

static void a_link_to_nowhere_is_bad(void **state)
{
    static const uint64_t links[] = {
        8, 0xdeadbeef, UINT64_MAX - 7, FAKE_BASE - 8, FAKE_BASE + FAKE_BYTES, THREAD + 1};
    (void)state;
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        build(4);
        fake_put(&fake, frame_at(1) + o->frame_previous, links[i], 8);
        n1_py_chain_read(reader, &source, &place, true, &chain);
        assert_int_equal(chain.end, N1_PY_CHAIN_BAD);
        n1_py_chain_read(reader, &source, &place, false, &chain);
        assert_true(chain.end == N1_PY_CHAIN_BAD || chain.end == N1_PY_CHAIN_TORN);
    }
}

static void absurd_chunks_do_no_harm(void **state)
{
    static const uint64_t sizes[] = {0, 1, 23, UINT64_MAX, UINT64_C(1) << 40, 1 << 20};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        build(5);
        fake_put(&fake, CHUNK + N1_PY_CHUNK_SIZE, sizes[i], 8);
        fake_put(&fake, CHUNK + N1_PY_CHUNK_PREVIOUS, CHUNK, 8);
        n1_py_chain_read(reader, &source, &place, true, &chain);
        assert_true(chain.end == N1_PY_CHAIN_COMPLETE || chain.end == N1_PY_CHAIN_BAD);
        if (chain.end == N1_PY_CHAIN_COMPLETE)
            assert_int_equal(chain.count, 5);
    }
}

static void a_chain_beyond_the_limit_keeps_the_newest(void **state)
{
    enum { DEEP = 700 };
    (void)state;
    build(0);
    for (size_t i = 0; i < DEEP; i++)
        put_frame(i, i ? frame_at(i - 1) : 0, CODE + i * 8, i + 1 == DEEP);
    fake_put(&fake, CHUNK + N1_PY_CHUNK_SIZE, DEEP * FRAME_BYTES + 4096, 8);
    fake_put(&fake, CFRAME + o->cframe_frame, frame_at(DEEP - 1), 8);
    n1_py_chain_read(reader, &source, &place, true, &chain);
    assert_int_equal(chain.end, N1_PY_CHAIN_DEEP);
    assert_int_equal(chain.count, N1_PY_FRAMES_MAX);
    assert_int_equal(chain.frames[0].code, CODE + (DEEP - 1) * 8);
}

/* The leaf has returned between the copies of the thread state and of the data stack: its bytes are still
 * there, under a caller that runs again. */
static void a_frame_that_has_returned_is_cut_off(void **state)
{
    (void)state;
    build(4);
    n1_py_chain_read(reader, &source, &place, false, &chain);
    assert_int_equal(chain.count, 4);
    fake_put(&fake, frame_at(3) + o->frame_stack, 0, 4);
    fake_put(&fake, frame_at(2) + o->frame_stack, UINT32_MAX, 4);
    n1_py_chain_read(reader, &source, &place, false, &chain);
    assert_int_equal(chain.end, N1_PY_CHAIN_COMPLETE);
    assert_int_equal(chain.count, 3);
    assert_int_equal(chain.frames[0].code, CODE + 2 * 0x100);
}

/* No frame of the top loop executes, and the two copies differ. */
static void swap_caller(struct fake *f, uint64_t reads)
{
    fake_put(f, frame_at(1) + o->frame_code, CODE + 0x100 * (reads % 2 ? 1 : 9), 8);
}

static void a_chain_that_changes_is_torn(void **state)
{
    (void)state;
    build(3);
    n1_py_chain_read(reader, &source, &place, false, &chain);
    fake_put(&fake, frame_at(2) + o->frame_stack, 0, 4);
    fake.between = swap_caller; /* after each range: the copies cannot agree */
    unsigned torn = 0;
    for (int i = 0; i < 50; i++) {
        n1_py_chain_read(reader, &source, &place, false, &chain);
        torn += chain.end == N1_PY_CHAIN_TORN;
    }
    assert_true(torn > 0);
    fake.between = NULL;
}

/* Random damage anywhere: it ends, and what it gives is within bounds. */
static void damage_anywhere_ends(void **state)
{
    (void)state;
    srand(5);
    for (int round = 0; round < 20000; round++) {
        build(1 + (size_t)rand() % 40);
        for (int hits = rand() % 6; hits >= 0; hits--) {
            static const uint64_t bases[] = {THREAD, CFRAME, CHUNK};
            uint64_t base = bases[rand() % 3], near = frame_at((size_t)rand() % 50);
            uint64_t value = rand() % 2 ? near : (uint64_t)rand() << (rand() % 33);
            fake_put(&fake, base + 8 * ((uint64_t)rand() % 500), value, 8);
        }
        n1_py_chain_read(reader, &source, &place, rand() % 2, &chain);
        assert_true(chain.count <= N1_PY_FRAMES_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_whole_chain_leaf_first),
        cmocka_unit_test(a_second_read_is_one_call),
        cmocka_unit_test(no_frame_is_an_empty_chain),
        cmocka_unit_test(another_thread_in_its_memory_is_refused),
        cmocka_unit_test(a_chain_that_meets_itself_ends),
        cmocka_unit_test(a_link_to_nowhere_is_bad),
        cmocka_unit_test(absurd_chunks_do_no_harm),
        cmocka_unit_test(a_chain_beyond_the_limit_keeps_the_newest),
        cmocka_unit_test(a_frame_that_has_returned_is_cut_off),
        cmocka_unit_test(a_chain_that_changes_is_torn),
        cmocka_unit_test(damage_anywhere_ends),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
