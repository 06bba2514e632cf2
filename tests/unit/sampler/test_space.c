/*
 * Address spaces and modules: hostile maps text, mappings that replace each other, fork, exec, re-reads, and
 * the opening of files that are (and are not) what the mapping says. Uses this process and files it makes.
 */
#include "sampler/target/space.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct n1_modules modules;
    struct n1_space space;
};

static int setup(void **state)
{
    static struct fixture f;
    n1_modules_init(&f.modules);
    n1_space_init(&f.space, &f.modules, getpid());
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    n1_space_finish(&f->space);
    n1_modules_finish(&f->modules);
    return 0;
}

static void check_sorted(const struct n1_space *space)
{
    for (size_t i = 0; i < space->count; i++) {
        assert_true(space->ranges[i].start < space->ranges[i].end);
        assert_non_null(space->ranges[i].module);
        if (i)
            assert_true(space->ranges[i - 1].end <= space->ranges[i].start);
    }
}

static void map(struct n1_space *space, uint64_t start, uint64_t end, uint64_t offset, uint64_t inode)
{
    char path[32];
    snprintf(path, sizeof(path), inode ? "/lib/%llu.so" : "//anon", (unsigned long long)inode);
    struct n1_mmap_event event = {
        .start = start, .end = end, .file_offset = offset, .dev_major = 250, .inode = inode, .path = path};
    uint64_t generation = space->generation;
    assert_int_equal(n1_space_map(space, &event), 0);
    assert_true(space->generation > generation);
    check_sorted(space);
}

static void check_at(struct n1_space *space, uint64_t address, uint64_t inode, uint64_t offset)
{
    struct n1_range *range = n1_space_find(space, address);
    assert_non_null(range);
    assert_int_equal(range->module->inode, inode);
    assert_int_equal(address - range->start + range->file_offset, offset);
}

static void test_overlaps(void **state)
{
    struct fixture *f = *state;
    struct n1_space *s = &f->space;
    map(s, 0x10000, 0x20000, 0, 1);
    map(s, 0x30000, 0x40000, 0x5000, 2);
    map(s, 0x14000, 0x18000, 0x1000, 3); /* inside the first: splits it */
    assert_int_equal(s->count, 4);
    check_at(s, 0x13fff, 1, 0x3fff);
    check_at(s, 0x14000, 3, 0x1000);
    check_at(s, 0x18000, 1, 0x8000);
    map(s, 0x1f000, 0x31000, 0, 4); /* cuts one on each side */
    check_at(s, 0x1efff, 1, 0xefff);
    check_at(s, 0x20000, 4, 0x1000);
    check_at(s, 0x31000, 2, 0x6000);
    map(s, 0, 0x100000, 0, 5); /* buries all */
    assert_int_equal(s->count, 1);
    check_at(s, 0x14000, 5, 0x14000);
    map(s, 0x100000, 0x101000, 0, 0);
    assert_null(n1_space_find(s, 0x101000));
    assert_null(n1_space_find(s, UINT64_MAX));
    struct n1_mmap_event bad = {.start = 0x2000, .end = 0x2000, .path = "/x"};
    uint64_t generation = s->generation;
    assert_int_equal(n1_space_map(s, &bad), -EINVAL);
    bad = (struct n1_mmap_event){.start = 0x2000, .end = UINT64_MAX, .path = NULL};
    assert_int_equal(n1_space_map(s, &bad), -EINVAL);
    assert_int_equal(s->generation, generation);
}

static void test_random_overlaps(void **state)
{
    struct fixture *f = *state;
    static uint8_t truth[256]; /* inode at each page */
    uint32_t seed = 7;
    memset(truth, 0, sizeof(truth));
    for (int round = 0; round < 2000; round++) {
        seed = seed * 1664525 + 1013904223;
        unsigned start = seed >> 24, len = 1 + (seed >> 16) % 40, inode = 1 + (seed >> 8) % 200;
        unsigned end = start + len < 256 ? start + len : 256;
        map(&f->space, start * 0x1000, end * 0x1000, start * 0x1000, inode);
        memset(truth + start, (int)inode, end - start);
        for (unsigned page = 0; page < 256; page += 5) {
            struct n1_range *range = n1_space_find(&f->space, page * 0x1000 + 0x123);
            assert_int_equal(range ? range->module->inode : 0, truth[page]);
            if (range)
                assert_int_equal(range->file_offset - range->start, 0);
        }
    }
    assert_true(f->modules.count <= 200);
}

