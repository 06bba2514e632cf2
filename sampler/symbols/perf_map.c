/*
 * The map is kept as disjoint ranges. What a refresh brings is first made disjoint in itself, latest line
 * first, by a sweep over the starts with a heap of the ranges alive; then it replaces what it covers of the
 * older ranges.
 */
#include "sampler/symbols/perf_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RANGES_MAX (UINT32_C(1) << 20) /* 24 MiB */
#define BATCH_MAX (UINT32_C(1) << 18)
#define SIZE_MAX_BYTES (UINT32_C(1) << 30)
#define LINE_MAX_BYTES 8192
#define CHUNK_BYTES 65536

struct batch {
    struct n1_perf_range *items;
    size_t count, capacity;
};

void n1_perf_map_init(struct n1_perf_map *map, int fd)
{
    *map = (struct n1_perf_map){.fd = fd};
}

void n1_perf_map_finish(struct n1_perf_map *map)
{
    free(map->ranges);
    map->ranges = NULL;
    map->count = 0;
}

static bool append(struct batch *batch, const struct n1_perf_range *range)
{
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity ? batch->capacity * 2 : 256;
        struct n1_perf_range *grown = realloc(batch->items, capacity * sizeof(*grown));
        if (!grown)
            return false;
        batch->items = grown;
        batch->capacity = capacity;
    }
    batch->items[batch->count++] = *range;
    return true;
}

/* A hexadecimal number, with or without 0x; NULL when there is none or it overflows. */
static const char *parse_hex(const char *text, const char *end, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (end - text > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        text += 2;
    const char *first = text;
    for (; text < end; text++) {
        unsigned c = (unsigned char)*text, lower = c | 0x20;
        unsigned digit = c >= '0' && c <= '9'           ? c - '0'
                         : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                        : 16;
        if (digit > 15)
            break;
        if (value >> 60)
            return NULL;
        value = value << 4 | digit;
    }
    if (text == first)
        return NULL;
    *ret_value = value;
    return text;
}

/* One line, without its newline, that begins at file offset `offset`. */
static bool parse_line(const char *line, const char *end, uint64_t offset, struct n1_perf_range *ret_range)
{
    uint64_t start, size;
    const char *at = parse_hex(line, end, &start);
    if (!at || at == end || *at != ' ')
        return false;
    at = parse_hex(at + 1, end, &size);
    if (!at || end - at < 2 || *at != ' ' || size == 0 || size > SIZE_MAX_BYTES || start > UINT64_MAX - size)
        return false;
    *ret_range = (struct n1_perf_range){
        .start = start, .name = offset + (uint64_t)(at + 1 - line), .size = (uint32_t)size};
    return true;
}

static int compare_starts(const void *a, const void *b)
{
    const struct n1_perf_range *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name; /* a higher offset is a later line */
}

/* A heap of indices, the latest line on top. */
struct heap {
    const struct n1_perf_range *items;
    uint32_t *index;
    size_t count;
};

static bool is_later(const struct heap *heap, size_t a, size_t b)
{
    return heap->items[heap->index[a]].name > heap->items[heap->index[b]].name;
}

static void heap_swap(struct heap *heap, size_t a, size_t b)
{
    uint32_t kept = heap->index[a];
    heap->index[a] = heap->index[b];
    heap->index[b] = kept;
}

static void heap_push(struct heap *heap, uint32_t item)
{
    size_t at = heap->count++;
    heap->index[at] = item;
    for (; at > 0 && is_later(heap, at, (at - 1) / 2); at = (at - 1) / 2)
        heap_swap(heap, at, (at - 1) / 2);
}

static void heap_pop(struct heap *heap)
{
    heap->index[0] = heap->index[--heap->count];
    for (size_t at = 0, child; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && is_later(heap, child + 1, child))
            child++;
        if (!is_later(heap, child, at))
            break;
        heap_swap(heap, child, at);
    }
}

/* Appends [from, to) of `range`, joined to the last one when it continues it. */
static bool emit(struct batch *out, const struct n1_perf_range *range, uint64_t from, uint64_t to)
{
    struct n1_perf_range *last = out->count ? &out->items[out->count - 1] : NULL;
    if (last && last->name == range->name && last->start + last->size == from) {
        last->size += (uint32_t)(to - from);
        return true;
    }
    struct n1_perf_range piece = *range;
    piece.start = from;
    piece.size = (uint32_t)(to - from);
    piece.skip = range->skip + (uint32_t)(from - range->start);
    return append(out, &piece);
}

