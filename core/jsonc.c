/*
 * JSON with comments and lines. The text is kept with every comment blanked by spaces (line breaks stay), so
 * that a position in it is a position in the file. A line is found by walking the text and cJSON's tree side
 * by side: both are in file order, and the text is known to be well-formed by then. The document owns text
 * and tree.
 */
#include "n1/jsonc.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES ((size_t)1 << 20)
#define MEMBERS_MAX 1000 /* of one object; the check for a key that stands twice is quadratic */
#define DEPTH_MAX 64     /* deeper than any file of ours; keeps the recursion below small */

struct n1_jsonc {
    char *name;
    char *text;
    cJSON *root;
};

static unsigned line_at(const char *text, const char *at)
{
    unsigned line = 1;
    for (const char *s = text; s < at && *s; s++)
        line += *s == '\n';
    return line;
}

/* Past the string that opens at `s`; stops at the end of the text. */
static char *skip_string(char *s)
{
    for (s++; *s && *s != '"'; s++)
        if (*s == '\\' && s[1])
            s++;
    return *s ? s + 1 : s;
}

static void blank(char *from, const char *to)
{
    for (; from < to; from++)
        if (*from != '\n')
            *from = ' ';
}

/* Returns NULL, or where a block comment opens that nothing closes. */
static const char *blank_comments(char *s)
{
    while (*s) {
        if (*s == '"') {
            s = skip_string(s);
        } else if (s[0] == '/' && s[1] == '/') {
            char *end = s + strcspn(s, "\n");
            blank(s, end);
            s = end;
        } else if (s[0] == '/' && s[1] == '*') {
            char *end = strstr(s + 2, "*/");
            if (!end)
                return s;
            blank(s, end + 2);
            s = end + 2;
        } else {
            s++;
        }
    }
    return NULL;
}

/* A position that is too deep, or NULL. cJSON recurses too, so this runs first. */
static const char *too_deep(char *s)
{
    int depth = 0;
    while (*s) {
        if (*s == '"') {
            s = skip_string(s);
            continue;
        }
        if (*s == '{' || *s == '[')
            depth++;
        if (*s == '}' || *s == ']')
            depth--;
        if (depth > DEPTH_MAX)
            return s;
        s++;
    }
    return NULL;
}

static char *skip_space(char *s)
{
    while (*s && (unsigned char)*s <= ' ')
        s++;
    return s;
}

/* Walks the value `item` whose text begins at *s and leaves *s behind it. Returns where `wanted` begins, or
 * NULL. */
static const char *find(const cJSON *item, char **s, const cJSON *wanted)
{
    const char *found = NULL;
    *s = skip_space(*s);
    if (item == wanted)
        return *s;
    if (!cJSON_IsObject(item) && !cJSON_IsArray(item)) {
        *s = **s == '"' ? skip_string(*s) : *s + strcspn(*s, ",]} \t\r\n");
        return NULL;
    }
    (*s)++;
    const cJSON *child;
    cJSON_ArrayForEach(child, item)
    {
        *s = skip_space(*s);
        const char *key = *s;
        if (cJSON_IsObject(item)) {
            *s = skip_space(skip_string(*s));
            (*s)++; /* the colon */
        }
        if (child == wanted)
            return key;
        found = find(child, s, wanted);
        if (found)
            return found;
        *s = skip_space(*s);
        if (**s == ',')
            (*s)++;
    }
    *s = skip_space(*s);
    (*s)++; /* the closing bracket */
    return NULL;
}

unsigned n1_jsonc_line(const struct n1_jsonc *doc, const struct cJSON *item)
{
    char *s = doc->text;
    if (!strncmp(s, "\xef\xbb\xbf", 3))
        s += 3;
    const char *at = find(doc->root, &s, item);
    return at ? line_at(doc->text, at) : 0;
}

int n1_jsonc_error(const struct n1_jsonc *doc, const struct cJSON *item, struct n1_error *reterr,
                   const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return n1_error_set(reterr, N1_E_CONFIG, "%s:%u: %s", doc->name, n1_jsonc_line(doc, item), text);
}

static bool has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    return false;
}

