/*
 * Tables that are not ELF: perf maps (against a painted memory as oracle), kernel symbols, and readable
 * names.
 */
#include "symbols_fixture.h"

#include "sampler/symbols/debug_file.h"
#include "sampler/symbols/demangle.h"
#include "sampler/symbols/perf_map.h"

static struct n1_perf_map open_map(const char *name)
{
    struct n1_perf_map map;
    n1_perf_map_init(&map, open_file(name));
    assert_int_equal(n1_perf_map_refresh(&map), N1_SYMBOL_FOUND);
    return map;
}

static void close_map(struct n1_perf_map *map)
{
    n1_perf_map_finish(map);
    close(map->fd);
}

static void append_file(const char *name, const char *text)
{
    FILE *f = fopen(in_scratch(name), "ae");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static const char *name_at(const struct n1_perf_map *map, uint64_t addr)
{
    static struct n1_symbol_hit hit;
    return n1_perf_map_find(map, addr, &hit) ? hit.linkage : "";
}

static void test_map_is_read_by_its_tail(void **state)
{
    (void)state;
    write_file("map", "1000 100 first one\n0x2000 0x40 second\n2040 10 unfinish");
    struct n1_perf_map map = open_map("map");
    assert_string_equal(name_at(&map, 0x1000), "first one");
    assert_string_equal(name_at(&map, 0x10ff), "first one");
    assert_string_equal(name_at(&map, 0x1100), "");
    assert_string_equal(name_at(&map, 0x2001), "second");
    assert_string_equal(name_at(&map, 0x2040), "");
    append_file("map", "ed\n1080 20 later\n");
    assert_int_equal(n1_perf_map_refresh(&map), N1_SYMBOL_FOUND);
    assert_string_equal(name_at(&map, 0x2040), "unfinished");
    assert_string_equal(name_at(&map, 0x1080), "later");
    assert_string_equal(name_at(&map, 0x107f), "first one");
    assert_string_equal(name_at(&map, 0x10a0), "first one");
    struct n1_symbol_hit hit;
    assert_true(n1_perf_map_find(&map, 0x10a0, &hit));
    assert_int_equal(hit.start, 0x1000);
    /* A shorter file is a new one. */
    write_file("map", "9000 10 anew\n");
    assert_int_equal(n1_perf_map_refresh(&map), N1_SYMBOL_FOUND);
    assert_string_equal(name_at(&map, 0x1000), "");
    assert_string_equal(name_at(&map, 0x9000), "anew");
    close_map(&map);
}

static void test_hostile_lines_are_refused(void **state)
{
    (void)state;
    write_file(
        "map",
        "\n \nzz 10 a\n1000\n1000 \n1000 10\n1000 10 \n1000 0 empty\n11112222333344445 10 wide\n"
        "ffffffffffffff00 200 wraps\n1000 ffffffffffffffff huge\n-1 10 minus\n0x 10 none\n3000 8 good\n");
    struct n1_perf_map map = open_map("map");
    assert_int_equal(map.count, 1);
    assert_int_equal(map.refused, 13);
    assert_string_equal(name_at(&map, 0x3007), "good");
    close_map(&map);
    /* A line without end is skipped, what follows it counts. */
    FILE *f = fopen(in_scratch("map"), "we");
    for (unsigned i = 0; i < 300000; i++)
        fputc('a', f);
    fputs("\n4000 8 after\n", f);
    fclose(f);
    map = open_map("map");
    assert_string_equal(name_at(&map, 0x4000), "after");
    close_map(&map);
}

#define PAINT 4096

static void test_overlaps_against_a_painted_memory(void **state)
{
    (void)state;
    srand(12345);
    for (unsigned round = 0; round < 60; round++) {
        static int painted[PAINT];
        memset(painted, 0, sizeof(painted));
        write_file("map", "");
        struct n1_perf_map map = open_map("map");
        int id = 0;
        for (unsigned batch = 0; batch < 4; batch++) {
            char text[16384];
            size_t len = 0;
            for (unsigned i = 0; i < 120; i++) {
                unsigned start = (unsigned)rand() % (PAINT - 1),
                         size = 1 + (unsigned)rand() % (round % 2 ? 600 : 40);
                if (start + size > PAINT)
                    size = PAINT - start;
                id++;
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%x %x f%d\n", start, size, id);
                for (unsigned a = start; a < start + size; a++)
                    painted[a] = id;
            }
            append_file("map", text);
            assert_int_equal(n1_perf_map_refresh(&map), N1_SYMBOL_FOUND);
            for (unsigned a = 0; a < PAINT; a++) {
                char want[16] = "";
                if (painted[a])
                    snprintf(want, sizeof(want), "f%d", painted[a]);
                if (strcmp(name_at(&map, a), want) != 0)
                    fail_msg("round %u batch %u at %x: '%s', painted '%s'", round, batch, a, name_at(&map, a),
                             want);
            }
        }
        close_map(&map);
    }
}

static void test_own_map_through_the_client(void **state)
{
    (void)state;
    char path[64], command[256];
    struct n1_symbols *client = make_client(NULL);
    struct n1_symbol_module module = {.kind = N1_SYMBOL_PERF_MAP, .take_fd = -1, .pid = getpid()};
    int fd;
    snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs("7f0000001000 80 LazyCompile:*hot \033[31m/app.js:3\n", f);
    fflush(f);
    assert_int_equal(n1_symbols_module_add(client, 1, &module), 0);
    assert_string_equal(ask(client, 1, 0x7f0000001010, 0)->name, "LazyCompile:*hot ?[31m/app.js:3");
    fputs("7f0000002000 80 second\n", f);
    fclose(f);
    assert_string_equal(ask(client, 1, 0x7f0000002000, 0)->name, "second");
    assert_int_equal(ask(client, 1, 0x7f0000003000, 0)->result.status, N1_SYMBOL_NO_SYMBOL);
    n1_symbols_destroy(client);
    assert_int_equal(unlink(path), 0);
    snprintf(command, sizeof(command), "ln -s /etc/passwd %s", path);
    assert_int_equal(system(command), 0);
    assert_int_equal(n1_perf_map_open(getpid(), &fd), -EINVAL);
    assert_int_equal(unlink(path), 0);
    if (geteuid() == 0) {
        f = fopen(path, "we");
        fclose(f);
        assert_int_equal(chown(path, 65534, 65534), 0);
        assert_int_equal(n1_perf_map_open(getpid(), &fd), -EPERM);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(n1_perf_map_open(getpid(), &fd), -ENOENT);
}

static void test_kernel_symbols(void **state)
{
    (void)state;
    struct n1_symbol_table table;
    struct n1_symbol_hit hit;
    write_file("kallsyms",
               "0000000000000000 A percpu\nffffffff81000000 T _stext\nffffffff81000000 T startup\n"
               "ffffffff81000100 t do_work\nffffffff81000200 D data\nffffffff81000300 W weak_one\n"
               "ffffffffc0201000 t nf_hook\t[nf_tables]\nffffffffc0201040 t garbage");
    int fd = open_file("kallsyms");
    assert_int_equal(n1_symbol_table_build_kernel(&table, fd), N1_SYMBOL_FOUND);
    assert_true(n1_symbol_table_find(&table, 0xffffffff81000010, &hit));
    assert_string_equal(hit.linkage, "startup");
    assert_true(n1_symbol_table_find(&table, 0xffffffff810001ff, &hit));
    assert_string_equal(hit.linkage, "do_work");
    assert_int_equal(hit.start, 0xffffffff81000100);
    assert_true(n1_symbol_table_find(&table, 0xffffffffc0201001, &hit));
    assert_string_equal(hit.linkage, "nf_hook [nf_tables]");
    assert_false(n1_symbol_table_find(&table, 0xffffffffc0300000, &hit));
    assert_false(n1_symbol_table_find(&table, 0x1000, &hit));
    n1_symbol_table_finish(&table);
    close(fd);
    write_file("kallsyms", "0000000000000000 T _stext\n0000000000000000 t hidden\n");
    fd = open_file("kallsyms");
    assert_int_equal(n1_symbol_table_build_kernel(&table, fd), N1_SYMBOL_NOT_PERMITTED);
    n1_symbol_table_finish(&table);
    close(fd);
}

static void test_kernel_symbols_of_this_host(void **state)
{
    (void)state;
    unsigned long addr = 0;
    char type, name[256], line[512];
    FILE *f = fopen("/proc/kallsyms", "re");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "%lx %c %255s", &addr, &type, name) == 3 && strcmp(name, "do_sys_openat2") == 0)
            break;
    if (f)
        fclose(f);
    struct n1_symbols *client = make_client(NULL);
    struct n1_symbol_module module = {.kind = N1_SYMBOL_KALLSYMS, .take_fd = -1};
    assert_int_equal(n1_symbols_module_add(client, 1, &module), 0);
    if (addr != 0) {
        assert_string_equal(ask(client, 1, addr + 1, 0)->name, "do_sys_openat2");
    } else {
        enum n1_symbol_status status = ask(client, 1, 0xffffffff81000000, 0)->result.status;
        assert_true(status == N1_SYMBOL_NOT_PERMITTED || status == N1_SYMBOL_NO_FILE);
    }
    n1_symbols_destroy(client);
}

