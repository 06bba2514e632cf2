/*
 * x86-64: one step by a compact rule, or by the frame pointer. The return address always lies below the CFA;
 * rules where it does not are FALLBACK. Included by arch.h only.
 */
#ifndef N1_SAMPLER_WALK_ARCH_X86_64_H
#define N1_SAMPLER_WALK_ARCH_X86_64_H

#define N1_ARCH_SP N1_REG_RSP
#define N1_ARCH_FP N1_REG_RBP
#define N1_ARCH_PC N1_REG_RIP

/* Offsets from sp inside a signal trampoline: struct ucontext, uc_mcontext.gregs (Linux ABI). */
#define N1_SIGNAL_FP_OFFSET 120
#define N1_SIGNAL_SP_OFFSET 160
#define N1_SIGNAL_PC_OFFSET 168

static inline enum n1_step n1_arch_step_signal(const struct n1_stack *stack, struct n1_frame_regs *regs)
{
    uint64_t pc, sp, fp;
    if (!n1_stack_word(stack, regs->sp + N1_SIGNAL_FP_OFFSET, &fp) ||
        !n1_stack_word(stack, regs->sp + N1_SIGNAL_SP_OFFSET, &sp) ||
        !n1_stack_word(stack, regs->sp + N1_SIGNAL_PC_OFFSET, &pc))
        return N1_STEP_SHORT;
    /* The interrupted stack may be another one (sigaltstack): then it is not in the copy, and the next step
     * says so. */
    *regs = (struct n1_frame_regs){pc, sp, fp, true};
    return N1_STEP_OK;
}

/* Steps to the caller by a rule that needs no help (all but NONE, FALLBACK, UNMAPPED). `regs` is unchanged
 * unless OK.
 */
static inline enum n1_step n1_arch_step(struct n1_unwind_rule rule, const struct n1_stack *stack,
                                        struct n1_frame_regs *regs)
{
    uint64_t cfa, pc, fp = regs->fp;
    bool fp_known = regs->fp_known;
    int64_t words = rule.cfa;
    switch (rule.kind) {
    case N1_UNWIND_SP:
        cfa = regs->sp + (uint64_t)(words * 8);
        break;
    case N1_UNWIND_FP:
        if (!regs->fp_known)
            return N1_STEP_BAD_FP;
        cfa = regs->fp + (uint64_t)(words * 8);
        break;
    case N1_UNWIND_PLT:
        cfa = regs->sp + 8 + ((int64_t)(regs->pc & 15) >= words ? 8 : 0);
        break;
    case N1_UNWIND_FP_DEREF:
        if (!regs->fp_known)
            return N1_STEP_BAD_FP;
        if (!n1_stack_word(stack, regs->fp + (uint64_t)(words * 8), &cfa) ||
            !n1_stack_word(stack, regs->fp + (uint64_t)((int64_t)rule.fp * 8), &fp))
            return regs->fp < regs->sp ? N1_STEP_BAD_FP : N1_STEP_SHORT;
        break;
    case N1_UNWIND_SP_DEREF:
        /* Some of it lies below sp (OpenSSL's AVX2 hashes), which no engine copies: SHORT says so. */
        if (!n1_stack_word(stack, regs->sp + (uint64_t)(words * 8), &cfa))
            return N1_STEP_SHORT;
        cfa += 8;
        break;
    case N1_UNWIND_SIGNAL:
        return n1_arch_step_signal(stack, regs);
    default:
        return N1_STEP_END;
    }
    if (cfa <= regs->sp)
        return rule.kind == N1_UNWIND_FP || rule.kind == N1_UNWIND_FP_DEREF ? N1_STEP_BAD_FP
                                                                            : N1_STEP_NO_PROGRESS;
    if (!n1_stack_word(stack, cfa - 8, &pc))
        return N1_STEP_SHORT;
    if (rule.fp != 0 && rule.kind != N1_UNWIND_FP_DEREF) {
        uint64_t slot = cfa + (uint64_t)((int64_t)rule.fp * 8);
        /* In an epilogue the rule "saved at CFA - n" outlives the pop: what lies below sp was popped into fp.
         */
        if (slot >= regs->sp)
            fp_known = n1_stack_word(stack, slot, &fp);
    }
    *regs = (struct n1_frame_regs){pc, cfa, fp, fp_known};
    return N1_STEP_OK;
}

/* Steps by the chain of frame pointers, for code without a rule. `regs` is unchanged unless OK. */
static inline enum n1_step n1_arch_step_fp(const struct n1_stack *stack, struct n1_frame_regs *regs)
{
    uint64_t pc, fp;
    if (!regs->fp_known || regs->fp % 8 != 0 || regs->fp < regs->sp)
        return N1_STEP_BAD_FP;
    if (!n1_stack_word(stack, regs->fp, &fp) || !n1_stack_word(stack, regs->fp + 8, &pc))
        return N1_STEP_SHORT;
    *regs = (struct n1_frame_regs){pc, regs->fp + 16, fp, true};
    return N1_STEP_OK;
}

#endif
