/* Records laid out by hand as linux/perf_event.h says, cut at every length. */
#include "sampler/engine/perf_record.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static _Alignas(8) uint8_t record[65536];
static size_t len;

static void begin(uint32_t type, uint16_t misc)
{
    struct perf_event_header header = {.type = type, .misc = misc};

    memset(record, 0xee, sizeof(record));
    memcpy(record, &header, sizeof(header));
    len = sizeof(header);
}

static void u64(uint64_t value)
{
    memcpy(record + len, &value, 8);
    len += 8;
}

static void u32x2(uint32_t a, uint32_t b)
{
    memcpy(record + len, &a, 4);
    memcpy(record + len + 4, &b, 4);
    len += 8;
}

static void text(const char *s)
{
    size_t padded = (strlen(s) + 8) & ~(size_t)7;

    memset(record + len, 0, padded);
    memcpy(record + len, s, strlen(s));
    len += padded;
}

static void end(void)
{
    uint16_t size = (uint16_t)len;

    memcpy(record + offsetof(struct perf_event_header, size), &size, 2);
}

static void trailer(uint64_t time)
{
    u32x2(7, 8);
    u64(time);
    u32x2(1, 0);
    u64(99);
    end();
}

static void sample_head(void)
{
    u64(42);         /* identifier */
    u64(0x401000);   /* ip */
    u32x2(100, 101); /* pid, tid */
    u64(5000);       /* time */
    u32x2(3, 0);     /* cpu */
    u64(1003009);    /* period */
}

/* Each register's value is its kernel bit number, so that the order can be checked. */
static void sample_regs(uint64_t abi)
{
    u64(abi);
    for (unsigned bit = 0; bit < 24; bit++) {
        if (N1_PERF_USER_REGS >> bit & 1)
            u64(bit);
    }
}

static void sample_stack(uint64_t size, uint64_t dyn_size)
{
    u64(size);
    for (uint64_t i = 0; i < size / 8; i++)
        u64(i);
    if (size)
        u64(dyn_size);
}

static void whole_sample(void)
{
    begin(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_KERNEL);
    sample_head();
    u64(3);
    u64((uint64_t)PERF_CONTEXT_KERNEL);
    u64(0xffffffff81000010);
    u64(0xffffffff81000020);
    sample_regs(PERF_SAMPLE_REGS_ABI_64);
    sample_stack(64, 24);
    end();
}

static void a_sample_is_taken_apart(void **state)
{
    struct perf_event_header header;
    struct n1_raw_sample s;
    uint64_t id;
    (void)state;
    whole_sample();
    memcpy(&header, record, sizeof(header));
    assert_int_equal(n1_perf_record_time_offset(&header), 32);
    assert_int_equal(n1_perf_record_sample_pid(record, len), 100);
    assert_int_equal(n1_perf_record_sample_pid(record, 27), -1);
    assert_int_equal(n1_perf_record_sample(record, len, true, &s, &id), 0);
    assert_int_equal(id, 42);
    assert_int_equal(s.time, 5000);
    assert_int_equal(s.pid, 100);
    assert_int_equal(s.tid, 101);
    assert_int_equal(s.cpu, 3);
    assert_int_equal(s.weight_ns, 1003009);
    assert_true(s.in_kernel);
    assert_int_equal(s.kernel_len, 2);
    assert_true(s.kernel[0] == 0xffffffff81000010);
    assert_true(s.kernel[1] == 0xffffffff81000020);
    assert_int_equal(s.user.valid, (1u << N1_REG_COUNT) - 1);
    /* asm/perf_regs.h: AX BX CX DX SI DI BP SP IP are 0..8, R8..R15 are 16..23 */
    static const uint8_t bits[N1_REG_COUNT] = {0, 3, 2, 1, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 8};
    for (unsigned i = 0; i < N1_REG_COUNT; i++)
        assert_int_equal(s.user.regs[i], bits[i]);
    assert_int_equal(s.user.stack_len, 24);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(((const uint64_t *)(const void *)s.user.stack)[i], i);
}

static void a_cut_sample_is_refused_at_every_length(void **state)
{
    (void)state;
    whole_sample();
    for (size_t cut = 0; cut < len; cut++) {
        struct n1_raw_sample s = {.pid = -5};
        uint64_t id = 77;
        uint8_t *tight = malloc(cut ? cut : 1); /* so that a sanitizer sees a read beyond it */
        memcpy(tight, record, cut);
        assert_int_equal(n1_perf_record_sample(tight, cut, true, &s, &id), -EBADMSG);
        assert_int_equal(s.pid, -5);
        assert_int_equal(id, 77);
        free(tight);
    }
}

