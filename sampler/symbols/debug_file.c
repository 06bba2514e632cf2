/*
 * A file is first opened as a mere path (no side effect on devices or pipes, no waiting), checked to be a
 * regular file, and only then opened for reading.
 */
#include "sampler/symbols/debug_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_host_root(int root_fd)
{
    struct stat a, b;
    return fstat(root_fd, &a) == 0 && stat("/", &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int open_path(int root_fd, const char *path, bool nofollow)
{
    int flags = O_PATH | O_CLOEXEC | (nofollow ? O_NOFOLLOW : 0);
    struct open_how how = {.flags = (uint64_t)flags, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
    if (fd < 0 && errno == ENOSYS && is_host_root(root_fd))
        fd = open(path,
                  flags); /* before Linux 5.6 nothing confines a path, and nothing has to for our own root */
    return fd < 0 ? -errno : (int)fd;
}

int n1_file_open_in_root(int root_fd, const char *path, bool nofollow, int *ret_fd)
{
    struct stat st;
    char self[32];
    int rc = 0, fd = -1;
    int place = open_path(root_fd, path, nofollow);
    if (place < 0)
        return place;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", place);
    if (fstat(place, &st) < 0)
        rc = -errno;
    else if (!S_ISREG(st.st_mode))
        rc = -EINVAL;
    else if ((fd = open(self, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) < 0)
        rc = -errno;
    close(place);
    if (rc == 0)
        *ret_fd = fd;
    return rc;
}

/* The root folder of `pid`, or the host's for 0. */
static int open_root(pid_t pid)
{
    char path[64] = "/";
    if (pid > 0)
        snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static bool build_id_path(const struct n1_debug_query *query, const char *dir, char *out, size_t cap)
{
    if (query->build_id_len < 2 || query->build_id_len > 64)
        return false;
    int len = snprintf(out, cap, "%s/.build-id/%02x/", dir, query->build_id[0]);
    for (size_t i = 1; i < query->build_id_len && len > 0 && (size_t)len < cap; i++)
        len += snprintf(out + len, cap - (size_t)len, "%02x", query->build_id[i]);
    if (len > 0 && (size_t)len < cap)
        len += snprintf(out + len, cap - (size_t)len, ".debug");
    return len > 0 && (size_t)len < cap;
}

/* PREFIX + folder of the module + "/" + SUB + link. */
static bool link_path(const struct n1_debug_query *query, const char *prefix, const char *sub, char *out,
                      size_t cap)
{
    if (!query->path || query->path[0] != '/' || !query->link || !query->link[0] ||
        strchr(query->link, '/') || strcmp(query->link, ".") == 0 || strcmp(query->link, "..") == 0)
        return false;
    int folder = (int)(strrchr(query->path, '/') - query->path);
    if (folder > PATH_MAX)
        return false;
    int len = snprintf(out, cap, "%s%.*s/%s%s", prefix, folder, query->path, sub, query->link);
    return len > 0 && (size_t)len < cap;
}

int n1_debug_file_open(const struct n1_debug_query *query, unsigned index, int *ret_fd, bool *ret_by_crc)
{
    char path[PATH_MAX];
    bool in_target = index == 0 || (index >= 2 && index <= 4), ok = false;
    const char *dir = index == 0 || index == 4 ? "/usr/lib/debug" : query->host_dir;
    if (index < 2)
        ok = build_id_path(query, dir, path, sizeof(path));
    else if (index == 2 || index == 3)
        ok = link_path(query, "", index == 3 ? ".debug/" : "", path, sizeof(path));
    else if (index < N1_DEBUG_CANDIDATES)
        ok = link_path(query, dir, "", path, sizeof(path));
    if (!ok)
        return -ENOENT;
    int root = open_root(in_target ? query->pid : 0);
    if (root < 0)
        return root;
    int rc = n1_file_open_in_root(root, path, false, ret_fd);
    if (rc == 0)
        *ret_by_crc = index >= 2;
    close(root);
    return rc;
}

/* The last number of a line "KEY:\tA\tB…" of a status text; `which` counts from 0, or -1 for the last one. */
static bool status_number(const char *status, const char *key, int which, long *ret_value)
{
    const char *line = strstr(status, key);
    if (!line)
        return false;
    const char *at = line + strlen(key);
    bool found = false;
    for (int i = 0; which < 0 || i <= which; i++) {
        char *end;
        at += strspn(at, "\t ");
        if (*at < '0' || *at > '9')
            break;
        long value = strtol(at, &end, 10);
        if (which < 0 || i == which) {
            *ret_value = value;
            found = true;
        }
        at = end;
    }
    return found;
}

/* Reads the effective user and the innermost pid of a process from /proc/PID/status. */
static int read_identity(pid_t pid, uid_t *ret_uid, long *ret_inner)
{
    char path[64], status[8192];
    long uid, inner;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, status, sizeof(status) - 1);
    int rc = n < 0 ? -errno : 0;
    close(fd);
    if (rc < 0)
        return rc;
    status[n] = '\0';
    /* The first line is the process's own choice of name; the kernel escapes newlines in it. */
    if (!status_number(status, "\nUid:", 1, &uid))
        return -EINVAL;
    if (!status_number(status, "\nNSpid:", -1, &inner))
        inner = pid;
    *ret_uid = (uid_t)uid;
    *ret_inner = inner;
    return 0;
}

int n1_perf_map_open(pid_t pid, int *ret_fd)
{
    char path[64];
    uid_t uid;
    long inner;
    struct stat st;
    int fd;
    int rc = read_identity(pid, &uid, &inner);
    if (rc < 0)
        return rc;
    int root = open_root(pid);
    if (root < 0)
        return root;
    snprintf(path, sizeof(path), "/tmp/perf-%ld.map", inner);
    rc = n1_file_open_in_root(root, path, true, &fd);
    close(root);
    if (rc < 0)
        return rc;
    if (fstat(fd, &st) < 0)
        rc = -errno;
    else if (st.st_uid != uid)
        rc = -EPERM;
    if (rc < 0)
        close(fd);
    else
        *ret_fd = fd;
    return rc;
}
