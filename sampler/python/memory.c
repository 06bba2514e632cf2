/*
 * process_vm_readv copies range by range and stops at the first page it may not read; whole ranges before it
 * are good.
 */
#include "sampler/python/memory.h"

#include <errno.h>
#include <sys/uio.h>

static ssize_t read_process(void *context, const struct n1_memory_part *parts, size_t count)
{
    const struct n1_memory *memory = context;
    static struct iovec local[N1_MEMORY_PARTS], remote[N1_MEMORY_PARTS]; /* large; one thread */
    if (count == 0 || count > N1_MEMORY_PARTS)
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        local[i] = (struct iovec){parts[i].buffer, parts[i].len};
        remote[i] = (struct iovec){(void *)(uintptr_t)parts[i].address, parts[i].len};
    }
    ssize_t n = process_vm_readv(memory->pid, local, count, remote, count, 0);
    if (n < 0)
        return -errno;
    size_t whole = 0;
    for (size_t left = (size_t)n; whole < count && parts[whole].len <= left; whole++)
        left -= parts[whole].len;
    return (ssize_t)whole;
}

void n1_memory_init(struct n1_memory *memory, pid_t pid)
{
    *memory = (struct n1_memory){.read = read_process, .context = memory, .pid = pid};
}

bool n1_memory_read_parts(struct n1_memory *memory, const struct n1_memory_part *parts, size_t count)
{
    memory->calls++;
    return memory->read(memory->context, parts, count) == (ssize_t)count;
}

bool n1_memory_read(struct n1_memory *memory, uint64_t address, void *buffer, size_t len)
{
    struct n1_memory_part part = {address, buffer, len};
    return n1_memory_read_parts(memory, &part, 1);
}

bool n1_memory_u64(struct n1_memory *memory, uint64_t address, uint64_t *ret)
{
    return n1_memory_read(memory, address, ret, sizeof(*ret));
}

bool n1_memory_u32(struct n1_memory *memory, uint64_t address, uint32_t *ret)
{
    return n1_memory_read(memory, address, ret, sizeof(*ret));
}
