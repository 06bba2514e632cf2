/*
 * The compact table from hand-made .eh_frame bytes: each form of rule, and what must happen on bytes that
 * lie. Sections are put together by a small assembler; the comments name the instructions.
 */
#include "sampler/walk/unwind_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECTION_VADDR 0x10000
#define TEXT 0x1000

struct section {
    uint8_t bytes[65536];
    size_t len;
    bool debug;
};

static void put(struct section *s, const void *bytes, size_t len)
{
    assert_true(s->len + len <= sizeof(s->bytes));
    memcpy(s->bytes + s->len, bytes, len);
    s->len += len;
}

static void put_u32(struct section *s, uint32_t value)
{
    put(s, &value, 4);
}

static void put_u64(struct section *s, uint64_t value)
{
    put(s, &value, 8);
}

/* Pads the entry that began at `at` and writes its length. */
static void close_entry(struct section *s, size_t at)
{
    while ((s->len - at) % 8 != 4 && s->len - at > 4)
        s->bytes[s->len++] = 0;
    uint32_t length = (uint32_t)(s->len - at - 4);
    memcpy(s->bytes + at, &length, 4);
}

/* CIE "zR" (or "zRS"), pc-relative sdata4, with the usual start: CFA = rsp + 8, RA at CFA - 8. */
static size_t put_cie(struct section *s, bool signal)
{
    static const uint8_t rest[] = {1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1};
    size_t at = s->len;
    put_u32(s, 0);
    put_u32(s, s->debug ? UINT32_MAX : 0);
    if (s->debug) {
        static const uint8_t plain[] = {3, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1}; /* no augmentation */
        put(s, plain, sizeof(plain));
    } else {
        put(s, signal ? "\1zRS" : "\1zR", signal ? 5 : 4);
        put(s, rest, sizeof(rest));
    }
    close_entry(s, at);
    return at;
}

static void put_fde(struct section *s, size_t cie, uint32_t start, uint32_t size, const void *code,
                    size_t len)
{
    size_t at = s->len;
    put_u32(s, 0);
    if (s->debug) {
        put_u32(s, (uint32_t)cie);
        put_u64(s, start);
        put_u64(s, size);
    } else {
        put_u32(s, (uint32_t)(s->len - cie));
        put_u32(s, start - (uint32_t)(SECTION_VADDR + s->len));
        put_u32(s, size);
        put(s, "", 1); /* no augmentation data */
    }
    put(s, code, len);
    close_entry(s, at);
}

#define CODE(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static struct n1_unwind_table *build(const struct section *s)
{
    /* Exactly sized, so that ASan sees a read past the end. */
    uint8_t *copy = malloc(s->len ? s->len : 1);
    assert_non_null(copy);
    memcpy(copy, s->bytes, s->len);
    struct n1_cfi_section section = {copy, s->len, SECTION_VADDR, s->debug};
    struct n1_unwind_table *table =
        n1_unwind_table_build_sections(NULL, s->debug ? NULL : &section, s->debug ? &section : NULL);
    free(copy);
    assert_non_null(table);
    for (size_t i = 1; i < table->count; i++)
        assert_true(table->rows[i - 1].pc < table->rows[i].pc);
    return table;
}

static void check(const struct n1_unwind_table *table, uint64_t pc, int kind, int cfa, int fp)
{
    struct n1_unwind_rule rule = n1_unwind_table_find(table, pc);
    assert_int_equal(rule.kind, kind);
    assert_int_equal(rule.cfa, cfa);
    assert_int_equal(rule.fp, fp);
}

/* push %rbp; mov %rsp,%rbp; ...; leave; ret: as GCC writes it, the rule for rbp outliving the leave. */
static void put_frame_function(struct section *s, size_t cie, uint32_t start)
{
    put_fde(s, cie, start, 0x40, CODE(0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x75, 0x0c, 7, 8));
}

static void check_frame_function(const struct n1_unwind_table *t, uint64_t start)
{
    check(t, start, N1_UNWIND_SP, 1, 0);
    check(t, start + 1, N1_UNWIND_SP, 2, -2);
    check(t, start + 3, N1_UNWIND_SP, 2, -2);
    check(t, start + 4, N1_UNWIND_FP, 2, -2);
    check(t, start + 0x38, N1_UNWIND_FP, 2, -2);
    check(t, start + 0x39, N1_UNWIND_SP, 1, -2);
    check(t, start + 0x3f, N1_UNWIND_SP, 1, -2);
}

