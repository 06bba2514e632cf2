/*
 * The block of offsets at the start of the runtime state of 3.13 and later: the eight letters "xdebugpy", the
 * version, whether the build has no GIL, then 64-bit words in an order of their own for each minor version.
 * Every word is the target's claim: it is believed only when it fits its struct.
 */
#include "sampler/python/offsets.h"

#include <errno.h>
#include <string.h>

enum { V3_13, V3_14, V3_15, LAYOUTS };
enum { WORD_VERSION = 1, WORD_NO_GIL = 2 };

static const size_t block_bytes[LAYOUTS] = {584, 760, 888};

/* Which word of the block gives which field; 0: that version does not tell. */
static const struct {
    size_t field;
    uint8_t word[LAYOUTS];
} words[] = {
    {offsetof(struct n1_py_offsets, runtime_interpreters), {5, 5, 5}},
    {offsetof(struct n1_py_offsets, interp_next), {8, 8, 8}},
    {offsetof(struct n1_py_offsets, interp_threads), {9, 9, 9}},
    {offsetof(struct n1_py_offsets, interp_gil), {14, 15, 15}},
    {offsetof(struct n1_py_offsets, interp_modules), {11, 12, 12}},
    {offsetof(struct n1_py_offsets, interp_generation), {0, 20, 20}},
    {offsetof(struct n1_py_offsets, thread_size), {19, 22, 22}},
    {offsetof(struct n1_py_offsets, thread_next), {21, 24, 24}},
    {offsetof(struct n1_py_offsets, thread_interp), {22, 25, 25}},
    {offsetof(struct n1_py_offsets, thread_frame), {23, 26, 26}},
    {offsetof(struct n1_py_offsets, thread_ident), {24, 27, 30}},
    {offsetof(struct n1_py_offsets, thread_tid), {25, 28, 31}},
    {offsetof(struct n1_py_offsets, thread_chunk), {26, 29, 32}},
    {offsetof(struct n1_py_offsets, thread_holds_gil), {0, 0, 34}},
    {offsetof(struct n1_py_offsets, thread_wants_gil), {0, 0, 35}},
    {offsetof(struct n1_py_offsets, frame_size), {28, 31, 39}},
    {offsetof(struct n1_py_offsets, frame_previous), {29, 32, 40}},
    {offsetof(struct n1_py_offsets, frame_code), {30, 33, 41}},
    {offsetof(struct n1_py_offsets, frame_instr), {31, 34, 42}},
    {offsetof(struct n1_py_offsets, frame_owner), {33, 36, 44}},
    {offsetof(struct n1_py_offsets, frame_stack), {0, 37, 45}},
    {offsetof(struct n1_py_offsets, code_size), {34, 39, 47}},
    {offsetof(struct n1_py_offsets, code_filename), {35, 40, 48}},
    {offsetof(struct n1_py_offsets, code_name), {36, 41, 49}},
    {offsetof(struct n1_py_offsets, code_qualname), {37, 42, 50}},
    {offsetof(struct n1_py_offsets, code_firstline), {39, 44, 52}},
    {offsetof(struct n1_py_offsets, code_lines), {38, 43, 51}},
    {offsetof(struct n1_py_offsets, code_bytes), {43, 48, 56}},
    {offsetof(struct n1_py_offsets, object_type), {45, 51, 59}},
    {offsetof(struct n1_py_offsets, type_name), {47, 53, 61}},
    {offsetof(struct n1_py_offsets, bytes_len), {65, 75, 87}},
    {offsetof(struct n1_py_offsets, bytes_data), {66, 76, 88}},
    {offsetof(struct n1_py_offsets, str_len), {69, 79, 91}},
    {offsetof(struct n1_py_offsets, str_state), {68, 78, 90}},
    {offsetof(struct n1_py_offsets, str_ascii), {70, 80, 92}},
    {offsetof(struct n1_py_offsets, str_compact), {0, 0, 93}},
};

/* Fields that are reckoned from several words. */
static const uint8_t word_gc[LAYOUTS] = {10, 11, 11}, word_gc_collecting[LAYOUTS] = {72, 82, 95};
static const uint8_t word_gc_stats[LAYOUTS] = {0, 0, 98};
static const uint8_t word_gil[LAYOUTS] = {15, 16, 16}, word_gil_locked[LAYOUTS] = {17, 18, 18},
                     word_gil_holder[LAYOUTS] = {18, 19, 19};

/* Not in the block, and the same distance in all three versions. */
enum { TRACEABLE_BEFORE_BYTES = 16, STATS_BEFORE_COLLECTING = 72, COMPACT_AFTER_ASCII = 16 };

/* X(where, most bytes that the struct may be large) */
#define LIMIT_MAP(X)                                                                                         \
    X(RUNTIME, 1 << 20)                                                                                      \
    X(INTERP, 1 << 20)                                                                                       \
    X(GIL, 256)                                                                                              \
    X(THREAD, 4096)                                                                                          \
    X(THREAD_SIZE, 4096)                                                                                     \
    X(CFRAME, 64)                                                                                            \
    X(FRAME, 512)                                                                                            \
    X(FRAME_SIZE, 512)                                                                                       \
    X(CODE, 512)                                                                                             \
    X(CODE_SIZE, 512)                                                                                        \
    X(OBJECT, 64)                                                                                            \
    X(TYPE, 1024)                                                                                            \
    X(BYTES, 128)                                                                                            \
    X(STR, 256)

enum {
#define X(where, most) LIMIT_##where = most,
    LIMIT_MAP(X)
#undef X
};

static bool fits(uint32_t offset, uint32_t width, uint32_t limit)
{
    return offset == N1_PY_NONE || (offset <= limit - width && (width == 0 || offset % width == 0));
}

