/*
 * Fuzz entry of the unwind information: an input that begins like an ELF file is read as an image, any other
 * as a section (first byte odd: .debug_frame, else .eh_frame). Whatever the bytes are, a table comes out
 * whose rows ascend, and a walk by any of its rules stays inside the stack it was given. Rules one at a time,
 * by the image's own index, must not leave the image either.
 */
#include "sampler/walk/unwind_early.h"
#include "sampler/walk/unwind_table.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct n1_unwind_table *table)
{
    if (!table)
        return;
    for (size_t i = 1; i < table->count; i++)
        if (table->rows[i - 1].pc >= table->rows[i].pc)
            abort();
    for (size_t i = 0; i < table->count; i++) {
        uint64_t pc = table->base + table->rows[i].pc;
        struct n1_unwind_rule rule = n1_unwind_table_find(table, pc), own = table->rows[i].rule;
        if (rule.kind != own.kind || rule.cfa != own.cfa || rule.fp != own.fp || rule.kind >= N1_UNWIND_KINDS)
            abort();
        uint64_t words[64];
        for (size_t k = 0; k < 64; k++)
            words[k] = 0x7000 + k * 8 * (1 + i % 5);
        struct n1_stack stack = {(const uint8_t *)words, 0x7000, sizeof(words)};
        struct n1_frame_regs regs = {pc, 0x7000 + i % 600, 0x7000 + i % 512, i & 1}, before = regs;
        if (rule.kind == N1_UNWIND_NONE)
            n1_arch_step_fp(&stack, &regs);
        else if (rule.kind != N1_UNWIND_FALLBACK && n1_arch_step(rule, &stack, &regs) == N1_STEP_OK &&
                 rule.kind != N1_UNWIND_SIGNAL && regs.sp <= before.sp)
            abort(); /* a step must lead upwards */
    }
    n1_unwind_table_find(table, 0);
    n1_unwind_table_find(table, UINT64_MAX);
}

static void ask_one_by_one(const struct n1_elf_image *image, const struct n1_unwind_table *table)
{
    struct n1_unwind_early *early = n1_unwind_early_create(image);
    if (!early)
        return;
    for (size_t i = 0; table && i < table->count && i < 64; i++)
        if (n1_unwind_early_find(early, table->base + table->rows[i].pc + i % 3).kind >= N1_UNWIND_KINDS)
            abort();
    for (size_t i = 0; i < image->load_count && i < 8; i++) {
        n1_unwind_early_find(early, image->loads[i].vaddr);
        n1_unwind_early_find(early, image->loads[i].vaddr + image->loads[i].memory_size / 2);
    }
    n1_unwind_early_find(early, UINT64_MAX);
    n1_unwind_early_destroy(early);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct n1_unwind_table *table = NULL;
    struct n1_elf_image image;
    if (size >= 4 && memcmp(data, "\177ELF", 4) == 0) {
        if (n1_elf_image_init_memory(&image, data, size) == 0) {
            table = n1_unwind_table_build(&image);
            ask_one_by_one(&image, table);
            n1_elf_image_finish(&image);
        }
    } else if (size > 0) {
        struct n1_cfi_section section = {data + 1, size - 1, 0x2000, data[0] & 1};
        table = n1_unwind_table_build_sections(NULL, data[0] & 1 ? NULL : &section,
                                               data[0] & 1 ? &section : NULL);
    }
    check(table);
    n1_unwind_table_destroy(table);
    return 0;
}