static void test_frame_function(void **state)
{
    (void)state;
    static struct section s;
    s = (struct section){0};
    size_t cie = put_cie(&s, false);
    put_frame_function(&s, cie, TEXT);
    struct n1_unwind_table *t = build(&s);
    assert_int_equal(t->fde_count, 1);
    check_frame_function(t, TEXT);
    check(t, TEXT - 1, N1_UNWIND_NONE, 0, 0);
    check(t, TEXT + 0x40, N1_UNWIND_NONE, 0, 0);
    check(t, 0, N1_UNWIND_NONE, 0, 0);
    check(t, UINT64_MAX, N1_UNWIND_NONE, 0, 0);
    n1_unwind_table_destroy(t);
}

static void test_debug_frame(void **state)
{
    (void)state;
    static struct section s;
    s = (struct section){.debug = true};
    size_t cie = put_cie(&s, false);
    put_frame_function(&s, cie, TEXT);
    struct n1_unwind_table *t = build(&s);
    check_frame_function(t, TEXT);
    n1_unwind_table_destroy(t);
}

static void test_order_gaps_and_overlap(void **state)
{
    (void)state;
    static struct section s;
    s = (struct section){0};
    size_t cie = put_cie(&s, false);
    put_fde(&s, cie, TEXT + 0x300, 0x10, CODE(0));
    put_frame_function(&s, cie, TEXT);                    /* out of order */
    put_fde(&s, cie, TEXT + 0x48, 0x100, CODE(0x0e, 24)); /* 8 bytes of padding before it */
    put_fde(&s, cie, TEXT + 0x100, 0x10, CODE(0x0e, 32)); /* inside the one before: cuts it */
    put_fde(&s, cie, TEXT + 0x200, 0, CODE(0x0e, 40));    /* empty */
    put_fde(&s, cie, (uint32_t)-32, 0x10, CODE(0));       /* negative start: out of reach */
    struct n1_unwind_table *t = build(&s);
    check_frame_function(t, TEXT);
    check(t, TEXT + 0x42, N1_UNWIND_SP, 1, -2); /* padding keeps the rule: no code lies there */
    check(t, TEXT + 0x48, N1_UNWIND_SP, 3, 0);
    check(t, TEXT + 0xff, N1_UNWIND_SP, 3, 0);
    check(t, TEXT + 0x100, N1_UNWIND_SP, 4, 0);
    check(t, TEXT + 0x110, N1_UNWIND_NONE, 0, 0);
    check(t, TEXT + 0x200, N1_UNWIND_NONE, 0, 0);
    check(t, TEXT + 0x300, N1_UNWIND_SP, 1, 0);
    check(t, TEXT + 0x310, N1_UNWIND_NONE, 0, 0);
    n1_unwind_table_destroy(t);
}

static void test_remember_restore(void **state)
{
    (void)state;
    static struct section s;
    s = (struct section){0};
    size_t cie = put_cie(&s, false);
    /* +1 push; +2 remember, epilogue; +4 restore state; +6 restore rbp; +8 signed offset; +10 same value */
    put_fde(&s, cie, TEXT, 0x20,
            CODE(0x41, 0x0e, 16, 0x86, 2, 0x41, 0x0a, 0x0e, 8, 0xc6, 0x42, 0x0b, 0x42, 0x06, 6, 0x42, 0x11, 6,
                 3, 0x42, 0x08, 6));
    struct n1_unwind_table *t = build(&s);
    check(t, TEXT + 1, N1_UNWIND_SP, 2, -2);
    check(t, TEXT + 2, N1_UNWIND_SP, 1, 0);
    check(t, TEXT + 4, N1_UNWIND_SP, 2, -2);
    check(t, TEXT + 6, N1_UNWIND_SP, 2, 0);
    check(t, TEXT + 8, N1_UNWIND_SP, 2, -3);
    check(t, TEXT + 10, N1_UNWIND_SP, 2, 0);
    n1_unwind_table_destroy(t);
}

