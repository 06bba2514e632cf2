/*
 * Folders are opened once, checked on their descriptor, and used through it (/proc/self/fd/N), so that what
 * was checked is what is used, whoever renames meanwhile.
 */
#include "n1/rendezvous.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RUN "/run/n1top"
#define SHARED "/tmp"
#define SHARED_PREFIX "n1top-"

enum { SOCKETS_MAX = 256, FOLDERS_MAX = 256, BACKLOG = 16 };

static int refuse(int fd, struct n1_error *reterr, const char *hint, const char *what, const char *name)
{
    close(fd);
    return n1_error_hint(reterr, N1_E_NOT_PERMITTED, hint, "the folder %.180s %s", name, what);
}

int n1_rendezvous_enter(int parent, const char *name, uid_t owner, bool make, struct n1_error *reterr)
{
    static const char hint[] = "if it is not yours, somebody else put it there: remove it (as root), or set "
                               "N1TOP_RUN to a folder of your own";
    struct stat st;
    if (make && mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
        return n1_error_set(reterr, -errno, "cannot make the folder %.180s: %s", name, strerror(errno));
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return n1_error_set(reterr, -ENOENT, "there is no folder %.180s", name);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return n1_error_hint(reterr, N1_E_NOT_PERMITTED, hint, "%.180s is not a folder", name);
    if (fd < 0 && errno == EACCES)
        return n1_error_hint(reterr, N1_E_NOT_PERMITTED, hint, "the folder %.180s belongs to another user",
                             name);
    if (fd < 0)
        return n1_error_set(reterr, -errno, "cannot open the folder %.180s: %s", name, strerror(errno));
    if (fstat(fd, &st) < 0)
        return refuse(fd, reterr, hint, "cannot be looked at", name);
    if (st.st_uid != owner)
        return refuse(fd, reterr, hint, "belongs to another user", name);
    if (st.st_mode & 077)
        return refuse(fd, reterr, "chmod 700 it, when it is yours", "is open to others", name);
    return fd;
}

int n1_rendezvous_place(const char *path, struct n1_error *reterr)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return n1_error_set(reterr, -errno, "cannot open %s: %s", path, strerror(errno));
    if (fstat(fd, &st) < 0 || st.st_uid != 0)
        return refuse(fd, reterr, "", "does not belong to root", path);
    if ((st.st_mode & 022) && !(st.st_mode & S_ISVTX))
        return refuse(fd, reterr, "chmod 755 it", "can be written by others", path);
    return fd;
}

/* The folder that N1TOP_RUN names; NULL when it does not. */
static const char *own_folder(void)
{
    const char *own = secure_getenv("N1TOP_RUN");
    return own && own[0] == '/' ? own : NULL;
}

static int enter_at(const char *place, const char *name, uid_t owner, bool make, struct n1_error *reterr)
{
    int parent = n1_rendezvous_place(place, reterr);
    if (parent < 0)
        return parent;
    int fd = n1_rendezvous_enter(parent, name, owner, make, reterr);
    close(parent);
    return fd;
}

int n1_rendezvous_open(char *ret_path, size_t cap, struct n1_error *reterr)
{
    uid_t uid = geteuid();
    char name[32];
    if (own_folder()) {
        snprintf(ret_path, cap, "%s", own_folder());
        return n1_rendezvous_enter(AT_FDCWD, own_folder(), uid, true, reterr);
    }
    if (uid == 0 && mkdir(RUN, 0755) == 0)
        chmod(RUN, 0755); /* whatever the umask: users look for their own folder in it */
    snprintf(name, sizeof name, "%u", uid);
    snprintf(ret_path, cap, RUN "/%s", name);
    int fd = enter_at(RUN, name, uid, uid == 0, reterr);
    if (fd != -ENOENT)
        return fd;
    snprintf(name, sizeof name, SHARED_PREFIX "%u", uid);
    snprintf(ret_path, cap, SHARED "/%s", name);
    return enter_at(SHARED, name, uid, true, reterr);
}

static socklen_t address(struct sockaddr_un *at, int folder, const char *name)
{
    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(at->sun_path, sizeof at->sun_path, "/proc/self/fd/%d/%.64s", folder, name);
    return sizeof *at;
}

int n1_rendezvous_listen(int folder, pid_t pid, struct n1_error *reterr)
{
    struct sockaddr_un at;
    char made[40], name[32];
    snprintf(made, sizeof made, ".%d.new", (int)pid);
    snprintf(name, sizeof name, "%d.sock", (int)pid);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return n1_error_set(reterr, -errno, "cannot make a socket: %s", strerror(errno));
    unlinkat(folder, made, 0); /* of one that died with our PID */
    socklen_t size = address(&at, folder, made);
    if (bind(fd, (struct sockaddr *)&at, size) < 0 || fchmodat(folder, made, 0600, 0) < 0 ||
        listen(fd, BACKLOG) < 0 || renameat(folder, made, folder, name) < 0) {
        int code = errno;
        unlinkat(folder, made, 0);
        close(fd);
        return n1_error_set(reterr, -code, "cannot listen on %s: %s", name, strerror(code));
    }
    return fd;
}

