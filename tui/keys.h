/*
 * The keys, declared once: dispatch, the help screen, the key bar and the manual all come from N1_KEY_MAP.
 * Every function key has a letter too, because multiplexers and web terminals eat function keys. Any thread.
 *
 * A key is a Unicode code point, or one of N1_KEY_* above the Unicode range.
 */
#ifndef N1_TUI_KEYS_H
#define N1_TUI_KEYS_H

#include "n1/error.h"

#include <stddef.h>
#include <stdint.h>

#define N1_KEY_SPECIAL 0x200000u
enum n1_key {
    N1_KEY_NONE = 0,
    N1_KEY_TAB = 9,
    N1_KEY_ENTER = 13,
    N1_KEY_ESC = 27,
    N1_KEY_BACKSPACE = 127,
    N1_KEY_UP = N1_KEY_SPECIAL,
    N1_KEY_DOWN,
    N1_KEY_LEFT,
    N1_KEY_RIGHT,
    N1_KEY_HOME,
    N1_KEY_END,
    N1_KEY_PAGE_UP,
    N1_KEY_PAGE_DOWN,
    N1_KEY_DELETE,
    N1_KEY_BACK_TAB,
    N1_KEY_F0 /* N1_KEY_F0 + n is function key n, 1..12 */
};
#define N1_KEY_F(n) (N1_KEY_F0 + (n))
#define N1_KEY_CTRL(letter) ((letter)&0x1f)

