/*
 * A hash by tid with linear probing and backward-shift deletion; at most 7/8 full.
 */
#include "sampler/roster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void n1_roster_init(struct n1_roster *roster)
{
    *roster = (struct n1_roster){0};
}

void n1_roster_finish(struct n1_roster *roster)
{
    free(roster->entries);
    *roster = (struct n1_roster){0};
}

static size_t home(const struct n1_roster *roster, pid_t tid)
{
    return ((uint32_t)tid * 2654435769u >> 7) & (roster->capacity - 1);
}

struct n1_roster_entry *n1_roster_find(const struct n1_roster *roster, pid_t tid)
{
    if (!roster->capacity)
        return NULL;
    for (size_t i = home(roster, tid);; i = (i + 1) & (roster->capacity - 1)) {
        if (roster->entries[i].tid == tid)
            return &roster->entries[i];
        if (!roster->entries[i].tid)
            return NULL;
    }
}

static struct n1_roster_entry *place(struct n1_roster *roster, pid_t tid)
{
    size_t i = home(roster, tid);
    while (roster->entries[i].tid)
        i = (i + 1) & (roster->capacity - 1);
    return &roster->entries[i];
}

static bool grow(struct n1_roster *roster)
{
    struct n1_roster bigger = {.capacity = roster->capacity ? 2 * roster->capacity : 32,
                               .count = roster->count};
    bigger.entries = calloc(bigger.capacity, sizeof *bigger.entries);
    if (!bigger.entries)
        return false;
    for (size_t i = 0; i < roster->capacity; i++)
        if (roster->entries[i].tid)
            *place(&bigger, roster->entries[i].tid) = roster->entries[i];
    free(roster->entries);
    *roster = bigger;
    return true;
}

struct n1_roster_entry *n1_roster_get(struct n1_roster *roster, pid_t tid)
{
    struct n1_roster_entry *entry = n1_roster_find(roster, tid);
    if (entry)
        return entry;
    if (roster->count >= roster->capacity - roster->capacity / 8 && !grow(roster))
        return NULL;
    entry = place(roster, tid);
    *entry = (struct n1_roster_entry){.tid = tid};
    roster->count++;
    return entry;
}

void n1_roster_remove(struct n1_roster *roster, pid_t tid)
{
    struct n1_roster_entry *entry = n1_roster_find(roster, tid);
    if (!entry)
        return;
    size_t mask = roster->capacity - 1, hole = (size_t)(entry - roster->entries);
    for (size_t i = (hole + 1) & mask; roster->entries[i].tid; i = (i + 1) & mask) {
        /* An entry may move back to the hole unless its home lies between the hole and itself. */
        size_t distance = (i - home(roster, roster->entries[i].tid)) & mask;
        if (distance < ((i - hole) & mask))
            continue;
        roster->entries[hole] = roster->entries[i];
        hole = i;
    }
    roster->entries[hole].tid = 0;
    roster->count--;
}

uint32_t n1_roster_slot(struct n1_roster_entry *entry, struct n1_writer *w, uint32_t process, n1_ns now)
{
    if (entry->slot)
        return entry->slot;
    n1_ns from = entry->born ? entry->born : now;
    /* A thread that ended before it could be listed has no start time in /proc any more; its birth will do to
     * tell it from another with the same tid. */
    uint64_t ticks =
        entry->start_ticks ? entry->start_ticks : from / (N1_SECOND_NS / (uint64_t)sysconf(_SC_CLK_TCK));
    struct n1_model_thread thread = {
        .process = process,
        .tid = (uint32_t)entry->tid,
        .start_ticks = ticks,
        .name = n1_writer_string_z(w, entry->name),
        .from = from,
        .run_ns = UINT64_MAX,
        .wait_ns = UINT64_MAX,
    };
    return entry->slot = n1_writer_thread(w, &thread);
}

void n1_roster_rename(struct n1_roster_entry *entry, struct n1_writer *w, const char *name)
{
    if (!strncmp(entry->name, name, sizeof entry->name - 1))
        return;
    snprintf(entry->name, sizeof entry->name, "%s", name);
    if (entry->slot)
        n1_writer_thread_name(w, entry->slot, n1_writer_string_z(w, entry->name));
}

void n1_roster_remap(struct n1_roster *roster, const struct n1_remap *remap)
{
    for (size_t i = 0; i < roster->capacity; i++) {
        struct n1_roster_entry *entry = &roster->entries[i];
        if (entry->slot)
            entry->slot = n1_remap_thread(remap, entry->slot);
        entry->node = n1_remap_node(remap, entry->node);
        entry->leaf = n1_remap_frame(remap, entry->leaf);
    }
}