static void lying_lengths_are_refused(void **state)
{
    struct n1_raw_sample s;
    uint64_t id;
    (void)state;
    begin(PERF_RECORD_SAMPLE, 0);
    sample_head();
    u64(UINT64_MAX / 8 + 2); /* frames */
    sample_regs(PERF_SAMPLE_REGS_ABI_64);
    sample_stack(64, 64);
    assert_int_equal(n1_perf_record_sample(record, len, true, &s, &id), -EBADMSG);
    begin(PERF_RECORD_SAMPLE, 0);
    sample_head();
    sample_regs(PERF_SAMPLE_REGS_ABI_64);
    u64(UINT64_MAX - 7); /* stack bytes */
    u64(0);
    assert_int_equal(n1_perf_record_sample(record, len, false, &s, &id), -EBADMSG);
    begin(PERF_RECORD_SAMPLE, 0);
    sample_head();
    sample_regs(PERF_SAMPLE_REGS_ABI_64);
    sample_stack(64, 72); /* more copied than there is */
    assert_int_equal(n1_perf_record_sample(record, len, false, &s, &id), -EBADMSG);
}

static void tasks_without_or_with_another_user_side(void **state)
{
    struct n1_raw_sample s;
    uint64_t id;
    (void)state;
    begin(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_KERNEL);
    sample_head();
    u64(0);
    u64(PERF_SAMPLE_REGS_ABI_NONE);
    u64(0);
    assert_int_equal(n1_perf_record_sample(record, len, true, &s, &id), 0);
    assert_int_equal(s.user.valid, 0);
    assert_int_equal(s.user.stack_len, 0);
    assert_null(s.kernel);
    begin(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER);
    sample_head();
    sample_regs(PERF_SAMPLE_REGS_ABI_32);
    sample_stack(64, 64);
    assert_int_equal(n1_perf_record_sample(record, len, false, &s, &id), 0);
    assert_false(s.in_kernel);
    assert_int_equal(s.user.valid, 1u << N1_REG_RIP | 1u << N1_REG_RSP);
    assert_int_equal(s.user.stack_len, 0);
}

static void a_mapping_and_its_path(void **state)
{
    struct perf_event_header header;
    struct n1_mmap_event e;
    (void)state;
    begin(PERF_RECORD_MMAP2, 0);
    u32x2(100, 101);
    u64(0x7f0000000000);
    u64(0x2000);
    u64(0x1000);
    u32x2(8, 1);
    u64(123456);
    u64(0);
    u32x2(5, 2);
    size_t path_at = len;
    text("/usr/lib/libx.so (deleted)");
    trailer(777);
    memcpy(&header, record, sizeof(header));
    uint64_t time;
    memcpy(&time, record + n1_perf_record_time_offset(&header), 8);
    assert_int_equal(time, 777);
    assert_int_equal(n1_perf_record_mmap(record, len, &e), 0);
    assert_true(e.start == 0x7f0000000000 && e.end == 0x7f0000002000 && e.file_offset == 0x1000);
    assert_int_equal(e.pid, 100);
    assert_int_equal(e.dev_major, 8);
    assert_int_equal(e.dev_minor, 1);
    assert_int_equal(e.inode, 123456);
    assert_string_equal(e.path, "/usr/lib/libx.so (deleted)");
    memset(record + path_at, 'x', len - 32 - path_at); /* a path without an end */
    assert_int_equal(n1_perf_record_mmap(record, len, &e), -EBADMSG);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(n1_perf_record_mmap(record, cut, &e), -EBADMSG);
}

static void names_tasks_and_losses(void **state)
{
    pid_t pid, tid, parent_pid, parent_tid;
    const char *name;
    (void)state;
    begin(PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC);
    u32x2(5, 6);
    text("we) ird\n");
    trailer(1);
    assert_int_equal(n1_perf_record_comm(record, len, &pid, &tid, &name), 0);
    assert_int_equal(pid, 5);
    assert_int_equal(tid, 6);
    assert_string_equal(name, "we) ird\n");
    assert_int_equal(n1_perf_record_comm(record, 40, &pid, &tid, &name), -EBADMSG);
    begin(PERF_RECORD_FORK, 0);
    u32x2(11, 12);
    u32x2(13, 14);
    u64(900);
    trailer(2);
    assert_int_equal(n1_perf_record_task(record, len, &pid, &parent_pid, &tid, &parent_tid), 0);
    assert_true(pid == 11 && parent_pid == 12 && tid == 13 && parent_tid == 14);
    assert_int_equal(n1_perf_record_task(record, 23, &pid, &parent_pid, &tid, &parent_tid), -EBADMSG);
    begin(PERF_RECORD_LOST, 0);
    u64(1);
    u64(17);
    trailer(3);
    assert_int_equal(n1_perf_record_lost(record, len), 17);
    assert_int_equal(n1_perf_record_lost(record, 16), 0);
    begin(PERF_RECORD_LOST_SAMPLES, 0);
    u64(18);
    trailer(4);
    assert_int_equal(n1_perf_record_lost(record, len), 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_is_taken_apart),
        cmocka_unit_test(a_cut_sample_is_refused_at_every_length),
        cmocka_unit_test(lying_lengths_are_refused),
        cmocka_unit_test(tasks_without_or_with_another_user_side),
        cmocka_unit_test(a_mapping_and_its_path),
        cmocka_unit_test(names_tasks_and_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
