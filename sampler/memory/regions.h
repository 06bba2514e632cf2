/*
 * What kind of memory an address of the target is: all its mappings, sorted, from /proc/PID/maps (hostile
 * text), and what the page tables say of a page. Sampler thread only.
 */
#ifndef N1_SAMPLER_MEMORY_REGIONS_H
#define N1_SAMPLER_MEMORY_REGIONS_H

#include "n1/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum n1_region_kind {
    N1_REGION_ANON = 1, /* private, no file */
    N1_REGION_HEAP,     /* [heap] */
    N1_REGION_STACK,    /* [stack] */
    N1_REGION_FILE,     /* a file, shared or not writable */
    N1_REGION_DATA,     /* a file, private and writable: a write makes a page of our own */
    N1_REGION_SHARED,   /* shared memory without a file of its own */
    N1_REGION_SPECIAL   /* [vdso] and the like */
};

struct n1_region {
    uint64_t start, end;
    uint64_t inode;
    enum n1_region_kind kind;
};

struct n1_regions {
    struct n1_region *list; /* sorted, without overlap */
    size_t count, cap, last;
    n1_ns loaded; /* when; 0: never */
};

void n1_regions_finish(struct n1_regions *regions);
/* Reads the mappings of a process afresh. 0, -ESRCH, -EACCES, -ENOMEM; the old ones stay on failure. */
int n1_regions_load(struct n1_regions *regions, int proc_fd, n1_ns now);
/* The same from text; lines that make no sense are passed over. */
int n1_regions_parse(struct n1_regions *regions, const char *text, size_t len);
/* The region that holds `address`, or NULL. */
const struct n1_region *n1_regions_find(struct n1_regions *regions, uint64_t address);

/* Page tables of a process: fd of /proc/PID/pagemap, or -errno. */
int n1_page_map_open(int proc_fd);
/* Whether the page at `address` is there, in memory or swapped out. False also when it cannot be told. */
bool n1_page_map_present(int fd, uint64_t address);
/* 1 when the page is part of a huge one (2 MiB), 0 when not, -1 when this kernel does not tell (before 6.7).
 */
int n1_page_map_huge(int fd, uint64_t address);

#endif
