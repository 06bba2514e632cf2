/*
 * Order: groups and user while that is still allowed, then capabilities, then the proof that nothing came
 * back.
 */
#include "tui/rights.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { GROUPS_MAX = 1024 };

int n1_rights_check_own(struct n1_error *reterr)
{
    if (!getauxval(AT_SECURE))
        return 0;
    return n1_error_hint(
        reterr, N1_E_NOT_PERMITTED,
        "take them from n1top and give n1top-sampler file capabilities instead (README, Rights)",
        "n1top must not be setuid, setgid or have capabilities");
}

static bool parse_id(const char *text, unsigned long *ret)
{
    char *end;
    if (!text || *text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || *end || value >= UINT32_MAX)
        return false;
    *ret = value;
    return true;
}

bool n1_rights_invoking_user(const char *uid_text, const char *gid_text, uid_t *ret_uid, gid_t *ret_gid,
                             const char **ret_name)
{
    unsigned long uid, gid;
    gid_t groups[GROUPS_MAX];
    int count = GROUPS_MAX;
    if (!parse_id(uid_text, &uid) || !parse_id(gid_text, &gid) || uid == 0)
        return false;
    const struct passwd *user = getpwuid((uid_t)uid);
    if (!user || getgrouplist(user->pw_name, user->pw_gid, groups, &count) < 0)
        return false;
    for (int i = 0; i < count; i++) {
        if (groups[i] != (gid_t)gid)
            continue;
        *ret_uid = (uid_t)uid;
        *ret_gid = (gid_t)gid;
        *ret_name = user->pw_name;
        return true;
    }
    return false;
}

static int become_invoking_user(void)
{
    uid_t uid;
    gid_t gid;
    const char *name;
    if (geteuid() != 0 || !n1_rights_invoking_user(getenv("SUDO_UID"), getenv("SUDO_GID"), &uid, &gid, &name))
        return 0;
    if (initgroups(name, gid) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return -errno;
    return setresuid(0, 0, 0) == 0 ? -EPERM : 0; /* the way back must be closed */
}

static int drop_capabilities(void)
{
    cap_t none = cap_init();
    if (!none)
        return -ENOMEM;
    int rc = cap_set_proc(none) < 0 ? -errno : 0;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    cap_t left = cap_get_proc();
    if (rc == 0 && (!left || cap_compare(left, none) != 0))
        rc = -EPERM;
    if (left)
        cap_free(left);
    cap_free(none);
    return rc;
}

int n1_rights_drop(struct n1_error *reterr)
{
    static bool dropped;
    if (dropped)
        return 0;
    int rc = become_invoking_user();
    if (rc == 0)
        rc = drop_capabilities();
    if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        rc = -errno;
    if (rc < 0)
        return n1_error_set(reterr, N1_E_FAILED, "cannot give up the rights of this program: %s",
                            strerror(-rc));
    dropped = true;
    return 0;
}
