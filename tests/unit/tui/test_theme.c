/* Themes: every shipped file loads, errors name the place, missing levels are derived, text can be read. */
#include "tui/theme.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

static const char *const shipped[] = {"default-dark",  "default-light", "okabe-dark", "okabe-light",
                                      "high-contrast", "mono",          "solarized"};
static const char *const folders[] = {"themes", NULL};

static void shipped_themes_load(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shipped / sizeof shipped[0]; i++) {
        struct n1_theme theme;
        struct n1_error err = {0};
        if (n1_theme_load(shipped[i], folders, &theme, &err) != 0)
            fail_msg("%s", err.what);
        assert_string_equal(theme.name, shipped[i]);
    }
    struct n1_theme builtin, file;
    n1_theme_builtin(&builtin);
    assert_int_equal(n1_theme_load("default-dark", folders, &file, NULL), 0);
    for (int level = 0; level < N1_COLORS_LEVELS; level++) {
        for (int role = 0; role < N1_ROLE_COUNT; role++) {
            struct n1_look a = n1_theme_look(&builtin, (enum n1_role)role, (enum n1_color_level)level);
            struct n1_look b = n1_theme_look(&file, (enum n1_role)role, (enum n1_color_level)level);
            assert_true(a.fg == b.fg && a.bg == b.bg && a.attrs == b.attrs);
        }
    }
}

static int parse(const char *text, struct n1_theme *theme, struct n1_error *err)
{
    return n1_theme_parse(text, strlen(text), "t.json", folders, theme, err);
}

static void errors_name_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"{\"n1top_theme\": 1,\n \"roles\": {\n  \"text\": {\"fg\": \"pink\"}}}",
         "t.json:3:12: no such colour: \"pink\""},
        {"{\"n1top_theme\": 1,\n // note\n \"roles\": {\"txet\": {}}}",
         "t.json:3:12: no such role: \"txet\""},
        {"{\"n1top_theme\": 1,\n}", "t.json:2:2: not JSON here"},
        {"{\"n1top_theme\": 2}", "t.json:1:2: needs \"n1top_theme\": 1"},
        {"[]", "t.json:1:1: a theme is an object"},
        {"{\"n1top_theme\": 1, \"colour\": 3}", "t.json:1:20: unknown or of the wrong type: \"colour\""},
        {"{\"n1top_theme\": 1, \"roles\": {\"bar\": {\"fg\": 256}}}",
         "t.json:1:38: a colour number is 0 to 255"},
        {"{\"n1top_theme\": 1, \"roles\": {\"bar\": {\"attrs\": [\"blink\"]}}}",
         "t.json:1:38: no such attribute: \"blink\""},
        {"/* open", "t.json:1:8: not JSON here"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct n1_theme theme = {.name = "before"};
        struct n1_error err = {0};
        assert_int_equal(parse(cases[i].text, &theme, &err), N1_E_CONFIG);
        assert_string_equal(err.what, cases[i].want);
        assert_string_equal(theme.name, "before");
    }
    struct n1_theme theme;
    struct n1_error err;
    assert_int_equal(n1_theme_load("nope", folders, &theme, &err), N1_E_NO_FILE);
    assert_non_null(strstr(err.hint, "okabe-dark"));
    assert_int_equal(n1_theme_load("/dev/zero", folders, &theme, &err), N1_E_CONFIG);
    assert_int_equal(parse("{\"n1top_theme\":1,\"extends\":\"../x\"}", &theme, &err), N1_E_CONFIG);
}

