/*
 * A round reads a set of ranges; walking over the copies either succeeds or names a range that is missing,
 * and the next round has it. While the thread runs, a round reads everything again: bytes of different rounds
 * never meet.
 *
 * What must agree between the two copies: the thread state's current frame, and each frame's code and link;
 * below the top also the place in the code, and, where frames lie together, every byte of them, since a
 * caller that got control between the copies has moved on even when it came back to the same call.
 */
#include "sampler/python/chain.h"

#include <stdlib.h>
#include <string.h>

enum {
    ROUNDS = 8,
    REGIONS = 500, /* two copies of them are the most that one call takes */
    BUFFER = 256 * 1024,
    CHUNK_COPY_MAX = 64 * 1024, /* most bytes of one chunk */
    CHUNK_MARGIN = 1024,        /* guessed beyond what the last sample needed */
    CHUNK_FIRST = 4096,
    GUESSES_KEPT = 32,
    FRAME_MAX = 128, /* bytes of a frame that are looked at */
    THREAD_MAX = 1024,
};
#define CHUNK_SIZE_MAX (UINT64_C(64) << 20)

enum owner { OWNER_THREAD, OWNER_GENERATOR, OWNER_FRAME_OBJECT, OWNER_SHIM };

struct region {
    uint64_t address;
    uint32_t len, at; /* at: in each copy */
    bool read;
};

struct n1_py_chain_reader {
    const struct n1_py_source *source; /* of the chain being read */
    struct region regions[REGIONS];
    size_t region_count, last; /* last: of the last hit; frames follow each other */
    uint32_t used;
    int copies;
    struct n1_memory_part parts[2 * REGIONS];
    struct n1_py_chain second;
    uint8_t bytes[2][BUFFER];
};

static uint32_t most(uint32_t so_far, uint32_t offset, uint32_t width)
{
    return offset != N1_PY_NONE && offset + width > so_far ? offset + width : so_far;
}

bool n1_py_source_init(struct n1_py_source *s, struct n1_memory *memory, const struct n1_py_offsets *o,
                       uint64_t runtime)
{
    *s = (struct n1_py_source){.memory = memory, .offsets = o, .runtime = runtime};
    const uint32_t words[] = {o->frame_previous, o->frame_code, o->frame_instr};
    for (size_t i = 0; i < 3; i++)
        s->frame_bytes = most(s->frame_bytes, words[i], 8);
    s->frame_bytes = most(s->frame_bytes, o->frame_owner, 1);
    s->frame_bytes = most(s->frame_bytes, o->frame_entry, 1);
    s->frame_bytes = most(s->frame_bytes, o->frame_stack, o->version >= 0x030e ? 8 : 4);
    s->frame_bytes = (s->frame_bytes + 7) & ~UINT32_C(7);
    const uint32_t thread[] = {o->thread_interp, o->thread_frame,     o->thread_cframe,    o->thread_ident,
                               o->thread_tid,    o->thread_holds_gil, o->thread_wants_gil, o->thread_chunk};
    for (size_t i = 0; i < sizeof(thread) / sizeof(thread[0]); i++)
        s->thread_bytes = most(s->thread_bytes, thread[i], 8);
    return s->frame_bytes <= FRAME_MAX && s->thread_bytes <= THREAD_MAX;
}

void n1_py_source_interp(struct n1_py_source *s, uint64_t interp)
{
    s->interp = interp;
    s->gil = 0;
    if (interp && s->offsets->interp_gil != N1_PY_NONE)
        n1_memory_u64(s->memory, interp + s->offsets->interp_gil, &s->gil);
}

struct n1_py_chain_reader *n1_py_chain_reader_create(void)
{
    return calloc(1, sizeof(struct n1_py_chain_reader));
}

void n1_py_chain_reader_destroy(struct n1_py_chain_reader *reader)
{
    free(reader);
}

/* False when there is no room. */
static bool want(struct n1_py_chain_reader *r, uint64_t address, uint32_t len)
{
    uint32_t room = (len + 7) & ~UINT32_C(7);
    if (r->region_count == REGIONS || room > BUFFER - r->used || address + len < address)
        return false;
    r->regions[r->region_count++] = (struct region){address, len, r->used, false};
    r->used += room;
    return true;
}