void n1_rendezvous_remove(int folder, pid_t pid)
{
    char name[32];
    snprintf(name, sizeof name, "%d.sock", (int)pid);
    unlinkat(folder, name, 0);
}

bool n1_rendezvous_peer_allowed(int socket, uid_t owner, pid_t *ret_pid)
{
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    if (ret_pid)
        *ret_pid = 0;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || size != sizeof peer)
        return false;
    if (ret_pid)
        *ret_pid = peer.pid;
    return peer.uid == owner || peer.uid == 0;
}

int n1_rendezvous_connect(int folder, const char *name, uid_t owner, pid_t *ret_pid)
{
    struct sockaddr_un at;
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!S_ISSOCK(st.st_mode))
        return -ENOTSOCK;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    socklen_t size = address(&at, folder, name);
    int code = connect(fd, (struct sockaddr *)&at, size) < 0 ? errno : 0;
    if (code == ECONNREFUSED)
        unlinkat(folder, name, 0);
    if (code == 0 && !n1_rendezvous_peer_allowed(fd, owner, ret_pid))
        code = EPERM;
    if (code) {
        close(fd);
        return -code;
    }
    return fd;
}

/* "123.sock" */
static bool is_socket_name(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    return digits > 0 && digits < 11 && strcmp(name + digits, ".sock") == 0;
}

struct visit {
    void (*take)(void *context, int socket, pid_t pid, uid_t uid);
    void (*wrong)(void *context, const struct n1_error *error);
    void *context;
    unsigned folders;
};

/* Takes over the descriptor. */
static void each_socket(const struct visit *v, int folder, uid_t owner)
{
    char names[SOCKETS_MAX][20];
    size_t count = 0;
    DIR *dir = folder >= 0 ? fdopendir(folder) : NULL;
    if (!dir) {
        if (folder >= 0)
            close(folder);
        return;
    }
    for (struct dirent *entry; count < SOCKETS_MAX && (entry = readdir(dir));)
        if (is_socket_name(entry->d_name))
            snprintf(names[count++], sizeof names[0], "%.19s", entry->d_name);
    for (size_t i = 0; i < count; i++) {
        pid_t pid;
        int socket = n1_rendezvous_connect(folder, names[i], owner, &pid);
        if (socket >= 0)
            v->take(v->context, socket, pid ? pid : (pid_t)strtol(names[i], NULL, 10), owner);
    }
    closedir(dir);
}

static void each_folder(struct visit *v, const char *place, const char *prefix, uid_t uid)
{
    struct n1_error error;
    char name[32];
    int parent = n1_rendezvous_place(place, &error);
    if (parent < 0) {
        if (v->wrong && parent != -ENOENT)
            v->wrong(v->context, &error);
        return;
    }
    if (uid != 0) {
        snprintf(name, sizeof name, "%s%u", prefix, uid);
        int folder = n1_rendezvous_enter(parent, name, uid, false, &error);
        if (folder < 0 && folder != -ENOENT && v->wrong)
            v->wrong(v->context, &error);
        each_socket(v, folder, uid);
        close(parent);
        return;
    }
    DIR *dir = fdopendir(parent);
    for (struct dirent *entry; dir && v->folders < FOLDERS_MAX && (entry = readdir(dir));) {
        const char *digits = entry->d_name + strlen(prefix);
        char *end;
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || !isdigit((unsigned char)*digits))
            continue;
        unsigned long owner = strtoul(digits, &end, 10);
        if (*end || owner > (uid_t)-1)
            continue;
        v->folders++;
        each_socket(v, n1_rendezvous_enter(dirfd(dir), entry->d_name, (uid_t)owner, false, NULL),
                    (uid_t)owner);
    }
    if (dir)
        closedir(dir);
    else
        close(parent);
}

void n1_rendezvous_each(void (*take)(void *context, int socket, pid_t pid, uid_t uid),
                        void (*wrong)(void *context, const struct n1_error *error), void *context)
{
    struct visit v = {take, wrong, context, 0};
    uid_t uid = geteuid();
    if (own_folder()) {
        struct n1_error error;
        int folder = n1_rendezvous_enter(AT_FDCWD, own_folder(), uid, false, &error);
        if (folder < 0 && folder != -ENOENT && wrong)
            wrong(context, &error);
        each_socket(&v, folder, uid);
        return;
    }
    each_folder(&v, RUN, "", uid);
    each_folder(&v, SHARED, SHARED_PREFIX, uid);
}
