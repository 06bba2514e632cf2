/* Source files and code bytes: what is there is shown, what is not is told, what is hostile does no harm. */
#include "tui/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *make(const char *text, size_t len)
{
    static char path[64];
    int fd = memfd_create("source", MFD_CLOEXEC);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

static void lines_are_lines(void **state)
{
    (void)state;
    static const char text[] = "one\n\ttwo\r\nthree \x1b[2J\xe2\x80\xae\xff\nlast";
    struct n1_source s = {0};
    char line[64];
    n1_source_load(&s, make(text, sizeof text - 1), 0);
    assert_int_equal(s.count, 4);
    n1_source_line(&s, 1, line, sizeof line);
    assert_string_equal(line, "one");
    n1_source_line(&s, 2, line, sizeof line);
    assert_string_equal(line, "    two");
    n1_source_line(&s, 3, line, sizeof line);
    for (const char *at = line; *at; at++)
        assert_true((unsigned char)*at >= 32);
    assert_null(strstr(line, "\xe2\x80\xae"));
    n1_source_line(&s, 4, line, sizeof line);
    assert_string_equal(line, "last");
    n1_source_line(&s, 0, line, sizeof line);
    assert_string_equal(line, "");
    n1_source_line(&s, 5, line, sizeof line);
    assert_string_equal(line, "");
    n1_source_finish(&s);
}

static void what_is_not_there_is_told(void **state)
{
    (void)state;
    static const char *const paths[] = {"/nonexistent/a.c", "/dev/zero", "/etc", "relative/a.c", ""};
    struct n1_source s = {0};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        n1_source_load(&s, paths[i], 0);
        assert_int_equal(s.count, 0);
        assert_true(s.why[0] != '\0');
    }
    char fifo[64];
    snprintf(fifo, sizeof fifo, "/tmp/n1-test-fifo-%d", (int)getpid());
    assert_int_equal(mkfifo(fifo, 0600), 0);
    n1_source_load(&s, fifo, 0); /* must not wait for a writer */
    unlink(fifo);
    assert_int_equal(s.count, 0);
    n1_source_finish(&s);
}

static volatile int sink;
/* Opening is all that it takes to do harm by a device; a FIFO stands for one. */
static void what_is_no_file_is_not_even_opened(void **state)
{
    (void)state;
    char fifo[64];
    struct inotify_event event;
    snprintf(fifo, sizeof fifo, "/tmp/n1-test-fifo-%d", (int)getpid());
    assert_int_equal(mkfifo(fifo, 0600), 0);
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    assert_true(watch >= 0 && inotify_add_watch(watch, fifo, IN_OPEN) >= 0);
    assert_int_equal(n1_source_open(fifo, 0), -ENOENT);
    assert_int_equal(n1_source_open(fifo, getpid()), -ENOENT);
    assert_int_equal(read(watch, &event, sizeof event), -1);
    unlink(fifo);
    close(watch);
}

/* A name that was cut would be another file's. */
static void a_long_path_is_not_cut(void **state)
{
    (void)state;
    char path[1500], root[64];
    size_t len = 599 - (size_t)snprintf(root, sizeof root, "/proc/%d/root", (int)getpid()), at = 4;
    strcpy(path, "/tmp");
    for (; at + 40 < len; at += 2)
        strcpy(path + at, "/.");
    memset(path + at, 'x', len - at);
    path[at] = '/';
    path[len] = '\0';
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    int fd = n1_source_open(path, getpid());
    assert_true(fd >= 0);
    close(fd);
    strcpy(path + len, ".c"); /* no such file */
    assert_int_equal(n1_source_open(path, getpid()), -ENOENT);
    path[len] = '\0';
    unlink(path);
}

__attribute__((noinline)) static void known_code(void)
{
    sink += 41;
}

extern const Elf64_Ehdr __ehdr_start;

static void code_is_what_runs(void **state)
{
    (void)state;
    struct n1_code code = {0};
    uint64_t at = (uint64_t)((const char *)(uintptr_t)known_code - (const char *)&__ehdr_start);
    uint8_t *bytes = NULL;
    char why[160];
    int fd = n1_source_open("/proc/self/exe", 0);
    assert_true(fd >= 0);
    assert_int_equal(n1_code_bytes(fd, NULL, 0, at, 16, &bytes, why), 0);
    assert_memory_equal(bytes, (const void *)(uintptr_t)known_code, 16);
    free(bytes);
    static const uint8_t other[20] = {1, 2, 3};
    assert_int_equal(n1_code_bytes(fd, other, 20, at, 16, &bytes, why), -1); /* not the file that ran */
    assert_non_null(strstr(why, "build id"));
    assert_int_equal(n1_code_bytes(fd, NULL, 0, UINT64_MAX - 4, 16, &bytes, why), -1);
    assert_int_equal(n1_code_bytes(fd, NULL, 0, at, 0, &bytes, why), -1);
    assert_int_equal(n1_code_bytes(fd, NULL, 0, at, N1_CODE_BYTES_MAX + 1, &bytes, why), -1);
    close(fd);
    n1_code_load(&code, "/proc/self/exe", 0, NULL, 0, at, 16);
#ifdef N1_HAVE_CAPSTONE
    assert_true(code.count > 0);
    assert_true(code.instructions[0].address == at && code.instructions[0].size > 0);
#else
    assert_string_equal(code.why, "built without capstone");
#endif
    n1_code_load(&code, "/nonexistent", 0, NULL, 0, at, 16);
    assert_true(code.count == 0 && code.why[0] != '\0');
    n1_code_load(&code, "[jit]", 0, NULL, 0, at, 16);
    assert_string_equal(code.why, "its code is in no file");
    n1_code_finish(&code);
}

/* An ELF file with any of its first bytes changed, or cut anywhere: an answer or a reason, nothing else. */
static void hostile_files_do_no_harm(void **state)
{
    (void)state;
    uint8_t whole[8192], broken[8192];
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    ssize_t len = read(self, whole, sizeof whole);
    close(self);
    assert_true(len > 4096);
    uint64_t seed = 7;
    for (int i = 0; i < 3000; i++) {
        memcpy(broken, whole, (size_t)len);
        for (int k = 0; k < 1 + i % 5; k++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            broken[(seed >> 33) % 1024] = (uint8_t)(seed >> 24);
        }
        size_t cut = i % 3 ? (size_t)len : (size_t)(seed >> 40) % (size_t)len;
        int fd = memfd_create("elf", MFD_CLOEXEC);
        assert_int_equal(write(fd, broken, cut), (ssize_t)cut);
        uint8_t *bytes = NULL;
        char why[160] = "";
        int rc = n1_code_bytes(fd, (const uint8_t *)"12345678901234567890", 20, 64 + (seed >> 50), 64, &bytes,
                               why);
        assert_true(rc == 0 ? bytes != NULL : why[0] != '\0');
        free(bytes);
        close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines_are_lines),
                                       cmocka_unit_test(what_is_not_there_is_told),
                                       cmocka_unit_test(what_is_no_file_is_not_even_opened),
                                       cmocka_unit_test(a_long_path_is_not_cut),
                                       cmocka_unit_test(code_is_what_runs),
                                       cmocka_unit_test(hostile_files_do_no_harm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
