/*
 * The whole product on a pseudo-terminal: a running target, the sampler, the screen. Targets are those of
 * tests/targets, whose truth is known.
 */
#include "tests/screen/term.h"

#include <dirent.h>
#include <sys/stat.h>

static char program[256], folder[] = "/tmp/n1top-live-XXXXXX";

struct watched {
    struct term term;
    pid_t target;
};

static pid_t start_target(const char *name, const char *seconds)
{
    char path[256];
    snprintf(path, sizeof path, "%s/targets/%s", term_build(), name);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int null = open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; fd++)
            dup2(null, fd);
        execl(path, path, seconds, (char *)NULL);
        _exit(126);
    }
    return pid;
}

static void watch(struct watched *w, int rows, int cols)
{
    char pid[16];
    w->target = start_target("split", "600");
    snprintf(pid, sizeof pid, "%d", (int)w->target);
    char *argv[] = {program, "-p", pid, NULL};
    char config[64];
    snprintf(config, sizeof config, "XDG_CONFIG_HOME=%s", folder);
    term_start(&w->term, rows, cols, (const char *const[]){config, NULL}, false, argv);
    term_wait(&w->term, "LIVE");
    term_wait(&w->term, "SELF%");
    term_wait(&w->term, "split");
    term_wait(&w->term, "hot_");
}

static void end(struct watched *w)
{
    if (w->target > 0) {
        kill(w->target, SIGKILL);
        waitpid(w->target, NULL, 0);
    }
    term_stop(&w->term);
}

/* State letter of a process, 0 when it is gone. */
static char state_of(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return 0;
    size_t got = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    text[got] = '\0';
    char *close = strrchr(text, ')');
    return close ? close[2] : 0;
}

/* The child of `parent` with this name, 0 when there is none. */
static pid_t child_named(pid_t parent, const char *name)
{
    DIR *proc = opendir("/proc");
    pid_t found = 0;
    for (struct dirent *entry; found == 0 && (entry = readdir(proc)) != NULL;) {
        char path[300], text[512], comm[64];
        int pid, ppid;
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *in = fopen(path, "re");
        if (in == NULL)
            continue;
        size_t got = fread(text, 1, sizeof text - 1, in);
        fclose(in);
        text[got] = '\0';
        if (sscanf(text, "%d (%63[^)]) %*c %d", &pid, comm, &ppid) == 3 && ppid == parent &&
            strcmp(comm, name) == 0)
            found = pid;
    }
    closedir(proc);
    return found;
}

static void panes_show_the_target(void **state)
{
    (void)state;
    struct watched w;
    watch(&w, 50, 160);
    struct term *t = &w.term;
    term_wait(t, "flame");
    term_wait(t, "all 100.0%");
    term_wait(t, "CALLERS");
    term_keys(t, "/hot_\r");
    term_wait(t, "functions > hot_");
    term_keys(t, "\r"); /* into the callers */
    term_wait(t, "callers > hot_");
    term_keys(t, "\x1b\x1b\x1b");
    term_keys(t, "\\no_such_function\r");
    term_wait(t, "nothing matches the filter");
    term_keys(t, "\x1b\x1b");
    term_wait_gone(t, "nothing matches the filter");
    term_keys(t, "M");
    term_wait(t, "resident");
    term_keys(t, "p");
    term_wait(t, "PAUSED");
    term_keys(t, "p");
    term_wait(t, "LIVE");
    term_size(t, 24, 80);
    term_wait(t, "F10Quit");
    term_keys(t, "q");
    int status = term_end(t);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    term_check_restored(t);
    char letter = state_of(w.target); /* it goes on as if nothing had been */
    assert_true(letter == 'R' || letter == 'S');
    end(&w);
}

static void target_death_leaves_everything(void **state)
{
    (void)state;
    struct watched w;
    watch(&w, 40, 120);
    kill(w.target, SIGKILL);
    int status;
    waitpid(w.target, &status, 0);
    w.target = 0;
    term_wait(&w.term, "ENDED (");
    term_wait(&w.term, "hot_");
    term_keys(&w.term, "/hot_\r");
    term_wait(&w.term, "functions > hot_");
    term_keys(&w.term, "f\x1b[B\x1b[B");
    term_wait(&w.term, "flame > ");
    term_keys(&w.term, "\x1b?");
    term_wait(&w.term, "KEYS");
    term_keys(&w.term, "\x1bq");
    status = term_end(&w.term);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    term_check_restored(&w.term);
    end(&w);
}

