/*
 * Look-ups in the tables: bounds first, then a copy, then every member that callers use as an index brought
 * into its range. Strings are copied into a private cache, sanitised once more, because what the pointer
 * names must not change while a caller holds it.
 */
#include "core/model/fields.h"
#include "core/model/reader.h"
#include "n1/sanitise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK_BYTES 8192u

struct n1_string_block {
    struct n1_string_block *next;
    uint32_t used, bytes;
    char text[];
};

void n1_string_cache_clear(struct n1_string_cache *cache)
{
    for (struct n1_string_block *b = cache->blocks; b;) {
        struct n1_string_block *next = b->next;
        free(b);
        b = next;
    }
    free(cache->ids);
    free(cache->texts);
    *cache = (struct n1_string_cache){0};
}

static char *cache_room(struct n1_string_cache *cache, uint32_t bytes)
{
    struct n1_string_block *b = cache->blocks;
    if (!b || b->bytes - b->used < bytes) {
        uint32_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        b = malloc(sizeof(*b) + size);
        if (!b)
            return NULL;
        *b = (struct n1_string_block){.next = cache->blocks, .bytes = size};
        cache->blocks = b;
    }
    char *room = b->text + b->used;
    b->used += bytes;
    return room;
}

static uint32_t cache_slot(const struct n1_string_cache *cache, uint32_t id)
{
    uint32_t i = (uint32_t)(id * UINT32_C(2654435761)) & cache->mask;
    while (cache->ids[i] && cache->ids[i] != id)
        i = (i + 1) & cache->mask;
    return i;
}

static bool cache_grow(struct n1_string_cache *cache)
{
    struct n1_string_cache more = {.blocks = cache->blocks, .mask = cache->mask ? cache->mask * 2 + 1 : 255};
    more.ids = calloc((size_t)more.mask + 1, sizeof(*more.ids));
    more.texts = calloc((size_t)more.mask + 1, sizeof(*more.texts));
    if (!more.ids || !more.texts) {
        free(more.ids);
        free(more.texts);
        return false;
    }
    for (uint32_t i = 0; cache->ids && i <= cache->mask; i++) {
        if (!cache->ids[i])
            continue;
        uint32_t slot = cache_slot(&more, cache->ids[i]);
        more.ids[slot] = cache->ids[i];
        more.texts[slot] = cache->texts[i];
    }
    more.used = cache->used;
    free(cache->ids);
    free(cache->texts);
    *cache = more;
    return true;
}

size_t n1_reader_string_copy(const struct n1_reader *r, uint32_t id, char out[N1_MODEL_STRING_MAX + 1])
{
    out[0] = 0;
    struct n1_model_string s;
    if (id == 0 || id >= n1_reader_fresh_head(r, N1_SEGMENT_STRING_INDEX))
        return 0;
    n1_words_load(&s, r->entries[N1_SEGMENT_STRING_INDEX] + (size_t)id * sizeof(s), sizeof(s));
    uint64_t end = ((uint64_t)s.offset + s.len + 7) & ~UINT64_C(7);
    if (s.offset % 8 != 0 || s.len > N1_MODEL_STRING_MAX || end > r->capacity[N1_SEGMENT_STRING_BYTES])
        return 0;
    char raw[(N1_MODEL_STRING_MAX + 8) & ~7u];
    n1_words_load(raw, r->entries[N1_SEGMENT_STRING_BYTES] + s.offset, (size_t)(end - s.offset));
    if (!r->redaction)
        return n1_sanitise(out, N1_MODEL_STRING_MAX + 1, raw, s.len);
    char clean[N1_MODEL_STRING_MAX + 1];
    size_t length = n1_sanitise(clean, sizeof clean, raw, s.len);
    return n1_redact(r->redaction, out, N1_MODEL_STRING_MAX + 1, clean, length);
}

/* Whose homes the texts of a file name: its people are not in the database of this host. */
static void learn(struct n1_reader *r, struct n1_redaction *redaction)
{
    char text[N1_MODEL_STRING_MAX + 1];
    const char *name = strstr(r->host, "\"name\":\"");
    if (name) {
        size_t len = strcspn(name + 8, "\"");
        snprintf(text, sizeof text, "%.*s", (int)len, name + 8);
        n1_redaction_add_host(redaction, text);
    }
    uint64_t head = n1_reader_fresh_head(r, N1_SEGMENT_STRING_INDEX);
    for (uint32_t id = 1; id < head; id++) {
        n1_reader_string_copy(r, id, text);
        n1_redaction_learn(redaction, text);
    }
}

int n1_reader_redact(struct n1_reader *r, bool on)
{
    bool was = r->redaction != NULL;
    if (was == on)
        return was;
    n1_string_cache_clear(&r->strings);
    if (!on) {
        n1_redaction_destroy(r->redaction);
        r->redaction = NULL;
        return was;
    }
    struct n1_redaction *redaction = n1_redaction_create();
    if (!redaction)
        return -ENOMEM;
    learn(r, redaction);
    r->redaction = redaction;
    return was;
}

