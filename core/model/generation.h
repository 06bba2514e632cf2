/*
 * A generation step of the writer: when one is due, and what it does to the ids.
 */
#ifndef N1_CORE_MODEL_GENERATION_H
#define N1_CORE_MODEL_GENERATION_H

#include "core/model/writer.h"

struct n1_remap {
    uint64_t heads[N1_SEGMENT_COUNT]; /* before the step */
    uint32_t *to[N1_SEGMENT_COUNT];   /* by old id; NULL for segments without ids */
};

/* Makes a generation step when one is due; `now` paces the steps that cannot help. */
bool n1_generation_maintain(struct n1_writer *w, n1_ns now);

#endif
