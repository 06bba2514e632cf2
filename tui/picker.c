/*
 * The picker. Its first reading has no CPU shares, so a second one follows after a quarter of a second; until
 * then the order is by CPU time used so far.
 */
#include "tui/picker.h"

#include "tui/format.h"
#include "tui/signals.h"
#include "tui/views/view.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool matches(const struct n1_process_entry *entry, const char *find)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)entry->pid);
    return find[0] == '\0' || strcasestr(entry->command, find) != NULL ||
           strcasestr(entry->name, find) != NULL || strncmp(pid, find, strlen(find)) == 0;
}

int n1_picker_sync(struct n1_picker *picker, int rows)
{
    size_t count = 0;
    size_t *shown = calloc(picker->processes.count ? picker->processes.count : 1, sizeof *shown);
    if (shown == NULL)
        return -ENOMEM;
    free(picker->shown);
    picker->shown = shown;
    for (size_t i = 0; i < picker->processes.count; i++) {
        if (picker->processes.entries[i].pid == getpid() ||
            !matches(&picker->processes.entries[i], picker->find))
            continue;
        if (picker->selected == picker->processes.entries[i].pid)
            picker->list.selected = (int)count;
        shown[count++] = i;
    }
    if (picker->selected == 0)
        picker->list.selected = 0;
    n1_list_fit(&picker->list, (int)count, rows - 4);
    return 0;
}

enum n1_picker_result n1_picker_key(struct n1_picker *picker, uint32_t key, pid_t *ret_pid)
{
    size_t len = strlen(picker->find);
    const struct n1_process_entry *entries = picker->processes.entries;
    bool typed = key >= 32 && key < 127;
    if (key == N1_KEY_ENTER) {
        if (picker->list.count == 0)
            return N1_PICKER_GOES_ON;
        *ret_pid = entries[picker->shown[picker->list.selected]].pid;
        return N1_PICKER_TAKEN;
    }
    if (key == N1_KEY_CTRL('C') || key == N1_KEY_F(10) || (key == N1_KEY_ESC && len == 0))
        return N1_PICKER_LEFT;
    if (key == N1_KEY_ESC || key == N1_KEY_CTRL('U')) {
        picker->find[0] = '\0';
        picker->selected = 0;
    } else if (key == N1_KEY_BACKSPACE) {
        picker->find[len > 0 ? len - 1 : 0] = '\0';
    } else if (typed && len + 1 < sizeof picker->find) {
        picker->find[len] = (char)key;
        picker->find[len + 1] = '\0';
        picker->selected = 0;
    } else if (!typed && n1_list_move(&picker->list, n1_keys_action(key)) && picker->list.count > 0) {
        picker->selected = entries[picker->shown[picker->list.selected]].pid;
    }
    return N1_PICKER_GOES_ON;
}

static void draw_entry(struct n1_canvas *canvas, int row, const struct n1_process_entry *entry)
{
    char text[N1_FORMAT_CAP];
    int cols = n1_canvas_cols(canvas);
    bool ours = geteuid() == 0 || entry->uid == getuid();
    enum n1_role role = ours ? N1_ROLE_TEXT : N1_ROLE_DIM;
    snprintf(text, sizeof text, "%d", (int)entry->pid);
    n1_canvas_text_right(canvas, row, 9, 8, role, text);
    n1_view_percent(canvas, row, 16, 6, ours ? n1_view_heat(entry->cpu) : role, entry->cpu);
    n1_format_bytes(text, canvas->glyphs, entry->rss_bytes);
    n1_canvas_text_right(canvas, row, 22, 5, role, text);
    int col = 24;
    if (!ours)
        col = n1_canvas_text(canvas, row, col, N1_ROLE_DIM, "(not yours) ");
    n1_canvas_text_cut(canvas, row, col, cols - col, role, entry->command, N1_CUT_MIDDLE);
}

