/*
 * Bounded reading of small text files. The caller owns buffers and kept descriptors; nothing here allocates.
 */
#include "sampler/metrics/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static ssize_t pread_retry(int fd, char *buf, size_t len)
{
    ssize_t n;

    do
        n = pread(fd, buf, len, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

int n1_text_read(int dirfd, const char *path, int *kept, char *buf, size_t cap, struct n1_text *ret)
{
    int fd = kept ? *kept : -1;

    /* O_NONBLOCK: a fifo in a place that is not what it seems must not hold us. */
    if (fd < 0)
        fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    ssize_t n = pread_retry(fd, buf, cap);
    int err = n < 0 ? errno : 0;
    if (!kept || err) {
        close(fd);
        fd = -1;
    }
    if (kept)
        *kept = fd;
    if (err)
        return -err;
    if (n == 0)
        return -EBADMSG;
    *ret = (struct n1_text){buf, buf + n};
    return 0;
}

bool n1_text_line(struct n1_text *text, struct n1_text *ret_line)
{
    if (text->at == text->end)
        return false;
    const char *stop = memchr(text->at, '\n', (size_t)(text->end - text->at));
    *ret_line = (struct n1_text){text->at, stop ? stop : text->end};
    text->at = stop ? stop + 1 : text->end;
    return true;
}

bool n1_text_word(struct n1_text *text, struct n1_text *ret_word)
{
    const char *at = text->at;

    while (at < text->end && (blank(*at) || *at == '\n'))
        at++;
    const char *from = at;
    while (at < text->end && !blank(*at) && *at != '\n')
        at++;
    if (from == at)
        return false;
    *ret_word = (struct n1_text){from, at};
    text->at = at;
    return true;
}

bool n1_text_int(struct n1_text *text, int64_t *ret)
{
    const char *at = text->at;
    int64_t value = 0;

    while (at < text->end && blank(*at))
        at++;
    bool negative = at < text->end && *at == '-';
    if (negative)
        at++;
    const char *digits = at;
    for (; at < text->end && *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *at - '0', &value))
            return false;
    if (at == digits)
        return false;
    *ret = negative ? -value : value;
    text->at = at;
    return true;
}

bool n1_text_after(struct n1_text line, const char *key, struct n1_text *ret_rest)
{
    size_t len = strlen(key);

    if ((size_t)(line.end - line.at) <= len || memcmp(line.at, key, len) != 0)
        return false;
    const char *at = line.at + len;
    if (!blank(*at) && *at != ':' && *at != '=')
        return false;
    *ret_rest = (struct n1_text){at + 1, line.end};
    return true;
}

bool n1_text_equals(struct n1_text text, const char *literal)
{
    size_t len = strlen(literal);

    return (size_t)(text.end - text.at) == len && memcmp(text.at, literal, len) == 0;
}
