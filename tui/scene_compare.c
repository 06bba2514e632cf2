/* The comparison in the picture; see scene_compare.h. */
#include "tui/scene_compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void n1_scene_compare_finish(struct n1_scene_compare *c)
{
    free(c->rows);
    free(c->match);
    n1_profile_destroy(c->profile);
    memset(c, 0, sizeof *c);
}

/* Which function before is which now: known from the rows, but for those without a sample of their own. */
static int match(struct n1_scene_compare *c, const struct n1_profile *now, const struct n1_saved *saved)
{
    size_t count, count0;
    const struct n1_profile_function *f = n1_profile_functions(now, &count);
    uint32_t *all = malloc((count + 1) * sizeof *all);
    if (all == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        all[i] = UINT32_MAX;
    if (saved != NULL && c->tree != NULL) {
        /* by name: rows of total time name every function there is on both sides */
        struct n1_difference *rows = NULL;
        const struct n1_difference_options total = {.total = true};
        ptrdiff_t n = n1_difference_saved(n1_saved_past(saved), now, &total, &rows);
        const struct n1_profile_function *f0 = n1_profile_functions(c->tree, &count0);
        for (ptrdiff_t i = 0; i < n; i++) {
            if (rows[i].now >= count || rows[i].before == UINT32_MAX)
                continue;
            for (size_t k = 0; k < count0 && all[rows[i].now] == UINT32_MAX; k++) {
                if (strcmp(f0[k].name, rows[i].name) == 0 &&
                    strcmp(f0[k].module_name, rows[i].module_name) == 0)
                    all[rows[i].now] = (uint32_t)k;
            }
        }
        free(rows);
    } else if (c->tree != NULL) {
        n1_profile_functions(c->tree, &count0);
        for (size_t i = 0; i < count; i++) {
            ptrdiff_t at = n1_profile_find(c->tree, f[i].id);
            if (at >= 0 && (size_t)at < count0)
                all[i] = (uint32_t)at;
        }
    }
    free(c->match);
    c->match = all;
    c->matched = count;
    return 0;
}

int n1_scene_compare_update(struct n1_scene_compare *c, struct n1_reader *reader, struct n1_window window,
                            struct n1_saved *saved, const struct n1_filter *filter,
                            const struct n1_profile *now, bool share)
{
    const struct n1_difference_options options = {.share = share};
    struct n1_difference *rows = NULL;
    ptrdiff_t count;
    c->on = false;
    c->share = share;
    c->before = window;
    c->saved[0] = '\0';
    if (saved != NULL) {
        int rc = n1_saved_filter(saved, filter);
        if (rc < 0)
            return rc;
        const struct n1_past *past = n1_saved_past(saved);
        count = n1_difference_saved(past, now, &options, &rows);
        c->tree = n1_saved_profile(saved);
        c->samples_before = past->samples;
        c->seconds_before = past->seconds;
        memcpy(c->saved, n1_saved_name(saved), strlen(n1_saved_name(saved)) + 1);
    } else {
        if (c->profile == NULL)
            c->profile = n1_profile_create();
        int rc = c->profile ? n1_profile_update(c->profile, reader, window, filter, NULL) : -ENOMEM;
        if (rc < 0)
            return rc;
        count = n1_difference_profiles(c->profile, now, &options, &rows);
        c->tree = c->profile;
        const struct n1_profile_summary *sum = n1_profile_summary(c->profile);
        c->samples_before = (double)sum->samples;
        c->seconds_before = (double)(sum->window.to - sum->window.from) / 1e9;
    }
    if (count < 0)
        return (int)count;
    const struct n1_profile_summary *sum = n1_profile_summary(now);
    c->samples_now = (double)sum->samples;
    c->seconds_now = (double)(sum->window.to - sum->window.from) / 1e9;
    free(c->rows);
    c->rows = rows;
    c->count = (size_t)count;
    for (c->significant = 0; c->significant < c->count; c->significant++) {
        if (rows[c->significant].kind_of_change == N1_CHANGE_NOISE)
            break;
    }
    int rc = match(c, now, saved);
    c->on = rc == 0;
    return rc;
}

double n1_scene_compare_z(const struct n1_scene_compare *c, double before, double now)
{
    return n1_difference_z(before, c->samples_before, c->seconds_before, now, c->samples_now, c->seconds_now,
                           c->share);
}
