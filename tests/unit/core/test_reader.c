/*
 * The reader's side: what it refuses to open, what it clamps, what it says of a ring that laps under it and
 * of a generation step, and that it gives back what it took.
 */
#include "n1/reader.h"
#include "tests/unit/core/rich_model.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

/* A private copy of a valid model, to be spoilt. */
static struct n1_model_header *copy_of_model(size_t *ret_bytes)
{
    struct n1_writer *w = rich_model();
    void *base = n1_writer_base(w, ret_bytes);
    void *copy = aligned_alloc(64, (*ret_bytes + 63) & ~(size_t)63);
    assert_non_null(copy);
    memcpy(copy, base, *ret_bytes);
    n1_writer_destroy(w);
    return copy;
}

static void test_descriptors_without_seals(void **state)
{
    (void)state;
    struct n1_reader *r = NULL;
    struct n1_error err;
    int fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    assert_int_equal(n1_reader_open_fd(fd, &r, &err), N1_E_NOT_OURS);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    assert_int_equal(n1_reader_open_fd(fd, &r, &err),
                     N1_E_NOT_OURS); /* it could still be written from anywhere */
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    assert_int_equal(n1_reader_open_fd(fd, &r, &err), N1_E_NOT_OURS); /* sealed, but zeroes */
    close(fd);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(n1_reader_open_fd(fd, &r, &err), N1_E_NOT_OURS);
    close(fd);
    assert_int_equal(n1_reader_open_fd(-1, &r, &err), N1_E_NOT_OURS);
    assert_null(r);
    n1_reader_close(NULL);
}

static void test_headers_that_lie(void **state)
{
    (void)state;
    size_t bytes;
    struct n1_model_header *h = copy_of_model(&bytes), good = *h;
    struct n1_reader *r = NULL;
    struct n1_error err;
#define REFUSED(change, code)                                                                                \
    do {                                                                                                     \
        change;                                                                                              \
        assert_int_equal(n1_reader_open_memory(h, bytes, &r, &err), code);                                   \
        assert_true(err.what[0]);                                                                            \
        *h = good;                                                                                           \
    } while (0)
    REFUSED(h->magic++, N1_E_NOT_OURS);
    REFUSED(h->version++, N1_E_VERSION);
    REFUSED(h->features = 1, N1_E_VERSION);
    REFUSED(h->segment_count--, N1_E_VERSION);
    REFUSED(h->total_bytes = bytes + 1, N1_E_DAMAGED);
    REFUSED(h->segments[3].kind = 4, N1_E_DAMAGED);
    REFUSED(h->segments[3].stride = 8, N1_E_DAMAGED);
    REFUSED(h->segments[3].offset = 0, N1_E_DAMAGED);
    REFUSED(h->segments[3].offset += 8, N1_E_DAMAGED);
    REFUSED(h->segments[3].offset = h->segments[4].offset, N1_E_DAMAGED);
    REFUSED(h->segments[3].offset = UINT64_MAX - 63, N1_E_DAMAGED);
    REFUSED(h->segments[3].capacity = 0, N1_E_DAMAGED);
    REFUSED(h->segments[3].capacity = UINT64_MAX / 16, N1_E_DAMAGED); /* times the stride it is small again */
    REFUSED(h->segments[15].capacity += 1 << 20, N1_E_DAMAGED);
    assert_null(r);
    assert_int_equal(n1_reader_open_memory(h, 100, &r, &err), N1_E_NOT_OURS);
    assert_int_equal(n1_reader_open_memory((char *)h + 4, bytes - 4, &r, &err), N1_E_NOT_OURS);
    free(h);
}

