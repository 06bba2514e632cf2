/*
 * Blocks that are allocated and not yet given back, by address, and the stacks that allocated them. Bounded:
 * what does not fit is refused, never forgotten. No system calls; sampler thread only.
 */
#ifndef N1_SAMPLER_MEMORY_BLOCKS_H
#define N1_SAMPLER_MEMORY_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define N1_BLOCKS_MAX (UINT32_C(1) << 20)
enum { N1_BLOCK_STACKS_MAX = 4096, N1_BLOCK_SECONDS_MAX = 1200 };

struct n1_block {
    uint64_t address; /* 0: free place */
    uint32_t stack;   /* index */
    uint32_t bytes;   /* 0: not known yet */
};

/* All blocks of one stack of calls; `live` are those not given back. */
struct n1_block_stack {
    uint64_t key; /* hash of its frames */
    uint64_t allocated, freed, live_bytes, live_blocks;
    float *history; /* live bytes at each second */
};

struct n1_blocks {
    struct n1_block *list; /* open addressing */
    uint32_t mask, count;
    struct n1_block_stack *stacks;
    size_t stack_count;
    size_t seconds;   /* of history */
    uint64_t refused; /* blocks and stacks that did not fit */
};

int n1_blocks_init(struct n1_blocks *blocks); /* 0 or -ENOMEM; finish even then */
void n1_blocks_finish(struct n1_blocks *blocks);

/* Index of the stack with this key, made when new; UINT32_MAX when there are too many. *ret_new tells. */
uint32_t n1_blocks_stack(struct n1_blocks *blocks, uint64_t key, bool *ret_new);
/* A block was allocated; one that is there already was given back unseen. */
void n1_blocks_add(struct n1_blocks *blocks, uint64_t address, uint32_t stack, uint32_t bytes);
/* A block was given back; false when it is not known. */
bool n1_blocks_remove(struct n1_blocks *blocks, uint64_t address);
/* The block at this address or NULL; valid until the next add or remove. */
struct n1_block *n1_blocks_find(struct n1_blocks *blocks, uint64_t address);
/* Its size, once it is known. */
void n1_blocks_size(struct n1_blocks *blocks, struct n1_block *block, uint32_t bytes);
/* Forgets all blocks: some frees were not seen, so nobody knows which are live. Stacks stay. */
void n1_blocks_clear(struct n1_blocks *blocks);
/* A second is over: live bytes of each stack go into its history. */
void n1_blocks_second(struct n1_blocks *blocks);

/* How much the live bytes of a stack grew over its history, its first fifth (warm-up) left out: 0 unless the
 * growth is steady (n1_stat_climb()). */
double n1_block_stack_growth(const struct n1_blocks *blocks, const struct n1_block_stack *stack);

#endif
