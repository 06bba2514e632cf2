/*
 * A name must mean one process: sampling the wrong one at three in the morning is worse than asking again.
 */
#include "tui/resolve.h"

#include "n1/sanitise.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool all_digits(const char *text)
{
    for (; *text; text++)
        if (!isdigit((unsigned char)*text))
            return false;
    return true;
}

static ssize_t slurp(const char *pid, const char *name, char *buf, size_t cap)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, buf, cap - 1);
    close(fd);
    buf[got > 0 ? got : 0] = '\0';
    return got;
}

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_named(const char *pid, const char *name)
{
    char text[4096], path[300];
    if (slurp(pid, "comm", text, sizeof text) > 0) {
        text[strcspn(text, "\n")] = '\0';
        if (!strcmp(text, name))
            return true;
    }
    if (slurp(pid, "cmdline", text, sizeof text) > 0 && !strcmp(last_component(text), name))
        return true;
    snprintf(path, sizeof path, "/proc/%s/exe", pid);
    ssize_t len = readlink(path, text, sizeof text - 1);
    if (len <= 0)
        return false;
    text[len] = '\0';
    return !strcmp(last_component(text), name);
}

static int by_name(const char *name, pid_t *ret, size_t *ret_count, struct n1_error *reterr)
{
    pid_t found[16];
    size_t count = 0;
    DIR *proc = opendir("/proc");
    if (!proc)
        return n1_error_set(reterr, -errno, "cannot read /proc: %s", strerror(errno));
    for (struct dirent *entry; (entry = readdir(proc));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (!isdigit((unsigned char)entry->d_name[0]) || pid == getpid() || !is_named(entry->d_name, name))
            continue;
        if (count < sizeof found / sizeof *found)
            found[count] = pid;
        count++;
    }
    closedir(proc);
    char shown[128];
    n1_sanitise(shown, sizeof shown, name, strlen(name));
    if (!count)
        return n1_error_set(reterr, N1_E_NO_PROCESS, "no process is named '%s'", shown);
    if (count == 1) {
        ret[0] = found[0];
        *ret_count = 1;
        return 0;
    }
    char list[200] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && i < sizeof found / sizeof *found && used < sizeof list - 12; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, " %d", (int)found[i]);
    char hint[256];
    snprintf(hint, sizeof hint, "name one by its PID:%s%s", list, count > 16 ? " …" : "");
    return n1_error_hint(reterr, N1_E_USAGE, hint, "%zu processes are named '%s'", count, shown);
}

/* Looks for a folder named like the unit below `path`, a few levels deep: slices nest. */
static bool find_unit(const char *path, const char *unit, int depth, char *ret, size_t cap)
{
    DIR *dir = opendir(path);
    bool found = false;
    if (!dir)
        return false;
    for (struct dirent *entry; !found && (entry = readdir(dir));) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        char below[4096];
        if ((size_t)snprintf(below, sizeof below, "%s/%s", path, entry->d_name) >= sizeof below)
            continue;
        if (!strcmp(entry->d_name, unit)) {
            snprintf(ret, cap, "%s", below);
            found = true;
        } else if (depth > 0) {
            found = find_unit(below, unit, depth - 1, ret, cap);
        }
    }
    closedir(dir);
    return found;
}

static int by_unit(const char *unit, pid_t *ret, size_t cap, size_t *ret_count, struct n1_error *reterr)
{
    static const char *const roots[] = {"/sys/fs/cgroup/systemd", "/sys/fs/cgroup"};
    char folder[4096], path[4200];
    size_t count = 0;
    bool found = false;
    for (size_t i = 0; i < sizeof roots / sizeof *roots && !found; i++)
        found = find_unit(roots[i], unit, 6, folder, sizeof folder);
    if (found) {
        snprintf(path, sizeof path, "%s/cgroup.procs", folder);
        FILE *file = fopen(path, "re");
        for (int pid; file && fscanf(file, "%d", &pid) == 1;) {
            if (count == cap) {
                fclose(file);
                return n1_error_set(reterr, N1_E_USAGE, "%s has more than %zu processes", unit, cap);
            }
            ret[count++] = pid;
        }
        if (file)
            fclose(file);
    }
    if (!count)
        return n1_error_set(reterr, N1_E_NO_PROCESS, "no process belongs to the unit %s", unit);
    *ret_count = count;
    return 0;
}

static bool is_unit(const char *text)
{
    static const char *const endings[] = {".service", ".scope", ".slice"};
    size_t len = strlen(text);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (len > strlen(endings[i]) && !strcmp(text + len - strlen(endings[i]), endings[i]))
            return true;
    return false;
}

int n1_process_resolve(const char *text, pid_t *ret, size_t cap, size_t *ret_count, struct n1_error *reterr)
{
    if (!text[0] || strchr(text, '/'))
        return n1_error_set(reterr, N1_E_USAGE, "-p takes a PID, a name or a unit, not '%s'", text);
    if (!cap)
        return n1_error_set(reterr, N1_E_USAGE, "too many processes");
    if (all_digits(text)) {
        errno = 0;
        long pid = strtol(text, NULL, 10);
        if (errno || pid < 1 || pid > INT32_MAX)
            return n1_error_set(reterr, N1_E_NO_PROCESS, "there is no process %s", text);
        ret[0] = (pid_t)pid;
        *ret_count = 1;
        return 0;
    }
    return is_unit(text) ? by_unit(text, ret, cap, ret_count, reterr) : by_name(text, ret, ret_count, reterr);
}
