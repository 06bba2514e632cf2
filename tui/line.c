/* See line.h. */
#include "tui/line.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define QUERY "\033[?2026$p\033[5n"
#define BEGIN "\033[?2026h"
#define END "\033[?2026l"
#define ASK "\033[5n"

/* --- how the line fares --- */

void n1_line_health_asked(struct n1_line_health *h, n1_ns now)
{
    h->waiting = true;
    h->asked = now;
}

void n1_line_health_answered(struct n1_line_health *h, n1_ns now)
{
    if (!h->waiting)
        return;
    h->waiting = false;
    h->answer = now > h->asked ? now - h->asked : 1;
    h->late = h->answer > N1_LINE_LATE_NS ? h->late + 1 : 0;
    if (h->late >= 2) /* one may be a laptop's lid */
        snprintf(h->why, sizeof h->why, "the line answers after %.1f s", (double)h->answer / 1e9);
}

void n1_line_health_blocked(struct n1_line_health *h, n1_ns took)
{
    if (took > N1_LINE_BLOCKED_NS)
        snprintf(h->why, sizeof h->why, "the line took no output for %.0f ms", (double)took / 1e6);
}

void n1_line_health_queued(struct n1_line_health *h, size_t bytes)
{
    if (bytes > N1_LINE_QUEUE_MAX)
        snprintf(h->why, sizeof h->why, "%.1f kB wait in the terminal's queue", (double)bytes / 1e3);
}

bool n1_line_health_free(struct n1_line_health *h, n1_ns now)
{
    n1_ns out = h->waiting && now > h->asked ? now - h->asked : 0;
    if (out > 3 * N1_LINE_LATE_NS)
        snprintf(h->why, sizeof h->why, "the line has not answered for %.0f s", (double)out / 1e9);
    if (out > N1_LINE_LOST_NS)
        h->waiting = false;
    return !h->waiting || out <= N1_LINE_HOLD_NS;
}

/* --- the line --- */

int n1_line_open(struct n1_line *line, int terminal, bool ask)
{
    char path[40];
    *line = (struct n1_line){.terminal = terminal, .out = terminal, .curses = -1, .frame = -1, .ask = ask};
    line->frame = memfd_create("n1top-frame", MFD_CLOEXEC);
    line->curses = fcntl(terminal, F_DUPFD_CLOEXEC, 3);
    line->file = line->curses < 0 ? NULL : fdopen(line->curses, "w");
    if (line->frame < 0 || !line->file) {
        int code = errno;
        n1_line_close(line);
        return -code;
    }
    /* O_NONBLOCK belongs to the open file, which a shell shares with us: so one of our own, where we may. */
    snprintf(path, sizeof path, "/proc/self/fd/%d", terminal);
    int own = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (own >= 0 && isatty(own)) {
        line->out = own;
        line->owned = true;
    } else if (own >= 0) {
        close(own);
    }
    return 0;
}

void n1_line_close(struct n1_line *line)
{
    if (line->file)
        fclose(line->file);
    else if (line->curses >= 0)
        close(line->curses);
    if (line->frame >= 0)
        close(line->frame);
    if (line->owned)
        close(line->out);
    free(line->bytes);
    *line = (struct n1_line){.terminal = -1, .out = -1, .curses = -1, .frame = -1};
}

void n1_line_begin(struct n1_line *line)
{
    if (ftruncate(line->frame, 0) == 0)
        lseek(line->frame, 0, SEEK_SET);
    dup3(line->frame, line->curses, O_CLOEXEC);
}

static void count(struct n1_line *line, size_t bytes, n1_ns now)
{
    uint64_t second = now / N1_SECOND_NS;
    size_t at = second % (sizeof line->recent / sizeof line->recent[0]);
    if (line->recent[at].second != second) {
        line->recent[at].second = second;
        line->recent[at].bytes = 0;
    }
    line->recent[at].bytes += bytes;
    line->total += bytes;
}

