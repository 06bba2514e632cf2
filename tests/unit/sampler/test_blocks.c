/* Blocks that are allocated and not given back, against a naive list; and the allocator of this program. */
#include "sampler/memory/allocator.h"
#include "sampler/memory/blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ADDRESSES = 3000, STEPS = 200000, STACKS = 7 };

static uint64_t next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static void as_a_naive_list(void **state)
{
    (void)state;
    static uint32_t stack_of[ADDRESSES], bytes_of[ADDRESSES]; /* stack plus one */
    struct n1_blocks b;
    uint64_t seed = 3, live[STACKS] = {0}, blocks[STACKS] = {0};
    bool fresh;
    assert_int_equal(n1_blocks_init(&b), 0);
    for (uint32_t s = 0; s < STACKS; s++) {
        assert_int_equal(n1_blocks_stack(&b, 1000 + s, &fresh), s);
        assert_true(fresh);
    }
    assert_int_equal(n1_blocks_stack(&b, 1003, &fresh), 3);
    assert_false(fresh);
    for (int i = 0; i < STEPS; i++) {
        uint32_t at = (uint32_t)(next(&seed) % ADDRESSES), s = (uint32_t)(next(&seed) % STACKS);
        uint32_t bytes = (uint32_t)(next(&seed) % 5000);
        uint64_t address = 0x10000 + (uint64_t)at * 16;
        bool remove = next(&seed) % 2;
        if (remove)
            assert_int_equal(n1_blocks_remove(&b, address), stack_of[at] != 0);
        else
            n1_blocks_add(&b, address, s, bytes);
        if (stack_of[at]) {
            live[stack_of[at] - 1] -= bytes_of[at];
            blocks[stack_of[at] - 1]--;
        }
        stack_of[at] = remove ? 0 : s + 1;
        bytes_of[at] = bytes;
        if (!remove) {
            live[s] += bytes;
            blocks[s]++;
        }
    }
    uint32_t count = 0;
    for (uint32_t at = 0; at < ADDRESSES; at++) {
        const struct n1_block *block = n1_blocks_find(&b, 0x10000 + (uint64_t)at * 16);
        count += stack_of[at] != 0;
        assert_int_equal(block != NULL, stack_of[at] != 0);
        if (block)
            assert_int_equal(block->bytes, bytes_of[at]);
    }
    assert_int_equal(b.count, count);
    for (int s = 0; s < STACKS; s++) {
        assert_int_equal(b.stacks[s].live_bytes, live[s]);
        assert_int_equal(b.stacks[s].live_blocks, blocks[s]);
    }
    n1_blocks_clear(&b);
    assert_int_equal(b.count, 0);
    assert_null(n1_blocks_find(&b, 0x10000));
    assert_int_equal(b.stacks[0].live_bytes, 0);
    n1_blocks_finish(&b);
}

static void bounded(void **state)
{
    (void)state;
    struct n1_blocks b;
    bool fresh;
    assert_int_equal(n1_blocks_init(&b), 0);
    n1_blocks_stack(&b, 1, &fresh);
    for (uint64_t i = 1; i <= N1_BLOCKS_MAX; i++)
        n1_blocks_add(&b, i * 64, 0, 16);
    assert_true(b.refused > 0);
    assert_true(b.count < N1_BLOCKS_MAX);
    assert_int_equal(b.count + b.refused, N1_BLOCKS_MAX);
    n1_blocks_add(&b, 0, 0, 16);
    n1_blocks_add(&b, 8, 77, 16); /* no such stack */
    assert_false(n1_blocks_remove(&b, 0));
    for (uint64_t key = 2; key < N1_BLOCK_STACKS_MAX + 10; key++)
        n1_blocks_stack(&b, key, &fresh);
    assert_int_equal(b.stack_count, N1_BLOCK_STACKS_MAX);
    assert_int_equal(n1_blocks_stack(&b, 999999, &fresh), UINT32_MAX);
    for (int i = 0; i < N1_BLOCK_SECONDS_MAX + 5; i++)
        n1_blocks_second(&b);
    assert_true(b.seconds <= N1_BLOCK_SECONDS_MAX);
    n1_blocks_finish(&b);
}

