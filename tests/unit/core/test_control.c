/* Records over a real socketpair: what was sent before the other side closed is not lost with it. */
#include "n1/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int ends[2];

static int setup(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
}

static int teardown(void **state)
{
    (void)state;
    close(ends[1]);
    return 0;
}

static void a_record_comes_as_it_was_sent(void **state)
{
    struct n1_control record = {.type = N1_CONTROL_RATE, .value = 997}, got;
    (void)state;
    strcpy(record.text, "why");
    assert_int_equal(n1_control_send(ends[0], &record, -1), 0);
    assert_int_equal(n1_control_receive(ends[1], &got, NULL), 1);
    assert_int_equal(got.type, N1_CONTROL_RATE);
    assert_int_equal(got.value, 997);
    assert_string_equal(got.text, "why");
    assert_true(n1_control_receive(ends[1], &got, NULL) < 0);
    close(ends[0]);
    assert_int_equal(n1_control_receive(ends[1], &got, NULL), 0);
}

/* A screen that says goodbye and goes has often not read the last notice. */
static void a_goodbye_outlives_a_close_with_something_unread(void **state)
{
    struct n1_control notice = {.type = N1_CONTROL_NOTICE}, goodbye = {.type = N1_CONTROL_DETACH}, got;
    (void)state;
    assert_int_equal(n1_control_send(ends[1], &notice, -1), 0);
    assert_int_equal(n1_control_send(ends[0], &goodbye, -1), 0);
    close(ends[0]);
    assert_int_equal(n1_control_receive(ends[1], &got, NULL), 1);
    assert_int_equal(got.type, N1_CONTROL_DETACH);
    assert_int_equal(n1_control_receive(ends[1], &got, NULL), 0);
    assert_int_equal(n1_control_receive(ends[1], &got, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_record_comes_as_it_was_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(a_goodbye_outlives_a_close_with_something_unread, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
