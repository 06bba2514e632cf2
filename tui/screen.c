/*
 * The terminal, through curses. The canvas that is shown is kept; a paint hands curses the cells that differ
 * and calls doupdate() once, so that a quiet frame costs a comparison and no byte.
 *
 * Ways out: n1_screen_close() for the planned one; for all others (exit, a crash, a signal while the line is
 * stuck) the bytes and the termios that undo everything are prepared when the screen is opened, so that
 * giving the terminal back needs write(2) and tcsetattr(3) only.
 */
#include "tui/screen.h"

#include "tui/keys.h"
#include "tui/line.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

/* Answers of the terminal, among the keys: to DSR 5, and the value of a mode. */
enum { CODE_ANSWER = KEY_MAX + 1, CODE_MODE };

#define GAP_MOST 8
#define COLS_MOST 1000 /* and rows; canvases are limited alike */
#define LAST_MS 100    /* a terminal that takes nothing for so long gets no good-bye */
#define COPY_MAX 8190  /* divisible by 3 */

struct n1_screen {
    SCREEN *curses;
    struct n1_line line;
    int rows, cols;
    enum n1_color_level color;
    struct n1_cell *shown; /* rows * cols */
    bool plain;            /* looks only where they mean something */
    bool valid;            /* `shown` is what the terminal shows */
    attr_t attrs[N1_ROLE_COUNT];
    short pairs[N1_ROLE_COUNT];
    bool bare[N1_ROLE_COUNT]; /* a blank in it looks as one in the role of text does */
};

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
#define CRASH_SIGNALS (sizeof crash_signals / sizeof crash_signals[0])

volatile sig_atomic_t n1_screen_painting;

static volatile sig_atomic_t taken; /* the terminal is ours */
static struct termios saved_modes;
static struct sigaction saved_actions[CRASH_SIGNALS];
static char undo[256];
static size_t undo_len;
static char alternate_stack[16384];

/* --- giving the terminal back --- */

void n1_screen_emergency(void)
{
    int saved_errno = errno;
    if (!taken)
        return;
    taken = 0;
    struct pollfd line = {STDOUT_FILENO, POLLOUT, 0};
    if (poll(&line, 1, 0) !=
        1) /* full, and perhaps nobody reads any more: what matters are these few bytes */
        tcflush(STDOUT_FILENO, TCOFLUSH);
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK);
    for (size_t done = 0; done < undo_len;) {
        ssize_t n = write(STDOUT_FILENO, undo + done, undo_len - done);
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR && (errno != EAGAIN || poll(&line, 1, LAST_MS) != 1))
            break;
    }
    fcntl(STDOUT_FILENO, F_SETFL, flags);
    tcsetattr(STDIN_FILENO, TCSANOW, &saved_modes);
    errno = saved_errno;
}

static void on_crash(int number)
{
    static const char message[] = "n1top: crashed; the terminal was restored and the target left alone\n";
    bool ours = taken;
    n1_screen_emergency();
    if (ours && write(STDERR_FILENO, message, sizeof message - 1) < 0)
        ours = false;
    for (size_t i = 0; i < CRASH_SIGNALS; i++)
        sigaction(crash_signals[i], &saved_actions[i], NULL);
    raise(number); /* with the disposition from before, so that the exit status tells the truth */
}

static void catch_crashes(void)
{
    stack_t stack = {.ss_sp = alternate_stack, .ss_size = sizeof alternate_stack};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    stack_t before;
    if (sigaltstack(NULL, &before) == 0 && (before.ss_flags & SS_DISABLE))
        sigaltstack(&stack, NULL);
    for (size_t i = 0; i < CRASH_SIGNALS; i++)
        sigaction(crash_signals[i], &action, &saved_actions[i]);
}

static int collect(int byte)
{
    if (undo_len < sizeof undo)
        undo[undo_len++] = (char)byte;
    return byte;
}

