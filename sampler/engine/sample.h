/*
 * A raw sample: what an engine hands on before anything is unwound or named. Valid only during the callback
 * that delivers it; the engine owns every pointer. Sampler thread only.
 */
#ifndef N1_SAMPLER_ENGINE_SAMPLE_H
#define N1_SAMPLER_ENGINE_SAMPLE_H

#include "n1/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Registers in the DWARF numbering of x86-64 (System V psABI, figure 3.36). */
enum n1_reg {
    N1_REG_RAX,
    N1_REG_RDX,
    N1_REG_RCX,
    N1_REG_RBX,
    N1_REG_RSI,
    N1_REG_RDI,
    N1_REG_RBP,
    N1_REG_RSP,
    N1_REG_R8,
    N1_REG_R9,
    N1_REG_R10,
    N1_REG_R11,
    N1_REG_R12,
    N1_REG_R13,
    N1_REG_R14,
    N1_REG_R15,
    N1_REG_RIP,
    N1_REG_COUNT
};

/* User registers and the part of the user stack that was copied with them. */
struct n1_user_state {
    uint64_t regs[N1_REG_COUNT];
    uint32_t valid;       /* bit i: regs[i] is known; rip and rsp must be */
    const uint8_t *stack; /* copy of the bytes from regs[N1_REG_RSP] upwards */
    size_t stack_len;     /* bytes really copied (perf's dyn_size); 0 when there is no user part */
};

#define N1_CPU_UNKNOWN (UINT32_MAX - 1) /* it ran, and nobody told where */

struct n1_raw_sample {
    n1_ns time;             /* when it was taken, CLOCK_MONOTONIC */
    pid_t pid, tid;         /* as the sampler's PID namespace sees them */
    uint64_t weight_ns;     /* CPU time the sample stands for */
    uint32_t cpu;           /* UINT32_MAX: the thread was blocked */
    bool in_kernel;         /* taken in kernel mode (then user is where the kernel was entered) */
    const uint64_t *kernel; /* kernel addresses, leaf first; NULL when not permitted or not in the kernel */
    size_t kernel_len;
    struct n1_user_state user;
};

#endif
