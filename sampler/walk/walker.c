/*
 * The walk: see the header. What is known of a pc (rule, module, offset) is cached in a direct-mapped table
 * keyed by (generation of the address space, pc), so that an ordinary frame costs one cache line and two
 * stack words.
 */
#include "sampler/walk/walker.h"

#include "sampler/walk/libunwind.h"
#include "sampler/walk/unwind.h"

#include <errno.h>
#include <stdlib.h>

#define CACHE_BITS 14
#define CODE_BYTES 16 /* looked at where no rule is known */

struct entry {
    uint64_t pc;
    uint64_t offset;
    struct n1_module *module;
    uint32_t generation; /* low half; 0 = empty */
    struct n1_unwind_rule rule;
};

struct n1_walker {
    size_t max_frames;
    struct n1_libunwind *libunwind; /* NULL until first needed */
    struct n1_walker_counters counters;
    struct entry cache[1 << CACHE_BITS];
};

static const char *const end_texts[N1_WALK_ENDS] = {
#define X(code, text) [N1_WALK_##code] = text,
    N1_WALK_END_MAP(X)
#undef X
};

const char *n1_walk_end_text(enum n1_walk_end end)
{
    return (unsigned)end < N1_WALK_ENDS ? end_texts[end] : "unknown";
}

int n1_walker_create(size_t max_frames, struct n1_walker **ret_walker)
{
    if (max_frames == 0 || max_frames > N1_WALK_FRAMES_MAX)
        return -EINVAL;
    struct n1_walker *walker = calloc(1, sizeof(*walker));
    if (!walker)
        return -ENOMEM;
    walker->max_frames = max_frames;
    *ret_walker = walker;
    return 0;
}

void n1_walker_destroy(struct n1_walker *walker)
{
    if (!walker)
        return;
    n1_libunwind_destroy(walker->libunwind);
    free(walker);
}

const struct n1_walker_counters *n1_walker_counters(const struct n1_walker *walker)
{
    return &walker->counters;
}

static void destroy_unwind(void *unwind)
{
    n1_unwind_destroy(unwind);
}

/* The rule by the module's unwind information; kind NONE without. */
static struct n1_unwind_rule rule_of(struct n1_module *module, uint64_t offset)
{
    if (!module->unwind && module->state == N1_MODULE_READY) {
        module->unwind = n1_unwind_create(&module->image);
        module->unwind_destroy = destroy_unwind;
    }
    return module->unwind ? n1_unwind_find(module->unwind, offset)
                          : (struct n1_unwind_rule){.kind = N1_UNWIND_NONE};
}

/* `pc` is the address to look up; `at` the frame's own, which differs for callers. */
static void fill(struct n1_walker *walker, struct n1_space *space, struct entry *entry, uint64_t pc,
                 bool leaf)
{
    *entry =
        (struct entry){.pc = pc, .generation = (uint32_t)space->generation, .rule.kind = N1_UNWIND_UNMAPPED};
    walker->counters.cache_misses++;
    struct n1_range *range = n1_space_resolve(space, pc);
    if (!range)
        return;
    struct n1_module *module = range->module;
    entry->module = module;
    entry->offset = pc + range->delta;
    entry->rule = rule_of(module, entry->offset);
    if (entry->rule.kind == N1_UNWIND_NONE && module->state == N1_MODULE_READY) {
        uint8_t code[CODE_BYTES];
        int64_t n = n1_elf_image_read_vaddr(&module->image, entry->offset + !leaf, code, sizeof(code));
        if (n > 0)
            entry->rule = n1_arch_rule_by_code(code, (size_t)n, leaf);
    }
}

static inline struct entry *look_up(struct n1_walker *walker, struct n1_space *space, uint64_t pc, bool leaf)
{
    /* A leaf and a caller at the same byte may be told apart by code patterns only; both share the slot's pc,
     * so the leaf takes the neighbouring slot. */
    uint64_t hash = ((pc ^ (space->generation << 40)) * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - CACHE_BITS);
    struct entry *entry = &walker->cache[hash ^ leaf];
    if (__builtin_expect(entry->pc != pc || entry->generation != (uint32_t)space->generation, 0))
        fill(walker, space, entry, pc, leaf);
    return entry;
}

static enum n1_walk_end end_of(enum n1_step step)
{
    switch (step) {
    case N1_STEP_END:
        return N1_WALK_COMPLETE;
    case N1_STEP_BAD_FP:
        return N1_WALK_BAD_FP;
    case N1_STEP_NO_PROGRESS:
        return N1_WALK_LOOP;
    default:
        return N1_WALK_SHORT;
    }
}

