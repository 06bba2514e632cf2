/*
 * Modules get a key for the symbol helper that outlives generation steps; answers carry the key and the
 * address, so an answer that comes after a step finds its frame, or nothing when the frame is gone.
 */
#include "sampler/naming.h"

#include "n1/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A module as the symbol helper knows it; its key is its index. */
struct named_module {
    uint32_t model_id; /* 0: gone from the model */
    enum n1_module_kind kind;
    bool told; /* symbol state and reason are in the model */
    char short_name[64];
};

struct n1_naming {
    struct n1_writer *w;
    struct n1_symbols *symbols;
    struct named_module *modules;
    size_t count, capacity;
    uint32_t *key_of; /* by model id, key + 1; 0: none */
    size_t key_capacity;
    uint32_t next; /* frames before this one have been asked for */
    bool lines;
    uint32_t lines_of; /* function whose frames get lines, 0: none */
    uint64_t failed;
    n1_ns asked, eager_until;
};

/* A question wakes the helper, and its answer wakes us: a few new frames wait for each other. At first, and
 * when many are new, they do not. */
#define ASK_PERIOD_NS (N1_SECOND_NS / 4)
#define EAGER_NS (2 * N1_SECOND_NS)
#define MANY_FRAMES 64

int n1_naming_create(struct n1_writer *w, struct n1_naming **ret, struct n1_error *reterr)
{
    struct n1_naming *n = calloc(1, sizeof *n);
    if (!n)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    n->w = w;
    n->next = 1;
    n->eager_until = n1_time_mono() + EAGER_NS;
    int rc = n1_symbols_create(&n->symbols, NULL, reterr);
    if (rc < 0) {
        free(n);
        return rc;
    }
    *ret = n;
    return 0;
}

void n1_naming_destroy(struct n1_naming *n)
{
    if (!n)
        return;
    n1_symbols_destroy(n->symbols);
    free(n->modules);
    free(n->key_of);
    free(n);
}

static bool index_key(struct n1_naming *n, uint32_t model_id, size_t key)
{
    if (model_id >= n->key_capacity) {
        size_t capacity = n->key_capacity ? n->key_capacity : 64;
        while (capacity <= model_id)
            capacity *= 2;
        uint32_t *more = realloc(n->key_of, capacity * sizeof *more);
        if (!more)
            return false;
        memset(more + n->key_capacity, 0, (capacity - n->key_capacity) * sizeof *more);
        n->key_of = more;
        n->key_capacity = capacity;
    }
    n->key_of[model_id] = (uint32_t)key + 1;
    return true;
}

/* The helper owns a descriptor of its own: the module may close its own at any time. */
static void introduce(struct n1_naming *n, uint64_t key, const struct n1_module *m, pid_t pid)
{
    struct n1_symbol_module info = {.kind = N1_SYMBOL_ELF, .take_fd = -1, .pid = pid, .path = m->path};
    if (m->kind == N1_MODULE_KERNEL)
        info.kind = N1_SYMBOL_KALLSYMS;
    else if (m->kind == N1_MODULE_ANON)
        info.kind = N1_SYMBOL_PERF_MAP;
    else
        info.take_fd = n1_module_image_fd(m);
    int rc = n1_symbols_module_add(n->symbols, key, &info);
    if (rc < 0)
        n1_log(N1_LOG_WARN, "naming", "module %s: %s", m->path ? m->path : "?", strerror(-rc));
}

static uint32_t publish(struct n1_naming *n, const struct n1_module *m)
{
    struct n1_model_module entry = {
        .path = n1_writer_string_z(n->w, m->path),
        .kind = m->kind,
        .device = (uint64_t)m->dev_major << 32 | m->dev_minor,
        .inode = m->inode,
    };
    if (m->state == N1_MODULE_READY && m->image.build_id_len <= sizeof entry.build_id) {
        memcpy(entry.build_id, m->image.build_id, m->image.build_id_len);
        entry.build_id_len = (uint32_t)m->image.build_id_len;
    }
    return n1_writer_module(n->w, &entry);
}

