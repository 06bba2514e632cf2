/*
 * C++ (Itanium) and Rust (legacy and v0) names to readable text, by libiberty, bounded in length and
 * recursion. Hostile input: used in the symbol helper only. Nothing allocates. Any thread.
 */
#ifndef N1_SAMPLER_SYMBOLS_DEMANGLE_H
#define N1_SAMPLER_SYMBOLS_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

enum n1_demangle_result { N1_DEMANGLE_PLAIN, N1_DEMANGLE_DONE, N1_DEMANGLE_FAILED };

/* Writes the readable form of `name` to `out` (capacity at least 8, always terminated; a longer text is cut
 * and ends in "..."). PLAIN: not a mangled name, copied; DONE: decoded; FAILED: looks mangled but is not
 * valid, copied. */
enum n1_demangle_result n1_demangle(const char *name, char *out, size_t cap);

#endif
