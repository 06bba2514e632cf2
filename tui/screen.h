/*
 * The terminal. Takes a canvas and sends the cells that differ from what is shown; gives keys; leaves the
 * terminal as it was found on every way out of the program. screen.c is the only file that knows curses.
 *
 * One screen a process, main thread. The caller has called setlocale(LC_CTYPE, "").
 */
#ifndef N1_TUI_SCREEN_H
#define N1_TUI_SCREEN_H

#include "tui/canvas.h"
#include "tui/theme.h"

#include "n1/error.h"

#include <signal.h>
#include <stdbool.h>

struct n1_screen;

/* 0 when standard input and output are terminals that TERM describes well enough to draw on; else N1_E_USAGE
 * with what to use instead. Changes nothing. */
int n1_screen_check(struct n1_error *reterr);

/* Takes the terminal over. `color` is what --color asked for (N1_COLORS_AUTO: decide). Errors as
 * n1_screen_check. */
int n1_screen_open(const struct n1_theme *theme, int color, struct n1_screen **ret, struct n1_error *reterr);
/* Gives the terminal back. NULL is fine. */
void n1_screen_close(struct n1_screen *screen);

/* Looks up the terminal's size and takes it over; true when it has changed since the last call. */
bool n1_screen_measure(struct n1_screen *screen, int *ret_rows, int *ret_cols);
/* Whether a frame may be sent now: 0; -EAGAIN while the line is busy with the one before (make none: the next
 * shows the latest state); -EIO when the terminal is gone. */
int n1_screen_ready(struct n1_screen *screen);

struct n1_screen_line {
    const char *trouble; /* why the line is called slow, "": it is not. Owned by the screen */
    double bytes_s;      /* sent to the terminal, over the last ten seconds */
    int full;            /* descriptor to poll for writing while the line takes nothing, -1: it does */
};
/* How the line to the terminal fares. */
void n1_screen_line(const struct n1_screen *screen, struct n1_screen_line *ret);
/* Shows the canvas, whose sides are those of the last measure. Returns 0; -EAGAIN when the terminal does not
 * take output now (nothing is sent: the next frame shows the latest state); -EIO when it is gone. */
int n1_screen_paint(struct n1_screen *screen, const struct n1_canvas *canvas);
/* Without colours and most attributes, for a line that is short of bytes. */
void n1_screen_plain(struct n1_screen *screen, bool plain);
/* Asks the terminal to take text into its clipboard (OSC 52); one that cannot ignores it. At most 8 KiB are
 * sent. Returns 0 or as n1_screen_paint(). */
int n1_screen_copy(struct n1_screen *screen, const char *text);
/* Makes the next paint send everything. */
void n1_screen_invalidate(struct n1_screen *screen);
/* Next key of tui/keys.h. Returns 1, 0 when there is none waiting, -EIO when the terminal is gone. Never
 * blocks, except for the 50 ms that tell Esc from the beginning of a function key. */
int n1_screen_key(struct n1_screen *screen, uint32_t *ret_key);
/* The descriptor to poll for keys and hang-up. */
int n1_screen_fd(const struct n1_screen *screen);
/* Gives the terminal back, stops (the whole job when `job`), and takes it again when continued. */
void n1_screen_suspend(struct n1_screen *screen, bool job);
enum n1_color_level n1_screen_color(const struct n1_screen *screen);

/* Async-signal-safe: gives the terminal back at once, from any state; does nothing when it is not taken. */
void n1_screen_emergency(void);
/* Non-zero while bytes are being sent, when a handler cannot count on the loop to go on (the line may be
 * stuck). */
extern volatile sig_atomic_t n1_screen_painting;

#endif
