/*
 * Fuzz entry of what the drill-down reads: the first byte chooses, the rest is a source file, or an ELF file
 * of which code is to be shown. Lines come out without a control byte; code only as many bytes as asked for.
 */
#include "tui/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t cap)
{
    if (strlen(text) >= cap)
        abort();
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            abort();
}

static void try_source(const char *path)
{
    struct n1_source source = {0};
    char line[300];
    n1_source_load(&source, path, 0);
    for (size_t number = 0; number <= source.count + 1; number++) {
        n1_source_line(&source, number, line, sizeof line);
        check_text(line, sizeof line);
    }
    n1_source_finish(&source);
}

static void try_code(const char *path, const uint8_t *head)
{
    struct n1_code code = {0};
    uint64_t start, size = (uint64_t)head[8] << 8 | head[9];
    memcpy(&start, head, 8);
    n1_code_load(&code, path, 0, head + 10, head[10] % 21, start, size);
    for (size_t i = 0; i < code.count; i++) {
        check_text(code.instructions[i].text, sizeof code.instructions[i].text);
        if (code.instructions[i].address - start >= size || code.instructions[i].size == 0)
            abort();
    }
    check_text(code.why, sizeof code.why);
    n1_code_finish(&code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char path[64];
    size_t head = size > 0 && data[0] % 2 ? 32 : 1;
    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (size < head || ftruncate(fd, 0) < 0 ||
        pwrite(fd, data + head, size - head, 0) != (ssize_t)(size - head))
        return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (head == 1)
        try_source(path);
    else
        try_code(path, data + 1);
    return 0;
}
