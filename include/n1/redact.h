/*
 * What must not leave a host with a recording or a report: command line arguments, labels, container ids,
 * folders of paths, the host's name and its people's login names. A reader that redacts (n1_reader_redact)
 * gives nothing else away, whatever the output; these are its means. Pure functions but for the making of the
 * list; any thread.
 */
#ifndef N1_REDACT_H
#define N1_REDACT_H

#include <stddef.h>

/* Names to be replaced, each always by the same word: "host", "user1", "user2"… */
struct n1_redaction;

/* A list with this host's name and its people's: the users of the database from uid 1000 on, and who runs
 * this. NULL: out of memory. */
struct n1_redaction *n1_redaction_create(void);
/* NULL is fine. */
void n1_redaction_destroy(struct n1_redaction *redaction);
/* Another name of a host or a person; too short a name, a known one, and "root" are passed over. */
void n1_redaction_add_host(struct n1_redaction *redaction, const char *name);
void n1_redaction_add_user(struct n1_redaction *redaction, const char *name);
/* Adds whose home folders a text names (/home/NAME). */
void n1_redaction_learn(struct n1_redaction *redaction, const char *text);

/* Rewrites `text`, of `len` bytes without NUL, in place of `out` (capacity `cap` > 0, always terminated):
 * every path is cut to its last part, every name replaced. Returns the bytes written without the NUL. `text`
 * is clean (n1_sanitise) and does not overlap `out`. */
size_t n1_redact(const struct n1_redaction *redaction, char *out, size_t cap, const char *text, size_t len);

#endif
