/*
 * Ranges of executable memory: see the header. Changes rebuild a sorted array in place; they are rare
 * (dlopen, JIT growth) beside look-ups, which happen a few times a sample.
 */
#include "sampler/target/space.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RANGES_MAX 65536
#define LINE_MAX_BYTES 65536 /* a path of 4096 bytes escaped fourfold fits with room to spare */
#define USER_END UINT64_C(0x0100000000000000) /* 57-bit paging; also bounds what a forged line may claim */

void n1_space_init(struct n1_space *space, struct n1_modules *modules, pid_t pid)
{
    *space = (struct n1_space){.pid = pid, .modules = modules, .generation = ++modules->generation};
}

static void drop_ranges(struct n1_space *space)
{
    for (size_t i = 0; i < space->count; i++)
        n1_module_unref(space->ranges[i].module);
    space->count = 0;
    space->last = 0;
}

void n1_space_reset(struct n1_space *space)
{
    drop_ranges(space);
    n1_module_unref(space->anon);
    space->anon = NULL;
    space->stack_start = space->stack_end = 0;
    space->generation = ++space->modules->generation;
}

void n1_space_finish(struct n1_space *space)
{
    drop_ranges(space);
    n1_module_unref(space->anon);
    free(space->ranges);
    *space = (struct n1_space){0};
}

static int reserve(struct n1_space *space, size_t count)
{
    if (count <= space->capacity)
        return 0;
    size_t capacity = space->capacity ? space->capacity * 2 : 32;
    while (capacity < count)
        capacity *= 2;
    struct n1_range *ranges = realloc(space->ranges, capacity * sizeof(*ranges));
    if (!ranges)
        return -ENOMEM;
    space->ranges = ranges;
    space->capacity = capacity;
    return 0;
}

static struct n1_module *anon_module(struct n1_space *space)
{
    if (!space->anon)
        space->anon = n1_modules_anon(space->modules);
    return space->anon;
}

static struct n1_module *module_of(struct n1_space *space, const struct n1_mmap_event *event)
{
    struct n1_module_hint hint = {space->pid, event->start, event->end, event->file_offset};
    const char *path = event->path ? event->path : "";
    if (strcmp(path, "[vdso]") == 0)
        return n1_modules_vdso(space->modules, &hint);
    bool file = path[0] == '/' && event->inode != 0 && strncmp(path, "//anon", 6) != 0 &&
                strncmp(path, "/dev/zero", 9) != 0 && strncmp(path, "/anon_hugepage", 14) != 0 &&
                strncmp(path, "/SYSV", 5) != 0;
    if (file)
        return n1_modules_file(space->modules, path, event->dev_major, event->dev_minor, event->inode, &hint);
    struct n1_module *module = anon_module(space);
    if (module)
        n1_module_ref(module);
    return module;
}

/* Index of the first range that ends above `address`. */
static size_t lower(const struct n1_space *space, uint64_t address)
{
    size_t low = 0, high = space->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (space->ranges[mid].end <= address)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

int n1_space_map(struct n1_space *space, const struct n1_mmap_event *event)
{
    if (event->end <= event->start || event->end > USER_END)
        return -EINVAL;
    if (space->count + 2 > RANGES_MAX) {
        space->skipped++;
        return -E2BIG;
    }
    if (reserve(space, space->count + 2) < 0)
        return -ENOMEM;
    struct n1_module *module = module_of(space, event);
    if (!module)
        return -ENOMEM;

    size_t at = lower(space, event->start);
    if (at < space->count && space->ranges[at].start < event->start) {
        struct n1_range *cut = &space->ranges[at];
        if (cut->end > event->end) { /* the new one lies inside: split */
            memmove(cut + 1, cut, (space->count - at) * sizeof(*cut));
            space->count++;
            n1_module_ref(cut->module);
            cut[1].file_offset += event->end - cut[1].start;
            cut[1].start = event->end;
        }
        cut->end = event->start;
        at++;
    }
    size_t after = at;
    while (after < space->count && space->ranges[after].end <= event->end)
        n1_module_unref(space->ranges[after++].module);
    if (after < space->count && space->ranges[after].start < event->end) {
        struct n1_range *cut = &space->ranges[after];
        cut->file_offset += event->end - cut->start;
        cut->start = event->end;
    }
    memmove(&space->ranges[at + 1], &space->ranges[after], (space->count - after) * sizeof(*space->ranges));
    space->count = space->count - after + at + 1;
    space->ranges[at] = (struct n1_range){
        .start = event->start, .end = event->end, .file_offset = event->file_offset, .module = module};
    space->last = at;
    space->generation = ++space->modules->generation;
    return 0;
}

int n1_space_clone(struct n1_space *child, const struct n1_space *parent, pid_t child_pid)
{
    n1_space_init(child, parent->modules, child_pid);
    if (reserve(child, parent->count) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < parent->count; i++) {
        struct n1_range *range = &child->ranges[i];
        *range = parent->ranges[i];
        if (range->module == parent->anon) {
            /* Absolute addresses mean something in one process only: the child gets its own. */
            range->module = anon_module(child);
            if (!range->module) {
                n1_space_finish(child);
                n1_space_init(child, parent->modules, child_pid);
                return -ENOMEM;
            }
        }
        n1_module_ref(range->module);
        child->count++;
    }
    child->stack_start = parent->stack_start;
    child->stack_end = parent->stack_end;
    return 0;
}

struct n1_range *n1_space_find(struct n1_space *space, uint64_t address)
{
    if (space->last < space->count) {
        struct n1_range *range = &space->ranges[space->last];
        if (address >= range->start && address < range->end)
            return range;
    }
    size_t at = lower(space, address);
    if (at == space->count || address < space->ranges[at].start)
        return NULL;
    space->last = at;
    return &space->ranges[at];
}

struct n1_range *n1_space_resolve(struct n1_space *space, uint64_t address)
{
    struct n1_range *range = n1_space_find(space, address);
    if (!range || range->resolved)
        return range;
    struct n1_module *module = range->module;
    uint64_t vaddr = range->file_offset;
    int r = n1_module_open(module);
    if (r == 0)
        n1_elf_image_vaddr(&module->image, range->file_offset, &vaddr);
    if (module->kind == N1_MODULE_FILE && module->state == N1_MODULE_NO_ELF && anon_module(space)) {
        /* A file that holds bare code (a memfd of a JIT): its frames belong to this process alone. */
        n1_module_ref(space->anon);
        range->module = space->anon;
        n1_module_unref(module);
        module = space->anon;
    }
    range->delta = n1_module_absolute(module) ? 0 : vaddr - range->start;
    range->resolved = true;
    return range;
}

/* Reads "start-end perms offset major:minor inode path". Returns false when the line is not of that form. */
static bool parse_line(const char *line, struct n1_mmap_event *event, char perms[5])
{
    unsigned long long start, end, offset, inode;
    unsigned dev_major, dev_minor;
    int path_at = 0;
    if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &start, &end, perms, &offset, &dev_major, &dev_minor,
               &inode, &path_at) != 7 ||
        strlen(perms) != 4 || path_at == 0)
        return false;
    event->start = start;
    event->end = end;
    event->file_offset = offset;
    event->dev_major = dev_major;
    event->dev_minor = dev_minor;
    event->inode = inode;
    event->path = line + path_at;
    return true;
}