static void test_special_rules(void **state)
{
    (void)state;
    static struct section s;
    s = (struct section){0};
    size_t cie = put_cie(&s, false);
    put_fde(&s, cie, TEXT, 0x100,
            CODE(0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22)); /* .plt */
    put_fde(&s, cie, TEXT + 0x100, 0x100, CODE(0x07, 16));                               /* RA undefined */
    put_fde(&s, cie, TEXT + 0x200, 0x100,
            CODE(0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0)); /* realigned */
    put_fde(&s, cie, TEXT + 0x300, 0x100,
            CODE(0x0f, 6, 0x77, 0x98, 0x01, 0x06, 0x23, 8, 0x86, 3));       /* OpenSSL */
    put_fde(&s, cie, TEXT + 0x400, 0x100, CODE(0x0c, 3, 16));               /* CFA by rbx */
    put_fde(&s, cie, TEXT + 0x500, 0x100, CODE(0x0e, 0x80, 0x80, 0x80, 1)); /* CFA 2 MiB away */
    put_fde(&s, cie, TEXT + 0x600, 0x100, CODE(0x0e, 12));                  /* not a multiple of 8 */
    put_fde(&s, cie, TEXT + 0x700, 0x100, CODE(0x90, 2));                   /* RA elsewhere */
    put_fde(&s, cie, TEXT + 0x800, 0x100, CODE(0x09, 6, 3));                /* rbp kept in rbx */
    put_fde(&s, cie, TEXT + 0x900, 0x100, CODE(0x0e, 0x80, 0x80, 8));       /* CFA 128 KiB away */
    size_t trampoline = put_cie(&s, true);
    put_fde(&s, trampoline, TEXT + 0xa00, 0x100,
            CODE(0x0f, 4, 0x77, 0xa0, 1, 6, 0x10, 16, 3, 0x77, 0xa8, 1, 0x10, 6, 3, 0x77, 0xf8, 0));
    put_fde(&s, trampoline, TEXT + 0xb00, 0x100, CODE(0)); /* 'S' of another shape */
    struct n1_unwind_table *t = build(&s);
    check(t, TEXT, N1_UNWIND_PLT, 11, 0);
    check(t, TEXT + 0x100, N1_UNWIND_END, 0, 0);
    check(t, TEXT + 0x200, N1_UNWIND_FP_DEREF, -1, 0);
    check(t, TEXT + 0x300, N1_UNWIND_SP_DEREF, 19, -3);
    for (uint64_t at = TEXT + 0x400; at < TEXT + 0x900; at += 0x100)
        check(t, at, N1_UNWIND_FALLBACK, 0, 0);
    check(t, TEXT + 0x900, N1_UNWIND_SP, 16384, 0);
    check(t, TEXT + 0xa00, N1_UNWIND_SIGNAL, 0, 0);
    check(t, TEXT + 0xb00, N1_UNWIND_FALLBACK, 0, 0);
    assert_int_equal(t->fallback_count, 2); /* rows: neighbours with the same rule are one */
    n1_unwind_table_destroy(t);
}

static void test_broken_instructions(void **state)
{
    (void)state;
    static struct section s;
    s = (struct section){0};
    size_t cie = put_cie(&s, false);
    put_fde(&s, cie, TEXT, 0x100, CODE(0x0e, 16, 0x48, 0x3f));           /* unknown opcode after 8 bytes */
    put_fde(&s, cie, TEXT + 0x100, 0x100, CODE(0x0b));                   /* restore without remember */
    put_fde(&s, cie, TEXT + 0x200, 0x100, CODE(0x0f, 0xff, 0xff, 0x7f)); /* expression past the end */
    put_fde(&s, cie, TEXT + 0x300, 0x100, CODE(0x0f, 1, 0x30, 0x0e, 8)); /* offset of an expression */
    uint8_t nest[200];
    memset(nest, 0x0a, sizeof(nest));
    put_fde(&s, cie, TEXT + 0x400, 0x100, nest, sizeof(nest)); /* remembers without end */
    put_frame_function(&s, cie, TEXT + 0x500);                 /* and the next one is fine */
    struct n1_unwind_table *t = build(&s);
    check(t, TEXT, N1_UNWIND_SP, 2, 0);
    for (uint64_t at = TEXT + 8; at < TEXT + 0x500; at += 0x40)
        check(t, at, N1_UNWIND_FALLBACK, 0, 0);
    check_frame_function(t, TEXT + 0x500);
    n1_unwind_table_destroy(t);
}

static void test_broken_entries(void **state)
{
    (void)state;
    static struct section s;
    s = (struct section){0};
    size_t cie = put_cie(&s, false);
    put_fde(&s, 0x8000, TEXT, 0x10, CODE(0)); /* CIE pointer before the section */
    put_u32(&s, 0);                           /* a terminator in the middle */
    put_frame_function(&s, cie, TEXT + 0x100);
    size_t fde = s.len;
    put_frame_function(&s, cie, TEXT + 0x200);
    put_fde(&s, fde, TEXT + 0x300, 0x10, CODE(0)); /* its CIE is an FDE */
    put_u32(&s, 0x7fffffff);                       /* longer than the section: the end */
    put_frame_function(&s, cie, TEXT + 0x400);
    struct n1_unwind_table *t = build(&s);
    assert_int_equal(t->fde_count, 2);
    check_frame_function(t, TEXT + 0x100);
    check_frame_function(t, TEXT + 0x200);
    check(t, TEXT, N1_UNWIND_NONE, 0, 0);
    check(t, TEXT + 0x300, N1_UNWIND_NONE, 0, 0);
    check(t, TEXT + 0x400, N1_UNWIND_NONE, 0, 0);
    n1_unwind_table_destroy(t);
}

