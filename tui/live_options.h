/* The command line of the live screen: `n1top -p …`, `n1top FILE`, `n1top -- CMD`, and `n1top` alone. */
#ifndef N1_TUI_LIVE_OPTIONS_H
#define N1_TUI_LIVE_OPTIONS_H

#include <stddef.h>

/* An option: how it is parsed, and what help and manual say of it. */
struct n1_live_option {
    int value; /* its letter, or beyond letters */
    const char *name, *argument;
    const char *text; /* NULL: not for users */
};
const struct n1_live_option *n1_live_options(size_t *ret_count);

/* Parses argv[1…], starts what is asked for and runs the screen. Returns the exit status. */
int n1_live_main(int argc, char **argv);

#endif
