/*
 * The loop. A tick takes a new picture; a key takes one only when it asked another question. The first second
 * has quick ticks, so that the first figures come as soon as there are any. When nothing more can come (a
 * recording, a dead sampler) there are no ticks at all.
 */
#include "tui/live.h"

#include "tui/commands/save.h"
#include "tui/habits.h"
#include "tui/signals.h"
#include "tui/views/view.h"

#include "n1/file.h"
#include "n1/time.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define QUICK_MS 50  /* ticks until there is a first row */
#define EARLY_MS 250 /* ticks of the first second */
#define RETRY_MS 100 /* after a frame that the terminal did not take */
#define RATE_NS                                                                                              \
    (10 * N1_SECOND_NS)              /* how often the bytes a second are taken over: showing them costs some \
                                      */
#define SILENT_NS (5 * N1_SECOND_NS) /* the heart of a sampler beats every second */
#define ANSWER_MS 500                /* a sampler that does not answer in time is stopped or stuck */
#define REPAINT_NS (60 * N1_SECOND_NS)
#define LINES_NS (2 * N1_SECOND_NS)
#define KEYS_A_TURN 256 /* then a frame is due, however fast somebody pastes */

struct live {
    struct n1_session *session;
    const struct n1_live_options *options;
    struct n1_scene scene;
    struct n1_app app;
    struct n1_canvas canvas;
    struct n1_glyphs coarse; /* those of the options, for a line that is short of bytes */
    struct n1_canvas held;   /* the frame before, of which a slow line keeps the flame pane */
    bool memory_asked;       /* the sampler samples page faults for us */
    bool pressed;            /* a key since the last frame */
    struct n1_rect held_flame;
    n1_ns rated; /* when the bytes a second were last taken over */
    n1_ns lines_asked, repainted;
    n1_ns started, due;
    uint64_t notices;
    bool dirty, settled; /* settled: the last picture of a model that does not move any more has been taken */
    int status;          /* exit status, -1 while it runs */
    char farewell[256];  /* said on the terminal that was given back */
};

static double seconds_now(void)
{
    return (double)n1_time_mono() / 1e9;
}

static enum n1_scene_link link_of(const struct n1_session *session)
{
    switch (n1_session_state(session)) {
    case N1_SESSION_STARTING:
        return N1_LINK_STARTING;
    case N1_SESSION_ATTACHED:
        return N1_LINK_LIVE;
    case N1_SESSION_ENDED: {
        struct n1_reader *reader = n1_session_reader(session);
        return reader != NULL && n1_reader_is_file(reader) ? N1_LINK_REPLAY : N1_LINK_CLOSED;
    }
    default:
        return N1_LINK_LOST;
    }
}

/* Lines cost the sampler's helper a look into debug information: they are asked for of one function, while it
 * is looked at, and again now and then, because new frames of it come and ids change. */
static void ask_lines(struct live *live, n1_ns now)
{
    if (live->scene.places_of == 0 || live->scene.link != N1_LINK_LIVE || now - live->lines_asked < LINES_NS)
        return;
    uint32_t function = n1_places_rest(live->scene.places).model_function;
    live->lines_asked = now;
    if (function != 0)
        n1_session_send(live->session, N1_CONTROL_LINES_OF, function, "");
}

/* Page faults are sampled while the memory pane is there, and no longer. */
static void ask_for_memory(struct live *live)
{
    bool wanted = n1_app_panes(&live->app) & N1_PANE_BIT(N1_PANE_MEMORY);
    if (live->scene.link != N1_LINK_LIVE || live->app.read_only || wanted == live->memory_asked)
        return;
    if (n1_session_send(live->session, N1_CONTROL_MEMORY, wanted, NULL) == 0)
        live->memory_asked = wanted;
}

