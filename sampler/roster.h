/*
 * The threads of one target as the model knows them: tid to slot. Slots are made when a thread is listed or
 * first sampled, so that short-lived threads which never ran on a sampled tick cost nothing. Fed by the
 * engine's events, which come in time order, and corrected by a scan once a second. Sampler thread only.
 */
#ifndef N1_SAMPLER_ROSTER_H
#define N1_SAMPLER_ROSTER_H

#include "n1/writer.h"

#include <sys/types.h>

struct n1_roster_entry {
    pid_t tid;     /* 0: free place */
    uint32_t slot; /* thread id in the model, 0: none yet */
    uint64_t start_ticks;
    n1_ns born;
    uint32_t node, leaf; /* of its last sample on a CPU */
    bool wanted;         /* a dump has no stack of it yet */
    char name[16];       /* comm, raw bytes, terminated */
};

struct n1_roster {
    struct n1_roster_entry *entries; /* open addressing, capacity a power of two */
    size_t capacity, count;
};

void n1_roster_init(struct n1_roster *roster);
void n1_roster_finish(struct n1_roster *roster);

/* The entry of a thread, made when it is new (then without slot, name and times). NULL without memory. */
struct n1_roster_entry *n1_roster_get(struct n1_roster *roster, pid_t tid);
struct n1_roster_entry *n1_roster_find(const struct n1_roster *roster, pid_t tid);
/* Forgets a thread; pointers to entries become invalid. */
void n1_roster_remove(struct n1_roster *roster, pid_t tid);

/* The slot of an entry, made in the model when it has none: "first seen" is then `now` or its birth. */
uint32_t n1_roster_slot(struct n1_roster_entry *entry, struct n1_writer *w, uint32_t process, n1_ns now);
/* A thread's name changed. */
void n1_roster_rename(struct n1_roster_entry *entry, struct n1_writer *w, const char *name);

/* After a generation step. */
void n1_roster_remap(struct n1_roster *roster, const struct n1_remap *remap);

#endif
