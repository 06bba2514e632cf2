/*
 * The life of a session: fork + exec of the sampler with one end of a socketpair, HELLO with the memfd,
 * READY, then notices and answers until either side ends. The sampler ends by itself when our end of the
 * socket closes, so nothing has to be cleaned up after a crash of ours.
 */
#include "tui/session.h"

#include "tui/launch.h"
#include "tui/rights.h"

#include "n1/time.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GOODBYE_MS = 1000, BRIEFLY_MS = 20 };
#define SILENT_NS (3 * N1_SECOND_NS)

struct n1_session {
    enum n1_session_state state;
    struct n1_reader *reader;
    struct n1_error error;
    struct n1_launch launch;
    int memfd;
    bool command_reaped;
    int command_status;
    bool detaching, read_only, redact;
    pid_t sampler; /* joined, not ours to reap */
    char notice[256];
    uint64_t notices;
    struct n1_control answer; /* the last DONE */
    uint64_t answers;
};

static struct n1_session *session_new(void)
{
    struct n1_session *s = calloc(1, sizeof *s);
    if (s) {
        s->state = N1_SESSION_STARTING;
        s->memfd = -1;
        n1_launch_init(&s->launch);
    }
    return s;
}

int n1_session_start(const struct n1_session_options *options, struct n1_session **ret,
                     struct n1_error *reterr)
{
    struct n1_session *s = session_new();
    if (!s)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    int rc = n1_launch_start(&s->launch, options, reterr);
    if (rc == 0) /* the sampler has what it needs; nothing here needs rights from now on */
        rc = n1_rights_drop(reterr);
    if (rc < 0) {
        n1_session_destroy(s);
        return rc;
    }
    *ret = s;
    return 0;
}

int n1_session_join(int socket, pid_t sampler, struct n1_session **ret, struct n1_error *reterr)
{
    struct n1_session *s = session_new();
    if (!s) {
        close(socket);
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    }
    s->launch.socket = socket;
    s->sampler = sampler;
    int rc = n1_rights_drop(reterr);
    if (rc < 0) {
        n1_session_destroy(s);
        return rc;
    }
    rc = n1_session_send(s, N1_CONTROL_JOIN, 0, NULL);
    if (rc < 0) {
        n1_session_destroy(s);
        return n1_error_set(reterr, N1_E_WRITER_GONE, "the sampler %d ended just now", (int)sampler);
    }
    *ret = s;
    return 0;
}

int n1_session_replay(const char *path, struct n1_session **ret, struct n1_error *reterr)
{
    struct n1_session *s = session_new();
    if (!s)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    int rc = n1_reader_open_file(path, &s->reader, reterr);
    if (rc == 0)
        rc = n1_rights_drop(reterr);
    if (rc < 0) {
        n1_session_destroy(s);
        return rc;
    }
    s->state = N1_SESSION_ENDED;
    *ret = s;
    return 0;
}

static void fail(struct n1_session *s, int code, const char *hint, const char *what)
{
    n1_error_hint(&s->error, code, hint, "%s", what);
    s->state = N1_SESSION_FAILED;
}

/* The socket closed: as asked, or because the sampler died. Its exit tells which; the model stays mapped. */
static void hung_up(struct n1_session *s)
{
    close(s->launch.socket);
    s->launch.socket = -1;
    if (s->state == N1_SESSION_FAILED)
        return;
    if (s->detaching) {
        s->state = N1_SESSION_ENDED;
        return;
    }
    char what[128];
    n1_launch_sampler_end(&s->launch, what, sizeof what);
    if (s->reader) {
        n1_error_set(&s->error, N1_E_WRITER_GONE, "%s", what);
        s->state = N1_SESSION_LOST;
    } else {
        fail(s, N1_E_FAILED, "start it again with --log FILE to see why", what);
    }
}