static void sampler_crash_is_told(void **state)
{
    (void)state;
    struct watched w;
    watch(&w, 40, 120);
    pid_t sampler = child_named(w.term.pid, "n1top-sampler");
    assert_true(sampler > 0);
    kill(sampler, SIGKILL);
    term_wait(&w.term, "SAMPLER DIED");
    term_wait(&w.term, "hot_");
    term_keys(&w.term, "f\x1b[B");
    term_wait(&w.term, "all 100.0%");
    term_keys(&w.term, "q");
    int status = term_end(&w.term);
    assert_true(WIFEXITED(status));
    term_check_restored(&w.term);
    char letter = state_of(w.target);
    assert_true(letter == 'R' || letter == 'S');
    end(&w);
}

static void terminated_while_live(void **state)
{
    (void)state;
    struct watched w;
    watch(&w, 24, 80);
    kill(w.term.pid, SIGTERM);
    int status = term_end(&w.term);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
    term_check_restored(&w.term);
    end(&w);
}

static void snapshot_is_written(void **state)
{
    (void)state;
    struct watched w;
    char path[512], line[4096];
    snprintf(path, sizeof path, "%s/n1top", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/n1top/config.json", folder);
    FILE *out = fopen(path, "we");
    fprintf(out, "{\"profiling\": {\"output_dir\": \"%s/reports\"}}\n", folder);
    fclose(out);
    watch(&w, 24, 200);
    term_keys(&w.term, "w");
    term_wait(&w.term, "saved ");
    term_row(&w.term, term_find(&w.term, "saved "), line, sizeof line);
    char name[256];
    snprintf(name, sizeof name, "%.250s", strstr(line, "saved ") + 6);
    name[strcspn(name, " ")] = '\0';
    struct stat st;
    assert_int_equal(stat(name, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    FILE *in = fopen(name, "re");
    size_t got = fread(line, 1, sizeof line - 1, in);
    line[got] = '\0';
    fclose(in);
    assert_non_null(strstr(line, "n1top.report/1"));
    unlink(name);
    unlink(path);
    snprintf(path, sizeof path, "%s/n1top", folder);
    rmdir(path);
    snprintf(path, sizeof path, "%s/reports", folder);
    rmdir(path);
    term_keys(&w.term, "q");
    term_end(&w.term);
    end(&w);
}

static void wrong_pid_is_one_clear_line(void **state)
{
    (void)state;
    struct term t;
    char *argv[] = {program, "-p", "999999999", NULL};
    term_start(&t, 24, 80, NULL, false, argv);
    int status = term_end(&t);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
    assert_true(term_find(&t, "n1top: ") >= 0);
    term_check_restored(&t);
    term_stop(&t);
}

static void command_is_watched(void **state)
{
    (void)state;
    struct term t;
    char path[256];
    snprintf(path, sizeof path, "%s/targets/split", term_build());
    char *argv[] = {program, "--", path, "600", NULL};
    term_start(&t, 24, 80, NULL, false, argv);
    term_wait(&t, "hot_");
    pid_t target = child_named(t.pid, "split");
    assert_true(target > 0);
    kill(target, SIGKILL);
    term_wait(&t, "ENDED (exit 137)");
    term_keys(&t, "q");
    term_end(&t);
    term_check_restored(&t);
    term_stop(&t);
}

static void picker_finds_and_attaches(void **state)
{
    (void)state;
    struct term t;
    char pid[16];
    pid_t target = start_target("split", "600");
    snprintf(pid, sizeof pid, "%d", (int)target);
    char *argv[] = {program, NULL};
    term_start(&t, 24, 80, NULL, false, argv);
    term_wait(&t, "which process?");
    term_keys(&t, pid);
    term_wait(&t, "targets/split");
    term_keys(&t, "\r");
    term_wait(&t, "hot_");
    term_keys(&t, "q");
    int status = term_end(&t);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    term_check_restored(&t);
    term_stop(&t);
    term_start(&t, 24, 80, NULL, false, argv);
    term_wait(&t, "which process?");
    term_keys(&t, "\x1b");
    status = term_end(&t);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    term_check_restored(&t);
    term_stop(&t);
    kill(target, SIGKILL);
    waitpid(target, NULL, 0);
}

static int setup(void **state)
{
    (void)state;
    snprintf(program, sizeof program, "%s/n1top", term_build());
    return mkdtemp(folder) == NULL;
}

static int teardown(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(panes_show_the_target), cmocka_unit_test(target_death_leaves_everything),
        cmocka_unit_test(sampler_crash_is_told), cmocka_unit_test(terminated_while_live),
        cmocka_unit_test(snapshot_is_written),   cmocka_unit_test(wrong_pid_is_one_clear_line),
        cmocka_unit_test(command_is_watched),    cmocka_unit_test(picker_finds_and_attaches),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
