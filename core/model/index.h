/*
 * Open-addressing tables of ids, private to the writer. The keys lie in the shared tables, so a slot is four
 * bytes; a table starts small and doubles, so a small target costs little. Nothing is ever deleted: a
 * generation step builds the tables anew.
 */
#ifndef N1_CORE_MODEL_INDEX_H
#define N1_CORE_MODEL_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct n1_index {
    uint32_t *slots; /* ids; 0 is a free slot */
    uint32_t mask;   /* slots - 1 */
    uint32_t used;
};

static inline uint64_t n1_hash_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

static inline uint64_t n1_hash_two(uint64_t a, uint64_t b)
{
    return n1_hash_mix(a * UINT64_C(0x9e3779b97f4a7c15) + n1_hash_mix(b + UINT64_C(0x2545f4914f6cdd1d)));
}

/* Empties the table, with room for `entries`. Returns false, with the table as it was, when memory is short.
 */
static inline bool n1_index_reset(struct n1_index *ix, uint64_t entries)
{
    uint64_t size = 64;
    while (size * 5 / 8 < entries)
        size *= 2;
    if (size > UINT32_MAX)
        return false;
    uint32_t *slots = calloc(size, sizeof(*slots));
    if (!slots)
        return false;
    free(ix->slots);
    *ix = (struct n1_index){.slots = slots, .mask = (uint32_t)size - 1};
    return true;
}

static inline void n1_index_clear(struct n1_index *ix)
{
    memset(ix->slots, 0, ((size_t)ix->mask + 1) * sizeof(*ix->slots));
    ix->used = 0;
}

static inline bool n1_index_is_full(const struct n1_index *ix)
{
    return !ix->slots || (uint64_t)ix->used * 8 >= ((uint64_t)ix->mask + 1) * 5;
}

/* Puts an id that is known not to be there. */
static inline void n1_index_put(struct n1_index *ix, uint64_t hash, uint32_t id)
{
    uint32_t i = (uint32_t)hash & ix->mask;
    while (ix->slots[i])
        i = (i + 1) & ix->mask;
    ix->slots[i] = id;
    ix->used++;
}

static inline void n1_index_finish(struct n1_index *ix)
{
    free(ix->slots);
    *ix = (struct n1_index){0};
}

#endif
