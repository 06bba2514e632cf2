/*
 * The ring of waits is read whole each time: it is in the order in which waits were first seen, so one that
 * began long ago lies anywhere in it, and 100,000 entries take 2 ms.
 */
#include "n1/waits.h"

#include "core/analysis/fold.h"
#include "core/analysis/wait_walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 };

struct n1_wait_view {
    struct n1_fold fold;
    struct n1_pass pass;
    bool ready; /* the fold is made, for … */
    const struct n1_reader *reader;
    uint64_t generation;
    struct n1_reader *asked; /* during an update */
    n1_ns end;
    struct n1_wait_row *rows;
    uint32_t *table; /* open hash of rows, index plus one */
    size_t count, cap, table_cap;
    struct n1_wait_open *open;
    size_t open_count, open_cap;
    struct n1_wait_totals totals;
};

bool n1_is_runtime(const char *module_name, enum n1_function_kind kind)
{
    static const char *const starts[] = {"libc.so",   "libc-",    "libm.so",  "libm-",   "libpthread",
                                         "libstdc++", "libgcc_s", "ld-linux", "ld-musl", "[vdso]"};
    if (kind == N1_KIND_KERNEL)
        return true;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (!strncmp(module_name, starts[i], strlen(starts[i])))
            return true;
    return false;
}

const char *n1_wait_class_name(uint32_t wait_class)
{
    static const char *const names[] = {"other", "run queue", "lock", "disk", "net",  "sleep",
                                        "poll",  "pipe",      "gil",  "gc",   "other"};
    return names[wait_class <= N1_WAIT_OTHER ? wait_class : 0];
}

int n1_wait_walk(struct n1_reader *r, struct n1_window window, const struct n1_filter *filter,
                 struct n1_pass *pass, n1_wait_each *each, void *context, uint64_t *ret_lost)
{
    struct n1_model_wait chunk[CHUNK];
    n1_ns now = n1_reader_now(r), until = window.to < now ? window.to : now;
    uint64_t tail, lost = 0, head = n1_reader_count(r, N1_SEGMENT_WAITS, &tail);
    uint32_t classes = filter ? filter->wait_classes : 0;
    for (uint64_t at = tail, next; at < head; at = next) {
        size_t got = n1_reader_waits(r, at, chunk, CHUNK, &next, &lost);
        *ret_lost += lost;
        if (next <= at)
            break;
        for (size_t i = 0; i < got; i++) {
            const struct n1_model_wait *wait = &chunk[i];
            bool going = wait->end == 0 || wait->end > until;
            uint64_t from = wait->start > window.from ? wait->start : window.from;
            uint64_t to = going ? until : wait->end;
            if (to <= from || (classes && !(classes >> wait->wait_class & 1)))
                continue;
            int rc = n1_pass_thread(pass, r, wait->thread);
            if (rc == 1)
                rc = each(context, wait, to - from, going);
            if (rc)
                return rc;
        }
    }
    return 0;
}

struct n1_wait_view *n1_wait_view_create(void)
{
    return calloc(1, sizeof(struct n1_wait_view));
}

void n1_wait_view_destroy(struct n1_wait_view *v)
{
    if (!v)
        return;
    if (v->ready)
        n1_fold_finish(&v->fold);
    n1_pass_finish(&v->pass);
    free(v->rows);
    free(v->table);
    free(v->open);
    free(v);
}

static bool is_interpreter(const char *module_name)
{
    return !strncmp(module_name, "libpython", 9) || !strncmp(module_name, "python", 6);
}

/* The function in whose name it is: the first up the chain that is not the runtime's, else the leaf's. */
static const struct n1_fold_function *function_of(const struct n1_fold *fold, uint32_t node)
{
    const struct n1_fold_function *leaf = NULL, *interpreter = NULL;
    for (uint32_t at = node; at != 0; at = fold->nodes[at].parent) {
        uint32_t index = fold->nodes[at].function;
        const struct n1_fold_function *f = index == N1_FOLD_NONE ? NULL : &fold->functions[index];
        leaf = leaf ? leaf : f;
        if (!f || n1_is_runtime(f->module_name, (enum n1_function_kind)f->kind))
            continue;
        if (f->kind == N1_KIND_PYTHON || !is_interpreter(f->module_name))
            return f;
        interpreter = interpreter ? interpreter : f; /* the Python function it works for is further up */
    }
    return interpreter ? interpreter : leaf;
}

static size_t slot_of(const struct n1_wait_view *v, const struct n1_wait_row *key)
{
    uint64_t h = n1_fold_mix(key->function_id ^ (uint64_t)key->resource << 8 ^ (uint64_t)key->wait_class);
    return (size_t)h & (v->table_cap - 1);
}

static int rehash(struct n1_wait_view *v)
{
    size_t want = v->table_cap ? v->table_cap : 256;
    while (want < 2 * v->cap)
        want *= 2;
    uint32_t *table = calloc(want, sizeof *table);
    if (!table)
        return -ENOMEM;
    free(v->table);
    v->table = table;
    v->table_cap = want;
    for (size_t i = 0; i < v->count; i++) {
        size_t at = slot_of(v, &v->rows[i]);
        while (v->table[at])
            at = (at + 1) & (v->table_cap - 1);
        v->table[at] = (uint32_t)i + 1;
    }
    return 0;
}

