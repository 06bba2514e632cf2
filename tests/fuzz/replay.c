/*
 * Runs a fuzz entry over files, without libFuzzer: every argument is a file or a folder of files; without
 * one, replay_NAME takes tests/fuzz/corpus/NAME, which must hold something. Prints how many inputs ran; an
 * input that crashes ends the program, after its name was printed to standard error.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long ran;

static void run_file(const char *path, size_t size)
{
    FILE *f = fopen(path, "rbe");
    uint8_t *data = malloc(size ? size : 1);
    if (!f || !data || fread(data, 1, size, f) != size) {
        fprintf(stderr, "replay: cannot read %s\n", path);
        exit(1);
    }
    fclose(f);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    ran++;
}

static void run(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
        exit(1);
    }
    if (!S_ISDIR(st.st_mode)) {
        run_file(path, (size_t)st.st_size);
        return;
    }
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char inside[4096];
        snprintf(inside, sizeof(inside), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            run(inside);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

int main(int argc, char **argv)
{
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0); /* every entry must survive an empty input */
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    if (argc == 1) {
        const char *name = strstr(argv[0], "replay_");
        char corpus[4096];
        snprintf(corpus, sizeof(corpus), "tests/fuzz/corpus/%s", name ? name + strlen("replay_") : "");
        run(corpus);
    }
    printf("%lu inputs\n", ran);
    return ran ? 0 : 1;
}
