/*
 * libunwind's remote interface over a stack copy: see the header. Unwind information is offered as a
 * REMOTE_TABLE made from .eh_frame_hdr, which dwarf_search_unwind_table searches through access_mem; that
 * function is not in the public header but exported by every libunwind, and is what perf uses. Bytes of
 * modules come from their files through a few cached pages. Images are hostile: a budget of accesses a step
 * ends what would not end by itself (DW_OP_skip backwards, a forged table).
 */
#include "sampler/walk/libunwind.h"

#include <errno.h>
#include <libunwind.h>
#include <stdlib.h>

#define PAGE_BYTES 4096
#define PAGES 32            /* 128 KiB of unwind sections kept */
#define ACCESS_BUDGET 20000 /* accesses a step; an honest step without cache needs about 100 */
#define CACHED_PROCS 1024

int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t as, unw_word_t ip, unw_dyn_info_t *di,
                                       unw_proc_info_t *pi, int need_unwind_info, void *arg);

struct page {
    const struct n1_module *module;
    uint64_t vaddr; /* of the first byte, page-aligned */
    size_t len;     /* bytes there are */
    uint8_t bytes[PAGE_BYTES];
};

struct n1_libunwind {
    unw_addr_space_t as;
    uint64_t generation; /* of the space the cache was filled for */
    /* of the walk at work */
    struct n1_space *space;
    const struct n1_user_state *state;
    const struct n1_frame_regs *start; /* instead of the leaf's registers, or NULL */
    const struct n1_module *module;    /* whose unwind information is being read */
    uint64_t bias;                     /* its address in the target minus its ELF virtual address */
    unsigned budget;
    bool lend_fp; /* the oracle's help in epilogues, see access_mem */
    struct page pages[PAGES];
};

/* Copies a word of the module at an ELF virtual address; words over the end of a page are read on their own.
 */
static bool module_word(struct n1_libunwind *lu, const struct n1_module *module, uint64_t vaddr,
                        uint64_t *ret)
{
    uint64_t page_vaddr = vaddr & ~(uint64_t)(PAGE_BYTES - 1);
    size_t into = (size_t)(vaddr - page_vaddr);
    if (into > PAGE_BYTES - 8)
        return n1_elf_image_read_vaddr(&module->image, vaddr, ret, 8) == 8;
    struct page *page = &lu->pages[(page_vaddr / PAGE_BYTES) % PAGES];
    if (page->module != module || page->vaddr != page_vaddr || page->len == 0) {
        page->module = module;
        page->vaddr = page_vaddr;
        page->len = 0;
        int64_t n = n1_elf_image_read_vaddr(&module->image, page_vaddr, page->bytes, PAGE_BYTES);
        if (n <= 0) /* the segment begins inside the page */
            return n1_elf_image_read_vaddr(&module->image, vaddr, ret, 8) == 8;
        page->len = (size_t)n;
    }
    if (page->len < into + 8)
        return n1_elf_image_read_vaddr(&module->image, vaddr, ret, 8) == 8;
    memcpy(ret, page->bytes + into, 8);
    return true;
}

static int access_mem(unw_addr_space_t as, unw_word_t address, unw_word_t *value, int write, void *arg)
{
    (void)as;
    struct n1_libunwind *lu = arg;
    const struct n1_user_state *state = lu->state;
    struct n1_stack stack = {state->stack, state->regs[N1_ARCH_SP], state->stack_len};
    uint64_t word;
    if (write || lu->budget == 0)
        return -UNW_EINVAL;
    lu->budget--;
    if (n1_stack_word(&stack, address, &word)) {
        *value = word;
        return 0;
    }
    if (lu->module && module_word(lu, lu->module, address - lu->bias, &word)) {
        *value = word;
        return 0;
    }
    struct n1_range *range = n1_space_resolve(lu->space, address);
    if (range && range->module->state == N1_MODULE_READY &&
        module_word(lu, range->module, address + range->delta, &word)) {
        *value = word;
        return 0;
    }
    /* Just below sp lie registers popped in an epilogue whose CFI still says "saved there". For the frame
     * pointer, the one that decides the rest of the walk, the popped value is the live one. */
    if (address < stack.base && stack.base - address <= 128 && (state->valid >> N1_ARCH_FP & 1)) {
        *value = state->regs[N1_ARCH_FP];
        return 0;
    }
    return -UNW_EINVAL;
}

