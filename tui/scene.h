/*
 * The scene: everything the views show at one moment, taken from the reader in one consistent pass. Views
 * draw the scene and never ask the reader; so a frame cannot mix two moments, and the last good picture stays
 * when the model is busy or gone. Figures that are not known are NaN.
 *
 * The scene copies every text it keeps. Main thread.
 */
#ifndef N1_TUI_SCENE_H
#define N1_TUI_SCENE_H

#include "tui/scene_compare.h"
#include "tui/scene_memory.h"

#include "n1/metric.h"
#include "n1/places.h"
#include "n1/profile.h"
#include "n1/reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define N1_SCENE_SECONDS 300 /* of the graphs */
#define N1_SCENE_LOG 200
#define N1_SCENE_EDGES 64
#define N1_TIMELINE_CELLS 512

/* What to look at. */
struct n1_scene_query {
    n1_ns span;                /* length of the window, 0: everything */
    n1_ns end;                 /* its end; 0: now */
    struct n1_window past;     /* not empty: this span instead, and every other figure is of it, too */
    struct n1_compare compare; /* what to compare with */
    struct n1_saved *saved;    /* of N1_COMPARE_SAVED; borrowed, not NULL then */
    uint64_t places_of;        /* stable id of a function to look into, 0: none */
    bool memory;               /* the memory pane is there: who touched it */
    n1_ns memory_mark;         /* since when; 0: in the window */
    int timeline;              /* cells of the timeline, 0: none */
    enum n1_profile_of of;     /* what table and flame pane add up */
    bool waits;                /* the waits pane is shown */
    enum n1_frames frames;     /* Python and native, or one of them */
    uint32_t thread_id;        /* kernel's id of a thread to filter by, 0: all */
    const char
        *text; /* filter by function or module, NULL or "": none; a leading '!' makes it an expression */
};

#define N1_SCENE_WAITS 200

struct n1_scene_wait {
    uint32_t wait_class; /* enum n1_wait_class */
    uint64_t ns, times;
    bool dead, deep; /* right now: in a deadlock; uninterruptible */
    char function[128], resource[192];
    char owner[64]; /* of the lock, now; "" none or unknown */
};

/* Made only while it is shown. */
struct n1_scene_waits {
    struct n1_scene_wait *rows; /* longest first */
    size_t count;
    uint64_t class_ns[16], all_ns; /* by enum n1_wait_class */
    struct n1_wait_view *view;
};
struct n1_wait_view;

/* One value a second; values[i] is of second first + i since the model's beginning. */
struct n1_scene_series {
    double values[N1_SCENE_SECONDS];
    size_t count;
    uint64_t first;
    double last; /* the newest known value, NaN when there is none */
};

/* The whole of time from some second on, a cell for each `cell_s` seconds; what is unknown is NaN. */
struct n1_scene_timeline {
    double cpu[N1_TIMELINE_CELLS],
        rss[N1_TIMELINE_CELLS]; /* highest of the cell: a spike is not averaged away */
    size_t count;
    n1_ns from; /* start of cell 0 */
    uint32_t cell_s;
};

struct n1_scene_metric {
    double value;      /* in the metric's unit, NaN when unknown */
    double per_second; /* growth over the last minute, a second; NaN when unknown */
    char why[80];      /* why it is unknown, or "" */
};

struct n1_scene_thread {
    uint32_t id, tid;
    uint64_t start_ticks;
    char name[32];
    bool alive;
    double cpu, wait; /* percent of one core: running, runnable without a core */
    uint64_t run_ns, wait_ns;
};

struct n1_scene_event {
    n1_ns start, end; /* end 0: still going on */
    char clock[12];   /* wall clock of the start */
    uint32_t severity;
    char rule[32], text[192], culprit[128];
    double share; /* percent of the culprit in the span, NaN when there is none */
};

enum n1_scene_link {
    N1_LINK_STARTING, /* the sampler is attaching */
    N1_LINK_LIVE,
    N1_LINK_LOST,   /* the sampler died */
    N1_LINK_CLOSED, /* it detached as asked */
    N1_LINK_REPLAY  /* a recording */
};