const char *n1_reader_string(struct n1_reader *r, uint32_t id)
{
    struct n1_string_cache *cache = &r->strings;
    if (id == 0 || id >= n1_reader_fresh_head(r, N1_SEGMENT_STRING_INDEX))
        return "";
    if (cache->ids) {
        uint32_t slot = cache_slot(cache, id);
        if (cache->ids[slot])
            return cache->texts[slot];
    }
    char text[N1_MODEL_STRING_MAX + 1];
    size_t length = n1_reader_string_copy(r, id, text);
    if (((uint64_t)cache->used + 1) * 2 > (cache->mask ? (uint64_t)cache->mask + 1 : 0) && !cache_grow(cache))
        return "";
    char *copy = cache_room(cache, (uint32_t)length + 1);
    if (!copy)
        return "";
    memcpy(copy, text, length + 1);
    uint32_t slot = cache_slot(cache, id);
    cache->ids[slot] = id;
    cache->texts[slot] = copy;
    cache->used++;
    return copy;
}

bool n1_reader_entry(const struct n1_reader *r, enum n1_segment_kind kind, uint32_t id, void *ret)
{
    size_t stride = n1_model_fields[kind].stride;
    if (id == 0 || (id >= r->head[kind] && id >= n1_reader_fresh_head(r, kind))) {
        memset(ret, 0, stride);
        return false;
    }
    n1_words_load(ret, r->entries[kind] + (size_t)id * stride, stride);
    if (r->redaction && kind == N1_SEGMENT_PROCESSES) {
        struct n1_model_process *p = ret;
        p->cmdline = p->labels = p->container = 0;
    }
    return true;
}

/* Callers index tables with these, so a value without a meaning becomes the one that means least. */
static uint32_t within(uint32_t value, uint32_t last, uint32_t otherwise)
{
    return value <= last ? value : otherwise;
}

bool n1_reader_process(const struct n1_reader *r, uint32_t id, struct n1_model_process *ret)
{
    bool known = n1_reader_entry(r, N1_SEGMENT_PROCESSES, id, ret);
    ret->state = within(ret->state, N1_PROCESS_GONE, 0);
    return known;
}

bool n1_reader_thread(const struct n1_reader *r, uint32_t id, struct n1_model_thread *ret)
{
    return n1_reader_entry(r, N1_SEGMENT_THREADS, id, ret);
}

bool n1_reader_module(const struct n1_reader *r, uint32_t id, struct n1_model_module *ret)
{
    bool known = n1_reader_entry(r, N1_SEGMENT_MODULES, id, ret);
    ret->kind = within(ret->kind, N1_MODULE_PYTHON, 0);
    ret->build_id_len = within(ret->build_id_len, sizeof(ret->build_id), 0);
    ret->symbols = within(ret->symbols, N1_SYMBOLS_FAILED, N1_SYMBOLS_NOT_ASKED);
    return known;
}

bool n1_reader_mapping(const struct n1_reader *r, uint32_t id, struct n1_model_mapping *ret)
{
    return n1_reader_entry(r, N1_SEGMENT_MAPPINGS, id, ret);
}

bool n1_reader_function(const struct n1_reader *r, uint32_t id, struct n1_model_function *ret)
{
    bool known = n1_reader_entry(r, N1_SEGMENT_FUNCTIONS, id, ret);
    ret->kind = within(ret->kind, N1_KIND_COUNT - 1, N1_KIND_UNKNOWN);
    return known;
}

bool n1_reader_frame(const struct n1_reader *r, uint32_t id, struct n1_model_frame *ret)
{
    bool known = n1_reader_entry(r, N1_SEGMENT_FRAMES, id, ret);
    ret->state = within(ret->state, N1_FRAME_NAMELESS, N1_FRAME_UNNAMED);
    return known;
}

bool n1_reader_node(const struct n1_reader *r, uint32_t id, struct n1_model_node *ret)
{
    if (n1_reader_entry(r, N1_SEGMENT_NODES, id, ret) && ret->parent < id)
        return true;
    *ret = (struct n1_model_node){0};
    return false;
}

bool n1_reader_series(const struct n1_reader *r, uint32_t id, struct n1_model_series *ret)
{
    return n1_reader_entry(r, N1_SEGMENT_SERIES, id, ret);
}

uint32_t n1_reader_series_find(const struct n1_reader *r, uint32_t metric, uint32_t scope)
{
    struct n1_model_series s;
    for (uint32_t id = 1; n1_reader_entry(r, N1_SEGMENT_SERIES, id, &s); id++)
        if (s.metric == metric && s.scope == scope)
            return id;
    return 0;
}
