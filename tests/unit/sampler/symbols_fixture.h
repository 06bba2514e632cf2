/*
 * Shared by the tests of the symbol helper: a scratch folder, binaries made by the compiler at hand, the true
 * symbols of a file by libelf (independent of the code under test), and a client driven to the end of its
 * queue.
 */
#ifndef TESTS_SYMBOLS_FIXTURE_H
#define TESTS_SYMBOLS_FIXTURE_H

#include "sampler/symbols/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#pragma GCC diagnostic ignored "-Wunused-function"

static char scratch[] = "/tmp/n1-symbols-XXXXXX";

static int scratch_make(void **state)
{
    (void)state;
    return mkdtemp(scratch) && chmod(scratch, 0755) == 0 ? 0 : -1;
}

static int scratch_remove(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", scratch);
    return system(command) == 0 ? 0 : -1;
}

/* Runs a shell command inside the scratch folder; it must succeed. */
static void run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *fmt, ...)
{
    char text[2048], command[2200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    snprintf(command, sizeof(command), "cd %s && { %s; }", scratch, text);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

static const char *in_scratch(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(in_scratch(name), "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static int open_file(const char *path)
{
    int fd = open(path[0] == '/' ? path : in_scratch(path), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_msg("cannot open %s: %s", path, strerror(errno));
    return fd;
}

struct truth {
    uint64_t addr, size;
    char *name;
};

struct truths {
    struct truth *items;
    size_t count;
};

/* Functions that a file defines, by libelf, from the section of `type`. */
static struct truths read_truths(const char *path, unsigned type)
{
    struct truths truths = {0};
    int fd = open_file(path);
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        GElf_Shdr header;
        gelf_getshdr(section, &header);
        if (header.sh_type != type)
            continue;
        Elf_Data *data = elf_getdata(section, NULL);
        truths.items = calloc(header.sh_size / header.sh_entsize + 1, sizeof(*truths.items));
        for (size_t i = 0; i < header.sh_size / header.sh_entsize; i++) {
            GElf_Sym symbol;
            gelf_getsym(data, (int)i, &symbol);
            if ((GELF_ST_TYPE(symbol.st_info) != STT_FUNC && GELF_ST_TYPE(symbol.st_info) != STT_GNU_IFUNC) ||
                symbol.st_shndx == SHN_UNDEF || symbol.st_size == 0)
                continue;
            char *name = strdup(elf_strptr(elf, header.sh_link, symbol.st_name));
            char *version = strchr(name + 1, '@');
            if (version)
                *version = '\0';
            truths.items[truths.count++] = (struct truth){symbol.st_value, symbol.st_size, name};
        }
    }
    elf_end(elf);
    close(fd);
    return truths;
}

static void free_truths(struct truths *truths)
{
    for (size_t i = 0; i < truths->count; i++)
        free(truths->items[i].name);
    free(truths->items);
}

static bool is_name_at(const struct truths *truths, uint64_t addr, const char *name)
{
    for (size_t i = 0; i < truths->count; i++)
        if (truths->items[i].addr == addr && strcmp(truths->items[i].name, name) == 0)
            return true;
    return false;
}

static uint64_t addr_of(const struct truths *truths, const char *name)
{
    for (size_t i = 0; i < truths->count; i++)
        if (strcmp(truths->items[i].name, name) == 0)
            return truths->items[i].addr;
    fail_msg("no symbol %s", name);
    return 0;
}

/* The last answer, copied, and how many came. */
struct last {
    unsigned count;
    struct n1_symbol_result result;
    char name[1024], linkage[1024], file[1024], own_file[1024], decl_file[1024], inlined[8][1024];
    uint32_t inlined_line[8];
};

static void keep_last(void *context, const struct n1_symbol_result *result)
{
    struct last *last = context;
    last->count++;
    last->result = *result;
    snprintf(last->name, sizeof(last->name), "%s", result->name);
    snprintf(last->linkage, sizeof(last->linkage), "%s", result->linkage);
    snprintf(last->file, sizeof(last->file), "%s", result->file);
    snprintf(last->own_file, sizeof(last->own_file), "%s", result->own_file);
    snprintf(last->decl_file, sizeof(last->decl_file), "%s", result->decl_file);
    for (size_t i = 0; i < result->inline_count && i < 8; i++) {
        snprintf(last->inlined[i], sizeof(last->inlined[i]), "%s", result->inlines[i].name);
        last->inlined_line[i] = result->inlines[i].line;
    }
}

static struct n1_symbols *make_client(const struct n1_symbols_options *options)
{
    struct n1_symbols *client = NULL;
    assert_int_equal(n1_symbols_create(&client, options, NULL), 0);
    return client;
}

/* Pumps until nothing is pending. */
static void drain(struct n1_symbols *client, n1_symbol_callback *callback, void *context)
{
    struct n1_symbols_stats stats;
    for (;;) {
        n1_symbols_stats(client, &stats);
        if (stats.pending == 0)
            return;
        struct pollfd wait = {.fd = n1_symbols_fd(client), .events = POLLIN};
        if (poll(&wait, 1, 60000) != 1)
            fail_msg("no answer within 60 s, %u pending", stats.pending);
        n1_symbols_pump(client, callback, context);
    }
}

static void add_elf(struct n1_symbols *client, uint64_t key, const char *path)
{
    const char *full = path[0] == '/' ? path : in_scratch(path);
    struct n1_symbol_module module = {
        .kind = N1_SYMBOL_ELF, .take_fd = open_file(full), .pid = getpid(), .path = full};
    assert_int_equal(n1_symbols_module_add(client, key, &module), 0);
}

static struct last *ask(struct n1_symbols *client, uint64_t key, uint64_t addr, unsigned flags)
{
    static struct last last;
    last.count = 0;
    assert_int_equal(n1_symbols_request(client, 77, key, addr, flags), 0);
    drain(client, keep_last, &last);
    assert_int_equal(last.count, 1);
    assert_true(last.result.cookie == 77 && last.result.key == key && last.result.addr == addr);
    return &last;
}

/* main() of a test: itself the helper when started as such. */
#define SYMBOLS_TEST_MAIN(tests)                                                                             \
    int main(int argc, char **argv)                                                                          \
    {                                                                                                        \
        if (argc == 3 && strcmp(argv[1], N1_SYMBOLS_HELPER_ARG) == 0)                                        \
            return n1_symbols_helper_main(atoi(argv[2]));                                                    \
        return cmocka_run_group_tests(tests, scratch_make, scratch_remove);                                  \
    }

#endif
