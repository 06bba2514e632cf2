/*
 * The shape of a recording, shared by its writer and its loader. include/README.md holds the byte tables;
 * what is here and what is there must say the same. Little endian throughout.
 *
 *   file   = header, chunk…; the first chunk is META, the last is END
 *   header = magic 8, major u32, minor u32, flags u64, header bytes u32, CRC-32 u32 of the 28 bytes before
 *   chunk  = type u32, version u32, payload bytes u64, CRC-32 u32 of the payload, flags u32, payload
 */
#ifndef N1_CORE_MODEL_FILE_FORMAT_H
#define N1_CORE_MODEL_FILE_FORMAT_H

#include "n1/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define N1_FILE_MAGIC "n1top\r\n\x1a"
#define N1_FILE_MAJOR 1u
#define N1_FILE_MINOR 0u
#define N1_FILE_HEADER_BYTES 32u
#define N1_FILE_CHUNK_BYTES 24u
#define N1_FILE_CHUNK_MUST 1u /* flag: a loader that does not know this type must refuse the file */
#define N1_FILE_PAYLOAD_MAX (UINT32_C(1) << 20) /* of a chunk of a known type */

/* X(type, number, enum n1_segment_kind that it fills, or -1) in the order in which they are written */
#define N1_FILE_CHUNK_MAP(X)                                                                                 \
    X(META, 1, -1)                                                                                           \
    X(STRINGS, 2, N1_SEGMENT_STRING_INDEX)                                                                   \
    X(PROCESSES, 3, N1_SEGMENT_PROCESSES)                                                                    \
    X(THREADS, 4, N1_SEGMENT_THREADS)                                                                        \
    X(MODULES, 5, N1_SEGMENT_MODULES)                                                                        \
    X(MAPPINGS, 6, N1_SEGMENT_MAPPINGS)                                                                      \
    X(FUNCTIONS, 7, N1_SEGMENT_FUNCTIONS)                                                                    \
    X(FRAMES, 8, N1_SEGMENT_FRAMES)                                                                          \
    X(NODES, 9, N1_SEGMENT_NODES)                                                                            \
    X(SERIES, 10, N1_SEGMENT_SERIES)                                                                         \
    X(POINTS, 11, N1_SEGMENT_POINTS)                                                                         \
    X(SAMPLES, 12, N1_SEGMENT_SAMPLES)                                                                       \
    X(WAITS, 13, N1_SEGMENT_WAITS)                                                                           \
    X(SECONDS, 14, N1_SEGMENT_SECONDS)                                                                       \
    X(MEMORY, 15, N1_SEGMENT_MEMORY)                                                                         \
    X(ANOMALIES, 16, N1_SEGMENT_ANOMALIES)                                                                   \
    X(END, 17, -1)

enum n1_file_chunk {
#define X(type, number, kind) N1_FILE_##type = number,
    N1_FILE_CHUNK_MAP(X)
#undef X
        N1_FILE_CHUNK_END
};

/* A record of SERIES: metric's name, its unit's name (strings), scope id, enum n1_metric_scope. */
#define N1_FILE_SERIES_BYTES 16u
/* A record of WAITS of version 1. */
#define N1_FILE_WAIT_1_BYTES 40u
/* A record of END: type u32, zero u32, records u64. */
#define N1_FILE_END_BYTES 16u

/* "SAMPLES"; "unknown" for a type that is not ours. */
const char *n1_file_chunk_name(uint32_t type);
/* Segment that a chunk type fills, -1 for none. */
int n1_file_chunk_kind(uint32_t type);
/* Chunk type of a segment; END when it has none. */
enum n1_file_chunk n1_file_chunk_of(enum n1_segment_kind kind);
/* Newest version of a type's records: 2 for WAITS, whose version 1 ended before owner and flags; else 1. */
uint32_t n1_file_chunk_version(uint32_t type);
/* Bytes of a record of that version; 0 when its records have no fixed length (META, STRINGS). */
size_t n1_file_record_bytes(uint32_t type, uint32_t version);

/* CRC-32 of IEEE 802.3 (that of zlib and PNG); `crc` is 0 at the start, or the value so far. */
uint32_t n1_crc32(uint32_t crc, const void *data, size_t bytes);

/* An entry as a record and back: its fields in the order of fields.c, packed. Returns the record's bytes. */
size_t n1_file_pack(enum n1_segment_kind kind, const void *entry, uint8_t *record);
/* Members that a shorter record of an older version does not have become 0. */
void n1_file_unpack(enum n1_segment_kind kind, const uint8_t *record, size_t bytes, void *entry);

static inline uint32_t n1_get_u32(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof(value));
    return value;
}

static inline uint64_t n1_get_u64(const uint8_t *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof(value));
    return value;
}

static inline void n1_put_u32(uint8_t *p, uint32_t value)
{
    memcpy(p, &value, sizeof(value));
}

static inline void n1_put_u64(uint8_t *p, uint64_t value)
{
    memcpy(p, &value, sizeof(value));
}

#endif
