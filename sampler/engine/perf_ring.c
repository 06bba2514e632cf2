/*
 * Reading a perf ring. Head and tail are byte counts that only grow; the place in the data is the count
 * modulo the (power of two) size. Head is read with acquire, tail is stored with release, as the kernel's
 * header asks.
 */
#include "sampler/engine/perf_ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int n1_perf_ring_map(struct n1_perf_ring *ring, int fd, size_t data_bytes)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    void *map = mmap(NULL, page_bytes + data_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (map == MAP_FAILED)
        return -errno;
    *ring = (struct n1_perf_ring){.page = map,
                                  .data = (const uint8_t *)map + page_bytes,
                                  .data_bytes = data_bytes,
                                  .map_bytes = page_bytes + data_bytes};
    return 0;
}

void n1_perf_ring_over(struct n1_perf_ring *ring, struct perf_event_mmap_page *page, const void *data,
                       size_t data_bytes)
{
    *ring = (struct n1_perf_ring){.page = page,
                                  .data = data,
                                  .data_bytes = data_bytes,
                                  .head = page->data_tail,
                                  .tail = page->data_tail};
}

void n1_perf_ring_unmap(struct n1_perf_ring *ring)
{
    if (ring->page && ring->map_bytes)
        munmap(ring->page, ring->map_bytes);
    *ring = (struct n1_perf_ring){0};
}

static void publish_tail(struct n1_perf_ring *ring)
{
    __atomic_store_n(&ring->page->data_tail, ring->tail, __ATOMIC_RELEASE);
}

void n1_perf_ring_refresh(struct n1_perf_ring *ring)
{
    ring->head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
}

static void skip_damage(struct n1_perf_ring *ring)
{
    ring->damaged++;
    ring->tail = ring->head;
    publish_tail(ring);
}

uint64_t n1_perf_ring_word(const struct n1_perf_ring *ring, size_t offset)
{
    uint64_t word;

    memcpy(&word, ring->data + ((ring->tail + offset) & (ring->data_bytes - 1)), sizeof(word));
    return word;
}

bool n1_perf_ring_peek(struct n1_perf_ring *ring, struct perf_event_header *ret_header)
{
    uint64_t unread = ring->head - ring->tail;
    struct perf_event_header header;

    if (unread == 0)
        return false;
    if (unread > ring->data_bytes || unread < sizeof(header) || ring->tail % 8) {
        skip_damage(ring);
        return false;
    }
    memcpy(&header, ring->data + (ring->tail & (ring->data_bytes - 1)), sizeof(header));
    if (header.size < sizeof(header) || header.size % 8 || header.size > unread) {
        skip_damage(ring);
        return false;
    }
    *ret_header = header;
    return true;
}

const void *n1_perf_ring_record(const struct n1_perf_ring *ring, size_t size, void *bounce)
{
    size_t at = ring->tail & (ring->data_bytes - 1);
    size_t until_end = ring->data_bytes - at;

    if (size <= until_end)
        return ring->data + at;
    memcpy(bounce, ring->data + at, until_end);
    memcpy((uint8_t *)bounce + until_end, ring->data, size - until_end);
    return bounce;
}

void n1_perf_ring_consume(struct n1_perf_ring *ring, size_t size)
{
    ring->tail += size;
    publish_tail(ring);
}
