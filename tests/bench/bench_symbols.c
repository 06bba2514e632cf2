/*
 * Bench of the symbol helper on one file: time to the first name with no helper running, with a helper but an
 * unknown module, cost of each further name, and the helper's memory.
 *
 *   build/bench/bench_symbols [FILE]       default: node if there is one, else this program
 *
 * "Cold" is the start of the helper, not of the disk: the file is read once before. Each figure is the best
 * and the median of ROUNDS. Prints only; nothing is judged.
 */
#include "n1/time.h"
#include "sampler/symbols/elf_file.h"
#include "sampler/symbols/symbols.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 7, FURTHER = 8192 };

static uint64_t found;

static void count(void *context, const struct n1_symbol_result *result)
{
    (void)context;
    found += result->status == N1_SYMBOL_FOUND;
}

static void drain(struct n1_symbols *client)
{
    struct n1_symbols_stats stats;
    for (n1_symbols_stats(client, &stats); stats.pending > 0; n1_symbols_stats(client, &stats)) {
        struct pollfd wait = {.fd = n1_symbols_fd(client), .events = POLLIN};
        if (poll(&wait, 1, 60000) != 1) {
            fprintf(stderr, "no answer\n");
            exit(1);
        }
        n1_symbols_pump(client, count, NULL);
    }
}

static void add(struct n1_symbols *client, uint64_t key, const char *path)
{
    struct n1_symbol_module module = {
        .kind = N1_SYMBOL_ELF, .take_fd = open(path, O_RDONLY | O_CLOEXEC), .path = path};
    if (module.take_fd < 0 || n1_symbols_module_add(client, key, &module) < 0) {
        fprintf(stderr, "cannot use %s\n", path);
        exit(1);
    }
}

static double ask_ms(struct n1_symbols *client, uint64_t key, uint64_t start, uint64_t size, unsigned n)
{
    n1_ns before = n1_time_mono();
    for (unsigned i = 0; i < n; i++)
        n1_symbols_request(client, i, key, start + (uint64_t)((double)size * (i + 0.5) / n), 0);
    drain(client);
    return (double)(n1_time_mono() - before) / 1e6;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print(const char *what, double *values, const char *unit)
{
    qsort(values, ROUNDS, sizeof(*values), compare);
    printf("%-46s %8.3f %8.3f %s\n", what, values[0], values[ROUNDS / 2], unit);
}

static void print_memory(pid_t pid)
{
    char path[64], line[256];
    long rss = -1, pss = -1, private = 0, kib;
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "Rss: %ld", &kib) == 1)
            rss = kib;
        if (sscanf(line, "Pss: %ld", &kib) == 1)
            pss = kib;
        if (sscanf(line, "Private_Dirty: %ld", &kib) == 1)
        private = kib;
    }
    if (f)
        fclose(f);
    if (pss < 0)
        printf("%-46s not permitted\n", "helper's memory");
    else
        printf("%-46s %.1f MiB (RSS %.1f, private dirty %.1f)\n", "helper's PSS", (double)pss / 1024,
               (double)rss / 1024, (double)private / 1024);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], N1_SYMBOLS_HELPER_ARG) == 0)
        return n1_symbols_helper_main(atoi(argv[2]));
    const char *path = argc > 1                             ? argv[1]
                       : access("/usr/bin/node", R_OK) == 0 ? "/usr/bin/node"
                                                            : "/proc/self/exe";
    struct n1_elf elf;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    double cold[ROUNDS], known[ROUNDS], further[ROUNDS];
    if (fd < 0 || n1_elf_init(&elf, fd) != N1_SYMBOL_FOUND || elf.exec_count == 0) {
        fprintf(stderr, "cannot read %s\n", path);
        return 1;
    }
    uint64_t start = elf.exec[0].start, size = elf.exec[0].end - start;
    printf("%s, %.1f MB%28s best   median\n", path, (double)elf.size / 1e6, "");
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct n1_symbols *client;
        if (n1_symbols_create(&client, NULL, NULL) < 0)
            return 1;
        add(client, 1, path);
        add(client, 2, path);
        cold[round] = ask_ms(client, 1, start, size, 1);
        known[round] = ask_ms(client, 2, start, size, 1);
        found = 0;
        further[round] = ask_ms(client, 1, start, size, FURTHER) * 1000 / FURTHER;
        uint64_t named = found;
        if (round + 1 == ROUNDS) {
            n1_symbols_module_remove(client, 2);
            ask_ms(client, 1, start, size, 1); /* the helper has dropped module 2 once this is answered */
            print("first name, helper to be started", cold, "ms");
            print("first name of a module, helper running", known, "ms");
            print("each further name, asked by thousands", further, "us");
            printf("%-46s %lu of %d\n", "named", (unsigned long)named, FURTHER);
            print_memory(n1_symbols_helper_pid(client));
        }
        n1_symbols_destroy(client);
    }
    n1_elf_finish(&elf);
    close(fd);
    return 0;
}
