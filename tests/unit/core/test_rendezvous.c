/* Which folders a sampler may be found in, and which are refused: links, other owners, open modes. */
#include "n1/rendezvous.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/n1top-rendezvous-XXXXXX";
static int at;

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return at < 0;
}

static int teardown(void **state)
{
    (void)state;
    close(at);
    return rmdir(folder);
}

static void made_for_the_owner_alone(void **state)
{
    (void)state;
    struct n1_error error;
    struct stat st;
    mode_t before = umask(0);
    assert_int_equal(n1_rendezvous_enter(at, "own", geteuid(), false, &error), -ENOENT);
    int fd = n1_rendezvous_enter(at, "own", geteuid(), true, &error);
    umask(before);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    fd = n1_rendezvous_enter(at, "own", geteuid(), true, &error); /* again: it is there */
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(unlinkat(at, "own", AT_REMOVEDIR), 0);
}

static void links_are_refused(void **state)
{
    (void)state;
    struct n1_error error = {0};
    assert_int_equal(mkdirat(at, "real", 0700), 0);
    assert_int_equal(symlinkat("real", at, "link"), 0);
    assert_int_equal(symlinkat("nowhere", at, "loose"), 0);
    assert_int_equal(n1_rendezvous_enter(at, "link", geteuid(), false, &error), N1_E_NOT_PERMITTED);
    assert_int_equal(n1_rendezvous_enter(at, "link", geteuid(), true, &error), N1_E_NOT_PERMITTED);
    assert_non_null(strstr(error.what, "not a folder"));
    assert_int_equal(n1_rendezvous_enter(at, "loose", geteuid(), true, &error), N1_E_NOT_PERMITTED);
    assert_int_equal(faccessat(at, "nowhere", F_OK, 0), -1); /* nothing was made through it */
    unlinkat(at, "link", 0);
    unlinkat(at, "loose", 0);
    unlinkat(at, "real", AT_REMOVEDIR);
}

