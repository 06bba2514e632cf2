/*
 * Words of the shared memory. Every entry that a reader may see while it changes is written and read as whole
 * 64-bit atomic words, stores with release and loads with acquire. On x86-64 both are plain moves. Release on
 * the payload, not only on the heads, is what makes the rings' tail rule hold: a reader that has seen any
 * word of a new entry is then sure to see, afterwards, the tail that was advanced before that word was
 * overwritten. The same holds for `generation`.
 */
#ifndef N1_CORE_MODEL_WORDS_H
#define N1_CORE_MODEL_WORDS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "pairs of 32-bit members share a word, low one first");

static inline uint64_t n1_word_load(const void *word)
{
    return __atomic_load_n((const uint64_t *)word, __ATOMIC_ACQUIRE);
}

static inline void n1_word_store(void *word, uint64_t value)
{
    __atomic_store_n((uint64_t *)word, value, __ATOMIC_RELEASE);
}

/* The word of two neighbouring 32-bit members. */
static inline uint64_t n1_word_pair(uint32_t first, uint32_t second)
{
    return (uint64_t)second << 32 | first;
}

/* Copies an entry out of the shared memory; `bytes` is a multiple of 8. */
static inline void n1_words_load(void *to, const void *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word = n1_word_load((const char *)from + i);
        memcpy((char *)to + i, &word, 8);
    }
}

/* Copies an entry into the shared memory; `bytes` is a multiple of 8. */
static inline void n1_words_store(void *to, const void *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word;
        memcpy(&word, (const char *)from + i, 8);
        n1_word_store((char *)to + i, word);
    }
}

#endif
