/*
 * Names of JIT code from a perf map: lines "START SIZE name" in hexadecimal, appended by the runtime as it
 * compiles. Later lines override earlier ones where they overlap. The text is hostile; names stay in the
 * file. Addresses are absolute, sizes bytes. One thread per object; used in the symbol helper.
 */
#ifndef N1_SAMPLER_SYMBOLS_PERF_MAP_H
#define N1_SAMPLER_SYMBOLS_PERF_MAP_H

#include "sampler/symbols/symbol_table.h"

struct n1_perf_range {
    uint64_t start;
    uint64_t name; /* offset of the name in the file */
    uint32_t size;
    uint32_t skip; /* from the function's true start, when an overriding one cut its head off */
};

struct n1_perf_map {
    int fd;                       /* borrowed */
    uint64_t read_to;             /* file offset behind the last whole line taken */
    struct n1_perf_range *ranges; /* disjoint, by address */
    size_t count;
    uint64_t refused; /* lines that were no entry or found no room */
};

void n1_perf_map_init(struct n1_perf_map *map, int fd);
/* Takes what was appended since the last call; starts over when the file became shorter. Returns
 * N1_SYMBOL_FOUND, UNREADABLE or TOO_LARGE (what was read before stays usable). */
enum n1_symbol_status n1_perf_map_refresh(struct n1_perf_map *map);
bool n1_perf_map_find(const struct n1_perf_map *map, uint64_t addr, struct n1_symbol_hit *ret_hit);
void n1_perf_map_finish(struct n1_perf_map *map);

#endif
