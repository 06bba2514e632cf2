/*
 * Where inside one function the time of a window goes: by source line, and by address of the instruction that
 * ran. Pure over the reader; one thread per object.
 */
#ifndef N1_PLACES_H
#define N1_PLACES_H

#include "n1/profile.h"

struct n1_place_line {
    char file[512]; /* as the line tables name it */
    uint32_t line;
    uint64_t self_ns, self_samples;   /* the line itself ran */
    uint64_t total_ns, total_samples; /* the line was on the stack, recursion counted once */
};

struct n1_place_address {
    uint64_t address; /* ELF virtual address in the module, as n1_model_frame.offset */
    uint32_t line;    /* 0: unknown */
    uint64_t self_ns, self_samples;
};

struct n1_places;
struct n1_places *n1_places_create(void); /* NULL when out of memory */
void n1_places_destroy(struct n1_places *p);

/* Looks at the samples of the window in which the function with stable id `id` is on the stack. Call between
 * n1_reader_begin and _end. Returns 0, N1_E_USAGE (bad expression), -ENOMEM; after a failure there is
 * nothing. */
int n1_places_update(struct n1_places *p, struct n1_reader *r, struct n1_window window,
                     const struct n1_filter *filter, uint64_t id);

/* Ordered by file and line. */
const struct n1_place_line *n1_places_lines(const struct n1_places *p, size_t *ret_count);
/* Ordered by address. */
const struct n1_place_address *n1_places_addresses(const struct n1_places *p, size_t *ret_count);
/* What of the function's own and total time has no line: its frames have none (yet), or the samples are gone
 * and only the seconds are kept, which do not tell instructions apart. */
struct n1_places_rest {
    uint64_t self_ns, total_ns; /* of the function in the window */
    uint64_t nameless_self_ns;  /* without a line */
    uint64_t coarse_self_ns;    /* from per-second rows, attributed to the function's first line */
    uint32_t model_function;    /* model id, 0: nameless */
    uint32_t module;            /* model id */
    uint64_t start, size;       /* of the function; size 0: unknown */
};
struct n1_places_rest n1_places_rest(const struct n1_places *p);

#endif