static void collect_capability(const char *name)
{
    const char *text = tigetstr(name);
    if (text != NULL && text != (const char *)-1)
        tputs(text, 1, collect);
}

static void prepare_undo(void)
{
    undo_len = 0;
    collect_capability("sgr0");
    collect_capability("op");
    collect_capability("rmkx");
    collect_capability("cnorm");
    const char *leave = tigetstr("rmcup");
    if (leave != NULL && leave != (const char *)-1) {
        collect_capability("rmcup");
    } else { /* no second screen: leave the last frame and go below it */
        collect('\r');
        collect('\n');
    }
}

/* --- opening --- */

static bool has(const char *name)
{
    const char *text = tigetstr(name);
    return text != NULL && text != (const char *)-1;
}

int n1_screen_check(struct n1_error *reterr)
{
    static const char instead[] =
        "without a screen: n1top record -p PID, n1top report FILE, n1top dump -p PID";
    const char *term = getenv("TERM");
    int status = 0;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return n1_error_hint(reterr, N1_E_USAGE, instead, "the live screen needs a terminal on %s",
                             isatty(STDIN_FILENO) ? "standard output" : "standard input");
    if (term == NULL || term[0] == '\0')
        return n1_error_hint(reterr, N1_E_USAGE, instead, "the live screen needs TERM to be set");
    if (setupterm(term, STDOUT_FILENO, &status) != OK && status != 1)
        return n1_error_hint(reterr, N1_E_USAGE,
                             "try TERM=xterm, or TERM=vt100; without a screen: n1top record",
                             "the terminal \"%s\" is not known on this host", term);
    if (!has("cup") || !has("clear"))
        return n1_error_hint(reterr, N1_E_USAGE, instead, "the terminal \"%s\" cannot place text", term);
    return 0;
}

static attr_t attrs_of(uint8_t attrs)
{
    return (attrs & N1_ATTR_BOLD ? A_BOLD : 0) | (attrs & N1_ATTR_DIM ? A_DIM : 0) |
           (attrs & N1_ATTR_UNDERLINE ? A_UNDERLINE : 0) | (attrs & N1_ATTR_REVERSE ? A_REVERSE : 0);
}

static void set_colors(struct n1_screen *screen, const struct n1_theme *theme, int asked)
{
    int colors = tigetnum("colors"); /* COLORS is known only after start_color() */
    bool direct = tigetflag("RGB") > 0 || colors >= 1 << 24;
    screen->color = n1_color_decide(asked, getenv("NO_COLOR"), getenv("COLORTERM"), colors, direct);
    if (screen->color != N1_COLORS_MONO && (start_color() == ERR || use_default_colors() == ERR))
        screen->color = N1_COLORS_MONO;
    struct n1_look text = n1_theme_look(theme, N1_ROLE_TEXT, screen->color);
    for (int role = 0; role < N1_ROLE_COUNT; role++) {
        struct n1_look look = n1_theme_look(theme, (enum n1_role)role, screen->color);
        screen->attrs[role] = attrs_of(look.attrs);
        screen->bare[role] = look.bg == text.bg && !(look.attrs & (N1_ATTR_UNDERLINE | N1_ATTR_REVERSE));
        screen->pairs[role] = 0;
        if (screen->color == N1_COLORS_MONO || (look.fg == N1_COLOR_DEFAULT && look.bg == N1_COLOR_DEFAULT))
            continue;
        if (role + 1 < COLOR_PAIRS && init_extended_pair(role + 1, look.fg, look.bg) == OK)
            screen->pairs[role] = (short)(role + 1);
    }
}

/* What terminals send beside what their description says: without application mode, or as another model
 * would. */