static void test_heads_that_lie(void **state)
{
    (void)state;
    size_t bytes;
    struct n1_model_header *h = copy_of_model(&bytes), good = *h;
    struct n1_reader *r;
    struct n1_model_sample s[8];
    uint64_t next, lost, tail, head;
    assert_int_equal(n1_reader_open_memory(h, bytes, &r, NULL), 0);
    h->heads[N1_SEGMENT_NODES] = h->segments[N1_SEGMENT_NODES].capacity + 1;
    assert_int_equal(n1_reader_begin(r), N1_E_DAMAGED);
    *h = good;
    h->tails[N1_SEGMENT_SAMPLES] = h->heads[N1_SEGMENT_SAMPLES] + 1;
    assert_int_equal(n1_reader_begin(r), N1_E_DAMAGED);
    *h = good;
    h->state = 77;
    assert_int_equal(n1_reader_begin(r), N1_E_DAMAGED);
    *h = good;
    h->generation = 5;
    assert_int_equal(n1_reader_begin(r), -EAGAIN);
    *h = good;
    /* A head far ahead is a ring that is full. */
    h->heads[N1_SEGMENT_SAMPLES] = UINT64_MAX - 3;
    assert_int_equal(n1_reader_begin(r), 0);
    head = n1_reader_count(r, N1_SEGMENT_SAMPLES, &tail);
    assert_int_equal(head - tail, n1_reader_capacity(r, N1_SEGMENT_SAMPLES));
    assert_int_equal(n1_reader_samples(r, 0, s, 8, &next, &lost), 8);
    assert_int_equal(lost, tail);
    assert_int_equal(n1_reader_samples(r, UINT64_MAX, s, 8, &next, &lost), 0);
    assert_int_equal(next, head);
    /* A node that is its own ancestor is none. */
    struct n1_model_node node;
    memcpy((char *)h + h->segments[N1_SEGMENT_NODES].offset + sizeof(node), &(uint32_t){1}, 4);
    assert_false(n1_reader_node(r, 1, &node));
    n1_reader_close(r);
    free(h);
}

static void test_a_generation_step_is_seen(void **state)
{
    (void)state;
    size_t bytes;
    struct n1_model_header *h = copy_of_model(&bytes);
    struct n1_reader *r;
    assert_int_equal(n1_reader_open_memory(h, bytes, &r, NULL), 0);
    assert_int_equal(n1_reader_begin(r), 0);
    const char *name = n1_reader_string(r, 1);
    assert_string_equal(name, "/opt/app/bin/app");
    assert_int_equal(n1_reader_end(r), 0);
    assert_int_equal(n1_reader_begin(r), 0); /* nothing changed */
    assert_ptr_equal(n1_reader_string(r, 1), name);
    h->generation++;
    assert_int_equal(n1_reader_end(r), -EAGAIN);
    assert_int_equal(n1_reader_begin(r), -EAGAIN);
    h->generation++;
    /* The step moved another string to id 1. */
    memcpy((char *)h + h->segments[N1_SEGMENT_STRING_BYTES].offset, "/XXX", 4);
    assert_int_equal(n1_reader_begin(r), 1);
    assert_string_equal(n1_reader_string(r, 1), "/XXX/app/bin/app");
    assert_int_equal(n1_reader_end(r), 0);
    assert_int_equal(n1_reader_begin(r), 0);
    n1_reader_close(r);
    free(h);
}

/* Overlong, unaligned and unclean strings in the memory. */
static void test_strings_that_lie(void **state)
{
    (void)state;
    size_t bytes;
    struct n1_model_header *h = copy_of_model(&bytes);
    struct n1_model_string *s = (void *)((char *)h + h->segments[N1_SEGMENT_STRING_INDEX].offset);
    char *text = (char *)h + h->segments[N1_SEGMENT_STRING_BYTES].offset;
    struct n1_reader *r;
    s[1].offset = 4;
    s[2].len = 4096;
    s[3].offset = 0xfffffff8;
    s[4] = (struct n1_model_string){(uint32_t)h->segments[N1_SEGMENT_STRING_BYTES].capacity - 8, 9};
    s[5] = (struct n1_model_string){0, 7};
    memcpy(text, "\x1b[2J\xff\0\n", 7);
    assert_int_equal(n1_reader_open_memory(h, bytes, &r, NULL), 0);
    assert_int_equal(n1_reader_begin(r), 0);
    for (uint32_t id = 0; id < 5; id++)
        assert_string_equal(n1_reader_string(r, id), "");
    assert_string_equal(n1_reader_string(r, 5), "?[2J???");
    n1_reader_close(r);
    free(h);
}

