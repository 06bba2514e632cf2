/*
 * Recordings: what is written comes back whole, a recording of a recording is the same bytes, a span holds
 * what it says, and no damage, wherever it lies, gives a model.
 */
#include "core/model/file_format.h"
#include "core/model/reader.h"
#include "n1/file.h"
#include "tests/unit/core/rich_model.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURE "tests/fixtures/models/v1-rich.n1"

static char folder[] = "/tmp/n1-file-XXXXXX";

static struct n1_reader *open_rich(struct n1_writer **ret)
{
    struct n1_reader *r;
    *ret = rich_model();
    assert_int_equal(n1_reader_open_fd(n1_writer_fd(*ret), &r, NULL), 0);
    assert_int_equal(n1_reader_begin(r), 0);
    strcpy(r->host, "{\"name\":\"example\",\"kernel\":\"6.1.0\",\"machine\":\"x86_64\"}");
    return r;
}

/* Records into memory; the caller frees. */
static uint8_t *record(struct n1_reader *r, n1_ns from, n1_ns to, size_t *ret_bytes)
{
    struct n1_error err = {0};
    struct stat st;
    int fd = memfd_create("recording", MFD_CLOEXEC);
    if (n1_file_write(r, fd, from, to, &err) < 0)
        fail_msg("%s", err.what);
    assert_int_equal(fstat(fd, &st), 0);
    *ret_bytes = (size_t)st.st_size;
    uint8_t *data = malloc(*ret_bytes);
    assert_int_equal(pread(fd, data, *ret_bytes, 0), *ret_bytes);
    close(fd);
    return data;
}

/* Loads bytes through a file in memory. */
static int load(const uint8_t *data, size_t bytes, struct n1_reader **ret, struct n1_error *err)
{
    char path[32];
    int fd = memfd_create("recording", MFD_CLOEXEC);
    assert_int_equal(write(fd, data, bytes), bytes);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int status = n1_reader_open_file(path, ret, err);
    close(fd);
    return status;
}

