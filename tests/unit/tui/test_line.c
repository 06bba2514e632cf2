/* The line to the terminal: what makes it count as slow, and that a frame is one write. */
#include "tui/line.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define S N1_SECOND_NS
#define MS (N1_SECOND_NS / 1000)

static void quick_answers_say_nothing(void **state)
{
    (void)state;
    struct n1_line_health h = {0};
    for (n1_ns now = S; now < 100 * S; now += S) {
        assert_true(n1_line_health_free(&h, now));
        n1_line_health_asked(&h, now);
        assert_true(n1_line_health_free(&h, now + 100 * MS)); /* keys may paint meanwhile */
        n1_line_health_answered(&h, now + 300 * MS);
    }
    assert_int_equal(h.answer, 300 * MS);
    assert_string_equal(h.why, "");
}

static void late_answers_hold_frames_and_are_told(void **state)
{
    (void)state;
    struct n1_line_health h = {0};
    n1_line_health_asked(&h, S);
    assert_true(n1_line_health_free(&h, S + N1_LINE_HOLD_NS));
    assert_false(n1_line_health_free(&h, S + N1_LINE_HOLD_NS + 1));
    n1_line_health_answered(&h, S + 1500 * MS);
    assert_true(n1_line_health_free(&h, S + 1500 * MS));
    assert_string_equal(h.why, ""); /* once is a hiccup */
    n1_line_health_asked(&h, 3 * S);
    n1_line_health_answered(&h, 3 * S + 1400 * MS);
    assert_string_equal(h.why, "the line answers after 1.4 s");
}

static void a_good_answer_between_forgives(void **state)
{
    (void)state;
    struct n1_line_health h = {0};
    for (int i = 0; i < 20; i++) {
        n1_line_health_asked(&h, (n1_ns)i * 10 * S);
        n1_line_health_answered(&h, (n1_ns)i * 10 * S + (i % 2 ? 2 * S : 10 * MS));
    }
    assert_string_equal(h.why, "");
}

static void no_answer_is_not_for_ever(void **state)
{
    (void)state;
    struct n1_line_health h = {0};
    n1_line_health_asked(&h, S);
    assert_false(n1_line_health_free(&h, S + 4 * S));
    assert_non_null(strstr(h.why, "not answered"));
    assert_false(n1_line_health_free(&h, S + N1_LINE_LOST_NS));
    assert_true(n1_line_health_free(&h, S + N1_LINE_LOST_NS + 1)); /* one frame goes out */
    n1_line_health_answered(&h, S + 11 * S); /* and what nobody waits for is no measure */
    assert_int_equal(h.answer, 0);
}

static void full_lines_are_told(void **state)
{
    (void)state;
    struct n1_line_health h = {0};
    n1_line_health_blocked(&h, N1_LINE_BLOCKED_NS);
    n1_line_health_queued(&h, N1_LINE_QUEUE_MAX);
    assert_string_equal(h.why, "");
    n1_line_health_blocked(&h, 70 * MS);
    assert_string_equal(h.why, "the line took no output for 70 ms");
    n1_line_health_queued(&h, 4100);
    assert_string_equal(h.why, "4.1 kB wait in the terminal's queue");
}

/* A datagram socket keeps the borders of writes. */
static struct n1_line line;
static int far;

static void begin(void)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
    far = pair[1];
    fcntl(far, F_SETFL, O_NONBLOCK);
    assert_int_equal(n1_line_open(&line, pair[0], true), 0);
}

static void end(void)
{
    close(line.terminal);
    n1_line_close(&line);
    close(far);
}

static void frame(size_t bytes, n1_ns now)
{
    char text[4096];
    memset(text, 'x', sizeof text);
    n1_line_begin(&line);
    for (size_t done = 0; done < bytes; done += 100) /* as curses does: in pieces */
        assert_int_equal(write(line.curses, text, bytes - done < 100 ? bytes - done : 100),
                         bytes - done < 100 ? bytes - done : 100);
    assert_int_equal(n1_line_send(&line, now), 0);
}

