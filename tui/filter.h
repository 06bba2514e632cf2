/*
 * What a typed filter says: words of the form kind:native,kernel or thread:NAME|TID first, then text (or,
 * after a '!', an expression) for the names of functions and modules. Pure.
 */
#ifndef N1_TUI_FILTER_H
#define N1_TUI_FILTER_H

#include <stdbool.h>
#include <stdint.h>

struct n1_filter_words {
    uint32_t kinds;   /* bits 1 << enum n1_function_kind, 0: all */
    char thread[32];  /* name or number, "": all */
    const char *text; /* what follows the words, without the '!'; "" none; points into what was typed */
    bool regex;
    bool wrong; /* a word's value does not exist: nothing passes */
};

void n1_filter_parse(const char *typed, struct n1_filter_words *ret);

#endif
