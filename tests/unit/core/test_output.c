/*
 * Outputs appear whole or not at all: what is there while one is being written, after it was thrown away, on
 * a full disk, and what is refused.
 */
#include "n1/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/n1-output-XXXXXX";
static char path[64];

static unsigned files_in(const char *where)
{
    unsigned count = 0;
    DIR *d = opendir(where);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return count;
}

static void assert_content(const char *text)
{
    char buffer[64] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, buffer, sizeof(buffer) - 1), strlen(text));
    assert_string_equal(buffer, text);
    close(fd);
}

static int setup(void **state)
{
    (void)state;
    strcpy(strrchr(folder, '-') + 1, "XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/report.json", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void test_it_appears_whole(void **state)
{
    (void)state;
    struct n1_output *o;
    struct stat st;
    assert_int_equal(n1_output_open(path, &o, NULL), 0);
    assert_int_equal(write(n1_output_fd(o), "half", 4), 4);
    assert_int_equal(access(path, F_OK), -1);
    assert_true(fcntl(n1_output_fd(o), F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(n1_output_fd(o), " and half", 9), 9);
    assert_int_equal(n1_output_commit(o, NULL), 0);
    assert_content("half and half");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(files_in(folder), 1);
    /* Over an older one, which stays until then. */
    assert_int_equal(n1_output_open(path, &o, NULL), 0);
    assert_int_equal(write(n1_output_fd(o), "new", 3), 3);
    assert_content("half and half");
    assert_int_equal(n1_output_commit(o, NULL), 0);
    assert_content("new");
    assert_int_equal(files_in(folder), 1);
}

static void test_it_is_thrown_away(void **state)
{
    (void)state;
    struct n1_output *o;
    assert_int_equal(n1_output_open(path, &o, NULL), 0);
    assert_int_equal(write(n1_output_fd(o), "half", 4), 4);
    n1_output_abandon(o);
    assert_int_equal(files_in(folder), 0);
    n1_output_abandon(NULL);
}

static void assert_refused(const char *where, int code)
{
    struct n1_output *o = NULL;
    struct n1_error err = {0};
    assert_int_equal(n1_output_open(where, &o, &err), code);
    assert_null(o);
    assert_true(err.what[0]);
}

static void test_what_is_no_file_is_refused(void **state)
{
    (void)state;
    assert_refused("/dev/null", -EEXIST);
    assert_refused(folder, -EISDIR);
    assert_refused("/tmp/", -EISDIR);
    assert_refused("", -EISDIR);
    assert_refused("/nonexistent-n1/x", -ENOENT);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_refused(path, -EEXIST);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(path, -EEXIST);
    unlink(path);
    assert_int_equal(files_in(folder), 0);
}

static void test_a_long_name(void **state)
{
    (void)state;
    struct n1_output *o;
    char longest[400];
    snprintf(longest, sizeof(longest), "%s/%0255d", folder, 7);
    assert_int_equal(n1_output_open(longest, &o, NULL), 0);
    assert_int_equal(n1_output_commit(o, NULL), 0);
    assert_int_equal(unlink(longest), 0);
}

static void test_standard_output_stays_open(void **state)
{
    (void)state;
    struct n1_output *o;
    assert_int_equal(n1_output_open("-", &o, NULL), 0);
    assert_int_equal(n1_output_fd(o), STDOUT_FILENO);
    assert_int_equal(n1_output_commit(o, NULL), 0);
    assert_true(fcntl(STDOUT_FILENO, F_GETFD) >= 0);
}

/* The folder goes away before the rename: an error, and no descriptor is left open. */
static void test_a_rename_that_fails(void **state)
{
    (void)state;
    struct n1_output *o;
    struct n1_error err = {0};
    unsigned before = files_in("/proc/self/fd");
    assert_int_equal(n1_output_open(path, &o, NULL), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(n1_output_commit(o, &err) < 0);
    assert_true(err.what[0]);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(files_in(folder), 0);
    assert_int_equal(files_in("/proc/self/fd"), before);
}

/* In a mount namespace of its own: 0 done, 1 wrong, 2 no right to mount. */
static int fill_a_disk(void)
{
    static char block[4096];
    struct n1_output *o;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", folder, "tmpfs", 0, "size=64k") < 0)
        return 2;
    if (n1_output_open(path, &o, NULL) < 0)
        return 1;
    int blocks = 0;
    while (write(n1_output_fd(o), block, sizeof(block)) == (ssize_t)sizeof(block))
        blocks++;
    if (errno != ENOSPC || blocks == 0)
        return 1;
    n1_output_abandon(o);
    return files_in(folder) == 0 && n1_output_open(path, &o, NULL) == 0 && n1_output_commit(o, NULL) == 0 ? 0
                                                                                                          : 1;
}

static void test_a_full_disk_leaves_nothing(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(fill_a_disk());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2) {
        /* Without that right a limit on the file's size plays the disk: test_file.c. */
        print_message("no right to mount: the full disk is played by test_file\n");
        return;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_it_appears_whole),           T(test_it_is_thrown_away),
        T(test_what_is_no_file_is_refused), T(test_a_long_name),
        T(test_standard_output_stays_open), T(test_a_rename_that_fails),
        T(test_a_full_disk_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
