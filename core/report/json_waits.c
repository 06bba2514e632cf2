/*
 * What a JSON report says of waits: all of them by class, function and resource, and those for files, sockets
 * and pipes once more by file and by function beside the counts of bytes.
 */
#include "core/report/json_private.h"

#include "n1/waits.h"

#include <stdlib.h>
#include <string.h>

#define IO_SHOWN 100

/* The window's waits under the report's filter; NULL when memory is short. The caller destroys it. */
static struct n1_wait_view *view_of(struct n1_json *j)
{
    struct n1_wait_view *view = n1_wait_view_create();
    if (!view || n1_wait_view_update(view, j->report->reader, j->report->summary->window,
                                     j->report->options->filter, NULL)) {
        j->failed = true;
        n1_wait_view_destroy(view);
        return NULL;
    }
    return view;
}

static void add_function(struct n1_json *j, cJSON *o, const struct n1_wait_row *row)
{
    char text[2 * N1_REPORT_TEXT];
    ptrdiff_t shown = n1_profile_find(j->report->profile, row->function_id);
    snprintf(text, sizeof text, "%s%s%s", row->module, *row->module ? "!" : "", row->function);
    cJSON_AddStringToObject(o, "function", shown < 0 ? text : j->report->keys[shown]);
}

void n1_json_waits(struct n1_json *j)
{
    size_t count = 0;
    struct n1_wait_view *view = view_of(j);
    const struct n1_wait_row *rows = view ? n1_wait_rows(view, &count) : NULL;
    cJSON *all = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "class", n1_wait_class_name(rows[i].wait_class));
        add_function(j, o, &rows[i]);
        n1_json_number(o, "seconds", n1_json_seconds(rows[i].ns));
        n1_json_number(o, "count", (double)rows[i].count);
        n1_json_text(j, o, "resource", rows[i].resource);
        cJSON_AddItemToArray(all, o);
    }
    n1_wait_view_destroy(view);
    n1_json_member(j, "waits", all);
}

static bool is_io(enum n1_wait_class wait_class)
{
    return wait_class == N1_WAIT_DISK || wait_class == N1_WAIT_NET || wait_class == N1_WAIT_PIPE;
}

static int by_resource(const void *a, const void *b)
{
    const struct n1_wait_row *x = a, *y = b;
    return (x->resource > y->resource) - (x->resource < y->resource);
}

static int by_function(const void *a, const void *b)
{
    const struct n1_wait_row *x = a, *y = b;
    return (x->function_id > y->function_id) - (x->function_id < y->function_id);
}

static int by_time(const void *a, const void *b)
{
    const struct n1_wait_row *x = a, *y = b;
    return x->ns != y->ns ? (x->ns < y->ns ? 1 : -1) : by_resource(a, b);
}

/* Adds up neighbours that `same` calls equal; returns how many are left, largest first. */
static size_t merge(struct n1_wait_row *rows, size_t count, int (*same)(const void *, const void *))
{
    size_t kept = 0;
    if (count)
        qsort(rows, count, sizeof *rows, same);
    for (size_t i = 0; i < count; i++) {
        if (kept && same(&rows[kept - 1], &rows[i]) == 0) {
            rows[kept - 1].ns += rows[i].ns;
            rows[kept - 1].count += rows[i].count;
        } else {
            rows[kept++] = rows[i];
        }
    }
    if (kept)
        qsort(rows, kept, sizeof *rows, by_time);
    return kept;
}

void n1_json_io_waits(struct n1_json *j, cJSON *io)
{
    size_t count = 0, left = 0;
    struct n1_wait_view *view = view_of(j);
    const struct n1_wait_row *rows = view ? n1_wait_rows(view, &count) : NULL;
    struct n1_wait_row *mine = calloc(count + 1, sizeof *mine);
    cJSON *files = cJSON_AddArrayToObject(io, "files"), *functions = cJSON_AddArrayToObject(io, "functions");
    j->failed |= !mine;
    for (size_t i = 0; mine && i < count; i++)
        if (is_io(rows[i].wait_class))
            mine[left++] = rows[i];
    size_t shown = mine ? merge(mine, left, by_resource) : 0;
    for (size_t i = 0; i < shown && i < IO_SHOWN; i++) {
        cJSON *o = cJSON_CreateObject();
        n1_json_text(j, o, "resource", mine[i].resource);
        n1_json_number(o, "seconds", n1_json_seconds(mine[i].ns));
        n1_json_number(o, "count", (double)mine[i].count);
        cJSON_AddItemToArray(files, o);
    }
    left = 0;
    for (size_t i = 0; mine && i < count; i++)
        if (is_io(rows[i].wait_class))
            mine[left++] = rows[i];
    shown = mine ? merge(mine, left, by_function) : 0;
    for (size_t i = 0; i < shown && i < IO_SHOWN; i++) {
        cJSON *o = cJSON_CreateObject();
        add_function(j, o, &mine[i]);
        n1_json_number(o, "seconds", n1_json_seconds(mine[i].ns));
        n1_json_number(o, "count", (double)mine[i].count);
        cJSON_AddItemToArray(functions, o);
    }
    free(mine);
    n1_wait_view_destroy(view);
}
