/* The waits of the scene: sums by class, function and resource, with today's holder of each lock. */
#include "tui/scene.h"

#include "n1/waits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void copy(char *out, size_t cap, const char *text)
{
    size_t len = strlen(text);
    if (len >= cap)
        for (len = cap - 1; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
            len--;
    memcpy(out, text, len);
    out[len] = '\0';
}

/* What the waits that go on say of a row's resource. */
static void now(struct n1_reader *reader, const struct n1_wait_view *view, const struct n1_wait_row *row,
                struct n1_scene_wait *ret)
{
    size_t count;
    struct n1_model_thread owner;
    const struct n1_wait_open *open = n1_wait_open(view, &count);
    for (size_t i = 0; i < count; i++) {
        if (open[i].resource != row->resource || open[i].function != row->function ||
            open[i].wait_class != row->wait_class)
            continue;
        ret->dead |= (open[i].flags & N1_WAIT_DEAD) != 0;
        ret->deep |= (open[i].flags & N1_WAIT_DEEP) != 0;
        if (ret->owner[0] || !open[i].owner || !n1_reader_thread(reader, open[i].owner, &owner))
            continue;
        char text[sizeof ret->owner + 64];
        snprintf(text, sizeof text, "%u %s", owner.tid, n1_reader_string(reader, owner.name));
        copy(ret->owner, sizeof ret->owner, text);
    }
}

int n1_scene_waits_update(struct n1_scene_waits *waits, struct n1_reader *reader, struct n1_window window,
                          const struct n1_filter *filter)
{
    size_t count;
    waits->count = 0;
    if (!waits->view)
        waits->view = n1_wait_view_create();
    if (!waits->rows)
        waits->rows = calloc(N1_SCENE_WAITS, sizeof *waits->rows);
    if (!waits->view || !waits->rows)
        return -ENOMEM;
    int rc = n1_wait_view_update(waits->view, reader, window, filter, NULL);
    if (rc < 0)
        return rc;
    const struct n1_wait_row *rows = n1_wait_rows(waits->view, &count);
    memcpy(waits->class_ns, n1_wait_totals(waits->view)->ns, sizeof waits->class_ns);
    waits->all_ns = n1_wait_totals(waits->view)->all_ns;
    for (size_t i = 0; i < count && i < N1_SCENE_WAITS; i++) {
        struct n1_scene_wait *to = &waits->rows[waits->count++];
        *to = (struct n1_scene_wait){
            .wait_class = rows[i].wait_class, .ns = rows[i].ns, .times = rows[i].count};
        copy(to->function, sizeof to->function, rows[i].function);
        copy(to->resource, sizeof to->resource, n1_reader_string(reader, rows[i].resource));
        now(reader, waits->view, &rows[i], to);
    }
    return 0;
}

void n1_scene_waits_finish(struct n1_scene_waits *waits)
{
    n1_wait_view_destroy(waits->view);
    free(waits->rows);
    *waits = (struct n1_scene_waits){0};
}