static void on_record(struct n1_session *s, const struct n1_control *record, int fd)
{
    switch (record->type) {
    case N1_CONTROL_HELLO:
        if (s->reader || fd < 0)
            break;
        if (record->value != N1_MODEL_VERSION) {
            fail(s, N1_E_VERSION, "install both programs together (make install)",
                 "the sampler is of another version");
            break;
        }
        if (n1_reader_open_fd(fd, &s->reader, &s->error) < 0) {
            s->state = N1_SESSION_FAILED;
            break;
        }
        s->memfd = fd;
        fd = -1;
        if (s->redact && n1_reader_redact(s->reader, true) < 0)
            fail(s, -ENOMEM, "", "out of memory");
        break;
    case N1_CONTROL_READY:
        if (s->reader && s->state == N1_SESSION_STARTING) {
            s->state = N1_SESSION_ATTACHED;
            n1_launch_release(&s->launch);
        }
        break;
    case N1_CONTROL_FAILED:
        fail(s, record->code < 0 ? record->code : N1_E_FAILED, record->hint, record->text);
        break;
    case N1_CONTROL_DONE:
        s->answer = *record;
        s->answers++;
        break;
    case N1_CONTROL_ROLE:
        s->read_only = record->value == 0;
        break;
    case N1_CONTROL_NOTICE:
        memcpy(s->notice, record->text, sizeof s->notice);
        s->notices++;
        break;
    default:
        break;
    }
    if (fd >= 0)
        close(fd);
}

void n1_session_redact(struct n1_session *s)
{
    s->redact = true;
    if (s->reader && n1_reader_redact(s->reader, true) < 0)
        fail(s, -ENOMEM, "", "out of memory");
}

enum n1_session_state n1_session_pump(struct n1_session *s)
{
    while (s->launch.socket >= 0) {
        struct n1_control record;
        int fd;
        int rc = n1_control_receive(s->launch.socket, &record, &fd);
        if (rc == -EAGAIN)
            break;
        if (rc == 1)
            on_record(s, &record, fd);
        else if (rc != -EBADMSG)
            hung_up(s);
    }
    return s->state;
}

enum n1_session_state n1_session_state(const struct n1_session *s)
{
    return s->state;
}

const struct n1_error *n1_session_error(const struct n1_session *s)
{
    return &s->error;
}

struct n1_reader *n1_session_reader(const struct n1_session *s)
{
    return s->state == N1_SESSION_FAILED ? NULL : s->reader;
}

int n1_session_fd(const struct n1_session *s)
{
    return s->launch.socket;
}

const char *n1_session_notice(const struct n1_session *s, uint64_t *ret_count)
{
    if (ret_count)
        *ret_count = s->notices;
    return s->notice;
}

int n1_session_send(struct n1_session *s, enum n1_control_type type, uint64_t value, const char *text)
{
    struct n1_control record = {.type = type, .value = value};
    if (s->launch.socket < 0)
        return N1_E_WRITER_GONE;
    if (text)
        snprintf(record.text, sizeof record.text, "%s", text);
    int rc = n1_control_send(s->launch.socket, &record, -1);
    return rc == -EPIPE || rc == -ECONNRESET ? N1_E_WRITER_GONE : rc;
}

/* Milliseconds left of a deadline, for poll(); -1 stays "for ever". */
static int left_ms(n1_ns deadline, int timeout_ms)
{
    if (timeout_ms < 0)
        return -1;
    n1_ns now = n1_time_mono();
    return now >= deadline ? 0 : (int)((deadline - now + 999999) / 1000000);
}

static n1_ns deadline_in(int timeout_ms)
{
    return n1_time_mono() + (n1_ns)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000;
}

static void wait_for_packet(struct n1_session *s, int timeout_ms)
{
    struct pollfd p = {.fd = s->launch.socket, .events = POLLIN};
    poll(&p, 1, timeout_ms);
}

