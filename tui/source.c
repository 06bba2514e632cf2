/* Source files as lines; see source.h. */
#include "tui/source.h"

#include "n1/sanitise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES_MAX ((off_t)16 << 20)
#define LINES_MAX 400000u

/* The path was chosen by whoever made the target's files, and opening alone does something to many a device
 * (a watchdog, opened and closed by root, reboots the host): what it is, is judged before. */
static int open_regular(const char *path)
{
    struct stat st;
    char self[64];
    int handle = open(path, O_PATH | O_CLOEXEC), fd = -ENOENT;
    if (handle < 0)
        return -errno;
    snprintf(self, sizeof self, "/proc/self/fd/%d", handle);
    if (fstat(handle, &st) == 0 && S_ISREG(st.st_mode)) {
        fd = open(self, O_RDONLY | O_CLOEXEC);
        fd = fd < 0 ? -errno : fd;
    }
    close(handle);
    return fd;
}

int n1_source_open(const char *path, pid_t pid)
{
    char inside[4096 + 32];
    if (path[0] != '/')
        return -ENOENT;
    int len = snprintf(inside, sizeof inside, "/proc/%d/root%s", (int)pid, path);
    if (len < 0 || (size_t)len >= sizeof inside)
        return -ENAMETOOLONG; /* its beginning would be another file */
    int fd = pid > 0 ? open_regular(inside) : -ENOENT;
    return fd >= 0 ? fd : open_regular(path);
}

static int read_all(int fd, char **ret, size_t *ret_len)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size > BYTES_MAX)
        return -EFBIG;
    char *text = malloc((size_t)st.st_size + 1);
    size_t done = 0;
    if (text == NULL)
        return -ENOMEM;
    while (done < (size_t)st.st_size) {
        ssize_t got = pread(fd, text + done, (size_t)st.st_size - done, (off_t)done);
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    text[done] = '\0';
    *ret = text;
    *ret_len = done;
    return 0;
}

static void split(struct n1_source *s, size_t len)
{
    size_t count = 1;
    for (size_t i = 0; i < len; i++)
        count += s->text[i] == '\n';
    count = count > LINES_MAX ? LINES_MAX : count;
    s->lines = malloc(count * sizeof *s->lines);
    if (s->lines == NULL)
        return;
    s->lines[s->count++] = 0;
    for (size_t i = 0; i < len; i++) {
        if (s->text[i] != '\n')
            continue;
        s->text[i] = '\0';
        if (i + 1 < len && s->count < count)
            s->lines[s->count++] = (uint32_t)(i + 1);
    }
}

void n1_source_load(struct n1_source *s, const char *path, pid_t pid)
{
    size_t len = 0;
    if (path[0] != '\0' && strcmp(path, s->path) == 0)
        return;
    n1_source_finish(s);
    snprintf(s->path, sizeof s->path, "%s", path);
    int fd = n1_source_open(path, pid), rc = fd < 0 ? fd : read_all(fd, &s->text, &len);
    if (fd >= 0)
        close(fd);
    if (rc == 0)
        split(s, len);
    if (path[0] == '\0')
        snprintf(s->why, sizeof s->why, "no line information");
    else if (path[0] != '/')
        snprintf(s->why, sizeof s->why, "its path is relative, and to what is not known");
    else if (rc < 0)
        snprintf(s->why, sizeof s->why, "%s", strerror(-rc));
    else if (s->count == 0)
        snprintf(s->why, sizeof s->why, "no memory for it");
}

void n1_source_finish(struct n1_source *s)
{
    free(s->text);
    free(s->lines);
    memset(s, 0, sizeof *s);
}

void n1_source_line(const struct n1_source *s, size_t number, char *out, size_t cap)
{
    char flat[1024];
    size_t used = 0;
    out[0] = '\0';
    if (number == 0 || number > s->count)
        return;
    for (const char *at = s->text + s->lines[number - 1]; *at && used + 8 < sizeof flat; at++) {
        if (*at == '\t') {
            do
                flat[used++] = ' ';
            while (used % 4);
        } else if (*at != '\r') {
            flat[used++] = *at;
        }
    }
    n1_sanitise(out, cap, flat, used);
}
