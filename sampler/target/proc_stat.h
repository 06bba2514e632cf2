/*
 * The fields of /proc/PID/stat (and of its threads) that the sampler uses. The name in field 2 is whatever
 * the target chose, with brackets and line breaks if it likes: it ends at the last ')' of the file. Any
 * thread.
 */
#ifndef N1_SAMPLER_TARGET_PROC_STAT_H
#define N1_SAMPLER_TARGET_PROC_STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct n1_proc_stat {
    char comm[64];        /* field 2, raw bytes, terminated */
    char state;           /* field 3: R S D T t Z X I */
    pid_t ppid;           /* field 4 */
    uint64_t flags;       /* field 9, PF_* of the kernel */
    uint64_t start_ticks; /* field 22, clock ticks since boot */
    bool exit_known;      /* field 52 was readable: not so for another user's process */
    int exit_code;        /* field 52, a wait status */
};

/* Parses `len` bytes of the file's text. Returns 0 or -EBADMSG. */
int n1_proc_stat_parse(const char *text, size_t len, struct n1_proc_stat *ret_stat);

/* Reads and parses the file `path` below the folder `dir_fd`. Returns 0, -ESRCH when the task is gone,
 * -EBADMSG, or another -errno. */
int n1_proc_stat_read(int dir_fd, const char *path, struct n1_proc_stat *ret_stat);

/* Reads at most `cap` - 1 bytes of a small file below `dir_fd` and terminates them; `ret_len` (may be NULL)
 * gets their number. Returns 0 or -errno (-ESRCH when the task is gone). */
int n1_proc_read(int dir_fd, const char *path, char *out, size_t cap, size_t *ret_len);

#endif
