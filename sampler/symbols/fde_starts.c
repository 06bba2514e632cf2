/*
 * .eh_frame_hdr (LSB core, 10.6.2): version, three encodings, address of .eh_frame, number of entries, then
 * pairs {first byte, FDE}. Every linker in use writes the pairs as 32-bit offsets from the section; others
 * are left alone.
 */
#include "sampler/symbols/fde_starts.h"

#include <stdlib.h>
#include <string.h>

enum {
    VERSION = 1,
    ENC_PTR_SDATA4 = 0x1b,
    ENC_COUNT_UDATA4 = 0x03,
    ENC_TABLE_SDATA4 = 0x3b,
    HEADER = 12,
    ENTRY = 8
};
enum { SECTION_MAX = 64 << 20 };

static int by_value(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

static void load(struct n1_fde_starts *starts, const struct n1_elf *elf)
{
    const Elf64_Shdr *section = n1_elf_section(elf, ".eh_frame_hdr");
    size_t len = 0;
    uint8_t *bytes = section ? n1_elf_section_read(elf, section, SECTION_MAX, &len) : NULL;
    uint32_t count = 0;
    if (!bytes || len < HEADER || bytes[0] != VERSION || bytes[1] != ENC_PTR_SDATA4 ||
        bytes[2] != ENC_COUNT_UDATA4 || bytes[3] != ENC_TABLE_SDATA4)
        goto done;
    memcpy(&count, bytes + 8, sizeof count);
    if (count > (len - HEADER) / ENTRY)
        count = (uint32_t)((len - HEADER) / ENTRY);
    starts->offsets = malloc((count ? count : 1) * sizeof *starts->offsets);
    if (!starts->offsets)
        goto done;
    for (uint32_t i = 0; i < count; i++)
        memcpy(&starts->offsets[i], bytes + HEADER + (size_t)i * ENTRY, sizeof *starts->offsets);
    qsort(starts->offsets, count, sizeof *starts->offsets, by_value);
    starts->count = count;
    starts->base = section->sh_addr;
done:
    free(bytes);
}

bool n1_fde_starts_find(struct n1_fde_starts *starts, const struct n1_elf *elf, uint64_t addr,
                        uint64_t *ret_start, uint64_t *ret_size)
{
    if (!starts->loaded) {
        starts->loaded = true;
        load(starts, elf);
    }
    int64_t offset = (int64_t)(addr - starts->base);
    if (!n1_elf_is_exec(elf, addr) || offset < INT32_MIN || offset > INT32_MAX)
        return false;
    size_t low = 0, high = starts->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (starts->offsets[middle] <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    *ret_start = starts->base + (uint64_t)(int64_t)starts->offsets[low - 1];
    *ret_size =
        low < starts->count ? (uint64_t)((int64_t)starts->offsets[low] - starts->offsets[low - 1]) : 0;
    return n1_elf_is_exec(elf, *ret_start);
}

void n1_fde_starts_finish(struct n1_fde_starts *starts)
{
    free(starts->offsets);
    *starts = (struct n1_fde_starts){0};
}
