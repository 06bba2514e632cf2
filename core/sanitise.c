/*
 * Text from the target made safe to show. One decoder (strict UTF-8: no overlong forms, surrogates or code
 * points past U+10FFFF) and one table of code points that may never reach an output: controls, line and
 * paragraph separators, bidi and format controls, zero-width and invisible fillers, noncharacters. A rejected
 * byte or character becomes exactly one '?', so hostile text never grows.
 */
#include "n1/sanitise.h"

#include <stdint.h>
#include <string.h>

struct range {
    uint32_t first, last;
};

/* Sorted. Sources: Unicode general categories Cc, Cf, Zl, Zp, Default_Ignorable_Code_Point, noncharacters. */
static const struct range forbidden[] = {
    {0x0000, 0x001f},   {0x007f, 0x009f},   {0x00ad, 0x00ad},   {0x034f, 0x034f},   {0x0600, 0x0605},
    {0x061c, 0x061c},   {0x06dd, 0x06dd},   {0x070f, 0x070f},   {0x08e2, 0x08e2},   {0x115f, 0x1160},
    {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},
    {0x3164, 0x3164},   {0xfdd0, 0xfdef},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
    {0xfff0, 0xfffb},   {0xfffe, 0xffff},   {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f},
    {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

static int is_forbidden(uint32_t rune)
{
    size_t low = 0, high = sizeof forbidden / sizeof forbidden[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (rune > forbidden[middle].last)
            low = middle + 1;
        else if (rune < forbidden[middle].first)
            high = middle;
        else
            return 1;
    }
    return (rune & 0xfffe) == 0xfffe;
}

/* Length of the valid UTF-8 sequence at `s`, or 0; *rune is its code point. */
static size_t decode(const unsigned char *s, size_t len, uint32_t *rune)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t need;
    uint32_t value;
    if (s[0] < 0x80) {
        *rune = s[0];
        return 1;
    }
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        need = 2;
        value = s[0] & 0x1fu;
    } else if ((s[0] & 0xf0) == 0xe0) {
        need = 3;
        value = s[0] & 0x0fu;
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        need = 4;
        value = s[0] & 0x07u;
    } else {
        return 0;
    }
    if (need > len)
        return 0;
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (s[i] & 0x3fu);
    }
    if (value < least[need] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *rune = value;
    return need;
}

size_t n1_sanitise(char *out, size_t cap, const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t used = 0;
    for (size_t i = 0; i < len;) {
        uint32_t rune = 0;
        size_t take = decode(s + i, len - i, &rune);
        int bad = take == 0 || is_forbidden(rune);
        size_t put = bad ? 1 : take;
        if (put >= cap - used)
            break;
        if (bad)
            out[used] = '?';
        else
            memcpy(out + used, s + i, take);
        used += put;
        i += take ? take : 1;
    }
    out[used] = '\0';
    return used;
}

size_t n1_escape_xml(char *out, size_t cap, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t used = 0, left = strlen(text);
    while (left > 0) {
        uint32_t rune = 0;
        size_t take = decode(s, left, &rune);
        char raw[5] = "";
        const char *put = raw;
        if (take == 0 || is_forbidden(rune))
            put = "?";
        else if (rune == '&')
            put = "&amp;";
        else if (rune == '<')
            put = "&lt;";
        else if (rune == '>')
            put = "&gt;";
        else if (rune == '"')
            put = "&quot;";
        else if (rune == '\'')
            put = "&#39;";
        else
            memcpy(raw, s, take);
        size_t put_len = strlen(put);
        if (put_len >= cap - used)
            break;
        memcpy(out + used, put, put_len);
        used += put_len;
        take = take ? take : 1;
        s += take;
        left -= take;
    }
    out[used] = '\0';
    return used;
}
