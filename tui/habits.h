/*
 * What the screen shows, kept from one time to the next when the user says so (key S): order, window, panes,
 * flame pane, frames. It lies in $XDG_CONFIG_HOME/n1top/screen.json (~/.config), written whole or not at all.
 * Main thread.
 */
#ifndef N1_TUI_HABITS_H
#define N1_TUI_HABITS_H

#include "tui/app.h"

#include "n1/error.h"

/* Fills `out` with the file's path; false without a home. */
bool n1_habits_path(char out[512]);

/* Writes the app's habits. Errors: N1_E_USAGE, -errno; the hint names the remedy. */
int n1_habits_save(const struct n1_app *app, const char *path, struct n1_error *reterr);

/* Gives the app what the file says; what it does not say stays. A file that is not there is no error (0); one
 * that is not understood changes nothing: N1_E_CONFIG with the file and the key in the words. */
int n1_habits_load(struct n1_app *app, const char *path, struct n1_error *reterr);

#endif
