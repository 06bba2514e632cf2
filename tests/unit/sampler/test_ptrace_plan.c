/*
 * The pure parts of engine B: what a stop means, whether it harmed, how long stops took, the rest after harm.
 */
#include "sampler/engine/ptrace_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

static void rates(void **state)
{
    (void)state;
    assert_int_equal(n1_ptrace_rate_used(0), 1);
    assert_int_equal(n1_ptrace_rate_used(99), 99);
    assert_int_equal(n1_ptrace_rate_used(100), 99);
    assert_int_equal(n1_ptrace_rate_used(250), 241);
    assert_int_equal(n1_ptrace_rate_used(UINT32_MAX), 241);
}

static void stops(void **state)
{
    const struct {
        int status, kind, signal;
    } cases[] = {
        {PTRACE_EVENT_STOP << 16 | SIGTRAP << 8 | 0x7f, N1_PTRACE_TRAP, 0},
        {PTRACE_EVENT_STOP << 16 | SIGSTOP << 8 | 0x7f, N1_PTRACE_GROUP, 0},
        {PTRACE_EVENT_STOP << 16 | SIGTTIN << 8 | 0x7f, N1_PTRACE_GROUP, 0},
        {SIGUSR1 << 8 | 0x7f, N1_PTRACE_SIGNAL, SIGUSR1},
        {SIGSTOP << 8 | 0x7f, N1_PTRACE_SIGNAL, SIGSTOP},
        {SIGTRAP << 8 | 0x7f, N1_PTRACE_SIGNAL, SIGTRAP}, /* a breakpoint of the target's own */
        {63 << 8 | 0x7f, N1_PTRACE_SIGNAL, 63},
        {PTRACE_EVENT_EXEC << 16 | SIGTRAP << 8 | 0x7f, N1_PTRACE_GROUP, 0},
        {0, N1_PTRACE_ENDED, 0},
        {3 << 8, N1_PTRACE_ENDED, 0},
        {SIGKILL, N1_PTRACE_ENDED, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int signal = -1;
        assert_int_equal(n1_ptrace_stop_kind(cases[i].status, &signal), cases[i].kind);
        assert_int_equal(signal, cases[i].signal);
    }
}

static void cut_short(void **state)
{
    const struct {
        struct n1_ptrace_call call;
        bool harmed;
    } cases[] = {
        {{-1, -EINTR, 0}, false},            /* in the midst of its code, whatever rax holds */
        {{SYS_epoll_wait, -EINTR, 0}, true}, /* never taken up again by the kernel */
        {{SYS_epoll_wait, 1, 0}, false},     /* an event had come */
        {{SYS_futex, -512, 0}, false},       /* ERESTARTSYS: taken up again */
        {{SYS_nanosleep, -516, 0}, false},   /* ERESTART_RESTARTBLOCK */
        {{SYS_write, 100, 4096}, true},      /* fewer bytes than asked for */
        {{SYS_write, 4096, 4096}, false},    /* all of them */
        {{SYS_write, -EAGAIN, 4096}, false}, /* its own affair */
        {{SYS_read, 100, 4096}, false},      /* what there was */
        {{SYS_sendto, 1, 2}, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(n1_ptrace_cut_short(&cases[i].call), cases[i].harmed);
}

static void pauses(void **state)
{
    static struct n1_pauses p;
    (void)state;
    assert_int_equal(n1_pauses_quantile(&p, 0.5), 0);
    for (int i = 1; i <= 1000; i++)
        n1_pauses_add(&p, (n1_ns)i * 1000);
    n1_ns half = n1_pauses_quantile(&p, 0.5), most = n1_pauses_quantile(&p, 0.99);
    assert_in_range(half, 500000, 563000); /* classes are an eighth of a power of two wide */
    assert_in_range(most, 990000, 1120000);
    n1_pauses_add(&p, 0);
    n1_pauses_add(&p, UINT64_MAX); /* falls into the last class, and nowhere else */
    for (int i = 0; i < 100000; i++)
        n1_pauses_add(&p, 20000);
    assert_in_range(n1_pauses_quantile(&p, 0.99), 20000, 22600); /* the old are forgotten */
    assert_true(p.count < 10000);
}

static void rests(void **state)
{
    n1_ns rest = 0;
    (void)state;
    assert_int_equal(n1_ptrace_rest(0, false), 0);
    rest = n1_ptrace_rest(rest, true);
    assert_int_equal(rest, N1_SECOND_NS);
    for (int i = 0; i < 20; i++)
        rest = n1_ptrace_rest(rest, true);
    assert_int_equal(rest, 60 * N1_SECOND_NS);
    int clean = 0;
    for (; rest; clean++)
        rest = n1_ptrace_rest(rest, false);
    assert_in_range(clean, 10, 60);
}

static void worth(void **state)
{
    (void)state;
    assert_false(n1_ptrace_worth(0, 0));
    assert_true(n1_ptrace_worth(1, 0));
    assert_true(n1_ptrace_worth(10 * 1000000, 3));    /* computes: 10 ms in slices of 3 */
    assert_false(n1_ptrace_worth(10 * 1000000, 500)); /* an event loop: 20 us each */
    assert_false(n1_ptrace_worth(100 * 1000000, 5000));
    assert_true(n1_ptrace_worth(200 * 1000000, 10000));
    assert_true(n1_ptrace_worth(UINT64_MAX, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates),  cmocka_unit_test(stops), cmocka_unit_test(cut_short),
        cmocka_unit_test(pauses), cmocka_unit_test(rests), cmocka_unit_test(worth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
