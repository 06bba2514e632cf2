/*
 * Layout of a sample, in the kernel's order (linux/perf_event.h, PERF_RECORD_SAMPLE) for the fields we ask
 * for: identifier, ip, pid/tid, time, cpu, period, [nr, ips[nr]], abi, [regs], size, [bytes[size], dyn_size].
 * Every other record ends in: pid/tid, time, cpu, identifier.
 */
#include "sampler/engine/perf_record.h"

#include <asm/perf_regs.h>
#include <errno.h>
#include <string.h>

enum { SAMPLE_TIME_OFFSET = 32, TRAILER_BYTES = 32, TRAILER_TIME_OFFSET = 8, HEADER_BYTES = 8 };

struct cursor {
    const uint8_t *at, *end;
};

static bool take(struct cursor *c, void *out, size_t bytes)
{
    if ((size_t)(c->end - c->at) < bytes)
        return false;
    memcpy(out, c->at, bytes);
    c->at += bytes;
    return true;
}

size_t n1_perf_record_time_offset(const struct perf_event_header *header)
{
    if (header->type == PERF_RECORD_SAMPLE)
        return header->size >= SAMPLE_TIME_OFFSET + 8 ? SAMPLE_TIME_OFFSET : 0;
    if (header->size < HEADER_BYTES + TRAILER_BYTES)
        return 0;
    return header->size - TRAILER_BYTES + TRAILER_TIME_OFFSET;
}

/* The kernel writes the registers in the order of its own bits; ours are DWARF's. */
static bool take_regs(struct cursor *c, uint64_t abi, struct n1_user_state *user)
{
    static const uint8_t dwarf_of[24] = {
        [PERF_REG_X86_AX] = N1_REG_RAX,  [PERF_REG_X86_BX] = N1_REG_RBX,  [PERF_REG_X86_CX] = N1_REG_RCX,
        [PERF_REG_X86_DX] = N1_REG_RDX,  [PERF_REG_X86_SI] = N1_REG_RSI,  [PERF_REG_X86_DI] = N1_REG_RDI,
        [PERF_REG_X86_BP] = N1_REG_RBP,  [PERF_REG_X86_SP] = N1_REG_RSP,  [PERF_REG_X86_IP] = N1_REG_RIP,
        [PERF_REG_X86_R8] = N1_REG_R8,   [PERF_REG_X86_R9] = N1_REG_R9,   [PERF_REG_X86_R10] = N1_REG_R10,
        [PERF_REG_X86_R11] = N1_REG_R11, [PERF_REG_X86_R12] = N1_REG_R12, [PERF_REG_X86_R13] = N1_REG_R13,
        [PERF_REG_X86_R14] = N1_REG_R14, [PERF_REG_X86_R15] = N1_REG_R15,
    };

    if (abi == PERF_SAMPLE_REGS_ABI_NONE)
        return true;
    for (unsigned bit = 0; bit < 24; bit++) {
        if (!(N1_PERF_USER_REGS >> bit & 1))
            continue;
        if (!take(c, &user->regs[dwarf_of[bit]], 8))
            return false;
    }
    /* Of a 32-bit task only the place is known: its stack has another shape. */
    user->valid =
        abi == PERF_SAMPLE_REGS_ABI_64 ? (1u << N1_REG_COUNT) - 1 : 1u << N1_REG_RIP | 1u << N1_REG_RSP;
    return true;
}

static bool take_stack(struct cursor *c, uint64_t abi, struct n1_user_state *user)
{
    uint64_t size, dyn_size;

    if (!take(c, &size, 8))
        return false;
    if (size == 0)
        return true;
    if (size > (size_t)(c->end - c->at))
        return false;
    const uint8_t *bytes = c->at;
    c->at += size;
    if (!take(c, &dyn_size, 8) || dyn_size > size)
        return false;
    if (abi == PERF_SAMPLE_REGS_ABI_64) {
        user->stack = bytes;
        user->stack_len = dyn_size;
    }
    return true;
}

