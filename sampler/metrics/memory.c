/*
 * The costly sources of memory figures: smaps_rollup (PSS and USS walk every page of the process; the kernel
 * holds the mapping lock for reading meanwhile) and maps (one line a mapping). Both are opened anew each
 * time: their descriptors stay bound to the address space of before an exec. Sizes are bytes.
 */
#include "sampler/metrics/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Beyond this resident size one walk (13 ms a GiB of small pages) would hold up the sampling loop for too
 * long. */
#define N1_WALK_LIMIT_BYTES (INT64_C(16) << 30)
#define N1_MAPPINGS_MAX 1000000

static const struct n1_field smaps_fields[] = {
    {"Pss", N1_METRIC_MEM_PSS, 1024},
    {"Private_Clean", N1_METRIC_MEM_USS, 1024},
    {"Private_Dirty", N1_METRIC_MEM_USS, 1024},
    {"Private_Hugetlb", N1_METRIC_MEM_USS, 1024, .may_miss = true},
    {"AnonHugePages", N1_METRIC_MEM_HUGE, 1024},
};

static int read_smaps(struct n1_metrics *m, const struct n1_source *source)
{
    char path[sizeof m->mm_dir + 16];
    struct n1_text text;
    const struct n1_metric_point *rss = &m->points[N1_METRIC_MEM_RSS];

    if (rss->valid && rss->value > N1_WALK_LIMIT_BYTES) {
        for (size_t i = 0; i < source->n_fields; i++)
            n1_source_refuse(m, source->fields[i].id, "too large to walk");
        return 0;
    }
    snprintf(path, sizeof path, "%ssmaps_rollup", m->mm_dir);
    int rc = n1_text_read(m->dirfd, path, NULL, m->text, sizeof m->text, &text);
    if (rc == 0)
        n1_source_put_fields(m, source->fields, source->n_fields, text, N1_WHY_OLD_KERNEL);
    return rc;
}

static const struct n1_field maps_fields[] = {
    {NULL, N1_METRIC_MEM_HEAP}, {NULL, N1_METRIC_MEM_ANON_MAPPED}, {NULL, N1_METRIC_MEM_MAPPINGS}};

struct maps_sums {
    int64_t heap, anon, mappings;
};

static bool take_hex(struct n1_text *text, char after, uint64_t *ret)
{
    uint64_t value = 0;
    const char *at = text->at;

    for (; at < text->end && at - text->at < 17; at++) {
        int digit = *at >= '0' && *at <= '9' ? *at - '0' : *at >= 'a' && *at <= 'f' ? *at - 'a' + 10 : -1;
        if (digit < 0)
            break;
        value = value << 4 | (unsigned)digit;
    }
    if (at == text->at || at - text->at > 16 || at == text->end || *at != after)
        return false;
    text->at = at + 1;
    *ret = value;
    return true;
}

/* "start-end perms offset dev inode path": false when it is no such line. */
static bool add_mapping(struct maps_sums *sums, struct n1_text line)
{
    uint64_t start, end;
    struct n1_text perms, offset, dev, inode, path = {line.end, line.end};

    if (!take_hex(&line, '-', &start) || !take_hex(&line, ' ', &end) || end < start ||
        !n1_text_word(&line, &perms) || perms.end - perms.at < 4 || !n1_text_word(&line, &offset) ||
        !n1_text_word(&line, &dev) || !n1_text_word(&line, &inode))
        return false;
    n1_text_word(&line, &path);
    sums->mappings++;
    if (end - start > INT64_MAX)
        return false;
    /* a file may be named "[heap]", yet then it has an inode */
    bool anon = n1_text_equals(inode, "0") && perms.at[1] == 'w' && perms.at[3] == 'p';
    int64_t *sum = !anon                            ? NULL
                   : n1_text_equals(path, "[heap]") ? &sums->heap
                   : path.at == path.end || (path.end - path.at > 6 && !memcmp(path.at, "[anon:", 6))
                       ? &sums->anon
                       : NULL;
    return !sum || !__builtin_add_overflow(*sum, (int64_t)(end - start), sum);
}

/* Adds up the mappings in `fd`. A line longer than the buffer's half is a path: only its beginning counts.
 */
static int add_mappings(struct n1_metrics *m, int fd, struct maps_sums *sums)
{
    size_t have = 0;
    bool skipping = false; /* inside the rest of an overlong line */

    for (;;) {
        ssize_t n = read(fd, m->text + have, sizeof m->text - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        struct n1_text text = {m->text, m->text + have + n}, line;
        bool last = n == 0;
        while (text.at < text.end) {
            bool whole = memchr(text.at, '\n', (size_t)(text.end - text.at));
            bool full = text.at == m->text && text.end == m->text + sizeof m->text;
            if (!whole && !last && !full)
                break;
            n1_text_line(&text, &line);
            if (!skipping && (!add_mapping(sums, line) || sums->mappings > N1_MAPPINGS_MAX))
                return -EBADMSG;
            skipping = !whole;
        }
        have = (size_t)(text.end - text.at);
        memmove(m->text, text.at, have);
        if (last)
            return 0;
    }
}

static int read_maps(struct n1_metrics *m, const struct n1_source *source)
{
    (void)source;
    char path[sizeof m->mm_dir + 8];
    struct maps_sums sums = {0};

    snprintf(path, sizeof path, "%smaps", m->mm_dir);
    int fd = openat(m->dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int rc = add_mappings(m, fd, &sums);
    close(fd);
    if (rc == 0 && sums.mappings == 0)
        rc = -ESRCH; /* no address space */
    if (rc < 0)
        return rc;
    n1_source_put(m, N1_METRIC_MEM_HEAP, sums.heap);
    n1_source_put(m, N1_METRIC_MEM_ANON_MAPPED, sums.anon);
    n1_source_put(m, N1_METRIC_MEM_MAPPINGS, sums.mappings);
    return 0;
}

const struct n1_source n1_source_smaps = {.name = "smaps_rollup",
                                          .read = read_smaps,
                                          .fields = smaps_fields,
                                          .n_fields = N1_ARRAY_LEN(smaps_fields),
                                          .period_ns = N1_SECOND_NS,
                                          .share_ppm = 2000,
                                          .late = true,
                                          .missing = N1_WHY_OLD_KERNEL};
const struct n1_source n1_source_maps = {.name = "maps",
                                         .read = read_maps,
                                         .fields = maps_fields,
                                         .n_fields = N1_ARRAY_LEN(maps_fields),
                                         .period_ns = 2 * N1_SECOND_NS,
                                         .share_ppm = 1000,
                                         .late = true,
                                         .missing = N1_WHY_GONE};
