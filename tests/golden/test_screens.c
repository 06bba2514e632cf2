/*
 * Screens as they are drawn, characters and roles, against the stored ones in tests/golden/screens/. A
 * picture is a recorded model, a size, a glyph set and keys. `make golden-update` stores what is drawn now.
 */
#include "tests/golden/worker_model.h"
#include "tui/batch.h"

#include "n1/file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct picture {
    const char *name;
    int rows, cols;
    enum n1_glyph_set glyphs;
    const char *keys;
} pictures[] = {
    {"table-80x24", 24, 80, N1_GLYPH_SET_BLOCK, ""},
    {"table-80x24-ascii", 24, 80, N1_GLYPH_SET_ASCII, ""},
    {"table-80x23", 23, 80, N1_GLYPH_SET_BLOCK, ""},
    {"table-40x10", 10, 40, N1_GLYPH_SET_BLOCK, ""},
    {"table-20x5", 5, 20, N1_GLYPH_SET_ASCII, ""},
    {"line-19x3", 3, 19, N1_GLYPH_SET_BLOCK, ""},
    {"all-120x40", 40, 120, N1_GLYPH_SET_BLOCK, ""},
    {"all-120x40-ascii", 40, 120, N1_GLYPH_SET_ASCII, ""},
    {"all-120x40-braille", 40, 120, N1_GLYPH_SET_BRAILLE, ""},
    {"all-200x60", 60, 200, N1_GLYPH_SET_BLOCK, ""},
    {"scroll-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "v"},
    {"sort-total-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "s"},
    {"sort-name-inverted-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "ssI"},
    {"window-5s-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "dd"},
    {"find-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "/alloc<Enter>"},
    {"find-typing-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "/gc"},
    {"find-nothing-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "/nosuchname"},
    {"filter-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "\\save<Enter>"},
    {"filter-expression-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "\\!^(parse|walk)_<Enter>"},
    {"filter-wrong-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "\\!(<Enter>"},
    {"filter-nothing-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "\\nosuchname<Enter>"},
    {"detail-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "<Enter>"},
    {"detail-caller-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "<Enter><Enter>"},
    {"detail-back-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "<Enter><Enter><Esc>"},
    {"flame-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "<F5>"},
    {"flame-80x24-ascii", 24, 80, N1_GLYPH_SET_ASCII, "<F5>"},
    {"flame-40x10", 10, 40, N1_GLYPH_SET_BLOCK, "f"},
    {"flame-move-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "f<Down><Down><Down>"},
    {"flame-zoom-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "f<Down><Down><Down><Enter>"},
    {"flame-unzoom-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "f<Down><Down><Down><Enter><Esc>"},
    {"flame-function-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "/save<Enter>z"},
    {"flame-find-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "f/walk<Enter>"},
    {"flame-flipped-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "fi"},
    {"threads-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "t"},
    {"threads-filter-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "t<Down><Down><Enter><Esc>"},
    {"memory-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "M"},
    {"memory-80x24-ascii", 24, 80, N1_GLYPH_SET_ASCII, "M"},
    {"log-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "l"},
    {"help-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "?"},
    {"help-end-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "?G"},
    {"past-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "<,,,"},
    {"past-span-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "<<,m<,,"},
    {"past-span-120x40", 40, 120, N1_GLYPH_SET_BLOCK, "<<,m<,,"},
    {"past-ascii-80x24", 24, 80, N1_GLYPH_SET_ASCII, "<<m<"},
    {"past-braille-80x24", 24, 80, N1_GLYPH_SET_BRAILLE, "<<m<"},
    {"past-anomaly-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "l<Down><Enter>"},
    {"past-log-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "l<Down><Enter>l"},
    {"past-threads-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "<m<<t"},
    {"past-memory-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "<m<<M"},
    {"past-40x10", 10, 40, N1_GLYPH_SET_BLOCK, "<m<"},
    {"past-live-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "<m<0"},
    {"compare-nothing-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "<<<m<<b0"},
    {"flame-module-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "fK"},
    {"flame-heat-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "fKK"},
    {"lines-none-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "e"},
    {"instructions-none-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "<Enter><Down><Enter><Enter>"},
    {"instructions-up-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "ea<Esc><Esc>"},
    {"filter-kind-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "\\kind:kernel,jit<Enter>"},
    {"filter-thread-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "\\thread:gc-helper kind:n lib<Enter>"},
    {"paused-80x24", 24, 80, N1_GLYPH_SET_BLOCK, " jj"},
};

/* Of a model in which something changes from second 70 to 80. */
static const struct picture changes[] = {
    {"compare-previous-120x40", 40, 120, N1_GLYPH_SET_BLOCK, "<,m<.C"},
    {"compare-previous-80x24-ascii", 24, 80, N1_GLYPH_SET_ASCII, "<,m<.Cf"},
    {"compare-kept-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "<<<m<<b<m.......0<,m<."},
    {"compare-share-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "<,m<.Cs"},
    {"compare-gone-80x24", 24, 80, N1_GLYPH_SET_BLOCK, "<,m<.C/copy<Enter><Enter>"},
    {"compare-flame-120x40", 40, 120, N1_GLYPH_SET_BLOCK, "<,m<.Cf<Down><Down><Enter>"},
    {"compare-40x10", 10, 40, N1_GLYPH_SET_BLOCK, "<,m<.C"},
};

static char *draw(const struct picture *picture, struct n1_session *session)
{
    struct n1_batch_options options = {.glyphs = n1_glyphs_get(picture->glyphs),
                                       .refresh_ms = 1000,
                                       .motion = N1_SPARK_SWEEP,
                                       .rows = picture->rows,
                                       .cols = picture->cols,
                                       .keys = picture->keys,
                                       .roles = true};
    struct n1_error error = {0};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (n1_batch_dump(session, &options, out, &error) < 0)
        fail_msg("%s: %s", picture->name, error.what);
    fclose(out);
    return text;
}

static char *load(const char *path)
{
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return NULL;
    char *text = calloc(1, 1 << 20);
    size_t got = fread(text, 1, (1 << 20) - 1, in);
    text[got] = '\0';
    fclose(in);
    return text;
}

static void show_difference(const char *name, const char *want, const char *got)
{
    fprintf(stderr, "%s differs (make golden-update stores what is drawn now):\n", name);
    for (int line = 1; *want || *got; line++) {
        size_t a = strcspn(want, "\n"), b = strcspn(got, "\n");
        if (a != b || memcmp(want, got, a) != 0)
            fprintf(stderr, "%4d stored |%.*s|\n     drawn  |%.*s|\n", line, (int)a, want, (int)b, got);
        want += a + (want[a] != '\0');
        got += b + (got[b] != '\0');
    }
}

static struct n1_session *record(uint32_t status)
{
    struct n1_writer *w = worker_model(status);
    struct n1_reader *r;
    struct n1_session *session;
    struct n1_error error = {0};
    char path[64];
    int fd = memfd_create("recording", MFD_CLOEXEC);
    assert_int_equal(n1_reader_open_fd(n1_writer_fd(w), &r, NULL), 0);
    if (n1_file_write(r, fd, 0, UINT64_MAX, &error) < 0)
        fail_msg("%s", error.what);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (n1_session_replay(path, &session, &error) < 0)
        fail_msg("%s", error.what);
    close(fd);
    n1_reader_close(r);
    n1_writer_destroy(w);
    return session;
}

static int compare(const struct picture *picture, struct n1_session *session, bool update)
{
    char path[256];
    snprintf(path, sizeof path, "tests/golden/screens/%s.txt", picture->name);
    char *got = draw(picture, session), *want = load(path);
    int differs = want == NULL || strcmp(want, got) != 0;
    if (differs && update) {
        FILE *out = fopen(path, "we");
        assert_non_null(out);
        fputs(got, out);
        fclose(out);
        differs = 0;
    } else if (differs) {
        show_difference(picture->name, want ? want : "", got);
    }
    free(got);
    free(want);
    return differs;
}

static void screens_are_as_stored(void **state)
{
    (void)state;
    struct n1_session *session = record(9);
    const char *wish = getenv("N1_GOLDEN_UPDATE");
    int differ = 0;
    for (size_t i = 0; i < sizeof pictures / sizeof pictures[0]; i++)
        differ += compare(&pictures[i], session, wish && wish[0] == '1');
    n1_session_destroy(session);
    worker_shift = true;
    session = record(9);
    worker_shift = false;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        differ += compare(&changes[i], session, wish && wish[0] == '1');
    n1_session_destroy(session);
    if (differ)
        fail_msg("%d screens differ", differ);
}

static void ends_are_told(void **state)
{
    (void)state;
    static const struct {
        uint32_t status;
        const char *want;
    } cases[] = {{9, " ENDED (exit 137) "},
                 {3 << 8, " ENDED (exit 3) "},
                 {N1_STATUS_UNKNOWN, " ENDED (status unknown) "},
                 {0, " REPLAY "}};
    for (size_t i = 0; i < 4; i++) {
        struct n1_session *session = record(cases[i].status);
        char *text = draw(&(struct picture){"end", 24, 80, N1_GLYPH_SET_BLOCK, ""}, session);
        if (strstr(text, cases[i].want) == NULL)
            fail_msg("no '%s' in\n%s", cases[i].want, text);
        free(text);
        n1_session_destroy(session);
    }
}

/* No frame of any size, whatever is pressed, holds a byte that a terminal would act on. */
static void nothing_hostile_reaches_a_frame(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "", "f", "t", "M", "l", "?", "<Enter>", "/evil<Enter>", "f<Down><Down><Enter>"};
    static const int sizes[][2] = {{1, 1},   {2, 300},  {5, 20},   {7, 33},
                                   {24, 80}, {33, 101}, {50, 160}, {200, 500}};
    struct n1_session *session = record(9);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            struct picture picture = {"hostile", sizes[i][0], sizes[i][1],
                                      k % 2 ? N1_GLYPH_SET_ASCII : N1_GLYPH_SET_BLOCK, keys[k]};
            char *text = draw(&picture, session);
            for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
                assert_true(*p >= 32 || *p == '\n');
                assert_true(*p != 127 && (k % 2 == 0 || *p < 127));
            }
            assert_null(strstr(text, "\xe2\x80\xae"));
            free(text);
        }
    }
    n1_session_destroy(session);
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(screens_are_as_stored),
                                       cmocka_unit_test(ends_are_told),
                                       cmocka_unit_test(nothing_hostile_reaches_a_frame)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