/* libunwind numbers x86-64 registers as DWARF does, up to the instruction pointer. */
static int access_reg(unw_addr_space_t as, unw_regnum_t reg, unw_word_t *value, int write, void *arg)
{
    (void)as;
    const struct n1_libunwind *lu = arg;
    if (write || reg < 0 || reg >= N1_REG_COUNT)
        return -UNW_EBADREG;
    if (lu->start) {
        if (reg == N1_ARCH_PC)
            *value = lu->start->pc;
        else if (reg == N1_ARCH_SP)
            *value = lu->start->sp;
        else if (reg == N1_ARCH_FP && lu->start->fp_known)
            *value = lu->start->fp;
        else
            *value = 0; /* not known; refusing would make unw_init_remote fail */
        return 0;
    }
    *value = lu->state->valid >> reg & 1 ? lu->state->regs[reg] : 0;
    return 0;
}

static int access_fpreg(unw_addr_space_t as, unw_regnum_t reg, unw_fpreg_t *value, int write, void *arg)
{
    (void)as, (void)reg, (void)value, (void)write, (void)arg;
    return -UNW_EBADREG;
}

static int resume(unw_addr_space_t as, unw_cursor_t *cursor, void *arg)
{
    (void)as, (void)cursor, (void)arg;
    return -UNW_EINVAL;
}

static int dyn_info_list(unw_addr_space_t as, unw_word_t *address, void *arg)
{
    (void)as, (void)address, (void)arg;
    return -UNW_ENOINFO;
}

static void put_unwind_info(unw_addr_space_t as, unw_proc_info_t *info, void *arg)
{
    (void)as, (void)info, (void)arg;
}

/* Looks the pc up in the module's .eh_frame_hdr. Only the header that every linker writes is taken:
 * pc-relative pointer, 4-byte count, table of sdata4 pairs relative to the header. */
static int find_proc_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *info, int need, void *arg)
{
    struct n1_libunwind *lu = arg;
    struct n1_range *range = n1_space_resolve(lu->space, ip);
    if (!range || range->module->state != N1_MODULE_READY || range->module->image.eh_frame_hdr.size < 12)
        return -UNW_ENOINFO;
    const struct n1_elf_image *image = &range->module->image;
    uint8_t hdr[12];
    uint32_t count;
    if (n1_elf_image_read(image, image->eh_frame_hdr.offset, hdr, sizeof(hdr)) != (int64_t)sizeof(hdr))
        return -UNW_ENOINFO;
    memcpy(&count, hdr + 8, 4);
    if (hdr[0] != 1 || hdr[1] != 0x1b || hdr[2] != 0x03 || hdr[3] != 0x3b || count == 0 ||
        count > (image->eh_frame_hdr.size - 12) / 8)
        return -UNW_ENOINFO;
    lu->module = range->module;
    lu->bias = 0 - range->delta;
    unw_dyn_info_t di = {
        .format = UNW_INFO_FORMAT_REMOTE_TABLE, .start_ip = range->start, .end_ip = range->end};
    di.u.rti.segbase = image->eh_frame_hdr.vaddr + lu->bias;
    di.u.rti.table_data = di.u.rti.segbase + 12;
    di.u.rti.table_len = (unw_word_t)count * 8 / sizeof(unw_word_t);
    return UNW_OBJ(dwarf_search_unwind_table)(as, ip, &di, info, need, arg);
}

