/*
 * The symbol client with its real helper process: every function of libc and of a C++ program gets its own
 * name back, lines and inlines are true, and neither kills nor a full queue lose a request.
 */
#include "symbols_fixture.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>

static const char cxx_source[] =
    "#include <string>\n"
    "#include <map>\n"
    "#include <functional>\n"
    "#include <cstdio>\n"
    "#include <iostream>\n#include <regex>\n"
    "namespace shop { template <class T> struct Cart {\n"
    "  T sum{};\n"
    "  __attribute__((noinline)) T add(T x, const std::string &n) { sum += x * n.size(); return sum; }\n"
    "  virtual ~Cart() {} };\n"
    "__attribute__((noinline)) long total(Cart<long> &c) { return c.add(3, \"abc\"); } }\n"
    "int main(int argc, char **) {\n"
    "  shop::Cart<long> c; std::map<std::string, int> m; m[\"x\"] = argc;\n"
    "  std::cout << std::regex_match(\"n1\", std::regex(\"n[0-9]\"));\n"
    "  std::function<int(int)> f = [&](int v) { return v + (int)m.size(); };\n"
    "  std::printf(\"%ld %d\\n\", shop::total(c), f(argc)); return 0; }\n";

/* Lines count: the inlined position is line 2, its call line 5, the function begins at line 4. */
static const char inline_source[] =
    "extern volatile int sink; volatile int sink;\n"
    "static inline __attribute__((always_inline)) void leaf_inline(int v) { sink = v; }\n"
    "static inline __attribute__((always_inline)) void mid_inline(int v) { leaf_inline(v + 1); }\n"
    "__attribute__((noinline)) void physical(int v) {\n"
    "    mid_inline(v * 7);\n"
    "}\n"
    "int main(void) { physical(3); return 0; }\n";

static int build(void **state)
{
    if (scratch_make(state) != 0)
        return -1;
    write_file("shop.cpp", cxx_source);
    write_file("inline.c", inline_source);
    run("g++ -std=c++17 -O1 -g -static-libstdc++ -static-libgcc shop.cpp -o shop && gcc -O2 -g inline.c -o "
        "inlined");
    return 0;
}

struct check {
    const struct truths *truths;
    unsigned answered, wrong;
};

static void check_answer(void *context, const struct n1_symbol_result *result)
{
    struct check *check = context;
    const char *linkage = result->linkage[0] ? result->linkage : result->name;
    check->answered++;
    if (result->status == N1_SYMBOL_FOUND && is_name_at(check->truths, result->start, linkage) &&
        result->addr >= result->start && result->addr < result->start + result->size &&
        (result->addr != check->truths->items[result->cookie].addr || result->start == result->addr))
        return;
    check->wrong++;
    print_message("%#lx: wanted %s, got '%s' at %#lx+%lu (%s)\n", (unsigned long)result->addr,
                  check->truths->items[result->cookie].name, linkage, (unsigned long)result->start,
                  (unsigned long)result->size, n1_symbol_reason(result->status));
}

static void ask_all(struct n1_symbols *client, uint64_t key, const struct truths *truths)
{
    struct check check = {.truths = truths};
    for (size_t i = 0; i < truths->count; i++) {
        uint64_t last_byte = truths->items[i].addr + truths->items[i].size - 1;
        assert_int_equal(n1_symbols_request(client, i, key, truths->items[i].addr, 0), 0);
        assert_int_equal(n1_symbols_request(client, i, key, last_byte, 0), 0);
        if (i % 2000 == 1999)
            drain(client, check_answer, &check);
    }
    drain(client, check_answer, &check);
    assert_int_equal(check.answered, 2 * truths->count);
    assert_int_equal(check.wrong, 0);
}

static const char *libc_path(void)
{
    Dl_info info;
    assert_true(dladdr((void *)(uintptr_t)&gnu_get_libc_version, &info) != 0);
    return info.dli_fname;
}