/* The chain holds context markers among the addresses; they are the last 4095 values of a u64. It is
 * compacted by skipping the one marker that leads; another ends the kernel part. */
static bool take_chain(struct cursor *c, struct n1_raw_sample *sample)
{
    uint64_t count, first, at;

    if (!take(c, &count, 8) || count > (size_t)(c->end - c->at) / 8)
        return false;
    const uint8_t *chain = c->at;
    c->at += count * 8;
    for (first = 0; first < count; first++) {
        memcpy(&at, chain + first * 8, 8);
        if (at < (uint64_t)PERF_CONTEXT_MAX)
            break;
    }
    uint64_t last = first;
    for (; last < count; last++) {
        memcpy(&at, chain + last * 8, 8);
        if (at >= (uint64_t)PERF_CONTEXT_MAX)
            break;
    }
    if (last > first) {
        sample->kernel = (const uint64_t *)(const void *)(chain + first * 8);
        sample->kernel_len = last - first;
    }
    return true;
}

/* id and ip come before it */
#define PID_AT (HEADER_BYTES + 16)

pid_t n1_perf_record_sample_pid(const void *record, size_t size)
{
    uint32_t pid;

    if (size < PID_AT + sizeof(pid))
        return -1;
    memcpy(&pid, (const uint8_t *)record + PID_AT, sizeof(pid));
    return (pid_t)pid;
}

struct fixed_head {
    uint64_t id, ip;
    uint32_t pid, tid;
    uint64_t time;
};

struct fixed_cpu {
    uint32_t cpu, reserved;
};

static void fill(struct n1_raw_sample *sample, const void *record, const struct fixed_head *head,
                 const struct fixed_cpu *cpu)
{
    struct perf_event_header header;

    memcpy(&header, record, sizeof(header));
    sample->time = head->time;
    sample->pid = (pid_t)head->pid;
    sample->tid = (pid_t)head->tid;
    sample->cpu = cpu->cpu;
    unsigned mode = header.misc & PERF_RECORD_MISC_CPUMODE_MASK;
    sample->in_kernel = mode == PERF_RECORD_MISC_KERNEL || mode == PERF_RECORD_MISC_HYPERVISOR;
}

int n1_perf_record_sample(const void *record, size_t size, bool callchain, struct n1_raw_sample *ret_sample,
                          uint64_t *ret_id)
{
    struct cursor c = {(const uint8_t *)record + HEADER_BYTES, (const uint8_t *)record + size};
    struct n1_raw_sample sample = {0};
    struct fixed_head head;
    struct fixed_cpu cpu;
    uint64_t abi;

    if (size < HEADER_BYTES || !take(&c, &head, sizeof(head)) || !take(&c, &cpu, sizeof(cpu)) ||
        !take(&c, &sample.weight_ns, 8))
        return -EBADMSG;
    fill(&sample, record, &head, &cpu);
    if (callchain && !take_chain(&c, &sample))
        return -EBADMSG;
    if (!take(&c, &abi, 8) || !take_regs(&c, abi, &sample.user) || !take_stack(&c, abi, &sample.user))
        return -EBADMSG;
    *ret_sample = sample;
    *ret_id = head.id;
    return 0;
}

int n1_perf_record_side(const void *record, size_t size, bool stack, struct n1_raw_sample *ret_sample,
                        uint64_t *ret_address)
{
    struct cursor c = {(const uint8_t *)record + HEADER_BYTES, (const uint8_t *)record + size};
    struct n1_raw_sample sample = {0};
    struct fixed_head head;
    struct fixed_cpu cpu;
    uint64_t abi, address;

    if (size < HEADER_BYTES || !take(&c, &head, sizeof(head)) || !take(&c, &address, 8) ||
        !take(&c, &cpu, sizeof(cpu)))
        return -EBADMSG;
    fill(&sample, record, &head, &cpu);
    if (!take(&c, &abi, 8) || !take_regs(&c, abi, &sample.user) ||
        (stack && !take_stack(&c, abi, &sample.user)))
        return -EBADMSG;
    *ret_sample = sample;
    *ret_address = address;
    return 0;
}