static const uint8_t *bytes_at(struct n1_py_chain_reader *r, int copy, uint64_t address, uint32_t len)
{
    for (size_t n = 0; n < r->region_count; n++) {
        size_t i = (r->last + n) % r->region_count;
        const struct region *g = &r->regions[i];
        if (g->read && address >= g->address && len <= g->len && address - g->address <= g->len - len) {
            r->last = i;
            return r->bytes[copy] + g->at + (address - g->address);
        }
    }
    return NULL;
}

static uint64_t u64_of(const uint8_t *bytes, uint32_t offset)
{
    uint64_t value;
    memcpy(&value, bytes + offset, sizeof(value));
    return value;
}

static uint32_t u32_of(const uint8_t *bytes, uint32_t offset)
{
    uint32_t value;
    memcpy(&value, bytes + offset, sizeof(value));
    return value;
}

static bool word(struct n1_py_chain_reader *r, int copy, uint64_t address, uint64_t *ret)
{
    const uint8_t *bytes = bytes_at(r, copy, address, 8);
    if (bytes)
        *ret = u64_of(bytes, 0);
    return bytes != NULL;
}

/* Reads what is wanted and not read yet; with two copies everything, again, in one call. */
static bool read_regions(struct n1_py_chain_reader *r)
{
    size_t n = 0;
    for (int copy = 0; copy < r->copies; copy++)
        for (size_t i = 0; i < r->region_count; i++)
            if (r->copies == 2 || !r->regions[i].read)
                r->parts[n++] = (struct n1_memory_part){r->regions[i].address,
                                                        r->bytes[copy] + r->regions[i].at, r->regions[i].len};
    if (n && !n1_memory_read_parts(r->source->memory, r->parts, n))
        return false;
    for (size_t i = 0; i < r->region_count; i++)
        r->regions[i].read = true;
    return true;
}

static void want_state(struct n1_py_chain_reader *r)
{
    const struct n1_py_offsets *o = r->source->offsets;
    if (o->runtime_gil_locked != N1_PY_NONE) {
        want(r, r->source->runtime + o->runtime_gil_locked, 4);
        want(r, r->source->runtime + o->runtime_current, 8);
    } else if (r->source->gil) {
        want(r, r->source->gil + o->gil_locked, 4);
        want(r, r->source->gil + o->gil_holder, 8);
    }
    if (o->runtime_gc_collecting != N1_PY_NONE)
        want(r, r->source->runtime + o->runtime_gc_collecting, 4);
    else if (r->source->interp && o->interp_gc_collecting != N1_PY_NONE)
        want(r, r->source->interp + o->interp_gc_collecting, 4);
    if (r->source->interp && o->interp_generation != N1_PY_NONE)
        want(r, r->source->interp + o->interp_generation, 8);
}

static bool flag(struct n1_py_chain_reader *r, uint64_t address, bool *ret)
{
    const uint8_t *bytes = bytes_at(r, r->copies - 1, address, 4);
    if (bytes)
        *ret = u32_of(bytes, 0) == 1;
    return bytes != NULL;
}

static void take_state(struct n1_py_chain_reader *r, const struct n1_py_place *place,
                       struct n1_py_instant *now)
{
    const struct n1_py_offsets *o = r->source->offsets;
    int copy = r->copies - 1;
    *now = (struct n1_py_instant){0};
    if (o->runtime_gil_locked != N1_PY_NONE)
        now->gil_known = flag(r, r->source->runtime + o->runtime_gil_locked, &now->gil_locked) &&
                         word(r, copy, r->source->runtime + o->runtime_current, &now->gil_holder);
    else if (r->source->gil)
        now->gil_known = flag(r, r->source->gil + o->gil_locked, &now->gil_locked) &&
                         word(r, copy, r->source->gil + o->gil_holder, &now->gil_holder);
    if (o->runtime_gc_collecting != N1_PY_NONE)
        now->gc_known = flag(r, r->source->runtime + o->runtime_gc_collecting, &now->collecting);
    else if (r->source->interp && o->interp_gc_collecting != N1_PY_NONE)
        now->gc_known = flag(r, r->source->interp + o->interp_gc_collecting, &now->collecting);
    if (r->source->interp && o->interp_generation != N1_PY_NONE)
        word(r, copy, r->source->interp + o->interp_generation, &now->generation);
    if (o->thread_wants_gil != N1_PY_NONE)
        flag(r, place->thread + o->thread_wants_gil, &now->wants_gil);
}

