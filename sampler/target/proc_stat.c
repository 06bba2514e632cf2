/*
 * Parsing of /proc/PID/stat: numbers only after the last ')', each checked to be there.
 */
#include "sampler/target/proc_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIELD_STATE = 3, FIELD_PPID = 4, FIELD_FLAGS = 9, FIELD_START = 22, FIELD_EXIT = 52 };

int n1_proc_stat_parse(const char *text, size_t len, struct n1_proc_stat *ret_stat)
{
    struct n1_proc_stat stat = {0};
    const char *open = memchr(text, '(', len);
    const char *close = memrchr(text, ')', len);
    char rest[1024];

    if (!open || !close || close < open)
        return -EBADMSG;
    size_t name = (size_t)(close - open - 1);
    size_t kept = name < sizeof(stat.comm) ? name : sizeof(stat.comm) - 1;
    memcpy(stat.comm, open + 1, kept);
    size_t left = len - (size_t)(close + 1 - text);
    if (left >= sizeof(rest))
        left = sizeof(rest) - 1;
    memcpy(rest, close + 1, left);
    rest[left] = 0;

    int field = FIELD_STATE - 1;
    char *save = NULL;
    for (char *word = strtok_r(rest, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
        switch (++field) {
        case FIELD_STATE:
            stat.state = word[0];
            break;
        case FIELD_PPID:
            stat.ppid = (pid_t)strtol(word, NULL, 10);
            break;
        case FIELD_FLAGS:
            stat.flags = strtoull(word, NULL, 10);
            break;
        case FIELD_START:
            stat.start_ticks = strtoull(word, NULL, 10);
            break;
        case FIELD_EXIT:
            stat.exit_known = true;
            stat.exit_code = (int)strtol(word, NULL, 10);
            break;
        default:
            break;
        }
    }
    if (field < FIELD_START)
        return -EBADMSG;
    *ret_stat = stat;
    return 0;
}

int n1_proc_read(int dir_fd, const char *path, char *out, size_t cap, size_t *ret_len)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t len = 0;
    int err = 0;

    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    while (len < cap - 1) {
        ssize_t n = read(fd, out + len, cap - 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            err = -errno;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    close(fd);
    if (err)
        return err;
    out[len] = 0;
    if (ret_len)
        *ret_len = len;
    return 0;
}

int n1_proc_stat_read(int dir_fd, const char *path, struct n1_proc_stat *ret_stat)
{
    char text[2048];
    size_t len;
    int err = n1_proc_read(dir_fd, path, text, sizeof(text), &len);

    return err ? err : n1_proc_stat_parse(text, len, ret_stat);
}