static void take_picture(struct live *live)
{
    struct n1_reader *reader = n1_session_reader(live->session);
    struct n1_scene_query query = n1_app_query(&live->app);
    if (reader == NULL)
        return;
    ask_for_memory(live);
    int rc = -EAGAIN;
    for (int tries = 0; tries < 3 && rc == -EAGAIN; tries++)
        rc = n1_scene_update(&live->scene, reader, &query);
    if (rc == N1_E_DAMAGED)
        n1_app_say(&live->app, N1_ROLE_LOG_CRIT, seconds_now(),
                   "the model is damaged; the last good picture stays");
    ask_lines(live, n1_time_mono());
    n1_ns now = n1_time_mono(), beat = live->scene.heartbeat;
    bool silent = live->scene.link == N1_LINK_LIVE && beat > 0 && now > beat + SILENT_NS;
    live->scene.silent_s = silent ? (unsigned)((now - beat) / N1_SECOND_NS) : 0;
    live->dirty = true;
}

static void pump(struct live *live)
{
    enum n1_scene_link before = live->scene.link;
    enum n1_session_state state = n1_session_pump(live->session);
    uint64_t count = 0;
    const char *notice = n1_session_notice(live->session, &count);
    live->scene.link = link_of(live->session);
    if (live->app.read_only != n1_session_read_only(live->session)) {
        live->app.read_only = !live->app.read_only;
        live->dirty = true;
    }
    if (state == N1_SESSION_FAILED) {
        live->status = 1;
        return;
    }
    if (count != live->notices) {
        live->notices = count;
        n1_app_say(&live->app, N1_ROLE_LOG_WARN, seconds_now(), "%s", notice);
        live->dirty = true;
    }
    if (live->scene.link != before) {
        if (live->scene.link == N1_LINK_LOST)
            n1_app_say(&live->app, N1_ROLE_LOG_CRIT, seconds_now(), "%s",
                       n1_session_error(live->session)->what);
        live->settled = false;
        live->due = 0;
        live->dirty = true;
    }
}

static void tick(struct live *live, n1_ns now)
{
    unsigned ms = n1_app_refresh_ms(&live->app);
    if (live->app.line.low && live->app.row_count > 0)
        ; /* no quick ones */
    else if (live->app.row_count == 0 && now - live->started < 5 * N1_SECOND_NS)
        ms = QUICK_MS;
    else if (now - live->started < N1_SECOND_NS && ms > EARLY_MS)
        ms = EARLY_MS;
    if (now - live->repainted > REPAINT_NS &&
        live->app.line.low == false) { /* whatever else wrote on the terminal goes */
        live->repainted = now;
        n1_screen_invalidate(live->options->screen);
    }
    live->due = live->due + (n1_ns)ms * 1000000; /* absolute, so that ticks do not drift … */
    if (live->due <= now)
        live->due = now + (n1_ns)ms * 1000000; /* … unless they are missed */
    pump(live);
    if (live->app.paused)
        return;
    take_picture(live);
    if (live->scene.link != N1_LINK_STARTING && live->scene.link != N1_LINK_LIVE)
        live->settled = true;
}

static void snapshot(struct live *live)
{
    struct n1_reader *reader = n1_session_reader(live->session);
    struct n1_scene_query query = n1_app_query(&live->app);
    struct n1_filter filter;
    struct n1_error error = {0};
    char path[512];
    if (reader == NULL || !live->scene.ready) {
        n1_app_say(&live->app, N1_ROLE_LOG_WARN, seconds_now(), "nothing to save yet");
        return;
    }
    n1_scene_filter(&live->scene, &query, &filter);
    struct n1_save save = {.format = "json",
                           .output_dir = live->options->output_dir,
                           .report = {.window = live->scene.window,
                                      .filter = &filter,
                                      .max_history = live->options->max_history}};
    if (n1_save(reader, &save, path, sizeof path, &error) < 0)
        n1_app_say(&live->app, N1_ROLE_LOG_CRIT, seconds_now(), "not saved: %s", error.what);
    else
        n1_app_say(&live->app, N1_ROLE_LOG_INFO, seconds_now(), "saved %s", path);
}

/* "90", "90s", "10m", "2h"; 0 for nothing, -1 for what it is not. */
static double seconds_of(const char *text)
{
    char *end;
    double value = text[0] ? strtod(text, &end) : 0;
    if (text[0] == '\0')
        return 0;
    double unit = *end == 'h' ? 3600 : *end == 'm' ? 60 : 1;
    if (*end == 's' || *end == 'm' || *end == 'h')
        end++;
    return end == text || *end || !(value > 0) || value * unit > 7 * 86400 ? -1 : value * unit;
}

