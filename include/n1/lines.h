/*
 * The line table of one function: CPU time and memory of a window by source line. Pure over the reader; one
 * thread per object.
 */
#ifndef N1_LINES_H
#define N1_LINES_H

#include "n1/profile.h"

#define N1_LINE_UNKNOWN UINT64_MAX

struct n1_line {
    char file[512]; /* as the line tables name it */
    uint32_t line;
    uint64_t samples, total_ns; /* the line was on the stack, recursion counted once */
    uint64_t self_ns;           /* the line itself ran; of a Python line: its own bytecode */
    /* What ran at the leaf of those stacks. Of a Python line only until it calls another Python function: own
     * bytecode, native code below it, the kernel. */
    uint64_t python_ns, native_ns, system_ns;
    uint64_t resident;  /* bytes: median RSS of the process over the line's samples; N1_LINE_UNKNOWN */
    uint64_t increment; /* bytes first touched while it was on the stack; N1_LINE_UNKNOWN */
};

struct n1_lines_summary {
    uint64_t all_ns;            /* of everything in the window that passed the filter */
    uint64_t self_ns, total_ns; /* of the function */
    uint64_t lineless_ns;       /* of the function's total: no frame of it has a line */
    uint64_t coarse_ns;         /* of its self time: from per-second rows, which do not tell lines */
    bool faults;                /* page faults were sampled throughout the window, so increments are known */
};

struct n1_lines;
struct n1_lines *n1_lines_create(void); /* NULL when out of memory */
void n1_lines_destroy(struct n1_lines *l);

/* Looks at the samples and page faults of the window with the function of stable id `id` on the stack. Call
 * between n1_reader_begin and _end. Returns 0, N1_E_USAGE (bad expression in the filter), -ENOMEM; after a
 * failure there is nothing. */
int n1_lines_update(struct n1_lines *l, struct n1_reader *r, struct n1_window window,
                    const struct n1_filter *filter, uint64_t id);
/* Ordered by file and line; valid until the next update. */
const struct n1_line *n1_lines_list(const struct n1_lines *l, size_t *ret_count);
struct n1_lines_summary n1_lines_summary(const struct n1_lines *l);

#endif
