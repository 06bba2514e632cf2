/* What the screen keeps for the next time: written and read again, and files that are nonsense. */
#include "tui/habits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[128];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/n1-habits-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/config/n1top/screen.json", folder);
    return 0;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void what_is_kept_comes_back(void **state)
{
    (void)state;
    struct n1_app app, again;
    struct n1_error error = {0};
    struct stat st;
    n1_app_init(&app, 40, 120);
    n1_app_init(&again, 40, 120);
    assert_int_equal(n1_habits_load(&again, path, &error), 0); /* never kept: no error */
    app.sort = N1_SORT_MODULE;
    app.inverted = true;
    app.window = 2;
    app.frames = N1_FRAMES_PYTHON;
    app.flame_color = N1_FLAME_COLOR_HEAT;
    app.flame.flipped = true;
    app.wanted = N1_PANE_BIT(N1_PANE_TABLE) | N1_PANE_BIT(N1_PANE_FLAME) | N1_PANE_BIT(N1_PANE_SOURCE);
    assert_int_equal(n1_habits_save(&app, path, &error), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(n1_habits_load(&again, path, &error), 0);
    assert_int_equal(again.sort, N1_SORT_MODULE);
    assert_true(again.inverted);
    assert_int_equal(again.window, 2);
    assert_int_equal(again.frames, N1_FRAMES_PYTHON);
    assert_int_equal(again.flame_color, N1_FLAME_COLOR_HEAT);
    assert_true(again.flame.flipped);
    /* lines belong to one function and are no place to begin at */
    assert_int_equal(again.wanted, N1_PANE_BIT(N1_PANE_TABLE) | N1_PANE_BIT(N1_PANE_FLAME));
    n1_app_finish(&app);
    n1_app_finish(&again);
}

static void nonsense_changes_nothing_and_is_said(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "[]",
                                      "{\"sort\": \"total\", \"window\": \"9 s\"}",
                                      "{\"sort\": 1}",
                                      "{\"inverted\": \"yes\"}",
                                      "{\"panes\": [\"flame\", \"\\u001b[31m\"]}",
                                      "{\"panes\": [[]]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct n1_app app;
        struct n1_error error = {0};
        n1_app_init(&app, 40, 120);
        write_file(bad[i]);
        assert_int_equal(n1_habits_load(&app, path, &error), N1_E_CONFIG);
        assert_non_null(strstr(error.what, "screen.json"));
        assert_int_equal(app.sort, N1_SORT_SELF);
        assert_int_equal(app.window, 1);
        assert_int_equal(app.wanted, 0);
        n1_app_finish(&app);
    }
}

static void a_later_version_may_say_more(void **state)
{
    (void)state;
    struct n1_app app;
    struct n1_error error = {0};
    n1_app_init(&app, 40, 120);
    write_file("{\"mood\": 3, \"sort\": \"name\"}");
    assert_int_equal(n1_habits_load(&app, path, &error), 0);
    assert_int_equal(app.sort, N1_SORT_NAME);
    n1_app_finish(&app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_comes_back),
        cmocka_unit_test(nonsense_changes_nothing_and_is_said),
        cmocka_unit_test(a_later_version_may_say_more),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