static void test_demangling(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        enum n1_demangle_result result;
    } cases[] = {
        {"main", "main", N1_DEMANGLE_PLAIN},
        {"memcpy.cold", "memcpy.cold", N1_DEMANGLE_PLAIN},
        {"_ZN4shop5totalERNS_4CartIlEE", "shop::total(shop::Cart<long>&)", N1_DEMANGLE_DONE},
        {"_ZNKSt6vectorIiSaIiEE4sizeEv", "std::vector<int, std::allocator<int> >::size() const",
         N1_DEMANGLE_DONE},
        {"_Z3foov.cold", "foo() [clone .cold]", N1_DEMANGLE_DONE},
        {"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad", N1_DEMANGLE_DONE},
        {"_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$"
         "3bar17h930b740aa94f1d3aE",
         "<Test + 'static as foo::Bar<Test>>::bar", N1_DEMANGLE_DONE},
        {"_RNvC6_123foo3bar", "123foo::bar", N1_DEMANGLE_DONE},
        {"_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar", N1_DEMANGLE_DONE},
        {"_Znot_a_name", "_Znot_a_name", N1_DEMANGLE_FAILED},
        {"_Z", "_Z", N1_DEMANGLE_FAILED},
        {"_R", "_R", N1_DEMANGLE_FAILED},
        {"", "", N1_DEMANGLE_PLAIN},
    };
    char out[N1_SYMBOL_NAME_MAX];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(n1_demangle(cases[i].name, out, sizeof(out)), cases[i].result);
        assert_string_equal(out, cases[i].text);
    }
}

