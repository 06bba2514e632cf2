/* Every size from 1x1 to 500x200, every set of panes, every focus: inside the screen and nothing overlaps. */
#include "tui/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned char grid[220][520];

static void mark(struct n1_rect r, int rows, int cols)
{
    if (r.rows == 0)
        return;
    assert_true(r.rows > 0 && r.cols > 0 && r.row >= 0 && r.col >= 0);
    assert_true(r.row + r.rows <= rows && r.col + r.cols <= cols);
    for (int i = 0; i < r.rows; i++) {
        assert_null(memchr(&grid[r.row + i][r.col], 1, (size_t)r.cols));
        memset(&grid[r.row + i][r.col], 1, (size_t)r.cols);
    }
}

static void check(int rows, int cols, unsigned wanted, enum n1_pane focus)
{
    struct n1_layout l;
    n1_layout_compute(rows, cols, wanted, focus, &l);
    for (int i = 0; i < rows; i++)
        memset(grid[i], 0, (size_t)cols);
    mark(l.header, rows, cols);
    mark(l.status, rows, cols);
    mark(l.keys, rows, cols);
    for (int p = 0; p < N1_PANE_COUNT; p++)
        mark(l.pane[p], rows, cols);
    for (int g = 0; g < 2; g++) {
        if (l.gutter[g] >= 0 && l.gutter_rows > 0)
            mark((struct n1_rect){l.gutter_row, l.gutter[g], l.gutter_rows, 1}, rows, cols);
    }
    if (rows < 5 || cols < 20) {
        assert_true(l.one_line);
        assert_int_equal(l.header.rows, 1);
        return;
    }
    assert_false(l.one_line);
    assert_int_equal(l.status.rows, 1);
    if (l.pane[focus].rows == 0)
        fail_msg("focus %d not shown at %dx%d, wanted %x", focus, cols, rows, wanted);
    /* nothing is wasted: every row has something on it */
    for (int i = 0; i < rows; i++)
        assert_non_null(memchr(grid[i], 1, (size_t)cols));
}

static void no_overlap_at_any_size(void **state)
{
    (void)state;
    for (int rows = 1; rows <= 200; rows += rows < 70 ? 1 : 7) {
        for (int cols = 1; cols <= 500; cols += cols < 20 ? 3 : cols < 200 ? 9 : 43) {
            for (unsigned wanted = 0; wanted < 1u << N1_PANE_COUNT;
                 wanted += rows < 40 && cols < 130 ? 3 : 11)
                check(rows, cols, wanted, (enum n1_pane)((wanted + (unsigned)rows) % N1_PANE_COUNT));
            check(rows, cols, N1_LAYOUT_TIMELINE | (unsigned)cols, (enum n1_pane)(rows % N1_PANE_COUNT));
        }
    }
    check(200, 500, ~0u, N1_PANE_TABLE);
    check(5, 20, ~0u, N1_PANE_FLAME);
}

static void sizes_that_people_have(void **state)
{
    (void)state;
    struct n1_layout l;
    n1_layout_compute(24, 80, n1_layout_default(24, 80), N1_PANE_TABLE, &l);
    assert_int_equal(l.header.rows, 3);
    assert_int_equal(l.keys.rows, 1);
    assert_int_equal(l.pane[N1_PANE_LOG].rows, 2);
    assert_int_equal(l.pane[N1_PANE_FLAME].rows, 0);
    assert_true(l.pane[N1_PANE_TABLE].rows >= 16);
    n1_layout_compute(23, 80, n1_layout_default(23, 80), N1_PANE_TABLE,
                      &l); /* tmux takes a row: the log goes */
    assert_int_equal(l.pane[N1_PANE_LOG].rows, 0);
    assert_true(l.pane[N1_PANE_TABLE].rows >= 16);
    n1_layout_compute(24, 80, n1_layout_default(24, 80) | N1_PANE_BIT(N1_PANE_FLAME), N1_PANE_FLAME, &l);
    assert_true(l.pane[N1_PANE_FLAME].rows >= 6 && l.pane[N1_PANE_TABLE].rows >= 6);
    n1_layout_compute(40, 120, n1_layout_default(40, 120), N1_PANE_TABLE, &l);
    assert_true(l.pane[N1_PANE_FLAME].rows >= 8 && l.pane[N1_PANE_DETAIL].rows >= 8);
    assert_true(l.pane[N1_PANE_TABLE].cols >= 58);
    n1_layout_compute(60, 200, n1_layout_default(60, 200), N1_PANE_TABLE, &l);
    for (int p = 0; p < N1_PANE_COUNT; p++)
        assert_true(l.pane[p].rows > 0 || p == N1_PANE_SOURCE || p == N1_PANE_CODE || p == N1_PANE_WAITS);
    n1_layout_compute(24, 80, N1_PANE_BIT(N1_PANE_SOURCE), N1_PANE_SOURCE, &l);
    assert_true(l.pane[N1_PANE_SOURCE].rows >= 16 && l.pane[N1_PANE_TABLE].rows == 0);
    n1_layout_compute(24, 80, N1_LAYOUT_TIMELINE, N1_PANE_TABLE, &l);
    assert_int_equal(l.header.rows, 5);
    n1_layout_compute(5, 20, n1_layout_default(5, 20), N1_PANE_TABLE, &l);
    assert_int_equal(l.header.rows, 1);
    assert_int_equal(l.pane[N1_PANE_TABLE].rows, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_overlap_at_any_size),
        cmocka_unit_test(sizes_that_people_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
