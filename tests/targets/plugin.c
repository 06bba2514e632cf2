/* The library that `dlopen` and `noisy` load; PLUGIN_FUNCTION is its hot function, which has the leaf inside
 * it. */
#include <stdint.h>

uint64_t PLUGIN_FUNCTION(uint64_t rounds);

__attribute__((noipa)) static uint64_t plugin_leaf(uint64_t rounds)
{
    uint64_t x = rounds | 1;
    for (uint64_t i = 0; i < rounds; i++)
        x = x * 6364136223846793005u + 1442695040888963407u;
    return x;
}

__attribute__((noipa)) uint64_t PLUGIN_FUNCTION(uint64_t rounds)
{
    return plugin_leaf(rounds) + 1;
}
