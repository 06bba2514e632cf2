/*
 * Compact strings only: names and file names of code objects always are. Characters have 1, 2 or 4 bytes.
 */
#include "sampler/python/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHARACTERS_MAX = 4096, HEAD_MAX = 264 };

static size_t put_utf8(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        c = 0xfffd;
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

ssize_t n1_py_string(struct n1_memory *memory, const struct n1_py_offsets *o, uint64_t address, char *text,
                     size_t cap)
{
    uint8_t head[HEAD_MAX];
    size_t head_len = o->str_ascii < o->str_state + 4 ? o->str_state + 4 : o->str_ascii;
    if (!address || address % 8 || head_len > sizeof(head) || cap < 8 ||
        !n1_memory_read(memory, address, head, head_len))
        return -EBADMSG;
    uint64_t len;
    uint32_t state;
    memcpy(&len, head + o->str_len, sizeof(len));
    memcpy(&state, head + o->str_state, sizeof(state));
    uint32_t width = state >> 2 & 7;
    bool compact = state >> 5 & 1, ascii = state >> 6 & 1;
    if (!compact || (width != 1 && width != 2 && width != 4) || (ascii && width != 1) || len > INT64_MAX / 4)
        return -EBADMSG;
    if (len > CHARACTERS_MAX)
        len = CHARACTERS_MAX;
    if (len > cap - 1)
        len = cap - 1;
    uint8_t raw[4 * CHARACTERS_MAX];
    if (len && !n1_memory_read(memory, address + (ascii ? o->str_ascii : o->str_compact), raw, len * width))
        return -EBADMSG;
    size_t used = 0;
    for (size_t i = 0; i < len && used + 5 <= cap; i++) {
        uint32_t c = 0;
        memcpy(&c, raw + i * width, width);
        used += put_utf8(c, text + used);
    }
    text[used] = '\0';
    return (ssize_t)used;
}

ssize_t n1_py_bytes(struct n1_memory *memory, const struct n1_py_offsets *o, uint64_t address, size_t most,
                    uint8_t **ret)
{
    uint64_t len;
    if (!address || address % 8 || !n1_memory_u64(memory, address + o->bytes_len, &len))
        return -EBADMSG;
    if (len > most)
        return -E2BIG;
    uint8_t *bytes = malloc((size_t)len + 1);
    if (!bytes)
        return -ENOMEM;
    if (len && !n1_memory_read(memory, address + o->bytes_data, bytes, (size_t)len)) {
        free(bytes);
        return -EBADMSG;
    }
    *ret = bytes;
    return (ssize_t)len;
}
