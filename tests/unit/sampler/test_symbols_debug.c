/*
 * Where names come from when the file itself has none: .gnu_debugdata, a debuglink whose CRC holds, a build
 * id; and that nothing else is taken for a debug file, nor anything opened outside the target's root.
 */
#include "symbols_fixture.h"

#include "sampler/symbols/debug_file.h"

static const char source[] =
    "#include <stdio.h>\n"
    "static __attribute__((noinline)) int hidden_worker(int v) {\n"
    "    return printf(\"%d\\n\", v);\n"
    "}\n"
    "__attribute__((visibility(\"default\"))) int exported_worker(int v) { return hidden_worker(v) + 1; }\n"
    "int main(int argc, char **argv) { (void)argv; return exported_worker(argc); }\n";

static int build(void **state)
{
    if (scratch_make(state) != 0)
        return -1;
    write_file("app.c", source);
    run("gcc -O1 -g -rdynamic -Wl,--build-id=sha1 app.c -o app");
    run("gcc -O1 -g -rdynamic -Wl,--build-id=none app.c -o noid");
    run("strip -o bare noid && strip -o bare-id app");
    run("nm -D app --format=posix --defined-only | awk '{print $1}' | sort > dynamic");
    run("nm app --format=posix --defined-only | awk '$2 ~ /[Tt]/ {print $1}' | sort | comm -13 dynamic - > "
        "keep");
    run("objcopy --only-keep-debug noid mini.full && objcopy -S --remove-section .gdb_index --remove-section "
        ".comment "
        "--keep-symbols=keep mini.full mini && xz -k mini && objcopy --add-section .gnu_debugdata=mini.xz "
        "bare packed");
    run("mkdir -p linked/.debug && objcopy --only-keep-debug noid linked/app.debug && cp bare linked/app && "
        "cd linked && objcopy --add-gnu-debuglink=app.debug app && cp app app2 && mv app.debug .debug/");
    run("id=$(readelf -n app | sed -n 's/.*Build ID: //p') && mkdir -p debug/.build-id/$(echo $id | cut "
        "-c1-2) && "
        "objcopy --only-keep-debug app debug/.build-id/$(echo $id | cut -c1-2)/$(echo $id | cut -c3-).debug");
    return 0;
}

/* A client whose host folder of debug files is scratch/debug; the process is unknown, so its root is the
 * host's. */
static struct n1_symbols *make_debug_client(void)
{
    struct n1_symbols_options options = {.debug_dir = in_scratch("debug")};
    return make_client(&options);
}

static void test_names_from_gnu_debugdata(void **state)
{
    (void)state;
    struct n1_symbols *client = make_debug_client();
    struct truths truths = read_truths("noid", SHT_SYMTAB);
    add_elf(client, 1, "packed");
    assert_string_equal(ask(client, 1, addr_of(&truths, "hidden_worker"), 0)->name, "hidden_worker");
    assert_string_equal(ask(client, 1, addr_of(&truths, "exported_worker"), 0)->name, "exported_worker");
    assert_int_equal(ask(client, 1, addr_of(&truths, "hidden_worker"), N1_SYMBOL_LINE)->result.line_status,
                     N1_SYMBOL_NO_LINES);
    /* Without it only what the file exports has a name, and the rest is unknown rather than a neighbour. */
    add_elf(client, 2, "bare");
    assert_string_equal(ask(client, 2, addr_of(&truths, "exported_worker"), 0)->name, "exported_worker");
    assert_int_equal(ask(client, 2, addr_of(&truths, "hidden_worker"), 0)->result.status,
                     N1_SYMBOL_NO_SYMBOL);
    free_truths(&truths);
    n1_symbols_destroy(client);
}