/* X(action, key, second key, key-bar label or "", help) */
#define N1_KEY_MAP(X)                                                                                        \
    X(HELP, N1_KEY_F(1), '?', "Help", "this help: keys and what every column means")                         \
    X(FIND, N1_KEY_F(3), '/', "Find", "find a function; the selection moves to the match")                   \
    X(FIND_NEXT, 'n', 0, "", "next match")                                                                   \
    X(FIND_PREVIOUS, 'N', 0, "", "previous match")                                                           \
    X(FILTER, N1_KEY_F(4), '\\', "Filter",                                                                   \
      "show only what matches: text, !EXPR, kind:kernel, thread:NAME; empty: all")                           \
    X(FLAME, N1_KEY_F(5), 'f', "Flame", "flame pane: show and focus, again: hide")                           \
    X(SORT, N1_KEY_F(6), 's', "Sort", "sort by the next column")                                             \
    X(INVERT, 'I', 0, "", "turn the sort order round")                                                       \
    X(THREADS, N1_KEY_F(7), 't', "Thread", "threads pane; Enter there filters every pane by the thread")     \
    X(THREAD_NEXT, ']', 0, "", "filter by the next thread")                                                  \
    X(THREAD_PREVIOUS, '[', 0, "", "filter by the previous thread; before the first: all threads")           \
    X(MEMORY, N1_KEY_F(8), 'M', "Memory", "memory pane")                                                     \
    X(WAITS, 'W', 0, "", "waits pane: what threads wait for, who holds the lock")                            \
    X(OF, 'x', 0, "", "table and flame show CPU time, waits, or both (wall clock)")                          \
    X(MEMORY_MARK, 'E', 0, "", "memory: mark now, and show what grew since; again: no mark")                 \
    X(SNAPSHOT, N1_KEY_F(9), 'w', "Snap", "write a JSON report of what is shown")                            \
    X(DETACH, 'D', 0, "", "leave, but sample on for a while; n1top --attach rejoins")                        \
    X(QUIT, N1_KEY_F(10), 'q', "Quit", "leave")                                                              \
    X(INTERRUPT, N1_KEY_CTRL('C'), 0, "", "leave")                                                           \
    X(PAUSE, ' ', 'p', "", "hold the picture (sampling goes on) and let it go again")                        \
    X(FRAMES, 'F', 0, "", "frames: Python and native, Python alone, native alone")                           \
    X(WINDOW, 'd', 0, "", "window: the last 5 s, 30 s, everything")                                          \
    X(TIME_BACK, ',', 0, "", "travel in time: a second back; every pane shows the window that ends there")   \
    X(TIME_FORWARD, '.', 0, "", "a second forward")                                                          \
    X(TIME_FAR_BACK, '<', 0, "", "ten seconds back")                                                         \
    X(TIME_FAR_FORWARD, '>', 0, "", "ten seconds forward")                                                   \
    X(TIME_MARK, 'm', 0, "", "mark a span: from here to where you go; again: no span")                       \
    X(TIME_LIVE, '0', 0, "", "back to now")                                                                  \
    X(COMPARE, 'C', 0, "", "what differs from the minute before what is shown; again: off")                  \
    X(COMPARE_KEEP, 'b', 0, "", "keep what is shown as the \"before\" to compare with; again: off")          \
    X(COMPARE_FILE, 'O', 0, "", "compare with a saved recording or JSON report")                             \
    X(PANE_1, '1', 0, "", "functions")                                                                       \
    X(PANE_2, '2', 0, "", "callers and callees")                                                             \
    X(PANE_3, '3', 0, "", "flame pane")                                                                      \
    X(PANE_4, '4', 0, "", "threads pane")                                                                    \
    X(PANE_5, '5', 0, "", "memory pane")                                                                     \
    X(PANE_6, '6', 0, "", "log")                                                                             \
    X(DETAIL, 'c', 0, "", "callers and callees of the selected function")                                    \
    X(SOURCE, 'e', 0, "", "source lines of the selected function, with the time of each")                    \
    X(CODE, 'a', 0, "", "its instructions, with the samples of each")                                        \
    X(LOG, 'l', 0, "", "anomaly log")                                                                        \
    X(ENTER, N1_KEY_ENTER, 0, "", "go in: callers of a function, zoom a frame, filter by thread")            \
    X(BACK, N1_KEY_ESC, N1_KEY_BACKSPACE, "", "back: clears a find or filter first, then leaves the pane")   \
    X(LEFT, N1_KEY_LEFT, 'h', "", "flame: the frame to the left; elsewhere back")                            \
    X(RIGHT, N1_KEY_RIGHT, 0, "", "flame: the frame to the right; elsewhere go in")                          \
    X(ZOOM, 'z', 0, "", "flame: make the selected function the root, again: undo")                           \
    X(FLIP, 'i', 0, "", "flame: root at the top or at the bottom")                                           \
    X(COLOR, 'K', 0, "",                                                                                     \
      "flame: colours tell the kind, the module, the own time (while comparing: the change)")                \
    X(NEXT_PANE, N1_KEY_TAB, 0, "", "next pane")                                                             \
    X(PREVIOUS_PANE, N1_KEY_BACK_TAB, 0, "", "previous pane")                                                \
    X(UP, N1_KEY_UP, 'k', "", "up")                                                                          \
    X(DOWN, N1_KEY_DOWN, 'j', "", "down")                                                                    \
    X(PAGE_UP, N1_KEY_PAGE_UP, N1_KEY_CTRL('B'), "", "a page up")                                            \
    X(PAGE_DOWN, N1_KEY_PAGE_DOWN, N1_KEY_CTRL('F'), "", "a page down")                                      \
    X(TOP, N1_KEY_HOME, 'g', "", "first row")                                                                \
    X(BOTTOM, N1_KEY_END, 'G', "", "last row")                                                               \
    X(SLOWER, '-', 0, "", "refresh less often, down to every 10 s")                                          \
    X(FASTER, '+', 0, "", "refresh more often, up to four times a second")                                   \
    X(REFRESH_DEFAULT, '=', 0, "", "refresh once a second")                                                  \
    X(MOTION, 'v', 0, "", "graphs: sweep (few bytes) or scroll")                                             \
    X(LOW, 'L', 0, "", "low bandwidth: fewer, smaller frames for a slow line; again: undo")                  \
    X(COPY, 'y', 0, "", "copy what is selected to the clipboard (by the terminal, OSC 52)")                  \
    X(PRINT, 'P', 0, "", "write the screen as plain text, to paste into a chat")                             \
    X(KEEP, 'S', 0, "", "keep order, window, panes, frames and flame colours for the next time")             \
    X(REPAINT, N1_KEY_CTRL('L'), 0, "", "draw the whole screen again")                                       \
    X(SUSPEND, N1_KEY_CTRL('Z'), 0, "", "suspend; fg comes back")

enum n1_action {
    N1_ACTION_NONE,
#define X(action, key, key2, label, help) N1_ACTION_##action,
    N1_KEY_MAP(X)
#undef X
        N1_ACTION_COUNT
};

struct n1_key_binding {
    enum n1_action action;
    uint32_t key, key2; /* key2 0: none */
    const char *label;  /* on the key bar, "" when not there */
    const char *help;
};

/* The bindings in the order of the map. */
const struct n1_key_binding *n1_keys(size_t *ret_count);
/* The action of a key, N1_ACTION_NONE when it has none. */
enum n1_action n1_keys_action(uint32_t key);
/* Gives an action ("flame", "time-back": its name in the map, small, with '-') another key ("x", "F5",
 * "Ctrl-K", "Space"); its second key goes. Before the screen is opened. Errors, with the reason in *reterr:
 * N1_E_CONFIG for an action or key that does not exist. n1_keys_check() afterwards tells of a key with two
 * actions. */
int n1_keys_bind(const char *action, const char *key, struct n1_error *reterr);
int n1_keys_check(struct n1_error *reterr);
/* "F5", "Ctrl-L", "Space", "PgUp", "f"; always NUL-terminated. */
void n1_keys_name(char out[12], uint32_t key);

#endif
