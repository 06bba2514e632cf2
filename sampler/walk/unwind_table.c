/*
 * Building the compact table: (1) index every FDE by its start, (2) sort the index where the linker has not,
 * (3) run each FDE in order and append rows. Rows so come out sorted without a second copy. An FDE is cut
 * where the next one begins, so overlapping (hostile) ones cannot disorder the rows.
 */
#include "sampler/walk/unwind_table.h"

#include <stdlib.h>

#define ROWS_MAX (UINT32_C(4) << 20) /* 32 MiB; the largest browsers need about 3 M rows */
#define PADDING_BYTES 16             /* between two functions lies alignment, no code, below this size */
#define DEBUG_BIT UINT32_C(0x80000000)

struct fde_ref {
    uint32_t start;  /* relative to the base */
    uint32_t offset; /* in the section; DEBUG_BIT: in .debug_frame (sections are at most 64 MiB) */
};

struct builder {
    struct n1_unwind_table *table;
    size_t capacity;
    bool failed; /* no memory */
    struct fde_ref *refs;
    size_t ref_count, ref_capacity;
    /* of the FDE at work */
    uint64_t limit; /* absolute: rows at or above it are another FDE's */
    bool signal;
};

static bool same_rule(struct n1_unwind_rule a, struct n1_unwind_rule b)
{
    return a.cfa == b.cfa && a.fp == b.fp && a.kind == b.kind;
}

static void append(struct builder *b, uint64_t pc, struct n1_unwind_rule rule)
{
    struct n1_unwind_table *t = b->table;
    uint64_t relative = pc - t->base;
    if (relative > UINT32_MAX || b->failed)
        return;
    if (t->count && t->rows[t->count - 1].pc == relative)
        t->count--;
    if (t->count && same_rule(t->rows[t->count - 1].rule, rule))
        return;
    if (t->count == ROWS_MAX) {
        t->rows[t->count - 1].rule = (struct n1_unwind_rule){.kind = N1_UNWIND_FALLBACK};
        t->full = true;
        return;
    }
    if (t->count == b->capacity) {
        size_t capacity = b->capacity ? b->capacity * 2 : 256;
        struct n1_unwind_row *rows = realloc(t->rows, capacity * sizeof(*rows));
        if (!rows) {
            b->failed = true;
            return;
        }
        t->rows = rows;
        b->capacity = capacity;
    }
    t->rows[t->count++] = (struct n1_unwind_row){(uint32_t)relative, rule};
}

static void on_row(void *context, uint64_t pc, const struct n1_cfi_state *state)
{
    struct builder *b = context;
    if (pc < b->limit)
        append(b, pc, n1_arch_rule(state, b->signal));
}

static void index_section(struct builder *b, struct n1_cfi_reader *reader, const struct n1_elf_image *image,
                          uint32_t bit)
{
    struct n1_cfi_fde fde;
    size_t offset = 0, entry;
    for (;;) {
        int r = n1_cfi_next(reader, &offset, &entry, &fde);
        if (r < 0)
            return;
        /* Discarded functions keep FDEs at address 0; forged ones may lie anywhere. */
        if (r == 0 || fde.start < b->table->base || fde.start - b->table->base > UINT32_MAX ||
            entry >= DEBUG_BIT || (image && !n1_elf_image_is_text(image, fde.start)))
            continue;
        if (b->ref_count == b->ref_capacity) {
            size_t capacity = b->ref_capacity ? b->ref_capacity * 2 : 256;
            struct fde_ref *refs = realloc(b->refs, capacity * sizeof(*refs));
            if (!refs) {
                b->failed = true;
                return;
            }
            b->refs = refs;
            b->ref_capacity = capacity;
        }
        b->refs[b->ref_count++] =
            (struct fde_ref){(uint32_t)(fde.start - b->table->base), (uint32_t)entry | bit};
    }
}

/* By start; on a tie .eh_frame comes last and so wins. */
static int compare_refs(const void *x, const void *y)
{
    const struct fde_ref *a = x, *b = y;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return (int)((b->offset & DEBUG_BIT) >> 31) - (int)((a->offset & DEBUG_BIT) >> 31);
}

static void sort_refs(struct builder *b)
{
    for (size_t i = 1; i < b->ref_count; i++) {
        if (compare_refs(&b->refs[i - 1], &b->refs[i]) > 0) {
            qsort(b->refs, b->ref_count, sizeof(*b->refs), compare_refs);
            return;
        }
    }
}

