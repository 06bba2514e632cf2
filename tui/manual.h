/*
 * The manual page, made from the same tables that dispatch: keys and commands cannot drift from what it says.
 */
#ifndef N1_TUI_MANUAL_H
#define N1_TUI_MANUAL_H

#include <stdio.h>

/* Writes n1top(1) as man(7) source. */
void n1_manual_write(FILE *out);

#endif
