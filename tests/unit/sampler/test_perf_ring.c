/* A ring laid out by hand: wrap-around, damaged headers, and the tail given back. */
#include "sampler/engine/perf_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 4096 };

static struct perf_event_mmap_page page;
static _Alignas(8) uint8_t data[SIZE];
static _Alignas(8) uint8_t bounce[N1_PERF_RECORD_MAX_BYTES];

static void put(uint64_t at, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[(at + i) % SIZE] = ((const uint8_t *)bytes)[i];
}

/* Writes a record of `size` bytes whose words hold their own index, and moves the head. */
static void write_record(uint32_t type, uint16_t size)
{
    struct perf_event_header header = {.type = type, .size = size};

    put(page.data_head, &header, sizeof(header));
    for (uint64_t word = 1; word < size / 8u; word++)
        put(page.data_head + word * 8, &word, 8);
    page.data_head += size;
}

static void start(struct n1_perf_ring *ring, uint64_t at)
{
    memset(data, 0, sizeof(data));
    page.data_head = page.data_tail = at;
    n1_perf_ring_over(ring, &page, data, SIZE);
}

static void records_come_out_whole_and_in_order(void **state)
{
    struct n1_perf_ring ring;
    struct perf_event_header header;
    (void)state;
    start(&ring, 0);
    assert_false(n1_perf_ring_peek(&ring, &header));
    for (unsigned round = 0; round < 1000; round++) {
        uint16_t size = (uint16_t)(64 + round % 100 * 8);
        write_record(round, size);
        write_record(round + 1, 8);
        assert_false(n1_perf_ring_peek(&ring, &header)); /* not before the head is taken */
        n1_perf_ring_refresh(&ring);
        assert_true(n1_perf_ring_peek(&ring, &header));
        assert_int_equal(header.type, round);
        assert_int_equal(header.size, size);
        assert_int_equal(n1_perf_ring_word(&ring, 8), 1);
        assert_int_equal(n1_perf_ring_word(&ring, size - 8u), size / 8u - 1);
        const uint64_t *words = n1_perf_ring_record(&ring, size, bounce);
        for (uint64_t word = 1; word < size / 8u; word++)
            assert_int_equal(words[word], word);
        n1_perf_ring_consume(&ring, size);
        assert_true(n1_perf_ring_peek(&ring, &header));
        assert_int_equal(header.type, round + 1);
        n1_perf_ring_consume(&ring, 8);
        assert_int_equal(page.data_tail, page.data_head);
    }
    assert_int_equal(ring.damaged, 0);
}

static void damage_is_skipped_and_counted(void **state)
{
    static const uint16_t sizes[] = {0, 7, 4, 12, 4088};
    struct n1_perf_ring ring;
    struct perf_event_header header;
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        start(&ring, 16);
        write_record(9, 64);
        struct perf_event_header bad = {.type = 9, .size = sizes[i]};
        put(16, &bad, sizeof(bad));
        n1_perf_ring_refresh(&ring);
        assert_false(n1_perf_ring_peek(&ring, &header));
        assert_int_equal(ring.damaged, 1);
        assert_int_equal(page.data_tail, page.data_head);
        write_record(3, 16); /* and it goes on */
        n1_perf_ring_refresh(&ring);
        assert_true(n1_perf_ring_peek(&ring, &header));
        assert_int_equal(header.type, 3);
    }
    start(&ring, 0);
    page.data_head = SIZE + 8; /* more than the ring holds */
    n1_perf_ring_refresh(&ring);
    assert_false(n1_perf_ring_peek(&ring, &header));
    assert_int_equal(ring.damaged, 1);
}

static void counts_beyond_32_bits(void **state)
{
    struct n1_perf_ring ring;
    struct perf_event_header header;
    (void)state;
    start(&ring, UINT64_MAX - 15); /* the byte counts themselves wrap */
    write_record(9, 64);
    n1_perf_ring_refresh(&ring);
    assert_true(n1_perf_ring_peek(&ring, &header));
    assert_int_equal(header.size, 64);
    n1_perf_ring_consume(&ring, 64);
    assert_false(n1_perf_ring_peek(&ring, &header));
    assert_int_equal(ring.damaged, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_out_whole_and_in_order),
        cmocka_unit_test(damage_is_skipped_and_counted),
        cmocka_unit_test(counts_beyond_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
