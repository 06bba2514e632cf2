/*
 * One short-lived thread a large module. It inherits the blocked signals and, by RESET_ON_FORK, none of the
 * sampler's priority. Where a thread cannot be had, the table is built at once.
 */
#include "sampler/walk/unwind.h"

#include "sampler/walk/unwind_early.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct n1_unwind {
    const struct n1_elf_image *image;
    struct n1_unwind_table *table;
    n1_ns build_ns;
    struct n1_unwind_early *early; /* NULL once the table is there */
    pthread_t builder;
    bool building;    /* the builder has not been joined */
    atomic_bool done; /* released by the builder after `built` and `built_ns` */
    struct n1_unwind_table *built;
    n1_ns built_ns;
};

static void *build(void *arg)
{
    struct n1_unwind *unwind = arg;
    n1_ns begin = n1_time_mono();
    unwind->built =
        n1_unwind_table_build_sections(unwind->image, n1_unwind_early_section(unwind->early), NULL);
    unwind->built_ns = n1_time_mono() - begin;
    atomic_store_explicit(&unwind->done, true, memory_order_release);
    return NULL;
}

static bool build_aside(struct n1_unwind *unwind)
{
    const struct n1_elf_image *image = unwind->image;
    if (image->eh_frame.size < N1_UNWIND_ASIDE_BYTES || image->debug_frame.size)
        return false;
    unwind->early = n1_unwind_early_create(image);
    if (!unwind->early)
        return false;
    unwind->building = pthread_create(&unwind->builder, NULL, build, unwind) == 0;
    if (unwind->building)
        return true;
    n1_unwind_early_destroy(unwind->early);
    unwind->early = NULL;
    return false;
}

static void take_table(struct n1_unwind *unwind)
{
    pthread_join(unwind->builder, NULL);
    unwind->building = false;
    unwind->table = unwind->built;
    unwind->build_ns = unwind->built_ns;
    if (!unwind->table) /* no memory for it: the other way goes on */
        return;
    n1_unwind_early_destroy(unwind->early);
    unwind->early = NULL;
}

struct n1_unwind *n1_unwind_create(const struct n1_elf_image *image)
{
    struct n1_unwind *unwind = calloc(1, sizeof(*unwind));
    if (!unwind)
        return NULL;
    unwind->image = image;
    if (build_aside(unwind))
        return unwind;
    n1_ns begin = n1_time_mono();
    unwind->table = n1_unwind_table_build(image);
    unwind->build_ns = n1_time_mono() - begin;
    if (!unwind->table) {
        free(unwind);
        return NULL;
    }
    return unwind;
}

void n1_unwind_finish_build(struct n1_unwind *unwind)
{
    if (unwind->building)
        take_table(unwind);
}

void n1_unwind_destroy(struct n1_unwind *unwind)
{
    if (!unwind)
        return;
    n1_unwind_finish_build(unwind);
    n1_unwind_early_destroy(unwind->early);
    n1_unwind_table_destroy(unwind->table);
    free(unwind);
}

struct n1_unwind_rule n1_unwind_find(struct n1_unwind *unwind, uint64_t vaddr)
{
    if (unwind->building && atomic_load_explicit(&unwind->done, memory_order_acquire))
        take_table(unwind);
    return unwind->early ? n1_unwind_early_find(unwind->early, vaddr)
                         : n1_unwind_table_find(unwind->table, vaddr);
}

const struct n1_unwind_table *n1_unwind_table_of(const struct n1_unwind *unwind, n1_ns *ret_build_ns)
{
    *ret_build_ns = unwind->build_ns;
    return unwind->table;
}
