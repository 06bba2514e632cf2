/*
 * Where functions begin, for code without symbols: the sorted table of .eh_frame_hdr, which stripping leaves
 * in place. With it a stripped program's samples add up by function, named by address, instead of falling
 * apart into single addresses. Addresses are ELF virtual addresses. One thread; the file's bytes are hostile.
 */
#ifndef N1_SAMPLER_SYMBOLS_FDE_STARTS_H
#define N1_SAMPLER_SYMBOLS_FDE_STARTS_H

#include "sampler/symbols/elf_file.h"

struct n1_fde_starts {
    bool loaded;
    uint64_t base;    /* of the offsets: address of the section */
    int32_t *offsets; /* of the functions' first bytes from `base`, rising; owned */
    size_t count;
};

/* Reads the table at the first call; without one nothing is ever found. */
bool n1_fde_starts_find(struct n1_fde_starts *starts, const struct n1_elf *elf, uint64_t addr,
                        uint64_t *ret_start, uint64_t *ret_size);
void n1_fde_starts_finish(struct n1_fde_starts *starts);

#endif