static void test_every_function_of_a_cxx_program(void **state)
{
    (void)state;
    struct n1_symbols *client = make_client(NULL);
    struct truths truths = read_truths("shop", SHT_SYMTAB);
    assert_true(truths.count > 1000);
    add_elf(client, 1, "shop");
    ask_all(client, 1, &truths);
    struct last *last = ask(client, 1, addr_of(&truths, "_ZN4shop5totalERNS_4CartIlEE"), N1_SYMBOL_LINE);
    assert_string_equal(last->name, "shop::total(shop::Cart<long>&)");
    assert_string_equal(last->linkage, "_ZN4shop5totalERNS_4CartIlEE");
    assert_int_equal(last->result.line_status, N1_SYMBOL_FOUND);
    assert_int_equal(last->result.decl_line, 11);
    assert_string_equal(last->decl_file, in_scratch("shop.cpp"));
    free_truths(&truths);
    n1_symbols_destroy(client);
}

static void test_every_exported_function_of_libc(void **state)
{
    (void)state;
    /* Without debug files only .dynsym names libc, so its names are the truth. */
    struct n1_symbols_options options = {.debug_dir = "/nonexistent"};
    struct n1_symbols *client = make_client(&options);
    struct truths truths = read_truths(libc_path(), SHT_DYNSYM);
    assert_true(truths.count > 2000);
    /* Through a descriptor and no path: no debug file beside it, and none in the process's root. */
    struct n1_symbol_module module = {.kind = N1_SYMBOL_ELF, .take_fd = open_file(libc_path())};
    assert_int_equal(n1_symbols_module_add(client, 9, &module), 0);
    module.take_fd = -1;
    assert_int_equal(n1_symbols_module_add(client, 9, &module), -EEXIST);
    struct check check = {.truths = &truths};
    for (size_t i = 0; i < truths.count; i++)
        assert_int_equal(n1_symbols_request(client, i, 9, truths.items[i].addr, 0), 0);
    drain(client, check_answer, &check);
    assert_int_equal(check.answered, truths.count);
    assert_int_equal(check.wrong, 0);
    assert_string_equal(ask(client, 9, addr_of(&truths, "malloc"), 0)->name, "malloc");
    assert_string_equal(ask(client, 9, addr_of(&truths, "__write"), 0)->name, "write");
    assert_string_equal(ask(client, 9, addr_of(&truths, "qsort"), 0)->name, "qsort");
    free_truths(&truths);
    n1_symbols_destroy(client);
}

static void test_lines_and_inlines(void **state)
{
    (void)state;
    struct n1_symbols *client = make_client(NULL);
    struct truths truths = read_truths("inlined", SHT_SYMTAB);
    uint64_t start = addr_of(&truths, "physical"), size = 0;
    unsigned inside = 0;
    for (size_t i = 0; i < truths.count; i++)
        if (truths.items[i].addr == start)
            size = truths.items[i].size;
    add_elf(client, 1, "inlined");
    for (uint64_t addr = start; addr < start + size; addr++) {
        struct last *last = ask(client, 1, addr, N1_SYMBOL_LINE | N1_SYMBOL_INLINES);
        assert_string_equal(last->name, "physical");
        assert_int_equal(last->result.line_status, N1_SYMBOL_FOUND);
        assert_int_equal(last->result.decl_line, 4);
        assert_string_equal(last->file, in_scratch("inline.c"));
        if (last->result.inline_count != 2)
            continue;
        inside++;
        assert_string_equal(last->inlined[0], "leaf_inline");
        assert_string_equal(last->inlined[1], "mid_inline");
        assert_int_equal(last->inlined_line[0], 2);
        assert_int_equal(last->inlined_line[1], 3);
        assert_int_equal(last->result.line, 2);
        assert_int_equal(last->result.own_line, 5);
    }
    assert_true(inside > 0);
    free_truths(&truths);
    n1_symbols_destroy(client);
}

