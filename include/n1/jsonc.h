/*
 * JSON files that people write: comments allowed (// and block), every value knows its line, errors name file
 * and line. cJSON does the parsing; this adds what it lacks. One thread per document; internal to libn1 and
 * its users.
 */
#ifndef N1_JSONC_H
#define N1_JSONC_H

#include "n1/error.h"

#include <stddef.h>

struct cJSON;
struct n1_jsonc;

/* Reads and parses a regular file of at most 1 MiB. Returns 0 with *ret the caller's (n1_jsonc_destroy),
 * -errno when it cannot be read (-ENOENT: not there), or N1_E_CONFIG with "FILE:LINE: ..." for bad syntax, a
 * key twice in one object, or a control character in a string. */
int n1_jsonc_load(struct n1_jsonc **ret, const char *path, struct n1_error *reterr);

/* The same over `length` bytes of memory; `name` stands for the file in messages. */
int n1_jsonc_parse(struct n1_jsonc **ret, const char *text, size_t length, const char *name,
                   struct n1_error *reterr);

/* NULL is fine. */
void n1_jsonc_destroy(struct n1_jsonc *doc);

/* The root value; it and all below it live as long as the document. */
const struct cJSON *n1_jsonc_root(const struct n1_jsonc *doc);
const char *n1_jsonc_name(const struct n1_jsonc *doc);

/* The line (from 1) where `item`, or its key when it has one, begins; 0 when it is not of this document. */
unsigned n1_jsonc_line(const struct n1_jsonc *doc, const struct cJSON *item);

/* Fills `reterr` with "FILE:LINE: " and the text, LINE being the item's; returns N1_E_CONFIG. */
int n1_jsonc_error(const struct n1_jsonc *doc, const struct cJSON *item, struct n1_error *reterr,
                   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
