/*
 * Where a process's allocator is: the file that holds its malloc, and the places of its functions in that
 * file. Parsing is bounded: the file is the target's choice. Sampler thread only.
 */
#ifndef N1_SAMPLER_MEMORY_ALLOCATOR_H
#define N1_SAMPLER_MEMORY_ALLOCATOR_H

#include "sampler/target/space.h"

#include "n1/error.h"

/* X(constant, symbol): free and realloc are probed at their entry, the others at their return. */
#define N1_ALLOCATOR_MAP(X)                                                                                  \
    X(FREE, "free")                                                                                          \
    X(MALLOC, "malloc")                                                                                      \
    X(CALLOC, "calloc")                                                                                      \
    X(REALLOC, "realloc")                                                                                    \
    X(POSIX_MEMALIGN, "posix_memalign")                                                                      \
    X(ALIGNED_ALLOC, "aligned_alloc")                                                                        \
    X(MEMALIGN, "memalign")

enum n1_allocator_function {
#define X(constant, symbol) N1_ALLOCATOR_##constant,
    N1_ALLOCATOR_MAP(X)
#undef X
        N1_ALLOCATOR_COUNT
};

struct n1_allocator {
    struct n1_module *module; /* borrowed from the space */
    bool glibc;               /* a block's size stands in the word before it */
    struct {
        uint64_t offset; /* in the file; 0: not there, or the same place as another one */
        bool quick;      /* the kernel emulates the first instruction: about 1 us a call, else about 12 */
    } functions[N1_ALLOCATOR_COUNT];
};

/* Finds the allocator of the process of `space`: a library made to replace malloc, else the program when it
 * has a malloc of its own, else libc. Errors: N1_E_FAILED, with the reason: no malloc was found; the program
 * is a Go program or uses greenlets, whose stacks do not bear a probe on returns. */
int n1_allocator_find(struct n1_space *space, struct n1_allocator *ret, struct n1_error *reterr);

/* Whether the kernel emulates an instruction with these bytes when a probe sits on it. Pure. */
bool n1_allocator_is_quick(const uint8_t *code, size_t len);

#endif
