/*
 * Reading another process's memory: one function that a test can replace. A call takes many ranges at once,
 * because what lies close in time must be read close in time, and because each call costs more than its
 * bytes. Addresses are the target's and hostile; nothing is ever written. Sampler thread only.
 */
#ifndef N1_SAMPLER_PYTHON_MEMORY_H
#define N1_SAMPLER_PYTHON_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One range of the target and where its bytes go. */
struct n1_memory_part {
    uint64_t address;
    void *buffer;
    size_t len;
};

enum { N1_MEMORY_PARTS = 1024 }; /* most ranges of one call */

struct n1_memory {
    /* Fills the parts in order; returns the number of parts filled whole, less than `count` when one could
     * not be read, or -errno when none could be. */
    ssize_t (*read)(void *context, const struct n1_memory_part *parts, size_t count);
    void *context;
    pid_t pid;
    uint64_t calls; /* made so far, for the figures */
};

/* Memory of process `pid` by process_vm_readv. */
void n1_memory_init(struct n1_memory *memory, pid_t pid);

/* Reads all parts; false when any of them could not be read whole. */
bool n1_memory_read_parts(struct n1_memory *memory, const struct n1_memory_part *parts, size_t count);
/* Reads `len` bytes; false when they are not all there. */
bool n1_memory_read(struct n1_memory *memory, uint64_t address, void *buffer, size_t len);
bool n1_memory_u64(struct n1_memory *memory, uint64_t address, uint64_t *ret);
bool n1_memory_u32(struct n1_memory *memory, uint64_t address, uint32_t *ret);

#endif
