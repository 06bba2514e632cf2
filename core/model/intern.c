/*
 * Names and tables: the same key gives the same id. The keys are compared in the shared tables themselves;
 * the private index of a table holds ids only. Each lookup is one probe or two of its index and of the table.
 */
#include "core/model/fields.h"
#include "core/model/writer.h"
#include "n1/sanitise.h"

/* Hash of the entry `id` of a table, from its key in the table; or of a key that is not there yet. */
#define PROCESS(w, id) N1_WRITER_ENTRY(w, PROCESSES, n1_model_process, id)
#define THREAD(w, id) N1_WRITER_ENTRY(w, THREADS, n1_model_thread, id)
#define MODULE(w, id) N1_WRITER_ENTRY(w, MODULES, n1_model_module, id)
#define MAPPING(w, id) N1_WRITER_ENTRY(w, MAPPINGS, n1_model_mapping, id)
#define FUNCTION(w, id) N1_WRITER_ENTRY(w, FUNCTIONS, n1_model_function, id)
#define FRAME(w, id) N1_WRITER_ENTRY(w, FRAMES, n1_model_frame, id)
#define NODE(w, id) N1_WRITER_ENTRY(w, NODES, n1_model_node, id)
#define SERIES(w, id) N1_WRITER_ENTRY(w, SERIES, n1_model_series, id)
#define STRING(w, id) N1_WRITER_ENTRY(w, STRING_INDEX, n1_model_string, id)

static const char *string_bytes(const struct n1_writer *w, uint32_t id)
{
    return (const char *)w->entries[N1_SEGMENT_STRING_BYTES] + STRING(w, id)->offset;
}

static uint64_t hash_text(const char *text, uint32_t len)
{
    uint64_t h = len;
    for (; len >= 8; len -= 8, text += 8) {
        uint64_t word;
        memcpy(&word, text, 8);
        h = n1_hash_two(h, word);
    }
    uint64_t rest = 0;
    memcpy(&rest, text, len);
    return n1_hash_two(h, rest);
}

static uint64_t hash_module(const struct n1_model_module *m)
{
    uint64_t h = n1_hash_two(n1_word_pair(m->path, m->kind),
                             hash_text((const char *)m->build_id, sizeof(m->build_id)));
    return n1_hash_two(h ^ m->build_id_len, n1_hash_two(m->device, m->inode));
}

static uint64_t hash_function(const struct n1_model_function *f)
{
    return n1_hash_two(n1_word_pair(f->name, f->module), f->start);
}

static uint64_t hash_entry(const struct n1_writer *w, enum n1_segment_kind kind, uint32_t id)
{
    switch (kind) {
    case N1_SEGMENT_STRING_INDEX:
        return hash_text(string_bytes(w, id), STRING(w, id)->len);
    case N1_SEGMENT_PROCESSES:
        return n1_hash_two(PROCESS(w, id)->pid, PROCESS(w, id)->start_ticks);
    case N1_SEGMENT_THREADS:
        return n1_hash_two(n1_word_pair(THREAD(w, id)->process, THREAD(w, id)->tid),
                           THREAD(w, id)->start_ticks);
    case N1_SEGMENT_MODULES:
        return hash_module(MODULE(w, id));
    case N1_SEGMENT_FUNCTIONS:
        return hash_function(FUNCTION(w, id));
    case N1_SEGMENT_FRAMES:
        return n1_hash_two(FRAME(w, id)->module, FRAME(w, id)->offset);
    case N1_SEGMENT_NODES:
        return n1_hash_two(NODE(w, id)->parent, NODE(w, id)->frame);
    case N1_SEGMENT_SERIES:
        return n1_hash_two(SERIES(w, id)->metric, SERIES(w, id)->scope);
    default:
        return 0;
    }
}

void n1_writer_refill_index(struct n1_writer *w, enum n1_segment_kind kind)
{
    n1_index_clear(&w->index[kind]);
    for (uint32_t id = 1; id < w->head[kind]; id++)
        n1_index_put(&w->index[kind], hash_entry(w, kind, id), id);
}