static void missing_levels_are_derived(void **state)
{
    (void)state;
    struct n1_theme theme;
    assert_int_equal(
        parse("{\"n1top_theme\":1,\"roles\":{\"bar\":{\"fg\":\"#ff0000\",\"bg\":\"#5fafd7\"},"
              "\"dim\":{\"fg\":75},\"text\":{\"fg\":\"brightred\"},\"title\":{\"fg\":\"brightblack\"}}}",
              &theme, NULL),
        0);
    assert_int_equal(n1_theme_look(&theme, N1_ROLE_BAR, N1_COLORS_RGB).fg, 0xff0000);
    assert_int_equal(n1_theme_look(&theme, N1_ROLE_BAR, N1_COLORS_256).fg, 196);
    assert_int_equal(n1_theme_look(&theme, N1_ROLE_BAR, N1_COLORS_256).bg, 74);
    assert_int_equal(n1_theme_look(&theme, N1_ROLE_BAR, N1_COLORS_16).fg, 9);
    struct n1_look eight = n1_theme_look(&theme, N1_ROLE_TEXT, N1_COLORS_8);
    assert_int_equal(eight.fg, 1);
    assert_true(eight.attrs & N1_ATTR_BOLD);
    assert_int_equal(n1_theme_look(&theme, N1_ROLE_TITLE, N1_COLORS_8).fg,
                     N1_COLOR_DEFAULT); /* not black on black */
    assert_int_equal(n1_theme_look(&theme, N1_ROLE_DIM, N1_COLORS_RGB).fg, 0x5fafff);
    struct n1_look mono = n1_theme_look(&theme, N1_ROLE_BAR, N1_COLORS_MONO);
    assert_int_equal(mono.fg, N1_COLOR_DEFAULT);
    assert_true(mono.attrs & N1_ATTR_REVERSE);
    for (int level = 0; level < N1_COLORS_LEVELS; level++) {
        for (int role = 0; role < N1_ROLE_COUNT; role++) {
            static const int32_t most[] = {-1, 7, 15, 255, 0xffffff};
            struct n1_look look = n1_theme_look(&theme, (enum n1_role)role, (enum n1_color_level)level);
            assert_in_range(look.fg + 1, 0, most[level] + 1);
            assert_in_range(look.bg + 1, 0, most[level] + 1);
        }
    }
}

static void order_of_decision(void **state)
{
    (void)state;
    assert_int_equal(n1_color_decide(N1_COLORS_AUTO, NULL, NULL, 256, false), N1_COLORS_256);
    assert_int_equal(n1_color_decide(N1_COLORS_AUTO, "", NULL, 8, false), N1_COLORS_8);
    assert_int_equal(n1_color_decide(N1_COLORS_AUTO, "1", "truecolor", 256, true), N1_COLORS_MONO);
    assert_int_equal(n1_color_decide(N1_COLORS_16, "1", NULL, 256, false), N1_COLORS_16);
    assert_int_equal(n1_color_decide(N1_COLORS_RGB, NULL, NULL, 8, false), N1_COLORS_8);
    assert_int_equal(n1_color_decide(N1_COLORS_AUTO, NULL, "truecolor", 256, true), N1_COLORS_RGB);
    assert_int_equal(n1_color_decide(N1_COLORS_AUTO, NULL, NULL, 0, false), N1_COLORS_MONO);
    int level = 99;
    assert_int_equal(n1_color_parse("never", &level), 0);
    assert_int_equal(level, N1_COLORS_MONO);
    assert_true(n1_color_parse("pretty", &level) < 0);
}

static double luminance(uint32_t rgb)
{
    double sum = 0;
    static const double weight[] = {0.0722, 0.7152, 0.2126};
    for (int i = 0; i < 3; i++) {
        double c = (rgb >> (8 * i) & 255) / 255.0;
        sum += weight[i] * (c <= 0.03928 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4));
    }
    return sum;
}

static double contrast(uint32_t a, uint32_t b)
{
    double x = luminance(a), y = luminance(b);
    return ((x > y ? x : y) + 0.05) / ((x > y ? y : x) + 0.05);
}

/* Text 4.5:1 and graphs 3:1, on the background of the role or, where it is the terminal's, on black or white.
 */
