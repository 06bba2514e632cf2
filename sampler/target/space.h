/*
 * The executable part of one process' address space: sorted ranges, each with its module. Filled from
 * /proc/PID/maps, kept current by the engine's mmap events; every change takes a new generation, unique over
 * all spaces, so that caches keyed by (generation, address) never answer for a mapping that is gone.
 * Addresses are the target's. Sampler thread only. Text of /proc/PID/maps is hostile (paths are the target's
 * choice).
 */
#ifndef N1_SAMPLER_TARGET_SPACE_H
#define N1_SAMPLER_TARGET_SPACE_H

#include "sampler/engine/engine.h"
#include "sampler/target/module.h"

struct n1_range {
    uint64_t start, end;
    uint64_t file_offset;
    struct n1_module *module; /* one reference held */
    uint64_t delta;           /* offset in the module = address + delta; valid once resolved */
    bool resolved;
};

struct n1_space {
    pid_t pid;
    struct n1_modules *modules; /* borrowed, outlives the space */
    uint64_t generation;        /* changes with every change of the ranges; never 0 */
    struct n1_range *ranges;    /* sorted, without overlap */
    size_t count, capacity;
    size_t last;                     /* index of the last hit */
    struct n1_module *anon;          /* this process' anonymous code; NULL until needed; one reference held */
    uint64_t stack_start, stack_end; /* [stack] of the main thread when the maps were read; 0 = not known */
    uint64_t skipped; /* lines of maps that could not be read as one, and ranges beyond the limit */
};

/* An empty space of process `pid`. */
void n1_space_init(struct n1_space *space, struct n1_modules *modules, pid_t pid);
void n1_space_finish(struct n1_space *space);

/* Reads /proc/PID/maps afresh; the generation stays when nothing executable changed. Returns 0, -ESRCH when
 * the process is gone, -EACCES/-EPERM, -ENOMEM. The old ranges stay on failure. */
int n1_space_load(struct n1_space *space, struct n1_error *reterr);
/* The same from text in memory. */
int n1_space_parse(struct n1_space *space, const char *text, size_t len);

/* Enters an executable mapping; what it overlaps is cut or replaced, as mmap(MAP_FIXED) or a reuse after
 * munmap does. Returns 0, -EINVAL (empty or wrapping range), -ENOMEM, -E2BIG beyond 65,536 ranges (counted).
 */
int n1_space_map(struct n1_space *space, const struct n1_mmap_event *event);

/* Fills the uninitialised `child` with the parent's ranges, as fork does. Returns 0 or -ENOMEM (child is
 * empty). */
int n1_space_clone(struct n1_space *child, const struct n1_space *parent, pid_t child_pid);

/* Forgets every range, as exec does. */
void n1_space_reset(struct n1_space *space);

/* The range that holds `address`, or NULL. Valid until the next change. O(1) on the last hit, else O(log n).
 */
struct n1_range *n1_space_find(struct n1_space *space, uint64_t address);

/* As n1_space_find, with the module opened and `delta` computed. Opening is tried once a module. */
struct n1_range *n1_space_resolve(struct n1_space *space, uint64_t address);

#endif