uint64_t n1_perf_record_id(const void *record, size_t size)
{
    uint64_t id;

    if (size < HEADER_BYTES + sizeof(id))
        return 0;
    memcpy(&id, (const uint8_t *)record + HEADER_BYTES, sizeof(id));
    return id;
}

/* A terminated string that lies between `at` and the trailer of a record. */
static const char *text_at(const void *record, size_t size, size_t at)
{
    if (size < TRAILER_BYTES || at >= size - TRAILER_BYTES)
        return NULL;
    const char *text = (const char *)record + at;
    return memchr(text, 0, size - TRAILER_BYTES - at) ? text : NULL;
}

int n1_perf_record_mmap(const void *record, size_t size, struct n1_mmap_event *ret_event)
{
    struct cursor c = {(const uint8_t *)record + HEADER_BYTES, (const uint8_t *)record + size};
    struct perf_event_header header;
    struct {
        uint32_t pid, tid;
        uint64_t start, len, file_offset;
    } map;
    struct {
        uint32_t major, minor;
        uint64_t inode, generation;
        uint32_t prot, flags;
    } file = {0};

    if (size < HEADER_BYTES || !take(&c, &map, sizeof(map)))
        return -EBADMSG;
    memcpy(&header, record, sizeof(header));
    if (header.type == PERF_RECORD_MMAP2 && !take(&c, &file, sizeof(file)))
        return -EBADMSG;
    const char *path = text_at(record, size, (size_t)(c.at - (const uint8_t *)record));
    if (!path || map.start + map.len < map.start)
        return -EBADMSG;
    *ret_event = (struct n1_mmap_event){.pid = (pid_t)map.pid,
                                        .start = map.start,
                                        .end = map.start + map.len,
                                        .file_offset = map.file_offset,
                                        .dev_major = file.major,
                                        .dev_minor = file.minor,
                                        .inode = file.inode,
                                        .path = path};
    return 0;
}

int n1_perf_record_comm(const void *record, size_t size, pid_t *ret_pid, pid_t *ret_tid,
                        const char **ret_name)
{
    struct cursor c = {(const uint8_t *)record + HEADER_BYTES, (const uint8_t *)record + size};
    uint32_t ids[2];
    const char *name = text_at(record, size, HEADER_BYTES + sizeof(ids));

    if (size < HEADER_BYTES || !take(&c, ids, sizeof(ids)) || !name)
        return -EBADMSG;
    *ret_pid = (pid_t)ids[0];
    *ret_tid = (pid_t)ids[1];
    *ret_name = name;
    return 0;
}

int n1_perf_record_task(const void *record, size_t size, pid_t *ret_pid, pid_t *ret_parent_pid,
                        pid_t *ret_tid, pid_t *ret_parent_tid)
{
    struct cursor c = {(const uint8_t *)record + HEADER_BYTES, (const uint8_t *)record + size};
    uint32_t ids[4];

    if (size < HEADER_BYTES || !take(&c, ids, sizeof(ids)))
        return -EBADMSG;
    *ret_pid = (pid_t)ids[0];
    *ret_parent_pid = (pid_t)ids[1];
    *ret_tid = (pid_t)ids[2];
    *ret_parent_tid = (pid_t)ids[3];
    return 0;
}

uint64_t n1_perf_record_lost(const void *record, size_t size)
{
    struct perf_event_header header;
    struct cursor c = {(const uint8_t *)record + HEADER_BYTES, (const uint8_t *)record + size};
    uint64_t id, lost;

    if (size < HEADER_BYTES)
        return 0;
    memcpy(&header, record, sizeof(header));
    if (header.type == PERF_RECORD_LOST && !take(&c, &id, 8))
        return 0;
    return take(&c, &lost, 8) ? lost : 0;
}