bool n1_writer_reindex(struct n1_writer *w, enum n1_segment_kind kind, uint64_t room)
{
    if (!n1_index_reset(&w->index[kind], room))
        return false;
    n1_writer_refill_index(w, kind);
    return true;
}

/* Walks the slots of `hash` until `same` holds; leaves `id` 0 when the key is not there. */
#define PROBE(w, kind, hash, id, same)                                                                       \
    do {                                                                                                     \
        const struct n1_index *ix_ = &(w)->index[kind];                                                      \
        id = 0;                                                                                              \
        if (!ix_->slots)                                                                                     \
            break;                                                                                           \
        for (uint32_t i_ = (uint32_t)(hash); (id = ix_->slots[i_ & ix_->mask]) != 0 && !(same); i_++)        \
            continue;                                                                                        \
    } while (0)

/* A table is told to be full through ids of 0; the count of what that cost is kept by the stores. */
uint32_t n1_writer_append(struct n1_writer *w, enum n1_segment_kind kind, const void *entry)
{
    size_t stride = n1_model_fields[kind].stride;
    uint64_t id = w->head[kind];
    if (id >= w->capacity[kind])
        return 0;
    n1_words_store(w->entries[kind] + id * stride, entry, stride);
    w->head[kind] = id + 1;
    n1_word_store(&w->header->heads[kind], id + 1);
    return (uint32_t)id;
}

/* Appends and enters into the index. */
static uint32_t add(struct n1_writer *w, enum n1_segment_kind kind, uint64_t hash, const void *entry)
{
    struct n1_index *ix = &w->index[kind];
    if (n1_index_is_full(ix) && !n1_writer_reindex(w, kind, 2 * w->head[kind]))
        return 0;
    uint32_t id = n1_writer_append(w, kind, entry);
    if (id)
        n1_index_put(ix, hash, id);
    return id;
}

uint32_t n1_writer_append_string(struct n1_writer *w, const char *text, uint32_t len)
{
    uint64_t at = w->head[N1_SEGMENT_STRING_BYTES];
    uint64_t padded = ((uint64_t)len + 7) & ~UINT64_C(7);
    if (padded > w->capacity[N1_SEGMENT_STRING_BYTES] - at ||
        w->head[N1_SEGMENT_STRING_INDEX] >= w->capacity[N1_SEGMENT_STRING_INDEX])
        return 0;
    uint8_t *to = w->entries[N1_SEGMENT_STRING_BYTES] + at;
    n1_words_store(to, text, len & ~7u);
    if (len & 7) {
        uint64_t rest = 0;
        memcpy(&rest, text + (len & ~7u), len & 7);
        n1_word_store(to + (len & ~7u), rest);
    }
    w->head[N1_SEGMENT_STRING_BYTES] = at + padded;
    n1_word_store(&w->header->heads[N1_SEGMENT_STRING_BYTES], at + padded);
    struct n1_model_string entry = {(uint32_t)at, len};
    return n1_writer_append(w, N1_SEGMENT_STRING_INDEX, &entry);
}

/* Sanitised text never grows, so text within the bound goes in whole; longer text keeps its two ends, each
 * cut between characters. */
static uint32_t clean_text(char *out, size_t cap, const char *text, size_t len)
{
    static const char dots[] = "\xe2\x80\xa6";
    const size_t most = cap - 1;
    if (len <= most)
        return (uint32_t)n1_sanitise(out, cap, text, len);
    size_t half = (most - strlen(dots)) / 2, head = half, tail = half;
    while (head > half - 3 && ((unsigned char)text[head] & 0xc0) == 0x80)
        head--;
    while (tail > half - 3 && ((unsigned char)text[len - tail] & 0xc0) == 0x80)
        tail--;
    size_t n = n1_sanitise(out, cap, text, head);
    memcpy(out + n, dots, strlen(dots));
    n += strlen(dots);
    return (uint32_t)(n + n1_sanitise(out + n, cap - n, text + len - tail, tail));
}

