/*
 * Fuzz entry of what the kernel says about a process in text, parts of which the process chose itself (paths
 * of mappings, its name, its groups): the first byte chooses, the rest is maps, stat, or cgroup. Ranges come
 * out in order and apart.
 */
#include "sampler/target/proc_stat.h"
#include "sampler/target/process.h"
#include "sampler/target/space.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_space(struct n1_space *space)
{
    for (size_t i = 0; i < space->count; i++) {
        const struct n1_range *range = &space->ranges[i];
        if (range->start >= range->end || (i > 0 && range->start < space->ranges[i - 1].end) ||
            !range->module)
            abort();
        if (n1_space_find(space, range->start) != range || n1_space_find(space, range->end - 1) != range)
            abort();
    }
    n1_space_find(space, 0);
    n1_space_find(space, UINT64_MAX);
}

/* Twice over one space, as a target's is read again and again: the second half meets what the first left. */
static void try_maps(const char *text, size_t size)
{
    struct n1_modules modules;
    struct n1_space space, child;
    size_t half = size / 2;
    n1_modules_init(&modules);
    n1_space_init(&space, &modules, getpid());
    n1_space_parse(&space, text, half);
    check_space(&space);
    n1_space_parse(&space, text + half, size - half);
    check_space(&space);
    if (n1_space_clone(&child, &space, getpid()) == 0) {
        if (child.count != space.count)
            abort();
        n1_space_reset(&space);
        check_space(&child);
    }
    n1_space_finish(&child);
    n1_space_finish(&space);
    n1_modules_finish(&modules);
}

static void try_stat(const char *text, size_t size)
{
    struct n1_proc_stat stat;
    if (n1_proc_stat_parse(text, size, &stat) == 0 &&
        strnlen(stat.comm, sizeof stat.comm) == sizeof stat.comm)
        abort();
}

static void try_cgroup(const char *text, size_t size)
{
    char *copy = calloc(1, size + 1), id[65];
    if (copy)
        memcpy(copy, text, size);
    if (copy && n1_process_container_id(copy, id) && strlen(id) != 64)
        abort();
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    switch (data[0] % 4) {
    case 0:
        try_stat(text, size - 1);
        break;
    case 1:
        try_cgroup(text, size - 1);
        break;
    default:
        try_maps(text, size - 1);
        break;
    }
    return 0;
}
