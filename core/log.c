/*
 * The log: one line an entry, "seconds.microseconds L module: text", written with a single write so that
 * lines of several threads never mix. The file is ASCII: every other byte, and the backslash, stands there as
 * \xNN, because logs quote the target and are read with cat. A write that fails is dropped: a full disk must
 * not stop the profiler. The descriptor of n1_log_open belongs to the log, that of n1_log_to_fd does not.
 */
#include "n1/log.h"

#include "n1/time.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX 1024
#define LINE_MAX_BYTES (4 * TEXT_MAX + 128)

static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the two below and each write */
static int sink_fd = -1;
static bool sink_owned;
static atomic_int sink_level = -1; /* highest level that is written; -1 while the log is off */

static void set_sink(int fd, bool owned, enum n1_log_level level)
{
    pthread_mutex_lock(&sink_lock);
    if (sink_owned)
        close(sink_fd);
    sink_fd = fd;
    sink_owned = owned;
    atomic_store(&sink_level, fd < 0 ? -1 : (int)level);
    pthread_mutex_unlock(&sink_lock);
}

int n1_log_open(const char *path, enum n1_log_level level)
{
    /* O_NONBLOCK: a FIFO under that name must not hang the program before it is seen to be no file. */
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd < 0)
        return -errno;
    struct stat st;
    int r = fstat(fd, &st) < 0 ? -errno : 0;
    if (r == 0 && !S_ISREG(st.st_mode))
        r = -EINVAL;
    if (r < 0) {
        close(fd);
        return r;
    }
    set_sink(fd, true, level);
    return 0;
}

void n1_log_to_fd(int fd, enum n1_log_level level)
{
    set_sink(fd, false, level);
}

static size_t escape(char *out, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t length = 0;
    for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
        if (*s >= 0x20 && *s < 0x7f && *s != '\\') {
            out[length++] = (char)*s;
            continue;
        }
        out[length++] = '\\';
        out[length++] = 'x';
        out[length++] = hex[*s >> 4];
        out[length++] = hex[*s & 15];
    }
    return length;
}

void n1_log(enum n1_log_level level, const char *module, const char *fmt, ...)
{
    if ((int)level > atomic_load_explicit(&sink_level, memory_order_relaxed))
        return;
    int saved_errno = errno;
    char text[TEXT_MAX], line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    n1_ns now = n1_time_mono();
    int head = snprintf(line, sizeof(line), "%" PRIu64 ".%06" PRIu64 " %c %.32s: ", now / N1_SECOND_NS,
                        now % N1_SECOND_NS / 1000, "EWIDT"[level], module);
    size_t length = (size_t)head + escape(line + head, text);
    line[length++] = '\n';

    pthread_mutex_lock(&sink_lock);
    if (sink_fd >= 0)
        while (write(sink_fd, line, length) < 0 && errno == EINTR)
            continue;
    pthread_mutex_unlock(&sink_lock);
    errno = saved_errno;
}
