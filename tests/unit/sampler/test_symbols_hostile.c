/*
 * Hostile files and a hostile place: damaged ELF in many ways never ends the client and always gets an answer
 * with a reason, a file that kills the helper is given up, and the helper's rights are gone.
 */
#include "symbols_fixture.h"

#include "sampler/symbols/sandbox.h"
#include "sampler/symbols/symbol_table.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define VARIANTS 2000

static uint8_t *image;
static size_t image_len;
static uint64_t some_addr;

static int build(void **state)
{
    if (scratch_make(state) != 0)
        return -1;
    write_file("app.cpp", "#include <string>\n"
                          "static inline std::string twice(const std::string &s) { return s + s; }\n"
                          "struct Shape { virtual ~Shape() {} virtual int area(int x) { return x; } };\n"
                          "struct Square : Shape { int area(int x) override { return x * x; } };\n"
                          "int work(Shape &s, int n) { return s.area(n) + (int)twice(\"ab\").size(); }\n"
                          "int main(int argc, char **) { Square q; return work(q, argc); }\n");
    run("g++ -O1 -g app.cpp -o app");
    struct truths truths = read_truths("app", SHT_SYMTAB);
    some_addr = addr_of(&truths, "_Z4workR5Shapei");
    free_truths(&truths);
    FILE *f = fopen(in_scratch("app"), "re");
    fseek(f, 0, SEEK_END);
    image_len = (size_t)ftell(f);
    rewind(f);
    image = malloc(image_len);
    size_t got = fread(image, 1, image_len, f);
    fclose(f);
    return got == image_len ? 0 : -1;
}

static int finish(void **state)
{
    free(image);
    return scratch_remove(state);
}

/* Variant `n` of the image: cut short, or with random bytes changed, most of them where the headers and
 * tables lie. */
static size_t make_variant(unsigned n, uint8_t *out)
{
    size_t len = image_len;
    memcpy(out, image, image_len);
    srand(n + 1);
    if (n % 4 == 0)
        len = n < 400 ? (size_t)n : (size_t)rand() % image_len;
    for (unsigned i = 0, flips = 1 + (unsigned)rand() % 60; n % 4 && i < flips; i++) {
        size_t at = (size_t)rand() % image_len;
        if (n % 4 == 1)
            at %= 1024; /* ELF and program headers */
        if (n % 4 == 2)
            at = image_len - 1 - at % 4096; /* section headers */
        out[at] = (uint8_t)(rand() % 3 ? rand() : rand() % 2 ? 0xff : 0);
    }
    return len;
}

static void check_reason(void *context, const struct n1_symbol_result *result)
{
    unsigned *counts = context;
    counts[0]++;
    counts[1] += result->status == N1_SYMBOL_FOUND;
    if (result->status == N1_SYMBOL_FOUND)
        assert_true(result->name[0] != '\0' && result->size > 0);
    else
        assert_true(strlen(n1_symbol_reason(result->status)) > 4);
    if (result->line_status != N1_SYMBOL_FOUND)
        assert_true(strlen(n1_symbol_reason(result->line_status)) > 4);
}

static void test_damaged_files_never_kill_the_client(void **state)
{
    (void)state;
    struct n1_symbols *client = make_client(NULL);
    uint8_t *variant = malloc(image_len);
    unsigned counts[2] = {0};
    for (unsigned n = 0; n < VARIANTS; n++) {
        size_t len = make_variant(n, variant);
        struct n1_symbol_module module = {.kind = N1_SYMBOL_ELF,
                                          .take_fd = memfd_create("variant", MFD_CLOEXEC)};
        assert_true(module.take_fd >= 0);
        assert_int_equal(write(module.take_fd, variant, len), (ssize_t)len);
        assert_int_equal(n1_symbols_module_add(client, n, &module), 0);
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(n1_symbols_request(client, i, n, some_addr + i * 9,
                                                i % 2 ? N1_SYMBOL_LINE | N1_SYMBOL_INLINES : 0),
                             0);
        if (n % 16 != 15)
            continue;
        drain(client, check_reason, counts);
        for (unsigned i = n - 15; i <= n; i++)
            assert_int_equal(n1_symbols_module_remove(client, i), 0);
        drain(client, check_reason, counts);
    }
    struct n1_symbols_stats stats;
    n1_symbols_stats(client, &stats);
    print_message("%u answers, %u with a name, %lu helpers started, %lu crashed\n", counts[0], counts[1],
                  (unsigned long)stats.helper_starts, (unsigned long)stats.helper_crashes);
    assert_int_equal(counts[0], 4 * VARIANTS);
    assert_true(counts[1] > VARIANTS && counts[1] < 4 * VARIANTS);
    free(variant);
    n1_symbols_destroy(client);
}

/* The same tables without the helper between, so that a sanitizer sees every read. */
static void test_damaged_files_in_this_process(void **state)
{
    (void)state;
    uint8_t *variant = malloc(image_len);
    for (unsigned n = 0; n < VARIANTS; n++) {
        uint8_t *exact = malloc(image_len);
        size_t len = make_variant(n, variant);
        struct n1_elf elf;
        struct n1_symbol_table table;
        struct n1_symbol_hit hit;
        char link[256];
        uint8_t id[64];
        uint32_t crc;
        memcpy(exact, variant, len);
        if (n1_elf_init_memory(&elf, exact, len) == N1_SYMBOL_FOUND) {
            n1_elf_debuglink(&elf, link, sizeof(link), &crc);
            assert_true(n1_elf_build_id(&elf, id, sizeof(id)) <= sizeof(id));
            enum n1_symbol_status status = n1_symbol_table_build(&table, &elf, NULL);
            for (uint64_t addr = 0; status == N1_SYMBOL_FOUND && addr < 0x6000; addr += 32)
                if (n1_symbol_table_find(&table, addr, &hit))
                    assert_true(addr >= hit.start && addr - hit.start < hit.size && hit.linkage[0]);
            n1_symbol_table_finish(&table);
            n1_elf_finish(&elf);
        }
        free(exact);
    }
    free(variant);
}

