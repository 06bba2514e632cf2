/*
 * Call frame information, DWARF 5 section 6.4 with the .eh_frame differences of the Linux Standard Base: see
 * the header. A cursor carries its own end; reading past it sets `bad` and yields zeros, so that the code
 * between two checks stays free of tests.
 */
#include "sampler/walk/ehframe.h"

#include <errno.h>
#include <string.h>

#define CIE_CODE_MAX_BYTES 512 /* compilers write 3-10; without a bound FDEs x CIE bytes is quadratic */
#define STATE_DEPTH 16         /* nested DW_CFA_remember_state; compilers nest once or twice */

enum { /* pointer encodings */
       PE_ABSPTR = 0x00,
       PE_ULEB = 0x01,
       PE_UDATA2 = 0x02,
       PE_UDATA4 = 0x03,
       PE_UDATA8 = 0x04,
       PE_SLEB = 0x09,
       PE_SDATA2 = 0x0a,
       PE_SDATA4 = 0x0b,
       PE_SDATA8 = 0x0c,
       PE_PCREL = 0x10,
       PE_INDIRECT = 0x80,
       PE_OMIT = 0xff,
};

enum { /* call frame instructions */
       CFA_NOP = 0x00,
       CFA_SET_LOC = 0x01,
       CFA_ADVANCE_LOC1 = 0x02,
       CFA_ADVANCE_LOC2 = 0x03,
       CFA_ADVANCE_LOC4 = 0x04,
       CFA_OFFSET_EXTENDED = 0x05,
       CFA_RESTORE_EXTENDED = 0x06,
       CFA_UNDEFINED = 0x07,
       CFA_SAME_VALUE = 0x08,
       CFA_REGISTER = 0x09,
       CFA_REMEMBER_STATE = 0x0a,
       CFA_RESTORE_STATE = 0x0b,
       CFA_DEF_CFA = 0x0c,
       CFA_DEF_CFA_REGISTER = 0x0d,
       CFA_DEF_CFA_OFFSET = 0x0e,
       CFA_DEF_CFA_EXPRESSION = 0x0f,
       CFA_EXPRESSION = 0x10,
       CFA_OFFSET_EXTENDED_SF = 0x11,
       CFA_DEF_CFA_SF = 0x12,
       CFA_DEF_CFA_OFFSET_SF = 0x13,
       CFA_VAL_OFFSET = 0x14,
       CFA_VAL_OFFSET_SF = 0x15,
       CFA_VAL_EXPRESSION = 0x16,
       CFA_WINDOW_SAVE = 0x2d,
       CFA_GNU_ARGS_SIZE = 0x2e,
       CFA_GNU_NEGATIVE_OFFSET = 0x2f,
       CFA_ADVANCE_LOC = 0x40,
       CFA_OFFSET = 0x80,
       CFA_RESTORE = 0xc0,
};

struct cursor {
    const uint8_t *data; /* section */
    size_t at, end;
    bool bad;
};

static uint64_t take(struct cursor *c, size_t bytes)
{
    uint64_t value = 0;
    if (bytes > c->end - c->at) {
        c->at = c->end;
        c->bad = true;
        return 0;
    }
    memcpy(&value, c->data + c->at, bytes);
    c->at += bytes;
    return value;
}

static uint64_t take_uleb(struct cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0; c->at < c->end; shift += 7) {
        uint8_t byte = c->data[c->at++];
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    c->bad = true;
    return 0;
}

static int64_t take_sleb(struct cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0; c->at < c->end;) {
        uint8_t byte = c->data[c->at++];
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if (!(byte & 0x80)) {
            if (shift < 64 && (byte & 0x40))
                value |= ~UINT64_C(0) << shift;
            return (int64_t)value;
        }
    }
    c->bad = true;
    return 0;
}

static void skip(struct cursor *c, uint64_t bytes)
{
    if (bytes > c->end - c->at) {
        c->at = c->end;
        c->bad = true;
        return;
    }
    c->at += (size_t)bytes;
}

