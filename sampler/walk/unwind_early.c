/*
 * .eh_frame_hdr as linkers write it: version 1, encodings, the address of .eh_frame, the number of entries,
 * then pairs {start of the function, address of its FDE} as 32-bit offsets from the section, sorted by start.
 */
#include "sampler/walk/unwind_early.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEAD_BYTES = 12,
    PAIR_BYTES = 8,
    VERSION = 1,
    PCREL_SDATA4 = 0x1b,
    UDATA4 = 0x03,
    DATAREL_SDATA4 = 0x3b
};
enum { PADDING_BYTES = 16 }; /* as in the table: less between two functions is alignment, no code */

struct n1_unwind_early {
    uint8_t *eh_bytes, *hdr_bytes;
    const uint8_t *pairs;
    size_t count;
    uint64_t hdr_vaddr;
    const struct n1_elf_image *image;
    struct n1_cfi_section section;
    struct n1_cfi_reader reader;
};

static uint64_t address(const struct n1_unwind_early *early, size_t pair, size_t member)
{
    int32_t offset;
    memcpy(&offset, early->pairs + pair * PAIR_BYTES + member * 4, sizeof(offset));
    return early->hdr_vaddr + (uint64_t)(int64_t)offset;
}

static bool read_index(struct n1_unwind_early *early, size_t len)
{
    const uint8_t *hdr = early->hdr_bytes;
    uint32_t count;
    if (len < HEAD_BYTES || hdr[0] != VERSION || hdr[1] != PCREL_SDATA4 || hdr[2] != UDATA4 ||
        hdr[3] != DATAREL_SDATA4)
        return false;
    memcpy(&count, hdr + 8, sizeof(count));
    if (count == 0 || count > (len - HEAD_BYTES) / PAIR_BYTES)
        return false;
    early->pairs = hdr + HEAD_BYTES;
    early->count = count;
    return true;
}

struct n1_unwind_early *n1_unwind_early_create(const struct n1_elf_image *image)
{
    struct n1_unwind_early *early = calloc(1, sizeof(*early));
    size_t hdr_len = 0;
    if (!early)
        return NULL;
    early->image = image;
    early->hdr_vaddr = image->eh_frame_hdr.vaddr;
    early->section.vaddr = image->eh_frame.vaddr;
    bool both = n1_elf_image_section(image, &image->eh_frame_hdr, &early->hdr_bytes, &hdr_len) == 0 &&
                n1_elf_image_section(image, &image->eh_frame, &early->eh_bytes, &early->section.len) == 0;
    if (!both || !read_index(early, hdr_len)) {
        n1_unwind_early_destroy(early);
        return NULL;
    }
    early->section.data = early->eh_bytes;
    n1_cfi_reader_init(&early->reader, &early->section, &n1_arch_registers);
    return early;
}

void n1_unwind_early_destroy(struct n1_unwind_early *early)
{
    if (!early)
        return;
    free(early->eh_bytes);
    free(early->hdr_bytes);
    free(early);
}

const struct n1_cfi_section *n1_unwind_early_section(const struct n1_unwind_early *early)
{
    return &early->section;
}

struct wanted {
    uint64_t pc;
    bool signal;
    struct n1_unwind_rule rule;
};

static void on_row(void *context, uint64_t pc, const struct n1_cfi_state *state)
{
    struct wanted *wanted = context;
    if (pc <= wanted->pc)
        wanted->rule = n1_arch_rule(state, wanted->signal);
}

struct n1_unwind_rule n1_unwind_early_find(struct n1_unwind_early *early, uint64_t vaddr)
{
    const struct n1_unwind_rule none = {.kind = N1_UNWIND_NONE};
    if (vaddr < address(early, 0, 0) || !n1_elf_image_is_text(early->image, vaddr))
        return none;
    size_t low = 0, count = early->count;
    while (count >
           1) { /* the last function that begins at or below; an index out of order finds some other one */
        size_t half = count / 2;
        low += address(early, low + half, 0) <= vaddr ? half : 0;
        count -= half;
    }
    uint64_t entry = address(early, low, 1) - early->section.vaddr;
    struct n1_cfi_fde fde;
    if (entry >= early->section.len || n1_cfi_fde(&early->reader, (size_t)entry, &fde) < 0 ||
        vaddr < fde.start)
        return none;
    uint64_t next = low + 1 < early->count ? address(early, low + 1, 0) : UINT64_MAX;
    struct wanted wanted = {.pc = vaddr, .signal = fde.cie->signal, .rule = none};
    if (vaddr >= fde.end) { /* between functions: alignment, of which the last rule holds as in the table */
        if (next <= fde.end || next - fde.end >= PADDING_BYTES)
            return none;
        wanted.pc = fde.end - 1;
    }
    uint64_t bad_pc;
    if (n1_cfi_run(&early->reader, &fde, on_row, &wanted, &bad_pc) < 0 && bad_pc <= wanted.pc)
        wanted.rule = (struct n1_unwind_rule){.kind = N1_UNWIND_FALLBACK};
    return wanted.rule;
}