static void test_debuglink_is_found_and_its_crc_checked(void **state)
{
    (void)state;
    struct truths truths = read_truths("noid", SHT_SYMTAB);
    uint64_t hidden = addr_of(&truths, "hidden_worker");
    struct n1_symbols *client = make_debug_client();
    add_elf(client, 1, "linked/app");
    struct last *last = ask(client, 1, hidden, N1_SYMBOL_LINE);
    assert_string_equal(last->name, "hidden_worker");
    assert_int_equal(last->result.line_status, N1_SYMBOL_FOUND);
    assert_int_equal(last->result.decl_line, 2);
    n1_symbols_destroy(client);
    /* One byte more, and it is not the file that the program was stripped of. */
    run("printf x >> linked/.debug/app.debug");
    client = make_debug_client();
    add_elf(client, 1, "linked/app2");
    assert_int_equal(ask(client, 1, hidden, 0)->result.status, N1_SYMBOL_NO_SYMBOL);
    /* A good one elsewhere is still found after the wrong one was refused. */
    run("mkdir -p debug%s/linked && objcopy --only-keep-debug noid debug%s/linked/app.debug", scratch,
        scratch);
    add_elf(client, 2, "linked/app");
    assert_string_equal(ask(client, 2, hidden, 0)->name, "hidden_worker");
    free_truths(&truths);
    n1_symbols_destroy(client);
}

static void test_build_id_is_found_and_must_match(void **state)
{
    (void)state;
    struct truths truths = read_truths("app", SHT_SYMTAB);
    uint64_t hidden = addr_of(&truths, "hidden_worker");
    struct n1_symbols *client = make_debug_client();
    add_elf(client, 1, "bare-id");
    struct last *last = ask(client, 1, hidden, N1_SYMBOL_LINE);
    assert_string_equal(last->name, "hidden_worker");
    assert_int_equal(last->result.decl_line, 2);
    /* The helper's successor gets the debug file again. */
    struct n1_symbols_stats stats;
    assert_int_equal(kill(n1_symbols_helper_pid(client), 9), 0);
    assert_string_equal(ask(client, 1, hidden, 0)->name, "hidden_worker");
    n1_symbols_stats(client, &stats);
    assert_int_equal(stats.helper_starts, 2);
    n1_symbols_destroy(client);
    run("cp noid debug/.build-id/*/*.debug");
    client = make_debug_client();
    add_elf(client, 1, "bare-id");
    assert_int_equal(ask(client, 1, hidden, 0)->result.status, N1_SYMBOL_NO_SYMBOL);
    free_truths(&truths);
    n1_symbols_destroy(client);
}

static void test_only_regular_files_inside_the_root(void **state)
{
    (void)state;
    int fd = -1;
    bool by_crc;
    run("mkdir -p root/usr/lib && echo inside > root/secret && echo outside > secret && ln -s /secret "
        "root/usr/lib/absolute "
        "&& ln -s ../../../../secret root/usr/lib/climbing && mkfifo root/pipe && mkdir root/folder");
    int root = open(in_scratch("root"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *links[] = {"/usr/lib/absolute", "/usr/lib/climbing", "/../../secret"};
    for (size_t i = 0; i < 3; i++) {
        char text[16] = "";
        assert_int_equal(n1_file_open_in_root(root, links[i], false, &fd), 0);
        assert_int_equal(read(fd, text, sizeof(text)), 7);
        assert_memory_equal(text, "inside\n", 7);
        close(fd);
    }
    assert_int_equal(n1_file_open_in_root(root, "/usr/lib/absolute", true, &fd), -EINVAL);
    assert_int_equal(n1_file_open_in_root(root, "/pipe", false, &fd), -EINVAL);
    assert_int_equal(n1_file_open_in_root(root, "/folder", false, &fd), -EINVAL);
    assert_int_equal(n1_file_open_in_root(root, "/none", false, &fd), -ENOENT);
    close(root);
    const char *names[] = {"", ".", "..", "a/b", "../app"};
    for (size_t i = 0; i < 5; i++) {
        struct n1_debug_query query = {.path = in_scratch("app"), .host_dir = "/", .link = names[i]};
        for (unsigned candidate = 0; candidate < N1_DEBUG_CANDIDATES; candidate++)
            assert_int_equal(n1_debug_file_open(&query, candidate, &fd, &by_crc), -ENOENT);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_names_from_gnu_debugdata),
    cmocka_unit_test(test_debuglink_is_found_and_its_crc_checked),
    cmocka_unit_test(test_build_id_is_found_and_must_match),
    cmocka_unit_test(test_only_regular_files_inside_the_root),
};

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], N1_SYMBOLS_HELPER_ARG) == 0)
        return n1_symbols_helper_main(atoi(argv[2]));
    return cmocka_run_group_tests(tests, build, scratch_remove);
}
