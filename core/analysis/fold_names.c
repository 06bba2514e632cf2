/*
 * Frames to functions: the names half of the fold. A function is identified by a hash of module path, name
 * and start, which survives generations and runs; a frame without a name stands for itself as "module+0x12"
 * until its name arrives. Every string is sanitised once on its way in and lives in the arena as long as the
 * fold.
 */
#include "core/analysis/fold.h"

#include "n1/sanitise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES 16384u
#define NAME_MAX_BYTES 4096u

struct n1_fold_arena {
    struct n1_fold_arena *next;
    size_t used, cap;
    char bytes[];
};

struct n1_fold_module {
    const char *path, *name;
    uint32_t kind;
};

int n1_fold_reserve(void **array, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap)
        return 0;
    size_t want = *cap + *cap / 2;
    if (want < need)
        want = need;
    if (want < 16)
        want = 16;
    void *grown = reallocarray(*array, want, size);
    if (!grown)
        return -ENOMEM;
    *array = grown;
    *cap = want;
    return 0;
}

uint64_t n1_fold_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

static uint64_t hash_text(uint64_t seed, const char *text)
{
    /* FNV-1a, closed with a byte that no text contains so that ("ab", "c") and ("a", "bc") differ */
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        seed = (seed ^ *c) * UINT64_C(0x100000001b3);
    return (seed ^ 0xff) * UINT64_C(0x100000001b3);
}

static const char *keep(struct n1_fold *f, const char *text)
{
    char safe[NAME_MAX_BYTES];
    size_t bytes = n1_sanitise(safe, sizeof safe, text, strlen(text)) + 1;
    struct n1_fold_arena *a = f->arena;
    if (!a || a->cap - a->used < bytes) {
        size_t cap = bytes > ARENA_BYTES ? bytes : ARENA_BYTES;
        a = malloc(sizeof *a + cap);
        if (!a)
            return NULL;
        *a = (struct n1_fold_arena){.next = f->arena, .cap = cap};
        f->arena = a;
    }
    char *copy = a->bytes + a->used;
    memcpy(copy, safe, bytes);
    a->used += bytes;
    return copy;
}

static void free_arena(struct n1_fold_arena *a)
{
    while (a) {
        struct n1_fold_arena *next = a->next;
        free(a);
        a = next;
    }
}

