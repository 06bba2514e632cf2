/*
 * What a report says beside the profile: figures by thread, memory first touched and memory resident by
 * function, source lines. One pass over the window's samples and page faults.
 */
#ifndef CORE_REPORT_FACTS_H
#define CORE_REPORT_FACTS_H

#include "core/report/report_private.h"

#define N1_FACT_UNKNOWN UINT64_MAX

struct n1_fact_line {
    uint32_t function;   /* index into the report's functions */
    uint32_t file, line; /* model string; line > 0 */
    uint64_t self_ns, total_ns;
    uint64_t bytes; /* first touched while it was on the stack; N1_FACT_UNKNOWN as below */
};

struct n1_facts {
    /* by index of the report's functions */
    uint64_t
        *bytes; /* first touched under it; N1_FACT_UNKNOWN when page faults were not sampled throughout */
    uint64_t *resident; /* largest RSS of the process while it was on a stack; N1_FACT_UNKNOWN */
    /* by thread id */
    uint64_t *thread_ns, *thread_samples;
    size_t thread_count;
    struct n1_fact_line *lines; /* ordered by function, then largest total */
    size_t line_count;
    uint64_t gc_samples, gc_ns; /* taken while a collection ran */
};

/* Returns 0 or -ENOMEM; finish even then. */
int n1_facts_init(struct n1_facts *facts, const struct n1_report *report);
void n1_facts_finish(struct n1_facts *facts);

#endif
