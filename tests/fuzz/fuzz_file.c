/*
 * Fuzz entry of recordings: the input as a file, once as it is and once with its check sums and closing
 * counts put right, since no fuzzer guesses a CRC. What loads must read without a broken promise, and record
 * again.
 */
#include "core/model/file_format.h"
#include "n1/file.h"
#include "tests/fuzz/read_all.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void load(const uint8_t *data, size_t size)
{
    char path[32];
    struct n1_reader *r = NULL;
    struct n1_error err = {0};
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    PROMISE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int status = n1_reader_open_file(path, &r, &err);
    close(fd);
    if (status < 0) {
        PROMISE(!r && err.code == status && err.what[0]);
        return;
    }
    PROMISE(n1_reader_begin(r) == 0);
    read_all(r);
    PROMISE(n1_reader_end(r) == 0);
    fd = memfd_create("again", MFD_CLOEXEC);
    PROMISE(n1_file_write(r, fd, 0, UINT64_MAX, &err) == 0);
    close(fd);
    n1_reader_close(r);
}

static uint64_t records_in(uint32_t type, uint32_t version, const uint8_t *payload, uint64_t bytes)
{
    uint64_t records = 0;
    size_t each = n1_file_record_bytes(type, version);
    if (type != N1_FILE_STRINGS)
        return type == N1_FILE_META ? 1 : each ? bytes / each : 0;
    for (uint64_t at = 0; at + 4 <= bytes; at += 4 + (uint64_t)n1_get_u32(payload + at))
        records++;
    return records;
}

static void put_right(uint8_t *data, size_t size)
{
    uint64_t records[N1_FILE_CHUNK_END] = {0};
    if (size < N1_FILE_HEADER_BYTES)
        return;
    n1_put_u32(data + 28, n1_crc32(0, data, 28));
    for (size_t at = N1_FILE_HEADER_BYTES; size - at >= N1_FILE_CHUNK_BYTES;) {
        uint8_t *payload = data + at + N1_FILE_CHUNK_BYTES;
        uint32_t type = n1_get_u32(data + at);
        uint64_t bytes = n1_get_u64(data + at + 8);
        if (bytes > size - at - N1_FILE_CHUNK_BYTES)
            return;
        if (type < N1_FILE_END)
            records[type] += records_in(type, n1_get_u32(data + at + 4), payload, bytes);
        for (uint64_t i = 0; type == N1_FILE_END && i + N1_FILE_END_BYTES <= bytes; i += N1_FILE_END_BYTES)
            if (n1_get_u32(payload + i) < N1_FILE_END)
                n1_put_u64(payload + i + 8, records[n1_get_u32(payload + i)]);
        n1_put_u32(data + at + 16, n1_crc32(0, payload, bytes));
        at += N1_FILE_CHUNK_BYTES + bytes;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    load(data, size);
    uint8_t *copy = malloc(size + 1);
    PROMISE(copy);
    memcpy(copy, data, size);
    put_right(copy, size);
    load(copy, size);
    free(copy);
    return 0;
}