static void text_can_be_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct n1_theme theme;
        assert_int_equal(n1_theme_load(shipped[i], folders, &theme, NULL), 0);
        uint32_t paper = theme.light ? 0xffffff : 0x000000, ink = theme.light ? 0x000000 : 0xd0d0d0;
        for (int role = 0; role < N1_ROLE_COUNT; role++) {
            if (role == N1_ROLE_BORDER)
                continue;
            bool graph = role == N1_ROLE_SPARK_CPU || role == N1_ROLE_SPARK_MEM ||
                         role == N1_ROLE_SPARK_WAIT || role == N1_ROLE_BAR;
            struct n1_look look = n1_theme_look(&theme, (enum n1_role)role, N1_COLORS_256);
            uint32_t fg = look.fg < 0 ? ink : n1_color_rgb_of(look.fg),
                     bg = look.bg < 0 ? paper : n1_color_rgb_of(look.bg);
            if (contrast(fg, bg) < (graph ? 3 : 4.5))
                fail_msg("%s: role %d has a contrast of %.2f", shipped[i], role, contrast(fg, bg));
        }
    }
}

/* How the eye without one kind of cone sees a colour (Machado and others 2009, severity 1), in linear light.
 */
static const double blindness[][3][3] = {
    {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
    {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
    {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
};

static double linear(uint32_t channel)
{
    double c = channel / 255.0;
    return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

static double lab_f(double t)
{
    return t > 0.008856 ? cbrt(t) : 7.787 * t + 16.0 / 116;
}

static void to_lab(uint32_t rgb, const double m[3][3], double lab[3])
{
    double in[3] = {linear(rgb >> 16 & 255), linear(rgb >> 8 & 255), linear(rgb & 255)}, v[3];
    for (int i = 0; i < 3; i++) {
        double sum = m[i][0] * in[0] + m[i][1] * in[1] + m[i][2] * in[2];
        v[i] = sum < 0 ? 0 : sum > 1 ? 1 : sum;
    }
    double x = lab_f((0.4124 * v[0] + 0.3576 * v[1] + 0.1805 * v[2]) / 0.9505);
    double y = lab_f(0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]);
    double z = lab_f((0.0193 * v[0] + 0.1192 * v[1] + 0.9505 * v[2]) / 1.089);
    lab[0] = 116 * y - 16;
    lab[1] = 500 * (x - y);
    lab[2] = 200 * (y - z);
}

/* Kinds in the themes that promise it lie at least nine just noticeable steps apart, whichever cone is
 * missing. */
static void kinds_are_told_apart_without_a_cone(void **state)
{
    (void)state;
    static const char *const names[] = {"okabe-dark", "okabe-light"};
    for (size_t t = 0; t < 2; t++) {
        struct n1_theme theme;
        assert_int_equal(n1_theme_load(names[t], folders, &theme, NULL), 0);
        for (size_t b = 0; b < 3; b++) {
            for (int i = N1_ROLE_KIND_UNKNOWN; i <= N1_ROLE_KIND_GC; i++) {
                for (int j = N1_ROLE_KIND_UNKNOWN; j < i; j++) {
                    double p[3], q[3];
                    to_lab((uint32_t)n1_theme_look(&theme, (enum n1_role)i, N1_COLORS_RGB).fg, blindness[b],
                           p);
                    to_lab((uint32_t)n1_theme_look(&theme, (enum n1_role)j, N1_COLORS_RGB).fg, blindness[b],
                           q);
                    double d = sqrt(pow(p[0] - q[0], 2) + pow(p[1] - q[1], 2) + pow(p[2] - q[2], 2));
                    if (d < 9)
                        fail_msg("%s: kinds %d and %d are %.1f apart without cone %zu", names[t], i, j, d, b);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_told_apart_without_a_cone),

        cmocka_unit_test(shipped_themes_load),
        cmocka_unit_test(errors_name_the_place),
        cmocka_unit_test(missing_levels_are_derived),
        cmocka_unit_test(order_of_decision),
        cmocka_unit_test(text_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
