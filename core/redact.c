/*
 * A text is taken apart into tokens at blanks, quotes, brackets and separators. A token that is a path (it
 * begins with a slash or a dot and a slash, or its last part is a file's name) is cut to its last part; what
 * is left is searched for names, which count only as whole words.
 */
#include "n1/redact.h"

#include <ctype.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { NAMES_MAX = 512, NAME_BYTES = 64, NAME_LEAST = 3, PERSON_FIRST = 1000, PERSON_LAST = 60000 };

struct name {
    char text[NAME_BYTES];
    size_t len;
    unsigned user; /* 0: a host */
};

struct n1_redaction {
    struct name names[NAMES_MAX];
    size_t count;
    unsigned users;
};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static void add(struct n1_redaction *redaction, const char *text, size_t len, bool user)
{
    static const char *const harmless[] = {"root", "localhost", "host", "user", "nobody"};
    if (len < NAME_LEAST || len >= NAME_BYTES || redaction->count == NAMES_MAX)
        return;
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (strlen(harmless[i]) == len && !strncasecmp(harmless[i], text, len))
            return;
    for (size_t i = 0; i < redaction->count; i++)
        if (redaction->names[i].len == len && !strncasecmp(redaction->names[i].text, text, len))
            return;
    struct name *name = &redaction->names[redaction->count++];
    memcpy(name->text, text, len);
    name->text[len] = '\0';
    name->len = len;
    name->user = user ? ++redaction->users : 0;
}

void n1_redaction_add_host(struct n1_redaction *redaction, const char *name)
{
    add(redaction, name, strlen(name), false); /* the whole name first: it holds the short one */
    add(redaction, name, strcspn(name, "."), false);
}

void n1_redaction_add_user(struct n1_redaction *redaction, const char *name)
{
    add(redaction, name, strlen(name), true);
}

void n1_redaction_learn(struct n1_redaction *redaction, const char *text)
{
    static const char home[] = "/home/";
    for (const char *at = text; (at = strstr(at, home)) != NULL;) {
        at += sizeof home - 1;
        size_t len = 0;
        while (is_word(at[len]) || at[len] == '-' || at[len] == '.')
            len++;
        add(redaction, at, len, true);
    }
}

struct n1_redaction *n1_redaction_create(void)
{
    static const char *const variables[] = {"USER", "LOGNAME", "SUDO_USER"};
    struct n1_redaction *redaction = calloc(1, sizeof *redaction);
    struct utsname host;
    if (!redaction)
        return NULL;
    if (uname(&host) == 0)
        n1_redaction_add_host(redaction, host.nodename);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        if (getenv(variables[i]))
            n1_redaction_add_user(redaction, getenv(variables[i]));
    setpwent();
    for (struct passwd *user; redaction->count < NAMES_MAX / 2 && (user = getpwent()) != NULL;)
        if ((user->pw_uid >= PERSON_FIRST && user->pw_uid < PERSON_LAST) || user->pw_uid == getuid())
            n1_redaction_add_user(redaction, user->pw_name);
    endpwent();
    return redaction;
}

void n1_redaction_destroy(struct n1_redaction *redaction)
{
    free(redaction);
}

struct target {
    char *out;
    size_t cap, used;
};

/* Nothing is cut in the middle of a character: what does not fit whole is left out. */
static void put(struct target *t, const char *text, size_t len)
{
    if (len >= t->cap - t->used) {
        len = t->cap - t->used - 1;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
        t->cap = t->used + len + 1; /* and nothing comes after it */
    }
    memcpy(t->out + t->used, text, len);
    t->used += len;
}

static const struct name *name_at(const struct n1_redaction *redaction, const char *text, size_t len)
{
    const struct name *longest = NULL;
    for (size_t i = 0; i < redaction->count; i++) {
        const struct name *name = &redaction->names[i];
        if (name->len <= len && !strncasecmp(name->text, text, name->len) &&
            (name->len == len || !is_word(text[name->len])) && (!longest || name->len > longest->len))
            longest = name;
    }
    return longest;
}

static void put_words(const struct n1_redaction *redaction, struct target *t, const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        const struct name *name =
            i == 0 || !is_word(text[i - 1]) ? name_at(redaction, text + i, len - i) : NULL;
        char word[24];
        if (name) {
            int n = name->user ? snprintf(word, sizeof word, "user%u", name->user)
                               : snprintf(word, sizeof word, "host");
            put(t, word, (size_t)n);
            i += name->len;
        } else {
            size_t end = i + 1;
            while (end < len && is_word(text[end - 1]) && is_word(text[end]))
                end++;
            put(t, text + i, end - i);
            i = end;
        }
    }
}

/* Where the last part of a path begins; 0: the token is no path. */
static size_t last_part(const char *token, size_t len)
{
    size_t end = len;
    while (end > 1 && token[end - 1] == '/')
        end--;
    size_t at = end;
    while (at > 0 && token[at - 1] != '/')
        at--;
    if (at == 0)
        return 0;
    bool relative = token[0] == '.' && (token[1] == '/' || (token[1] == '.' && token[2] == '/'));
    bool file = memchr(token + at, '.', end - at) != NULL;
    return token[0] == '/' || token[0] == '~' || relative || file ? at : 0;
}

size_t n1_redact(const struct n1_redaction *redaction, char *out, size_t cap, const char *text, size_t len)
{
    static const char borders[] = " \t\"'`()[]{}<>=,;:|@";
    struct target t = {out, cap, 0};
    for (size_t i = 0; i < len;) {
        size_t end = i;
        while (end < len && !strchr(borders, text[end]))
            end++;
        size_t skip = end > i ? last_part(text + i, end - i) : 0;
        put_words(redaction, &t, text + i + skip, end - i - skip);
        if (end < len)
            put(&t, text + end++, 1);
        i = end;
    }
    out[t.used] = '\0';
    return t.used;
}
