/* The canvas: clipping, wide and combining characters, the ASCII set, bars and graphs. */
#include "tui/canvas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

static void shows(struct n1_canvas *c, const char *want)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    n1_canvas_dump(c, false, out);
    fclose(out);
    assert_string_equal(text, want);
    free(text);
}

static struct n1_canvas make(int rows, int cols, enum n1_glyph_set set)
{
    struct n1_canvas c;
    assert_int_equal(n1_canvas_init(&c, rows, cols, n1_glyphs_get(set)), 0);
    return c;
}

static void clips(void **state)
{
    (void)state;
    struct n1_canvas c = make(3, 8, N1_GLYPH_SET_ASCII);
    struct n1_rect before = n1_canvas_enter(&c, (struct n1_rect){1, 2, 1, 4});
    n1_canvas_text(&c, 0, -2, N1_ROLE_TEXT, "abcdefgh");
    n1_canvas_text(&c, 1, 0, N1_ROLE_TEXT, "no");
    n1_canvas_text(&c, -1, 0, N1_ROLE_TEXT, "no");
    struct n1_rect inner = n1_canvas_enter(&c, (struct n1_rect){0, 3, 9, 99});
    assert_int_equal(n1_canvas_cols(&c), 1);
    assert_int_equal(n1_canvas_rows(&c), 1);
    n1_canvas_leave(&c, inner);
    n1_canvas_leave(&c, before);
    shows(&c, "\n  cdef\n\n");
    n1_canvas_finish(&c);
}

static void wide_and_combining(void **state)
{
    (void)state;
    struct n1_canvas c = make(1, 6, N1_GLYPH_SET_BLOCK);
    assert_int_equal(n1_canvas_text(&c, 0, 0, N1_ROLE_TEXT,
                                    "\xe6\x97\xa5"
                                    "e\xcc\x81\xcc\x82\xcc\x83x"),
                     4);
    shows(&c, "\xe6\x97\xa5"
              "e\xcc\x81\xcc\x82x\n");          /* two marks kept, the third left out */
    n1_canvas_put(&c, 0, 1, 'z', N1_ROLE_TEXT); /* over the right half: the left half goes blank */
    shows(&c, " ze\xcc\x81\xcc\x82x\n");
    n1_canvas_text(&c, 0, 5, N1_ROLE_TEXT, "\xe6\x97\xa5"); /* does not fit: no half characters */
    shows(&c, " ze\xcc\x81\xcc\x82x\n");
    n1_canvas_text(&c, 0, 1, N1_ROLE_TEXT, "\xe6\x97\xa5");
    n1_canvas_text(&c, 0, 2, N1_ROLE_TEXT, "\xe6\x9c\xac");
    shows(&c, "  \xe6\x9c\xac\n");
    n1_canvas_finish(&c);
    c = make(1, 6, N1_GLYPH_SET_ASCII);
    n1_canvas_text(&c, 0, 0, N1_ROLE_TEXT, "\xc3\xbc\xe6\x97\xa5\xcc\x81!\x1b");
    shows(&c, "?\?!?\n");
    n1_canvas_finish(&c);
}

static void graphs(void **state)
{
    (void)state;
    struct n1_canvas c = make(1, 8, N1_GLYPH_SET_ASCII);
    double values[20];
    for (int i = 0; i < 20; i++)
        values[i] = i % 8;
    struct n1_spark spark = {.values = values, .count = 5, .max = 7, .motion = N1_SPARK_SCROLL};
    n1_canvas_spark(&c, 0, 0, 8, &spark);
    shows(&c, "   .:-=+\n");
    spark.count = 8;
    values[2] = NAN; /* unknown is blank, zero is not */
    n1_canvas_spark(&c, 0, 0, 8, &spark);
    shows(&c, ".: =+*#@\n");
    values[2] = 2;
    spark.motion = N1_SPARK_SWEEP;
    spark.count = 3;
    n1_canvas_spark(&c, 0, 0, 8, &spark);
    shows(&c, ".:-\n");
    spark.count = 10; /* second lap: cells 0 and 1 are new, then the gap, then the old lap */
    n1_canvas_spark(&c, 0, 0, 8, &spark);
    shows(&c, ".:  +*#@\n");
    spark.count = 8; /* the head is at the right edge: the gap wraps round */
    n1_canvas_spark(&c, 0, 0, 8, &spark);
    shows(&c, "  -=+*#@\n");
    n1_canvas_finish(&c);
    c = make(1, 4, N1_GLYPH_SET_BRAILLE);
    struct n1_spark dots = {
        .values = (const double[]){0, 3, NAN, 1}, .count = 4, .max = 3, .motion = N1_SPARK_SCROLL};
    n1_canvas_spark(&c, 0, 2, 2, &dots);
    shows(&c, "  \xe2\xa3\xb8\xe2\xa2\xa0\n");
    n1_canvas_finish(&c);
}

/* The point of a sweep: one more value changes at most three cells. */
static void a_sweep_changes_little(void **state)
{
    (void)state;
    static double values[300];
    for (int i = 0; i < 300; i++)
        values[i] = (i * 37) % 101;
    struct n1_canvas a = make(1, 30, N1_GLYPH_SET_BLOCK), b = make(1, 30, N1_GLYPH_SET_BLOCK);
    for (size_t n = 1; n < 299; n++) {
        struct n1_spark spark = {.values = values, .count = n, .max = 100, .motion = N1_SPARK_SWEEP};
        n1_canvas_spark(&a, 0, 0, 30, &spark);
        spark.count = n + 1;
        n1_canvas_spark(&b, 0, 0, 30, &spark);
        int changed = 0;
        for (int i = 0; i < 30; i++)
            changed += memcmp(&a.cells[i], &b.cells[i], sizeof a.cells[i]) != 0;
        assert_true(changed <= 3);
    }
    n1_canvas_finish(&a);
    n1_canvas_finish(&b);
}

static void bars(void **state)
{
    (void)state;
    struct n1_canvas c = make(1, 10, N1_GLYPH_SET_ASCII);
    n1_canvas_bar(&c, 0, 0, 10, NAN, N1_ROLE_BAR);
    shows(&c, "\n");
    n1_canvas_bar(&c, 0, 0, 10, 0.44, N1_ROLE_BAR);
    shows(&c, "####\n");
    n1_canvas_bar(&c, 0, 0, 10, 7, N1_ROLE_BAR);
    shows(&c, "##########\n");
    n1_canvas_finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(clips), cmocka_unit_test(wide_and_combining),
                                       cmocka_unit_test(graphs), cmocka_unit_test(a_sweep_changes_little),
                                       cmocka_unit_test(bars)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
