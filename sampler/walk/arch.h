/*
 * What the walk needs to know of a processor, so that another one joins by another file: the register numbers
 * of its DWARF, how a row of CFI becomes a compact rule, and one step by a rule. The step is inline in the
 * header of the processor, because it runs for every frame of every sample.
 *
 * A compact rule is 4 bytes. `cfa` is in words (8 bytes) so that frames up to 256 KiB fit; `fp` is where the
 * caller's frame pointer lies relative to the CFA, in words, 0 = unchanged. The meaning of the words depends
 * on the kind.
 */
#ifndef N1_SAMPLER_WALK_ARCH_H
#define N1_SAMPLER_WALK_ARCH_H

#include "sampler/engine/sample.h"
#include "sampler/walk/ehframe.h"

#include <string.h>

enum n1_unwind_kind {
    N1_UNWIND_NONE,     /* no rule is known for this code: try the frame pointer */
    N1_UNWIND_SP,       /* CFA = sp + cfa words */
    N1_UNWIND_FP,       /* CFA = fp + cfa words */
    N1_UNWIND_PLT,      /* CFA = sp + 8, or + 16 from byte `cfa` of each 16-byte stub on */
    N1_UNWIND_FP_DEREF, /* realigned stack: CFA = word at (fp + cfa words), caller's fp = word at (fp + fp
                         words) */
    N1_UNWIND_SP_DEREF, /* hand-written code: CFA = word at (sp + cfa words), plus 8 */
    N1_UNWIND_SIGNAL,   /* signal trampoline: the kernel saved all registers at sp */
    N1_UNWIND_END,      /* outermost frame: the return address is undefined */
    N1_UNWIND_FALLBACK, /* cannot be said in 4 bytes: ask libunwind */
    N1_UNWIND_UNMAPPED, /* used by the walker: the address lies in no known mapping */
    N1_UNWIND_KINDS
};

struct n1_unwind_rule {
    int16_t cfa;
    int8_t fp;
    uint8_t kind; /* enum n1_unwind_kind */
};

/* The copied stack: `len` bytes from address `base` upwards. */
struct n1_stack {
    const uint8_t *bytes;
    uint64_t base;
    size_t len;
};

/* The registers a walk carries from frame to frame. */
struct n1_frame_regs {
    uint64_t pc, sp, fp;
    bool fp_known;
};

enum n1_step {
    N1_STEP_OK,
    N1_STEP_END,        /* this was the outermost frame */
    N1_STEP_SHORT,      /* needs a word beyond the copied stack */
    N1_STEP_BAD_FP,     /* needs the frame pointer, which is not known or not plausible */
    N1_STEP_NO_PROGRESS /* the caller's frame would not lie above: a loop */
};

/* Reads the word at `address` of the copied stack; false when it is not in the copy. */
static inline bool n1_stack_word(const struct n1_stack *stack, uint64_t address, uint64_t *ret_word)
{
    uint64_t at = address - stack->base;
    if (at >= stack->len || stack->len - at < 8)
        return false;
    memcpy(ret_word, stack->bytes + at, 8);
    return true;
}

/* DWARF numbers of the return address and the frame pointer. */
extern const struct n1_cfi_registers n1_arch_registers;

/* The compact rule for one state of CFI; FALLBACK when it cannot be said. `signal` is the CIE's 'S'. */
struct n1_unwind_rule n1_arch_rule(const struct n1_cfi_state *state, bool signal);

/* A rule guessed from the code itself where no CFI exists (`code` are up to 16 bytes at the pc, `leaf` when
 * the pc was sampled, not returned to): PLT stubs and signal trampolines. NONE when nothing is recognised. */
struct n1_unwind_rule n1_arch_rule_by_code(const uint8_t *code, size_t len, bool leaf);

#if defined(__x86_64__)
#include "sampler/walk/arch_x86_64.h"
#else
#error "the walk knows x86-64 only: write arch_CPU.h and arch_CPU.c beside arch_x86_64"
#endif

#endif
