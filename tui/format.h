/*
 * Numbers as short text. One rounding rule: the figure is scaled, then rounded half away from zero once, and
 * a carry moves to the next unit (999.6 KiB is "1.0M", never "1000K"). An unknown figure (NaN) is the glyph
 * of the set for it, never 0. Pure functions, any thread; `out` is always NUL-terminated.
 */
#ifndef N1_TUI_FORMAT_H
#define N1_TUI_FORMAT_H

#include "tui/glyphs.h"

#include <stddef.h>
#include <stdint.h>

#define N1_FORMAT_CAP 24

/* Percent with one decimal up to 999.9, whole from 1000 on, "9999+" past that: at most 5 columns. */
void n1_format_percent(char out[N1_FORMAT_CAP], const struct n1_glyphs *glyphs, double percent);
/* Bytes in 1024s: "999", "1.5K", "12M", "1.0G": at most 4 columns, 5 with a minus. */
void n1_format_bytes(char out[N1_FORMAT_CAP], const struct n1_glyphs *glyphs, double bytes);
/* As bytes, always with a sign: "+3.1M", "-12K", "+0". */
void n1_format_bytes_signed(char out[N1_FORMAT_CAP], const struct n1_glyphs *glyphs, double bytes);
/* Counts in 1000s: "999", "1.2k", "12k", "3.4M": at most 4 columns, 5 with a minus. */
void n1_format_count(char out[N1_FORMAT_CAP], const struct n1_glyphs *glyphs, double count);
/* A length of time in ns: "12ns", "4.5us", "123ms", "1.23s", "59.9s", "2m05", "3h12", "4d07": at most 5
 * columns. */
void n1_format_ns(char out[N1_FORMAT_CAP], const struct n1_glyphs *glyphs, double ns);
/* How long something has run, whole seconds: "0:05", "12:34", "1:02:14", "3d 04:05". */
void n1_format_uptime(char out[N1_FORMAT_CAP], const struct n1_glyphs *glyphs, double ns);
/* Wall clock in the local time zone, "14:03:22". */
void n1_format_clock(char out[N1_FORMAT_CAP], int64_t wall_ns);

#endif
