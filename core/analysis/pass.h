/*
 * Which threads pass a filter by process or thread; a thread's process is looked up once. Internal to core/.
 */
#ifndef CORE_ANALYSIS_PASS_H
#define CORE_ANALYSIS_PASS_H

#include "n1/profile.h"

struct n1_pass {
    uint32_t process, thread; /* ids, 0: all */
    uint8_t *memo;            /* by thread id: 0 not asked, 1 passes, 2 does not */
    size_t count;
};

/* Takes over the filter's process and thread. Returns true when they differ from before. */
bool n1_pass_set(struct n1_pass *p, const struct n1_filter *filter);
void n1_pass_finish(struct n1_pass *p);
/* 1: passes, 0: does not, -ENOMEM. */
int n1_pass_thread(struct n1_pass *p, const struct n1_reader *r, uint32_t thread);

#endif