uint32_t n1_naming_module(struct n1_naming *n, struct n1_module *module, pid_t pid)
{
    if (module->model_id)
        return module->model_id;
    uint32_t id = publish(n, module);
    if (!id)
        return 0;
    module->model_id = id;
    /* The same file may come back as another module object, after an unmapping: it keeps its key. */
    if (id < n->key_capacity && n->key_of[id])
        return id;
    if (n->count == n->capacity) {
        size_t capacity = n->capacity ? 2 * n->capacity : 64;
        struct named_module *more = realloc(n->modules, capacity * sizeof *more);
        if (!more)
            return id;
        n->modules = more;
        n->capacity = capacity;
    }
    if (!index_key(n, id, n->count))
        return id;
    n->modules[n->count] = (struct named_module){.model_id = id, .kind = module->kind};
    const char *slash = strrchr(module->path, '/');
    snprintf(n->modules[n->count].short_name, sizeof n->modules[n->count].short_name, "%s",
             slash && slash[1] ? slash + 1 : module->path);
    introduce(n, n->count++, module, pid);
    return id;
}

void n1_naming_prepare_kernel(struct n1_naming *n, struct n1_module *kernel)
{
    uint32_t id = kernel ? n1_naming_module(n, kernel, 0) : 0;
    if (id && id < n->key_capacity && n->key_of[id])
        n1_symbols_prepare(n->symbols, n->key_of[id] - 1);
}

static enum n1_function_kind function_kind(enum n1_module_kind kind)
{
    switch (kind) {
    case N1_MODULE_KERNEL:
        return N1_KIND_KERNEL;
    case N1_MODULE_JIT:
    case N1_MODULE_ANON:
        return N1_KIND_JIT;
    default:
        return N1_KIND_NATIVE;
    }
}

static void tell_module(struct n1_naming *n, struct named_module *m, enum n1_symbol_status status)
{
    if (m->told || status == N1_SYMBOL_NO_SYMBOL)
        return;
    m->told = true;
    n1_writer_module_symbols(n->w, m->model_id,
                             status == N1_SYMBOL_FOUND ? N1_SYMBOLS_LOADED : N1_SYMBOLS_NONE,
                             n1_writer_string_z(n->w, n1_symbol_reason(status)));
}

/* A function of a stripped file is known by its borders only: it is named "module+0x12" after its first byte.
 */
static uint32_t function_name(struct n1_naming *n, const struct named_module *m,
                              const struct n1_symbol_result *result)
{
    if (result->status == N1_SYMBOL_FOUND)
        return n1_writer_string_z(n->w, result->name);
    char name[320];
    int len = snprintf(name, sizeof name, "%s+0x%llx", m->short_name, (unsigned long long)result->start);
    return n1_writer_string(n->w, name, (size_t)len);
}

static void on_answer(void *context, const struct n1_symbol_result *result)
{
    struct n1_naming *n = context;
    struct named_module *m = result->key < n->count ? &n->modules[result->key] : NULL;
    if (!m || !m->model_id)
        return;
    uint32_t frame = n1_writer_frame_find(n->w, m->model_id, result->addr);
    if (!frame)
        return;
    tell_module(n, m, result->status);
    n->failed += result->status != N1_SYMBOL_FOUND;
    if (result->status != N1_SYMBOL_FOUND && !result->start) {
        n1_writer_frame_name(n->w, frame, 0, N1_FRAME_NAMELESS);
        return;
    }
    struct n1_model_function entry = {
        .name = function_name(n, m, result),
        .module = m->model_id,
        .kind = function_kind(m->kind),
        .reason = n1_writer_string_z(n->w, n1_symbol_reason(result->status)),
        .start = result->start,
        .size = result->size,
    };
    uint32_t function = n1_writer_function(n->w, &entry);
    if (!function)
        return;
    n1_writer_frame_name(n->w, frame, function, N1_FRAME_NAMED);
    if (result->line_status != N1_SYMBOL_FOUND)
        return;
    /* Tables count physical functions: the position inside the function itself, not inside what was inlined.
     */
    if (result->own_line)
        n1_writer_frame_line(n->w, frame, n1_writer_string_z(n->w, result->own_file), result->own_line);
    else if (result->line)
        n1_writer_frame_line(n->w, frame, n1_writer_string_z(n->w, result->file), result->line);
    if (result->decl_line)
        n1_writer_function_line(n->w, function, n1_writer_string_z(n->w, result->decl_file),
                                result->decl_line);
}

