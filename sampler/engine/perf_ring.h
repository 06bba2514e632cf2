/*
 * One perf ring: the pages the kernel writes records to and we read from. Only this module touches data_head
 * and data_tail. The kernel never overwrites what was not consumed (the mapping is writable), so records are
 * read in place; only one that wraps around the end is copied. Sampler thread only.
 */
#ifndef N1_SAMPLER_ENGINE_PERF_RING_H
#define N1_SAMPLER_ENGINE_PERF_RING_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { N1_PERF_RECORD_MAX_BYTES = 65536 }; /* header.size is 16 bits wide */

struct n1_perf_ring {
    struct perf_event_mmap_page *page; /* NULL: not mapped */
    const uint8_t *data;
    size_t data_bytes;   /* a power of two */
    size_t map_bytes;    /* page and data; what is pinned */
    uint64_t head, tail; /* head as last refreshed; tail as published */
    uint64_t damaged;    /* times the ring was skipped to its head: its bytes made no sense */
};

/* Maps the ring of perf event `fd` with `data_bytes` (a power of two of whole pages) of data. The fd stays
 * the caller's. Returns 0 or -errno; -EPERM means that the memory may not be pinned. */
int n1_perf_ring_map(struct n1_perf_ring *ring, int fd, size_t data_bytes);

/* Reads a ring over the caller's memory, as a test lays it out: `page` with data_head and data_tail, `data`
 * of `data_bytes` (a power of two). Nothing is unmapped by n1_perf_ring_unmap then. */
void n1_perf_ring_over(struct n1_perf_ring *ring, struct perf_event_mmap_page *page, const void *data,
                       size_t data_bytes);

/* Gives the pages back; does nothing when the ring is not mapped. */
void n1_perf_ring_unmap(struct n1_perf_ring *ring);

/* Takes the kernel's head: records up to it can be read until the next refresh. */
void n1_perf_ring_refresh(struct n1_perf_ring *ring);

/* Header of the oldest record that is not consumed, as of the last refresh. False when there is none; a ring
 * whose bytes make no sense is skipped to its head and counted in `damaged`. */
bool n1_perf_ring_peek(struct n1_perf_ring *ring, struct perf_event_header *ret_header);

/* The 8 bytes at `offset` (a multiple of 8, within the record) of the oldest record. */
uint64_t n1_perf_ring_word(const struct n1_perf_ring *ring, size_t offset);

/* The oldest record, whole, of header.size bytes as peeked: in place, or copied to `bounce` (of
 * N1_PERF_RECORD_MAX_BYTES, 8-byte aligned) when it wraps. Valid until consumed. */
const void *n1_perf_ring_record(const struct n1_perf_ring *ring, size_t size, void *bounce);

/* Gives the oldest record's `size` bytes back to the kernel. */
void n1_perf_ring_consume(struct n1_perf_ring *ring, size_t size);

#endif
