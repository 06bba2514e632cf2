/*
 * The walker against this very process: its own registers and a copy of its own stack, taken at a known
 * depth, must give the known chain, and the same one as libunwind. Nothing is stopped or traced, so no rights
 * are needed.
 */
#include "sampler/walk/libunwind.h"
#include "sampler/walk/walker.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#define STACK_BYTES 65536

static struct {
    struct n1_user_state state;
    uint8_t stack[STACK_BYTES];
} captured;

/* Under ASan the copy crosses red zones: plain words, unchecked. */
__attribute__((no_sanitize("address"), noinline)) static void copy_stack(uint64_t sp, size_t len)
{
    for (size_t i = 0; i < len / 8; i++)
        ((volatile uint64_t *)captured.stack)[i] = ((const volatile uint64_t *)sp)[i];
}

static uint64_t stack_end(uint64_t sp)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[4400];
    unsigned long long start, end, found = 0;
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps))
        if (sscanf(line, "%llx-%llx", &start, &end) == 2 && sp >= start && sp < end)
            found = end;
    fclose(maps);
    assert_true(found > sp);
    return found;
}

__attribute__((noinline)) static void take(const ucontext_t *context)
{
    static const int gregs[N1_REG_COUNT] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                            REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                            REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    for (int i = 0; i < N1_REG_COUNT; i++)
        captured.state.regs[i] = (uint64_t)context->uc_mcontext.gregs[gregs[i]];
    captured.state.valid = (1u << N1_REG_COUNT) - 1;
    uint64_t sp = captured.state.regs[N1_REG_RSP], len = stack_end(sp) - sp;
    captured.state.stack = captured.stack;
    captured.state.stack_len = len < STACK_BYTES ? len : STACK_BYTES;
    copy_stack(sp, captured.state.stack_len);
}

__attribute__((noinline)) static void capture(void)
{
    ucontext_t context;
    getcontext(&context);
    take(&context);
}

static void on_signal(int signo)
{
    (void)signo;
    capture();
}

static int (*volatile next_step)(int); /* volatile: neither inlined nor made a loop */

__attribute__((noinline)) static int descend(int depth)
{
    volatile int local = depth;
    if (depth > 1)
        return next_step(depth - 1) + local;
    capture();
    return local;
}

__attribute__((noinline)) static int descend_by_signal(int depth)
{
    volatile int local = depth;
    if (depth > 1)
        return descend_by_signal(depth - 1) + local;
    raise(SIGUSR1);
    return local;
}

/* Realigned stack: GCC may describe the CFA by a memory read here. */
__attribute__((noinline)) static int descend_aligned(int depth)
{
    volatile _Alignas(64) uint8_t buffer[64];
    buffer[depth & 63] = 1;
    int r = descend(depth);
    return r + buffer[depth & 63];
}

struct fixture {
    struct n1_modules modules;
    struct n1_space space;
    struct n1_walker *walker;
    struct n1_libunwind *lu;
    struct n1_walk_frame frames[N1_WALK_FRAMES_MAX];
    uint64_t pcs[N1_WALK_FRAMES_MAX];
    struct n1_walk walk;
};

