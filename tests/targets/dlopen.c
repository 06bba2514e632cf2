/*
 * Truth: plugin-a.so and plugin-b.so, beside the program, are loaded, run for about 30 ms and unloaded in
 * turn, so the same addresses hold now one, now the other. plugin_hot_a and plugin_hot_b get 60 and 40 % of
 * the CPU time spent in them; counts.loads is the number of loads.
 */
#include "target.h"

#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <unistd.h>

static struct {
    const char *file, *function;
    struct truth_row *row;
    double part;
} plugins[] = {
    {"plugin-a.so", "plugin_hot_a", NULL, 0.6},
    {"plugin-b.so", "plugin_hot_b", NULL, 0.4},
};

int main(int argc, char **argv)
{
    char self[4000], path[4096];
    target_begin(&argc, argv);
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0)
        target_die("/proc/self/exe");
    self[n] = '\0';
    const char *folder = dirname(self);
    for (int i = 0; i < 2; i++)
        plugins[i].row = truth_function(plugins[i].function);
    struct truth_row *loads = truth_count("loads");
    target_ready();
    while (target_poll()) {
        double a = (double)truth_value(plugins[0].row), b = (double)truth_value(plugins[1].row);
        int next = a * plugins[1].part > b * plugins[0].part;
        snprintf(path, sizeof(path), "%s/%s", folder, plugins[next].file);
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        uint64_t (*hot)(uint64_t) =
            library ? (uint64_t(*)(uint64_t))dlsym(library, plugins[next].function) : NULL;
        if (!hot) {
            errno = ENOENT;
            target_die(path);
        }
        truth_add(loads, 1);
        uint64_t start = thread_cpu_ns(), now;
        do {
            hot(1000000);
            now = thread_cpu_ns();
        } while (now - start < 30000000);
        truth_add(plugins[next].row, now - start);
        dlclose(library);
    }
    target_end(0);
}
