/*
 * An array of entries with an open hash of indices beside it: 24 bytes an entry and 8 to 16 of hash, walked
 * in order of arrival. Entries that count nothing are swept out when the array would have to grow.
 */
#include "core/analysis/tally.h"

#include "core/analysis/fold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void n1_tally_finish(struct n1_tally *t)
{
    free(t->entries);
    free(t->table);
    *t = (struct n1_tally){.keep = t->keep};
}

void n1_tally_clear(struct n1_tally *t)
{
    t->count = t->spent = 0;
    if (t->table)
        memset(t->table, 0, t->table_cap * sizeof *t->table);
}

uint32_t n1_tally_flags(uint32_t sample_flags)
{
    return (sample_flags & N1_SAMPLE_TRUNCATED ? N1_TALLY_TRUNCATED : 0) |
           (sample_flags & N1_SAMPLE_IN_KERNEL ? N1_TALLY_IN_KERNEL : 0) |
           (sample_flags & N1_SAMPLE_KERNEL_HIDDEN ? N1_TALLY_HIDDEN : 0);
}

static size_t slot_of(const struct n1_tally *t, uint32_t node, uint32_t leaf, uint32_t flags)
{
    /* the product's upper half depends on every bit below it */
    uint64_t key = (uint64_t)node << 32 | leaf;
    return (size_t)(((key ^ key >> 29) + flags) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (t->table_cap - 1);
}

static void place(struct n1_tally *t, size_t index)
{
    const struct n1_tally_entry *e = &t->entries[index];
    size_t i = slot_of(t, e->node, e->leaf, e->bits & N1_TALLY_FLAGS);
    while (t->table[i])
        i = (i + 1) & (t->table_cap - 1);
    t->table[i] = (uint32_t)index + 1;
}

/* Sweeps out what counts nothing, then makes room for one more entry. */
static int make_room(struct n1_tally *t)
{
    if (!t->keep && t->spent > t->count / 4) {
        size_t left = 0;
        for (size_t i = 0; i < t->count; i++)
            if (t->entries[i].count != 0)
                t->entries[left++] = t->entries[i];
        t->count = left;
        t->spent = 0;
    }
    if (t->count + 1 > t->cap) {
        if (t->cap >= UINT32_MAX / 4 ||
            n1_fold_reserve((void **)&t->entries, &t->cap, t->count + 1, sizeof *t->entries))
            return -ENOMEM;
    }
    size_t want = t->table_cap ? t->table_cap : 256;
    while (want < t->cap * 2)
        want *= 2;
    if (want != t->table_cap) {
        uint32_t *table = reallocarray(t->table, want, sizeof *table);
        if (!table)
            return -ENOMEM;
        t->table = table;
        t->table_cap = want;
    }
    memset(t->table, 0, t->table_cap * sizeof *t->table);
    for (size_t i = 0; i < t->count; i++)
        place(t, i);
    return 0;
}

size_t n1_tally_at(struct n1_tally *t, uint32_t node, uint32_t leaf, uint32_t flags)
{
    if (t->table_cap) {
        for (size_t i = slot_of(t, node, leaf, flags); t->table[i]; i = (i + 1) & (t->table_cap - 1)) {
            const struct n1_tally_entry *e = &t->entries[t->table[i] - 1];
            if (e->node == node && e->leaf == leaf && (e->bits & N1_TALLY_FLAGS) == flags)
                return t->table[i] - 1;
        }
    }
    if ((t->count >= t->cap || t->cap * 2 > t->table_cap) && make_room(t))
        return SIZE_MAX;
    t->entries[t->count] = (struct n1_tally_entry){.node = node, .leaf = leaf, .bits = flags};
    t->spent++; /* until it counts something */
    place(t, t->count++);
    return t->count - 1;
}

int n1_tally_add(struct n1_tally *t, uint32_t node, uint32_t leaf, uint32_t flags, uint32_t count,
                 uint64_t ns)
{
    size_t i = n1_tally_at(t, node, leaf, flags);
    if (i == SIZE_MAX)
        return -ENOMEM;
    struct n1_tally_entry *e = &t->entries[i];
    uint32_t before = e->count;
    e->count += count;
    e->ns += ns;
    if (before == 0 && e->count != 0)
        t->spent--;
    else if (before != 0 && e->count == 0)
        t->spent++;
    return 0;
}

void n1_tally_void_nodes(struct n1_tally *t)
{
    for (size_t i = 0; i < t->count; i++)
        t->entries[i].bits &= N1_TALLY_FLAGS;
}
