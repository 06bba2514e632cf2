/*
 * A process made of bytes: ranges of memory at addresses of our choice, read through the reader's own seam.
 * The struct offsets are those of 3.11 or of another version from the table.
 */
#ifndef N1_TESTS_FAKE_PROCESS_H
#define N1_TESTS_FAKE_PROCESS_H

#include "sampler/python/chain.h"
#include "sampler/python/offsets.h"

#include <errno.h>
#include <string.h>

enum { FAKE_BYTES = 1 << 20 };
#define FAKE_BASE UINT64_C(0x7f0000000000)

struct fake {
    uint8_t bytes[FAKE_BYTES];
    uint64_t reads;
    void (*between)(struct fake *fake, uint64_t reads); /* called after each range is read; may be NULL */
};

static ssize_t fake_read(void *context, const struct n1_memory_part *parts, size_t count)
{
    struct fake *fake = context;
    for (size_t i = 0; i < count; i++) {
        uint64_t at = parts[i].address - FAKE_BASE;
        if (parts[i].address < FAKE_BASE || at > FAKE_BYTES || parts[i].len > FAKE_BYTES - at)
            return i ? (ssize_t)i : -EFAULT;
        memcpy(parts[i].buffer, fake->bytes + at, parts[i].len);
        if (fake->between)
            fake->between(fake, ++fake->reads);
    }
    return (ssize_t)count;
}

static inline struct n1_memory fake_memory(struct fake *fake)
{
    return (struct n1_memory){.read = fake_read, .context = fake};
}

static inline void fake_put(struct fake *fake, uint64_t address, uint64_t value, size_t len)
{
    memcpy(fake->bytes + (address - FAKE_BASE), &value, len);
}

#endif