/* A file that cannot be finished in time: the helper hangs on it, is ended, and the file is given up. */
static void test_a_file_that_hangs_the_helper_is_given_up(void **state)
{
    (void)state;
    struct n1_symbols_options options = {.watchdog_ms = 300};
    struct n1_symbols *client = make_client(&options);
    struct n1_symbols_stats stats;
    struct last last = {0};
    add_elf(client, 1, "app");
    assert_int_equal(ask(client, 1, some_addr, 0)->result.status, N1_SYMBOL_FOUND);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(kill(n1_symbols_helper_pid(client), SIGSTOP), 0);
        assert_int_equal(n1_symbols_request(client, i, 1, some_addr, 0), 0);
        do {
            struct pollfd wait = {.fd = n1_symbols_fd(client), .events = POLLIN};
            assert_int_equal(poll(&wait, 1, 60000), 1);
            n1_symbols_pump(client, keep_last, &last);
            n1_symbols_stats(client, &stats);
        } while (stats.pending > 0);
    }
    assert_true(stats.helper_crashes >= 2); /* a starved one may be ended before it has started */
    assert_int_equal(last.result.status, N1_SYMBOL_DAMAGED);
    assert_string_equal(n1_symbol_reason(last.result.status), "no symbols: damaged file");
    n1_symbols_destroy(client);
}

/* Line information that crashes the helper costs the lines, never the names. */
static void test_lines_that_crash_the_helper_are_given_up(void **state)
{
    (void)state;
    struct n1_symbols *client = make_client(NULL);
    struct n1_symbols_stats stats;
    struct last last = {0};
    add_elf(client, 1, "app");
    assert_int_equal(ask(client, 1, some_addr, N1_SYMBOL_LINE)->result.line_status, N1_SYMBOL_FOUND);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(kill(n1_symbols_helper_pid(client), SIGSTOP), 0);
        assert_int_equal(n1_symbols_request(client, i, 1, some_addr, N1_SYMBOL_LINE), 0);
        n1_symbols_pump(client, keep_last, &last); /* the request is with the helper now */
        assert_int_equal(kill(n1_symbols_helper_pid(client), SIGSEGV), 0);
        assert_int_equal(kill(n1_symbols_helper_pid(client), SIGCONT), 0);
        drain(client, keep_last, &last);
        assert_int_equal(last.result.status, N1_SYMBOL_FOUND);
        assert_int_equal(last.result.line_status, i == 0 ? N1_SYMBOL_FOUND : N1_SYMBOL_LINES_DAMAGED);
    }
    n1_symbols_stats(client, &stats);
    assert_int_equal(stats.helper_crashes, 2);
    assert_int_equal(ask(client, 1, some_addr, 0)->result.status, N1_SYMBOL_FOUND);
    n1_symbols_destroy(client);
}

static void test_the_helper_holds_no_rights(void **state)
{
    (void)state;
    struct n1_symbols *client = make_client(NULL);
    char path[64], line[256];
    unsigned seen = 0;
    add_elf(client, 1, "app");
    ask(client, 1, some_addr, N1_SYMBOL_LINE);
    snprintf(path, sizeof(path), "/proc/%d/status", (int)n1_symbols_helper_pid(client));
    FILE *f = fopen(path, "re");
    while (fgets(line, sizeof(line), f)) {
        seen += strcmp(line, "NoNewPrivs:\t1\n") == 0 || strcmp(line, "Seccomp:\t2\n") == 0 ||
                strcmp(line, "CapPrm:\t0000000000000000\n") == 0 ||
                strcmp(line, "CapEff:\t0000000000000000\n") == 0 ||
                strcmp(line, "CapAmb:\t0000000000000000\n") == 0;
        if (strncmp(line, "Uid:", 4) == 0 && geteuid() == 0)
            assert_string_equal(line, "Uid:\t65534\t65534\t65534\t65534\n");
    }
    fclose(f);
    assert_int_equal(seen, 5);
    n1_symbols_destroy(client);
}

static int try_everything(void)
{
    if (n1_sandbox_enter() < 0)
        return 1;
    char byte;
    int failed = 0;
    failed |= open("/etc/passwd", O_RDONLY) >= 0 ? 2 : 0;
    failed |= socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 4 : 0;
    failed |= fork() >= 0 ? 8 : 0;
    char *const argv[] = {NULL};
    failed |= execve("/bin/true", argv, argv) == 0 ? 16 : 0;
    failed |=
        mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ? 32 : 0;
    failed |= kill(getppid(), 0) == 0 ? 64 : 0;
    failed |= write(1, &byte, 0) >= 0 ? 128 : 0;
    return failed;
}

static void test_the_sandbox_refuses(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(try_everything());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_damaged_files_never_kill_the_client),
    cmocka_unit_test(test_damaged_files_in_this_process),
    cmocka_unit_test(test_a_file_that_hangs_the_helper_is_given_up),
    cmocka_unit_test(test_lines_that_crash_the_helper_are_given_up),
    cmocka_unit_test(test_the_helper_holds_no_rights),
    cmocka_unit_test(test_the_sandbox_refuses),
};

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], N1_SYMBOLS_HELPER_ARG) == 0)
        return n1_symbols_helper_main(atoi(argv[2]));
    return cmocka_run_group_tests(tests, build, finish);
}
