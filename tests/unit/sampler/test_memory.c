/* Regions of /proc/PID/maps, page tables of this process, and the period of page-fault samples. */
#include "sampler/memory/first_touch.h"
#include "sampler/memory/regions.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void parse(struct n1_regions *regions, const char *text)
{
    assert_int_equal(n1_regions_parse(regions, text, strlen(text)), 0);
}

static enum n1_region_kind kind_at(struct n1_regions *regions, uint64_t address)
{
    const struct n1_region *region = n1_regions_find(regions, address);
    return region ? region->kind : 0;
}

static void kinds(void **state)
{
    (void)state;
    struct n1_regions r = {0};
    parse(&r, "1000-2000 r-xp 00000000 fe:01 77    /bin/a\n"
              "2000-3000 rw-p 00001000 fe:01 77    /bin/a\n"
              "3000-5000 rw-p 00000000 00:00 0     [heap]\n"
              "6000-7000 rw-p 00000000 00:00 0 \n"
              "7000-8000 rw-p 00000000 00:00 0     [anon:glibc: malloc arena]\n"
              "8000-9000 rw-s 00000000 00:01 5     /memfd:x (deleted)\n"
              "9000-a000 rw-s 00000000 00:00 0\n"
              "b000-c000 rw-p 00000000 00:00 0     [stack]\n"
              "d000-e000 r-xp 00000000 00:00 0     [vdso]\n"
              "e000-f000 rw-p 00000000 fe:01 78    [heap]\n");
    assert_int_equal(r.count, 10);
    assert_int_equal(kind_at(&r, 0xfff), 0);
    assert_int_equal(kind_at(&r, 0x1000), N1_REGION_FILE);
    assert_int_equal(kind_at(&r, 0x2fff), N1_REGION_DATA);
    assert_int_equal(kind_at(&r, 0x4000), N1_REGION_HEAP);
    assert_int_equal(kind_at(&r, 0x5000), 0);
    assert_int_equal(kind_at(&r, 0x6000), N1_REGION_ANON);
    assert_int_equal(kind_at(&r, 0x7abc), N1_REGION_ANON);
    assert_int_equal(kind_at(&r, 0x8000), N1_REGION_SHARED);
    assert_int_equal(kind_at(&r, 0x9000), N1_REGION_SHARED);
    assert_int_equal(kind_at(&r, 0xb800), N1_REGION_STACK);
    assert_int_equal(kind_at(&r, 0xd000), N1_REGION_SPECIAL);
    assert_int_equal(kind_at(&r, 0xe000), N1_REGION_DATA); /* a file may have any name */
    assert_int_equal(kind_at(&r, UINT64_MAX), 0);
    n1_regions_finish(&r);
}

static void hostile_lines(void **state)
{
    (void)state;
    struct n1_regions r = {0};
    parse(&r, "");
    assert_int_equal(r.count, 0);
    parse(&r, "x\n\n-\n2000-1000 rw-p 0 0:0 0\n1000-\n1000-2000\n1000-2000 rw\n1000-2000 rw-p\n"
              "1000-2000 rw-p 0 fe:01 \n4000-5000 rw-p 0 0:0 0\n3000-4800 rw-p 0 0:0 0\n"
              "fffffffffffffffff-1 rw-p 0 0:0 0");
    assert_true(r.count >= 1 && r.count <= 3);
    for (size_t i = 1; i < r.count; i++)
        assert_true(r.list[i].start >= r.list[i - 1].end);
    n1_regions_finish(&r);
}

static void own_process(void **state)
{
    (void)state;
    struct n1_regions r = {0};
    int proc = open("/proc/self", O_RDONLY | O_DIRECTORY);
    char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(proc >= 0 && two != MAP_FAILED);
    two[0] = 1;
    assert_int_equal(n1_regions_load(&r, proc, 5), 0);
    assert_int_equal(r.loaded, 5);
    assert_int_equal(kind_at(&r, (uint64_t)(uintptr_t)two), N1_REGION_ANON);
    assert_int_equal(kind_at(&r, (uint64_t)(uintptr_t)&own_process), N1_REGION_FILE);
    assert_int_equal(kind_at(&r, (uint64_t)(uintptr_t)&proc), N1_REGION_STACK);
    int fd = n1_page_map_open(proc);
    assert_true(fd >= 0);
    assert_true(n1_page_map_present(fd, (uint64_t)(uintptr_t)two));
    assert_false(n1_page_map_present(fd, (uint64_t)(uintptr_t)two + 4096));
    assert_false(n1_page_map_present(fd, UINT64_MAX));
    assert_false(n1_page_map_present(-1, (uint64_t)(uintptr_t)two));
    assert_true(n1_page_map_huge(fd, (uint64_t)(uintptr_t)two) <= 0);
    assert_int_equal(n1_page_map_huge(-1, (uint64_t)(uintptr_t)two), -1);
    close(fd);
    munmap(two, 8192);
    close(proc);
    n1_regions_finish(&r);
}

static void huge_page(void **state)
{
    (void)state;
    size_t huge = 2 << 20;
    int proc = open("/proc/self", O_RDONLY | O_DIRECTORY), fd = n1_page_map_open(proc);
    char *raw = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(raw != MAP_FAILED);
    char *at = (char *)(((uintptr_t)raw + huge - 1) & ~(uintptr_t)(huge - 1));
    madvise(at, huge, MADV_HUGEPAGE);
    at[0] = 1;
    int told = n1_page_map_huge(fd, (uint64_t)(uintptr_t)at);
    /* whether there was a huge page to be had is the kernel's business; that the answer fits is ours */
    bool whole = n1_page_map_present(fd, (uint64_t)(uintptr_t)at + huge - 4096);
    if (told >= 0)
        assert_int_equal(told, whole);
    munmap(raw, 2 * huge);
    close(fd);
    close(proc);
}

static void period_follows_the_rate(void **state)
{
    (void)state;
    assert_int_equal(n1_touch_next_period(31, 200, N1_SECOND_NS), 31);
    assert_int_equal(n1_touch_next_period(31, 0, N1_SECOND_NS), 31);
    assert_int_equal(n1_touch_next_period(31, 10, N1_SECOND_NS), 31);
    uint64_t more = n1_touch_next_period(31, 5000, N1_SECOND_NS);
    assert_true(more >= 775 && more < 800);
    for (uint64_t d = 2; d * d <= more; d++)
        assert_true(more % d);
    uint64_t less = n1_touch_next_period(1009, 20, N1_SECOND_NS);
    assert_true(less >= 100 && less < 130);
    assert_true(n1_touch_next_period(9999991, UINT64_MAX / 2, 1) >= 10000000);
    assert_int_equal(n1_touch_next_period(31, 100, 0), 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),     cmocka_unit_test(hostile_lines),           cmocka_unit_test(own_process),
        cmocka_unit_test(huge_page), cmocka_unit_test(period_follows_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