void n1_picker_draw(const struct n1_picker *picker, struct n1_canvas *canvas)
{
    n1_canvas_erase(canvas);
    int rows = n1_canvas_rows(canvas), cols = n1_canvas_cols(canvas);
    int col = n1_canvas_text(canvas, 0, 0, N1_ROLE_TITLE, "n1top: which process?  ");
    col = n1_canvas_text(canvas, 0, col, N1_ROLE_LABEL, "find: ");
    col = n1_canvas_text(canvas, 0, col, N1_ROLE_INPUT, picker->find);
    n1_canvas_put(canvas, 0, col, ' ', N1_ROLE_SELECTED);
    n1_canvas_text(canvas, 1, 0, N1_ROLE_TITLE, "      PID   CPU%   RSS  COMMAND");
    if (picker->list.count == 0)
        n1_canvas_text(canvas, 2, 2, N1_ROLE_LABEL,
                       picker->find[0] ? "no process matches" : "no process to show");
    for (int i = 0; i + 3 < rows && picker->list.top + i < picker->list.count; i++) {
        draw_entry(canvas, i + 2, &picker->processes.entries[picker->shown[picker->list.top + i]]);
        if (picker->list.top + i == picker->list.selected) {
            n1_canvas_put(canvas, i + 2, 0, canvas->glyphs->cursor, N1_ROLE_TEXT);
            n1_canvas_paint(canvas, i + 2, 0, cols, N1_ROLE_SELECTED);
        }
    }
    n1_canvas_text_cut(canvas, rows - 1, 0, cols, N1_ROLE_LABEL,
                       "type to find   arrows move   Enter attaches   Esc clears, leaves", N1_CUT_END);
}

void n1_picker_finish(struct n1_picker *picker)
{
    n1_process_list_finish(&picker->processes);
    free(picker->shown);
    memset(picker, 0, sizeof *picker);
}

static int paint(struct n1_picker *picker, struct n1_screen *screen, struct n1_canvas *canvas,
                 const struct n1_glyphs *glyphs)
{
    int rows, cols;
    if (n1_screen_measure(screen, &rows, &cols) || canvas->cells == NULL) {
        n1_canvas_finish(canvas);
        int rc = n1_canvas_init(canvas, rows, cols, glyphs);
        if (rc < 0)
            return rc;
    }
    int rc = n1_picker_sync(picker, rows);
    if (rc < 0)
        return rc;
    n1_picker_draw(picker, canvas);
    rc = n1_screen_paint(screen, canvas);
    return rc == -EAGAIN ? 0 : rc;
}

static int handle(struct n1_picker *picker, struct n1_screen *screen, pid_t *ret_pid)
{
    uint32_t key;
    int number, rc;
    while ((number = n1_signals_next()) != 0) {
        if (number == SIGTSTP)
            n1_screen_suspend(screen, false);
        else if (number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGHUP)
            return 128 + number;
    }
    while ((rc = n1_screen_key(screen, &key)) == 1) {
        if (key == N1_KEY_CTRL('Z')) {
            n1_screen_suspend(screen, true);
            continue;
        }
        if (key == N1_KEY_CTRL('L'))
            n1_screen_invalidate(screen);
        enum n1_picker_result result = n1_picker_key(picker, key, ret_pid);
        if (result != N1_PICKER_GOES_ON)
            return result == N1_PICKER_TAKEN ? 2 : 1;
        rc = n1_picker_sync(picker, picker->list.page + 4);
        if (rc < 0)
            return rc;
    }
    return rc;
}

int n1_picker_run(struct n1_screen *screen, const struct n1_glyphs *glyphs, pid_t *ret_pid)
{
    struct n1_picker picker = {0};
    struct n1_canvas canvas = {0};
    int readings = 0, rc = 0;
    n1_ns due = 0;
    for (;;) {
        n1_ns now = n1_time_mono();
        if (now >= due) {
            rc = n1_process_list_read(&picker.processes);
            due = now + (readings++ ? 2 * N1_SECOND_NS : N1_SECOND_NS / 4);
        }
        if (rc == 0)
            rc = paint(&picker, screen, &canvas, glyphs);
        if (rc != 0)
            break;
        struct pollfd fds[2] = {{n1_screen_fd(screen), POLLIN, 0}, {n1_signals_fd(), POLLIN, 0}};
        poll(fds, 2, (int)((due > now ? due - now : 0) / 1000000) + 1);
        rc = handle(&picker, screen, ret_pid);
        if (rc != 0)
            break;
    }
    n1_picker_finish(&picker);
    n1_canvas_finish(&canvas);
    return rc == 2 ? 0 : rc;
}