/* The chunk that holds `address`, as an index; chunk_count when none known does. */
static size_t chunk_of(const struct n1_py_place *place, uint64_t address)
{
    size_t i = 0;
    while (i < place->chunk_count && (address < place->chunks[i] + N1_PY_CHUNK_DATA ||
                                      address - place->chunks[i] >= place->chunk_bytes[i]))
        i++;
    return i;
}

/* The list of chunks changes seldom: when the newest is another, or a frame lies in none of them. */
static void find_chunks(struct n1_py_chain_reader *r, struct n1_py_place *place, uint64_t newest)
{
    place->chunk_count = 0;
    while (newest && newest % 8 == 0 && place->chunk_count < N1_PY_CHUNKS) {
        uint64_t head[3];
        if (!n1_memory_read(r->source->memory, newest, head, sizeof(head)))
            return;
        uint64_t size = head[N1_PY_CHUNK_SIZE / 8];
        if (size < N1_PY_CHUNK_DATA || size > CHUNK_SIZE_MAX)
            return;
        place->chunks[place->chunk_count] = newest;
        place->chunk_bytes[place->chunk_count++] = (uint32_t)size;
        newest = head[N1_PY_CHUNK_PREVIOUS / 8];
    }
}

/* A frame's bytes are not there yet: asks for them, with their neighbours when they lie in a chunk. False
 * when that cannot help. */
static bool want_frame(struct n1_py_chain_reader *r, struct n1_py_place *place, uint64_t address)
{
    if (address < 4096 || address % 8)
        return false;
    size_t c = chunk_of(place, address);
    if (c < place->chunk_count) {
        uint64_t into = address - place->chunks[c], len = into + r->source->frame_bytes;
        if (len > place->chunk_bytes[c])
            return false;
        if (len <= CHUNK_COPY_MAX) {
            /* All below it in its chunk are its callers. */
            for (size_t i = 0; i < r->region_count; i++)
                if (r->regions[i].address == place->chunks[c] && r->regions[i].len > 64) {
                    len += CHUNK_MARGIN;
                    break;
                }
            return want(r, place->chunks[c],
                        (uint32_t)(len < place->chunk_bytes[c] ? len : place->chunk_bytes[c]));
        }
    } else if (place->guess_count < N1_PY_GUESSES) {
        place->guesses[place->guess_count++] = address;
    }
    return want(r, address, r->source->frame_bytes);
}

static void take_frame(const struct n1_py_offsets *o, const uint8_t *bytes, struct n1_py_frame *frame)
{
    frame->code = u64_of(bytes, o->frame_code);
    if (o->version >= 0x030e)
        frame->code &= ~UINT64_C(3);
    frame->entry = true;
    if (o->version >= 0x030b) {
        uint8_t owner = bytes[o->frame_owner];
        frame->instr = u64_of(bytes, o->frame_instr);
        frame->generator = owner == OWNER_GENERATOR;
        frame->shim = owner >= OWNER_SHIM && o->version >= 0x030c;
        if (o->frame_entry != N1_PY_NONE)
            frame->entry = bytes[o->frame_entry] != 0;
        if (o->frame_stack != N1_PY_NONE)
            frame->executes = o->version >= 0x030e ? u64_of(bytes, o->frame_stack) == 0
                                                   : u32_of(bytes, o->frame_stack) == UINT32_MAX;
    } else {
        int32_t last = (int32_t)u32_of(bytes, o->frame_instr);
        frame->instr = last < 0 ? 0 : (uint64_t)last * (o->version == 0x030a ? 2 : 1);
    }
}

/* Which code was on top when the first round began, once its frame's bytes are there: a frame object mostly
 * belongs to one code for long. From 3.11 on, frames have no place of their own; there, cut_at_top() needs no
 * second copy. */