static const char *got(void)
{
    static char text[65536];
    ssize_t n = read(far, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 ? text : NULL;
}

static void a_frame_is_one_write(void **state)
{
    (void)state;
    begin();
    frame(3000, n1_time_mono());
    const char *text = got();
    assert_non_null(text);
    assert_int_equal(strncmp(text, "\033[?2026$p\033[5nxxx", 16), 0);
    assert_int_equal(strlen(text), 13 + 3000);
    assert_null(got());
    frame(0, n1_time_mono()); /* nothing has changed: nothing is sent */
    assert_null(got());
    frame(700, n1_time_mono());
    text = got();
    assert_int_equal(strlen(text), 700); /* not answered: not asked again, not bracketed */
    assert_int_equal(line.total, 13 + 3000 + 700);
    end();
}

static void brackets_and_questions_come_when_answered(void **state)
{
    (void)state;
    begin();
    frame(100, n1_time_mono());
    got();
    n1_line_mode(&line, 2);
    n1_line_answered(&line, n1_time_mono());
    frame(700, n1_time_mono());
    const char *text = got();
    assert_int_equal(strncmp(text, "\033[?2026hxxx", 11), 0);
    assert_string_equal(text + 8 + 700, "\033[?2026l\033[5n");
    frame(100, n1_time_mono());
    assert_int_equal(strlen(got()), 100); /* one question at a time, and no bracket around little */
    n1_line_answered(&line, n1_time_mono());
    frame(100, n1_time_mono());
    assert_string_equal(got() + 100, "\033[5n");
    static const unsigned unknown[] = {0, 3, 4}; /* not there, or not to be changed */
    for (size_t i = 0; i < 3; i++) {
        n1_line_mode(&line, unknown[i]);
        frame(700, n1_time_mono());
        assert_int_equal(got()[0], 'x');
    }
    end();
}

static void a_full_line_loses_nothing(void **state)
{
    (void)state;
    int ends[2];
    size_t total = 0;
    char text[65536];
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(n1_line_open(&line, ends[1], false), 0);
    int frames = 0;
    while (n1_line_ready(&line, n1_time_mono()) == 0 && frames < 100) {
        frame(5000, n1_time_mono()); /* more than a pipe takes at once */
        frames++;
    }
    assert_true(frames > 3 && frames < 100);
    assert_int_equal(n1_line_ready(&line, n1_time_mono()), -EAGAIN);
    n1_line_ready(&line, n1_time_mono() + 60 * MS);
    assert_non_null(strstr(line.health.why, "took no output"));
    for (int i = 0; i < 10; i++) {
        ssize_t n = read(ends[0], text, sizeof text);
        total += n > 0 ? (size_t)n : 0;
        n1_line_ready(&line, n1_time_mono());
    }
    assert_int_equal(total, (size_t)frames * 5000);
    assert_int_equal(n1_line_ready(&line, n1_time_mono()), 0);
    close(ends[0]);
    assert_int_equal(n1_line_ready(&line, n1_time_mono()), -EIO);
    close(ends[1]);
    n1_line_close(&line);
}

static void bytes_a_second(void **state)
{
    (void)state;
    begin();
    assert_true(n1_line_rate(&line, 100 * S) == 0);
    for (n1_ns second = 100; second < 130; second++) {
        frame(86, second * S);
        while (got()) {}
    }
    assert_true(n1_line_rate(&line, 130 * S) == 86);
    assert_true(n1_line_rate(&line, 130 * S + 500 * MS) == 86); /* the running second does not count */
    assert_true(n1_line_rate(&line, 150 * S) == 0);
    end();
}

static void leaving_waits_as_long_as_usual(void **state)
{
    (void)state;
    begin();
    assert_int_equal(n1_line_due_ms(&line, S), 0);
    line.queried = S;
    assert_true(n1_line_due_ms(&line, S + 10 * MS) > 0); /* the first answer may be on its way */
    assert_int_equal(n1_line_due_ms(&line, 3 * S), 0);   /* this terminal does not answer */
    n1_line_answered(&line, S);
    n1_line_health_asked(&line.health, 10 * S);
    n1_line_health_answered(&line.health, 10 * S + 100 * MS);
    assert_int_equal(n1_line_due_ms(&line, 11 * S), 0);
    n1_line_health_asked(&line.health, 20 * S);
    assert_in_range(n1_line_due_ms(&line, 20 * S + 50 * MS), 200, 201);
    assert_int_equal(n1_line_due_ms(&line, 20 * S + 300 * MS), 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quick_answers_say_nothing),
        cmocka_unit_test(late_answers_hold_frames_and_are_told),
        cmocka_unit_test(a_good_answer_between_forgives),
        cmocka_unit_test(no_answer_is_not_for_ever),
        cmocka_unit_test(full_lines_are_told),
        cmocka_unit_test(a_frame_is_one_write),
        cmocka_unit_test(brackets_and_questions_come_when_answered),
        cmocka_unit_test(a_full_line_loses_nothing),
        cmocka_unit_test(bytes_a_second),
        cmocka_unit_test(leaving_waits_as_long_as_usual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