static int setup(void **state)
{
    static struct fixture f;
    next_step = descend;
    f = (struct fixture){0};
    n1_modules_init(&f.modules);
    n1_space_init(&f.space, &f.modules, getpid());
    assert_int_equal(n1_space_load(&f.space, NULL), 0);
    assert_int_equal(n1_walker_create(N1_WALK_FRAMES_MAX, &f.walker), 0);
    assert_int_equal(n1_libunwind_create(&f.lu), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    n1_libunwind_destroy(f->lu);
    n1_walker_destroy(f->walker);
    n1_space_finish(&f->space);
    n1_modules_finish(&f->modules);
    return 0;
}

static void walk(struct fixture *f)
{
    n1_walker_walk(f->walker, &f->space, &captured.state, f->frames, N1_WALK_FRAMES_MAX, &f->walk);
}

static void check_equal_to_libunwind(struct fixture *f)
{
    bool complete;
    size_t count =
        n1_libunwind_chain(f->lu, &f->space, &captured.state, f->pcs, N1_WALK_FRAMES_MAX, &complete);
    assert_true(complete);
    assert_int_equal(f->walk.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(f->frames[i].pc, f->pcs[i]);
}

/* How many frames have the same return address as frame `at`. */
static int same_site(const struct fixture *f, size_t at)
{
    int count = 0;
    for (size_t i = 0; i < f->walk.count; i++)
        count += f->frames[i].pc == f->frames[at].pc;
    return count;
}

static void check_depth(struct fixture *f, int depth)
{
    assert_int_equal(descend(depth), depth * (depth + 1) / 2);
    walk(f);
    assert_int_equal(f->walk.end, N1_WALK_COMPLETE);
    assert_true(f->walk.count > (size_t)depth);
    /* capture, descend(1), then the recursion's call site depth - 1 times */
    assert_int_equal(same_site(f, 2), depth - 1);
    assert_int_equal(f->frames[0].flags & N1_FRAME_CALLER, 0);
    assert_int_equal(f->frames[1].flags & N1_FRAME_CALLER, N1_FRAME_CALLER);
    check_equal_to_libunwind(f);
}

static void test_depths(void **state)
{
    check_depth(*state, 2);
    check_depth(*state, 25);
    check_depth(*state, 65);
}

static void test_offset_lies_in_the_function(void **state)
{
    struct fixture *f = *state;
    descend(3);
    walk(f);
    struct n1_range *range = n1_space_resolve(&f->space, (uint64_t)(uintptr_t)descend);
    assert_non_null(range);
    assert_ptr_equal(f->frames[1].module, range->module);
    uint64_t start = (uint64_t)(uintptr_t)descend + range->delta;
    assert_in_range(f->frames[1].offset, start, start + 1024);
    assert_int_equal(f->frames[1].offset, f->frames[1].pc - 1 + range->delta);
}

static void test_signal_frame(void **state)
{
    struct fixture *f = *state;
    struct sigaction act = {.sa_handler = on_signal}, old;
    assert_int_equal(sigaction(SIGUSR1, &act, &old), 0);
    descend_by_signal(5);
    sigaction(SIGUSR1, &old, NULL);
    walk(f);
    assert_int_equal(f->walk.end, N1_WALK_COMPLETE);
    check_equal_to_libunwind(f);
    size_t at = 0;
    while (at < f->walk.count && !(f->frames[at].flags & N1_FRAME_SIGNAL))
        at++;
    assert_true(at >= 1 && at + 1 < f->walk.count);
    assert_int_equal(f->frames[at + 1].flags & N1_FRAME_CALLER, 0); /* interrupted, not called */
    assert_int_equal(n1_walker_counters(f->walker)->steps[N1_UNWIND_SIGNAL], 1);
}

static void test_realigned_stack(void **state)
{
    struct fixture *f = *state;
    descend_aligned(4);
    walk(f);
    assert_int_equal(f->walk.end, N1_WALK_COMPLETE);
    check_equal_to_libunwind(f);
}

static void test_unknown_frame_pointer(void **state)
{
    struct fixture *f = *state;
    descend(4);
    walk(f);
    size_t whole = f->walk.count;
    captured.state.valid &= ~(1u << N1_REG_RBP);
    captured.state.regs[N1_REG_RBP] = 0x5a5a5a5a;
    walk(f);
    if (f->walk.end == N1_WALK_COMPLETE)
        assert_int_equal(f->walk.count, whole);
    else
        assert_int_equal(f->walk.end, N1_WALK_BAD_FP);
}

static void test_truncated(void **state)
{
    struct fixture *f = *state;
    descend(40);
    walk(f);
    size_t whole = f->walk.count;
    captured.state.stack_len = 4096;
    walk(f);
    assert_int_equal(f->walk.end, N1_WALK_SHORT);
    assert_in_range(f->walk.count, 2, whole - 1);
    captured.state.stack_len = 0;
    walk(f);
    assert_int_equal(f->walk.end, N1_WALK_NO_STACK);
    assert_int_equal(f->walk.count, 1);
    captured.state.valid = 0;
    walk(f);
    assert_int_equal(f->walk.end, N1_WALK_NO_STACK);
    assert_int_equal(f->walk.count, 0);
}

static void test_too_deep(void **state)
{
    struct fixture *f = *state;
    struct n1_walker *small;
    assert_int_equal(n1_walker_create(0, &small), -EINVAL);
    assert_int_equal(n1_walker_create(N1_WALK_FRAMES_MAX + 1, &small), -EINVAL);
    assert_int_equal(n1_walker_create(10, &small), 0);
    descend(40);
    n1_walker_walk(small, &f->space, &captured.state, f->frames, N1_WALK_FRAMES_MAX, &f->walk);
    assert_int_equal(f->walk.end, N1_WALK_TOO_DEEP);
    assert_int_equal(f->walk.count, 10);
    n1_walker_destroy(small);
}

/* Every garbage stack must end by itself, with frames inside known code only. */
static void test_garbage_stacks(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 88172645463325252u;
    for (int round = 0; round < 300; round++) {
        if (round % 10 == 0)
            descend(30);
        for (int i = 0; i < 40; i++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            uint64_t at = seed % (captured.state.stack_len / 8), value = seed * 7;
            if (round % 3 == 0) /* values that look like stack or code */
                value = i & 1 ? captured.state.regs[N1_REG_RSP] + seed % 4096 * 8
                              : captured.state.regs[N1_REG_RIP];
            memcpy(captured.stack + at * 8, &value, 8);
        }
        walk(f);
        assert_in_range(f->walk.count, 1, N1_WALK_FRAMES_MAX);
        for (size_t i = 0; i < f->walk.count; i++)
            assert_non_null(f->frames[i].module);
    }
}

static void test_end_texts(void **state)
{
    (void)state;
    for (int i = 0; i < N1_WALK_ENDS; i++)
        assert_true(strlen(n1_walk_end_text(i)) > 0);
    assert_string_equal(n1_walk_end_text(99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_depths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_offset_lies_in_the_function, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signal_frame, setup, teardown),
        cmocka_unit_test_setup_teardown(test_realigned_stack, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_frame_pointer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_deep, setup, teardown),
        cmocka_unit_test_setup_teardown(test_garbage_stacks, setup, teardown),
        cmocka_unit_test(test_end_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
