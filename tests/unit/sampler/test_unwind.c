/*
 * Rules looked up one at a time, while a table is built, are those of the table: on every border of every row
 * of real files, and beside it.
 */
#include "sampler/walk/unwind.h"
#include "sampler/walk/unwind_early.h"

#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static bool same(struct n1_unwind_rule a, struct n1_unwind_rule b)
{
    return a.kind == b.kind && a.cfa == b.cfa && a.fp == b.fp;
}

/* Compares at most `most` borders, spread over the file. */
static void compare(const struct n1_elf_image *image, const char *path, size_t most)
{
    struct n1_unwind_table *table = n1_unwind_table_build(image);
    struct n1_unwind_early *early = n1_unwind_early_create(image);
    assert_non_null(table);
    assert_non_null(early);
    size_t step = table->count / most + 1, compared = 0;
    for (size_t i = 0; i < table->count; i += step) {
        for (int beside = -1; beside <= 1; beside++) {
            uint64_t vaddr = table->base + table->rows[i].pc + (uint64_t)beside;
            struct n1_unwind_rule want = n1_unwind_table_find(table, vaddr);
            if (!same(want, n1_unwind_early_find(early, vaddr)))
                fail_msg("%s: another rule at %#llx", path, (unsigned long long)vaddr);
            compared++;
        }
    }
    assert_true(compared > 100);
    n1_unwind_early_destroy(early);
    n1_unwind_table_destroy(table);
}

static int on_library(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    const char *path = info->dlpi_name[0] ? info->dlpi_name : "/proc/self/exe";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct n1_elf_image image;
    if (fd < 0)
        return 0; /* the vdso */
    assert_int_equal(n1_elf_image_init_file(&image, fd), 0);
    if (image.eh_frame.size > 4096) {
        compare(&image, path, 20000);
        ++*(int *)data;
    }
    n1_elf_image_finish(&image);
    close(fd);
    return 0;
}

static void one_at_a_time_gives_what_the_table_gives(void **state)
{
    (void)state;
    int files = 0;
    dl_iterate_phdr(on_library, &files);
    assert_true(files >= 2); /* ourselves and libc at least */
}

static int largest(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    if (strstr(info->dlpi_name, "libc.so"))
        *(const char **)data = info->dlpi_name;
    return 0;
}

static void a_large_table_is_built_aside(void **state)
{
    (void)state;
    const char *path = NULL;
    dl_iterate_phdr(largest, &path);
    if (!path)
        skip();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct n1_elf_image image;
    assert_int_equal(n1_elf_image_init_file(&image, fd), 0);
    image.debug_frame.size = 0;
    if (image.eh_frame.size < N1_UNWIND_ASIDE_BYTES)
        image.eh_frame.size = N1_UNWIND_ASIDE_BYTES; /* may reach past its end, as without section headers */
    struct n1_unwind_table *table = n1_unwind_table_build(&image);
    for (int round = 0; round < 20; round++) {
        struct n1_unwind *unwind = n1_unwind_create(&image);
        n1_ns build_ns;
        /* Some of these come before the builder is done, some after; destroying comes at any time, too. */
        for (size_t i = 0; i < table->count; i += 97 + (size_t)round * 50) {
            uint64_t vaddr = table->base + table->rows[i].pc;
            assert_true(same(n1_unwind_find(unwind, vaddr), table->rows[i].rule));
        }
        if (round % 2) {
            n1_unwind_finish_build(unwind);
            assert_non_null(n1_unwind_table_of(unwind, &build_ns));
            assert_int_equal(n1_unwind_table_of(unwind, &build_ns)->count, table->count);
            assert_true(build_ns > 0);
        }
        n1_unwind_destroy(unwind);
    }
    n1_unwind_table_destroy(table);
    n1_elf_image_finish(&image);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_at_a_time_gives_what_the_table_gives),
        cmocka_unit_test(a_large_table_is_built_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