static void more_keys(void)
{
    static const struct {
        const char *bytes;
        int code;
    } keys[] = {
        {"\033[A", KEY_UP},     {"\033[B", KEY_DOWN},   {"\033[C", KEY_RIGHT},  {"\033[D", KEY_LEFT},
        {"\033OA", KEY_UP},     {"\033OB", KEY_DOWN},   {"\033OC", KEY_RIGHT},  {"\033OD", KEY_LEFT},
        {"\033[H", KEY_HOME},   {"\033[F", KEY_END},    {"\033[1~", KEY_HOME},  {"\033[4~", KEY_END},
        {"\033[5~", KEY_PPAGE}, {"\033[6~", KEY_NPAGE}, {"\033[Z", KEY_BTAB},   {"\033OP", KEY_F(1)},
        {"\033OQ", KEY_F(2)},   {"\033OR", KEY_F(3)},   {"\033OS", KEY_F(4)},   {"\033[11~", KEY_F(1)},
        {"\033[12~", KEY_F(2)}, {"\033[13~", KEY_F(3)}, {"\033[14~", KEY_F(4)}, {"\033[15~", KEY_F(5)},
        {"\033[17~", KEY_F(6)}, {"\033[18~", KEY_F(7)}, {"\033[19~", KEY_F(8)}, {"\033[20~", KEY_F(9)},
        {"\033[21~", KEY_F(10)}};
    define_key("\033[0n", CODE_ANSWER);
    define_key("\033[3n", CODE_ANSWER);
    for (unsigned value = 0; value < 5; value++) {
        char bytes[] = "\033[?2026;0$y";
        bytes[8] = (char)('0' + value);
        define_key(bytes, CODE_MODE + (int)value);
    }
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (key_defined(keys[i].bytes) <= 0)
            define_key(keys[i].bytes, keys[i].code);
    }
}

/* Old ones and consoles print what they do not know. */
static bool may_be_asked(const char *term)
{
    static const char *const not_these[] = {"linux", "vt", "cons", "sun", "ansi", "dumb", "eterm"};
    for (size_t i = 0; i < sizeof not_these / sizeof *not_these; i++) {
        if (strncmp(term, not_these[i], strlen(not_these[i])) == 0)
            return false;
    }
    return true;
}

int n1_screen_open(const struct n1_theme *theme, int color, struct n1_screen **ret, struct n1_error *reterr)
{
    int rc = n1_screen_check(reterr);
    if (rc < 0)
        return rc;
    struct n1_screen *screen = calloc(1, sizeof *screen);
    if (screen == NULL)
        return n1_error_set(reterr, -ENOMEM, "no memory for the screen");
    if (tcgetattr(STDIN_FILENO, &saved_modes) < 0) {
        rc = n1_error_set(reterr, -errno, "cannot read the terminal's modes");
        free(screen);
        return rc;
    }
    prepare_undo();
    static bool registered;
    if (!registered)
        atexit(n1_screen_emergency);
    registered = true;
    catch_crashes();
    taken = 1;
    rc = n1_line_open(&screen->line, STDOUT_FILENO, may_be_asked(getenv("TERM")));
    screen->curses = rc < 0 ? NULL : newterm(NULL, screen->line.file, stdin);
    if (screen->curses == NULL) {
        n1_screen_emergency();
        n1_line_close(&screen->line);
        free(screen);
        return n1_error_set(reterr, N1_E_USAGE, "curses cannot use the terminal \"%s\"", getenv("TERM"));
    }
    set_term(screen->curses);
    raw();
    noecho();
    nonl();
    intrflush(stdscr, FALSE);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    leaveok(stdscr, TRUE);
    typeahead(-1); /* a key must not cut a frame in two: it is seen to before the next one */
    set_escdelay(50);
    more_keys();
    curs_set(0);
    set_colors(screen, theme, color);
    *ret = screen;
    return 0;
}

/* An answer that is on its way must not be typed to the shell. */
static void settle(struct n1_screen *screen)
{
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    uint32_t key;
    int due;
    while ((due = n1_line_due_ms(&screen->line, n1_time_mono())) > 0 && poll(&in, 1, due) == 1) {
        if (n1_screen_key(screen, &key) < 0)
            return;
    }
}

