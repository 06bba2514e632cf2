/*
 * Outputs that appear whole or not at all. What is written goes to a temporary file beside the place where it
 * is to appear, and takes that name when it is complete and on the disk. An existing file of that name stays
 * as it was until then. What exists and is no regular file (a device, a pipe, a link) is refused: replacing
 * it would destroy it, and writing through it would go where nobody looked.
 */
#include "n1/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_ROOM 200 /* of the base name in the temporary one, which has 255 in all */
#define TRIES 16

struct n1_output {
    int fd;
    int folder;                     /* -1: standard output */
    char *path;                     /* as the user gave it, for messages */
    const char *name;               /* its last part */
    char temporary[NAME_ROOM + 16]; /* in `folder`; empty once it is gone */
};

static const char *where_else(int code)
{
    return code == -EACCES
               ? "choose another place with -o; n1top writes as its user, without root's rights over others'"
                 " files"
               : "choose another place with -o";
}

static int open_folder(struct n1_output *o, struct n1_error *reterr)
{
    char *slash = strrchr(o->path, '/');
    o->name = slash ? slash + 1 : o->path;
    if (!*o->name || strcmp(o->name, ".") == 0 || strcmp(o->name, "..") == 0)
        return n1_error_hint(reterr, -EISDIR, "name a file", "cannot write to %s: it is a folder", o->path);
    char *folder = slash ? strndup(o->path, slash == o->path ? 1 : (size_t)(slash - o->path)) : strdup(".");
    if (!folder)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    o->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = o->folder < 0 ? n1_error_hint(reterr, -errno, where_else(-errno),
                                               "cannot write into folder %s: %s", folder, strerror(errno))
                               : 0;
    free(folder);
    return status;
}

static int open_temporary(struct n1_output *o, struct n1_error *reterr)
{
    struct stat st;
    if (fstatat(o->folder, o->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
        return n1_error_hint(reterr, S_ISDIR(st.st_mode) ? -EISDIR : -EEXIST,
                             "name a file; \"-\" is standard output",
                             "will not replace %s: it is not a regular file", o->path);
    for (int i = 0; i < TRIES; i++) {
        uint32_t number;
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
            number = (uint32_t)getpid() * 1000003u + (uint32_t)i;
        snprintf(o->temporary, sizeof(o->temporary), ".%.*s.%06x", NAME_ROOM, o->name, number & 0xffffff);
        o->fd = openat(o->folder, o->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (o->fd >= 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    int code = -errno;
    o->temporary[0] = 0;
    return n1_error_hint(reterr, code, where_else(code), "cannot write %s: %s", o->path, strerror(-code));
}

int n1_output_open(const char *path, struct n1_output **ret, struct n1_error *reterr)
{
    struct n1_output *o = calloc(1, sizeof(*o));
    if (!o || !(o->path = strdup(path))) {
        free(o);
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    }
    o->fd = o->folder = -1;
    int status = 0;
    if (strcmp(path, "-") == 0) {
        o->fd = STDOUT_FILENO;
    } else {
        status = open_folder(o, reterr);
        if (status == 0)
            status = open_temporary(o, reterr);
    }
    if (status < 0) {
        n1_output_abandon(o);
        return status;
    }
    *ret = o;
    return 0;
}

int n1_output_fd(const struct n1_output *o)
{
    return o->fd;
}

int n1_output_commit(struct n1_output *o, struct n1_error *reterr)
{
    int status = 0;
    if (o->folder >= 0) {
        if (fsync(o->fd) < 0)
            status = -errno;
        /* Some file systems tell of a full disk only here. */
        if (close(o->fd) < 0 && status == 0 && errno != EINTR)
            status = -errno;
        o->fd = -1;
        if (status == 0 && renameat(o->folder, o->temporary, o->folder, o->name) < 0)
            status = -errno;
        if (status == 0) {
            o->temporary[0] = 0;
            /* The file is there and whole; a folder that cannot be synced loses at worst its name in a crash.
             */
            (void)fsync(o->folder);
        } else {
            n1_error_set(reterr, status, "cannot write %s: %s", o->path, strerror(-status));
        }
    }
    n1_output_abandon(o);
    return status;
}

void n1_output_abandon(struct n1_output *o)
{
    if (!o)
        return;
    if (o->folder >= 0) {
        if (o->temporary[0])
            unlinkat(o->folder, o->temporary, 0);
        if (o->fd >= 0)
            close(o->fd);
        close(o->folder);
    }
    free(o->path);
    free(o);
}
