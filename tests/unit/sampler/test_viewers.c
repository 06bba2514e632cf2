/* The registry of those who watch, over real sockets in a folder of the test's own. */
#include "sampler/viewers/viewers.h"

#include "n1/rendezvous.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/n1top-viewers-XXXXXX";
static int mine; /* our end of the socketpair */

static int setup(void **state)
{
    (void)state;
    return !mkdtemp(folder) || setenv("N1TOP_RUN", folder, 1) < 0;
}

static int teardown(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void begin(struct n1_viewers *v)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    mine = pair[0];
    assert_int_equal(n1_viewers_init(v, pair[1], N1_SECOND_NS), 0);
    assert_int_equal(n1_viewers_listen(v, NULL), 0);
}

static void end(struct n1_viewers *v)
{
    n1_viewers_finish(v);
    close(mine);
}

static int dial(void)
{
    char name[32];
    pid_t peer;
    int parent = n1_rendezvous_open((char[256]){0}, 256, NULL);
    snprintf(name, sizeof name, "%d.sock", (int)getpid());
    int fd = n1_rendezvous_connect(parent, name, geteuid(), &peer);
    close(parent);
    if (fd >= 0)
        assert_int_equal(peer, getpid());
    return fd;
}

/* The next record, -1 for none, 0 for the end of the line. */
static int heard(int fd, struct n1_control *ret)
{
    int rc = n1_control_receive(fd, ret, NULL);
    return rc == 1 ? (int)ret->type : rc == 0 ? 0 : -1;
}

static void the_first_one_controls(void **state)
{
    (void)state;
    struct n1_viewers v;
    begin(&v);
    assert_int_equal(n1_viewers_joined(&v), 1);
    assert_int_equal(n1_viewers_controller(&v), 0);
    int a = dial(), b = dial();
    assert_true(a >= 0 && b >= 0);
    n1_viewers_accept(&v, N1_SECOND_NS);
    assert_int_equal(v.count, 3);
    assert_int_equal(n1_viewers_joined(&v), 1); /* they have not said yet what they want */
    int second = v.items[2].socket;
    assert_int_equal(n1_viewers_join(&v, 2), 2);
    assert_int_equal(n1_viewers_join(&v, 1), 2); /* behind the one that joined before it */
    assert_int_equal(n1_viewers_control(&v), v.items[0].socket);
    n1_viewers_remove(&v, 0);
    assert_int_equal(n1_viewers_control(&v), second);
    n1_viewers_remove(&v, 0);
    n1_viewers_remove(&v, 0);
    assert_int_equal(n1_viewers_control(&v), -1);
    close(a);
    close(b);
    end(&v);
}

static void silent_connections_are_dropped(void **state)
{
    (void)state;
    struct n1_viewers v;
    struct n1_control record;
    begin(&v);
    int a = dial(), b = dial();
    n1_viewers_accept(&v, 10 * N1_SECOND_NS);
    n1_viewers_join(&v, 1);
    n1_viewers_expire(&v, 15 * N1_SECOND_NS);
    assert_int_equal(v.count, 3);
    n1_viewers_expire(&v, 16 * N1_SECOND_NS);
    assert_int_equal(v.count, 2);
    assert_int_equal(heard(a, &record), -1); /* the one that joined stays */
    assert_int_equal(heard(b, &record), 0);
    close(a);
    close(b);
    end(&v);
}

static void too_many_are_told(void **state)
{
    (void)state;
    struct n1_viewers v;
    struct n1_control record;
    int fds[N1_VIEWERS_MAX];
    begin(&v);
    for (int i = 0; i < N1_VIEWERS_MAX; i++) {
        fds[i] = dial();
        assert_true(fds[i] >= 0);
        n1_viewers_accept(&v, N1_SECOND_NS);
    }
    assert_int_equal(v.count, N1_VIEWERS_MAX);
    assert_int_equal(heard(fds[N1_VIEWERS_MAX - 1], &record), N1_CONTROL_FAILED);
    assert_non_null(strstr(record.text, "too many"));
    assert_int_equal(heard(fds[N1_VIEWERS_MAX - 1], &record), 0);
    for (int i = 0; i < N1_VIEWERS_MAX; i++)
        close(fds[i]);
    end(&v);
}

/* One that never reads holds nothing up, and the others hear everything. */
static void a_slow_one_holds_nobody_up(void **state)
{
    (void)state;
    struct n1_viewers v;
    struct n1_control record;
    begin(&v);
    int slow = dial();
    n1_viewers_accept(&v, N1_SECOND_NS);
    n1_viewers_join(&v, 1);
    for (int i = 0; i < 5000; i++) {
        n1_viewers_notice(&v, "notice %d", i);
        assert_int_equal(heard(mine, &record), N1_CONTROL_NOTICE);
        assert_int_equal(strtol(record.text + 7, NULL, 10), i);
    }
    int kept = 0;
    while (heard(slow, &record) == N1_CONTROL_NOTICE)
        kept++;
    assert_true(kept > 0 && kept < 5000); /* what its socket held */
    close(slow);
    end(&v);
}

static void the_socket_goes_with_the_sampler(void **state)
{
    (void)state;
    struct n1_viewers v;
    struct stat st;
    char path[64];
    begin(&v);
    snprintf(path, sizeof path, "%s/%d.sock", folder, (int)getpid());
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    int a = dial();
    struct n1_control record;
    n1_viewers_accept(&v, N1_SECOND_NS);
    end(&v);
    assert_int_equal(lstat(path, &st), -1);
    assert_int_equal(heard(a, &record), 0);
    assert_int_equal(dial(), -ENOENT);
    close(a);
}

/* Readable, the descriptor would make the sampler's loop spin. */
static bool readable(const struct n1_viewers *v)
{
    struct pollfd p = {.fd = n1_viewers_fd(v), .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void without_descriptors_it_does_not_spin(void **state)
{
    (void)state;
    struct n1_viewers v;
    struct rlimit limit, none;
    begin(&v);
    int screen = dial();
    assert_true(screen >= 0 && readable(&v));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    n1_viewers_accept(&v, N1_SECOND_NS);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(v.count, 1);
    assert_false(readable(&v));
    n1_viewers_expire(&v, N1_SECOND_NS); /* the next second */
    assert_true(readable(&v));
    n1_viewers_accept(&v, N1_SECOND_NS);
    assert_int_equal(v.count, 2);
    close(screen);
    end(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_one_controls),
        cmocka_unit_test(silent_connections_are_dropped),
        cmocka_unit_test(too_many_are_told),
        cmocka_unit_test(a_slow_one_holds_nobody_up),
        cmocka_unit_test(without_descriptors_it_does_not_spin),
        cmocka_unit_test(the_socket_goes_with_the_sampler),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
