/*
 * The sorted table and its look-up. An entry's `bits` word holds, from the low end: 26 bits of size, 2 of
 * class, 2 of string source, one "size is a guess", one "an earlier function reaches beyond this start". The
 * last one ends the backward search for an enclosing function, so that a look-up stays a binary search.
 */
#include "sampler/symbols/symbol_table.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_BITS 26
#define SIZE_MASK ((UINT32_C(1) << SIZE_BITS) - 1)
#define CLASS_SHIFT 26
#define SOURCE_SHIFT 28
#define BIT_GUESS (UINT32_C(1) << 30)
#define BIT_OVERLAP (UINT32_C(1) << 31)

#define ENTRIES_MAX (UINT32_C(4) << 20) /* 48 MiB, 96 while sorting */
#define ALIASES_MAX 128                 /* names compared at one address */
#define ENCLOSING_MAX 4096              /* steps back for an enclosing function */
#define ALIAS_NAME_MAX 512

static uint32_t entry_size(const struct n1_symbol_entry *entry)
{
    return entry->bits & SIZE_MASK;
}

static enum n1_symbol_class entry_class(const struct n1_symbol_entry *entry)
{
    return (enum n1_symbol_class)(entry->bits >> CLASS_SHIFT & 3);
}

static enum n1_symbol_source entry_source(const struct n1_symbol_entry *entry)
{
    return (enum n1_symbol_source)(entry->bits >> SOURCE_SHIFT & 3);
}

bool n1_symbol_table_add(struct n1_symbol_table *table, uint64_t addr, uint64_t size, uint64_t limit,
                         uint32_t name, enum n1_symbol_source source, enum n1_symbol_class class)
{
    if (addr < table->base || addr - table->base > UINT32_MAX || table->count >= ENTRIES_MAX)
        return true;
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? table->capacity + table->capacity / 2 : 1024;
        struct n1_symbol_entry *grown = realloc(table->entries, capacity * sizeof(*grown));
        if (!grown)
            return false;
        table->entries = grown;
        table->capacity = capacity;
    }
    uint32_t guess = 0;
    if (size == 0) {
        size = limit;
        guess = BIT_GUESS;
    }
    if (size > SIZE_MASK)
        size = SIZE_MASK;
    table->entries[table->count++] = (struct n1_symbol_entry){
        .addr = (uint32_t)(addr - table->base),
        .bits = (uint32_t)size | (uint32_t) class << CLASS_SHIFT | (uint32_t)source << SOURCE_SHIFT | guess,
        .name = name,
    };
    return true;
}

/* Stable radix sort by address, 11 bits a pass: 1 ms for 100,000 entries where qsort takes 30. */
static bool sort_entries(struct n1_symbol_table *table)
{
    struct n1_symbol_entry *from = table->entries;
    struct n1_symbol_entry *to = malloc((table->count ? table->count : 1) * sizeof(*to));
    if (!to)
        return false;
    for (unsigned shift = 0; shift < 33; shift += 11) {
        uint32_t start[2048] = {0};
        for (size_t i = 0; i < table->count; i++)
            start[from[i].addr >> shift & 2047]++;
        uint32_t sum = 0;
        for (size_t b = 0; b < 2048; b++) {
            uint32_t n = start[b];
            start[b] = sum;
            sum += n;
        }
        for (size_t i = 0; i < table->count; i++)
            to[start[from[i].addr >> shift & 2047]++] = from[i];
        struct n1_symbol_entry *swap = from;
        from = to;
        to = swap;
    }
    free(to);
    table->entries = from;
    table->capacity = table->count;
    return true;
}

/* Bounds the guessed sizes of entries [first, end), all at one address, and keeps those that name something.
 */
static size_t seal_run(struct n1_symbol_table *table, size_t first, size_t end, size_t kept, uint64_t *reach)
{
    struct n1_symbol_entry *entries = table->entries;
    uint32_t addr = entries[first].addr;
    uint32_t gap = end < table->count ? entries[end].addr - addr : SIZE_MASK;
    uint32_t sized = 0;
    bool overlap = *reach > addr;
    for (size_t i = first; i < end; i++)
        if (!(entries[i].bits & BIT_GUESS) && entry_size(&entries[i]) > sized)
            sized = entry_size(&entries[i]);
    for (size_t i = first; i < end; i++) {
        struct n1_symbol_entry entry = entries[i];
        uint32_t size = entry_size(&entry);
        if (entry.bits & BIT_GUESS) {
            if (sized > 0)
                size = sized;
            else if (overlap)
                continue;
            else if (size > gap)
                size = gap;
        }
        if (size == 0)
            continue;
        entry.bits = (entry.bits & ~(SIZE_MASK | BIT_OVERLAP)) | size | (overlap ? BIT_OVERLAP : 0);
        entries[kept++] = entry;
        if ((uint64_t)addr + size > *reach)
            *reach = (uint64_t)addr + size;
    }
    return kept;
}

