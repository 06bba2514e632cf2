/* The command line of the live screen: `n1top -p …`, `n1top FILE`, `n1top -- CMD`, and `n1top` alone. */
#ifndef N1_TUI_LIVE_OPTIONS_H
#define N1_TUI_LIVE_OPTIONS_H

/* Parses argv[1…], starts what is asked for and runs the screen. Returns the exit status. */
int n1_live_main(int argc, char **argv);

#endif
