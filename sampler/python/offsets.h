/*
 * Where things lie in the structs of one CPython version. To 3.12 a table says so (offset_tables.c); from
 * 3.13 on the interpreter itself does, in a block at the start of its runtime state, which is read as hostile
 * input. All values are bytes from the start of the struct; 0xffffffff: this version has no such field.
 */
#ifndef N1_SAMPLER_PYTHON_OFFSETS_H
#define N1_SAMPLER_PYTHON_OFFSETS_H

#include "sampler/python/memory.h"

#include "n1/error.h"

#define N1_PY_NONE UINT32_C(0xffffffff)

/* X(field, the struct it lies in (limit below), width in bytes). SIZE fields are sizes of structs. */
#define N1_PY_OFFSET_MAP(X)                                                                                  \
    X(runtime_interpreters, RUNTIME, 8)  /* first interpreter */                                             \
    X(runtime_current, RUNTIME, 8)       /* thread that holds the GIL, to 3.11 */                            \
    X(runtime_gil_locked, RUNTIME, 4)    /* to 3.11 */                                                       \
    X(runtime_gil_holder, RUNTIME, 8)    /* to 3.11 */                                                       \
    X(runtime_gc_collecting, RUNTIME, 4) /* to 3.8 */                                                        \
    X(runtime_gc_stats, RUNTIME, 8)      /* to 3.8 */                                                        \
    X(interp_next, INTERP, 8)                                                                                \
    X(interp_threads, INTERP, 8) /* first thread state */                                                    \
    X(interp_gil, INTERP, 8)     /* pointer to the GIL's state, from 3.12 on */                              \
    X(interp_gc_collecting, INTERP, 4)                                                                       \
    X(interp_gc_stats, INTERP, 8)   /* three times {collections, collected, uncollectable}, to 3.14;         \
                                       then a pointer to rings of single collections */                      \
    X(interp_modules, INTERP, 8)    /* sys.modules */                                                        \
    X(interp_generation, INTERP, 8) /* counts freed code objects, from 3.14 on */                            \
    X(gil_locked, GIL, 4)                                                                                    \
    X(gil_holder, GIL, 8)                                                                                    \
    X(thread_size, THREAD_SIZE, 0)                                                                           \
    X(thread_next, THREAD, 8)                                                                                \
    X(thread_interp, THREAD, 8)                                                                              \
    X(thread_frame, THREAD, 8)  /* current frame, but in 3.11 and 3.12 */                                    \
    X(thread_cframe, THREAD, 8) /* in 3.11 and 3.12: a struct on the C stack that has it */                  \
    X(cframe_frame, CFRAME, 8)                                                                               \
    X(thread_ident, THREAD, 8)     /* pthread_t */                                                           \
    X(thread_tid, THREAD, 8)       /* tid in the target's own namespace, from 3.11 on */                     \
    X(thread_chunk, THREAD, 8)     /* newest chunk of the data stack, from 3.11 on */                        \
    X(thread_holds_gil, THREAD, 4) /* from 3.15 on */                                                        \
    X(thread_wants_gil, THREAD, 4) /* from 3.15 on */                                                        \
    X(frame_size, FRAME_SIZE, 0)                                                                             \
    X(frame_previous, FRAME, 8)                                                                              \
    X(frame_code, FRAME, 8)                                                                                  \
    X(frame_instr, FRAME, 4) /* f_lasti to 3.10, an address from 3.11 on */                                  \
    X(frame_owner, FRAME, 1) /* from 3.11 on */                                                              \
    X(frame_entry, FRAME, 1) /* 3.11: first frame of its C evaluation */                                     \
    X(frame_stack, FRAME, 4) /* depth of its value stack, 3.11 to 3.13 */                                    \
    X(code_size, CODE_SIZE, 0)                                                                               \
    X(code_filename, CODE, 8)                                                                                \
    X(code_name, CODE, 8)                                                                                    \
    X(code_qualname, CODE, 8) /* from 3.11 on */                                                             \
    X(code_firstline, CODE, 4)                                                                               \
    X(code_lines, CODE, 8)     /* line table */                                                              \
    X(code_traceable, CODE, 4) /* first instruction of the function proper, in units of 2 */                 \
    X(code_bytes, CODE, 0)     /* instructions inside the object, from 3.11 on */                            \
    X(object_type, OBJECT, 8)                                                                                \
    X(type_name, TYPE, 8)                                                                                    \
    X(bytes_len, BYTES, 8)                                                                                   \
    X(bytes_data, BYTES, 0)                                                                                  \
    X(str_len, STR, 8)                                                                                       \
    X(str_state, STR, 4)                                                                                     \
    X(str_ascii, STR, 0)   /* first character of a compact ASCII string */                                   \
    X(str_compact, STR, 0) /* and of any other compact string */

struct n1_py_offsets {
    uint32_t version; /* major and minor: 0x030b is 3.11 */
#define X(field, where, width) uint32_t field;
    N1_PY_OFFSET_MAP(X)
#undef X
};

/* The same for every version since 3.11: struct of a chunk of the data stack. */
enum { N1_PY_CHUNK_PREVIOUS = 0, N1_PY_CHUNK_SIZE = 8, N1_PY_CHUNK_DATA = 24 };

/* The table of a version (0x0308 … 0x030c), NULL for others. */
const struct n1_py_offsets *n1_py_offsets_table(uint32_t version);
/* Known versions of the table, for who has to try them: index from 0; NULL at the end. */
const struct n1_py_offsets *n1_py_offsets_at(size_t index);

enum { N1_PY_DEBUG_BYTES = 888 }; /* longest block known (3.15) */

/* Reads the block that 3.13 and later carry at `runtime`. Returns 0; -ENOENT when there is no block;
 * -ENOTSUP for a version or build that is not known (reterr says which); -EBADMSG when it contradicts itself.
 * *ret_hex is the interpreter's version as PY_VERSION_HEX. */
int n1_py_offsets_read(struct n1_memory *memory, uint64_t runtime, struct n1_py_offsets *ret,
                       uint32_t *ret_hex, struct n1_error *reterr);
/* The same from bytes at hand. */
int n1_py_offsets_parse(const uint8_t *block, size_t len, struct n1_py_offsets *ret, uint32_t *ret_hex,
                        struct n1_error *reterr);
/* False when an offset lies outside of what its struct may be large, or is misaligned. */
bool n1_py_offsets_sane(const struct n1_py_offsets *offsets);

#endif
