/*
 * Kernel symbols from the text of /proc/kallsyms: "address type name[\t[module]]". The kernel shows zeros to
 * a reader without rights; the sampler opened the file, so its rights decide, although the helper reads it.
 */
#include "sampler/symbols/symbol_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KERNEL_HALF UINT64_C(0xffff800000000000)
#define TEXT_MAX (64U << 20)
#define LINE_MAX_BYTES 1024
#define LAST_SYMBOL_BYTES 4096 /* the last symbol has no follower; a page is as far as it can be trusted */

struct names {
    uint8_t *text;
    size_t len, capacity;
};

struct n1_kernel_reading {
    struct n1_symbol_table table;
    struct names names;
    int fd;
    char buffer[32768];
    size_t have;
    bool skipping; /* inside a line too long to be one */
};

/* Keeps "name" or "name [module]" and returns its offset; 0 when out of memory or over the limit. */
static uint32_t keep_name(struct names *names, const char *name, size_t len)
{
    if (names->len + len + 1 > names->capacity) {
        size_t capacity = names->capacity ? names->capacity + names->capacity / 2 : 1U << 20;
        uint8_t *grown = capacity <= TEXT_MAX ? realloc(names->text, capacity) : NULL;
        if (!grown)
            return 0;
        names->text = grown;
        names->capacity = capacity;
    }
    uint32_t at = (uint32_t)names->len;
    memcpy(names->text + at, name, len);
    names->text[at + len] = '\0';
    names->len += len + 1;
    return at;
}

/* Takes one line without its newline. False when out of memory. */
static bool add_line(struct n1_symbol_table *table, struct names *names, char *line)
{
    char *rest;
    errno = 0;
    uint64_t addr = strtoull(line, &rest, 16);
    if (errno || rest == line || rest[0] != ' ' || !rest[1] || rest[2] != ' ' || !rest[3])
        return true;
    char type = rest[1], *name = rest + 3;
    if (!strchr("tTwW", type) || addr < KERNEL_HALF)
        return true;
    /* Entries hold 32 bits: the image and its modules lie within 2 GiB of each other, on either side. */
    if (table->count == 0)
        table->base = addr - (UINT64_C(1) << 31);
    char *module = strchr(name, '\t');
    if (module)
        *module = ' ';
    uint32_t at = keep_name(names, name, strlen(name));
    enum n1_symbol_class class = type == 't' ? N1_CLASS_LOCAL : type == 'T' ? N1_CLASS_GLOBAL : N1_CLASS_WEAK;
    return at != 0 && n1_symbol_table_add(table, addr, 0, LAST_SYMBOL_BYTES, at, N1_SOURCE_SYMTAB, class);
}

static enum n1_symbol_status take_lines(struct n1_kernel_reading *reading)
{
    char *line = reading->buffer, *newline;
    while ((newline = memchr(line, '\n', reading->have - (size_t)(line - reading->buffer)))) {
        *newline = '\0';
        if (!reading->skipping && newline - line < LINE_MAX_BYTES &&
            !add_line(&reading->table, &reading->names, line))
            return N1_SYMBOL_TOO_LARGE;
        reading->skipping = false;
        line = newline + 1;
    }
    reading->have -= (size_t)(line - reading->buffer);
    memmove(reading->buffer, line, reading->have);
    if (reading->have == sizeof(reading->buffer)) {
        reading->skipping = true;
        reading->have = 0;
    }
    return N1_SYMBOL_FOUND;
}

static enum n1_symbol_status seal(struct n1_kernel_reading *reading)
{
    struct n1_symbol_table *table = &reading->table;
    if (table->count == 0)
        return N1_SYMBOL_NOT_PERMITTED;
    table->owned[0] = reading->names.text;
    table->strings[N1_SOURCE_SYMTAB] = (struct n1_symbol_strings){
        {.fd = -1, .mem = reading->names.text, .size = reading->names.len}, 0, reading->names.len};
    reading->names.text = NULL;
    return n1_symbol_table_seal(table) ? N1_SYMBOL_FOUND : N1_SYMBOL_TOO_LARGE;
}

struct n1_kernel_reading *n1_kernel_reading_begin(int fd)
{
    struct n1_kernel_reading *reading = calloc(1, sizeof(*reading));
    if (!reading)
        return NULL;
    reading->fd = fd;
    keep_name(&reading->names, "", 0);
    if (reading->names.text && lseek(fd, 0, SEEK_SET) == 0)
        return reading;
    n1_kernel_reading_end(reading);
    return NULL;
}

bool n1_kernel_reading_step(struct n1_kernel_reading *reading, struct n1_symbol_table *ret_table,
                            enum n1_symbol_status *ret_status)
{
    ssize_t n = read(reading->fd, reading->buffer + reading->have, sizeof(reading->buffer) - reading->have);
    if (n < 0 && errno == EINTR)
        return true;
    reading->have += n > 0 ? (size_t)n : 0;
    *ret_status = n < 0 ? N1_SYMBOL_UNREADABLE : n > 0 ? take_lines(reading) : seal(reading);
    if (n > 0 && *ret_status == N1_SYMBOL_FOUND)
        return true;
    *ret_table = reading->table;
    reading->table = (struct n1_symbol_table){0};
    return false;
}

void n1_kernel_reading_end(struct n1_kernel_reading *reading)
{
    if (!reading)
        return;
    n1_symbol_table_finish(&reading->table);
    free(reading->names.text);
    free(reading);
}

enum n1_symbol_status n1_symbol_table_build_kernel(struct n1_symbol_table *table, int fd)
{
    enum n1_symbol_status status = N1_SYMBOL_UNREADABLE;
    struct n1_kernel_reading *reading = n1_kernel_reading_begin(fd);
    *table = (struct n1_symbol_table){0};
    while (reading && n1_kernel_reading_step(reading, table, &status))
        ;
    n1_kernel_reading_end(reading);
    return status;
}