static int check_strings(const struct n1_jsonc *doc, const cJSON *item, struct n1_error *reterr)
{
    if (cJSON_IsString(item) && has_control(item->valuestring))
        return n1_jsonc_error(doc, item, reterr, "control character in a string");
    if (cJSON_IsObject(item) && cJSON_GetArraySize(item) > MEMBERS_MAX)
        return n1_jsonc_error(doc, item, reterr, "an object of more than %d keys", MEMBERS_MAX);
    const cJSON *child;
    cJSON_ArrayForEach(child, item)
    {
        if (child->string) {
            if (has_control(child->string))
                return n1_jsonc_error(doc, child, reterr, "control character in a key");
            /* The one found first by name is the one itself, unless the name stood there before. */
            if (cJSON_GetObjectItemCaseSensitive(item, child->string) != child)
                return n1_jsonc_error(doc, child, reterr, "key \"%s\" stands twice", child->string);
        }
        int r = check_strings(doc, child, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

int n1_jsonc_parse(struct n1_jsonc **ret, const char *text, size_t length, const char *name,
                   struct n1_error *reterr)
{
    int r = -ENOMEM;
    const char *bad, *end = NULL;
    struct n1_jsonc *doc = calloc(1, sizeof(*doc));
    if (!doc)
        goto fail;
    doc->name = strdup(name);
    doc->text = malloc(length + 1);
    if (!doc->name || !doc->text)
        goto fail;
    memcpy(doc->text, text, length);
    doc->text[length] = '\0';
    r = N1_E_CONFIG;
    if (strlen(doc->text) != length) {
        n1_error_set(reterr, r, "%s:%u: a NUL byte", name, line_at(doc->text, doc->text + length));
        goto fail;
    }
    if ((bad = blank_comments(doc->text))) {
        n1_error_set(reterr, r, "%s:%u: a comment that never ends", name, line_at(doc->text, bad));
        goto fail;
    }
    if ((bad = too_deep(doc->text))) {
        n1_error_set(reterr, r, "%s:%u: nested too deeply", name, line_at(doc->text, bad));
        goto fail;
    }
    doc->root = cJSON_ParseWithLengthOpts(doc->text, length + 1, &end, 1);
    if (!doc->root) {
        unsigned line = line_at(doc->text, end ? end : doc->text);
        n1_error_set(reterr, r, "%s:%u: not JSON here: '%.20s'", name, line, end ? end : "");
        goto fail;
    }
    r = check_strings(doc, doc->root, reterr);
    if (r < 0)
        goto fail;
    *ret = doc;
    return 0;
fail:
    if (r == -ENOMEM)
        n1_error_set(reterr, r, "out of memory for %s", name);
    n1_jsonc_destroy(doc);
    return r;
}

static int read_file(const char *path, char **ret, size_t *ret_length)
{
    int r = 0;
    size_t length = 0;
    struct stat st;
    char *text = NULL;
    /* O_NONBLOCK: a FIFO under that name must be refused, not waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        r = -errno;
    else if (!S_ISREG(st.st_mode))
        r = -EINVAL;
    else if (!(text = malloc(FILE_MAX_BYTES + 1)))
        r = -ENOMEM;
    while (r == 0 && length <= FILE_MAX_BYTES) {
        ssize_t n = read(fd, text + length, FILE_MAX_BYTES + 1 - length);
        if (n == 0)
            break;
        if (n > 0)
            length += (size_t)n;
        else if (errno != EINTR)
            r = -errno;
    }
    if (r == 0 && length > FILE_MAX_BYTES)
        r = -EFBIG;
    close(fd);
    if (r < 0) {
        free(text);
        return r;
    }
    *ret = text;
    *ret_length = length;
    return 0;
}

int n1_jsonc_load(struct n1_jsonc **ret, const char *path, struct n1_error *reterr)
{
    char *text = NULL;
    size_t length = 0;
    int r = read_file(path, &text, &length);
    if (r < 0)
        return n1_error_set(reterr, r, "cannot read %s: %s", path, strerror(-r));
    r = n1_jsonc_parse(ret, text, length, path, reterr);
    free(text);
    return r;
}

void n1_jsonc_destroy(struct n1_jsonc *doc)
{
    if (!doc)
        return;
    cJSON_Delete(doc->root);
    free(doc->text);
    free(doc->name);
    free(doc);
}

const struct cJSON *n1_jsonc_root(const struct n1_jsonc *doc)
{
    return doc->root;
}

const char *n1_jsonc_name(const struct n1_jsonc *doc)
{
    return doc->name;
}