static void other_things_are_refused(void **state)
{
    (void)state;
    struct n1_error error = {0};
    int fd = openat(at, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    assert_int_equal(mkfifoat(at, "fifo", 0600), 0); /* must not wait for a writer */
    assert_int_equal(n1_rendezvous_enter(at, "file", geteuid(), true, &error), N1_E_NOT_PERMITTED);
    assert_int_equal(n1_rendezvous_enter(at, "fifo", geteuid(), true, &error), N1_E_NOT_PERMITTED);
    unlinkat(at, "file", 0);
    unlinkat(at, "fifo", 0);
}

static void open_modes_are_refused(void **state)
{
    (void)state;
    static const mode_t open_modes[] = {0701, 0710, 0704, 0740, 0720, 0702, 0777, 01777, 0755};
    struct n1_error error = {0};
    assert_int_equal(mkdirat(at, "open", 0700), 0);
    for (size_t i = 0; i < sizeof open_modes / sizeof *open_modes; i++) {
        fchmodat(at, "open", open_modes[i], 0);
        assert_int_equal(n1_rendezvous_enter(at, "open", geteuid(), true, &error), N1_E_NOT_PERMITTED);
        assert_non_null(strstr(error.what, "open to others"));
    }
    fchmodat(at, "open", 0500, 0);
    int fd = n1_rendezvous_enter(at, "open", geteuid(), true, &error);
    assert_true(fd >= 0);
    close(fd);
    unlinkat(at, "open", AT_REMOVEDIR);
}

static void other_owners_are_refused(void **state)
{
    (void)state;
    struct n1_error error = {0};
    assert_int_equal(mkdirat(at, "theirs", 0700), 0);
    assert_int_equal(n1_rendezvous_enter(at, "theirs", geteuid() + 1, true, &error), N1_E_NOT_PERMITTED);
    assert_non_null(strstr(error.what, "another user"));
    if (geteuid() == 0) { /* the real thing: somebody took our name first */
        assert_int_equal(fchownat(at, "theirs", 65534, 65534, 0), 0);
        assert_int_equal(n1_rendezvous_enter(at, "theirs", 0, true, &error), N1_E_NOT_PERMITTED);
        int fd =
            n1_rendezvous_enter(at, "theirs", 65534, false, &error); /* root looking for a user's sampler */
        assert_true(fd >= 0);
        close(fd);
    }
    unlinkat(at, "theirs", AT_REMOVEDIR);
}

static void places_must_be_root_s(void **state)
{
    (void)state;
    struct n1_error error = {0};
    char path[64];
    assert_int_equal(n1_rendezvous_place("/nonexistent", &error), -ENOENT);
    int fd = n1_rendezvous_place("/tmp", &error); /* sticky */
    assert_true(fd >= 0);
    close(fd);
    snprintf(path, sizeof path, "%s/place", folder);
    assert_int_equal(mkdir(path, 0755), 0);
    if (geteuid() == 0) {
        fd = n1_rendezvous_place(path, &error);
        assert_true(fd >= 0);
        close(fd);
        static const mode_t bad[] = {0777, 0775, 0757};
        for (size_t i = 0; i < 3; i++) {
            chmod(path, bad[i]);
            assert_int_equal(n1_rendezvous_place(path, &error), N1_E_NOT_PERMITTED);
        }
        chmod(path, 0755);
        assert_int_equal(chown(path, 65534, 65534), 0);
    }
    assert_int_equal(n1_rendezvous_place(path, &error), N1_E_NOT_PERMITTED);
    rmdir(path);
}

struct found {
    int count;
    pid_t pid;
};

static void take(void *context, int socket, pid_t pid, uid_t uid)
{
    struct found *found = context;
    assert_int_equal(uid, geteuid());
    found->count++;
    found->pid = pid;
    close(socket);
}

static void wrong(void *context, const struct n1_error *error)
{
    *(int *)context = error->code;
}

static void sockets_are_found_and_stale_ones_removed(void **state)
{
    (void)state;
    struct found found = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/run", folder);
    setenv("N1TOP_RUN", path, 1);
    n1_rendezvous_each(take, NULL, &found); /* no folder yet */
    assert_int_equal(found.count, 0);
    int run = n1_rendezvous_open(path, sizeof path, NULL);
    assert_true(run >= 0);
    int listener = n1_rendezvous_listen(run, getpid(), NULL);
    assert_true(listener >= 0);
    /* What a crash leaves: a socket that nobody listens on, and one that was never finished. */
    int dead = n1_rendezvous_listen(run, 12345678, NULL);
    assert_true(dead >= 0);
    close(dead);
    /* What does not concern us stays and is not followed. */
    assert_int_equal(symlinkat("1.sock", run, "2.sock"), 0);
    close(openat(run, "3.sock", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    n1_rendezvous_each(take, NULL, &found);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.pid, getpid());
    assert_int_equal(faccessat(run, "12345678.sock", F_OK, 0), -1);
    assert_int_equal(faccessat(run, "3.sock", F_OK, 0), 0);
    int again = n1_rendezvous_listen(run, 77, NULL); /* over the leftover of one with the same PID */
    close(again);
    again = n1_rendezvous_listen(run, 77, NULL);
    assert_true(again >= 0);
    close(again);
    n1_rendezvous_remove(run, 77);
    n1_rendezvous_remove(run, getpid());
    unlinkat(run, "2.sock", 0);
    unlinkat(run, "3.sock", 0);
    close(listener);
    close(run);
    assert_int_equal(rmdir(path), 0);
    unsetenv("N1TOP_RUN");
}

static void a_full_backlog_is_no_wait(void **state)
{
    (void)state;
    int fds[64], made = 0, rc = 0;
    int run = n1_rendezvous_enter(at, "busy", geteuid(), true, NULL);
    int listener = n1_rendezvous_listen(run, 42, NULL);
    while (made < 64 && (rc = n1_rendezvous_connect(run, "42.sock", geteuid(), NULL)) >= 0)
        fds[made++] = rc;
    assert_true(made > 0 && made < 64); /* a stopped sampler accepts nobody */
    assert_int_equal(rc, -EAGAIN);
    assert_int_equal(faccessat(run, "42.sock", F_OK, 0), 0); /* and is not taken for dead */
    while (made > 0)
        close(fds[--made]);
    close(listener);
    n1_rendezvous_remove(run, 42);
    close(run);
    unlinkat(at, "busy", AT_REMOVEDIR);
}

static void a_wrong_folder_is_told(void **state)
{
    (void)state;
    int code = 0;
    struct found found = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/wide", folder);
    setenv("N1TOP_RUN", path, 1);
    mkdir(path, 0755);
    n1_rendezvous_each(take, wrong, &code);
    assert_int_equal(code, N1_E_NOT_PERMITTED);
    assert_int_equal(n1_rendezvous_open(path, sizeof path, NULL), N1_E_NOT_PERMITTED);
    assert_int_equal(found.count, 0);
    rmdir(path);
    unsetenv("N1TOP_RUN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_for_the_owner_alone),
        cmocka_unit_test(links_are_refused),
        cmocka_unit_test(other_things_are_refused),
        cmocka_unit_test(open_modes_are_refused),
        cmocka_unit_test(other_owners_are_refused),
        cmocka_unit_test(places_must_be_root_s),
        cmocka_unit_test(sockets_are_found_and_stale_ones_removed),
        cmocka_unit_test(a_full_backlog_is_no_wait),
        cmocka_unit_test(a_wrong_folder_is_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