static uint64_t take_pointer(struct cursor *c, const struct n1_cfi_section *section, uint8_t encoding,
                             bool relative)
{
    uint64_t base = 0, value;
    if (relative && (encoding & 0x70) == PE_PCREL)
        base = section->vaddr + c->at;
    else if ((encoding & 0x70) != 0 && relative)
        c->bad = true; /* text-, data- and function-relative FDE starts: no linker for ELF writes them */
    switch (encoding & 0x0f) {
    case PE_ABSPTR:
    case PE_UDATA8:
    case PE_SDATA8:
        value = take(c, 8);
        break;
    case PE_ULEB:
        value = take_uleb(c);
        break;
    case PE_UDATA2:
        value = take(c, 2);
        break;
    case PE_UDATA4:
        value = take(c, 4);
        break;
    case PE_SLEB:
        value = (uint64_t)take_sleb(c);
        break;
    case PE_SDATA2:
        value = (uint64_t)(int64_t)(int16_t)take(c, 2);
        break;
    case PE_SDATA4:
        value = (uint64_t)(int64_t)(int32_t)take(c, 4);
        break;
    default:
        c->bad = true;
        return 0;
    }
    return value + base;
}

void n1_cfi_reader_init(struct n1_cfi_reader *reader, const struct n1_cfi_section *section,
                        const struct n1_cfi_registers *registers)
{
    reader->section = *section;
    reader->registers = *registers;
    for (size_t i = 0; i < N1_CFI_CIE_SLOTS; i++)
        reader->cies[i].offset = SIZE_MAX;
}

/* Decodes an entry's length and id. Returns false at the end of the section or where it is damaged. */
static bool entry_header(const struct n1_cfi_section *section, size_t offset, struct cursor *ret_body,
                         bool *ret_cie, size_t *ret_cie_offset)
{
    struct cursor c = {section->data, offset, section->len, false};
    uint64_t length = take(&c, 4);
    bool wide = length == 0xffffffff;
    if (wide)
        length = take(&c, 8);
    if (c.bad || length > c.end - c.at)
        return false;
    c.end = c.at + (size_t)length;
    size_t id_at = c.at;
    /* In .eh_frame the id has 4 bytes even in the wide form, as GCC and binutils write and read it. */
    uint64_t id = length == 0 ? 0 : take(&c, wide && section->debug_frame ? 8 : 4);
    if (section->debug_frame) {
        *ret_cie = id == (wide ? UINT64_MAX : UINT32_MAX);
        *ret_cie_offset = id < section->len ? (size_t)id : SIZE_MAX;
    } else {
        *ret_cie = id == 0;
        *ret_cie_offset = id <= id_at ? id_at - (size_t)id : SIZE_MAX;
    }
    if (length == 0) { /* terminator; linkers leave some in the middle too */
        *ret_cie = true;
        *ret_cie_offset = SIZE_MAX;
    }
    *ret_body = c;
    return !c.bad;
}

static int run(const struct n1_cfi_reader *reader, const struct n1_cfi_cie *cie, struct cursor *c,
               uint64_t pc, uint64_t end, struct n1_cfi_state *state, n1_cfi_row_fn *row, void *context,
               uint64_t *ret_pc);

static void augmentation(const struct n1_cfi_section *section, struct n1_cfi_cie *cie, const char *text,
                         struct cursor *c)
{
    if (text[0] != 'z') {
        /* "eh" of GCC 2 is not met on x86-64; anything but "" is unknown, so are the bytes that follow. */
        c->bad |= text[0] != '\0';
        return;
    }
    cie->augmented = true;
    uint64_t len = take_uleb(c);
    if (len > c->end - c->at) {
        c->bad = true;
        return;
    }
    struct cursor a = {c->data, c->at, c->at + (size_t)len, false};
    c->at += (size_t)len;
    for (text++; *text && !a.bad; text++) {
        if (*text == 'R') {
            cie->fde_encoding = (uint8_t)take(&a, 1);
        } else if (*text == 'L') {
            skip(&a, 1);
        } else if (*text == 'P') {
            uint8_t encoding = (uint8_t)take(&a, 1);
            if (encoding == 0x50) /* aligned */
                break;
            take_pointer(&a, section, encoding, false);
        } else if (*text == 'S') {
            cie->signal = true;
        } else if (*text != 'B' && *text != 'G') {
            break; /* the length tells where the instructions begin, unknown letters do no harm */
        }
    }
    c->bad |= a.bad;
}

