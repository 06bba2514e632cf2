/*
 * At the instant of a call or a return the two disagree by one: the loop has been entered and its function is
 * not in the chain yet, or no more; or the function is there and the loop is still to come. Where the native
 * stack is whole the count of loops tells which, and only the top is concerned. Where it is not whole, the
 * two are laid against each other from the top. A greenlet's chain ends before its native stack does: loops
 * are left over at the root and stand for themselves.
 */
#include "sampler/python/merge.h"

struct merge {
    const struct n1_merge_input *in;
    struct n1_merge_frame *ret;
    size_t cap, count, python;
};

static void put(struct merge *m, bool python, size_t index)
{
    if (m->count < m->cap)
        m->ret[m->count++] = (struct n1_merge_frame){python, (uint32_t)index};
}

static void put_loop(struct merge *m)
{
    while (m->python < m->in->python_count) {
        size_t i = m->python++;
        put(m, true, i);
        if (m->in->python_last[i])
            break;
    }
}

size_t n1_py_merge(const struct n1_merge_input *in, struct n1_merge_frame *ret, size_t cap)
{
    struct merge m = {in, ret, cap, 0, 0};
    size_t native_loops = 0, python_loops = 0, skip = in->empty_loops;
    for (size_t i = 0; i < in->native_count; i++)
        native_loops += in->native_loop[i];
    for (size_t i = 0; i < in->python_count; i++)
        python_loops += in->python_last[i] || i + 1 == in->python_count;
    if (in->native_complete) {
        if (native_loops == python_loops + 1)
            skip = 1;
        else if (native_loops <= python_loops)
            skip = 0;
        if (native_loops + 1 == python_loops)
            put_loop(&m);
    }
    for (size_t i = 0; i < in->native_count; i++) {
        if (in->native_loop[i]) {
            if (skip)
                skip--;
            else
                put_loop(&m);
        }
        put(&m, false, i);
    }
    while (m.python < in->python_count)
        put_loop(&m);
    return m.count;
}