struct lapper {
    struct n1_writer *w;
    atomic_bool stop;
};

/* Entry number i says so in every word. */
static void *lap(void *argument)
{
    struct lapper *l = argument;
    for (uint32_t i = 0; !atomic_load_explicit(&l->stop, memory_order_relaxed); i++) {
        struct n1_model_wait wait = {.start = i,
                                     .end = i,
                                     .thread = i,
                                     .node = i,
                                     .leaf = i,
                                     .wait_class = N1_WAIT_LOCK,
                                     .resource = i,
                                     .syscall = i};
        n1_writer_wait(l->w, &wait);
    }
    return NULL;
}

/* A ring of 64 laps all the time: entries are lost and counted, but none is torn, and reading goes on. */
static void test_lapping_never_tears(void **state)
{
    (void)state;
    uint64_t capacity[N1_SEGMENT_COUNT] = {0}, next = 0, lost, seen = 0, lost_all = 0;
    struct lapper l = {0};
    struct n1_reader *r;
    pthread_t thread;
    size_t bytes;
    capacity[N1_SEGMENT_WAITS] = 64;
    assert_int_equal(n1_writer_create_private(capacity, 1, &l.w, NULL), 0);
    void *base = n1_writer_base(l.w, &bytes);
    assert_int_equal(n1_reader_open_memory(base, bytes, &r, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, lap, &l), 0);
    for (unsigned pass = 0; pass < 20000 || seen < 1000; pass++) {
        struct n1_model_wait wait[80];
        assert_int_equal(n1_reader_begin(r), 0);
        uint64_t from = next;
        size_t n = n1_reader_waits(r, from, wait, 80, &next, &lost);
        assert_int_equal(from + lost + n, next);
        for (size_t i = 0; i < n; i++) {
            uint32_t index = (uint32_t)(next - n + i);
            assert_int_equal(wait[i].start, index);
            assert_int_equal(wait[i].end, index);
            assert_true(wait[i].thread == index && wait[i].node == index && wait[i].leaf == index &&
                        wait[i].resource == index && wait[i].syscall == index);
        }
        assert_int_equal(n1_reader_end(r), 0);
        seen += n;
        lost_all += lost;
    }
    atomic_store(&l.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(seen + lost_all, next);
    n1_reader_close(r);
    n1_writer_destroy(l.w);
}

static void test_times(void **state)
{
    (void)state;
    size_t bytes;
    struct n1_model_header *h = copy_of_model(&bytes);
    struct n1_reader *r;
    uint64_t next;
    struct n1_model_sample s;
    assert_int_equal(n1_reader_open_memory(h, bytes, &r, NULL), 0);
    assert_int_equal(n1_reader_begin(r), 0);
    for (uint32_t i = 0; i < RICH_SAMPLES; i += 37) {
        assert_int_equal(n1_reader_sample_at(r, rich_time(i)), i);
        assert_int_equal(n1_reader_sample_at(r, rich_time(i) - 1), i);
    }
    assert_int_equal(n1_reader_sample_at(r, 0), 0);
    assert_int_equal(n1_reader_sample_at(r, UINT64_MAX), RICH_SAMPLES);
    assert_int_equal(n1_reader_samples(r, 7, &s, 1, &next, NULL), 1);
    assert_int_equal(s.time, rich_time(7));
    /* A sample that came late, a second out of order, is still found. */
    struct n1_model_sample *late = (void *)((char *)h + h->segments[N1_SEGMENT_SAMPLES].offset);
    late[400].time = rich_time(500) + 1;
    assert_int_equal(n1_reader_sample_at(r, rich_time(500) + 1), 400);
    n1_reader_close(r);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors_without_seals),
        cmocka_unit_test(test_headers_that_lie),
        cmocka_unit_test(test_heads_that_lie),
        cmocka_unit_test(test_a_generation_step_is_seen),
        cmocka_unit_test(test_strings_that_lie),
        cmocka_unit_test(test_lapping_never_tears),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
