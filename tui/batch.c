/*
 * The views draw on a canvas, and a canvas prints itself: what is here only takes pictures and presses keys.
 */
#include "tui/batch.h"

#include "tui/signals.h"
#include "tui/views/view.h"

#include "n1/time.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

enum { FIRST_MS = 100 }; /* looks for the first sample */

struct batch {
    struct n1_session *session;
    const struct n1_batch_options *options;
    struct n1_scene scene;
    struct n1_app app;
    struct n1_canvas canvas;
    struct n1_glyphs glyphs;
};

static uint32_t key_named(const char **at)
{
    static const struct {
        const char *name;
        uint32_t key;
    } names[] = {{"Enter", N1_KEY_ENTER},   {"Esc", N1_KEY_ESC},        {"Tab", N1_KEY_TAB},
                 {"Up", N1_KEY_UP},         {"Down", N1_KEY_DOWN},      {"Left", N1_KEY_LEFT},
                 {"Right", N1_KEY_RIGHT},   {"Home", N1_KEY_HOME},      {"End", N1_KEY_END},
                 {"PgUp", N1_KEY_PAGE_UP},  {"PgDn", N1_KEY_PAGE_DOWN}, {"S-Tab", N1_KEY_BACK_TAB},
                 {"Bksp", N1_KEY_BACKSPACE}};
    /* "<" is a key of its own where no name follows. */
    size_t letters =
        **at == '<' ? strspn(*at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") : 0;
    const char *end = letters > 0 && (*at)[1 + letters] == '>' ? *at + 1 + letters : NULL;
    if (end == NULL)
        return (unsigned char)*(*at)++;
    size_t len = (size_t)(end - *at - 1);
    unsigned number = 0;
    uint32_t key = N1_KEY_NONE;
    if (len >= 2 && (*at)[1] == 'F' && sscanf(*at + 2, "%u>", &number) == 1 && number >= 1 && number <= 12)
        key = N1_KEY_F(number);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i].name) == len && strncmp(names[i].name, *at + 1, len) == 0)
            key = names[i].key;
    }
    *at = end + 1;
    return key;
}

static int init(struct batch *b, struct n1_session *session, const struct n1_batch_options *options,
                struct n1_error *reterr)
{
    *b = (struct batch){.session = session, .options = options, .glyphs = *options->glyphs};
    if (n1_scene_init(&b->scene) < 0)
        return n1_error_set(reterr, -ENOMEM, "no memory for the screen");
    n1_app_init(&b->app, options->rows, options->cols);
    b->app.refresh_ms = options->refresh_ms;
    b->app.motion = options->motion;
    if (options->low_bandwidth)
        n1_app_low_bandwidth(&b->app, "asked for", 0);
    b->app.line.by_hand = options->low_bandwidth;
    b->glyphs.coarse = b->app.line.low;
    int rc = n1_canvas_init(&b->canvas, options->rows, options->cols, &b->glyphs);
    return rc < 0 ? n1_error_set(reterr, rc, "no memory for the screen") : 0;
}

static void finish(struct batch *b)
{
    n1_saved_destroy(b->app.saved);
    n1_app_finish(&b->app);
    n1_scene_finish(&b->scene);
    n1_canvas_finish(&b->canvas);
}

static int take_picture(struct batch *b, struct n1_error *reterr)
{
    struct n1_reader *reader = n1_session_reader(b->session);
    struct n1_scene_query query = n1_app_query(&b->app);
    int rc = reader ? -EAGAIN : 0;
    for (int tries = 0; tries < 3 && rc == -EAGAIN; tries++)
        rc = n1_scene_update(&b->scene, reader, &query);
    return rc == N1_E_DAMAGED ? n1_error_set(reterr, rc, "the model is damaged") : 0;
}

static int press(struct batch *b, double clock, struct n1_error *reterr)
{
    for (const char *at = b->options->keys; at != NULL && *at != '\0';) {
        uint32_t key = key_named(&at);
        if (key == N1_KEY_NONE)
            return n1_error_set(reterr, N1_E_USAGE, "no such key before \"%s\"", at);
        unsigned effects = n1_app_key(&b->app, &b->scene, key, clock);
        if (effects & N1_EFFECT_COMPARE) {
            struct n1_saved *saved = NULL;
            int rc = n1_saved_load(b->app.compare_path, &saved, reterr);
            if (rc < 0)
                return rc;
            n1_saved_destroy(b->app.saved);
            b->app.saved = saved;
            b->app.compare.kind = N1_COMPARE_SAVED;
            b->app.sorted_by = -1;
        }
        if (effects & (N1_EFFECT_UPDATE | N1_EFFECT_COMPARE)) {
            int rc = take_picture(b, reterr);
            if (rc < 0)
                return rc;
        }
        n1_app_sync(&b->app, &b->scene, clock);
    }
    return 0;
}