static void detach(struct live *live)
{
    struct n1_error error = {0};
    double seconds = seconds_of(live->app.input);
    if (seconds < 0) {
        n1_app_say(&live->app, N1_ROLE_LOG_WARN, seconds_now(), "a time is 90s, 10m or 2h, at most 168h");
        return;
    }
    if (n1_session_ask(live->session, N1_CONTROL_LINGER, (uint64_t)(seconds * 1e9), ANSWER_MS, &error) < 0) {
        n1_app_say(&live->app, N1_ROLE_LOG_CRIT, seconds_now(), "%s", error.what);
        return;
    }
    n1_session_leave(live->session, false);
    snprintf(live->farewell, sizeof live->farewell,
             "n1top: sampler %d goes on with process %u; n1top --attach %u rejoins it",
             (int)n1_session_sampler_pid(live->session), live->scene.pid, live->scene.pid);
    live->status = 0;
}

static void open_saved(struct live *live)
{
    struct n1_saved *saved = NULL;
    struct n1_error error = {0};
    if (n1_saved_load(live->app.compare_path, &saved, &error) < 0) {
        n1_app_say(&live->app, N1_ROLE_LOG_CRIT, seconds_now(), "not compared: %s", error.what);
        return;
    }
    n1_saved_destroy(live->app.saved);
    live->app.saved = saved;
    live->app.compare.kind = N1_COMPARE_SAVED;
    live->app.sorted_by = -1;
    take_picture(live);
}

static void copy(struct live *live)
{
    char text[1100] = "";
    n1_view_selected(&live->scene, &live->app, live->options->glyphs, text, sizeof text);
    if (text[0] != '\0' && n1_screen_copy(live->options->screen, text) == 0)
        n1_app_say(&live->app, N1_ROLE_LOG_INFO, seconds_now(), "copied: %.150s", text);
}

/* The screen as it is, as text: a file, because not every terminal has a clipboard, and the clipboard, too.
 */
static void print(struct live *live)
{
    char path[600], when[32], *text = NULL;
    const char *dir = live->options->output_dir ? live->options->output_dir : ".";
    size_t len = 0;
    time_t now = time(NULL);
    struct tm tm;
    struct n1_error error = {0};
    struct n1_output *output;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL || localtime_r(&now, &tm) == NULL || live->canvas.cells == NULL)
        return;
    strftime(when, sizeof when, "%Y%m%d-%H%M%S", &tm);
    n1_canvas_dump(&live->canvas, false, out);
    fclose(out);
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        dir = ".";
    snprintf(path, sizeof path, "%.400s/n1top_%u_%s.txt", dir, live->scene.pid, when);
    int rc = n1_output_open(path, &output, &error);
    if (rc == 0 && write(n1_output_fd(output), text, len) != (ssize_t)len) {
        rc = n1_error_set(&error, -ENOSPC, "%s cannot be written", path);
        n1_output_abandon(output);
    } else if (rc == 0) {
        rc = n1_output_commit(output, &error);
    }
    n1_screen_copy(live->options->screen, text);
    free(text);
    if (rc < 0)
        n1_app_say(&live->app, N1_ROLE_LOG_CRIT, seconds_now(), "not saved: %s", error.what);
    else
        n1_app_say(&live->app, N1_ROLE_LOG_INFO, seconds_now(), "the screen is in %s (and the clipboard)",
                   path);
}

static void keep(struct live *live)
{
    char path[512];
    struct n1_error error = {0};
    if (!n1_habits_path(path))
        n1_app_say(&live->app, N1_ROLE_LOG_CRIT, seconds_now(), "not kept: HOME is not set");
    else if (n1_habits_save(&live->app, path, &error) < 0)
        n1_app_say(&live->app, N1_ROLE_LOG_CRIT, seconds_now(), "not kept: %s", error.what);
    else
        n1_app_say(&live->app, N1_ROLE_LOG_INFO, seconds_now(), "kept for the next time in %s", path);
}

static void recall(struct live *live)
{
    char path[512];
    struct n1_error error = {0};
    if (n1_habits_path(path) && n1_habits_load(&live->app, path, &error) < 0)
        n1_app_say(&live->app, N1_ROLE_LOG_WARN, seconds_now() + 5, "%s", error.what);
    n1_app_resize(&live->app, live->app.rows, live->app.cols);
}