/* A CIE's instructions run for each of its FDEs: a long one is refused, or time would be quadratic. */
static void test_long_cie_is_refused(void **state)
{
    (void)state;
    static struct section s;
    s = (struct section){0};
    static const uint8_t head[] = {1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1};
    static const uint8_t nops[4096];
    put_u32(&s, 0);
    put_u32(&s, 0);
    put(&s, head, sizeof(head));
    put(&s, nops, sizeof(nops));
    close_entry(&s, 0);
    put_frame_function(&s, 0, TEXT);
    struct n1_unwind_table *t = build(&s);
    assert_int_equal(t->fde_count, 0);
    n1_unwind_table_destroy(t);
}

/* Every prefix and many mutations of a good section: no read out of bounds (ASan), rows stay sorted (build).
 */
static void test_cut_and_mutated(void **state)
{
    (void)state;
    static struct section whole, s;
    whole = (struct section){0};
    size_t cie = put_cie(&whole, false);
    for (uint32_t i = 0; i < 6; i++)
        put_frame_function(&whole, cie, TEXT + i * 0x40);
    put_fde(&whole, cie, TEXT + 0x400, 0x40,
            CODE(0x0a, 0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0, 0x44, 0x0b));
    for (size_t len = 0; len <= whole.len; len++) {
        s = whole;
        s.len = len;
        n1_unwind_table_destroy(build(&s));
    }
    uint32_t seed = 1;
    for (int round = 0; round < 3000; round++) {
        s = whole;
        for (int i = 0; i < 3; i++) {
            seed = seed * 1664525 + 1013904223;
            s.bytes[(seed >> 8) % s.len] = (uint8_t)(seed >> 24);
        }
        n1_unwind_table_destroy(build(&s));
    }
}

