/*
 * The one gate for text that comes from the target (symbols, paths, thread names, command lines): what leaves
 * it is valid UTF-8 without control, bidi-override, zero-width or line-breaking characters, so no such byte
 * reaches a terminal, an SVG, HTML, JSON or a metrics line. Pure functions, any thread, nothing allocated.
 */
#ifndef N1_SANITISE_H
#define N1_SANITISE_H

#include <stddef.h>

/* Copies at most `len` bytes of `text` into `out` (capacity `cap` > 0, always NUL-terminated): control
 * characters (C0, DEL, C1, U+2028/9) and bidi/format controls become '?', each invalid UTF-8 byte becomes
 * '?'. Cuts only at a character boundary. Returns the number of bytes written without the NUL. */
size_t n1_sanitise(char *out, size_t cap, const char *text, size_t len);

/* Escapers over sanitised text, same contract as n1_sanitise: what cannot fit whole is left out. */
size_t n1_escape_xml(char *out, size_t cap, const char *text);

#endif
