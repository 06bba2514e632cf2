/* The threads: who runs and who waits for a CPU. Enter filters every pane by the thread in the row. */
#include "tui/views/view.h"

#include <stdio.h>

static void draw(struct n1_canvas *canvas, const struct n1_scene *scene, const struct n1_app *app)
{
    int rows = n1_canvas_rows(canvas), cols = n1_canvas_cols(canvas);
    char title[64];
    snprintf(title, sizeof title, "threads  %zu", scene->threads_alive);
    n1_view_title(canvas, app, N1_PANE_THREADS, title);
    bool wide = cols >= 30; /* narrower, the name and the CPU are what is left */
    if (wide)
        n1_canvas_text_right(canvas, 0, cols - 1, 14, N1_ROLE_LABEL, "  CPU%  WAIT% ");
    for (int i = 0; i < rows - 1; i++) {
        int at = app->threads.top + i, row = i + 1;
        if (at > (int)scene->thread_count)
            break;
        const struct n1_scene_thread *thread = at > 0 ? &scene->threads[at - 1] : NULL;
        bool filtered = app->thread_tid == (thread ? thread->tid : 0);
        if (filtered)
            n1_canvas_put(canvas, row, 1, '*', N1_ROLE_VALUE);
        if (thread == NULL) {
            n1_canvas_text(canvas, row, 3, N1_ROLE_TEXT, "all threads");
        } else {
            enum n1_role role = thread->alive ? N1_ROLE_TEXT : N1_ROLE_DIM;
            char tid[16];
            snprintf(tid, sizeof tid, "%u", thread->tid);
            if (wide)
                n1_canvas_text_right(canvas, row, 10, 7, role, tid);
            int name = wide ? 11 : 3, cpu = wide ? cols - 8 : cols - 1;
            n1_canvas_text_cut(canvas, row, name, cpu - 6 - name, role, thread->name[0] ? thread->name : tid,
                               N1_CUT_END);
            n1_view_percent(canvas, row, cpu, 6, thread->alive ? n1_view_heat(thread->cpu) : role,
                            thread->cpu);
            if (wide && thread->alive)
                n1_view_percent(canvas, row, cols - 1, 6, N1_ROLE_TEXT, thread->wait);
            else if (wide)
                n1_canvas_text_right(canvas, row, cols - 1, 6, N1_ROLE_DIM, "ended");
        }
        if (app->focus == N1_PANE_THREADS && at == app->threads.selected) {
            n1_canvas_put(canvas, row, 0, canvas->glyphs->cursor, N1_ROLE_TEXT);
            n1_canvas_paint(canvas, row, 0, cols, N1_ROLE_SELECTED);
        }
    }
}

const struct n1_view n1_view_threads = {
    "threads",
    N1_ACTION_THREADS,
    3,
    28,
    draw,
    "Threads, busiest first. CPU% of one core over the window; WAIT% is time it could\n"
    "have run and had no CPU. Enter filters every pane by the thread (marked *).\n"};
