/*
 * The log: level, monotonic time, module, text; control bytes escaped. Never to standard output. Off until
 * n1_log_open names a file (0600, appended) or a descriptor. Any thread of one process.
 */
#ifndef N1_LOG_H
#define N1_LOG_H

enum n1_log_level { N1_LOG_ERROR, N1_LOG_WARN, N1_LOG_INFO, N1_LOG_DEBUG, N1_LOG_TRACE };

/* Opens `path` for appending (O_NOFOLLOW, 0600) and logs up to `level`. Returns 0 or -errno. */
int n1_log_open(const char *path, enum n1_log_level level);
/* Logs to an open descriptor, which the log does not own. */
void n1_log_to_fd(int fd, enum n1_log_level level);
void n1_log(enum n1_log_level level, const char *module, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