static void draw(struct n1_py_chain_reader *r, uint64_t top, struct n1_py_chain *ret)
{
    const struct n1_py_offsets *o = r->source->offsets;
    const uint8_t *bytes = top ? bytes_at(r, 0, top, r->source->frame_bytes) : NULL;
    if (o->frame_stack != N1_PY_NONE || r->copies == 1 || ret->drawn_known || (top && !bytes))
        return;
    ret->drawn_known = true;
    ret->drawn = top ? u64_of(bytes, o->frame_code) : 0;
}

/* Walks over one copy. Returns false with *ret_missing set when a range is not there. */
static bool walk(struct n1_py_chain_reader *r, const struct n1_py_place *place, int copy, uint64_t current,
                 struct n1_py_chain *ret, uint64_t *ret_missing)
{
    const struct n1_py_offsets *o = r->source->offsets;
    uint64_t address = current, marked = 0;
    size_t mark_at = 0, mark_step = 1;
    (void)place;
    ret->count = 0;
    ret->end = N1_PY_CHAIN_COMPLETE;
    while (address) {
        if (address % 8) {
            ret->end = N1_PY_CHAIN_BAD;
            return true;
        }
        if (ret->count == N1_PY_FRAMES_MAX) {
            ret->end = N1_PY_CHAIN_DEEP;
            return true;
        }
        const uint8_t *bytes = bytes_at(r, copy, address, r->source->frame_bytes);
        if (!bytes) {
            *ret_missing = address;
            return false;
        }
        struct n1_py_frame *frame = &ret->frames[ret->count];
        *frame = (struct n1_py_frame){.address = address};
        take_frame(o, bytes, frame);
        ret->count++;
        address = u64_of(bytes, o->frame_previous);
        if (address == marked && marked) { /* Brent: a chain that meets itself */
            ret->end = N1_PY_CHAIN_BAD;
            return true;
        }
        if (ret->count == mark_at + mark_step) {
            marked = address;
            mark_at = ret->count;
            mark_step *= 2;
        }
    }
    if (!ret->count)
        ret->end = N1_PY_CHAIN_EMPTY;
    return true;
}

/* The thread state of one copy: its current frame, or a range that is missing. */
enum state { STATE_OK, STATE_MISSING, STATE_BAD };

static enum state thread_state(struct n1_py_chain_reader *r, struct n1_py_place *place, int copy,
                               uint64_t *ret_current, uint64_t *ret_chunk)
{
    const struct n1_py_offsets *o = r->source->offsets;
    const uint8_t *bytes = bytes_at(r, copy, place->thread, r->source->thread_bytes);
    if (!bytes)
        return STATE_BAD;
    uint64_t identity = u64_of(bytes, o->thread_tid != N1_PY_NONE ? o->thread_tid : o->thread_ident);
    if (place->identity && identity != place->identity)
        return STATE_BAD; /* it ended, and its memory is another thread's */
    *ret_chunk = o->thread_chunk != N1_PY_NONE ? u64_of(bytes, o->thread_chunk) : 0;
    if (o->thread_cframe == N1_PY_NONE) {
        *ret_current = u64_of(bytes, o->thread_frame);
        return STATE_OK;
    }
    uint64_t cframe = u64_of(bytes, o->thread_cframe);
    if (!cframe || cframe % 8)
        return STATE_BAD;
    if (word(r, copy, cframe + o->cframe_frame, ret_current)) {
        place->cframe = cframe;
        return STATE_OK;
    }
    place->cframe = cframe;
    return STATE_MISSING;
}

static bool same_bytes_below(struct n1_py_chain_reader *r, const struct n1_py_place *place, uint64_t top)
{
    size_t c = chunk_of(place, top);
    if (c == place->chunk_count)
        return true;
    uint64_t start = place->chunks[c] + N1_PY_CHUNK_DATA;
    const uint8_t *one = bytes_at(r, 0, start, (uint32_t)(top - start));
    const uint8_t *two = bytes_at(r, 1, start, (uint32_t)(top - start));
    return !one || !two || !memcmp(one, two, (size_t)(top - start));
}