uint32_t n1_writer_string(struct n1_writer *w, const char *text, size_t len)
{
    char clean[N1_MODEL_STRING_MAX + 1];
    uint32_t id, n = clean_text(clean, sizeof(clean), text, len);
    if (n == 0)
        return 0;
    uint64_t hash = hash_text(clean, n);
    PROBE(w, N1_SEGMENT_STRING_INDEX, hash, id,
          STRING(w, id)->len == n && memcmp(string_bytes(w, id), clean, n) == 0);
    if (id)
        return id;
    struct n1_index *ix = &w->index[N1_SEGMENT_STRING_INDEX];
    if (n1_index_is_full(ix) &&
        !n1_writer_reindex(w, N1_SEGMENT_STRING_INDEX, 2 * w->head[N1_SEGMENT_STRING_INDEX]))
        return 0;
    id = n1_writer_append_string(w, clean, n);
    if (id)
        n1_index_put(ix, hash, id);
    return id;
}

uint32_t n1_writer_string_z(struct n1_writer *w, const char *text)
{
    return text ? n1_writer_string(w, text, strlen(text)) : 0;
}

uint32_t n1_writer_process(struct n1_writer *w, const struct n1_model_process *p)
{
    uint64_t hash = n1_hash_two(p->pid, p->start_ticks);
    uint32_t id;
    PROBE(w, N1_SEGMENT_PROCESSES, hash, id,
          PROCESS(w, id)->pid == p->pid && PROCESS(w, id)->start_ticks == p->start_ticks);
    if (!id)
        return add(w, N1_SEGMENT_PROCESSES, hash, p);
    struct n1_model_process *old = PROCESS(w, id);
    n1_word_store(&old->exe,
                  n1_word_pair(p->exe ? p->exe : old->exe, p->cmdline ? p->cmdline : old->cmdline));
    n1_word_store(&old->comm,
                  n1_word_pair(p->comm ? p->comm : old->comm, p->runtime ? p->runtime : old->runtime));
    n1_word_store(&old->container, n1_word_pair(p->container ? p->container : old->container,
                                                p->labels ? p->labels : old->labels));
    return id;
}

uint32_t n1_writer_thread(struct n1_writer *w, const struct n1_model_thread *t)
{
    uint64_t hash = n1_hash_two(n1_word_pair(t->process, t->tid), t->start_ticks);
    uint32_t id;
    PROBE(w, N1_SEGMENT_THREADS, hash, id,
          THREAD(w, id)->process == t->process && THREAD(w, id)->tid == t->tid &&
              THREAD(w, id)->start_ticks == t->start_ticks);
    return id ? id : add(w, N1_SEGMENT_THREADS, hash, t);
}

static bool same_module(const struct n1_model_module *a, const struct n1_model_module *b)
{
    return a->path == b->path && a->kind == b->kind && a->device == b->device && a->inode == b->inode &&
           a->build_id_len == b->build_id_len && memcmp(a->build_id, b->build_id, sizeof(a->build_id)) == 0;
}

uint32_t n1_writer_module(struct n1_writer *w, const struct n1_model_module *m)
{
    uint64_t hash = hash_module(m);
    uint32_t id;
    PROBE(w, N1_SEGMENT_MODULES, hash, id, same_module(MODULE(w, id), m));
    return id ? id : add(w, N1_SEGMENT_MODULES, hash, m);
}

uint32_t n1_writer_mapping(struct n1_writer *w, const struct n1_model_mapping *m)
{
    return n1_writer_append(w, N1_SEGMENT_MAPPINGS, m);
}

uint32_t n1_writer_function(struct n1_writer *w, const struct n1_model_function *f)
{
    uint64_t hash = hash_function(f);
    uint32_t id;
    PROBE(w, N1_SEGMENT_FUNCTIONS, hash, id,
          FUNCTION(w, id)->start == f->start && FUNCTION(w, id)->name == f->name &&
              FUNCTION(w, id)->module == f->module);
    return id ? id : add(w, N1_SEGMENT_FUNCTIONS, hash, f);
}

static uint32_t frame_find(struct n1_writer *w, uint64_t hash, uint32_t module, uint64_t offset)
{
    uint32_t id;
    PROBE(w, N1_SEGMENT_FRAMES, hash, id, FRAME(w, id)->offset == offset && FRAME(w, id)->module == module);
    return id;
}

uint32_t n1_writer_frame_find(struct n1_writer *w, uint32_t module, uint64_t offset)
{
    return frame_find(w, n1_hash_two(module, offset), module, offset);
}

