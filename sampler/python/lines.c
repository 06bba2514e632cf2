/*
 * Decoding happens once a code object, look-up once a frame of a sample. Lines are kept in 1 … 2^31-1; what
 * leaves that range (a hostile table) becomes "no line".
 */
#include "sampler/python/lines.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define START_MOST (INT64_C(1) << 31)

struct builder {
    struct n1_py_lines *lines;
    size_t capacity;
};

static bool add(struct builder *b, int64_t start, int64_t line)
{
    struct n1_py_lines *l = b->lines;
    struct n1_py_line row = {(uint32_t)start, line > 0 && line < START_MOST ? (uint32_t)line : 0};
    if (l->count && l->rows[l->count - 1].start == row.start) {
        l->rows[l->count - 1] = row; /* an empty range before it */
        return true;
    }
    if (l->count && l->rows[l->count - 1].line == row.line)
        return true;
    if (l->count == b->capacity) {
        size_t capacity = b->capacity ? 2 * b->capacity : 16;
        struct n1_py_line *more = realloc(l->rows, capacity * sizeof(*more));
        if (!more)
            return false;
        l->rows = more;
        b->capacity = capacity;
    }
    l->rows[l->count++] = row;
    return true;
}

static bool deltas(struct builder *b, const uint8_t *table, size_t len, int64_t line)
{
    int64_t start = 0;
    bool ok = add(b, 0, line);
    for (size_t i = 0; ok && i + 1 < len && start < START_MOST; i += 2) {
        start += table[i];
        line += (int8_t)table[i + 1];
        ok = add(b, start, line);
    }
    return ok;
}

static bool ranges(struct builder *b, const uint8_t *table, size_t len, int64_t line)
{
    int64_t start = 0;
    bool ok = true;
    for (size_t i = 0; ok && i + 1 < len && start < START_MOST; i += 2) {
        int8_t delta = (int8_t)table[i + 1];
        if (delta != -128)
            line += delta;
        if (table[i])
            ok = add(b, start, delta == -128 ? 0 : line);
        start += table[i];
    }
    return ok;
}

/* Six bits a byte, the lowest first, bit 6 for "more". False at the end of the table. */
static bool varint(const uint8_t *table, size_t len, size_t *at, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; *at < len && shift < 60; shift += 6) {
        uint8_t byte = table[(*at)++];
        value |= (uint64_t)(byte & 0x3f) << shift;
        if (!(byte & 0x40)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool locations(struct builder *b, const uint8_t *table, size_t len, int64_t line)
{
    enum { ONE_LINE_0 = 10, ONE_LINE_2 = 12, NO_COLUMNS = 13, LONG = 14, NONE = 15 };
    int64_t start = 0;
    bool ok = true;
    for (size_t at = 0; ok && at < len && start < START_MOST;) {
        uint8_t head = table[at++];
        unsigned code = head >> 3 & 15;
        if (!(head & 0x80))
            break; /* not the first byte of an entry */
        if (code >= ONE_LINE_0 && code <= ONE_LINE_2) {
            line += code - ONE_LINE_0;
        } else if (code == NO_COLUMNS || code == LONG) {
            uint64_t value;
            if (!varint(table, len, &at, &value))
                break;
            line += value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
        }
        if (line < -START_MOST || line > START_MOST)
            break;
        ok = add(b, start, code == NONE ? 0 : line);
        start += 2 * ((head & 7) + 1);
        while (at < len && !(table[at] & 0x80))
            at++; /* columns */
    }
    return ok;
}

enum n1_py_line_format n1_py_line_format(uint32_t version)
{
    return version < 0x030a   ? N1_PY_LINES_DELTAS
           : version < 0x030b ? N1_PY_LINES_RANGES
                              : N1_PY_LINES_LOCATIONS;
}

int n1_py_lines_decode(enum n1_py_line_format format, const uint8_t *table, size_t len, uint32_t first_line,
                       struct n1_py_lines *ret)
{
    *ret = (struct n1_py_lines){0};
    struct builder b = {.lines = ret};
    bool ok = format == N1_PY_LINES_DELTAS   ? deltas(&b, table, len, first_line)
              : format == N1_PY_LINES_RANGES ? ranges(&b, table, len, first_line)
                                             : locations(&b, table, len, first_line);
    if (!ok)
        n1_py_lines_finish(ret);
    return ok ? 0 : -ENOMEM;
}

void n1_py_lines_finish(struct n1_py_lines *lines)
{
    free(lines->rows);
    *lines = (struct n1_py_lines){0};
}

uint32_t n1_py_lines_find(const struct n1_py_lines *lines, uint32_t at)
{
    size_t low = 0, high = lines->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lines->rows[middle].start <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? lines->rows[low - 1].line : 0;
}
