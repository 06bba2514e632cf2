/*
 * A hash by address. A sample's code objects that are due are read together in one call; only new or changed
 * ones cost more (three strings and a table).
 */
#include "sampler/python/codes.h"

#include "sampler/python/object.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_FIRST = 256, ENTRIES_MOST = 1 << 16, BATCH = 64, CODE_MAX = 512 };
enum { NAME_CAP = 1024, FILE_CAP = 4096, TABLE_MOST = 1 << 20 };
enum { LINE_BITS = 24 };

/* How long an entry is trusted: a sixteenth of its age. */
#define AGE_SHARE 16
#define TRUST_MOST N1_SECOND_NS

static const char anonymous[] = "<unnamed>";

void n1_py_codes_init(struct n1_py_codes *codes, struct n1_memory *memory,
                      const struct n1_py_offsets *offsets, uint64_t code_type)
{
    *codes = (struct n1_py_codes){.memory = memory, .offsets = offsets, .code_type = code_type};
}

static void forget(struct n1_py_code *code)
{
    free(code->name);
    free(code->file);
    n1_py_lines_finish(&code->lines);
    *code = (struct n1_py_code){0};
}

static void forget_all(struct n1_py_codes *codes)
{
    for (size_t i = 0; i < codes->capacity; i++)
        if (codes->entries[i].address)
            forget(&codes->entries[i]);
    codes->count = 0;
}

void n1_py_codes_finish(struct n1_py_codes *codes)
{
    forget_all(codes);
    free(codes->entries);
    codes->entries = NULL;
    codes->capacity = 0;
}

static struct n1_py_code *place(const struct n1_py_codes *codes, uint64_t address)
{
    size_t i = (size_t)(address * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (codes->capacity - 1);
    while (codes->entries[i].address && codes->entries[i].address != address)
        i = (i + 1) & (codes->capacity - 1);
    return &codes->entries[i];
}

/* Room for one more. A full cache is emptied: what is hot comes back with the next samples. */
static bool make_room(struct n1_py_codes *codes)
{
    if (codes->capacity && codes->count < codes->capacity / 2)
        return true;
    if (codes->capacity == ENTRIES_MOST) {
        forget_all(codes);
        return true;
    }
    struct n1_py_codes bigger = *codes;
    bigger.capacity = codes->capacity ? 2 * codes->capacity : ENTRIES_FIRST;
    bigger.entries = calloc(bigger.capacity, sizeof(*bigger.entries));
    if (!bigger.entries)
        return false;
    for (size_t i = 0; i < codes->capacity; i++)
        if (codes->entries[i].address)
            *place(&bigger, codes->entries[i].address) = codes->entries[i];
    free(codes->entries);
    *codes = bigger;
    return true;
}

static uint64_t u64_at(const uint8_t *bytes, uint32_t offset)
{
    uint64_t value;
    memcpy(&value, bytes + offset, sizeof(value));
    return value;
}

static uint32_t u32_at(const uint8_t *bytes, uint32_t offset)
{
    uint32_t value;
    memcpy(&value, bytes + offset, sizeof(value));
    return value;
}

static size_t code_bytes(const struct n1_py_offsets *o)
{
    size_t size = o->code_size;
    if (o->code_bytes != N1_PY_NONE && o->code_bytes > size)
        size = o->code_bytes;
    return size + 8 <= CODE_MAX ? size + 8 : CODE_MAX;
}

static bool inside(uint32_t offset, size_t width, size_t len)
{
    return offset != N1_PY_NONE && offset + width <= len;
}

static bool identity_of(const struct n1_py_codes *codes, const uint8_t *bytes, size_t len,
                        uint64_t identity[5])
{
    const struct n1_py_offsets *o = codes->offsets;
    uint32_t name = o->code_qualname != N1_PY_NONE ? o->code_qualname : o->code_name;
    if (!inside(o->object_type, 8, len) || !inside(name, 8, len) || !inside(o->code_filename, 8, len) ||
        !inside(o->code_lines, 8, len) || !inside(o->code_firstline, 4, len))
        return false;
    identity[0] = u64_at(bytes, o->object_type);
    identity[1] = u64_at(bytes, name);
    identity[2] = u64_at(bytes, o->code_filename);
    identity[3] = u64_at(bytes, o->code_lines);
    identity[4] = u32_at(bytes, o->code_firstline);
    return !codes->code_type || identity[0] == codes->code_type;
}

/* FNV-1a, to 40 bits: with the line below it fills an offset of the model. */
static uint64_t key_of(const char *name, uint32_t first_line)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ first_line;
    hash *= UINT64_C(0x100000001b3);
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    return hash << LINE_BITS;
}