uint32_t n1_writer_frame(struct n1_writer *w, uint32_t module, uint64_t offset)
{
    uint64_t hash = n1_hash_two(module, offset);
    uint32_t id = frame_find(w, hash, module, offset);
    if (id)
        return id;
    struct n1_model_frame entry = {.offset = offset, .module = module};
    id = add(w, N1_SEGMENT_FRAMES, hash, &entry);
    if (!id)
        w->overflowed = true;
    return id;
}

/* Once a part of a chain did not fit, the rest of it is refused: built on without it, it would be a chain
 * that never was. The next push, or a generation step, ends that. */
uint32_t n1_writer_node(struct n1_writer *w, uint32_t parent, uint32_t frame)
{
    if (w->overflowed || !n1_writer_knows(w, N1_SEGMENT_FRAMES, frame) ||
        parent >= w->head[N1_SEGMENT_NODES]) {
        w->overflowed = true;
        return 0;
    }
    uint64_t hash = n1_hash_two(parent, frame);
    uint32_t id;
    PROBE(w, N1_SEGMENT_NODES, hash, id, NODE(w, id)->parent == parent && NODE(w, id)->frame == frame);
    if (id)
        return id;
    struct n1_model_node entry = {
        .parent = parent, .frame = frame, .depth = parent ? NODE(w, parent)->depth + 1 : 1};
    id = add(w, N1_SEGMENT_NODES, hash, &entry);
    if (!id)
        w->overflowed = true;
    return id;
}

uint32_t n1_writer_series(struct n1_writer *w, uint32_t metric, uint32_t scope)
{
    uint64_t hash = n1_hash_two(metric, scope);
    uint32_t id;
    PROBE(w, N1_SEGMENT_SERIES, hash, id, SERIES(w, id)->metric == metric && SERIES(w, id)->scope == scope);
    if (id)
        return id;
    struct n1_model_series entry = {.metric = metric, .scope = scope};
    return add(w, N1_SEGMENT_SERIES, hash, &entry);
}

const struct n1_model_frame *n1_writer_frame_at(const struct n1_writer *w, uint32_t frame)
{
    static const struct n1_model_frame none;
    return n1_writer_knows(w, N1_SEGMENT_FRAMES, frame) ? FRAME(w, frame) : &none;
}

const char *n1_writer_frame_function(const struct n1_writer *w, uint32_t frame, size_t *ret_len)
{
    uint32_t function = n1_writer_frame_at(w, frame)->function;
    if (!n1_writer_knows(w, N1_SEGMENT_FUNCTIONS, function))
        return NULL;
    const struct n1_model_string *s = N1_WRITER_ENTRY(
        w, STRING_INDEX, n1_model_string, N1_WRITER_ENTRY(w, FUNCTIONS, n1_model_function, function)->name);
    *ret_len = s->len;
    return (const char *)w->entries[N1_SEGMENT_STRING_BYTES] + s->offset;
}

void n1_writer_frame_name(struct n1_writer *w, uint32_t frame, uint32_t function, enum n1_frame_state state)
{
    if (n1_writer_knows(w, N1_SEGMENT_FRAMES, frame) && function < w->head[N1_SEGMENT_FUNCTIONS])
        n1_word_store(&FRAME(w, frame)->function, n1_word_pair(function, state));
}

void n1_writer_frame_line(struct n1_writer *w, uint32_t frame, uint32_t file, uint32_t line)
{
    if (n1_writer_knows(w, N1_SEGMENT_FRAMES, frame))
        n1_word_store(&FRAME(w, frame)->file, n1_word_pair(file, line));
}

void n1_writer_function_line(struct n1_writer *w, uint32_t function, uint32_t file, uint32_t line)
{
    if (n1_writer_knows(w, N1_SEGMENT_FUNCTIONS, function))
        n1_word_store(&FUNCTION(w, function)->file, n1_word_pair(file, line));
}

void n1_writer_process_state(struct n1_writer *w, uint32_t process, enum n1_process_state state,
                             uint32_t exit_status, n1_ns ended)
{
    if (!n1_writer_knows(w, N1_SEGMENT_PROCESSES, process))
        return;
    n1_word_store(&PROCESS(w, process)->ended, ended);
    n1_word_store(&PROCESS(w, process)->state, n1_word_pair(state, exit_status));
}