static void draw(struct batch *b, double clock, FILE *out)
{
    n1_canvas_erase(&b->canvas);
    n1_app_sync(&b->app, &b->scene, clock);
    n1_app_draw(&b->app, &b->scene, clock, &b->canvas);
    n1_canvas_dump(&b->canvas, b->options->roles, out);
}

int n1_batch_dump(struct n1_session *session, const struct n1_batch_options *options, FILE *out,
                  struct n1_error *reterr)
{
    struct batch b;
    double clock = 1; /* stands still */
    int rc = init(&b, session, options, reterr);
    b.scene.link = N1_LINK_REPLAY;
    if (rc == 0)
        rc = take_picture(&b, reterr);
    if (rc == 0) {
        n1_app_sync(&b.app, &b.scene, clock);
        rc = press(&b, clock, reterr);
    }
    if (rc == 0)
        draw(&b, clock, out);
    finish(&b);
    return rc;
}

/* Waits for `until`, for the end of the session or for a signal; returns the signal's number, or 0. */
static int wait_until(struct batch *b, n1_ns until)
{
    for (;;) {
        n1_ns now = n1_time_mono();
        int ms = now < until ? (int)((until - now + 999999) / 1000000) : 0;
        struct pollfd fds[2] = {{n1_signals_fd(), POLLIN, 0}, {n1_session_fd(b->session), POLLIN, 0}};
        poll(fds, 2, ms);
        for (int number; (number = n1_signals_next()) != 0;)
            if (number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGHUP)
                return number;
        if (n1_session_pump(b->session) > N1_SESSION_ATTACHED || n1_time_mono() >= until)
            return 0;
    }
}

static bool runs(struct batch *b)
{
    enum n1_session_state state = n1_session_pump(b->session);
    b->scene.link = state == N1_SESSION_STARTING ? N1_LINK_STARTING : N1_LINK_LIVE;
    return state == N1_SESSION_STARTING || state == N1_SESSION_ATTACHED;
}

/* As the live screen does: page faults are sampled while the memory pane is there. */
static void ask_for_memory(struct batch *b)
{
    if (n1_app_panes(&b->app) & N1_PANE_BIT(N1_PANE_MEMORY))
        n1_session_send(b->session, N1_CONTROL_MEMORY, 1, NULL);
}

int n1_batch_run(struct n1_session *session, const struct n1_batch_options *options, FILE *out,
                 struct n1_error *reterr)
{
    struct batch b;
    int rc = init(&b, session, options, reterr), number = 0;
    n1_ns period = (n1_ns)options->refresh_ms * 1000000, due = n1_time_mono() + period;
    bool pressed = false, live = rc == 0 && runs(&b);
    signal(SIGPIPE, SIG_IGN);
    for (unsigned n = 0; rc == 0 && number == 0 && (options->pictures == 0 || n < options->pictures);) {
        n1_ns now = n1_time_mono();
        bool there = b.app.row_count > 0;
        number = live ? wait_until(&b, there || due < now ? due : now + FIRST_MS * UINT64_C(1000000)) : 0;
        live = runs(&b);
        if (n1_session_state(session) == N1_SESSION_FAILED)
            break;
        if (!live)
            b.scene.link = n1_reader_is_file(n1_session_reader(session)) ? N1_LINK_REPLAY : N1_LINK_CLOSED;
        rc = take_picture(&b, reterr);
        n1_app_sync(&b.app, &b.scene, (double)n1_time_mono() / 1e9);
        if (rc == 0 && !pressed && b.scene.ready) {
            pressed = true;
            rc = press(&b, (double)n1_time_mono() / 1e9, reterr);
            ask_for_memory(&b);
        }
        if (rc < 0 || (live && n1_time_mono() < due && number == 0))
            continue;
        due += period;
        n++;
        draw(&b, (double)n1_time_mono() / 1e9, out);
        if (fputc('\n', out) == EOF || fflush(out) != 0)
            break; /* nobody reads any more */
        if (!live)
            break;
    }
    if (rc == 0 && n1_session_state(session) == N1_SESSION_FAILED) {
        *reterr = *n1_session_error(session);
        rc = reterr->code;
    }
    finish(&b);
    return rc < 0 ? n1_error_exit_status(rc) : number ? 128 + number : 0;
}