static void test_hostile_maps(void **state)
{
    struct fixture *f = *state;
    static char text[300000];
    static const char good[] = "00400000-00500000 r-xp 00001000 fa:01 77  /bin/a b\n"
                               "00600000-00700000 rw-p 00000000 fa:01 77 /bin/data\n"
                               "garbage\n"
                               "\n"
                               "zz-yy r-xp 0 0:0 0\n"
                               "00900000-00800000 r-xp 0 00:00 0 \n"
                               "-ffffffffffffffff r-xp 0 00:00 0\n"
                               "7ffe0000-7fff0000 rwxp 00000000 00:00 0 [stack]\n"
                               "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n"
                               "00a00000-00b00000 rwxp 00000000 00:00 0\n"
                               "00c00000-00d00000 r-xp 00000000 fa:01 78 /tmp/x\\012y (deleted)\n";
    size_t len = sizeof(good) - 1;
    memcpy(text, good, len);
    memset(text + len, 'x', 100000); /* a line longer than any path */
    len += 100000;
    len +=
        (size_t)snprintf(text + len, sizeof(text) - len, "\n00e00000-00f00000 r-xp 00000000 fa:01 79 /last");
    assert_int_equal(n1_space_parse(&f->space, text, len), 0);
    check_sorted(&f->space);
    assert_int_equal(f->space.count, 5);
    assert_string_equal(n1_space_find(&f->space, 0x400000)->module->path, "/bin/a b");
    assert_int_equal(n1_space_find(&f->space, 0xa00000)->module->kind, N1_MODULE_ANON);
    assert_true(n1_space_find(&f->space, 0xc00000)->module->deleted);
    assert_string_equal(n1_space_find(&f->space, 0xc00000)->module->path, "/tmp/x\\012y");
    assert_string_equal(n1_space_find(&f->space, 0xe00000)->module->path, "/last");
    assert_int_equal(f->space.stack_start, 0x7ffe0000);
    assert_true(f->space.skipped >= 5);
    for (size_t cut = 0; cut < sizeof(good); cut++) /* every prefix */
        assert_int_equal(n1_space_parse(&f->space, good, cut), 0);
}

static void test_reread_keeps_generation(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(n1_space_load(&f->space, NULL), 0);
    assert_true(f->space.count > 2);
    uint64_t generation = f->space.generation;
    size_t modules = f->modules.count;
    assert_int_equal(n1_space_load(&f->space, NULL), 0);
    assert_int_equal(f->space.generation, generation);
    assert_int_equal(f->modules.count, modules);
    void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(code != MAP_FAILED);
    assert_int_equal(n1_space_load(&f->space, NULL), 0);
    assert_true(f->space.generation > generation);
    struct n1_range *range = n1_space_resolve(&f->space, (uint64_t)(uintptr_t)code);
    assert_int_equal(range->module->kind, N1_MODULE_ANON);
    assert_int_equal(range->delta, 0); /* absolute addresses */
    struct n1_module *anon = f->space.anon;
    munmap(code, 4096);
    void *other = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(n1_space_load(&f->space, NULL), 0);
    assert_ptr_equal(f->space.anon, anon); /* the process keeps its one module */
    munmap(other, 8192);
}

static void test_own_code_resolves(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(n1_space_load(&f->space, NULL), 0);
    uint64_t here = (uint64_t)(uintptr_t)test_own_code_resolves;
    struct n1_range *range = n1_space_find(&f->space, here);
    assert_non_null(range);
    assert_int_equal(range->module->state, N1_MODULE_UNSEEN); /* attaching opens nothing */
    range = n1_space_resolve(&f->space, here);
    assert_int_equal(range->module->state, N1_MODULE_READY);
    assert_true(range->module->image.eh_frame.size > 0);
    /* The bytes at the computed virtual address are the code's own. */
    uint8_t bytes[32];
    assert_int_equal(
        n1_elf_image_read_vaddr(&range->module->image, here + range->delta, bytes, sizeof(bytes)), 32);
    assert_memory_equal(bytes, (const void *)(uintptr_t)here, sizeof(bytes));
    assert_true(n1_elf_image_is_text(&range->module->image, here + range->delta));
    for (size_t i = 0; i < f->space.count; i++)
        if (f->space.ranges[i].module->kind == N1_MODULE_VDSO)
            assert_int_equal(f->space.ranges[i].module->state, N1_MODULE_READY);
}

static void test_fork_and_exec(void **state)
{
    struct fixture *f = *state;
    struct n1_space child;
    map(&f->space, 0x10000, 0x20000, 0, 1);
    map(&f->space, 0x20000, 0x30000, 0, 0);
    assert_int_equal(n1_space_clone(&child, &f->space, 99), 0);
    assert_int_not_equal(child.generation, f->space.generation);
    assert_ptr_equal(n1_space_find(&child, 0x10000)->module, n1_space_find(&f->space, 0x10000)->module);
    assert_ptr_not_equal(n1_space_find(&child, 0x20000)->module, n1_space_find(&f->space, 0x20000)->module);
    n1_space_reset(&f->space);
    assert_null(n1_space_find(&f->space, 0x10000));
    check_at(&child, 0x10000, 1, 0); /* outlives its parent's exec */
    n1_space_finish(&child);
    assert_int_equal(f->modules.unused, 1); /* the library waits for its return, anonymous modules are gone */
    assert_int_equal(f->modules.count, 1);
}