static void decode_cie(struct n1_cfi_reader *reader, size_t offset, struct n1_cfi_cie *cie)
{
    const struct n1_cfi_section *section = &reader->section;
    struct cursor c;
    bool is_cie;
    size_t ignored;
    *cie = (struct n1_cfi_cie){.offset = offset, .fde_encoding = PE_ABSPTR};
    if (offset >= section->len || !entry_header(section, offset, &c, &is_cie, &ignored) || !is_cie ||
        c.at == c.end)
        return;
    uint64_t version = take(&c, 1);
    const uint8_t *nul = memchr(c.data + c.at, 0, c.end - c.at);
    if ((version != 1 && version != 3 && version != 4) || !nul)
        return;
    const char *text = (const char *)c.data + c.at;
    c.at = (size_t)(nul - c.data) + 1;
    if (version == 4 && (take(&c, 1) != 8 || take(&c, 1) != 0)) /* address size, segment size */
        return;
    cie->code_align = take_uleb(&c);
    cie->data_align = take_sleb(&c);
    uint64_t ra = version == 1 ? take(&c, 1) : take_uleb(&c);
    augmentation(section, cie, text, &c);
    if (c.bad || ra != reader->registers.ra || c.end - c.at > CIE_CODE_MAX_BYTES)
        return;
    uint64_t pc;
    cie->valid = run(reader, cie, &c, 0, UINT64_MAX, &cie->initial, NULL, NULL, &pc) == 0;
}

static const struct n1_cfi_cie *find_cie(struct n1_cfi_reader *reader, size_t offset)
{
    struct n1_cfi_cie *cie = &reader->cies[(offset >> 2) % N1_CFI_CIE_SLOTS];
    if (cie->offset != offset)
        decode_cie(reader, offset, cie);
    return cie->valid ? cie : NULL;
}

static bool decode_fde(struct n1_cfi_reader *reader, struct cursor *c, size_t cie_offset,
                       struct n1_cfi_fde *fde)
{
    const struct n1_cfi_cie *cie = cie_offset == SIZE_MAX ? NULL : find_cie(reader, cie_offset);
    if (!cie || cie->fde_encoding == PE_OMIT || (cie->fde_encoding & PE_INDIRECT))
        return false;
    uint64_t start = take_pointer(c, &reader->section, cie->fde_encoding, true);
    uint64_t size = take_pointer(c, &reader->section, cie->fde_encoding & 0x0f, false);
    if (cie->augmented)
        skip(c, take_uleb(c));
    if (c->bad || size == 0 || start + size < start)
        return false;
    *fde = (struct n1_cfi_fde){start, start + size, cie, c->at, c->end};
    return true;
}

int n1_cfi_next(struct n1_cfi_reader *reader, size_t *offset, size_t *ret_entry, struct n1_cfi_fde *ret_fde)
{
    struct cursor c;
    bool is_cie;
    size_t cie_offset, entry = *offset;
    if (entry >= reader->section.len || !entry_header(&reader->section, entry, &c, &is_cie, &cie_offset))
        return -ENOENT;
    *offset = c.end;
    if (is_cie || !decode_fde(reader, &c, cie_offset, ret_fde))
        return 0;
    *ret_entry = entry;
    return 1;
}

int n1_cfi_fde(struct n1_cfi_reader *reader, size_t entry, struct n1_cfi_fde *ret_fde)
{
    struct cursor c;
    bool is_cie;
    size_t cie_offset;
    if (entry >= reader->section.len || !entry_header(&reader->section, entry, &c, &is_cie, &cie_offset) ||
        is_cie || !decode_fde(reader, &c, cie_offset, ret_fde))
        return -EBADMSG;
    return 0;
}

