/*
 * Opens files for the symbol helper, which may open nothing itself: debug files by build id and debuglink,
 * perf maps. Paths that belong to the target are resolved inside the target's root, so that neither ".." nor
 * a symbolic link of a container leads to a file of the host; only regular files are opened. Sampler thread;
 * blocks as long as the file systems do.
 */
#ifndef N1_SAMPLER_SYMBOLS_DEBUG_FILE_H
#define N1_SAMPLER_SYMBOLS_DEBUG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define N1_DEBUG_CANDIDATES 6

struct n1_debug_query {
    pid_t pid;            /* process whose root is searched; 0 for the host's alone */
    const char *path;     /* the module as its process names it; NULL or not absolute: no files beside it */
    const char *host_dir; /* host folder of debug files, as /usr/lib/debug */
    const uint8_t *build_id;
    size_t build_id_len; /* 0 when there is none */
    const char *link;    /* name in .gnu_debuglink, "" when there is none; refused with a slash in it */
};

/* Opens candidate `index` (0 .. N1_DEBUG_CANDIDATES-1, best first): by build id in the target's root and the
 * host, then by name beside the module, in .debug/, in the target's and the host's debug folder. `ret_by_crc`
 * tells that its CRC has to be checked. Returns 0 or -errno; the caller owns the descriptor. */
int n1_debug_file_open(const struct n1_debug_query *query, unsigned index, int *ret_fd, bool *ret_by_crc);

/* Opens /tmp/perf-N.map in the root of `pid`, N being its number in its own namespace. -EPERM when the file
 * is not owned by the target's user, -EINVAL when it is no regular file or a symbolic link, else -errno. */
int n1_perf_map_open(pid_t pid, int *ret_fd);

/* Opens the regular file `path` below the root folder `root_fd`; `nofollow` refuses a link as the last part.
 */
int n1_file_open_in_root(int root_fd, const char *path, bool nofollow, int *ret_fd);

#endif