void n1_screen_close(struct n1_screen *screen)
{
    if (screen == NULL)
        return;
    if (taken) {
        int rc = n1_line_ready(&screen->line, n1_time_mono());
        if (rc != -EIO)
            settle(screen);
        if (rc == 0 || !screen->line.stuck) /* else it would wait for the line */
            endwin();
        n1_screen_emergency(); /* also where curses could not write everything; the bytes are idempotent */
    }
    for (size_t i = 0; i < CRASH_SIGNALS; i++)
        sigaction(crash_signals[i], &saved_actions[i], NULL);
    delscreen(screen->curses);
    n1_line_close(&screen->line);
    free(screen->shown);
    free(screen);
}

/* --- painting --- */

bool n1_screen_measure(struct n1_screen *screen, int *ret_rows, int *ret_cols)
{
    struct winsize size = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0) {
        size.ws_row = (unsigned short)(LINES > 0 ? LINES : 24);
        size.ws_col = (unsigned short)(COLS > 0 ? COLS : 80);
    }
    int rows = size.ws_row > COLS_MOST ? COLS_MOST : size.ws_row,
        cols = size.ws_col > COLS_MOST ? COLS_MOST : size.ws_col;
    bool changed = screen->shown == NULL || rows != screen->rows || cols != screen->cols;
    if (changed) {
        struct n1_cell *shown = calloc((size_t)rows * (size_t)cols, sizeof *shown);
        if (shown != NULL) {
            free(screen->shown);
            screen->shown = shown;
            screen->rows = rows;
            screen->cols = cols;
            screen->valid = false;
            resize_term(rows, cols);
        }
    }
    *ret_rows = screen->rows;
    *ret_cols = screen->cols;
    return changed;
}

void n1_screen_invalidate(struct n1_screen *screen)
{
    screen->valid = false;
}

void n1_screen_plain(struct n1_screen *screen, bool plain)
{
    if (plain != screen->plain)
        screen->valid = false;
    screen->plain = plain;
}

/* The look of a role. Without colours most have none: a change of look costs more bytes than the figure in
 * it, and what it says a letter says too. */
static attr_t look(const struct n1_screen *screen, uint8_t role, short *ret_pair)
{
    static const bool spoken[N1_ROLE_COUNT] = {
        [N1_ROLE_TITLE] = true,       [N1_ROLE_MATCH] = true,     [N1_ROLE_LOG_WARN] = true,
        [N1_ROLE_LOG_CRIT] = true,    [N1_ROLE_LIVE] = true,      [N1_ROLE_PAUSED] = true,
        [N1_ROLE_ENDED] = true,       [N1_ROLE_ERROR] = true,     [N1_ROLE_INPUT] = true,
        [N1_ROLE_FBAR_KEY] = true,    [N1_ROLE_FBAR_TEXT] = true, [N1_ROLE_SELECTED] = true,
        [N1_ROLE_SELECTED_DIM] = true};
    *ret_pair = 0;
    if (screen->plain &&
        (role == N1_ROLE_SELECTED || (role >= N1_ROLE_FLAME_UNKNOWN && role <= N1_ROLE_FLAME_GC)))
        return A_REVERSE;
    if (screen->plain && !spoken[role])
        return A_NORMAL;
    *ret_pair = screen->pairs[role];
    return screen->attrs[role];
}

/* curses and the C library must agree with the canvas on widths, or the row would shift: if not, a '?' does.
 */