int n1_session_wait(struct n1_session *s, int timeout_ms, struct n1_error *reterr)
{
    n1_ns deadline = deadline_in(timeout_ms);
    while (n1_session_pump(s) == N1_SESSION_STARTING) {
        int left = left_ms(deadline, timeout_ms);
        if (left == 0)
            return n1_error_set(reterr, -ETIMEDOUT, "the sampler did not attach in time");
        wait_for_packet(s, left);
    }
    if (s->state == N1_SESSION_FAILED || s->state == N1_SESSION_LOST) {
        if (reterr)
            *reterr = s->error;
        return s->error.code;
    }
    return 0;
}

int n1_session_ask(struct n1_session *s, enum n1_control_type type, uint64_t value, int timeout_ms,
                   struct n1_error *reterr)
{
    n1_ns deadline = deadline_in(timeout_ms);
    n1_session_pump(s);
    uint64_t before = s->answers;
    if (type == N1_CONTROL_DETACH)
        s->detaching = true;
    int rc = n1_session_send(s, type, value, NULL);
    while (rc == 0) {
        n1_session_pump(s);
        if (s->answers != before && s->answer.value == (uint64_t)type) {
            if (s->answer.code < 0)
                return n1_error_hint(reterr, s->answer.code, s->answer.hint, "%s", s->answer.text);
            return 0;
        }
        if (s->launch.socket < 0 && s->state == N1_SESSION_ENDED && type == N1_CONTROL_DETACH)
            return 0;
        if (s->launch.socket < 0)
            rc = N1_E_WRITER_GONE;
        else if (left_ms(deadline, timeout_ms) == 0)
            rc = -ETIMEDOUT;
        else
            wait_for_packet(s, left_ms(deadline, timeout_ms));
    }
    return n1_error_set(reterr, rc,
                        rc == -ETIMEDOUT ? "the sampler did not answer in time" : "the sampler is gone");
}

bool n1_session_read_only(const struct n1_session *s)
{
    return s->read_only;
}

pid_t n1_session_sampler_pid(const struct n1_session *s)
{
    return s->sampler ? s->sampler : s->launch.sampler;
}

void n1_session_leave(struct n1_session *s, bool goodbye)
{
    if (s->launch.socket < 0)
        return;
    if (goodbye)
        n1_session_send(s, N1_CONTROL_DETACH, 0, NULL);
    s->sampler = n1_session_sampler_pid(s);
    n1_launch_finish(&s->launch, 0);
    s->launch.sampler = 0; /* init's from now on: nobody waits for it */
    if (s->state == N1_SESSION_STARTING || s->state == N1_SESSION_ATTACHED)
        s->state = N1_SESSION_ENDED;
}

pid_t n1_session_command_pid(const struct n1_session *s)
{
    return s->launch.command;
}

bool n1_session_command_ended(struct n1_session *s, int *ret_status)
{
    if (!s->launch.command)
        return false;
    if (!s->command_reaped && waitpid(s->launch.command, &s->command_status, WNOHANG) == s->launch.command)
        s->command_reaped = true;
    if (s->command_reaped)
        *ret_status = s->command_status;
    return s->command_reaped;
}

void n1_session_destroy(struct n1_session *s)
{
    if (!s)
        return;
    /* A sampler that has not stirred for a while (stopped, starved) is not waited for: the closed socket
     * tells it. */
    bool silent = s->reader && n1_reader_begin(s->reader) >= 0 &&
                  n1_time_mono() > n1_reader_heartbeat(s->reader) + SILENT_NS;
    int wait_ms = silent ? BRIEFLY_MS : GOODBYE_MS;
    if (s->launch.socket >= 0 && s->reader)
        n1_session_ask(s, N1_CONTROL_DETACH, 0, wait_ms, NULL);
    n1_launch_finish(&s->launch, wait_ms);
    n1_reader_close(s->reader);
    if (s->memfd >= 0)
        close(s->memfd);
    free(s);
}
