/*
 * Reader of .eh_frame and .debug_frame: entries, and the execution of their call frame instructions for the
 * three things a walk needs (CFA, return address, frame pointer). Works on a copy in memory; the bytes are
 * hostile, so every length is checked against the section and every loop is bounded by it. Addresses are ELF
 * virtual addresses. No allocation, no global state: any thread, one reader a thread.
 */
#ifndef N1_SAMPLER_WALK_EHFRAME_H
#define N1_SAMPLER_WALK_EHFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum n1_cfi_kind {
    N1_CFI_SAME,       /* unchanged, or never mentioned */
    N1_CFI_UNDEFINED,  /* explicitly undefined: for the return address, the end of the stack */
    N1_CFI_OFFSET,     /* saved at CFA + offset */
    N1_CFI_REGISTER,   /* CFA: reg + offset; others: saved in register reg */
    N1_CFI_EXPRESSION, /* CFA: value of expr; others: saved at the address that expr yields */
    N1_CFI_OTHER,      /* something else, legal but rare: val_offset, val_expression */
};

struct n1_cfi_rule {
    uint8_t kind; /* enum n1_cfi_kind */
    uint64_t reg; /* DWARF register number */
    int64_t offset;
    const uint8_t *expr; /* inside the section */
    size_t expr_len;
};

struct n1_cfi_state {
    struct n1_cfi_rule cfa, ra, fp;
};

/* Which DWARF numbers are tracked. */
struct n1_cfi_registers {
    uint64_t ra, fp;
};

struct n1_cfi_section {
    const uint8_t *data;
    size_t len;
    uint64_t vaddr;   /* of the first byte, for pc-relative pointers */
    bool debug_frame; /* other CIE ids and CIE pointers than .eh_frame */
};

struct n1_cfi_cie {
    size_t offset; /* of its length field in the section; SIZE_MAX: empty cache slot */
    uint64_t code_align;
    int64_t data_align;
    uint8_t fde_encoding;
    bool augmented; /* 'z' */
    bool signal;    /* 'S': the pc of this frame was interrupted, not called from */
    bool valid;
    struct n1_cfi_state initial;
};

#define N1_CFI_CIE_SLOTS 16

struct n1_cfi_reader {
    struct n1_cfi_section section;
    struct n1_cfi_registers registers;
    struct n1_cfi_cie cies[N1_CFI_CIE_SLOTS];
};

struct n1_cfi_fde {
    uint64_t start, end;          /* code covered, end exclusive */
    const struct n1_cfi_cie *cie; /* valid until the next n1_cfi_ call on the reader */
    size_t code, code_end;        /* instructions, offsets in the section */
};

/* Borrows the section's bytes. */
void n1_cfi_reader_init(struct n1_cfi_reader *reader, const struct n1_cfi_section *section,
                        const struct n1_cfi_registers *registers);

/* Steps over the entries: `*offset` starts at 0 and is moved past one entry a call. Returns 1 with the offset
 * and the code range of an FDE, 0 for an entry that is no usable FDE, -ENOENT at the end or where damage
 * begins. */
int n1_cfi_next(struct n1_cfi_reader *reader, size_t *offset, size_t *ret_entry, struct n1_cfi_fde *ret_fde);

/* Decodes the FDE whose length field is at `entry`. Returns 0 or -EBADMSG. */
int n1_cfi_fde(struct n1_cfi_reader *reader, size_t entry, struct n1_cfi_fde *ret_fde);

/* Called for each span of code with one state; `pc` ascends strictly. The first is at fde->start. */
typedef void n1_cfi_row_fn(void *context, uint64_t pc, const struct n1_cfi_state *state);

/* Runs the FDE's instructions. Returns 0, or -EBADMSG with `*ret_bad_pc` where the instructions became
 * unreadable (rows before it were delivered). */
int n1_cfi_run(struct n1_cfi_reader *reader, const struct n1_cfi_fde *fde, n1_cfi_row_fn *row, void *context,
               uint64_t *ret_bad_pc);

#endif
