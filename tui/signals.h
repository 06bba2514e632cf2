/*
 * Signals as readable bytes: each one that concerns the screen is written to a pipe that the loop polls. When
 * a signal that ends the program comes while output is stuck, the terminal is given back and the program ends
 * at once. Process-wide; main thread.
 */
#ifndef N1_TUI_SIGNALS_H
#define N1_TUI_SIGNALS_H

/* Takes over WINCH, TERM, INT, QUIT, HUP (unless it is ignored), TSTP and CONT; ignores PIPE. Returns 0 or
 * -errno. */
int n1_signals_open(void);
/* To be polled for reading. */
int n1_signals_fd(void);
/* Next signal number, 0 when there is none. */
int n1_signals_next(void);
/* Back to the default actions. */
void n1_signals_close(void);

#endif