static struct n1_wait_row *row_of(struct n1_wait_view *v, const struct n1_wait_row *key)
{
    if (v->count + 1 > v->cap || !v->table_cap) {
        if (n1_fold_reserve((void **)&v->rows, &v->cap, v->count + 1, sizeof *v->rows) || rehash(v))
            return NULL;
    }
    size_t at = slot_of(v, key);
    for (; v->table[at]; at = (at + 1) & (v->table_cap - 1)) {
        struct n1_wait_row *row = &v->rows[v->table[at] - 1];
        if (row->function_id == key->function_id && row->resource == key->resource &&
            row->wait_class == key->wait_class)
            return row;
    }
    v->rows[v->count] = *key;
    v->table[at] = (uint32_t)++v->count;
    return &v->rows[v->count - 1];
}

static int add(void *context, const struct n1_model_wait *wait, uint64_t ns, bool going)
{
    struct n1_wait_view *v = context;
    uint32_t node = n1_fold_stack(&v->fold, v->asked, wait->node, wait->leaf, false);
    if (node == N1_FOLD_NONE)
        return -ENOMEM;
    if (!v->fold.nodes[node].match)
        return 0;
    const struct n1_fold_function *f = function_of(&v->fold, node);
    struct n1_wait_row key = {.wait_class = (enum n1_wait_class)wait->wait_class,
                              .function_id = f ? f->id : 0,
                              .function = f ? f->name : "[other]",
                              .module = f ? f->module_name : "",
                              .model_function = f ? f->function : 0,
                              .resource = wait->resource};
    struct n1_wait_row *row = row_of(v, &key);
    if (!row)
        return -ENOMEM;
    row->ns += ns;
    row->count++;
    row->least |= (wait->flags & N1_WAIT_PART) != 0;
    v->totals.ns[wait->wait_class] += ns;
    v->totals.count[wait->wait_class]++;
    v->totals.all_ns += ns;
    v->totals.all_count++;
    if (!going)
        return 0;
    if (n1_fold_reserve((void **)&v->open, &v->open_cap, v->open_count + 1, sizeof *v->open))
        return -ENOMEM;
    v->open[v->open_count++] = (struct n1_wait_open){.thread = wait->thread,
                                                     .owner = wait->owner,
                                                     .wait_class = key.wait_class,
                                                     .function = key.function,
                                                     .module = key.module,
                                                     .resource = wait->resource,
                                                     .flags = wait->flags,
                                                     .start = wait->start};
    return 0;
}

static int by_time(const void *a, const void *b)
{
    const struct n1_wait_row *x = a, *y = b;
    if (x->ns != y->ns)
        return x->ns < y->ns ? 1 : -1;
    if (x->wait_class != y->wait_class)
        return x->wait_class < y->wait_class ? -1 : 1;
    if (x->function_id != y->function_id)
        return x->function_id < y->function_id ? -1 : 1;
    return (x->resource > y->resource) - (x->resource < y->resource);
}

static int by_start(const void *a, const void *b)
{
    const struct n1_wait_open *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->thread > y->thread) - (x->thread < y->thread);
}

/* Names and ids of one generation. */
static int prepare(struct n1_wait_view *v, struct n1_reader *r, const struct n1_filter *filter,
                   struct n1_error *reterr)
{
    if (v->ready && (v->reader != r || v->generation != n1_reader_generation(r))) {
        n1_fold_finish(&v->fold);
        n1_pass_finish(&v->pass);
        v->ready = false;
    }
    if (!v->ready && n1_fold_init(&v->fold)) {
        n1_fold_finish(&v->fold);
        return n1_error_set(reterr, -ENOMEM, "no memory for the waits");
    }
    v->ready = true;
    v->reader = r;
    v->generation = n1_reader_generation(r);
    n1_fold_refresh(&v->fold, r);
    n1_pass_set(&v->pass, filter);
    n1_fold_frames(&v->fold, filter->frames);
    return n1_fold_filter(&v->fold, filter->text, filter->regex, reterr);
}

int n1_wait_view_update(struct n1_wait_view *v, struct n1_reader *r, struct n1_window window,
                        const struct n1_filter *filter, struct n1_error *reterr)
{
    static const struct n1_filter none;
    filter = filter ? filter : &none;
    v->count = v->open_count = 0;
    v->totals = (struct n1_wait_totals){0};
    if (v->table)
        memset(v->table, 0, v->table_cap * sizeof *v->table);
    int rc = prepare(v, r, filter, reterr);
    v->asked = r;
    if (rc == 0 && n1_wait_walk(r, window, filter, &v->pass, add, v, &v->totals.lost) < 0)
        rc = n1_error_set(reterr, -ENOMEM, "no memory for the waits");
    if (rc == 0 && (rc = n1_reader_end(r)) != 0)
        n1_error_set(reterr, rc, "the model changed while it was read");
    if (rc) {
        v->count = v->open_count = 0;
        v->totals = (struct n1_wait_totals){0};
        return rc;
    }
    if (v->count)
        qsort(v->rows, v->count, sizeof *v->rows, by_time);
    if (v->open_count)
        qsort(v->open, v->open_count, sizeof *v->open, by_start);
    return 0;
}

const struct n1_wait_row *n1_wait_rows(const struct n1_wait_view *v, size_t *ret_count)
{
    *ret_count = v->count;
    return v->rows;
}

const struct n1_wait_open *n1_wait_open(const struct n1_wait_view *v, size_t *ret_count)
{
    *ret_count = v->open_count;
    return v->open;
}

const struct n1_wait_totals *n1_wait_totals(const struct n1_wait_view *v)
{
    return &v->totals;
}