static struct n1_cfi_rule *rule_of(const struct n1_cfi_reader *reader, struct n1_cfi_state *state,
                                   uint64_t reg)
{
    return reg == reader->registers.fp ? &state->fp : reg == reader->registers.ra ? &state->ra : NULL;
}

static void set_rule(const struct n1_cfi_reader *reader, struct n1_cfi_state *state, uint64_t reg,
                     struct n1_cfi_rule rule)
{
    struct n1_cfi_rule *at = rule_of(reader, state, reg);
    if (at)
        *at = rule;
}

static void restore_rule(const struct n1_cfi_reader *reader, const struct n1_cfi_cie *cie,
                         struct n1_cfi_state *state, uint64_t reg)
{
    struct n1_cfi_rule *at = rule_of(reader, state, reg);
    if (at)
        *at = reg == reader->registers.fp ? cie->initial.fp : cie->initial.ra;
}

static struct n1_cfi_rule take_expression(struct cursor *c)
{
    struct n1_cfi_rule rule = {.kind = N1_CFI_EXPRESSION};
    uint64_t len = take_uleb(c);
    size_t at = c->at;
    skip(c, len);
    if (!c->bad) {
        rule.expr = c->data + at;
        rule.expr_len = (size_t)len;
    }
    return rule;
}

