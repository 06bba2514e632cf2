/*
 * The cgroup of a target, for events on it. It must hold this process only: an event on a cgroup samples
 * everybody in it and below. The v1 hierarchy with perf_event comes first, else v2, where the controller is
 * always on.
 */
#include "sampler/engine/perf_internal.h"

#include "sampler/target/proc_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Path of the target in the hierarchy asked for ("perf_event", or "" for v2), within `text`. */
static const char *path_in(char *text, const char *controller)
{
    char *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *list = strchr(line, ':');
        char *path = list ? strchr(list + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = 0;
        list++;
        if (!*controller && !*list)
            return path;
        char *item_save = NULL;
        for (char *item = strtok_r(list, ",", &item_save); *controller && item;
             item = strtok_r(NULL, ",", &item_save)) {
            if (!strcmp(item, controller))
                return path;
        }
    }
    return NULL;
}

/* Where that hierarchy is mounted as a whole in our own mount namespace. Fields of /proc/self/mountinfo: id,
 * parent, device, root, mount point, options, … "-", type, source, super options. */
static bool mount_of(const char *controller, char *out, size_t cap)
{
    char line[4096];
    bool found = false;
    FILE *f = fopen("/proc/self/mountinfo", "re");

    while (f && !found && fgets(line, sizeof(line), f)) {
        char root[1024], point[2048], type[64], options[512];
        char *tail = strstr(line, " - ");
        if (!tail || sscanf(line, "%*s %*s %*s %1023s %2047s", root, point) != 2 ||
            sscanf(tail, " - %63s %*s %511s", type, options) != 2 || strcmp(root, "/") != 0)
            continue;
        if (*controller ? !strcmp(type, "cgroup") && strstr(options, controller) : !strcmp(type, "cgroup2"))
            found = (size_t)snprintf(out, cap, "%s", point) < cap;
    }
    if (f)
        fclose(f);
    return found;
}

static bool holds_only(int folder, pid_t pid)
{
    char text[256];

    if (n1_proc_read(folder, "cgroup.procs", text, sizeof(text), NULL))
        return false;
    char *end;
    long first = strtol(text, &end, 10);
    return first == pid && (*end == 0 || !strcmp(end, "\n"));
}

int perf_cgroup_open(int proc_fd, pid_t pid)
{
    static const char *const controllers[] = {"perf_event", ""};
    char text[16384], mount[2048], path[8192];

    for (unsigned i = 0; i < 2; i++) {
        if (n1_proc_read(proc_fd, "cgroup", text, sizeof(text), NULL))
            return -ESRCH;
        const char *below = path_in(text, controllers[i]);
        if (!below || !mount_of(controllers[i], mount, sizeof(mount)))
            continue;
        if (!strcmp(below, "/") || strstr(below, "/..") ||
            (size_t)snprintf(path, sizeof(path), "%s%s", mount, below) >= sizeof(path))
            continue;
        int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0)
            continue;
        if (holds_only(folder, pid))
            return folder;
        close(folder);
    }
    return -ENOENT;
}