/* Takes one NUL-terminated line of maps into `space`. Returns 0 or -ENOMEM. */
static int take_line(struct n1_space *space, const char *line)
{
    struct n1_mmap_event event = {.pid = space->pid};
    char perms[5];
    if (!parse_line(line, &event, perms)) {
        space->skipped++;
        return 0;
    }
    if (strcmp(event.path, "[stack]") == 0) {
        space->stack_start = event.start;
        space->stack_end = event.end;
    }
    if (perms[2] != 'x' || strcmp(event.path, "[vsyscall]") == 0)
        return 0;
    int r = n1_space_map(space, &event);
    if (r == -EINVAL)
        space->skipped++;
    return r == -ENOMEM ? r : 0;
}

/* Moves what was read into `space`, keeping the generation and the resolved state where nothing changed. */
static void adopt(struct n1_space *space, struct n1_space *fresh)
{
    bool same = space->count == fresh->count;
    for (size_t i = 0; same && i < space->count; i++) {
        const struct n1_range *a = &space->ranges[i], *b = &fresh->ranges[i];
        bool anon =
            a->module == space->anon && (b->module == fresh->anon || b->module->state == N1_MODULE_NO_ELF);
        same = a->start == b->start && a->end == b->end && a->file_offset == b->file_offset &&
               (a->module == b->module || anon);
    }
    space->stack_start = fresh->stack_start;
    space->stack_end = fresh->stack_end;
    space->skipped += fresh->skipped;
    if (same) {
        n1_space_finish(fresh);
        return;
    }
    /* The process keeps its one anonymous module over re-reads. */
    if (space->anon) {
        for (size_t i = 0; i < fresh->count; i++) {
            if (fresh->ranges[i].module != fresh->anon)
                continue;
            n1_module_ref(space->anon);
            n1_module_unref(fresh->anon);
            fresh->ranges[i].module = space->anon;
        }
        n1_module_unref(fresh->anon);
    } else {
        space->anon = fresh->anon;
    }
    drop_ranges(space);
    free(space->ranges);
    space->ranges = fresh->ranges;
    space->count = fresh->count;
    space->capacity = fresh->capacity;
    space->generation = ++space->modules->generation;
}

int n1_space_parse(struct n1_space *space, const char *text, size_t len)
{
    struct n1_space fresh;
    n1_space_init(&fresh, space->modules, space->pid);
    char *line = malloc(LINE_MAX_BYTES);
    int r = line ? 0 : -ENOMEM;
    for (size_t at = 0; r == 0 && at < len;) {
        const char *newline = memchr(text + at, '\n', len - at);
        size_t size = newline ? (size_t)(newline - (text + at)) : len - at;
        if (size >= LINE_MAX_BYTES) {
            fresh.skipped++;
        } else {
            memcpy(line, text + at, size);
            line[size] = '\0';
            r = take_line(&fresh, line);
        }
        at += size + 1;
    }
    free(line);
    if (r < 0)
        n1_space_finish(&fresh);
    else
        adopt(space, &fresh);
    return r;
}

int n1_space_load(struct n1_space *space, struct n1_error *reterr)
{
    char path[32], *text = NULL;
    size_t len = 0, capacity = 0;
    snprintf(path, sizeof(path), "/proc/%d/maps", space->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
    if (fd < 0) {
        r = errno == ENOENT ? -ESRCH : -errno;
        return n1_error_set(reterr, r, "cannot read %s: %s", path, strerror(-r));
    }
    for (;;) {
        if (capacity - len < 4096) {
            capacity = capacity ? capacity * 2 : 65536;
            char *bigger = capacity <= (UINT64_C(256) << 20) ? realloc(text, capacity) : NULL;
            if (!bigger) {
                r = -ENOMEM;
                break;
            }
            text = bigger;
        }
        ssize_t n = read(fd, text + len, capacity - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            r = -errno;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    close(fd);
    if (r == 0)
        r = n1_space_parse(space, text, len);
    free(text);
    if (r < 0)
        n1_error_set(reterr, r, "cannot read %s: %s", path, strerror(-r));
    return r;
}
