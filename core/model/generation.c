/*
 * Generation steps: not made yet; a full table refuses new entries, which the stores count.
 */
#include "core/model/writer.h"

bool n1_generation_maintain(struct n1_writer *w, n1_ns now)
{
    (void)w;
    (void)now;
    return false;
}