static void test_modules_are_shared_and_evicted(void **state)
{
    struct fixture *f = *state;
    map(&f->space, 0x10000, 0x20000, 0, 1);
    struct n1_module *first = n1_space_find(&f->space, 0x10000)->module;
    first->model_id = 42;
    map(&f->space, 0x10000, 0x20000, 0, 2); /* dlclose, dlopen of another */
    map(&f->space, 0x10000, 0x20000, 0, 1); /* and back */
    assert_int_equal(n1_space_find(&f->space, 0x10000)->module->model_id, 42);
    for (uint64_t inode = 10; inode < 200; inode++)
        map(&f->space, 0x10000, 0x20000, 0, inode);
    assert_true(f->modules.count < 50); /* churn does not grow for ever */
}

/* A registered mapping of `path` in a process that does not exist, so that only the path leads to the file.
 */
static struct n1_module *module_of_path(struct fixture *f, const char *path, uint64_t inode_xor)
{
    struct stat st;
    struct n1_module_hint hint = {.pid = 0x7fffffff, .start = 0x1000, .end = 0x2000};
    assert_int_equal(stat(path, &st), 0);
    return n1_modules_file(&f->modules, path, major(st.st_dev), minor(st.st_dev), st.st_ino ^ inode_xor,
                           &hint);
}

static void test_only_the_mapped_file_opens(void **state)
{
    struct fixture *f = *state;
    char dir[] = "/tmp/n1-space-XXXXXX", path[64], fifo[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/file", dir);
    snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "not an ELF file", 15), 15);
    assert_int_equal(mkfifo(fifo, 0600), 0);

    struct n1_module *text = module_of_path(f, path, 0);
    assert_int_equal(n1_module_open(text), -ENOEXEC);
    assert_int_equal(text->state, N1_MODULE_NO_ELF);
    assert_true(n1_module_absolute(text));
    struct n1_module *other = module_of_path(f, path, 1); /* the mapping is of another inode */
    assert_true(n1_module_open(other) < 0);
    assert_int_equal(other->state, N1_MODULE_FAILED);
    struct n1_module *pipe = module_of_path(f, fifo, 0); /* must not block either */
    assert_true(n1_module_open(pipe) < 0);
    struct n1_module *self = module_of_path(f, "/proc/self/exe", 0);
    assert_int_equal(n1_module_open(self), 0);
    assert_int_equal(n1_module_open(self), 0);
    n1_module_unref(text);
    n1_module_unref(other);
    n1_module_unref(pipe);
    n1_module_unref(self);
    close(fd);
    unlink(path);
    unlink(fifo);
    rmdir(dir);
}

/* Every prefix of a real ELF header block and many mutations: no crash, no read out of bounds (ASan). */
static void test_hostile_images(void **state)
{
    (void)state;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat st;
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    uint8_t *whole = malloc((size_t)st.st_size), *copy = malloc((size_t)st.st_size);
    assert_non_null(whole);
    assert_non_null(copy);
    assert_int_equal(pread(fd, whole, (size_t)st.st_size, 0), st.st_size);
    memcpy(copy, whole, (size_t)st.st_size);
    close(fd);
    struct n1_elf_image image;
    assert_int_equal(n1_elf_image_init_memory(&image, whole, (size_t)st.st_size), 0);
    assert_true(image.eh_frame.size > 0);
    uint64_t sections = st.st_size - (st.st_size < 4096 ? st.st_size : 4096); /* where section headers lie */
    n1_elf_image_finish(&image);
    uint32_t seed = 3;
    for (int round = 0; round < 3000; round++) {
        size_t size = (size_t)st.st_size;
        memcpy(copy, whole, 4096);
        memcpy(copy + sections, whole + sections, size - sections);
        for (int i = 0; i < 4; i++) {
            seed = seed * 1664525 + 1013904223;
            size_t at = (seed >> 4) % 1024 + (round & 1 && i > 1 ? sections : 0);
            if (at < size)
                copy[at] = (uint8_t)(seed >> 24);
        }
        if (round % 3 == 0)
            size = (size_t)(seed % 8192) % size;
        if (n1_elf_image_init_memory(&image, copy, size) == 0) {
            uint8_t *data;
            size_t len;
            uint64_t vaddr;
            if (n1_elf_image_section(&image, &image.eh_frame, &data, &len) == 0)
                free(data);
            n1_elf_image_vaddr(&image, seed % 65536, &vaddr);
            n1_elf_image_finish(&image);
        }
    }
    free(whole);
    free(copy);
}

static void test_gone_process(void **state)
{
    struct fixture *f = *state;
    struct n1_space gone;
    struct n1_error err = {0};
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    n1_space_init(&gone, &f->modules, pid);
    assert_int_equal(n1_space_load(&gone, &err), -ESRCH);
    assert_true(err.what[0] != '\0');
    n1_space_finish(&gone);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_overlaps),
        TEST(test_random_overlaps),
        TEST(test_hostile_maps),
        TEST(test_reread_keeps_generation),
        TEST(test_own_code_resolves),
        TEST(test_fork_and_exec),
        TEST(test_modules_are_shared_and_evicted),
        TEST(test_only_the_mapped_file_opens),
        TEST(test_hostile_images),
        TEST(test_gone_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