bool n1_py_offsets_sane(const struct n1_py_offsets *o)
{
    bool sane = o->thread_size != N1_PY_NONE && o->frame_size != N1_PY_NONE && o->code_size != N1_PY_NONE;
#define X(field, where, width) sane = sane && fits(o->field, width, LIMIT_##where);
    N1_PY_OFFSET_MAP(X)
#undef X
    /* What is read at a glance must lie in the part that is copied. */
    const uint32_t thread[] = {o->thread_next, o->thread_interp,
                               o->thread_frame == N1_PY_NONE ? o->thread_cframe : o->thread_frame,
                               o->thread_ident};
    for (size_t i = 0; i < sizeof(thread) / sizeof(thread[0]); i++)
        sane = sane && thread[i] != N1_PY_NONE && thread[i] + 8 <= o->thread_size;
    const uint32_t frame[] = {o->frame_previous, o->frame_code, o->frame_instr};
    for (size_t i = 0; i < sizeof(frame) / sizeof(frame[0]); i++)
        sane = sane && frame[i] != N1_PY_NONE && frame[i] + 8 <= o->frame_size;
    sane = sane && (o->frame_owner == N1_PY_NONE || o->frame_owner < o->frame_size);
    const uint32_t code[] = {o->code_filename, o->code_name, o->code_lines, o->code_firstline};
    for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++)
        sane = sane && code[i] != N1_PY_NONE && code[i] + 8 <= o->code_size + 8u;
    const uint32_t needed[] = {o->runtime_interpreters,
                               o->interp_next,
                               o->interp_threads,
                               o->object_type,
                               o->type_name,
                               o->bytes_len,
                               o->bytes_data,
                               o->str_len,
                               o->str_state,
                               o->str_ascii,
                               o->str_compact};
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        sane = sane && needed[i] != N1_PY_NONE;
    return sane;
}

static uint64_t word_at(const uint8_t *block, size_t index)
{
    uint64_t word;
    memcpy(&word, block + 8 * index, sizeof(word));
    return word;
}

/* A claim too large for 32 bits becomes one that no struct fits. */
static uint32_t claim(uint64_t value)
{
    return value < N1_PY_NONE - 1 ? (uint32_t)value : N1_PY_NONE - 1;
}

static void derive(const uint8_t *block, int v, struct n1_py_offsets *o)
{
    uint64_t gc = word_at(block, word_gc[v]), collecting = word_at(block, word_gc_collecting[v]);
    uint64_t stats =
        word_gc_stats[v] ? word_at(block, word_gc_stats[v]) : collecting - STATS_BEFORE_COLLECTING;
    uint64_t gil = word_at(block, word_gil[v]);
    o->interp_gc_collecting = claim(gc + collecting);
    o->interp_gc_stats = claim(gc + stats);
    o->gil_locked = claim(word_at(block, word_gil_locked[v]) - gil);
    o->gil_holder = claim(word_at(block, word_gil_holder[v]) - gil);
    o->code_traceable = claim((uint64_t)o->code_bytes - TRACEABLE_BEFORE_BYTES);
    if (o->str_compact == N1_PY_NONE)
        o->str_compact = claim((uint64_t)o->str_ascii + COMPACT_AFTER_ASCII);
    if (v == V3_13) /* told from 3.14 on */
        o->frame_stack = claim((uint64_t)o->frame_instr + 8);
}

int n1_py_offsets_parse(const uint8_t *block, size_t len, struct n1_py_offsets *ret, uint32_t *ret_hex,
                        struct n1_error *reterr)
{
    if (len < 24 || memcmp(block, "xdebugpy", 8))
        return -ENOENT;
    uint64_t version = word_at(block, WORD_VERSION);
    unsigned major = (unsigned)(version >> 24 & 0xff), minor = (unsigned)(version >> 16 & 0xff);
    if (version > UINT32_MAX || major != 3 || minor < 13)
        return n1_error_set(reterr, -EBADMSG, "the interpreter's own table of offsets is damaged");
    *ret_hex = (uint32_t)version;
    if (minor > 15)
        return n1_error_set(reterr, -ENOTSUP, "CPython %u.%u is newer than this n1top knows", major, minor);
    if ((version >> 4 & 0xf) < 0xc) /* alpha and beta releases still move fields */
        return n1_error_set(reterr, -ENOTSUP, "CPython %u.%u before its release candidates is not supported",
                            major, minor);
    if (word_at(block, WORD_NO_GIL) != 0)
        return n1_error_set(reterr, -ENOTSUP, "CPython %u.%u without a GIL is not supported yet", major,
                            minor);
    int v = (int)minor - 13;
    if (len < block_bytes[v])
        return n1_error_set(reterr, -EBADMSG, "the interpreter's own table of offsets is cut short");
    struct n1_py_offsets o;
    memset(&o, 0xff, sizeof(o)); /* N1_PY_NONE everywhere */
    o.version = (uint32_t)(version >> 16);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!words[i].word[v])
            continue;
        uint32_t value = claim(word_at(block, words[i].word[v]));
        memcpy((uint8_t *)&o + words[i].field, &value, sizeof(value));
    }
    derive(block, v, &o);
    if (!n1_py_offsets_sane(&o))
        return n1_error_set(reterr, -EBADMSG, "the interpreter's own table of offsets is damaged");
    *ret = o;
    return 0;
}

int n1_py_offsets_read(struct n1_memory *memory, uint64_t runtime, struct n1_py_offsets *ret,
                       uint32_t *ret_hex, struct n1_error *reterr)
{
    uint8_t block[N1_PY_DEBUG_BYTES];
    if (!n1_memory_read(memory, runtime, block, sizeof(block)))
        return -ENOENT;
    return n1_py_offsets_parse(block, sizeof(block), ret, ret_hex, reterr);
}
