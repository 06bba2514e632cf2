/* What a blocked thread waits for, decided from hostile text and memory. */
#include "sampler/blocked.h"
#include "sampler/waits/classify.h"
#include "sampler/waits/lock.h"
#include "sampler/waits/sockets.h"

#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static bool parse(const char *text, struct n1_blocked *ret)
{
    return n1_blocked_parse(text, strlen(text), ret);
}

static void the_syscall_line(void **state)
{
    struct n1_blocked b;
    (void)state;
    assert_true(parse("202 0x7f1 0x80 0x2 0x0 0x0 0x5 0x7ffd3d88f9d8 0x7fde24c0c2ad\n", &b));
    assert_int_equal(b.syscall, 202);
    assert_int_equal(b.args[0], 0x7f1);
    assert_int_equal(b.args[5], 5);
    assert_int_equal(b.sp, 0x7ffd3d88f9d8);
    assert_int_equal(b.pc, 0x7fde24c0c2ad);
    assert_true(parse("-1 0x7ffd3d88f9d8 0x7fde24c0c2ad\n", &b));
    assert_int_equal(b.syscall, -1);
    static const char *const bad[] = {"running\n",
                                      "",
                                      "\n",
                                      "-1\n",
                                      "-1 0x0 0x0\n",
                                      "202 0x1 0x2\n",
                                      "202 0x1 0x2 0x3 0x4 0x5 0x6 0x7\n",
                                      "999999999999999999999 0x1 0x2\n",
                                      "-7 0x1 0x2\n",
                                      "202 x y z 0x4 0x5 0x6 0x7 0x8\n",
                                      "0 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0xfffffffffffffffffffffff\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse(bad[i], &b))
            fail_msg("taken: %s", bad[i]);
    char longest[512];
    memset(longest, '1', sizeof longest);
    assert_false(n1_blocked_parse(longest, sizeof longest, &b));
}

static void classes(void **state)
{
    static const uint64_t none[6], lock[6] = {0, 7 /* F_SETLKW */};
    (void)state;
    assert_int_equal(n1_wait_classify(SYS_futex, none).wait_class, N1_WAIT_LOCK);
    assert_int_equal(n1_wait_classify(SYS_clock_nanosleep, none).wait_class, N1_WAIT_SLEEP);
    assert_int_equal(n1_wait_classify(SYS_recvfrom, none).wait_class, N1_WAIT_NET);
    assert_int_equal(n1_wait_classify(SYS_read, none).how, N1_HOW_FD);
    assert_int_equal(n1_wait_classify(SYS_fdatasync, none).wait_class, N1_WAIT_DISK);
    assert_int_equal(n1_wait_classify(SYS_fcntl, lock).wait_class, N1_WAIT_LOCK);
    assert_int_equal(n1_wait_classify(SYS_fcntl, none).wait_class, N1_WAIT_OTHER);
    assert_int_equal(n1_wait_classify(-1, none).how, N1_HOW_KERNEL);
    assert_int_equal(n1_wait_classify(99999, none).wait_class, N1_WAIT_OTHER);
    assert_int_equal(n1_wait_file_kind("socket:[12]"), N1_FILE_IS_SOCKET);
    assert_int_equal(n1_wait_file_kind("pipe:[12]"), N1_FILE_IS_PIPE);
    assert_int_equal(n1_wait_file_kind("/var/lib/db (deleted)"), N1_FILE_IS_PATH);
    assert_int_equal(n1_wait_file_kind("/dev/pts/3"), N1_FILE_IS_TERMINAL);
    assert_int_equal(n1_wait_file_kind(""), N1_FILE_IS_OTHER);
    assert_int_equal(n1_wait_class_by_name("take_gil", 8), N1_WAIT_GIL);
    assert_int_equal(n1_wait_class_by_name("take_gil.constprop.0", 20), N1_WAIT_GIL);
    assert_int_equal(n1_wait_class_by_name("take_gilded", 11), 0);
    const char *text;
    assert_int_equal(n1_wait_class_by_kernel("folio_wait_bit_common", &text), N1_WAIT_DISK);
    assert_int_equal(n1_wait_class_by_kernel("hrtimer_nanosleep", &text), N1_WAIT_SLEEP);
    assert_int_equal(n1_wait_class_by_kernel("", &text), N1_WAIT_OTHER);
}

static bool lives(const void *context, pid_t tid)
{
    (void)context;
    return tid == 1234 || tid == 77;
}

/* A decode of real objects, put where the look would have read them. */
static struct n1_lock decode(const void *object, size_t bytes, size_t word_at, int op, uint32_t value)
{
    uint8_t around[N1_LOCK_BYTES];
    memset(around, 0xee, sizeof around);
    assert_true(word_at <= N1_LOCK_BEFORE && N1_LOCK_BEFORE - word_at + bytes <= sizeof around);
    memcpy(around + N1_LOCK_BEFORE - word_at, object, bytes);
    uint64_t args[6] = {0x100000 + word_at, (uint64_t)op, value};
    return n1_lock_decode(args, around, N1_LOCK_BEFORE - word_at, N1_LOCK_BEFORE - word_at + bytes, lives,
                          NULL);
}

static void locks(void **state)
{
    (void)state;
    struct {
        int lock;
        unsigned count;
        int owner;
        unsigned users;
        int kind;
        int rest[5];
    } mutex = {2, 0, 1234, 1, 0, {0}};
    struct n1_lock l = decode(&mutex, sizeof mutex, 0, FUTEX_WAIT_PRIVATE, 2);
    assert_int_equal(l.kind, N1_LOCK_MUTEX);
    assert_int_equal(l.owner, 1234);
    assert_int_equal(l.address, 0x100000);
    mutex.owner = 4321; /* nobody of that number: not believed */
    l = decode(&mutex, sizeof mutex, 0, FUTEX_WAIT_PRIVATE, 2);
    assert_int_equal(l.kind, N1_LOCK_PLAIN);
    assert_int_equal(l.owner, 0);
    mutex.owner = 1234;
    mutex.kind = 0x7fffffff;
    assert_int_equal(decode(&mutex, sizeof mutex, 0, FUTEX_WAIT_PRIVATE, 2).kind, N1_LOCK_PLAIN);

    uint32_t word = 1234 | FUTEX_WAITERS; /* robust; priority inheritance */
    l = decode(&word, sizeof word, 0, FUTEX_WAIT, word);
    assert_int_equal(l.kind, N1_LOCK_MUTEX);
    assert_int_equal(l.owner, 1234);
    assert_int_equal(decode(&word, sizeof word, 0, FUTEX_LOCK_PI_PRIVATE, 0).owner, 1234);

    word = 77; /* pthread_join */
    l = decode(&word, sizeof word, 0, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 77);
    assert_int_equal(l.kind, N1_LOCK_JOIN);
    assert_int_equal(l.owner, 77);

    uint32_t rwlock[14] = {1u << 3, 0, 2, 3, 0, 0, 1234, 0}; /* a writer has it */
    l = decode(rwlock, sizeof rwlock, 8, FUTEX_WAIT_BITSET_PRIVATE, 3);
    assert_int_equal(l.kind, N1_LOCK_RWLOCK);
    assert_int_equal(l.owner, 1234);
    assert_int_equal(l.address, 0x100000);

    uint64_t condition[6] = {2, 0, 0, 0, 0, 0};
    assert_int_equal(decode(condition, sizeof condition, 40, FUTEX_WAIT_BITSET_PRIVATE, 0).kind,
                     N1_LOCK_CONDITION);
    /* nothing could be read at all */
    uint64_t args[6] = {0x1000, FUTEX_WAIT_PRIVATE, 2};
    uint8_t nothing[N1_LOCK_BYTES] = {0};
    l = n1_lock_decode(args, nothing, N1_LOCK_BEFORE, N1_LOCK_BEFORE, lives, NULL);
    assert_int_equal(l.owner, 0);
}

/* Any bytes, any arguments: an owner that is named lives. */
static void any_bytes(void **state)
{
    uint64_t x = 88172645463325252u;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint8_t bytes[N1_LOCK_BYTES];
        uint64_t args[6];
        for (size_t k = 0; k < sizeof bytes; k += 8) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            memcpy(bytes + k, &x, 8);
        }
        for (int k = 0; k < 6; k++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            args[k] = k == 1 ? x % 16 : k == 2 ? x % 5 : x;
        }
        size_t from = x % N1_LOCK_BYTES, to = from + x / 7 % (N1_LOCK_BYTES - from + 1);
        struct n1_lock l = n1_lock_decode(args, bytes, from, to, lives, NULL);
        assert_true(l.owner == 0 || lives(NULL, l.owner));
    }
}

