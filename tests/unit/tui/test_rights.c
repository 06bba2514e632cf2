/* Who is believed to be behind sudo; and, in a child, that rights are really gone. */
#include "tui/rights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <pwd.h>

/* Some user of this system that is not root; NULL when there is none. */
static const struct passwd *somebody(void)
{
    struct passwd *user;
    setpwent();
    while ((user = getpwent()) != NULL && user->pw_uid == 0)
        continue;
    endpwent();
    return user;
}

static void test_only_a_consistent_user_is_believed(void **state)
{
    (void)state;
    const struct passwd *user = somebody();
    uid_t uid = 0;
    gid_t gid = 0;
    const char *name;
    char id[32], group[32];
    if (!user)
        skip();
    snprintf(id, sizeof id, "%u", user->pw_uid);
    snprintf(group, sizeof group, "%u", user->pw_gid);
    assert_true(n1_rights_invoking_user(id, group, &uid, &gid, &name));
    assert_int_equal(uid, atol(id));
    assert_int_equal(gid, atol(group));
    static const char *const bad[] = {NULL, "",    "0",  "-1",         "+7",
                                      " 7", "abc", "7x", "4294967295", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(n1_rights_invoking_user(bad[i], group, &uid, &gid, &name));
    assert_false(n1_rights_invoking_user(id, NULL, &uid, &gid, &name));
    assert_false(n1_rights_invoking_user(id, "4294967294", &uid, &gid, &name)); /* not a group of that user */
    assert_false(n1_rights_invoking_user("4000000001", group, &uid, &gid, &name)); /* nobody has that id */
}

static void test_rights_are_gone(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct n1_error err;
        char line[256];
        unsigned long long caps = 1;
        if (n1_rights_drop(&err) < 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
            _exit(1);
        FILE *f = fopen("/proc/self/status", "re");
        while (f && fgets(line, sizeof line, f))
            if (sscanf(line, "CapPrm: %llx", &caps) == 1)
                break;
        if (!f || caps != 0)
            _exit(2);
        _exit(n1_rights_drop(&err) < 0 ? 3 : 0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_a_consistent_user_is_believed),
        cmocka_unit_test(test_rights_are_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
