/*
 * Truth: a target whose names are an attack on a terminal. Its threads are called ESC]0;x BEL, ESC[2J, a bidi
 * override, invalid UTF-8, and a line break with "n1top: ok" behind it; each burns a twentieth of a CPU in
 * plugin_hot_a, which lies in a copy of plugin-a.so named with escape codes and a line break in a folder of
 * its own under TMPDIR (/tmp), deleted once loaded. Nothing but "ready" reaches its own output.
 * counts.threads is 5.
 */
#include "target.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[] = {"\033]0;x\007", "\033[2J\033[H", "\342\200\256gnp", "\377\376\200\300",
                                    "a\nn1top: ok"};
static uint64_t (*plugin)(uint64_t rounds);

static void *run(void *arg)
{
    for (;;) {
        plugin(1000000);
        sleep_ms(19);
    }
    return arg;
}

static void load_odd_copy(void)
{
    char self[4000], from[4096], folder[2048], to[4096];
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s/n1-noisy-XXXXXX", base ? base : "/tmp");
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0 || !mkdtemp(folder))
        target_die(folder);
    self[n] = '\0';
    snprintf(from, sizeof(from), "%s/plugin-a.so", dirname(self));
    snprintf(to, sizeof(to), "%s/odd \033[31m\n<b>&\342\200\256;name.so", folder);
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    struct stat st;
    if (in < 0 || out < 0 || fstat(in, &st) < 0 || sendfile(out, in, NULL, (size_t)st.st_size) != st.st_size)
        target_die(from);
    close(in);
    close(out);
    void *library = dlopen(to, RTLD_NOW);
    plugin = library ? (uint64_t(*)(uint64_t))dlsym(library, "plugin_hot_a") : NULL;
    unlink(to);
    rmdir(folder);
    if (!plugin) {
        errno = ENOENT;
        target_die("plugin");
    }
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    load_odd_copy();
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        target_thread(names[i], run, NULL);
        truth_add(truth_count("threads"), 1);
    }
    target_ready();
    target_wait();
    target_end(0);
}
