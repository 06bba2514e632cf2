/* Choosing a process on the screen: busiest first, typing finds, Enter takes. Main thread. */
#ifndef N1_TUI_PICKER_H
#define N1_TUI_PICKER_H

#include "tui/canvas.h"
#include "tui/list.h"
#include "tui/process_list.h"
#include "tui/screen.h"

struct n1_picker {
    struct n1_process_list processes;
    struct n1_list list;
    size_t *shown; /* indices of the processes that match */
    char find[64];
    pid_t selected; /* 0: the first row */
};

enum n1_picker_result { N1_PICKER_GOES_ON, N1_PICKER_TAKEN, N1_PICKER_LEFT };

/* What a key does. With TAKEN, *ret_pid is the process. */
enum n1_picker_result n1_picker_key(struct n1_picker *picker, uint32_t key, pid_t *ret_pid);
/* Puts the rows in order over a new reading; `rows` of the terminal. Returns 0 or -ENOMEM. */
int n1_picker_sync(struct n1_picker *picker, int rows);
void n1_picker_draw(const struct n1_picker *picker, struct n1_canvas *canvas);
void n1_picker_finish(struct n1_picker *picker);

/* Lets the user pick. Signals are open (tui/signals.h). Returns 0 with *ret_pid; 1 when the user left; 128 +
 * signal when one ended it; -EIO when the terminal is gone; -errno. */
int n1_picker_run(struct n1_screen *screen, const struct n1_glyphs *glyphs, pid_t *ret_pid);

#endif
