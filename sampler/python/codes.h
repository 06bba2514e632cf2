/*
 * Code objects of one process by address: name, file, lines, and what the model calls them. An entry is good
 * as long as the object at its address still shows the same pointers and first line; the younger it is, the
 * oftener that is checked, once a second at the least, and at once when the interpreter says that code
 * objects were freed (3.14). Sampler thread only.
 *
 * In the model a function is (file, qualified name, first line), so that all workers of a service share it
 * and a lambda made in a loop is one function; a frame is (function, line).
 */
#ifndef N1_SAMPLER_PYTHON_CODES_H
#define N1_SAMPLER_PYTHON_CODES_H

#include "sampler/python/lines.h"
#include "sampler/python/offsets.h"

#include "n1/time.h"
#include "n1/writer.h"

struct n1_py_code {
    uint64_t address;     /* 0: free place */
    uint64_t identity[5]; /* type, name, file, line table; first line */
    n1_ns born, checked;
    bool bad;                       /* there is no code object at this address */
    char *name, *file;              /* UTF-8, as the target has them: not sanitised */
    uint32_t first_line, traceable; /* traceable: first byte of the function proper */
    struct n1_py_lines lines;
    uint64_t key; /* of (name, first line), in the place that lines leave free */
    /* Ids in the model; 0: not entered since the last generation step. */
    uint32_t module, function, file_string;
};

struct n1_py_codes {
    struct n1_memory *memory;
    const struct n1_py_offsets *offsets;
    uint64_t code_type;         /* address of the type object of code objects; 0: not known */
    struct n1_py_code *entries; /* open addressing, capacity a power of two */
    size_t capacity, count;
    uint64_t generation;             /* of code objects in the target, as last seen */
    n1_ns all_due;                   /* entries checked before this time are due again */
    uint64_t loads, checks, changed; /* counts since the start */
};

void n1_py_codes_init(struct n1_py_codes *codes, struct n1_memory *memory,
                      const struct n1_py_offsets *offsets, uint64_t code_type);
void n1_py_codes_finish(struct n1_py_codes *codes);

/* Makes sure that the code objects of one sample are known and checked, in few reads; call before
 * n1_py_codes_get. `generation` is the target's count of freed code objects, 0 when it keeps none. */
void n1_py_codes_check(struct n1_py_codes *codes, const uint64_t *addresses, size_t count,
                       uint64_t generation, n1_ns now);
/* The entry of an address that was checked, NULL when there is no code object. Valid until the next check. */
struct n1_py_code *n1_py_codes_get(struct n1_py_codes *codes, uint64_t address);

/* The model's frame of `code` at byte `at` of its instructions; 0 when the model has no room. */
uint32_t n1_py_code_frame(struct n1_py_code *code, struct n1_writer *w, uint32_t at);

/* After a generation step of the model. */
void n1_py_codes_remap(struct n1_py_codes *codes);

#endif