static void test_a_killed_helper_loses_no_request(void **state)
{
    (void)state;
    struct n1_symbols *client = make_client(NULL);
    struct truths truths = read_truths("shop", SHT_SYMTAB);
    struct check check = {.truths = &truths};
    struct n1_symbols_stats stats;
    add_elf(client, 1, "shop");
    for (size_t i = 0; i < truths.count; i++)
        assert_int_equal(n1_symbols_request(client, i, 1, truths.items[i].addr, 0), 0);
    n1_symbols_pump(client, check_answer, &check); /* starts it and sends */
    assert_true(n1_symbols_helper_pid(client) > 0);
    assert_int_equal(kill(n1_symbols_helper_pid(client), SIGKILL), 0);
    drain(client, check_answer, &check);
    assert_int_equal(check.answered, truths.count);
    assert_int_equal(check.wrong, 0);
    /* Killed while it idles: the next request starts another. */
    assert_int_equal(kill(n1_symbols_helper_pid(client), SIGKILL), 0);
    assert_string_equal(ask(client, 1, addr_of(&truths, "main"), 0)->name, "main");
    n1_symbols_stats(client, &stats);
    assert_int_equal(stats.helper_starts, 3);
    assert_int_equal(stats.helper_crashes, 2);
    assert_int_equal(stats.requested, stats.answered);
    free_truths(&truths);
    n1_symbols_destroy(client);
}

static void test_an_idle_helper_ends_and_comes_back(void **state)
{
    (void)state;
    struct n1_symbols_options options = {.idle_ms = 20};
    struct n1_symbols *client = make_client(&options);
    struct truths truths = read_truths("shop", SHT_SYMTAB);
    struct n1_symbols_stats stats;
    struct last last = {0};
    add_elf(client, 1, "shop");
    ask(client, 1, addr_of(&truths, "main"), 0);
    while (n1_symbols_helper_pid(client) > 0) {
        struct pollfd wait = {.fd = n1_symbols_fd(client), .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 20000), 1);
        n1_symbols_pump(client, keep_last, &last);
    }
    assert_string_equal(ask(client, 1, addr_of(&truths, "main"), 0)->name, "main");
    n1_symbols_stats(client, &stats);
    assert_true(stats.helper_starts >= 2);
    assert_int_equal(stats.helper_crashes, 0);
    free_truths(&truths);
    n1_symbols_destroy(client);
}

static void test_a_full_queue_is_counted_and_can_be_asked_again(void **state)
{
    (void)state;
    struct n1_symbols_options options = {.queue_max = 8};
    struct n1_symbols *client = make_client(&options);
    struct n1_symbols_stats stats;
    struct last last = {0};
    add_elf(client, 1, "shop");
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(n1_symbols_request(client, i, 1, i, 0), 0);
    assert_int_equal(n1_symbols_request(client, 8, 1, 8, 0), -EAGAIN);
    drain(client, keep_last, &last);
    assert_int_equal(last.count, 8);
    assert_int_equal(n1_symbols_request(client, 8, 1, 8, 0), 0);
    drain(client, keep_last, &last);
    n1_symbols_stats(client, &stats);
    assert_int_equal(stats.dropped, 1);
    assert_int_equal(stats.answered, 9);
    assert_int_equal(n1_symbols_request(client, 8, 2, 8, 0), -ENOENT);
    n1_symbols_destroy(client);
}

static void test_reasons_when_unknown(void **state)
{
    (void)state;
    struct n1_symbols *client = make_client(NULL);
    struct n1_symbol_module missing = {.kind = N1_SYMBOL_ELF, .take_fd = -1};
    struct n1_symbol_module no_map = {.kind = N1_SYMBOL_PERF_MAP, .take_fd = -1, .pid = getpid()};
    add_elf(client, 1, "inlined");
    add_elf(client, 2, "inline.c");
    assert_int_equal(n1_symbols_module_add(client, 3, &missing), 0);
    assert_int_equal(n1_symbols_module_add(client, 4, &no_map), 0);
    assert_int_equal(ask(client, 1, 1, 0)->result.status, N1_SYMBOL_NO_SYMBOL);
    assert_int_equal(ask(client, 2, 0x1000, 0)->result.status, N1_SYMBOL_NOT_ELF);
    assert_int_equal(ask(client, 3, 0x1000, 0)->result.status, N1_SYMBOL_NO_FILE);
    assert_int_equal(ask(client, 4, 0x1000, 0)->result.status, N1_SYMBOL_NO_MAP);
    assert_int_equal(ask(client, 4, 0x2000, 0)->result.status, N1_SYMBOL_NO_MAP);
    assert_int_equal(n1_symbols_request(client, 1, 1, 1, 0), 0);
    assert_int_equal(n1_symbols_module_remove(client, 1), 0);
    assert_false(n1_symbols_module_known(client, 1));
    struct last last = {0};
    drain(client, keep_last, &last);
    assert_int_equal(last.result.status, N1_SYMBOL_NO_FILE);
    for (unsigned i = 0; i < N1_SYMBOL_STATUS_COUNT; i++)
        assert_true(i == N1_SYMBOL_FOUND || strlen(n1_symbol_reason((enum n1_symbol_status)i)) > 4);
    n1_symbols_destroy(client);
}