static void put(struct n1_screen *screen, int row, int col, const struct n1_cell *cell)
{
    wchar_t text[N1_CELL_RUNES + 1] = {0};
    cchar_t curses_cell;
    if (cell->cols == 0)
        return;
    bool same = wcwidth((wchar_t)cell->rune[0]) == cell->cols;
    text[0] = same ? (wchar_t)cell->rune[0] : L'?';
    for (int i = 1; i < N1_CELL_RUNES && same; i++) {
        if (cell->rune[i] && wcwidth((wchar_t)cell->rune[i]) == 0)
            text[wcslen(text)] = (wchar_t)cell->rune[i];
    }
    short pair;
    attr_t attrs = look(screen, cell->role, &pair);
    if (setcchar(&curses_cell, text, attrs, pair, NULL) != OK)
        return;
    mvadd_wch(row, col, &curses_cell);
    if (!same && cell->cols == 2) {
        text[0] = L' ';
        text[1] = 0;
        if (setcchar(&curses_cell, text, attrs, pair, NULL) == OK)
            mvadd_wch(row, col + 1, &curses_cell);
    }
}

/* A few blanks between two texts take the look of the first: going over them then costs their bytes or a
 * move, not two changes of look. Writes the row as it is sent. */
static void dress(const struct n1_screen *screen, const struct n1_cell *row, int cols, struct n1_cell *ret)
{
    int last = -1; /* column of the last cell that is no blank */
    memcpy(ret, row, (size_t)cols * sizeof *ret);
    for (int col = 0; col < cols; col++) {
        if (row[col].rune[0] == ' ' && row[col].role == N1_ROLE_TEXT)
            continue;
        for (int i = last + 1; last >= 0 && i < col && col - last - 1 <= GAP_MOST; i++)
            ret[i].role = screen->bare[row[last].role] ? row[last].role : N1_ROLE_TEXT;
        last = col;
    }
}

int n1_screen_ready(struct n1_screen *screen)
{
    return n1_line_ready(&screen->line, n1_time_mono());
}

int n1_screen_paint(struct n1_screen *screen, const struct n1_canvas *canvas)
{
    int rc = n1_screen_ready(screen);
    if (rc < 0)
        return rc;
    if (screen->shown == NULL || canvas->rows != screen->rows || canvas->cols != screen->cols)
        return -EAGAIN;
    if (!screen->valid)
        clearok(curscr, TRUE);
    for (int row = 0; row < canvas->rows; row++) {
        struct n1_cell cells[COLS_MOST], *shown = screen->shown + row * canvas->cols;
        dress(screen, canvas->cells + row * canvas->cols, canvas->cols, cells);
        for (int col = 0; col < canvas->cols; col++) {
            if (!screen->valid || memcmp(&shown[col], &cells[col], sizeof *shown) != 0)
                put(screen, row, col, &cells[col]);
        }
        memcpy(shown, cells, (size_t)canvas->cols * sizeof *shown);
    }
    screen->valid = true;
    n1_screen_painting = 1;
    wnoutrefresh(stdscr);
    n1_line_begin(&screen->line);
    doupdate();
    rc = n1_line_send(&screen->line, n1_time_mono());
    n1_screen_painting = 0;
    return rc;
}

void n1_screen_line(const struct n1_screen *screen, struct n1_screen_line *ret)
{
    *ret = (struct n1_screen_line){.trouble = screen->line.health.why,
                                   .bytes_s = n1_line_rate(&screen->line, n1_time_mono()),
                                   .full = screen->line.stuck ? screen->line.out : -1};
}

static size_t base64(char *out, const unsigned char *in, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t used = 0;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (i + 1 < len ? (uint32_t)in[i + 1] << 8 : 0) |
                     (i + 2 < len ? in[i + 2] : 0);
        out[used++] = digits[v >> 18];
        out[used++] = digits[v >> 12 & 63];
        out[used++] = i + 1 < len ? digits[v >> 6 & 63] : '=';
        out[used++] = i + 2 < len ? digits[v & 63] : '=';
    }
    return used;
}

