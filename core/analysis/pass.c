/*
 * The thread half of a filter: ids of one generation only, so holders start a fresh one with a new
 * generation.
 */
#include "core/analysis/pass.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool n1_pass_set(struct n1_pass *p, const struct n1_filter *filter)
{
    if (filter->process == p->process && filter->thread == p->thread)
        return false;
    p->process = filter->process;
    p->thread = filter->thread;
    if (p->memo)
        memset(p->memo, 0, p->count);
    return true;
}

void n1_pass_finish(struct n1_pass *p)
{
    free(p->memo);
    *p = (struct n1_pass){0};
}

int n1_pass_thread(struct n1_pass *p, const struct n1_reader *r, uint32_t thread)
{
    struct n1_model_thread t;
    if (p->thread != 0 && thread != p->thread)
        return 0;
    if (p->process == 0)
        return 1;
    if (thread >= p->count) {
        size_t want = (size_t)n1_reader_count(r, N1_SEGMENT_THREADS, NULL) + 64;
        if (thread >= want)
            return 0;
        uint8_t *grown = realloc(p->memo, want);
        if (!grown)
            return -ENOMEM;
        memset(grown + p->count, 0, want - p->count);
        p->memo = grown;
        p->count = want;
    }
    if (p->memo[thread] == 0)
        p->memo[thread] = n1_reader_thread(r, thread, &t) && t.process == p->process ? 1 : 2;
    return p->memo[thread] == 1;
}