static void test_vdso_image(void **state)
{
    (void)state;
    unsigned long start, end;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    bool found = false;
    while (!found && fgets(line, sizeof(line), maps))
        found = strstr(line, "[vdso]") && sscanf(line, "%lx-%lx", &start, &end) == 2;
    fclose(maps);
    if (!found)
        skip();
    int image = memfd_create("vdso", MFD_CLOEXEC);
    assert_int_equal(write(image, (const void *)start, end - start), (ssize_t)(end - start));
    struct n1_symbols *client = make_client(NULL);
    struct truths truths = {0};
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", image);
    truths = read_truths(path, SHT_DYNSYM);
    assert_true(truths.count > 0);
    struct n1_symbol_module module = {.kind = N1_SYMBOL_ELF, .take_fd = image};
    assert_int_equal(n1_symbols_module_add(client, 5, &module), 0);
    ask_all(client, 5, &truths);
    free_truths(&truths);
    n1_symbols_destroy(client);
}

static void test_plt_stubs_are_named(void **state)
{
    (void)state;
    int fd = open_file("shop");
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    size_t names;
    uint64_t plt = 0, size = 0;
    elf_getshdrstrndx(elf, &names);
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        GElf_Shdr header;
        gelf_getshdr(section, &header);
        const char *name = elf_strptr(elf, names, header.sh_name);
        if (strcmp(name, ".plt.sec") == 0 || (strcmp(name, ".plt") == 0 && plt == 0)) {
            plt = header.sh_addr + (name[4] ? 0 : 16); /* .plt begins with the resolver's stub */
            size = header.sh_size - (name[4] ? 0 : 16);
        }
    }
    elf_end(elf);
    close(fd);
    assert_true(size >= 16);
    struct n1_symbols *client = make_client(NULL);
    add_elf(client, 1, "shop");
    for (uint64_t addr = plt; addr < plt + size; addr += 16) {
        struct last *last = ask(client, 1, addr + 4, 0);
        assert_int_equal(last->result.status, N1_SYMBOL_FOUND);
        const char *text = last->linkage[0] ? last->linkage : last->name;
        assert_true(strlen(text) > 4 && strcmp(text + strlen(text) - 4, "@plt") == 0);
        assert_int_equal(last->result.start, addr);
    }
    n1_symbols_destroy(client);
}

static unsigned count_fds(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void test_no_descriptor_is_left(void **state)
{
    (void)state;
    unsigned before = count_fds();
    struct n1_symbols *client = make_client(NULL);
    add_elf(client, 1, "shop");
    add_elf(client, 2, "inlined");
    ask(client, 1, 0x1000, N1_SYMBOL_LINE);
    ask(client, 2, 0x1000, 0);
    n1_symbols_module_remove(client, 2);
    pid_t helper = n1_symbols_helper_pid(client);
    n1_symbols_destroy(client);
    assert_int_equal(count_fds(), before);
    assert_true(kill(helper, 0) < 0 && errno == ESRCH);
    n1_symbols_destroy(NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_every_function_of_a_cxx_program),
    cmocka_unit_test(test_every_exported_function_of_libc),
    cmocka_unit_test(test_lines_and_inlines),
    cmocka_unit_test(test_a_killed_helper_loses_no_request),
    cmocka_unit_test(test_an_idle_helper_ends_and_comes_back),
    cmocka_unit_test(test_a_full_queue_is_counted_and_can_be_asked_again),
    cmocka_unit_test(test_reasons_when_unknown),
    cmocka_unit_test(test_vdso_image),
    cmocka_unit_test(test_plt_stubs_are_named),
    cmocka_unit_test(test_no_descriptor_is_left),
};

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], N1_SYMBOLS_HELPER_ARG) == 0)
        return n1_symbols_helper_main(atoi(argv[2]));
    return cmocka_run_group_tests(tests, build, scratch_remove);
}