static void load(struct n1_py_codes *codes, struct n1_py_code *code, const uint8_t *bytes, size_t len)
{
    const struct n1_py_offsets *o = codes->offsets;
    char text[FILE_CAP];
    uint8_t *table = NULL;
    codes->loads++;
    if (n1_py_string(codes->memory, o, code->identity[1], text, NAME_CAP) < 0)
        return;
    code->name = strdup(text[0] ? text : anonymous);
    if (n1_py_string(codes->memory, o, code->identity[2], text, sizeof(text)) < 0)
        return;
    code->file = strdup(text[0] ? text : anonymous);
    if (!code->name || !code->file)
        return;
    code->first_line = (uint32_t)code->identity[4] & INT32_MAX;
    if (inside(o->code_traceable, 4, len))
        code->traceable = 2 * (u32_at(bytes, o->code_traceable) & 0xffffff);
    code->key = key_of(code->name, code->first_line);
    /* Without its table a function still has its first line. */
    ssize_t size = n1_py_bytes(codes->memory, o, code->identity[3], TABLE_MOST, &table);
    if (size >= 0)
        n1_py_lines_decode(n1_py_line_format(o->version), table, (size_t)size, code->first_line,
                           &code->lines);
    free(table);
    code->bad = false;
}

static bool due(const struct n1_py_codes *codes, const struct n1_py_code *code, n1_ns now)
{
    n1_ns trust = (now - code->born) / AGE_SHARE;
    if (trust > TRUST_MOST)
        trust = TRUST_MOST;
    return code->checked < codes->all_due || now - code->checked > trust;
}

static void take(struct n1_py_codes *codes, uint64_t address, const uint8_t *bytes, size_t len, n1_ns now)
{
    uint64_t identity[5] = {0};
    bool good = bytes && identity_of(codes, bytes, len, identity);
    struct n1_py_code *code = codes->capacity ? place(codes, address) : NULL;
    codes->checks++;
    if (code && code->address) {
        if (good && !code->bad && !memcmp(identity, code->identity, sizeof(identity))) {
            code->checked = now;
            return;
        }
        codes->changed++;
        forget(code); /* the place stays this address's */
        code->address = address;
    } else {
        if (!make_room(codes))
            return;
        code = place(codes, address);
        code->address = address;
        codes->count++;
    }
    code->born = code->checked = now;
    code->bad = true;
    memcpy(code->identity, identity, sizeof(identity));
    if (good)
        load(codes, code, bytes, len);
}

void n1_py_codes_check(struct n1_py_codes *codes, const uint64_t *addresses, size_t count,
                       uint64_t generation, n1_ns now)
{
    static uint8_t bytes[BATCH][CODE_MAX]; /* sampler thread only */
    struct n1_memory_part parts[BATCH];
    size_t len = code_bytes(codes->offsets), n = 0;
    if (generation != codes->generation) {
        codes->generation = generation;
        codes->all_due = now;
    }
    for (size_t i = 0; i < count; i++) {
        const struct n1_py_code *code = codes->capacity ? place(codes, addresses[i]) : NULL;
        bool seen = code && code->address && !due(codes, code, now);
        for (size_t p = 0; p < n && !seen; p++)
            seen = parts[p].address == addresses[i];
        if (!seen && addresses[i])
            parts[n++] = (struct n1_memory_part){addresses[i], NULL, len};
        if (n < BATCH && i + 1 < count)
            continue;
        for (size_t p = 0; p < n; p++)
            parts[p].buffer = bytes[p];
        ssize_t whole = n ? codes->memory->read(codes->memory->context, parts, n) : 0;
        codes->memory->calls += n > 0;
        for (size_t p = 0; p < n; p++) {
            /* One that cannot be read hides those after it. */
            bool there =
                (ssize_t)p < whole || n1_memory_read(codes->memory, parts[p].address, parts[p].buffer, len);
            take(codes, parts[p].address, there ? bytes[p] : NULL, len, now);
        }
        n = 0;
    }
}

struct n1_py_code *n1_py_codes_get(struct n1_py_codes *codes, uint64_t address)
{
    struct n1_py_code *code = codes->capacity && address ? place(codes, address) : NULL;
    return code && code->address && !code->bad ? code : NULL;
}

uint32_t n1_py_code_frame(struct n1_py_code *code, struct n1_writer *w, uint32_t at)
{
    uint32_t line = n1_py_lines_find(&code->lines, at);
    if (!line)
        line = code->first_line;
    if (!code->module) {
        code->file_string = n1_writer_string_z(w, code->file);
        struct n1_model_module module = {
            .path = code->file_string, .kind = N1_MODULE_PYTHON, .symbols = N1_SYMBOLS_LOADED};
        code->module = n1_writer_module(w, &module);
        if (!code->module)
            return 0;
    }
    uint64_t low = (UINT64_C(1) << LINE_BITS) - 1;
    uint32_t frame = n1_writer_frame(w, code->module, code->key | (line < low ? line : low));
    if (!frame || n1_writer_frame_at(w, frame)->state != N1_FRAME_UNNAMED)
        return frame;
    if (!code->function) {
        struct n1_model_function function = {
            .name = n1_writer_string_z(w, code->name),
            .module = code->module,
            .kind = N1_KIND_PYTHON,
            .start = code->key | (code->first_line < low ? code->first_line : low),
            .file = code->file_string,
            .line = code->first_line,
        };
        code->function = n1_writer_function(w, &function);
    }
    if (code->function)
        n1_writer_frame_name(w, frame, code->function, N1_FRAME_NAMED);
    n1_writer_frame_line(w, frame, code->file_string, line);
    return frame;
}

void n1_py_codes_remap(struct n1_py_codes *codes)
{
    for (size_t i = 0; i < codes->capacity; i++)
        codes->entries[i].module = codes->entries[i].function = codes->entries[i].file_string = 0;
}