bool n1_symbol_table_seal(struct n1_symbol_table *table)
{
    if (!sort_entries(table))
        return false;
    size_t kept = 0;
    uint64_t reach = 0;
    for (size_t first = 0, end; first < table->count; first = end) {
        for (end = first + 1; end < table->count && table->entries[end].addr == table->entries[first].addr;)
            end++;
        kept = seal_run(table, first, end, kept, &reach);
    }
    table->count = kept;
    return true;
}

static size_t read_name(const struct n1_symbol_table *table, const struct n1_symbol_entry *entry, char *out,
                        size_t cap)
{
    const struct n1_symbol_strings *strings = &table->strings[entry_source(entry)];
    size_t len = n1_elf_read_text(&strings->elf, strings->start + entry->name, strings->end, out, cap);
    char *version = len > 1 ? memchr(out + 1, '@', len - 1) : NULL;
    if (version) {
        *version = '\0';
        len = (size_t)(version - out);
    }
    if (entry_source(entry) == N1_SOURCE_PLT && len > 0) {
        if (len > cap - sizeof("@plt"))
            len = cap - sizeof("@plt");
        memcpy(out + len, "@plt", sizeof("@plt"));
        len += sizeof("@plt") - 1;
    }
    return len;
}

/* True when the name of a better alias. Mangled names keep their underscores: they are not decoration. */
static bool is_better(const struct n1_symbol_entry *a, const char *a_name, const struct n1_symbol_entry *b,
                      const char *b_name)
{
    bool a_public = entry_class(a) >= N1_CLASS_WEAK, b_public = entry_class(b) >= N1_CLASS_WEAK;
    if ((entry_class(a) == N1_CLASS_LABEL) != (entry_class(b) == N1_CLASS_LABEL))
        return entry_class(b) == N1_CLASS_LABEL;
    if (a_public != b_public)
        return a_public;
    bool a_mangled = a_name[0] == '_' && (a_name[1] == 'Z' || a_name[1] == 'R');
    bool b_mangled = b_name[0] == '_' && (b_name[1] == 'Z' || b_name[1] == 'R');
    size_t a_underscores = a_mangled ? 0 : strspn(a_name, "_"),
           b_underscores = b_mangled ? 0 : strspn(b_name, "_");
    if (a_underscores != b_underscores)
        return a_underscores < b_underscores;
    size_t a_len = strlen(a_name), b_len = strlen(b_name);
    if (a_len != b_len)
        return a_len < b_len;
    if (entry_class(a) != entry_class(b))
        return entry_class(a) > entry_class(b);
    return strcmp(a_name, b_name) < 0;
}

/* The best of the entries [first, end) that cover `addr`, or NULL. */
static const struct n1_symbol_entry *best_alias(const struct n1_symbol_table *table, size_t first, size_t end,
                                                uint32_t addr)
{
    const struct n1_symbol_entry *best = NULL;
    char names[2][ALIAS_NAME_MAX];
    unsigned spare = 0, compared = 0;
    for (size_t i = first; i < end && compared < ALIASES_MAX; i++) {
        const struct n1_symbol_entry *entry = &table->entries[i];
        if (addr - entry->addr >= entry_size(entry))
            continue;
        compared++;
        if (!best && i + 1 == end)
            return entry;
        if (read_name(table, entry, names[spare], ALIAS_NAME_MAX) == 0)
            continue;
        if (!best || is_better(entry, names[spare], best, names[spare ^ 1])) {
            best = entry;
            spare ^= 1;
        }
    }
    return best;
}

bool n1_symbol_table_find(const struct n1_symbol_table *table, uint64_t addr, struct n1_symbol_hit *ret_hit)
{
    if (addr < table->base || addr - table->base > UINT32_MAX)
        return false;
    uint32_t offset = (uint32_t)(addr - table->base);
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->entries[middle].addr <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    const struct n1_symbol_entry *best = NULL;
    for (unsigned steps = 0; low > 0 && steps < ENCLOSING_MAX; steps++) {
        size_t first = low - 1;
        while (first > 0 && table->entries[first - 1].addr == table->entries[low - 1].addr)
            first--;
        best = best_alias(table, first, low, offset);
        if (best || !(table->entries[first].bits & BIT_OVERLAP))
            break;
        low = first;
    }
    if (!best || read_name(table, best, ret_hit->linkage, sizeof(ret_hit->linkage)) == 0)
        return false;
    ret_hit->start = table->base + best->addr;
    ret_hit->size = entry_size(best);
    return true;
}

void n1_symbol_table_finish(struct n1_symbol_table *table)
{
    free(table->entries);
    free(table->owned[0]);
    free(table->owned[1]);
    *table = (struct n1_symbol_table){0};
}