static void check_socket(struct n1_sockets *s, uint64_t inode, const char *want)
{
    assert_string_equal(n1_sockets_find(s, -1, inode, 0), want);
}

static void sockets(void **state)
{
    struct n1_sockets s = {.next = UINT64_MAX};
    char tcp[] =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   100        0 501 1 x\n"
        "   1: 0100007F:18EB 0200000A:D431 01 00000000:00000000 00:00000000 00000000   100        0 502 1 x\n"
        "   2: 0200000A:D431 0100000A:1538 01 00000000:00000000 00:00000000 00000000   100        0 503 1 x\n"
        "   3: bad:xx 0100000A:1538 01 0:0 0:0 0 0 0 504 1 x\n"
        "\x1b[31m garbage\n   4: 0200";
    char unix_table[] = "Num RefCount Protocol Flags Type St Inode Path\n"
                        "0000000000000000: 00000003 00000000 00000000 0001 03 601 /run/db.sock\n"
                        "0000000000000000: 00000003 00000000 00000000 0001 03 602\nx";
    (void)state;
    n1_sockets_parse(&s, "tcp", tcp);
    n1_sockets_parse(&s, "unix", unix_table);
    n1_sockets_sort(&s);
    check_socket(&s, 501, "tcp listening at 127.0.0.1:6379");
    check_socket(&s, 502, "tcp client 10.0.0.2 at port 6379");
    check_socket(&s, 503, "tcp 10.0.0.1:5432");
    check_socket(&s, 504, "socket");
    check_socket(&s, 601, "unix /run/db.sock");
    check_socket(&s, 602, "unix");
    check_socket(&s, 1, "socket");
    n1_sockets_finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_syscall_line), cmocka_unit_test(classes), cmocka_unit_test(locks),
        cmocka_unit_test(any_bytes),        cmocka_unit_test(sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