static void test_demangling_stays_bounded(void **state)
{
    (void)state;
    char name[6000], out[N1_SYMBOL_NAME_MAX];
    /* Each substitution doubles the text: 2^60 characters from a hundred. */
    size_t len = (size_t)snprintf(name, sizeof(name), "_Z1fI1AIiiE");
    for (unsigned i = 0; i < 30; i++)
        len += (size_t)snprintf(name + len, sizeof(name) - len, "1BIS%c_S%c_E",
                                "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i],
                                "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i]);
    snprintf(name + len, sizeof(name) - len, "EvT_");
    n1_demangle(name, out, sizeof(out));
    assert_true(strlen(out) < sizeof(out));
    /* Nesting beyond any stack, and a name longer than any decoder should see. */
    memset(name, 'P', 4000);
    memcpy(name, "_Z1f", 4);
    memcpy(name + 4000, "i", 2);
    n1_demangle(name, out, sizeof(out));
    assert_true(strlen(out) < sizeof(out));
    memset(name, 'a', 5999);
    name[5999] = '\0';
    assert_int_equal(n1_demangle(name, out, sizeof(out)), N1_DEMANGLE_PLAIN);
    assert_int_equal(strlen(out), sizeof(out) - 1);
    assert_string_equal(out + sizeof(out) - 4, "...");
    memcpy(name, "_ZN", 3);
    assert_int_equal(n1_demangle(name, out, sizeof(out)), N1_DEMANGLE_FAILED);
    /* A readable name that is too long is cut where the buffer ends. */
    len = (size_t)snprintf(name, sizeof(name), "_Z4longi");
    for (unsigned i = 0; i < 230; i++)
        len += (size_t)snprintf(name + len, sizeof(name) - len, "%s", "PPPi");
    assert_int_equal(n1_demangle(name, out, sizeof(out)), N1_DEMANGLE_DONE);
    assert_int_equal(strlen(out), sizeof(out) - 1);
    assert_string_equal(out + sizeof(out) - 4, "...");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_map_is_read_by_its_tail),
    cmocka_unit_test(test_hostile_lines_are_refused),
    cmocka_unit_test(test_overlaps_against_a_painted_memory),
    cmocka_unit_test(test_own_map_through_the_client),
    cmocka_unit_test(test_kernel_symbols),
    cmocka_unit_test(test_kernel_symbols_of_this_host),
    cmocka_unit_test(test_demangling),
    cmocka_unit_test(test_demangling_stays_bounded),
};

SYMBOLS_TEST_MAIN(tests)
