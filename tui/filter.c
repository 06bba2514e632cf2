/* What a typed filter says; see filter.h. */
#include "tui/filter.h"

#include "n1/model.h"

#include <stdio.h>
#include <string.h>

static uint32_t kind_bit(const char *word, size_t len)
{
    static const char *const names[N1_KIND_COUNT] = {"unknown", "native", "python", "kernel", "jit", "gc"};
    for (int i = 0; i < N1_KIND_COUNT; i++) {
        if (len > 0 && strncmp(names[i], word, len) == 0) /* its first letters are enough */
            return 1u << i;
    }
    return 0;
}

static void take_kinds(struct n1_filter_words *ret, const char *value, size_t len)
{
    while (len > 0) {
        const char *comma = memchr(value, ',', len);
        size_t part = comma ? (size_t)(comma - value) : len;
        uint32_t bit = kind_bit(value, part);
        ret->wrong |= bit == 0;
        ret->kinds |= bit;
        value += part + (comma != NULL);
        len -= part + (comma != NULL);
    }
}

void n1_filter_parse(const char *typed, struct n1_filter_words *ret)
{
    *ret = (struct n1_filter_words){0};
    for (;;) {
        typed += strspn(typed, " ");
        size_t len = strcspn(typed, " ");
        if (len > 5 && strncmp(typed, "kind:", 5) == 0)
            take_kinds(ret, typed + 5, len - 5);
        else if (len > 7 && strncmp(typed, "thread:", 7) == 0)
            snprintf(ret->thread, sizeof ret->thread, "%.*s", (int)(len - 7 < 31 ? len - 7 : 31), typed + 7);
        else
            break;
        typed += len;
    }
    ret->regex = typed[0] == '!';
    ret->text = typed + ret->regex;
}
