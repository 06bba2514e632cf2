/*
 * Source lines and inlined functions from DWARF, by libdw. Slow (0.1 to 2 ms an address, 20 to 160 ms for the
 * first of a compilation unit) and large in memory, so only on request and only in the symbol helper. One
 * thread per object.
 */
#ifndef N1_SAMPLER_SYMBOLS_LINES_H
#define N1_SAMPLER_SYMBOLS_LINES_H

#include "sampler/symbols/symbols.h"

struct n1_lines;

struct n1_line_inline {
    char name[N1_SYMBOL_NAME_MAX]; /* demangled */
    char file[N1_SYMBOL_NAME_MAX];
    uint32_t line;
};

/* What is unknown is "" or 0. Positions as in struct n1_symbol_result. */
struct n1_line_answer {
    char file[N1_SYMBOL_NAME_MAX], own_file[N1_SYMBOL_NAME_MAX], decl_file[N1_SYMBOL_NAME_MAX];
    uint32_t line, own_line, decl_line;
    size_t inline_count;
    struct n1_line_inline inlines[N1_SYMBOL_INLINES_MAX];
};

/* Opens the DWARF of `fd` (borrowed, stays open as long as the object). Returns N1_SYMBOL_FOUND, NO_LINES
 * when it has none, LINES_DAMAGED. */
enum n1_symbol_status n1_lines_open(struct n1_lines **ret_lines, int fd);
void n1_lines_close(struct n1_lines *lines);
/* Position of `addr` and, with N1_SYMBOL_INLINES in `flags`, the inlined functions there. FOUND or NO_LINES.
 */
enum n1_symbol_status n1_lines_find(struct n1_lines *lines, uint64_t addr, unsigned flags,
                                    struct n1_line_answer *ret_answer);

#endif