static void apply(struct live *live, unsigned effects)
{
    live->dirty = true;
    if (effects & N1_EFFECT_QUIT)
        live->status = 0;
    if (effects & N1_EFFECT_SUSPEND)
        n1_screen_suspend(live->options->screen, true);
    if (effects & N1_EFFECT_REPAINT)
        n1_screen_invalidate(live->options->screen);
    if (effects & N1_EFFECT_UPDATE)
        take_picture(live);
    if (effects & N1_EFFECT_COMPARE)
        open_saved(live);
    if (effects & N1_EFFECT_COPY)
        copy(live);
    if (effects & N1_EFFECT_PRINT)
        print(live);
    if (effects & N1_EFFECT_KEEP)
        keep(live);
    if (effects & N1_EFFECT_SNAPSHOT)
        snapshot(live);
    if (effects & N1_EFFECT_DETACH)
        detach(live);
}

static void keys(struct live *live)
{
    uint32_t key;
    int rc = 1;
    for (int i = 0; i < KEYS_A_TURN && live->status < 0; i++) {
        rc = n1_screen_key(live->options->screen, &key);
        if (rc != 1)
            break;
        live->pressed = true;
        apply(live, n1_app_key(&live->app, &live->scene, key, seconds_now()));
        n1_app_sync(&live->app, &live->scene, seconds_now()); /* the next key sees what this one did */
    }
    if (rc < 0)
        live->status = 128 + SIGHUP;
}

static void signals(struct live *live)
{
    int number;
    while ((number = n1_signals_next()) != 0) {
        if (number == SIGTSTP)
            n1_screen_suspend(live->options->screen, false);
        else if (number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGHUP)
            live->status = 128 + number;
        live->dirty = true; /* WINCH, CONT: the paint measures */
    }
}

static const struct n1_glyphs *glyphs_of(struct live *live)
{
    live->coarse = *live->options->glyphs;
    live->coarse.coarse = live->app.line.low;
    return &live->coarse;
}

/* The line decides about few bytes until the user has. */
static void watch_line(struct live *live)
{
    struct n1_screen_line line;
    n1_ns now = n1_time_mono();
    n1_screen_line(live->options->screen, &line);
    if (line.trouble[0] && !live->app.line.low && !live->app.line.by_hand) {
        n1_app_low_bandwidth(&live->app, line.trouble, seconds_now());
        live->dirty = true;
    }
    if (now >= live->rated + RATE_NS) {
        live->rated = now;
        live->app.line.bytes_s = 5 * round(line.bytes_s / 5);
    }
}

/* Over a slow line the flame pane is drawn anew only when a key was pressed. */
static void keep_flame(struct live *live, bool keep)
{
    struct n1_canvas *now = &live->canvas, *held = &live->held;
    struct n1_rect r = live->app.layout.pane[N1_PANE_FLAME];
    size_t cells = (size_t)now->rows * (size_t)now->cols;
    bool same = held->cells && held->rows == now->rows && held->cols == now->cols &&
                memcmp(&r, &live->held_flame, sizeof r) == 0;
    for (int row = r.row; keep && same && row < r.row + r.rows; row++)
        memcpy(now->cells + row * now->cols + r.col, held->cells + row * now->cols + r.col,
               (size_t)r.cols * sizeof *now->cells);
    if (!held->cells || held->rows != now->rows || held->cols != now->cols) {
        n1_canvas_finish(held);
        if (n1_canvas_init(held, now->rows, now->cols, now->glyphs) < 0)
            return;
    }
    memcpy(held->cells, now->cells, cells * sizeof *now->cells);
    live->held_flame = r;
}

static int draw(struct live *live)
{
    int rows, cols, ready = n1_screen_ready(live->options->screen);
    watch_line(live);
    if (ready < 0)
        return ready;
    if (n1_screen_measure(live->options->screen, &rows, &cols) || live->canvas.cells == NULL) {
        n1_canvas_finish(&live->canvas);
        int rc = n1_canvas_init(&live->canvas, rows, cols, live->options->glyphs);
        if (rc < 0)
            return rc;
        n1_app_resize(&live->app, rows, cols);
    }
    double clock = seconds_now();
    n1_app_sync(&live->app, &live->scene, clock);
    live->canvas.glyphs = glyphs_of(live);
    n1_app_draw(&live->app, &live->scene, clock, &live->canvas);
    n1_screen_plain(live->options->screen, live->app.line.low);
    if (live->app.line.low)
        keep_flame(live, !live->pressed);
    live->pressed = false;
    return n1_screen_paint(live->options->screen, &live->canvas);
}