/* The slow way for the frame at depth `depth`. Returns the step's result; END also when libunwind says so. */
static bool ask_libunwind(struct n1_walker *walker, struct n1_space *space, const struct n1_user_state *state,
                          size_t depth, struct n1_frame_regs *regs, bool *ret_interrupted,
                          enum n1_walk_end *ret_end)
{
    if (!walker->libunwind && n1_libunwind_create(&walker->libunwind) < 0) {
        *ret_end = N1_WALK_LIBUNWIND;
        return false;
    }
    walker->counters.libunwind_steps++;
    int r = n1_libunwind_step(walker->libunwind, space, state, depth, regs, ret_interrupted);
    *ret_end = r == 0 ? N1_WALK_COMPLETE : N1_WALK_LIBUNWIND;
    return r > 0;
}

void n1_walker_walk(struct n1_walker *walker, struct n1_space *space, const struct n1_user_state *state,
                    struct n1_walk_frame *frames, size_t cap, struct n1_walk *ret_walk)
{
    const uint32_t needed = 1u << N1_ARCH_PC | 1u << N1_ARCH_SP;
    struct n1_stack stack = {state->stack, state->regs[N1_ARCH_SP], state->stack_len};
    struct n1_frame_regs regs = {state->regs[N1_ARCH_PC], state->regs[N1_ARCH_SP], state->regs[N1_ARCH_FP],
                                 state->valid >> N1_ARCH_FP & 1};
    struct n1_walk walk = {.end = N1_WALK_TOO_DEEP};
    bool called = false; /* the frame's pc is a return address */
    uint32_t how = 0;    /* flags of the step that found the frame */

    if (cap > walker->max_frames)
        cap = walker->max_frames;
    if ((state->valid & needed) != needed) {
        walk.end = N1_WALK_NO_STACK;
        cap = 0;
    }
    while (walk.count < cap) {
        const struct entry *entry = look_up(walker, space, regs.pc - called, !called);
        struct n1_unwind_rule rule = entry->rule;
        if (rule.kind == N1_UNWIND_UNMAPPED && walk.count > 0) {
            walk.end = how & N1_FRAME_BY_FP ? N1_WALK_BAD_FP : N1_WALK_UNMAPPED;
            break;
        }
        struct n1_walk_frame *frame = &frames[walk.count++];
        *frame = (struct n1_walk_frame){regs.pc, entry->offset, entry->module, how | called};
        walker->counters.steps[rule.kind]++;

        enum n1_step step;
        bool interrupted = rule.kind == N1_UNWIND_SIGNAL, slow = false;
        how = 0;
        if (rule.kind == N1_UNWIND_NONE || rule.kind == N1_UNWIND_UNMAPPED) {
            step = n1_arch_step_fp(&stack, &regs);
            how = N1_FRAME_BY_FP;
            slow = step != N1_STEP_OK && entry->module && !n1_module_absolute(entry->module);
        } else if (rule.kind == N1_UNWIND_FALLBACK) {
            step = N1_STEP_BAD_FP;
            slow = true;
        } else {
            step = n1_arch_step(rule, &stack, &regs);
        }
        if (interrupted)
            frame->flags |= N1_FRAME_SIGNAL;
        if (__builtin_expect(slow, 0)) {
            struct n1_frame_regs before = regs;
            how = N1_FRAME_BY_LIBUNWIND;
            walk.libunwind++;
            if (!ask_libunwind(walker, space, state, walk.count - 1, &regs, &interrupted, &walk.end)) {
                if (rule.kind == N1_UNWIND_NONE && walk.end != N1_WALK_COMPLETE)
                    walk.end = step == N1_STEP_SHORT ? N1_WALK_SHORT : N1_WALK_NO_RULE;
                break;
            }
            if (interrupted)
                frame->flags |= N1_FRAME_SIGNAL;
            else if (regs.sp <= before.sp) {
                walk.end = N1_WALK_LOOP;
                break;
            }
        } else if (step != N1_STEP_OK) {
            walk.end = stack.len == 0 && step != N1_STEP_END ? N1_WALK_NO_STACK : end_of(step);
            break;
        }
        if (regs.pc == 0) { /* threads of other run-times end so */
            walk.end = N1_WALK_COMPLETE;
            break;
        }
        called = !interrupted;
    }
    walk.stack_used = walk.count > 1 ? regs.sp - state->regs[N1_ARCH_SP] : 0;
    walker->counters.walks++;
    walker->counters.frames += walk.count;
    walker->counters.ends[walk.end]++;
    walker->counters.walks_with_libunwind += walk.libunwind > 0;
    *ret_walk = walk;
}