static void test_rule_by_code(void **state)
{
    (void)state;
    static const uint8_t plt[] = {0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 1, 2, 3, 4};
    static const uint8_t restore[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
    static const uint8_t go_restore[] = {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05};
    assert_int_equal(n1_arch_rule_by_code(plt, sizeof(plt), true).kind, N1_UNWIND_SP);
    assert_int_equal(n1_arch_rule_by_code(plt, sizeof(plt), true).cfa, 1);
    assert_int_equal(n1_arch_rule_by_code(plt, sizeof(plt), false).kind, N1_UNWIND_NONE);
    assert_int_equal(n1_arch_rule_by_code(restore, sizeof(restore), false).kind, N1_UNWIND_SIGNAL);
    assert_int_equal(n1_arch_rule_by_code(go_restore, sizeof(go_restore), false).kind, N1_UNWIND_SIGNAL);
    for (size_t len = 0; len < 6; len++)
        assert_int_equal(n1_arch_rule_by_code(plt, len, true).kind, N1_UNWIND_NONE);
}

/* One step of each kind over a stack of 64 words at 0x7000, word k = 0x9000 + k unless set here. */
static void test_steps(void **state)
{
    (void)state;
    uint64_t words[64];
    struct n1_stack stack = {(const uint8_t *)words, 0x7000, sizeof(words)};
    const struct n1_frame_regs start = {0x1234, 0x7000, 0x7100, true}; /* fp at word 32 */
    struct n1_frame_regs regs;
    for (uint64_t k = 0; k < 64; k++)
        words[k] = 0x9000 + k;
#define STEP(...) (regs = start, n1_arch_step((struct n1_unwind_rule){__VA_ARGS__}, &stack, &regs))
#define AT(want_pc, want_sp, want_fp)                                                                        \
    (assert_int_equal(regs.pc, want_pc), assert_int_equal(regs.sp, want_sp),                                 \
     assert_int_equal(regs.fp, want_fp))
    assert_int_equal(STEP(.kind = N1_UNWIND_SP, .cfa = 4, .fp = -2), N1_STEP_OK);
    AT(0x9003, 0x7020, 0x9002);
    assert_int_equal(STEP(.kind = N1_UNWIND_SP, .cfa = 1, .fp = -2),
                     N1_STEP_OK); /* epilogue: slot below sp */
    AT(0x9000, 0x7008, 0x7100);
    assert_int_equal(STEP(.kind = N1_UNWIND_FP, .cfa = 2, .fp = -2), N1_STEP_OK);
    AT(0x9021, 0x7110, 0x9020);
    assert_int_equal(STEP(.kind = N1_UNWIND_PLT, .cfa = 4), N1_STEP_OK); /* 0x1234 & 15 = 4: pushed already */
    AT(0x9001, 0x7010, 0x7100);
    assert_int_equal(STEP(.kind = N1_UNWIND_PLT, .cfa = 5), N1_STEP_OK);
    AT(0x9000, 0x7008, 0x7100);
    words[31] = 0x7180; /* realigned: CFA kept below fp */
    assert_int_equal(STEP(.kind = N1_UNWIND_FP_DEREF, .cfa = -1, .fp = 0), N1_STEP_OK);
    AT(0x902f, 0x7180, 0x9020);
    words[3] = 0x7080;
    assert_int_equal(STEP(.kind = N1_UNWIND_SP_DEREF, .cfa = 3, .fp = -3), N1_STEP_OK);
    AT(0x9010, 0x7088, 0x900e);
    assert_int_equal(STEP(.kind = N1_UNWIND_SIGNAL), N1_STEP_OK);
    AT(0x9015, 0x9014, 0x900f);
    assert_int_equal(STEP(.kind = N1_UNWIND_END), N1_STEP_END);

    assert_int_equal(STEP(.kind = N1_UNWIND_SP, .cfa = 65), N1_STEP_SHORT);
    assert_int_equal(STEP(.kind = N1_UNWIND_SP, .cfa = INT16_MAX), N1_STEP_SHORT);
    assert_int_equal(STEP(.kind = N1_UNWIND_SP, .cfa = 0), N1_STEP_NO_PROGRESS);
    assert_int_equal(STEP(.kind = N1_UNWIND_SP, .cfa = -1), N1_STEP_NO_PROGRESS);
    assert_int_equal(STEP(.kind = N1_UNWIND_FP, .cfa = -40), N1_STEP_BAD_FP);
    assert_int_equal(STEP(.kind = N1_UNWIND_SP_DEREF, .cfa = -1), N1_STEP_SHORT); /* below sp: never copied */
    words[3] = 0x6000;
    assert_int_equal(STEP(.kind = N1_UNWIND_SP_DEREF, .cfa = 3), N1_STEP_NO_PROGRESS);
    AT(start.pc, start.sp, start.fp); /* a failed step changes nothing */
    regs = (struct n1_frame_regs){0x1234, 0x7000, 0x7100, false};
    assert_int_equal(n1_arch_step((struct n1_unwind_rule){.kind = N1_UNWIND_FP, .cfa = 2}, &stack, &regs),
                     N1_STEP_BAD_FP);
    assert_int_equal(n1_arch_step_fp(&stack, &regs), N1_STEP_BAD_FP);
    /* The last word of a short copy. */
    regs = (struct n1_frame_regs){0x1234, 0x71e8, 0x7100, true};
    stack.len = sizeof(words) - 8;
    assert_int_equal(
        n1_arch_step((struct n1_unwind_rule){.kind = N1_UNWIND_SP, .cfa = 2, .fp = 0}, &stack, &regs),
        N1_STEP_OK);
    AT(0x903e, 0x71f8, 0x7100);
    stack.len = sizeof(words);
    regs = start;
    assert_int_equal(n1_arch_step_fp(&stack, &regs), N1_STEP_OK);
    AT(0x9021, 0x7110, 0x9020);
    static const uint64_t bad_fp[] = {0x7101, 0x6ff8, 0};
    for (size_t i = 0; i < 3; i++) {
        regs = (struct n1_frame_regs){0x1234, 0x7000, bad_fp[i], true};
        assert_int_equal(n1_arch_step_fp(&stack, &regs), N1_STEP_BAD_FP);
    }
    regs = (struct n1_frame_regs){0x1234, 0x7000, 0x71f8, true};
    assert_int_equal(n1_arch_step_fp(&stack, &regs), N1_STEP_SHORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_function),
        cmocka_unit_test(test_debug_frame),
        cmocka_unit_test(test_order_gaps_and_overlap),
        cmocka_unit_test(test_remember_restore),
        cmocka_unit_test(test_special_rules),
        cmocka_unit_test(test_broken_instructions),
        cmocka_unit_test(test_broken_entries),
        cmocka_unit_test(test_long_cie_is_refused),
        cmocka_unit_test(test_cut_and_mutated),
        cmocka_unit_test(test_rule_by_code),
        cmocka_unit_test(test_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
