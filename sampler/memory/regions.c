/*
 * Text of /proc/PID/maps is the kernel's, but for the paths, which are the target's: of them only the first
 * bytes after a "[" are looked at, and only where there is no inode.
 */
#include "sampler/memory/regions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REGIONS_MAX = 1 << 20, TEXT_MOST = 128 << 20 };
#define PAGE_BYTES UINT64_C(4096)
#define PRESENT (UINT64_C(1) << 63)
#define SWAPPED (UINT64_C(1) << 62)

void n1_regions_finish(struct n1_regions *regions)
{
    free(regions->list);
    *regions = (struct n1_regions){0};
}

struct text {
    const char *at, *end;
};

static bool number(struct text *t, unsigned base, char after, uint64_t *ret)
{
    uint64_t value = 0;
    const char *start = t->at;

    for (; t->at < t->end && t->at - start < 20; t->at++) {
        unsigned char c = (unsigned char)*t->at;
        unsigned digit = c >= '0' && c <= '9'                 ? c - (unsigned)'0'
                         : base == 16 && c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10u
                                                              : 99;
        if (digit >= base)
            break;
        value = value * base + digit;
    }
    if (t->at == start || t->at == t->end || *t->at != after)
        return false;
    t->at++;
    *ret = value;
    return true;
}

static bool begins(struct text t, const char *word)
{
    size_t len = strlen(word);
    return (size_t)(t.end - t.at) >= len && !memcmp(t.at, word, len);
}

/* "start-end perms offset major:minor inode   path" */
static bool parse_line(struct text t, struct n1_region *ret)
{
    uint64_t offset, major, minor;
    char perms[4];

    if (!number(&t, 16, '-', &ret->start) || !number(&t, 16, ' ', &ret->end) || ret->start >= ret->end ||
        t.end - t.at < 5)
        return false;
    memcpy(perms, t.at, 4);
    t.at += 5;
    if (!number(&t, 16, ' ', &offset) || !number(&t, 16, ':', &major) || !number(&t, 16, ' ', &minor))
        return false;
    struct text rest = t;
    if (!number(&t, 10, ' ', &ret->inode)) {
        t = rest; /* the line may end with the inode */
        for (ret->inode = 0; t.at < t.end && *t.at >= '0' && *t.at <= '9'; t.at++)
            ret->inode = ret->inode * 10 + (uint64_t)(*t.at - '0');
    }
    while (t.at < t.end && *t.at == ' ')
        t.at++;
    bool writable = perms[1] == 'w', shared = perms[3] == 's';
    if (ret->inode)
        ret->kind =
            begins(t, "/dev/zero") || begins(t, "/SYSV") || begins(t, "/memfd:") || begins(t, "/dev/shm/")
                ? N1_REGION_SHARED
            : writable && !shared ? N1_REGION_DATA
                                  : N1_REGION_FILE;
    else if (begins(t, "[heap]"))
        ret->kind = N1_REGION_HEAP;
    else if (begins(t, "[stack"))
        ret->kind = N1_REGION_STACK;
    else if (t.at == t.end || begins(t, "[anon:"))
        ret->kind = shared ? N1_REGION_SHARED : N1_REGION_ANON;
    else
        ret->kind = N1_REGION_SPECIAL;
    return true;
}

int n1_regions_parse(struct n1_regions *regions, const char *text, size_t len)
{
    struct n1_region region = {0};
    size_t count = 0;

    for (const char *at = text, *end = text + len; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        struct text line = {at, stop ? stop : end};
        at = line.end + 1;
        if (!parse_line(line, &region) || (count && region.start < regions->list[count - 1].end))
            continue;
        if (count == regions->cap) {
            size_t cap = regions->cap ? regions->cap * 2 : 256;
            struct n1_region *list =
                cap > REGIONS_MAX ? NULL : realloc(regions->list, cap * sizeof *regions->list);
            if (!list)
                return -ENOMEM;
            regions->list = list;
            regions->cap = cap;
        }
        regions->list[count++] = region;
    }
    regions->count = count;
    regions->last = 0;
    return 0;
}

int n1_regions_load(struct n1_regions *regions, int proc_fd, n1_ns now)
{
    int fd = openat(proc_fd, "maps", O_RDONLY | O_CLOEXEC);
    size_t len = 0, cap = 1 << 16;
    char *text = fd < 0 ? NULL : malloc(cap);
    int rc = fd < 0 ? -errno : text ? 0 : -ENOMEM;

    while (rc == 0) {
        ssize_t got = read(fd, text + len, cap - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            rc = got < 0 ? -errno : 0;
            break;
        }
        len += (size_t)got;
        if (len < cap)
            continue;
        char *more = cap < TEXT_MOST ? realloc(text, cap * 2) : NULL;
        if (!more) {
            rc = -ENOMEM;
            break;
        }
        text = more;
        cap *= 2;
    }
    if (fd >= 0)
        close(fd);
    if (rc == 0)
        rc = n1_regions_parse(regions, text, len);
    regions->loaded = now;
    free(text);
    return rc;
}

const struct n1_region *n1_regions_find(struct n1_regions *regions, uint64_t address)
{
    size_t low = 0, high = regions->count;

    if (regions->last < regions->count && address >= regions->list[regions->last].start &&
        address < regions->list[regions->last].end)
        return &regions->list[regions->last];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (regions->list[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == regions->count || address < regions->list[low].start)
        return NULL;
    regions->last = low;
    return &regions->list[low];
}

int n1_page_map_open(int proc_fd)
{
    int fd = openat(proc_fd, "pagemap", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

bool n1_page_map_present(int fd, uint64_t address)
{
    uint64_t entry;

    if (fd < 0 || address >> 56 ||
        pread(fd, &entry, sizeof entry, (off_t)(address / PAGE_BYTES * sizeof entry)) != sizeof entry)
        return false;
    return entry & (PRESENT | SWAPPED);
}

/* PAGEMAP_SCAN of linux/fs.h (Linux 6.7), which Debian 12's headers do not have yet. */
struct scan_region {
    uint64_t start, end, categories;
};
struct scan_args {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PAGE_IS_HUGE_BIT (UINT64_C(1) << 6)
#define SCAN_REQUEST _IOWR('f', 16, struct scan_args)

int n1_page_map_huge(int fd, uint64_t address)
{
    struct scan_region found = {0};
    struct scan_args args = {.size = sizeof args,
                             .start = address & ~(PAGE_BYTES - 1),
                             .end = (address & ~(PAGE_BYTES - 1)) + PAGE_BYTES,
                             .vec = (uint64_t)(uintptr_t)&found,
                             .vec_len = 1,
                             .category_mask = PAGE_IS_HUGE_BIT,
                             .return_mask = PAGE_IS_HUGE_BIT};

    int rc = fd < 0 ? -1 : ioctl(fd, SCAN_REQUEST, &args);
    return rc < 0 ? -1 : rc > 0;
}