int n1_libunwind_create(struct n1_libunwind **ret_lu)
{
    static unw_accessors_t accessors = {.find_proc_info = find_proc_info,
                                        .put_unwind_info = put_unwind_info,
                                        .get_dyn_info_list_addr = dyn_info_list,
                                        .access_mem = access_mem,
                                        .access_reg = access_reg,
                                        .access_fpreg = access_fpreg,
                                        .resume = resume};
    struct n1_libunwind *lu = calloc(1, sizeof(*lu));
    if (!lu)
        return -ENOMEM;
    lu->as = unw_create_addr_space(&accessors, 0);
    if (!lu->as) {
        free(lu);
        return -ENOMEM;
    }
    unw_set_caching_policy(lu->as, UNW_CACHE_GLOBAL);
    unw_set_cache_size(lu->as, CACHED_PROCS, 0);
    *ret_lu = lu;
    return 0;
}

void n1_libunwind_destroy(struct n1_libunwind *lu)
{
    if (!lu)
        return;
    unw_destroy_addr_space(lu->as);
    free(lu);
}

static int start(struct n1_libunwind *lu, unw_cursor_t *cursor, struct n1_space *space,
                 const struct n1_user_state *state, const struct n1_frame_regs *from, bool lend_fp)
{
    lu->space = space;
    lu->state = state;
    lu->start = from;
    lu->lend_fp = lend_fp;
    lu->module = NULL;
    lu->budget = ACCESS_BUDGET;
    if (lu->generation != space->generation) {
        unw_flush_cache(lu->as, 0, 0);
        for (size_t i = 0; i < PAGES; i++)
            lu->pages[i].len = 0;
        lu->generation = space->generation;
    }
    return unw_init_remote(cursor, lu->as, lu);
}

static bool get(unw_cursor_t *cursor, int reg, uint64_t *ret)
{
    unw_word_t value;
    if (unw_get_reg(cursor, reg, &value) < 0)
        return false;
    *ret = value;
    return true;
}

static int step(struct n1_libunwind *lu, unw_cursor_t *cursor)
{
    lu->budget = ACCESS_BUDGET;
    return unw_step(cursor);
}

int n1_libunwind_step(struct n1_libunwind *lu, struct n1_space *space, const struct n1_user_state *state,
                      size_t depth, struct n1_frame_regs *regs, bool *ret_interrupted)
{
    unw_cursor_t cursor;
    struct n1_frame_regs from = *regs, to = {.fp_known = true};
    uint64_t pc = 0, sp = 0;
    bool there = start(lu, &cursor, space, state, NULL, false) == 0;
    for (size_t i = 0; there && i < depth; i++)
        there = step(lu, &cursor) > 0;
    there = there && get(&cursor, N1_ARCH_PC, &pc) && get(&cursor, N1_ARCH_SP, &sp) && pc == from.pc &&
            sp == from.sp;
    if (!there && start(lu, &cursor, space, state, &from, false) < 0)
        return -ENODATA;
    bool interrupted = unw_is_signal_frame(&cursor) > 0;
    int r = step(lu, &cursor);
    if (r < 0)
        return -ENODATA;
    if (r == 0)
        return 0;
    if (!get(&cursor, N1_ARCH_PC, &to.pc) || !get(&cursor, N1_ARCH_SP, &to.sp))
        return -ENODATA;
    to.fp_known = get(&cursor, N1_ARCH_FP, &to.fp);
    *regs = to;
    *ret_interrupted = interrupted;
    return 1;
}

size_t n1_libunwind_chain(struct n1_libunwind *lu, struct n1_space *space, const struct n1_user_state *state,
                          uint64_t *pcs, size_t cap, bool *ret_complete)
{
    unw_cursor_t cursor;
    size_t count = 0;
    int r = start(lu, &cursor, space, state, NULL, true) < 0 ? -1 : 1;
    while (r > 0 && count < cap && get(&cursor, N1_ARCH_PC, &pcs[count]) && pcs[count] != 0) {
        count++;
        r = step(lu, &cursor);
    }
    *ret_complete = r == 0;
    return count;
}