/* Room for slot `id` of a memo whose ids end below `head`. */
static int memo_reserve(struct n1_fold_memo *memo, uint32_t id, uint64_t head)
{
    if (id < memo->count)
        return 0;
    size_t want = head > id ? (size_t)(head + head / 8 + 64) : (size_t)id + 64;
    uint32_t *grown = reallocarray(memo->slot, want, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    memset(grown + memo->count, 0, (want - memo->count) * sizeof *grown);
    memo->slot = grown;
    memo->count = want;
    return 0;
}

/* The module's strings, once per module; NULL when out of memory. The pointer is good until the next call. */
static const struct n1_fold_module *module_of(struct n1_fold *f, struct n1_reader *r, uint32_t id)
{
    static const struct n1_fold_module none = {"", "", 0};
    struct n1_model_module m;
    if (id == 0)
        return &none;
    if (id < f->modules.count && f->modules.slot[id])
        return &f->module_names[f->modules.slot[id] - 1];
    if (!n1_reader_module(r, id, &m))
        return &none;
    if (memo_reserve(&f->modules, id, n1_reader_count(r, N1_SEGMENT_MODULES, NULL)) ||
        n1_fold_reserve((void **)&f->module_names, &f->module_cap, f->module_count + 1,
                        sizeof *f->module_names))
        return NULL;
    struct n1_fold_module made = {.kind = m.kind, .path = keep(f, n1_reader_string(r, m.path))};
    if (!made.path)
        return NULL;
    const char *slash = strrchr(made.path, '/');
    made.name = m.kind == N1_MODULE_KERNEL ? "[kernel]"
                : m.kind == N1_MODULE_JIT  ? "[jit]"
                : slash && slash[1]        ? slash + 1
                                           : made.path;
    f->module_names[f->module_count++] = made;
    f->modules.slot[id] = (uint32_t)f->module_count;
    return &f->module_names[f->module_count - 1];
}

static enum n1_function_kind kind_of_module(uint32_t kind)
{
    switch (kind) {
    case N1_MODULE_FILE:
    case N1_MODULE_VDSO:
        return N1_KIND_NATIVE;
    case N1_MODULE_KERNEL:
        return N1_KIND_KERNEL;
    case N1_MODULE_JIT:
        return N1_KIND_JIT;
    case N1_MODULE_PYTHON:
        return N1_KIND_PYTHON;
    default:
        return N1_KIND_UNKNOWN;
    }
}

uint32_t n1_fold_find(const struct n1_fold *f, uint64_t id)
{
    if (f->by_id_cap == 0)
        return N1_FOLD_NONE;
    for (size_t i = n1_fold_mix(id) & (f->by_id_cap - 1);; i = (i + 1) & (f->by_id_cap - 1)) {
        if (f->by_id[i] == 0)
            return N1_FOLD_NONE;
        if (f->functions[f->by_id[i] - 1].id == id)
            return f->by_id[i] - 1;
    }
}

static int grow_by_id(struct n1_fold *f)
{
    size_t cap = f->by_id_cap ? f->by_id_cap * 2 : 256;
    uint32_t *table = calloc(cap, sizeof *table);
    if (!table)
        return -ENOMEM;
    for (size_t n = 0; n < f->function_count; n++) {
        size_t i = n1_fold_mix(f->functions[n].id) & (cap - 1);
        while (table[i])
            i = (i + 1) & (cap - 1);
        table[i] = (uint32_t)n + 1;
    }
    free(f->by_id);
    f->by_id = table;
    f->by_id_cap = cap;
    return 0;
}

/* Interns a function whose name is not kept yet. */
static uint32_t intern(struct n1_fold *f, struct n1_fold_function function, const char *name)
{
    char safe[NAME_MAX_BYTES];
    n1_sanitise(safe, sizeof safe, name, strlen(name));
    function.id = hash_text(hash_text(UINT64_C(0xcbf29ce484222325), function.path), safe);
    function.id = n1_fold_mix(function.id ^ n1_fold_mix(function.start));
    uint32_t found = n1_fold_find(f, function.id);
    if (found != N1_FOLD_NONE)
        return found;
    if (f->function_count >= N1_FOLD_NONE - 1 ||
        n1_fold_reserve((void **)&f->functions, &f->function_cap, f->function_count + 1,
                        sizeof *f->functions) ||
        ((f->function_count + 1) * 2 > f->by_id_cap && grow_by_id(f)))
        return N1_FOLD_NONE;
    function.name = keep(f, safe);
    if (!function.name)
        return N1_FOLD_NONE;
    function.match = n1_fold_matches(f, &function);
    f->functions[f->function_count++] = function;
    size_t i = n1_fold_mix(function.id) & (f->by_id_cap - 1);
    while (f->by_id[i])
        i = (i + 1) & (f->by_id_cap - 1);
    f->by_id[i] = (uint32_t)f->function_count;
    return (uint32_t)f->function_count - 1;
}

static uint32_t intern_place(struct n1_fold *f, struct n1_reader *r, struct n1_fold_function function,
                             const char *name, uint64_t offset)
{
    char place[NAME_MAX_BYTES];
    const struct n1_fold_module *m = module_of(f, r, function.module);
    if (!m)
        return N1_FOLD_NONE;
    function.path = m->path;
    function.module_name = m->name;
    if (function.kind == N1_KIND_UNKNOWN)
        function.kind = (uint8_t)kind_of_module(m->kind);
    if (!*name) {
        snprintf(place, sizeof place, "%.*s+0x%llx", (int)sizeof place - 32, m->name,
                 (unsigned long long)offset);
        name = place;
    }
    return intern(f, function, name);
}

static uint32_t intern_named(struct n1_fold *f, struct n1_reader *r, uint32_t id, uint32_t frame)
{
    struct n1_model_function fn;
    if (id < f->named.count && f->named.slot[id])
        return f->named.slot[id] - 1;
    if (!n1_reader_function(r, id, &fn) ||
        memo_reserve(&f->named, id, n1_reader_count(r, N1_SEGMENT_FUNCTIONS, NULL)))
        return N1_FOLD_NONE;
    struct n1_fold_function made = {.function = id, .frame = frame, .module = fn.module, .start = fn.start};
    made.kind = fn.kind < N1_KIND_COUNT ? (uint8_t)fn.kind : N1_KIND_UNKNOWN;
    uint32_t index = intern_place(f, r, made, n1_reader_string(r, fn.name), fn.start);
    if (index != N1_FOLD_NONE)
        f->named.slot[id] = index + 1;
    return index;
}

uint32_t n1_fold_frame(struct n1_fold *f, struct n1_reader *r, uint32_t frame)
{
    struct n1_model_frame fr;
    struct n1_model_function fn;
    uint32_t index;
    if (frame == 0)
        return N1_FOLD_OTHER;
    if (frame < f->frames.count && f->frames.slot[frame])
        return f->frames.slot[frame] - 1;
    if (!n1_reader_frame(r, frame, &fr))
        return N1_FOLD_OTHER;
    if (memo_reserve(&f->frames, frame, n1_reader_count(r, N1_SEGMENT_FRAMES, NULL)))
        return N1_FOLD_NONE;
    if (fr.function && n1_reader_function(r, fr.function, &fn)) {
        index = intern_named(f, r, fr.function, frame);
    } else {
        if (n1_fold_reserve((void **)&f->pending, &f->pending_cap, f->pending_count + 1, sizeof *f->pending))
            return N1_FOLD_NONE;
        struct n1_fold_function made = {.frame = frame, .module = fr.module, .start = fr.offset};
        index = intern_place(f, r, made, "", fr.offset);
        if (index != N1_FOLD_NONE)
            f->pending[f->pending_count++] = frame;
    }
    if (index != N1_FOLD_NONE)
        f->frames.slot[frame] = index + 1;
    return index;
}

static void void_nodes(struct n1_fold *f)
{
    f->node_count = 2;
    f->ordered = 0;
    f->epoch++;
    memset(f->by_child, 0, f->by_child_cap * sizeof *f->by_child);
    if (f->chains.slot)
        memset(f->chains.slot, 0, f->chains.count * sizeof *f->chains.slot);
    if (f->truncated.slot)
        memset(f->truncated.slot, 0, f->truncated.count * sizeof *f->truncated.slot);
}

void n1_fold_frames(struct n1_fold *f, enum n1_frames frames)
{
    if (f->shown == frames)
        return;
    f->shown = (uint8_t)frames;
    void_nodes(f);
}

bool n1_fold_refresh(struct n1_fold *f, const struct n1_reader *r)
{
    size_t left = 0;
    struct n1_model_frame fr;
    struct n1_model_function fn;
    for (size_t i = 0; i < f->pending_count; i++) {
        uint32_t frame = f->pending[i];
        if (n1_reader_frame(r, frame, &fr) && fr.function && n1_reader_function(r, fr.function, &fn))
            f->frames.slot[frame] = 0; /* resolved again, with its name, when next asked for */
        else
            f->pending[left++] = frame;
    }
    if (left == f->pending_count)
        return false;
    f->pending_count = left;
    void_nodes(f);
    return true;
}

int n1_fold_init(struct n1_fold *f)
{
    *f = (struct n1_fold){0};
    if (n1_fold_reserve((void **)&f->nodes, &f->node_cap, 64, sizeof *f->nodes))
        return -ENOMEM;
    f->by_child_cap = 128;
    f->by_child = calloc(f->by_child_cap, sizeof *f->by_child);
    if (!f->by_child)
        return -ENOMEM;
    f->nodes[0] = (struct n1_fold_node){.function = N1_FOLD_NONE, .match = true};
    f->nodes[1] = (struct n1_fold_node){.function = N1_FOLD_NONE, .depth = 1, .match = true};
    f->node_count = 2;
    struct n1_fold_function other = {.path = "", .module_name = ""};
    return intern(f, other, "[other]") == N1_FOLD_OTHER ? 0 : -ENOMEM;
}

void n1_fold_finish(struct n1_fold *f)
{
    free(f->functions);
    free(f->nodes);
    free(f->by_id);
    free(f->by_child);
    free(f->frames.slot);
    free(f->named.slot);
    free(f->modules.slot);
    free(f->chains.slot);
    free(f->truncated.slot);
    free(f->pending);
    free(f->walk);
    free(f->module_names);
    free_arena(f->arena);
    if (f->text && f->is_regex)
        regfree(&f->regex);
    free(f->text);
    *f = (struct n1_fold){0};
}