static bool agree(struct n1_py_chain_reader *r, const struct n1_py_place *place, const struct n1_py_chain *a,
                  const struct n1_py_chain *b)
{
    if (a->count != b->count || a->end != b->end)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct n1_py_frame *x = &a->frames[i], *y = &b->frames[i];
        if (x->address != y->address || x->code != y->code || x->shim != y->shim)
            return false;
        if (i > 0 && x->instr != y->instr)
            return false;
    }
    return !a->count || same_bytes_below(r, place, a->frames[0].address);
}

/* From 3.11 on a frame gives its value stack back before it calls or returns within its loop, so in one copy
 * the frame that executes is known, and what lies above it has returned. Cuts the chain there. False when no
 * frame of the top loop executes, or one below it does, too: then the copy alone proves nothing. */
static bool cut_at_top(const struct n1_py_offsets *o, struct n1_py_chain *chain)
{
    size_t top = 0;
    bool shims = o->version >= 0x030c;
    if (o->frame_stack == N1_PY_NONE || chain->end != N1_PY_CHAIN_COMPLETE)
        return false;
    for (; top < chain->count && !chain->frames[top].executes; top++)
        if (shims ? chain->frames[top].shim : chain->frames[top].entry)
            return false;
    if (top == chain->count || chain->frames[top].shim)
        return false;
    for (size_t i = top; i + 1 < chain->count; i++) {
        const struct n1_py_frame *frame = &chain->frames[i], *caller = &chain->frames[i + 1];
        bool left_loop = shims ? frame->shim || caller->shim : frame->entry;
        if (!left_loop && caller->executes)
            return false;
    }
    chain->count -= top;
    memmove(chain->frames, chain->frames + top, chain->count * sizeof(chain->frames[0]));
    return true;
}

/* The thread ran on. The first copy of its frames was made between the two of its thread state, so its top is
 * one of theirs or has just returned to it. Where the copy cannot show that, both copies must agree. */
static bool settle(struct n1_py_chain_reader *r, const struct n1_py_place *place, const uint64_t current[2],
                   struct n1_py_chain *ret, uint64_t *ret_missing)
{
    const struct n1_py_offsets *o = r->source->offsets;
    for (int i = 1; i >= 0; i--) {
        if (i == 0 && current[0] == current[1])
            break;
        if (!walk(r, place, 0, current[i], ret, ret_missing)) {
            if (i == 0 || !bytes_at(r, 0, current[0], r->source->frame_bytes))
                return false;
            continue;
        }
        if (cut_at_top(o, ret))
            return true;
    }
    if (current[0] != current[1]) {
        ret->end = N1_PY_CHAIN_TORN;
        return true;
    }
    if (!walk(r, place, 0, current[0], ret, ret_missing) ||
        !walk(r, place, 1, current[1], &r->second, ret_missing))
        return false;
    if (!agree(r, place, ret, &r->second))
        ret->end = N1_PY_CHAIN_TORN;
    return true;
}

/* A plan for the first round from what the last sample needed. */
static void plan(struct n1_py_chain_reader *r, struct n1_py_place *place, bool stopped)
{
    const struct n1_py_offsets *o = r->source->offsets;
    r->region_count = r->last = 0;
    r->used = 0;
    r->copies = stopped ? 1 : 2;
    want(r, place->thread, r->source->thread_bytes);
    if (place->cframe)
        want(r, place->cframe, o->cframe_frame + 8);
    if (place->chunk_count) {
        uint32_t len = place->chunk_used ? place->chunk_used + CHUNK_MARGIN : CHUNK_FIRST;
        if (len > place->chunk_bytes[0])
            len = place->chunk_bytes[0];
        want(r, place->chunks[0], len < CHUNK_COPY_MAX ? len : CHUNK_COPY_MAX);
    }
    for (size_t i = 0; i < place->guess_count; i++)
        want(r, place->guesses[i], r->source->frame_bytes);
    want_state(r);
}

static bool guessed(const struct n1_py_place *place, uint64_t address)
{
    for (size_t i = 0; i < place->guess_count; i++)
        if (place->guesses[i] == address)
            return true;
    return false;
}

/* Keeps what this chain needed beside the newest chunk, and behind it some of what earlier ones needed: a
 * thread that is back in a function left just before would need a second round, in which it is elsewhere
 * again, so that whatever is seen most would be seen more than it ran. */
