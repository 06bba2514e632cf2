/*
 * x86-64: CFI states and bare code to compact rules. The byte patterns are what GCC, LLVM, binutils, glibc
 * and the Go runtime emit; whatever else is met becomes FALLBACK and is counted.
 */
#if defined(__x86_64__)
#include "sampler/walk/arch.h"

#define DW_RBP 6
#define DW_RSP 7
#define DW_RA 16

const struct n1_cfi_registers n1_arch_registers = {.ra = DW_RA, .fp = DW_RBP};

static const struct n1_unwind_rule fallback = {.kind = N1_UNWIND_FALLBACK};

static bool expression_is(const struct n1_cfi_rule *rule, const void *bytes, size_t len)
{
    return rule->kind == N1_CFI_EXPRESSION && rule->expr_len == len && memcmp(rule->expr, bytes, len) == 0;
}

/* breg7 +8; breg16 +0; lit15; and; litN; ge; lit3; shl; plus: what the linker writes for .plt. */
static bool plt_threshold(const struct n1_cfi_rule *cfa, int16_t *ret)
{
    static const uint8_t head[] = {0x77, 0x08, 0x80, 0x00, 0x3f, 0x1a}, tail[] = {0x2a, 0x33, 0x24, 0x22};
    const uint8_t *e = cfa->expr;
    if (cfa->expr_len != sizeof(head) + 1 + sizeof(tail) || memcmp(e, head, sizeof(head)) != 0 ||
        memcmp(e + sizeof(head) + 1, tail, sizeof(tail)) != 0 || e[sizeof(head)] < 0x30 ||
        e[sizeof(head)] > 0x4f)
        return false;
    *ret = e[sizeof(head)] - 0x30;
    return true;
}

/* breg6 N [deref] with N one SLEB byte, a multiple of the word. */
static bool rbp_words(const struct n1_cfi_rule *rule, bool deref, int *ret)
{
    if (rule->kind != N1_CFI_EXPRESSION || rule->expr_len != (deref ? 3u : 2u) ||
        rule->expr[0] != 0x70 + DW_RBP || (rule->expr[1] & 0x80) || (deref && rule->expr[2] != 0x06))
        return false;
    int offset = rule->expr[1] & 0x40 ? rule->expr[1] - 0x80 : rule->expr[1];
    *ret = offset / 8;
    return offset % 8 == 0;
}

/* breg7 N; deref; plus_uconst 8, N one or two SLEB bytes: OpenSSL keeps the caller's sp in its frame. */
static bool rsp_deref_words(const struct n1_cfi_rule *rule, int16_t *ret)
{
    static const uint8_t tail[] = {0x06, 0x23, 0x08};
    const uint8_t *e = rule->expr;
    size_t len = rule->expr_len;
    if (len < 5 || len > 6 || e[0] != 0x70 + DW_RSP ||
        memcmp(e + len - sizeof(tail), tail, sizeof(tail)) != 0)
        return false;
    if ((e[1] & 0x80) != (len == 6 ? 0x80 : 0) || (len == 6 && (e[2] & 0x80)))
        return false;
    int offset = e[1] & 0x7f, bits = 7;
    if (len == 6) {
        offset |= (e[2] & 0x7f) << 7;
        bits = 14;
    }
    if (offset >> (bits - 1))
        offset -= 1 << bits;
    *ret = (int16_t)(offset / 8);
    return offset % 8 == 0;
}

/* The rule's word for how the caller's fp is found; false when it cannot be said in one byte. */
static bool fp_words(const struct n1_cfi_rule *fp, int8_t *ret)
{
    if (fp->kind == N1_CFI_OFFSET && fp->offset % 8 == 0 && fp->offset / 8 >= INT8_MIN && fp->offset / 8 < 0)
        *ret = (int8_t)(fp->offset / 8);
    else if (fp->kind == N1_CFI_SAME || fp->kind == N1_CFI_UNDEFINED)
        *ret = 0;
    else
        return false;
    return true;
}

struct n1_unwind_rule n1_arch_rule(const struct n1_cfi_state *state, bool signal)
{
    static const uint8_t signal_cfa[] = {0x77, 0xa0, 0x01, 0x06}, signal_ra[] = {0x77, 0xa8, 0x01};
    const struct n1_cfi_rule *cfa = &state->cfa, *fp = &state->fp;
    struct n1_unwind_rule rule = {0};
    int deref, saved;

    if (state->ra.kind == N1_CFI_UNDEFINED)
        return (struct n1_unwind_rule){.kind = N1_UNWIND_END};
    if (signal)
        return expression_is(cfa, signal_cfa, sizeof(signal_cfa)) &&
                       expression_is(&state->ra, signal_ra, sizeof(signal_ra))
                   ? (struct n1_unwind_rule){.kind = N1_UNWIND_SIGNAL}
                   : fallback;
    if (state->ra.kind != N1_CFI_OFFSET || state->ra.offset != -8)
        return fallback;
    if (cfa->kind == N1_CFI_EXPRESSION) {
        if (fp->kind == N1_CFI_SAME && plt_threshold(cfa, &rule.cfa)) {
            rule.kind = N1_UNWIND_PLT;
            return rule;
        }
        if (rbp_words(cfa, true, &deref) && rbp_words(fp, false, &saved))
            return (struct n1_unwind_rule){
                .cfa = (int16_t)deref, .fp = (int8_t)saved, .kind = N1_UNWIND_FP_DEREF};
        if (rsp_deref_words(cfa, &rule.cfa) && fp_words(fp, &rule.fp)) {
            rule.kind = N1_UNWIND_SP_DEREF;
            return rule;
        }
        return fallback;
    }
    if (cfa->kind != N1_CFI_REGISTER || cfa->offset % 8 != 0 || cfa->offset / 8 > INT16_MAX ||
        cfa->offset / 8 < INT16_MIN)
        return fallback;
    if (cfa->reg != DW_RSP && cfa->reg != DW_RBP)
        return fallback;
    rule.kind = cfa->reg == DW_RSP ? N1_UNWIND_SP : N1_UNWIND_FP;
    rule.cfa = (int16_t)(cfa->offset / 8);
    if (!fp_words(fp, &rule.fp))
        return fallback;
    return rule;
}

struct n1_unwind_rule n1_arch_rule_by_code(const uint8_t *code, size_t len, bool leaf)
{
    /* mov $15, %rax or %eax; syscall: the return from a signal handler (musl, Go: no CFI there). */
    static const uint8_t sigreturn[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
    static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e, 0xfa};
    if ((len >= sizeof(sigreturn) && memcmp(code, sigreturn, sizeof(sigreturn)) == 0) ||
        (len >= 7 && code[0] == 0xb8 && memcmp(code + 1, sigreturn + 3, 6) == 0))
        return (struct n1_unwind_rule){.kind = N1_UNWIND_SIGNAL};
    if (!leaf)
        return (struct n1_unwind_rule){.kind = N1_UNWIND_NONE};
    if (len >= sizeof(endbr) && memcmp(code, endbr, sizeof(endbr)) == 0) {
        code += sizeof(endbr);
        len -= sizeof(endbr);
    }
    if (len >= 1 && code[0] == 0xf2) { /* bnd */
        code++;
        len--;
    }
    if (len >= 2 && code[0] == 0xff && code[1] == 0x25) /* jmp *slot(%rip) */
        return (struct n1_unwind_rule){.cfa = 1, .kind = N1_UNWIND_SP};
    return (struct n1_unwind_rule){.kind = N1_UNWIND_NONE};
}
#endif
