/*
 * Threads are kept by tid. Their list is read by walking the interpreters' lists of thread states, each state
 * in one read; a state that was freed shows another identity at its next sample and is found anew.
 */
#include "sampler/python/python.h"

#include "sampler/python/draws.h"
#include "sampler/python/tids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { INTERPRETERS_MOST = 64, THREADS_MOST = 1 << 14, STATE_MOST = 1024 };

struct thread {
    pid_t tid;
    struct n1_py_place place;
    struct n1_py_draws draws;
};

struct n1_python {
    struct n1_memory memory;
    struct n1_py_interpreter interpreter;
    struct n1_py_source source;
    struct n1_py_codes codes;
    struct n1_py_tids tids;
    char name[32];
    struct thread *threads; /* in rising order of tid */
    size_t count, capacity;
    struct n1_py_chain own; /* for n1_python_stack */
};

int n1_python_open(struct n1_space *space, const struct n1_process *process, struct n1_python **ret,
                   struct n1_error *reterr)
{
    struct n1_python *p = calloc(1, sizeof(*p));
    if (!p)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    n1_memory_init(&p->memory, process->pid);
    int rc = n1_py_interpreter_find(space, process->exe, &p->memory, &p->interpreter, reterr);
    if (rc == 0 &&
        !n1_py_source_init(&p->source, &p->memory, &p->interpreter.offsets, p->interpreter.runtime)) {
        n1_py_interpreter_finish(&p->interpreter);
        rc = n1_error_set(reterr, -EBADMSG, "the interpreter's structs are larger than any known");
    }
    if (rc < 0) {
        free(p);
        return rc;
    }
    n1_py_codes_init(&p->codes, &p->memory, &p->interpreter.offsets, p->interpreter.code_type);
    n1_py_tids_init(&p->tids, process);
    n1_py_interpreter_name(&p->interpreter, p->name, sizeof(p->name));
    n1_python_list(p, n1_time_mono());
    *ret = p;
    return 0;
}

void n1_python_close(struct n1_python *p)
{
    if (!p)
        return;
    n1_py_tids_finish(&p->tids);
    n1_py_codes_finish(&p->codes);
    n1_py_interpreter_finish(&p->interpreter);
    free(p->threads);
    free(p);
}

const struct n1_py_interpreter *n1_python_interpreter(const struct n1_python *p)
{
    return &p->interpreter;
}

const char *n1_python_name(const struct n1_python *p)
{
    return p->name;
}

