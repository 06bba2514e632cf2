/*
 * Chunk types, records and checksums of a recording.
 */
#include "core/model/file_format.h"

#include "core/model/fields.h"
#include "core/model/words.h" /* proves little endian, which records rely on */

#include <pthread.h>

const char *n1_file_chunk_name(uint32_t type)
{
    switch (type) {
#define X(name, number, kind)                                                                                \
    case number:                                                                                             \
        return #name;
        N1_FILE_CHUNK_MAP(X)
#undef X
    default:
        return "unknown";
    }
}

int n1_file_chunk_kind(uint32_t type)
{
    switch (type) {
#define X(name, number, kind)                                                                                \
    case number:                                                                                             \
        return kind;
        N1_FILE_CHUNK_MAP(X)
#undef X
    default:
        return -1;
    }
}

enum n1_file_chunk n1_file_chunk_of(enum n1_segment_kind kind)
{
    uint32_t type = N1_FILE_META;
    while (type < N1_FILE_END && n1_file_chunk_kind(type) != (int)kind)
        type++;
    return (enum n1_file_chunk)type;
}

uint32_t n1_file_chunk_version(uint32_t type)
{
    return type == N1_FILE_WAITS ? 2 : 1;
}

size_t n1_file_record_bytes(uint32_t type, uint32_t version)
{
    switch (type) {
    case N1_FILE_SERIES:
        return N1_FILE_SERIES_BYTES;
    case N1_FILE_END:
        return N1_FILE_END_BYTES;
    case N1_FILE_WAITS:
        return version == 1 ? N1_FILE_WAIT_1_BYTES : n1_model_fields[N1_SEGMENT_WAITS].packed_bytes;
    default: {
        int kind = n1_file_chunk_kind(type);
        return kind < 0 ? 0 : n1_model_fields[kind].packed_bytes;
    }
    }
}

static uint32_t crc_table[8][256];

static void make_crc_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ UINT32_C(0xedb88320) : c >> 1;
        crc_table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++)
            crc_table[k][i] = crc_table[k - 1][i] >> 8 ^ crc_table[0][crc_table[k - 1][i] & 255];
}

uint32_t n1_crc32(uint32_t crc, const void *data, size_t bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_crc_tables);
    const uint8_t *p = data;
    crc = ~crc;
    for (; bytes >= 8;
         bytes -= 8, p += 8) { /* eight table look-ups for eight bytes, independent of each other */
        uint64_t w = n1_get_u64(p) ^ crc;
        crc = crc_table[7][w & 255] ^ crc_table[6][w >> 8 & 255] ^ crc_table[5][w >> 16 & 255] ^
              crc_table[4][w >> 24 & 255] ^ crc_table[3][w >> 32 & 255] ^ crc_table[2][w >> 40 & 255] ^
              crc_table[1][w >> 48 & 255] ^ crc_table[0][w >> 56];
    }
    while (bytes--)
        crc = crc >> 8 ^ crc_table[0][(crc ^ *p++) & 255];
    return ~crc;
}

size_t n1_file_pack(enum n1_segment_kind kind, const void *entry, uint8_t *record)
{
    const struct n1_fields *fields = &n1_model_fields[kind];
    size_t at = 0;
    for (unsigned i = 0; i < fields->count; i++) {
        memcpy(record + at, (const char *)entry + fields->field[i].at, fields->field[i].bytes);
        at += fields->field[i].bytes;
    }
    return at;
}

void n1_file_unpack(enum n1_segment_kind kind, const uint8_t *record, size_t bytes, void *entry)
{
    const struct n1_fields *fields = &n1_model_fields[kind];
    memset(entry, 0, fields->stride);
    for (unsigned i = 0; i < fields->count && bytes >= fields->field[i].bytes; i++) {
        memcpy((char *)entry + fields->field[i].at, record, fields->field[i].bytes);
        record += fields->field[i].bytes;
        bytes -= fields->field[i].bytes;
    }
}
