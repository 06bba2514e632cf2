/*
 * Line tables of code objects, in the three formats that CPython has had: pairs of byte and line deltas (to
 * 3.9), the same as ranges with "no line" (3.10), and location entries (from 3.11 on). Pure functions over
 * hostile bytes.
 */
#ifndef N1_SAMPLER_PYTHON_LINES_H
#define N1_SAMPLER_PYTHON_LINES_H

#include <stddef.h>
#include <stdint.h>

enum n1_py_line_format { N1_PY_LINES_DELTAS, N1_PY_LINES_RANGES, N1_PY_LINES_LOCATIONS };

/* From byte `start` of the instructions on, until the next row's start, the code is of `line`; 0: of no line.
 */
struct n1_py_line {
    uint32_t start, line;
};

struct n1_py_lines {
    struct n1_py_line *rows; /* in rising order of start */
    size_t count;
};

/* The format of a version (0x030b is 3.11). */
enum n1_py_line_format n1_py_line_format(uint32_t version);

/* Decodes a whole table into fresh rows (n1_py_lines_finish frees them). Returns 0 or -ENOMEM; a table that
 * is cut short gives the rows before the cut. */
int n1_py_lines_decode(enum n1_py_line_format format, const uint8_t *table, size_t len, uint32_t first_line,
                       struct n1_py_lines *ret);
void n1_py_lines_finish(struct n1_py_lines *lines);

/* The line of the instruction at byte `at`; 0 when it has none. */
uint32_t n1_py_lines_find(const struct n1_py_lines *lines, uint32_t at);

#endif
