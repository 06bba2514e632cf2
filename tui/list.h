/* A list with a selection and a window of visible rows. Pure; main thread. */
#ifndef N1_TUI_LIST_H
#define N1_TUI_LIST_H

#include "tui/keys.h"

#include <stdbool.h>

struct n1_list {
    int count;    /* rows there are */
    int page;     /* rows that fit */
    int selected; /* 0..count-1; 0 when empty */
    int top;      /* first visible row */
};

/* Puts selection and top back into range and the selection into sight. */
void n1_list_fit(struct n1_list *list, int count, int page);
/* Carries out UP, DOWN, PAGE_*, TOP and BOTTOM; false for any other action. */
bool n1_list_move(struct n1_list *list, enum n1_action action);

#endif