static struct thread *find(const struct n1_python *p, pid_t tid)
{
    size_t low = 0, high = p->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (p->threads[middle].tid < tid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->count && p->threads[low].tid == tid ? &p->threads[low] : NULL;
}

bool n1_python_knows(const struct n1_python *p, pid_t tid)
{
    return find(p, tid) != NULL;
}

static int by_tid(const void *a, const void *b)
{
    const struct thread *x = a, *y = b;
    return x->tid < y->tid ? -1 : x->tid > y->tid;
}

/* Adds one thread to the list being made; what was learned of it before is kept. */
static bool add(struct n1_python *p, struct thread **list, size_t *count, size_t *capacity, uint64_t state,
                uint64_t identity)
{
    pid_t tid =
        n1_py_tids_outer(&p->tids, &p->memory, identity, p->interpreter.offsets.thread_tid != N1_PY_NONE);
    if (tid <= 0)
        return true;
    if (*count == *capacity) {
        size_t more = *capacity ? 2 * *capacity : 16;
        struct thread *bigger = realloc(*list, more * sizeof(*bigger));
        if (!bigger)
            return false;
        *list = bigger;
        *capacity = more;
    }
    const struct thread *old = find(p, tid);
    struct thread *new = &(*list)[(*count)++];
    if (old && old->place.thread == state && old->place.identity == identity)
        *new = *old;
    else
        *new = (struct thread){.tid = tid, .place = {.thread = state, .identity = identity}};
    return true;
}

static void list_interpreter(struct n1_python *p, uint64_t interp, struct thread **list, size_t *count,
                             size_t *capacity)
{
    const struct n1_py_offsets *o = &p->interpreter.offsets;
    uint32_t where = o->thread_tid != N1_PY_NONE ? o->thread_tid : o->thread_ident;
    uint64_t state;
    if (!n1_memory_u64(&p->memory, interp + o->interp_threads, &state))
        return;
    for (size_t n = 0; state && state % 8 == 0 && n < THREADS_MOST && *count < THREADS_MOST; n++) {
        uint8_t bytes[STATE_MOST];
        uint64_t back, identity;
        if (!n1_memory_read(&p->memory, state, bytes, p->source.thread_bytes))
            return;
        memcpy(&back, bytes + o->thread_interp, sizeof(back));
        memcpy(&identity, bytes + where, sizeof(identity));
        if (back != interp)
            return;
        if (identity && !add(p, list, count, capacity, state, identity))
            return;
        memcpy(&state, bytes + o->thread_next, sizeof(state));
    }
}

size_t n1_python_list(struct n1_python *p, n1_ns now)
{
    const struct n1_py_offsets *o = &p->interpreter.offsets;
    struct thread *list = NULL;
    size_t count = 0, capacity = 0;
    uint64_t interp = 0;
    n1_py_tids_refresh(&p->tids, now);
    n1_memory_u64(&p->memory, p->interpreter.runtime + o->runtime_interpreters, &interp);
    for (size_t n = 0; interp && interp % 8 == 0 && n < INTERPRETERS_MOST; n++) {
        uint64_t next = 0;
        list_interpreter(p, interp, &list, &count, &capacity);
        n1_memory_u64(&p->memory, interp + o->interp_next, &next);
        if (!next) /* the main interpreter is the oldest, and last */
            n1_py_source_interp(&p->source, interp);
        interp = next;
    }
    if (!list)
        return 0;
    qsort(list, count, sizeof(*list), by_tid);
    free(p->threads);
    p->threads = list;
    p->count = count;
    p->capacity = capacity;
    return count;
}

void n1_python_read(struct n1_python *p, struct n1_py_chain_reader *reader, pid_t tid, bool stopped,
                    struct n1_py_chain *chain)
{
    struct thread *thread = find(p, tid);
    if (thread) {
        n1_py_chain_read(reader, &p->source, &thread->place, stopped, chain);
        return;
    }
    chain->end = N1_PY_CHAIN_EMPTY;
    chain->count = 0;
    chain->drawn_known = false;
    chain->instant = (struct n1_py_instant){0};
}

static uint32_t flags_of(const struct n1_py_instant *now, uint64_t state)
{
    uint32_t flags = 0;
    bool holds = now->gil_known && now->gil_locked && now->gil_holder == state;
    if (holds)
        flags |= N1_SAMPLE_GIL_HELD;
    else if (now->wants_gil)
        flags |= N1_SAMPLE_GIL_WAIT;
    if (holds && now->gc_known && now->collecting)
        flags |= N1_SAMPLE_IN_GC;
    return flags;
}

/* The byte of the instructions that a frame stands at; false when it has not begun. */
static bool byte_of(const struct n1_py_offsets *o, const struct n1_py_code *code,
                    const struct n1_py_frame *frame, uint32_t *ret)
{
    if (o->code_bytes == N1_PY_NONE) {
        *ret = (uint32_t)frame->instr;
        return true;
    }
    uint64_t start = code->address + o->code_bytes;
    int64_t at = (int64_t)(frame->instr - start);
    bool begun = frame->generator || at >= (int64_t)code->traceable;
    *ret = at < 0 || at > INT32_MAX ? 0 : (uint32_t)at;
    return begun;
}

static void end_loop(struct n1_python_stack *stack)
{
    if (stack->count)
        stack->frames[stack->count - 1].last_of_loop = true;
    else
        stack->empty_loops++;
}

void n1_python_resolve(struct n1_python *p, struct n1_writer *w, const struct n1_py_chain *chain, pid_t tid,
                       n1_ns now, struct n1_python_stack *ret)
{
    const struct n1_py_offsets *o = &p->interpreter.offsets;
    const struct thread *thread = find(p, tid);
    uint64_t codes[N1_PY_FRAMES_MAX];
    size_t n = 0;
    ret->end = chain->end;
    ret->count = ret->empty_loops = 0;
    ret->flags = thread ? flags_of(&chain->instant, thread->place.thread) : 0;
    if (chain->end == N1_PY_CHAIN_TORN || chain->end == N1_PY_CHAIN_BAD || chain->end == N1_PY_CHAIN_EMPTY)
        return;
    if (chain->end == N1_PY_CHAIN_DEEP)
        ret->flags |= N1_SAMPLE_TRUNCATED;
    for (size_t i = 0; i < chain->count; i++)
        if (!chain->frames[i].shim)
            codes[n++] = chain->frames[i].code;
    n1_py_codes_check(&p->codes, codes, n, chain->instant.generation, now);
    bool begun = false; /* frames above the first one that has begun are not functions yet */
    for (size_t i = 0; i < chain->count; i++) {
        const struct n1_py_frame *frame = &chain->frames[i];
        if (frame->shim) {
            end_loop(ret);
            continue;
        }
        struct n1_py_code *code = n1_py_codes_get(&p->codes, frame->code);
        uint32_t at = 0;
        if (!code && o->version < 0x030d) {
            ret->end = N1_PY_CHAIN_BAD;
            ret->count = 0;
            return;
        }
        /* From 3.13 on a frame may execute things that are no functions. */
        begun = begun || (code && byte_of(o, code, frame, &at));
        if (!code || !begun) {
            if (frame->entry && o->version < 0x030c)
                end_loop(ret);
            continue;
        }
        byte_of(o, code, frame, &at);
        ret->frames[ret->count++] = (struct n1_python_frame){
            .frame = n1_py_code_frame(code, w, at),
            .last_of_loop = o->version < 0x030c && frame->entry,
        };
    }
    if (!ret->count)
        ret->end = N1_PY_CHAIN_EMPTY;
}

void n1_python_draw(struct n1_python *p, const struct n1_py_chain *chain, pid_t tid, uint64_t weight_ns,
                    n1_ns now)
{
    struct thread *thread = find(p, tid);
    if (thread && chain->drawn_known)
        n1_py_draws_add(&thread->draws, chain->drawn, weight_ns, now);
}

uint64_t n1_python_drawn(struct n1_python *p, const struct n1_py_chain *chain, pid_t tid)
{
    struct thread *thread = find(p, tid);
    return thread ? n1_py_draws_take(&thread->draws, chain->count ? chain->frames[0].code : 0) : 0;
}

uint64_t n1_python_overdue(struct n1_python *p, struct n1_writer *w, pid_t tid, n1_ns now,
                           uint32_t *ret_frame)
{
    struct thread *thread = find(p, tid);
    uint64_t code;
    *ret_frame = 0;
    for (uint64_t ns; thread && (ns = n1_py_draws_overdue(&thread->draws, now, &code));) {
        if (!code)
            return ns;
        n1_py_codes_check(&p->codes, &code, 1, 0, now);
        struct n1_py_code *known = n1_py_codes_get(&p->codes, code);
        if (known && (*ret_frame = n1_py_code_frame(known, w, 0)))
            return ns;
    } /* what turns out to be no code was torn, too */
    return 0;
}

void n1_python_stack(struct n1_python *p, struct n1_py_chain_reader *reader, struct n1_writer *w, pid_t tid,
                     bool stopped, n1_ns now, struct n1_python_stack *ret)
{
    n1_python_read(p, reader, tid, stopped, &p->own);
    n1_python_resolve(p, w, &p->own, tid, now, ret);
}

void n1_python_remap(struct n1_python *p)
{
    n1_py_codes_remap(&p->codes);
}