void n1_writer_process_exec(struct n1_writer *w, uint32_t process, uint32_t exe, uint32_t cmdline,
                            uint32_t comm, uint32_t runtime)
{
    if (!n1_writer_knows(w, N1_SEGMENT_PROCESSES, process))
        return;
    n1_word_store(&PROCESS(w, process)->exe, n1_word_pair(exe, cmdline));
    n1_word_store(&PROCESS(w, process)->comm, n1_word_pair(comm, runtime));
}

void n1_writer_thread_name(struct n1_writer *w, uint32_t thread, uint32_t name)
{
    if (n1_writer_knows(w, N1_SEGMENT_THREADS, thread))
        n1_word_store(&THREAD(w, thread)->name, n1_word_pair(name, THREAD(w, thread)->flags));
}

void n1_writer_thread_end(struct n1_writer *w, uint32_t thread, n1_ns to)
{
    if (n1_writer_knows(w, N1_SEGMENT_THREADS, thread))
        n1_word_store(&THREAD(w, thread)->to, to);
}

void n1_writer_thread_times(struct n1_writer *w, uint32_t thread, uint64_t run_ns, uint64_t wait_ns)
{
    if (!n1_writer_knows(w, N1_SEGMENT_THREADS, thread))
        return;
    n1_word_store(&THREAD(w, thread)->run_ns, run_ns);
    n1_word_store(&THREAD(w, thread)->wait_ns, wait_ns);
}

/* Newest first: what is unmapped was mapped lately more often than not. */
void n1_writer_mapping_end(struct n1_writer *w, uint32_t process, uint64_t start, n1_ns to)
{
    for (uint64_t id = w->head[N1_SEGMENT_MAPPINGS]; id-- > 1;) {
        struct n1_model_mapping *m = MAPPING(w, id);
        if (m->process == process && m->start == start && m->to == 0) {
            n1_word_store(&m->to, to);
            return;
        }
    }
}

void n1_writer_module_symbols(struct n1_writer *w, uint32_t module, enum n1_module_symbols state,
                              uint32_t reason)
{
    if (n1_writer_knows(w, N1_SEGMENT_MODULES, module))
        n1_word_store(&MODULE(w, module)->symbols, n1_word_pair(state, reason));
}

uint32_t n1_writer_entry_frame(struct n1_writer *w, uint32_t leaf)
{
    if (leaf < w->entry_frames && w->entry_frame[leaf])
        return w->entry_frame[leaf];
    if (!n1_writer_knows(w, N1_SEGMENT_FRAMES, leaf))
        return leaf;
    const struct n1_model_frame frame = *FRAME(w, leaf);
    if (frame.state != N1_FRAME_NAMED || !n1_writer_knows(w, N1_SEGMENT_FUNCTIONS, frame.function))
        return leaf;
    bool was = w->overflowed;
    if (MODULE(w, frame.module)->kind == N1_MODULE_PYTHON)
        return leaf; /* a frame is a line: few, and worth a row each */
    uint32_t entry = n1_writer_frame(w, frame.module, FUNCTION(w, frame.function)->start);
    w->overflowed = was; /* a row keeps its leaf then; no chain is lost */
    if (!entry)
        return leaf;
    /* Two functions may begin at one address; the place then keeps the name it has. */
    if (FRAME(w, entry)->state == N1_FRAME_UNNAMED)
        n1_writer_frame_name(w, entry, frame.function, N1_FRAME_NAMED);
    if (FRAME(w, entry)->function != frame.function)
        entry = leaf;
    if (leaf >= w->entry_frames) {
        uint64_t room = w->head[N1_SEGMENT_FRAMES] * 5 / 4 + 256;
        uint32_t *more = realloc(w->entry_frame, room * sizeof(*more));
        if (!more)
            return entry;
        memset(more + w->entry_frames, 0, (room - w->entry_frames) * sizeof(*more));
        w->entry_frame = more;
        w->entry_frames = (uint32_t)room;
    }
    w->entry_frame[leaf] = entry;
    return entry;
}