/* Makes the batch disjoint and sorted, later lines over earlier ones. False when out of memory. */
static bool flatten(struct batch *batch)
{
    struct batch out = {0};
    struct heap heap = {.items = batch->items, .index = malloc(batch->count * sizeof(uint32_t))};
    bool ok = heap.index != NULL;
    uint64_t at = 0;
    qsort(batch->items, batch->count, sizeof(*batch->items), compare_starts);
    for (uint32_t next = 0; ok && (next < batch->count || heap.count > 0);) {
        if (heap.count == 0)
            at = batch->items[next].start;
        while (next < batch->count && batch->items[next].start <= at)
            heap_push(&heap, next++);
        while (heap.count > 0) {
            const struct n1_perf_range *top = &batch->items[heap.index[0]];
            if (top->start + top->size > at)
                break;
            heap_pop(&heap);
        }
        if (heap.count == 0)
            continue;
        const struct n1_perf_range *top = &batch->items[heap.index[0]];
        uint64_t end = top->start + top->size;
        if (next < batch->count && batch->items[next].start < end)
            end = batch->items[next].start;
        ok = emit(&out, top, at, end);
        at = end;
    }
    free(heap.index);
    if (!ok) {
        free(out.items);
        return false;
    }
    free(batch->items);
    *batch = out;
    return true;
}

/* Puts the disjoint `batch` over the map's ranges. False when out of memory. */
static bool overlay(struct n1_perf_map *map, const struct batch *batch)
{
    struct batch out = {0};
    size_t next = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < map->count; i++) {
        const struct n1_perf_range *old = &map->ranges[i];
        uint64_t from = old->start, end = old->start + old->size;
        while (ok && next < batch->count && batch->items[next].start + batch->items[next].size <= from)
            ok = append(&out, &batch->items[next++]);
        while (ok && from < end && next < batch->count && batch->items[next].start < end) {
            const struct n1_perf_range *over = &batch->items[next];
            if (over->start > from)
                ok = emit(&out, old, from, over->start);
            from = over->start + over->size;
            if (from > end)
                break; /* it may cover the next old range too */
            ok = ok && append(&out, over);
            next++;
        }
        if (ok && from < end)
            ok = emit(&out, old, from, end);
    }
    while (ok && next < batch->count)
        ok = append(&out, &batch->items[next++]);
    if (!ok) {
        free(out.items);
        return false;
    }
    if (out.count > RANGES_MAX) {
        map->refused += out.count - RANGES_MAX;
        out.count = RANGES_MAX;
    }
    free(map->ranges);
    map->ranges = out.items;
    map->count = out.count;
    return true;
}

/* Takes whole lines from [map->read_to, size) into the batch, until the end or a full batch. */
static enum n1_symbol_status read_batch(struct n1_perf_map *map, uint64_t size, struct batch *batch)
{
    static char chunk[CHUNK_BYTES];
    while (map->read_to < size && batch->count < BATCH_MAX) {
        ssize_t n = pread(map->fd, chunk, sizeof(chunk), (off_t)map->read_to);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return N1_SYMBOL_UNREADABLE;
        const char *line = chunk, *end = chunk + n, *newline;
        while (line < end && (newline = memchr(line, '\n', (size_t)(end - line)))) {
            struct n1_perf_range range;
            if (!parse_line(line, newline, map->read_to + (uint64_t)(line - chunk), &range))
                map->refused++;
            else if (!append(batch, &range))
                return N1_SYMBOL_TOO_LARGE;
            line = newline + 1;
        }
        if (line == chunk && end - line < LINE_MAX_BYTES)
            break; /* the writer has not finished its line */
        if (line == chunk)
            line = end; /* no line is that long: skip it */
        map->read_to += (uint64_t)(line - chunk);
    }
    return N1_SYMBOL_FOUND;
}

enum n1_symbol_status n1_perf_map_refresh(struct n1_perf_map *map)
{
    struct stat st;
    if (fstat(map->fd, &st) < 0)
        return N1_SYMBOL_UNREADABLE;
    uint64_t size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
    if (size < map->read_to) {
        n1_perf_map_finish(map);
        map->read_to = 0;
    }
    enum n1_symbol_status status = N1_SYMBOL_FOUND;
    for (uint64_t before = UINT64_MAX;
         status == N1_SYMBOL_FOUND && map->read_to < size && map->read_to != before;) {
        struct batch batch = {0};
        before = map->read_to;
        status = read_batch(map, size, &batch);
        if (batch.count > 0 && (!flatten(&batch) || !overlay(map, &batch)))
            status = N1_SYMBOL_TOO_LARGE;
        free(batch.items);
    }
    return status;
}

bool n1_perf_map_find(const struct n1_perf_map *map, uint64_t addr, struct n1_symbol_hit *ret_hit)
{
    size_t low = 0, high = map->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->ranges[middle].start <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    const struct n1_perf_range *range = &map->ranges[low - 1];
    if (addr - range->start >= range->size)
        return false;
    ssize_t n = pread(map->fd, ret_hit->linkage, sizeof(ret_hit->linkage) - 1, (off_t)range->name);
    if (n <= 0)
        return false;
    ret_hit->linkage[n] = '\0';
    ret_hit->linkage[strcspn(ret_hit->linkage, "\n")] = '\0';
    ret_hit->start = range->start - range->skip;
    ret_hit->size = (uint64_t)range->size + range->skip;
    return ret_hit->linkage[0] != '\0';
}
