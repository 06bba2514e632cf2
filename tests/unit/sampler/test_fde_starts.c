/* Function borders from unwind information: those of this very program, and of a damaged copy of it. */
#include "sampler/symbols/fde_starts.h"

#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int first_bias(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    *(uint64_t *)data = info->dlpi_addr;
    return 1; /* the program itself comes first */
}

static uint64_t vaddr_of(void *function)
{
    uint64_t bias = 0;
    dl_iterate_phdr(first_bias, &bias);
    return (uint64_t)(uintptr_t)function - bias;
}

static void every_byte_of_a_function_leads_to_its_first(void **state)
{
    (void)state;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct n1_elf elf;
    assert_int_equal(n1_elf_init(&elf, fd), N1_SYMBOL_FOUND);
    struct n1_fde_starts starts = {0};
    uint64_t start = 0, size = 0, expected = vaddr_of((void *)vaddr_of);
    assert_true(n1_fde_starts_find(&starts, &elf, expected, &start, &size));
    assert_int_equal(start, expected);
    assert_true(size > 0 && size < 4096);
    for (uint64_t at = expected; at < expected + size; at++) {
        uint64_t again = 0, again_size = 0;
        assert_true(n1_fde_starts_find(&starts, &elf, at, &again, &again_size));
        assert_int_equal(again, expected);
    }
    assert_true(!n1_fde_starts_find(&starts, &elf, 0, &start, &size));
    assert_true(!n1_fde_starts_find(&starts, &elf, UINT64_MAX, &start, &size));
    n1_fde_starts_finish(&starts);
    n1_elf_finish(&elf);
    close(fd);
}

/* Whatever the section says, nothing outside the code is ever named, and nothing outside the file is read. */
static void damage_is_survived(void **state)
{
    (void)state;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    uint8_t *image = malloc((size_t)st.st_size), *copy = malloc((size_t)st.st_size);
    assert_int_equal(pread(fd, image, (size_t)st.st_size, 0), st.st_size);
    struct n1_elf elf;
    assert_int_equal(n1_elf_init_memory(&elf, image, (size_t)st.st_size), N1_SYMBOL_FOUND);
    const Elf64_Shdr *section = n1_elf_section(&elf, ".eh_frame_hdr");
    assert_non_null(section);
    uint64_t offset = section->sh_offset, bytes = section->sh_size, address = vaddr_of((void *)vaddr_of);
    n1_elf_finish(&elf);
    srand(7);
    for (int round = 0; round < 300; round++) {
        memcpy(copy, image, (size_t)st.st_size);
        for (int i = 0; i < 1 + round % 40; i++)
            copy[offset + (uint64_t)rand() % (i % 3 ? bytes : 16)] = (uint8_t)rand();
        if (n1_elf_init_memory(&elf, copy, (size_t)st.st_size) != N1_SYMBOL_FOUND)
            continue;
        struct n1_fde_starts starts = {0};
        uint64_t start = 0, size = 0;
        if (n1_fde_starts_find(&starts, &elf, address, &start, &size))
            assert_true(start <= address && n1_elf_is_exec(&elf, start));
        n1_fde_starts_finish(&starts);
        n1_elf_finish(&elf);
    }
    free(image);
    free(copy);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_of_a_function_leads_to_its_first),
        cmocka_unit_test(damage_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
