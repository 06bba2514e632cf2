/*
 * One stack from two: native frames as the walker found them, and the interpreter's chain. Each native frame
 * of the evaluation loop stands for the Python functions that it ran: one to 3.10, from 3.11 on all that were
 * called without leaving the loop. Pure functions. Any thread.
 */
#ifndef N1_SAMPLER_PYTHON_MERGE_H
#define N1_SAMPLER_PYTHON_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct n1_merge_frame {
    bool python;
    uint32_t index; /* into the native frames, or into the Python ones */
};

struct n1_merge_input {
    const bool *native_loop; /* leaf first: this frame is the evaluation loop */
    size_t native_count;
    bool native_complete;    /* the walk reached the root */
    const bool *python_last; /* leaf first: the last function (towards the root) of its loop */
    size_t python_count;
    size_t empty_loops; /* loops on top of the chain without a function */
};

/* Fills `ret` leaf first; a loop's own frame comes below (towards the root) the functions that it runs, and
 * Python frames for which there is no loop are kept, at the end where they belong. Returns how many frames
 * there are, at most `cap`. */
size_t n1_py_merge(const struct n1_merge_input *input, struct n1_merge_frame *ret, size_t cap);

#endif