static void turn(struct live *live)
{
    int retry = -1;
    if (live->dirty) {
        int rc = draw(live);
        if (rc == -EAGAIN)
            retry = RETRY_MS;
        else if (rc < 0)
            live->status = rc == -EIO ? 128 + SIGHUP : 1;
        else
            live->dirty = false;
    }
    if (live->status >= 0)
        return;
    n1_ns now = n1_time_mono();
    int wait = live->settled ? -1 : live->due > now ? (int)((live->due - now + 999999) / 1000000) : 0;
    if (live->settled && live->app.message_until > seconds_now())
        wait = 1000; /* a message has to go again */
    if (retry >= 0 && (wait < 0 || wait > retry))
        wait = retry;
    struct n1_screen_line line;
    n1_screen_line(live->options->screen, &line);
    struct pollfd fds[4] = {{n1_screen_fd(live->options->screen), POLLIN, 0},
                            {n1_signals_fd(), POLLIN, 0},
                            {n1_session_fd(live->session), POLLIN, 0},
                            {line.full, POLLOUT, 0}};
    int ready = poll(fds, 4, wait);
    if (live->settled && ready == 0)
        live->dirty = true;
    /* The rest of a frame that the terminal did not take at once; nothing else may come to send it. */
    if (fds[3].revents && n1_screen_ready(live->options->screen) == -EIO)
        live->status = 128 + SIGHUP;
    if (live->status >= 0)
        return;
    signals(live);
    if (live->status < 0)
        keys(live);
    if (live->status < 0 && fds[2].revents)
        pump(live);
    now = n1_time_mono();
    if (live->status < 0 && !live->settled && now >= live->due)
        tick(live, now);
}

static int init(struct live *live, struct n1_session *session, const struct n1_live_options *options,
                int rows, int cols, struct n1_error *reterr)
{
    *live = (struct live){.session = session, .options = options, .status = -1, .dirty = true};
    if (n1_scene_init(&live->scene) < 0)
        return n1_error_set(reterr, -ENOMEM, "no memory for the screen");
    live->scene.link = link_of(session);
    n1_app_init(&live->app, rows, cols);
    live->app.refresh_ms = options->refresh_ms;
    live->app.motion = options->motion;
    if (options->low_bandwidth)
        n1_app_low_bandwidth(&live->app, "asked for", 0);
    live->app.line.by_hand = options->low_bandwidth;
    live->started = live->repainted = n1_time_mono();
    return 0;
}

static void finish(struct live *live)
{
    n1_saved_destroy(live->app.saved);
    n1_app_finish(&live->app);
    n1_scene_finish(&live->scene);
    n1_canvas_finish(&live->canvas);
    n1_canvas_finish(&live->held);
}

int n1_live_run(struct n1_session *session, const struct n1_live_options *options, struct n1_error *reterr)
{
    struct live live;
    int rows, cols;
    n1_screen_measure(options->screen, &rows, &cols);
    int rc = init(&live, session, options, rows, cols, reterr);
    if (rc < 0) {
        n1_screen_close(options->screen);
        return n1_error_exit_status(rc);
    }
    recall(&live);
    if (options->notice != NULL && options->notice[0] != '\0')
        n1_app_say(&live.app, N1_ROLE_LOG_WARN, seconds_now() + 5, "%s", options->notice);
    while (live.status < 0)
        turn(&live);
    n1_session_leave(session, live.status != 128 + SIGHUP);
    n1_screen_close(options->screen);
    if (live.farewell[0])
        puts(live.farewell);
    if (n1_session_state(session) == N1_SESSION_FAILED) {
        const struct n1_error *error = n1_session_error(session);
        if (reterr != NULL)
            *reterr = *error;
        live.status = n1_error_exit_status(error->code);
    }
    finish(&live);
    return live.status;
}