/* False when the queue is full: the cursor stays and asks again at the next pump. */
static bool ask(struct n1_naming *n, uint32_t id)
{
    const struct n1_model_frame *frame = n1_writer_frame_at(n->w, id);
    bool unnamed = frame->state == N1_FRAME_UNNAMED;
    bool wanted = n->lines || (n->lines_of && frame->function == n->lines_of);
    bool line = wanted && !frame->line && frame->state != N1_FRAME_NAMELESS;
    if (!unnamed && !line)
        return true;
    uint32_t key = frame->module < n->key_capacity ? n->key_of[frame->module] : 0;
    if (!key && !unnamed)
        return true; /* named by its run-time, lines and all */
    if (!key) {
        n1_writer_frame_name(n->w, id, 0, N1_FRAME_NAMELESS);
        return true;
    }
    return n1_symbols_request(n->symbols, id, key - 1, frame->offset, line ? N1_SYMBOL_LINE : 0) != -EAGAIN;
}

void n1_naming_pump(struct n1_naming *n)
{
    n1_symbols_pump(n->symbols, on_answer, n);
    uint64_t head = n1_writer_header(n->w)->heads[N1_SEGMENT_FRAMES];
    n1_ns now = n1_time_mono();
    bool asked = false, due = now < n->eager_until || now - n->asked >= ASK_PERIOD_NS;
    while (n->next < head && (due || head - n->next >= MANY_FRAMES || asked) && ask(n, n->next)) {
        n->next++;
        asked = true;
    }
    if (asked) {
        n->asked = now;
        n1_symbols_pump(n->symbols, on_answer, n);
    }
    struct n1_symbols_stats stats;
    n1_symbols_stats(n->symbols, &stats);
    n1_writer_self(n->w, N1_SELF_SYMBOLS_PENDING, stats.pending);
    n1_writer_self(n->w, N1_SELF_SYMBOLS_FAILED, n->failed);
}

void n1_naming_hurry(struct n1_naming *n)
{
    n->eager_until = n1_time_mono() + EAGER_NS;
}

int n1_naming_fd(const struct n1_naming *n)
{
    return n1_symbols_fd(n->symbols);
}

void n1_naming_want_lines(struct n1_naming *n)
{
    if (n->lines)
        return;
    n->lines = true;
    n->next = 1;
}

void n1_naming_want_lines_of(struct n1_naming *n, uint32_t function)
{
    n->lines_of = function;
    n->next = 1;
}

bool n1_naming_settled(const struct n1_naming *n)
{
    struct n1_symbols_stats stats;
    n1_symbols_stats(n->symbols, &stats);
    return !stats.pending && n->next >= n1_writer_header(n->w)->heads[N1_SEGMENT_FRAMES];
}

pid_t n1_naming_helper_pid(const struct n1_naming *n)
{
    return n1_symbols_helper_pid(n->symbols);
}

void n1_naming_remap(struct n1_naming *n, const struct n1_remap *remap)
{
    if (n->key_of)
        memset(n->key_of, 0, n->key_capacity * sizeof *n->key_of);
    for (size_t key = 0; key < n->count; key++) {
        uint32_t old = n->modules[key].model_id;
        if (!old)
            continue;
        n->modules[key].model_id = n1_remap_module(remap, old);
        if (n->modules[key].model_id)
            index_key(n, n->modules[key].model_id, key);
        else
            n1_symbols_module_remove(n->symbols, key);
    }
    n->next = 1;
}
