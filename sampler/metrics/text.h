/*
 * Bounded reading of the small text files of /proc and of cgroups, and of the numbers in them. The text may
 * be cut, malformed or hostile: every look-up has an end, every number is checked for overflow.
 */
#ifndef N1_SAMPLER_METRICS_TEXT_H
#define N1_SAMPLER_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A stretch of text, not NUL-terminated; borrowed. */
struct n1_text {
    const char *at, *end;
};

/* Reads the start of `path` below `dirfd` into `buf` (capacity `cap`) with one read, which is how the
 * kernel's single-record files come whole. With `kept` the descriptor is opened once and stays in *kept (-1
 * at first), to be read again from its start; without it the file is opened and closed. Returns 0 or -errno
 * (-EBADMSG when empty); *ret then covers what was read. A kept descriptor that fails is closed and set to
 * -1. */
int n1_text_read(int dirfd, const char *path, int *kept, char *buf, size_t cap, struct n1_text *ret);

/* Takes the next line, without its '\n', off `text`. False at the end. */
bool n1_text_line(struct n1_text *text, struct n1_text *ret_line);
/* Takes the next word (not blank, not '\n') off `text`. False at the end. */
bool n1_text_word(struct n1_text *text, struct n1_text *ret_word);
/* Takes one whole decimal number off `text` after blanks. False, text as before, when there is none or it is
 * above INT64_MAX; a sign is taken too. */
bool n1_text_int(struct n1_text *text, int64_t *ret);
/* The rest of a line that begins with `key` taken as a whole word: `key` followed by a blank, ':' or '='. */
bool n1_text_after(struct n1_text line, const char *key, struct n1_text *ret_rest);
bool n1_text_equals(struct n1_text text, const char *literal);

#endif