/* Sends what waits. 0, also when some still waits; -EIO. */
static int flush(struct n1_line *line, n1_ns now)
{
    while (line->sent < line->length) {
        ssize_t n = write(line->out, line->bytes + line->sent, line->length - line->sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            if (!line->stuck)
                line->stuck = now;
            n1_line_health_blocked(&line->health, now - line->stuck);
            return 0;
        }
        if (n <= 0)
            return -EIO;
        line->sent += (size_t)n;
        count(line, (size_t)n, now);
    }
    line->length = line->sent = 0;
    line->stuck = 0;
    return 0;
}

static void append(struct n1_line *line, const char *text)
{
    size_t size = strlen(text);
    memcpy(line->bytes + line->length, text, size);
    line->length += size;
}

int n1_line_send(struct n1_line *line, n1_ns now)
{
    off_t size = lseek(line->frame, 0, SEEK_END);
    dup3(line->terminal, line->curses, O_CLOEXEC); /* what curses writes beside frames may wait */
    if (size <= 0)
        return 0;
    size_t need = line->length + (size_t)size + 64;
    if (need > line->capacity) {
        char *more = realloc(line->bytes, need);
        if (!more)
            return -EIO; /* a frame that curses believes shown cannot be had again */
        line->bytes = more;
        line->capacity = need;
    }
    if (line->ask && !line->queried)
        append(line, QUERY); /* before the first frame: it clears what a terminal might make of it */
    bool bracket = line->brackets && size > N1_LINE_BRACKET_MIN;
    if (bracket)
        append(line, BEGIN);
    ssize_t got = pread(line->frame, line->bytes + line->length, (size_t)size, 0);
    line->length += got > 0 ? (size_t)got : 0;
    if (bracket)
        append(line, END);
    if (line->ask && !line->queried) {
        line->queried = now;
    } else if (line->answers && !line->health.waiting) {
        append(line, ASK);
        n1_line_health_asked(&line->health, now);
    }
    line->frames++;
    int rc = flush(line, now);
    n1_line_health_blocked(&line->health, n1_time_mono() - now);
    return rc;
}

int n1_line_ready(struct n1_line *line, n1_ns now)
{
    struct pollfd fd = {line->out, POLLOUT, 0};
    int queued = 0, rc = poll(&fd, 1, 0);
    if (rc == 1 && (fd.revents & (POLLHUP | POLLERR | POLLNVAL)))
        return -EIO;
    if (rc == 1 && line->length && flush(line, now) < 0)
        return -EIO;
    if (rc != 1 || line->length) {
        if (!line->stuck)
            line->stuck = now;
        n1_line_health_blocked(&line->health, now - line->stuck);
        return -EAGAIN;
    }
    line->stuck = 0;
    if (ioctl(line->out, TIOCOUTQ, &queued) == 0 && queued > N1_LINE_QUEUE_MAX) {
        n1_line_health_queued(&line->health, (size_t)queued);
        return -EAGAIN;
    }
    return n1_line_health_free(&line->health, now) ? 0 : -EAGAIN;
}

void n1_line_answered(struct n1_line *line, n1_ns now)
{
    line->answers = true;
    n1_line_health_answered(&line->health, now);
}

void n1_line_mode(struct n1_line *line, unsigned value)
{
    line->brackets = value == 1 || value == 2; /* set or reset, and changeable */
}

int n1_line_due_ms(const struct n1_line *line, n1_ns now)
{
    if (line->health.waiting) {
        n1_ns usual = 2 * line->health.answer + N1_SECOND_NS / 20, out = now - line->health.asked;
        usual = usual > N1_SECOND_NS ? N1_SECOND_NS : usual;
        return out < usual ? (int)((usual - out) / 1000000) + 1 : 0;
    }
    return line->queried && !line->answers && now < line->queried + N1_SECOND_NS ? 150 : 0;
}

double n1_line_rate(const struct n1_line *line, n1_ns now)
{
    uint64_t second = now / N1_SECOND_NS, bytes = 0, first = second;
    for (size_t i = 0; i < sizeof line->recent / sizeof line->recent[0]; i++) {
        uint64_t at = line->recent[i].second;
        if (at && at < second && at + 10 >= second) {
            bytes += line->recent[i].bytes;
            first = at < first ? at : first;
        }
    }
    return second > first ? (double)bytes / (double)(second - first) : 0;
}
