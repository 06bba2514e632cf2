/*
 * Strings and bytes objects of the target, copied with bounded lengths. Sampler thread only.
 */
#ifndef N1_SAMPLER_PYTHON_OBJECT_H
#define N1_SAMPLER_PYTHON_OBJECT_H

#include "sampler/python/offsets.h"

/* The string object at `address` as UTF-8 with a terminating zero into `text`; characters beyond what fits,
 * or beyond 4,096, are left out. Returns the bytes written without the zero, or -EBADMSG when it is no
 * compact string. */
ssize_t n1_py_string(struct n1_memory *memory, const struct n1_py_offsets *offsets, uint64_t address,
                     char *text, size_t cap);

/* The bytes object at `address` in fresh memory that the caller frees. Returns its length, at most `most`, or
 * -EBADMSG, -E2BIG, -ENOMEM. */
ssize_t n1_py_bytes(struct n1_memory *memory, const struct n1_py_offsets *offsets, uint64_t address,
                    size_t most, uint8_t **ret);

#endif