static void learn(struct n1_py_chain_reader *r, struct n1_py_place *place, const struct n1_py_chain *chain)
{
    uint64_t earlier[GUESSES_KEPT];
    size_t earlier_count = place->guess_count < GUESSES_KEPT ? place->guess_count : GUESSES_KEPT;
    uint32_t used = 0;
    memcpy(earlier, place->guesses, earlier_count * sizeof(*earlier));
    place->guess_count = 0;
    for (size_t i = 0; i < chain->count; i++) {
        uint64_t address = chain->frames[i].address;
        if (place->chunk_count && chunk_of(place, address) == 0) {
            uint32_t end = (uint32_t)(address - place->chunks[0]) + r->source->frame_bytes;
            used = end > used ? end : used;
        } else if (place->guess_count < N1_PY_GUESSES && chunk_of(place, address) == place->chunk_count) {
            place->guesses[place->guess_count++] = address;
        }
    }
    for (size_t i = 0; i < earlier_count && place->guess_count < GUESSES_KEPT; i++)
        if (!guessed(place, earlier[i]))
            place->guesses[place->guess_count++] = earlier[i];
    place->chunk_used = used ? used : place->chunk_used;
}

void n1_py_chain_read(struct n1_py_chain_reader *r, const struct n1_py_source *source,
                      struct n1_py_place *place, bool stopped, struct n1_py_chain *ret)
{
    int failures = 0;
    r->source = source;
    ret->end = N1_PY_CHAIN_BAD;
    ret->count = 0;
    ret->drawn_known = false;
    ret->instant = (struct n1_py_instant){0};
    uint64_t top = 0;
    bool top_known = false;
    plan(r, place, stopped);
    for (int round = 0; round < ROUNDS * 64; round++) {
        if (!read_regions(r)) {
            /* A guess may be memory that is gone: once more without any. */
            if (failures++ == 2 || (!place->guess_count && !place->chunk_count && !place->cframe))
                return;
            place->guess_count = place->chunk_count = 0;
            place->cframe = 0;
            plan(r, place, stopped);
            continue;
        }
        uint64_t current[2] = {0}, chunk[2] = {0}, missing = 0;
        enum state state = STATE_OK;
        for (int copy = 0; copy < r->copies && state == STATE_OK; copy++)
            state = thread_state(r, place, copy, &current[copy], &chunk[copy]);
        if (state == STATE_BAD)
            return;
        if (state == STATE_OK && !top_known) {
            top = current[0];
            top_known = true;
        }
        if (top_known)
            draw(r, top, ret);
        if (round >= ROUNDS && r->copies == 2) {
            ret->end = N1_PY_CHAIN_TORN;
            return;
        }
        if (state == STATE_MISSING) {
            if (!want(r, place->cframe, r->source->offsets->cframe_frame + 8))
                return;
            continue;
        }
        if (chunk[0] && (!place->chunk_count || place->chunks[0] != chunk[0])) {
            find_chunks(r, place, chunk[0]);
            place->chunk_used = 0;
            if (place->chunk_count)
                want(r, place->chunks[0],
                     place->chunk_bytes[0] < CHUNK_FIRST ? place->chunk_bytes[0] : CHUNK_FIRST);
            if (r->copies == 2 && place->chunk_count)
                continue;
            if (!read_regions(r))
                return;
        }
        bool whole = r->copies == 2 ? settle(r, place, current, ret, &missing)
                                    : walk(r, place, 0, current[0], ret, &missing);
        if (whole) {
            take_state(r, place, &ret->instant);
            if (ret->end != N1_PY_CHAIN_BAD)
                learn(r, place, ret);
            return;
        }
        ret->end = N1_PY_CHAIN_BAD;
        if (!want_frame(r, place, missing)) {
            bool full = r->region_count == REGIONS || r->used > BUFFER - CHUNK_COPY_MAX;
            if (full && ret->count && r->copies == 1) { /* what is there is good: the oldest are missing */
                take_state(r, place, &ret->instant);
                ret->end = N1_PY_CHAIN_DEEP;
            }
            return;
        }
    }
}