static void run_fdes(struct builder *b, struct n1_cfi_reader *eh, struct n1_cfi_reader *debug)
{
    struct n1_unwind_table *t = b->table;
    for (size_t i = 0; i < b->ref_count && !b->failed && !t->full; i++) {
        const struct fde_ref *ref = &b->refs[i];
        struct n1_cfi_reader *reader = ref->offset & DEBUG_BIT ? debug : eh;
        struct n1_cfi_fde fde;
        uint64_t bad_pc, next = i + 1 < b->ref_count ? t->base + b->refs[i + 1].start : UINT64_MAX;
        if (next == t->base + ref->start || n1_cfi_fde(reader, ref->offset & ~DEBUG_BIT, &fde) < 0)
            continue;
        b->limit = fde.end < next ? fde.end : next;
        b->signal = fde.cie->signal;
        if (n1_cfi_run(reader, &fde, on_row, b, &bad_pc) < 0 && bad_pc < b->limit)
            append(b, bad_pc, (struct n1_unwind_rule){.kind = N1_UNWIND_FALLBACK});
        t->fde_count++;
        if (next - b->limit >= PADDING_BYTES)
            append(b, b->limit, (struct n1_unwind_rule){.kind = N1_UNWIND_NONE});
    }
}

struct n1_unwind_table *n1_unwind_table_build_sections(const struct n1_elf_image *image,
                                                       const struct n1_cfi_section *eh_frame,
                                                       const struct n1_cfi_section *debug_frame)
{
    struct builder b = {.table = calloc(1, sizeof(*b.table))};
    struct n1_cfi_reader *readers = calloc(2, sizeof(*readers));
    if (!b.table || !readers) {
        free(b.table);
        free(readers);
        return NULL;
    }
    if (image) {
        b.table->base = UINT64_MAX;
        for (size_t i = 0; i < image->load_count; i++)
            if (image->loads[i].exec && image->loads[i].vaddr < b.table->base)
                b.table->base = image->loads[i].vaddr;
    }
    if (eh_frame) {
        n1_cfi_reader_init(&readers[0], eh_frame, &n1_arch_registers);
        index_section(&b, &readers[0], image, 0);
    }
    if (debug_frame) {
        n1_cfi_reader_init(&readers[1], debug_frame, &n1_arch_registers);
        index_section(&b, &readers[1], image, DEBUG_BIT);
    }
    sort_refs(&b);
    run_fdes(&b, &readers[0], &readers[1]);
    free(b.refs);
    free(readers);
    if (b.failed) {
        n1_unwind_table_destroy(b.table);
        return NULL;
    }
    if (b.table->count) {
        struct n1_unwind_row *rows = realloc(b.table->rows, b.table->count * sizeof(*rows));
        if (rows)
            b.table->rows = rows;
    }
    for (size_t i = 0; i < b.table->count; i++)
        b.table->fallback_count += b.table->rows[i].rule.kind == N1_UNWIND_FALLBACK;
    return b.table;
}

struct n1_unwind_table *n1_unwind_table_build(const struct n1_elf_image *image)
{
    uint8_t *eh_bytes = NULL, *debug_bytes = NULL;
    struct n1_cfi_section eh = {.vaddr = image->eh_frame.vaddr}, debug = {.debug_frame = true};
    bool has_eh = n1_elf_image_section(image, &image->eh_frame, &eh_bytes, &eh.len) == 0;
    bool has_debug = n1_elf_image_section(image, &image->debug_frame, &debug_bytes, &debug.len) == 0;
    eh.data = eh_bytes;
    debug.data = debug_bytes;
    struct n1_unwind_table *table =
        n1_unwind_table_build_sections(image, has_eh ? &eh : NULL, has_debug ? &debug : NULL);
    free(eh_bytes);
    free(debug_bytes);
    return table;
}

void n1_unwind_table_destroy(struct n1_unwind_table *table)
{
    if (!table)
        return;
    free(table->rows);
    free(table);
}

struct n1_unwind_rule n1_unwind_table_find(const struct n1_unwind_table *table, uint64_t vaddr)
{
    uint64_t relative = vaddr - table->base;
    if (relative > UINT32_MAX || table->count == 0 || relative < table->rows[0].pc)
        return (struct n1_unwind_rule){.kind = N1_UNWIND_NONE};
    const struct n1_unwind_row *rows = table->rows;
    size_t low = 0, count = table->count;
    while (count > 1) { /* the last row at or below: branch-free halving */
        size_t half = count / 2;
        low += rows[low + half].pc <= relative ? half : 0;
        count -= half;
    }
    return rows[low].rule;
}