struct n1_scene {
    bool ready;              /* there has been a good pass */
    enum n1_scene_link link; /* set by the owner */
    enum n1_model_state state;
    uint64_t generation;
    n1_ns now, created, heartbeat;
    unsigned silent_s; /* seconds since a live sampler last stirred; 0: it does */
    int64_t wall_ns;   /* of `now` */
    /* the target */
    uint32_t pid, process_id;
    size_t processes;
    char comm[32], command[256], runtime[48];
    uint32_t process_state, exit_status;
    bool ended; /* every target has */
    double uptime_ns;
    /* the sampler */
    enum n1_engine_kind engine;
    const char *engine_why; /* "" when it is the usual one */
    double rate_asked, rate_used;
    enum n1_governor_reason governor;
    double
        unseen; /* percent of the targets' CPU time that no sample stands for, though it could; NaN unknown */
    uint64_t samples, lost, truncated, rejected, other;
    double self_cpu; /* percent of one core */
    double self_bytes;
    bool kernel_frames;
    double kernel_hidden; /* percent of the target's CPU time that may not be seen; NaN unknown */
    uint64_t symbols_pending;
    /* the window */
    struct n1_window window;
    bool past; /* the window is a span of the past: figures are of it, and those of a moment are of its end */
    struct n1_scene_timeline timeline;
    struct n1_profile *profile;
    struct n1_scene_memory memory; /* only while the query asks for it */
    struct n1_history *history;
    uint32_t trend_bucket; /* seconds of one cell of a trend */
    struct n1_profile_summary summary;
    /* inside one function */
    uint64_t places_of; /* its stable id, 0: nobody asked */
    struct n1_places *places;
    char place_module[512]; /* path of its module */
    uint8_t place_build_id[20];
    size_t place_build_id_len;
    struct n1_scene_compare compare;
    char filter_error[160];
    enum n1_profile_of of; /* that the profile adds up */
    struct n1_scene_waits waits;
    /* over time */
    struct n1_scene_series cpu, rss, wait, steal;
    struct n1_scene_metric metrics[N1_METRIC_COUNT];
    struct n1_scene_thread *threads; /* busiest first */
    size_t thread_count;
    size_t threads_alive;
    struct n1_scene_event *events; /* newest first; of the past: those that reach into the window */
    size_t event_count;
    /* for differences between two passes */
    n1_ns self_time;
    uint64_t self_cpu_ns;
};

/* Returns 0 or -ENOMEM. */
int n1_scene_init(struct n1_scene *scene);
void n1_scene_finish(struct n1_scene *scene);

/* Takes a new picture. Returns 0; -EAGAIN when the model was changing (the old picture stays); N1_E_DAMAGED;
 * -ENOMEM. A filter expression that is wrong is told in filter_error and leaves the figures as they were. */
int n1_scene_update(struct n1_scene *scene, struct n1_reader *reader, const struct n1_scene_query *query);

/* The profile's filter that a query amounts to; borrows from the query. */
void n1_scene_filter(const struct n1_scene *scene, const struct n1_scene_query *query, struct n1_filter *ret);

/* Takes the waits of a window. Returns 0 or the errors of n1_wait_view_update(). */
int n1_scene_waits_update(struct n1_scene_waits *waits, struct n1_reader *reader, struct n1_window window,
                          const struct n1_filter *filter);
void n1_scene_waits_finish(struct n1_scene_waits *waits);

/* Trend of a function: `count` values (CPU share of one core, percent) of trend_bucket seconds each;
 * *ret_first is the absolute number of the first. Returns how many, at most `cap`. */
size_t n1_scene_trend(const struct n1_scene *scene, uint64_t function_id, double *ret, size_t cap,
                      uint64_t *ret_first);

/* "exit 0", "exit 137", "status unknown" of the target that ended. */
void n1_scene_exit_text(const struct n1_scene *scene, char out[32]);
/* Percent of the window's samples; NaN when there are none. */
double n1_scene_share(const struct n1_scene *scene, uint64_t ns);

#endif