/* Every entry of every store, ids and all; both were made with nothing left out, so the ids agree too. */
static void assert_same_model(struct n1_reader *a, struct n1_reader *b)
{
    uint64_t tail_a, tail_b;
    for (int k = N1_SEGMENT_PROCESSES; k < N1_SEGMENT_COUNT; k++) {
        uint64_t head = n1_reader_count(a, k, &tail_a);
        assert_int_equal(head, n1_reader_count(b, k, &tail_b));
        assert_int_equal(tail_a, tail_b);
    }
#define TABLE(KIND, name)                                                                                    \
    for (uint32_t id = 1; id < n1_reader_count(a, N1_SEGMENT_##KIND, NULL); id++) {                          \
        struct n1_model_##name x, y;                                                                         \
        assert_true(n1_reader_##name(a, id, &x) && n1_reader_##name(b, id, &y));                             \
        assert_memory_equal(&x, &y, sizeof(x));                                                              \
    }
    TABLE(PROCESSES, process)
    TABLE(THREADS, thread)
    TABLE(MODULES, module)
    TABLE(MAPPINGS, mapping)
    TABLE(FUNCTIONS, function)
    TABLE(FRAMES, frame)
    TABLE(NODES, node)
    TABLE(SERIES, series)
#define RING(KIND, type, call)                                                                               \
    {                                                                                                        \
        uint64_t next, lost, head = n1_reader_count(a, N1_SEGMENT_##KIND, &next);                            \
        while (next < head) {                                                                                \
            struct n1_model_##type x[64], y[64];                                                             \
            uint64_t from = next;                                                                            \
            size_t n = n1_reader_##call(a, from, x, 64, &next, &lost);                                       \
            assert_int_equal(n, n1_reader_##call(b, from, y, 64, &next, &lost));                             \
            assert_memory_equal(x, y, n * sizeof(x[0]));                                                     \
        }                                                                                                    \
    }
    RING(SAMPLES, sample, samples)
    RING(WAITS, wait, waits)
    RING(SECONDS, second, seconds)
    RING(MEMORY, memory, memory)
    RING(ANOMALIES, anomaly, anomalies)
    for (uint32_t id = 1; id < n1_reader_count(a, N1_SEGMENT_SERIES, NULL); id++) {
        struct n1_model_point x[64], y[64];
        size_t n = n1_reader_points(a, id, 0, UINT64_MAX, x, 64);
        assert_true(n > 0);
        assert_int_equal(n, n1_reader_points(b, id, 0, UINT64_MAX, y, 64));
        assert_memory_equal(x, y, n * sizeof(x[0]));
    }
    for (uint32_t id = 1; id < n1_reader_count(a, N1_SEGMENT_STRING_INDEX, NULL); id++)
        assert_string_equal(n1_reader_string(a, id), n1_reader_string(b, id));
    for (int i = 0; i < N1_SELF_COUNT; i++)
        assert_int_equal(n1_reader_self(a, (enum n1_self)i), n1_reader_self(b, (enum n1_self)i));
    assert_int_equal(n1_reader_created(a), n1_reader_created(b));
    assert_int_equal(n1_reader_now(a), n1_reader_now(b));
    assert_int_equal(n1_reader_writer_pid(a), n1_reader_writer_pid(b));
    assert_int_equal(n1_reader_wall_ns(a, rich_time(5)), n1_reader_wall_ns(b, rich_time(5)));
}

static void test_it_comes_back_whole(void **state)
{
    (void)state;
    struct n1_writer *w;
    struct n1_reader *r = open_rich(&w), *back;
    size_t bytes, again_bytes;
    struct n1_error err;
    uint8_t *data = record(r, 0, UINT64_MAX, &bytes);
    assert_int_equal(load(data, bytes, &back, &err), 0);
    assert_true(n1_reader_is_file(back));
    assert_false(n1_reader_is_file(r));
    assert_int_equal(n1_reader_begin(back), 0);
    assert_int_equal(n1_reader_state(back), N1_STATE_CLOSED);
    assert_same_model(r, back);
    /* A recording of the recording is the same file. */
    uint8_t *again = record(back, 0, UINT64_MAX, &again_bytes);
    assert_int_equal(bytes, again_bytes);
    assert_memory_equal(data, again, bytes);
    assert_int_equal(n1_reader_end(back), 0);
    free(again);
    free(data);
    n1_reader_close(back);
    n1_reader_close(r);
    n1_writer_destroy(w);
}

/* A recorded file of every released version stays readable. */
static void test_fixture(void **state)
{
    (void)state;
    struct n1_writer *w;
    struct n1_error err = {0};
    struct n1_reader *r = open_rich(&w), *back;
    if (n1_reader_open_file(FIXTURE, &back, &err) < 0)
        fail_msg("%s", err.what);
    assert_int_equal(n1_reader_begin(back), 0);
    assert_same_model(r, back);
    n1_reader_close(back);
    n1_reader_close(r);
    n1_writer_destroy(w);
}

static void test_a_span(void **state)
{
    (void)state;
    struct n1_writer *w;
    struct n1_reader *r = open_rich(&w), *back;
    size_t bytes, n;
    uint64_t next;
    uint8_t *data = record(r, rich_time(205), rich_time(304), &bytes);
    struct n1_model_sample s[200];
    struct n1_model_second row[600];
    struct n1_model_wait wait[64];
    assert_int_equal(load(data, bytes, &back, NULL), 0);
    assert_int_equal(n1_reader_begin(back), 0);
    assert_int_equal(n1_reader_samples(back, 0, s, 200, &next, NULL), 100);
    for (uint32_t i = 0; i < 100; i++) {
        struct n1_model_frame leaf;
        struct n1_model_function f;
        struct n1_model_thread t;
        char name[32];
        assert_int_equal(s[i].time, rich_time(205 + i));
        assert_true(n1_reader_frame(back, s[i].leaf, &leaf));
        rich_name((205 + i) % RICH_FUNCTIONS, name);
        assert_int_equal(n1_reader_function(back, leaf.function, &f), (205 + i) % RICH_FUNCTIONS != 9);
        if (leaf.function)
            assert_string_equal(n1_reader_string(back, f.name), name);
        assert_true(n1_reader_thread(back, s[i].thread, &t));
        assert_int_equal(t.tid, 5000 + (205 + i) % 3);
        struct n1_model_node node;
        assert_true(n1_reader_node(back, s[i].node, &node));
        assert_int_equal(node.depth, 1 + (205 + i) % 5);
    }
    n = n1_reader_seconds(back, 0, row, 600, &next, NULL);
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++)
        assert_in_range(row[i].second, 2, 3);
    /* Waits that overlap: those that begin in it, and those begun before that never ended (at 0, 100, 200).
     */
    assert_int_equal(n1_reader_waits(back, 0, wait, 64, &next, NULL), 3 + 5);
    struct n1_model_point point[16];
    uint32_t series = n1_reader_series_find(back, N1_METRIC_MEM_RSS, 1);
    assert_int_equal(n1_reader_points(back, series, 0, UINT64_MAX, point, 16), 1);
    assert_int_equal(point[0].value, 1000300);
    assert_int_equal(n1_reader_now(back), rich_time(304));
    assert_int_equal(n1_reader_count(back, N1_SEGMENT_ANOMALIES, NULL), 0);
    n1_reader_close(back);
    free(data);
    /* A span without anything is a recording too. */
    data = record(r, 1, 2, &bytes);
    assert_int_equal(load(data, bytes, &back, NULL), 0);
    assert_int_equal(n1_reader_begin(back), 0);
    assert_int_equal(n1_reader_count(back, N1_SEGMENT_SAMPLES, NULL), 0);
    n1_reader_close(back);
    free(data);
    n1_reader_close(r);
    n1_writer_destroy(w);
}

static void test_into_a_pipe(void **state)
{
    (void)state;
    struct n1_writer *w;
    struct n1_reader *r = open_rich(&w);
    size_t bytes, part_bytes;
    int pipes[2];
    uint8_t *data = record(r, rich_time(0), rich_time(50), &bytes);
    uint8_t *part = malloc(bytes + 1);
    assert_int_equal(pipe(pipes), 0);
    fcntl(pipes[1], F_SETPIPE_SZ, 1 << 20);
    assert_int_equal(n1_file_write(r, pipes[1], rich_time(0), rich_time(50), NULL), 0);
    close(pipes[1]);
    part_bytes = 0;
    for (ssize_t n; (n = read(pipes[0], part + part_bytes, bytes + 1 - part_bytes)) > 0;)
        part_bytes += (size_t)n;
    close(pipes[0]);
    assert_int_equal(part_bytes, bytes);
    assert_memory_equal(part, data, bytes);
    free(part);
    free(data);
    n1_reader_close(r);
    n1_writer_destroy(w);
}

static void test_damage_is_found(void **state)
{
    (void)state;
    struct n1_writer *w;
    struct n1_reader *r = open_rich(&w), *back;
    size_t bytes;
    unsigned passed = 0, tried = 0;
    struct n1_error err;
    uint8_t *data = record(r, rich_time(100), rich_time(110), &bytes);
    /* Cut anywhere: never a model. */
    for (size_t length = 0; length < bytes; length += length < 200 || bytes - length < 200 ? 1 : 97) {
        int status = load(data, length, &back, &err);
        assert_int_equal(status, length < N1_FILE_HEADER_BYTES ? N1_E_NOT_OURS : N1_E_DAMAGED);
    }
    /* One bit flipped anywhere: a model only if it was one of a known chunk's flags, which say nothing there.
     */
    for (size_t at = 0; at < bytes; at += at < 400 ? 1 : 3) {
        data[at] ^= (uint8_t)(1 << at % 8);
        int status = load(data, bytes, &back, &err);
        tried++;
        if (status == 0) {
            passed++;
            n1_reader_close(back);
        } else {
            assert_true(status == N1_E_DAMAGED || status == N1_E_NOT_OURS || status == N1_E_VERSION);
            assert_true(err.what[0]);
        }
        data[at] ^= (uint8_t)(1 << at % 8);
    }
    assert_true(tried > 1000);
    assert_true(passed <= 4 * 17);
    /* Something after the end. */
    data = realloc(data, bytes + 100);
    memset(data + bytes, 0, 100);
    assert_int_equal(load(data, bytes + 100, &back, &err), N1_E_DAMAGED);
    free(data);
    n1_reader_close(r);
    n1_writer_destroy(w);
}

static size_t put_chunk(uint8_t *to, uint32_t type, uint32_t version, uint32_t flags, const void *payload,
                        size_t bytes)
{
    n1_put_u32(to, type);
    n1_put_u32(to + 4, version);
    n1_put_u64(to + 8, bytes);
    n1_put_u32(to + 16, n1_crc32(0, payload, bytes));
    n1_put_u32(to + 20, flags);
    memcpy(to + 24, payload, bytes);
    return 24 + bytes;
}

static size_t put_header(uint8_t *to, uint32_t major)
{
    memcpy(to, N1_FILE_MAGIC, 8);
    n1_put_u32(to + 8, major);
    n1_put_u32(to + 12, 9); /* a later minor version is read */
    n1_put_u64(to + 16, 0);
    n1_put_u32(to + 24, 32);
    n1_put_u32(to + 28, n1_crc32(0, to, 28));
    return 32;
}

/* A hand-made file: META, one chunk, END that counts `records` of it. */
static int try_file(uint32_t major, uint32_t type, uint32_t version, uint32_t flags, const void *payload,
                    size_t bytes, uint64_t records, struct n1_error *err)
{
    static uint8_t file[4096];
    uint8_t end[32] = {0};
    struct n1_reader *back;
    size_t n = put_header(file, major);
    n += put_chunk(file + n, N1_FILE_META, 1, 1, "{\"created_ns\":\"5\"}", 18);
    n += put_chunk(file + n, type, version, flags, payload, bytes);
    n1_put_u32(end, N1_FILE_META);
    n1_put_u64(end + 8, 1);
    n1_put_u32(end + 16, type);
    n1_put_u64(end + 24, records);
    n += put_chunk(file + n, N1_FILE_END, 1, 1, end, sizeof(end));
    int status = load(file, n, &back, err);
    if (status == 0) {
        assert_int_equal(n1_reader_created(back), 5);
        n1_reader_close(back);
    }
    return status;
}

static void test_versions_and_ids(void **state)
{
    (void)state;
    struct n1_error err;
    uint8_t node[12] = {0}, string[8] = {4, 0, 0, 0, 'n', 'a', 'm', 'e'};
    assert_int_equal(try_file(1, N1_FILE_STRINGS, 1, 0, string, 8, 1, &err), 0);
    assert_int_equal(try_file(2, N1_FILE_STRINGS, 1, 0, string, 8, 1, &err), N1_E_VERSION);
    assert_int_equal(try_file(1, N1_FILE_STRINGS, 2, 0, string, 8, 1, &err), N1_E_VERSION);
    /* A chunk of a later version is passed over, unless it says that it must be understood. */
    assert_int_equal(try_file(1, 999, 7, 0, "anything", 8, 3, &err), 0);
    assert_int_equal(try_file(1, 999, 7, N1_FILE_CHUNK_MUST, "anything", 8, 3, &err), N1_E_VERSION);
    assert_int_equal(try_file(1, N1_FILE_STRINGS, 1, 0, string, 8, 2, &err), N1_E_DAMAGED);
    string[0] = 5;
    assert_int_equal(try_file(1, N1_FILE_STRINGS, 1, 0, string, 8, 1, &err), N1_E_DAMAGED);
    assert_int_equal(try_file(1, N1_FILE_NODES, 1, 0, node, 12, 1, &err), 0);
    assert_int_equal(try_file(1, N1_FILE_NODES, 1, 0, node, 11, 1, &err), N1_E_DAMAGED);
    node[0] = 1; /* its own parent */
    assert_int_equal(try_file(1, N1_FILE_NODES, 1, 0, node, 12, 1, &err), N1_E_DAMAGED);
    assert_non_null(strstr(err.what, "NODES at byte 74"));
    node[0] = 0;
    node[4] = 1; /* a frame that is not there */
    assert_int_equal(try_file(1, N1_FILE_NODES, 1, 0, node, 12, 1, &err), N1_E_DAMAGED);
    assert_int_equal(try_file(1, N1_FILE_META, 1, 0, "{}", 2, 1, &err), N1_E_DAMAGED);

    struct n1_reader *back;
    assert_int_equal(n1_reader_open_file("/nonexistent/x.n1", &back, &err), N1_E_NO_FILE);
    assert_int_equal(n1_reader_open_file("/tmp", &back, &err), N1_E_NOT_OURS);
    assert_int_equal(n1_reader_open_file("/dev/zero", &back, &err), N1_E_NOT_OURS);
    assert_int_equal(n1_reader_open_file("/proc/self/exe", &back, &err), N1_E_NOT_OURS);
}

static void test_crc_is_the_common_one(void **state)
{
    (void)state;
    assert_int_equal(n1_crc32(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(n1_crc32(n1_crc32(0, "123", 3), "456789", 6), 0xcbf43926);
}

/* A disk that fills, by a limit on file size: an error, never a part of a file. */
static void test_a_write_that_fails(void **state)
{
    (void)state;
    struct n1_writer *w;
    struct n1_reader *r = open_rich(&w);
    struct n1_error err = {0};
    struct n1_output *o;
    struct rlimit old, tight;
    char path[64];
    snprintf(path, sizeof(path), "%s/big.n1", folder);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    tight = (struct rlimit){20000, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    assert_int_equal(n1_output_open(path, &o, &err), 0);
    int status = n1_file_write(r, n1_output_fd(o), 0, UINT64_MAX, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, -EFBIG);
    assert_true(err.what[0]);
    n1_output_abandon(o);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rmdir(folder), 0); /* nothing is left in it */
    assert_int_equal(mkdir(folder, 0700), 0);
    n1_reader_close(r);
    n1_writer_destroy(w);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(int argc, char **argv)
{
    /* With an argument: makes the fixture anew (a new version of the format gets a file of its own). */
    if (argc > 1) {
        struct n1_writer *w;
        struct n1_reader *r = open_rich(&w);
        int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        return n1_file_write(r, fd, 0, UINT64_MAX, NULL) == 0 ? 0 : 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc_is_the_common_one),
        cmocka_unit_test(test_it_comes_back_whole),
        cmocka_unit_test(test_fixture),
        cmocka_unit_test(test_a_span),
        cmocka_unit_test(test_into_a_pipe),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_versions_and_ids),
        cmocka_unit_test(test_a_write_that_fails),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
