/*
 * Collapsed stacks: one line a stack, "function;function;function samples" (bytes in a profile of bytes),
 * root first, as flame graph tools take them. ';' and line breaks in a name are replaced, so every line
 * parses.
 */
#include "core/report/report_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void put_name(FILE *out, const char *name)
{
    for (; *name; name++)
        fputc(*name == ';' ? ':' : *name == '\n' || *name == '\r' ? ' ' : *name, out);
}

static int write_stacks(FILE *out, struct n1_report *report, struct n1_error *reterr)
{
    uint32_t *way = reallocarray(NULL, report->node_count, sizeof *way);
    if (!way)
        return n1_error_set(reterr, -ENOMEM, "no memory for a report");
    for (size_t i = 1; i < report->node_count; i++) {
        const struct n1_profile_node *n = &report->nodes[i];
        /* of CPU time, samples; of all else the amount: bytes, or microseconds of waits */
        enum n1_profile_of of = report->options->filter ? report->options->filter->of : N1_OF_CPU;
        uint64_t self = of == N1_OF_CPU           ? n->samples
                        : n1_profile_of_bytes(of) ? n->self_ns
                                                  : (n->self_ns + 500) / 1000;
        for (uint32_t c = of == N1_OF_CPU ? n->first_child : 0; c; c = report->nodes[c].next_sibling)
            self -= report->nodes[c].samples;
        if (self == 0)
            continue;
        size_t depth = 0;
        for (uint32_t at = (uint32_t)i; at; at = report->nodes[at].parent)
            way[depth++] = at;
        while (depth-- > 0) {
            uint32_t function = report->nodes[way[depth]].function;
            put_name(out, function == UINT32_MAX ? "[truncated]" : report->functions[function].name);
            fputc(depth ? ';' : ' ', out);
        }
        fprintf(out, "%llu\n", (unsigned long long)self);
    }
    free(way);
    return 0;
}

int n1_report_write_collapsed(FILE *out, struct n1_reader *r, const struct n1_report_options *o,
                              struct n1_error *reterr)
{
    return n1_report_run(out, r, o, write_stacks, reterr);
}