/* Executes instructions from `*c`; with a `row` callback delivers each span that begins below `end`. */
static int run(const struct n1_cfi_reader *reader, const struct n1_cfi_cie *cie, struct cursor *c,
               uint64_t pc, uint64_t end, struct n1_cfi_state *state, n1_cfi_row_fn *row, void *context,
               uint64_t *ret_pc)
{
    struct n1_cfi_state stack[STATE_DEPTH];
    size_t depth = 0;
    const int64_t align = cie->data_align;
    while (c->at < c->end && pc < end && !c->bad) {
        uint8_t byte = c->data[c->at++];
        uint8_t op = byte & 0xc0 ? byte & 0xc0 : byte, low = byte & 0x3f;
        uint64_t reg, next = pc;
        switch (op) {
        case CFA_NOP:
        case CFA_WINDOW_SAVE:
            break;
        case CFA_SET_LOC:
            next = take_pointer(c, &reader->section, cie->fde_encoding, true);
            break;
        case CFA_ADVANCE_LOC:
            next = pc + low * cie->code_align;
            break;
        case CFA_ADVANCE_LOC1:
            next = pc + take(c, 1) * cie->code_align;
            break;
        case CFA_ADVANCE_LOC2:
            next = pc + take(c, 2) * cie->code_align;
            break;
        case CFA_ADVANCE_LOC4:
            next = pc + take(c, 4) * cie->code_align;
            break;
        case CFA_OFFSET:
            set_rule(reader, state, low,
                     (struct n1_cfi_rule){.kind = N1_CFI_OFFSET,
                                          .offset = (int64_t)(take_uleb(c) * (uint64_t)align)});
            break;
        case CFA_OFFSET_EXTENDED:
            reg = take_uleb(c);
            set_rule(reader, state, reg,
                     (struct n1_cfi_rule){.kind = N1_CFI_OFFSET,
                                          .offset = (int64_t)(take_uleb(c) * (uint64_t)align)});
            break;
        case CFA_OFFSET_EXTENDED_SF:
            reg = take_uleb(c);
            set_rule(reader, state, reg,
                     (struct n1_cfi_rule){.kind = N1_CFI_OFFSET,
                                          .offset = (int64_t)((uint64_t)take_sleb(c) * (uint64_t)align)});
            break;
        case CFA_GNU_NEGATIVE_OFFSET:
            reg = take_uleb(c);
            set_rule(reader, state, reg,
                     (struct n1_cfi_rule){.kind = N1_CFI_OFFSET,
                                          .offset = (int64_t)(0 - take_uleb(c) * (uint64_t)align)});
            break;
        case CFA_RESTORE:
            restore_rule(reader, cie, state, low);
            break;
        case CFA_RESTORE_EXTENDED:
            restore_rule(reader, cie, state, take_uleb(c));
            break;
        case CFA_UNDEFINED:
            set_rule(reader, state, take_uleb(c), (struct n1_cfi_rule){.kind = N1_CFI_UNDEFINED});
            break;
        case CFA_SAME_VALUE:
            set_rule(reader, state, take_uleb(c), (struct n1_cfi_rule){.kind = N1_CFI_SAME});
            break;
        case CFA_REGISTER:
            reg = take_uleb(c);
            set_rule(reader, state, reg, (struct n1_cfi_rule){.kind = N1_CFI_REGISTER, .reg = take_uleb(c)});
            break;
        case CFA_REMEMBER_STATE:
            if (depth == STATE_DEPTH)
                c->bad = true;
            else
                stack[depth++] = *state;
            break;
        case CFA_RESTORE_STATE:
            if (depth == 0)
                c->bad = true;
            else
                *state = stack[--depth];
            break;
        case CFA_DEF_CFA:
            reg = take_uleb(c);
            state->cfa =
                (struct n1_cfi_rule){.kind = N1_CFI_REGISTER, .reg = reg, .offset = (int64_t)take_uleb(c)};
            break;
        case CFA_DEF_CFA_SF:
            reg = take_uleb(c);
            state->cfa = (struct n1_cfi_rule){.kind = N1_CFI_REGISTER,
                                              .reg = reg,
                                              .offset = (int64_t)((uint64_t)take_sleb(c) * (uint64_t)align)};
            break;
        case CFA_DEF_CFA_REGISTER:
            state->cfa.reg = take_uleb(c);
            c->bad |= state->cfa.kind != N1_CFI_REGISTER;
            break;
        case CFA_DEF_CFA_OFFSET:
            state->cfa.offset = (int64_t)take_uleb(c);
            c->bad |= state->cfa.kind != N1_CFI_REGISTER;
            break;
        case CFA_DEF_CFA_OFFSET_SF:
            state->cfa.offset = (int64_t)((uint64_t)take_sleb(c) * (uint64_t)align);
            c->bad |= state->cfa.kind != N1_CFI_REGISTER;
            break;
        case CFA_DEF_CFA_EXPRESSION:
            state->cfa = take_expression(c);
            break;
        case CFA_EXPRESSION:
            reg = take_uleb(c);
            set_rule(reader, state, reg, take_expression(c));
            break;
        case CFA_VAL_EXPRESSION:
            reg = take_uleb(c);
            take_expression(c);
            set_rule(reader, state, reg, (struct n1_cfi_rule){.kind = N1_CFI_OTHER});
            break;
        case CFA_VAL_OFFSET:
        case CFA_VAL_OFFSET_SF:
            reg = take_uleb(c);
            take_uleb(c);
            set_rule(reader, state, reg, (struct n1_cfi_rule){.kind = N1_CFI_OTHER});
            break;
        case CFA_GNU_ARGS_SIZE:
            take_uleb(c);
            break;
        default:
            c->bad = true;
        }
        if (next < pc)
            c->bad = true;
        if (next > pc && !c->bad) {
            if (row)
                row(context, pc, state);
            pc = next;
        }
    }
    *ret_pc = pc;
    if (c->bad)
        return -EBADMSG;
    if (row && pc < end)
        row(context, pc, state);
    return 0;
}

int n1_cfi_run(struct n1_cfi_reader *reader, const struct n1_cfi_fde *fde, n1_cfi_row_fn *row, void *context,
               uint64_t *ret_bad_pc)
{
    struct n1_cfi_state state = fde->cie->initial;
    struct cursor c = {reader->section.data, fde->code, fde->code_end, false};
    return run(reader, fde->cie, &c, fde->start, fde->end, &state, row, context, ret_bad_pc);
}
