/*
 * Open addressing with backward shift: a table that millions of blocks pass through has no tombstones.
 */
#include "sampler/memory/blocks.h"

#include "n1/stat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 1 << 12, SECONDS_LEAST = 10 };

int n1_blocks_init(struct n1_blocks *blocks)
{
    *blocks = (struct n1_blocks){.list = calloc(FIRST, sizeof *blocks->list),
                                 .mask = FIRST - 1,
                                 .stacks = calloc(N1_BLOCK_STACKS_MAX, sizeof *blocks->stacks)};
    return blocks->list && blocks->stacks ? 0 : -ENOMEM;
}

void n1_blocks_finish(struct n1_blocks *blocks)
{
    for (size_t i = 0; blocks->stacks && i < blocks->stack_count; i++)
        free(blocks->stacks[i].history);
    free(blocks->stacks);
    free(blocks->list);
    *blocks = (struct n1_blocks){0};
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

uint32_t n1_blocks_stack(struct n1_blocks *blocks, uint64_t key, bool *ret_new)
{
    *ret_new = false;
    /* Some hundreds of stacks, some thousands of samples a second: the last ones come first. */
    for (size_t i = blocks->stack_count; i-- > 0;)
        if (blocks->stacks[i].key == key)
            return (uint32_t)i;
    float *history =
        blocks->stack_count < N1_BLOCK_STACKS_MAX ? calloc(N1_BLOCK_SECONDS_MAX, sizeof *history) : NULL;
    if (!history) {
        blocks->refused++;
        return UINT32_MAX;
    }
    blocks->stacks[blocks->stack_count] = (struct n1_block_stack){.key = key, .history = history};
    *ret_new = true;
    return (uint32_t)blocks->stack_count++;
}

static uint32_t place_of(const struct n1_blocks *blocks, uint64_t address)
{
    uint32_t i = (uint32_t)mix(address) & blocks->mask;
    while (blocks->list[i].address && blocks->list[i].address != address)
        i = (i + 1) & blocks->mask;
    return i;
}

static bool grow(struct n1_blocks *blocks)
{
    uint32_t mask = blocks->mask * 2 + 1;
    if (mask >= N1_BLOCKS_MAX)
        return false;
    struct n1_block *list = calloc((size_t)mask + 1, sizeof *list), *old = blocks->list;
    if (!list)
        return false;
    uint32_t count = blocks->mask + 1;
    blocks->list = list;
    blocks->mask = mask;
    for (uint32_t i = 0; i < count; i++)
        if (old[i].address)
            list[place_of(blocks, old[i].address)] = old[i];
    free(old);
    return true;
}

struct n1_block *n1_blocks_find(struct n1_blocks *blocks, uint64_t address)
{
    struct n1_block *block = address ? &blocks->list[place_of(blocks, address)] : NULL;
    return block && block->address ? block : NULL;
}

static void forget(struct n1_blocks *blocks, const struct n1_block *block)
{
    struct n1_block_stack *stack = &blocks->stacks[block->stack];
    stack->live_blocks--;
    stack->live_bytes -= block->bytes;
}

void n1_blocks_add(struct n1_blocks *blocks, uint64_t address, uint32_t stack, uint32_t bytes)
{
    if (!address || stack >= blocks->stack_count)
        return;
    n1_blocks_remove(blocks, address);
    if (blocks->count * UINT64_C(4) > (uint64_t)blocks->mask * 3 && !grow(blocks)) {
        blocks->refused++;
        return;
    }
    blocks->list[place_of(blocks, address)] = (struct n1_block){address, stack, bytes};
    blocks->count++;
    blocks->stacks[stack].allocated++;
    blocks->stacks[stack].live_blocks++;
    blocks->stacks[stack].live_bytes += bytes;
}

bool n1_blocks_remove(struct n1_blocks *blocks, uint64_t address)
{
    struct n1_block *block = n1_blocks_find(blocks, address);
    if (!block)
        return false;
    forget(blocks, block);
    blocks->stacks[block->stack].freed++;
    blocks->count--;
    uint32_t hole = (uint32_t)(block - blocks->list);
    for (uint32_t i = (hole + 1) & blocks->mask; blocks->list[i].address; i = (i + 1) & blocks->mask) {
        uint32_t home = (uint32_t)mix(blocks->list[i].address) & blocks->mask;
        if (((i - home) & blocks->mask) < ((i - hole) & blocks->mask))
            continue; /* it would come to lie before its home */
        blocks->list[hole] = blocks->list[i];
        hole = i;
    }
    blocks->list[hole] = (struct n1_block){0};
    return true;
}

void n1_blocks_size(struct n1_blocks *blocks, struct n1_block *block, uint32_t bytes)
{
    blocks->stacks[block->stack].live_bytes += bytes - (uint64_t)block->bytes;
    block->bytes = bytes;
}

void n1_blocks_clear(struct n1_blocks *blocks)
{
    memset(blocks->list, 0, ((size_t)blocks->mask + 1) * sizeof *blocks->list);
    blocks->count = 0;
    for (size_t i = 0; i < blocks->stack_count; i++)
        blocks->stacks[i].live_blocks = blocks->stacks[i].live_bytes = 0;
    blocks->seconds = 0;
}

void n1_blocks_second(struct n1_blocks *blocks)
{
    if (blocks->seconds == N1_BLOCK_SECONDS_MAX) { /* older half away, every other second of it kept */
        for (size_t i = 0; i < blocks->stack_count; i++)
            memmove(blocks->stacks[i].history, blocks->stacks[i].history + N1_BLOCK_SECONDS_MAX / 2,
                    N1_BLOCK_SECONDS_MAX / 2 * sizeof(float));
        blocks->seconds = N1_BLOCK_SECONDS_MAX / 2;
    }
    for (size_t i = 0; i < blocks->stack_count; i++)
        blocks->stacks[i].history[blocks->seconds] = (float)blocks->stacks[i].live_bytes;
    blocks->seconds++;
}

double n1_block_stack_growth(const struct n1_blocks *blocks, const struct n1_block_stack *stack)
{
    double values[N1_BLOCK_SECONDS_MAX];
    size_t from = blocks->seconds / 5, n = blocks->seconds - from;
    if (n < SECONDS_LEAST)
        return 0;
    for (size_t i = 0; i < n; i++)
        values[i] = (double)stack->history[from + i];
    return n1_stat_climb(values, n) * (double)n;
}
