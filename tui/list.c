/* A list with a selection; see list.h. */
#include "tui/list.h"

static int clamp(int value, int low, int high)
{
    return value > high ? (high < low ? low : high) : value < low ? low : value;
}

void n1_list_fit(struct n1_list *list, int count, int page)
{
    list->count = count;
    list->page = page < 1 ? 1 : page;
    list->selected = clamp(list->selected, 0, count - 1);
    if (list->selected < list->top)
        list->top = list->selected;
    if (list->selected >= list->top + list->page)
        list->top = list->selected - list->page + 1;
    list->top = clamp(list->top, 0, count - list->page);
}

bool n1_list_move(struct n1_list *list, enum n1_action action)
{
    int to = list->selected;
    switch (action) {
    case N1_ACTION_UP:
        to--;
        break;
    case N1_ACTION_DOWN:
        to++;
        break;
    case N1_ACTION_PAGE_UP:
        to -= list->page;
        break;
    case N1_ACTION_PAGE_DOWN:
        to += list->page;
        break;
    case N1_ACTION_TOP:
        to = 0;
        break;
    case N1_ACTION_BOTTOM:
        to = list->count - 1;
        break;
    default:
        return false;
    }
    list->selected = to;
    n1_list_fit(list, list->count, list->page);
    return true;
}
