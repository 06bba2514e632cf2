/*
 * Widths and cuts of text. Everything works on code points; a combining mark counts as no column and stays
 * with the character before it.
 */
#include "tui/text.h"

#include <stdbool.h>
#include <string.h>
#include <utf8proc.h>

int n1_text_next(const char **text, uint32_t *ret_rune)
{
    const unsigned char *s = (const unsigned char *)*text;
    if (*s == 0) {
        *ret_rune = 0;
        return 0;
    }
    if (*s < 0x80) {
        *text += 1;
        *ret_rune = *s < 0x20 || *s == 0x7f ? '?' : *s;
        return 1;
    }
    utf8proc_int32_t rune = 0;
    utf8proc_ssize_t len = utf8proc_iterate(s, (utf8proc_ssize_t)strnlen(*text, 4), &rune);
    if (len <= 0) {
        *text += 1;
        *ret_rune = '?';
        return 1;
    }
    *text += len;
    utf8proc_category_t category = utf8proc_category(rune);
    if (category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
        category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP ||
        category == UTF8PROC_CATEGORY_CS) {
        *ret_rune = '?';
        return 1;
    }
    *ret_rune = (uint32_t)rune;
    int cols = utf8proc_charwidth(rune);
    bool mark = category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME;
    return mark ? 0 : cols < 1 ? 1 : cols > 2 ? 2 : cols;
}

int n1_text_cols(const char *text)
{
    int cols = 0;
    uint32_t rune;
    while (*text)
        cols += n1_text_next(&text, &rune);
    return cols;
}

/* The longest beginning of `text` that takes at most `cols` columns, in bytes; *ret_cols is what it takes. */
static size_t head_bytes(const char *text, int cols, int *ret_cols)
{
    const char *p = text;
    int used = 0;
    while (*p) {
        const char *next = p;
        uint32_t rune;
        int width = n1_text_next(&next, &rune);
        if (used + width > cols)
            break;
        used += width;
        p = next;
    }
    *ret_cols = used;
    return (size_t)(p - text);
}

/* Where the longest end of `text` begins that takes at most `cols` columns. */
static const char *tail_at(const char *text, int cols, int *ret_cols)
{
    int left = n1_text_cols(text);
    uint32_t rune;
    while (*text && left > cols)
        left -= n1_text_next(&text, &rune);
    for (;;) { /* a mark without its base would sit on the ellipsis */
        const char *next = text;
        if (*text == 0 || n1_text_next(&next, &rune) > 0)
            break;
        text = next;
    }
    *ret_cols = left;
    return text;
}

static void append(char *out, size_t cap, size_t *used, const char *text, size_t len)
{
    if (len >= cap - *used)
        return;
    memcpy(out + *used, text, len);
    *used += len;
    out[*used] = '\0';
}

static int cut_plain(char *out, size_t cap, const char *text, int cols, enum n1_text_cut cut,
                     const char *ellipsis)
{
    size_t used = 0;
    int head_cols = 0, tail_cols = 0;
    out[0] = '\0';
    if (cols <= 0)
        return 0;
    if (n1_text_cols(text) <= cols) {
        size_t bytes = head_bytes(text, cols, &head_cols);
        if (bytes < cap) {
            append(out, cap, &used, text, bytes);
            return head_cols;
        }
        cols = head_cols - 1; /* the buffer is the limit: cut by it */
        while (cols > 0 && head_bytes(text, cols, &head_cols) + strlen(ellipsis) >= cap)
            cols--;
        cols++;
        cut = N1_CUT_END;
    }
    int head = cut == N1_CUT_START ? 0 : cut == N1_CUT_MIDDLE ? (cols - 1) / 2 : cols - 1;
    int tail = cut == N1_CUT_START || cut == N1_CUT_MIDDLE ? cols - 1 - head : 0;
    append(out, cap, &used, text, head_bytes(text, head, &head_cols));
    append(out, cap, &used, ellipsis, strlen(ellipsis));
    if (tail > 0) {
        const char *end = tail_at(text, tail, &tail_cols);
        append(out, cap, &used, end, strlen(end));
    }
    return n1_text_cols(out);
}

/* Copies `text` with every outermost bracket pair `open`…`close` folded to the pair around the ellipsis.
 * "operator<", "operator->" and the like are no brackets. */
static void fold(char *out, size_t cap, const char *text, char open, char close, const char *ellipsis)
{
    size_t used = 0;
    int depth = 0;
    out[0] = '\0';
    for (const char *p = text; *p; p++) {
        bool op = p - text >= 8 && (strncmp(p - 8, "operator", 8) == 0 ||
                                    (p - text >= 9 && strncmp(p - 9, "operator", 8) == 0 && p[-1] == *p));
        bool arrow = *p == '>' && p > text && p[-1] == '-';
        if (*p == open && !op) {
            if (depth++ == 0 && p[1] != close) {
                append(out, cap, &used, p, 1);
                append(out, cap, &used, ellipsis, strlen(ellipsis));
                continue;
            }
        } else if (*p == close && !op && !arrow && depth > 0) {
            depth--;
        }
        if (depth == 0 || (depth == 1 && *p == open && p[1] == close))
            append(out, cap, &used, p, 1);
    }
}

/* The part after the last "::" outside brackets, or the whole. */
static const char *last_component(const char *text)
{
    const char *last = text;
    int depth = 0;
    for (const char *p = text; *p; p++) {
        if (*p == '<' || *p == '(')
            depth++;
        else if ((*p == '>' || *p == ')') && depth > 0)
            depth--;
        else if (depth == 0 && p[0] == ':' && p[1] == ':' && p[2] != '\0')
            last = p + 2;
    }
    return last;
}

static int cut_function(char *out, size_t cap, const char *text, int cols, const char *ellipsis)
{
    char a[512], b[512];
    if (n1_text_cols(text) <= cols || strlen(text) >= sizeof a)
        return cut_plain(out, cap, text, cols, N1_CUT_END, ellipsis);
    const char *offset = strstr(text, "+0x");
    if (offset != NULL && strchr(offset, '(') == NULL && cols >= n1_text_cols(offset) + 2)
        return cut_plain(out, cap, text, cols, N1_CUT_MIDDLE,
                         ellipsis); /* module+offset: both tell something */
    fold(a, sizeof a, text, '(', ')', ellipsis);
    if (n1_text_cols(a) <= cols)
        return cut_plain(out, cap, a, cols, N1_CUT_END, ellipsis);
    fold(b, sizeof b, a, '<', '>', ellipsis);
    if (n1_text_cols(b) <= cols)
        return cut_plain(out, cap, b, cols, N1_CUT_END, ellipsis);
    /* Drop outer scopes: the longest end that begins at a "::" and fits behind the ellipsis. */
    for (const char *p = b; (p = strstr(p, "::")) != NULL; p += 2) {
        if (n1_text_cols(p) + 1 <= cols) {
            size_t used = 0;
            out[0] = '\0';
            append(out, cap, &used, ellipsis, strlen(ellipsis));
            append(out, cap, &used, p, strlen(p));
            return n1_text_cols(out);
        }
    }
    return cut_plain(out, cap, last_component(b), cols, N1_CUT_END, ellipsis);
}

int n1_text_cut(char *out, size_t cap, const char *text, int cols, enum n1_text_cut cut, const char *ellipsis)
{
    if (cut == N1_CUT_FUNCTION)
        return cut_function(out, cap, text, cols, ellipsis);
    return cut_plain(out, cap, text, cols, cut, ellipsis);
}
