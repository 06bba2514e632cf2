/*
 * Where the files of a control group are. Paths of groups are chosen by whoever made the groups: one that
 * climbs ("..", another cgroup namespace) or does not fit is refused, so nothing outside the root is ever
 * opened.
 */
#include "sampler/metrics/cgroup_place.h"

#include "sampler/metrics/source.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool exists(int dirfd, const char *path)
{
    return faccessat(dirfd, path, F_OK, 0) == 0;
}

void n1_cgroup_mounts_init(struct n1_cgroup_mounts *mounts, const char *proc, const char *root)
{
    static const char *const cpu[] = {"cpu", "cpu,cpuacct", "cpuacct,cpu"};
    char probe[64];

    memset(mounts, 0, sizeof *mounts);
    snprintf(mounts->proc_self, sizeof mounts->proc_self, "%s/self/cgroup", proc);
    mounts->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (mounts->root_fd < 0)
        return;
    if (exists(mounts->root_fd, "cgroup.controllers"))
        mounts->v2 = ".";
    else if (exists(mounts->root_fd, "unified/cgroup.controllers"))
        mounts->v2 = "unified";
    if (exists(mounts->root_fd, "memory/memory.usage_in_bytes"))
        mounts->v1[N1_CONTROLLER_MEMORY] = "memory";
    for (size_t i = 0; i < N1_ARRAY_LEN(cpu) && !mounts->v1[N1_CONTROLLER_CPU]; i++) {
        snprintf(probe, sizeof probe, "%s/cpu.shares", cpu[i]);
        if (exists(mounts->root_fd, probe))
            mounts->v1[N1_CONTROLLER_CPU] = cpu[i];
    }
}

void n1_cgroup_mounts_finish(struct n1_cgroup_mounts *mounts)
{
    if (mounts->root_fd >= 0)
        close(mounts->root_fd);
    mounts->root_fd = -1;
}

static bool list_has(const char *at, const char *end, const char *item)
{
    size_t len = strlen(item);

    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end;
        if ((size_t)(stop - at) == len && memcmp(at, item, len) == 0)
            return true;
        at = stop + (comma != NULL);
    }
    return false;
}

/* The path in the "id:controllers:path" line of `controller`, or of v2 when it is NULL. */
static bool find_path(struct n1_text text, const char *controller, struct n1_text *ret)
{
    struct n1_text line;

    while (n1_text_line(&text, &line)) {
        const char *first = memchr(line.at, ':', (size_t)(line.end - line.at));
        const char *second = first ? memchr(first + 1, ':', (size_t)(line.end - first - 1)) : NULL;
        if (!second)
            continue;
        if (controller ? !list_has(first + 1, second, controller) : second != first + 1)
            continue;
        *ret = (struct n1_text){second + 1, line.end};
        return true;
    }
    return false;
}

static bool climbs(struct n1_text path)
{
    while (path.at < path.end) {
        const char *slash = memchr(path.at, '/', (size_t)(path.end - path.at));
        const char *stop = slash ? slash : path.end;
        if (stop - path.at == 2 && path.at[0] == '.' && path.at[1] == '.')
            return true;
        path.at = stop + (slash != NULL);
    }
    return false;
}

static bool set_path(struct n1_cgroup_place *place, const char *mount, struct n1_text path)
{
    int len = snprintf(place->path, sizeof place->path, "%s%.*s", mount, (int)(path.end - path.at), path.at);

    place->base = strlen(mount);
    while (len > (int)place->base && len < (int)sizeof place->path && place->path[len - 1] == '/')
        place->path[--len] = 0;
    return len >= 0 && len < (int)sizeof place->path;
}

/* Inside a container without a cgroup namespace the mount shows our own group as its root, while /proc gives
 * whole paths: what we have in common with the process is then above the mount. */
static bool below_ours(const struct n1_cgroup_mounts *mounts, const char *controller, struct n1_text path,
                       struct n1_text *ret)
{
    char buf[8192];
    struct n1_text text, ours;

    if (n1_text_read(AT_FDCWD, mounts->proc_self, NULL, buf, sizeof buf, &text) < 0 ||
        !find_path(text, controller, &ours))
        return false;
    size_t len = (size_t)(ours.end - ours.at);
    if (len < 2 || (size_t)(path.end - path.at) < len || memcmp(path.at, ours.at, len) != 0 ||
        (path.at + len < path.end && path.at[len] != '/'))
        return false;
    *ret = (struct n1_text){path.at + len, path.end};
    return true;
}

void n1_cgroup_find(struct n1_cgroup_place *place, const struct n1_cgroup_mounts *mounts,
                    enum n1_controller which, struct n1_text members)
{
    static const char *const names[] = {"memory", "cpu"};
    struct n1_text path, below;
    const char *name = which == N1_CONTROLLER_UNIFIED ? NULL : names[which];
    const char *mount = name ? mounts->v1[which] : NULL;

    place->v2 = !mount || !find_path(members, name, &path);
    if (place->v2) {
        mount = mounts->v2;
        name = NULL;
        if (!mount || !find_path(members, NULL, &path)) {
            place->why = N1_WHY_NO_CGROUP;
            return;
        }
    }
    place->why = NULL;
    if (path.at == path.end || *path.at != '/' || memchr(path.at, 0, (size_t)(path.end - path.at)) ||
        !set_path(place, mount, path))
        place->why = N1_WHY_UNREADABLE;
    else if (climbs(path))
        place->why = "outside our cgroup namespace";
    else if (!exists(mounts->root_fd, place->path) &&
             !(below_ours(mounts, name, path, &below) && set_path(place, mount, below) &&
               exists(mounts->root_fd, place->path)))
        place->why = N1_WHY_NO_CGROUP;
}