int n1_screen_copy(struct n1_screen *screen, const char *text)
{
    static char out[COPY_MAX / 3 * 4 + 32];
    size_t len = strlen(text), used = 7;
    int rc = n1_screen_ready(screen);
    if (rc < 0)
        return rc;
    memcpy(out, "\033]52;c;", 7);
    used += base64(out + used, (const unsigned char *)text, len < COPY_MAX ? len : COPY_MAX);
    out[used++] = '\a';
    for (size_t done = 0; done < used;) {
        ssize_t n = write(STDOUT_FILENO, out + done, used - done);
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            return errno == EAGAIN ? -EAGAIN : -EIO;
    }
    return 0;
}

/* --- keys --- */

static uint32_t special_key(wint_t code)
{
    static const struct {
        wint_t curses;
        uint32_t key;
    } map[] = {{KEY_UP, N1_KEY_UP},         {KEY_DOWN, N1_KEY_DOWN},       {KEY_LEFT, N1_KEY_LEFT},
               {KEY_RIGHT, N1_KEY_RIGHT},   {KEY_HOME, N1_KEY_HOME},       {KEY_END, N1_KEY_END},
               {KEY_PPAGE, N1_KEY_PAGE_UP}, {KEY_NPAGE, N1_KEY_PAGE_DOWN}, {KEY_BACKSPACE, N1_KEY_BACKSPACE},
               {KEY_DC, N1_KEY_DELETE},     {KEY_BTAB, N1_KEY_BACK_TAB},   {KEY_ENTER, N1_KEY_ENTER}};
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        if (map[i].curses == code)
            return map[i].key;
    }
    if (code > KEY_F0 && code <= KEY_F(12))
        return N1_KEY_F(code - KEY_F0);
    return N1_KEY_NONE;
}

int n1_screen_key(struct n1_screen *screen, uint32_t *ret_key)
{
    for (;;) {
        /* A terminal that is readable and has no bytes has been closed: raw mode knows no end of file. */
        int waiting = 0;
        struct pollfd line = {STDIN_FILENO, POLLIN, 0};
        if (poll(&line, 1, 0) == 1) {
            if (line.revents & (POLLHUP | POLLERR | POLLNVAL))
                return -EIO;
            if ((line.revents & POLLIN) && ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 && waiting == 0)
                return -EIO;
        }
        wint_t code = 0;
        int rc = wget_wch(stdscr, &code);
        if (rc == ERR)
            return 0;
        if (rc == KEY_CODE_YES && code == CODE_ANSWER)
            n1_line_answered(&screen->line, n1_time_mono());
        if (rc == KEY_CODE_YES && code >= CODE_MODE && code < CODE_MODE + 5)
            n1_line_mode(&screen->line, code - CODE_MODE);
        uint32_t key = rc == KEY_CODE_YES ? special_key(code) : (uint32_t)code;
        if (key == '\n' || key == '\r')
            key = N1_KEY_ENTER;
        if (key == 8)
            key = N1_KEY_BACKSPACE;
        if (key == N1_KEY_NONE || key == (uint32_t)KEY_RESIZE)
            continue;
        *ret_key = key;
        return 1;
    }
}

int n1_screen_fd(const struct n1_screen *screen)
{
    (void)screen;
    return STDIN_FILENO;
}

void n1_screen_suspend(struct n1_screen *screen, bool job)
{
    struct sigaction fall_back = {.sa_handler = SIG_DFL}, before;
    sigemptyset(&fall_back.sa_mask);
    settle(screen);
    endwin();
    n1_screen_emergency();
    sigaction(SIGTSTP, &fall_back, &before);
    kill(job ? 0 : getpid(), SIGTSTP);
    sigaction(SIGTSTP, &before, NULL);
    tcgetattr(STDIN_FILENO, &saved_modes);
    taken = 1;
    reset_prog_mode();
    curs_set(0);
    screen->valid = false;
    screen->line.health.waiting = false; /* whatever was asked, the shell has heard the answer */
}

enum n1_color_level n1_screen_color(const struct n1_screen *screen)
{
    return screen->color;
}