static void who_keeps(void **state)
{
    (void)state;
    struct n1_blocks b;
    bool fresh;
    uint64_t seed = 9, address = 64;
    assert_int_equal(n1_blocks_init(&b), 0);
    uint32_t leak = n1_blocks_stack(&b, 1, &fresh), churn = n1_blocks_stack(&b, 2, &fresh);
    uint32_t start = n1_blocks_stack(&b, 3, &fresh);
    uint64_t alive[40] = {0};
    for (int second = 0; second < 30; second++) {
        for (int i = 0; i < 20; i++)
            n1_blocks_add(&b, address += 64, leak, 256);
        for (int i = 0; i < 500; i++) {
            uint64_t *slot = &alive[next(&seed) % 40];
            n1_blocks_remove(&b, *slot);
            n1_blocks_add(&b, *slot = address += 64, churn, 1024 + (uint32_t)(next(&seed) % 60000));
        }
        if (second < 3) /* warms up, and stays */
            n1_blocks_add(&b, address += 64, start, 1000000);
        n1_blocks_second(&b);
    }
    double grown = n1_block_stack_growth(&b, &b.stacks[leak]);
    assert_true(grown > 0.7 * 24 * 20 * 256 && grown < 1.3 * 24 * 20 * 256);
    assert_true(n1_block_stack_growth(&b, &b.stacks[churn]) <= 0);
    assert_true(n1_block_stack_growth(&b, &b.stacks[start]) <= 0);
    n1_blocks_finish(&b);
}

static void first_instructions(void **state)
{
    (void)state;
    static const struct {
        uint8_t code[4];
        bool quick;
    } cases[] = {
        {{0x55, 0x48, 0x89, 0xe5}, true},  /* push %rbp */
        {{0x41, 0x57, 0x41, 0x56}, true},  /* push %r15 */
        {{0x41, 0x89, 0xf8, 0x00}, false}, /* mov */
        {{0x48, 0x8d, 0x05, 0x00}, false}, /* lea */
        {{0xf3, 0x0f, 0x1e, 0xfa}, false}, /* endbr64 */
        {{0xe9, 0x00, 0x00, 0x00}, true},  /* jmp */
        {{0x0f, 0x84, 0x00, 0x00}, true},  /* je */
        {{0x0f, 0x1f, 0x00, 0x00}, false}, /* nopl */
        {{0x80, 0x3d, 0x71, 0x0e}, false}, /* cmpb */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(n1_allocator_is_quick(cases[i].code, 4), cases[i].quick);
    assert_false(n1_allocator_is_quick(cases[0].code, 1));
}

static void own_allocator(void **state)
{
    (void)state;
    struct n1_modules modules;
    struct n1_space space;
    struct n1_allocator a;
    struct n1_error err = {0};
    n1_modules_init(&modules);
    n1_space_init(&space, &modules, getpid());
    assert_int_equal(n1_space_load(&space, &err), 0);
    assert_int_equal(n1_allocator_find(&space, &a, &err), 0);
    uint8_t code[8];
    /* what lies at the offset in the file is what this process runs */
    for (int f = 0; f < N1_ALLOCATOR_COUNT; f++) {
        static void *(*const functions[])(size_t) = {[N1_ALLOCATOR_MALLOC] = malloc};
        if (!a.functions[f].offset)
            continue;
        assert_int_equal(pread(a.module->fd, code, 8, (off_t)a.functions[f].offset), 8);
        if (f == N1_ALLOCATOR_MALLOC && a.glibc) {
            void *at;
            memcpy(&at, &functions[f], sizeof at);
            assert_memory_equal(code, at, 8);
        }
    }
    assert_true(a.functions[N1_ALLOCATOR_MALLOC].offset && a.functions[N1_ALLOCATOR_FREE].offset);
    n1_space_finish(&space);
    n1_modules_finish(&modules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_a_naive_list),    cmocka_unit_test(bounded),       cmocka_unit_test(who_keeps),
        cmocka_unit_test(first_instructions), cmocka_unit_test(own_allocator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
