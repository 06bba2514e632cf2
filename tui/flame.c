/*
 * The flame pane's geometry. A box stands for a set of tree nodes (one, unless recursion was folded or a
 * function is the root); its children are the nodes below the set grouped by function. Only boxes of at least
 * one cell are followed, so the work is bounded by the area and not by the tree.
 */
#include "tui/flame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 300

struct group { /* one child of a box: nodes [first, first + count) of the scratch */
    uint32_t function;
    size_t first, count;
    uint64_t total_ns, samples;
};

struct builder {
    struct n1_flame *flame;
    const struct n1_profile_function *functions;
    const struct n1_profile_node *nodes;
    size_t function_count, node_count;
    uint32_t *scratch; /* a stack of node indices */
    size_t used, capacity;
    uint64_t width;
    /* the same sets in the tree of before; not followed when there is none */
    const struct n1_profile_node *old_nodes;
    size_t old_count;
    const struct n1_flame_before *before;
    uint32_t *old;
    size_t old_used, old_capacity;
    int rc;
};

static bool push(struct builder *b, uint32_t node)
{
    if (b->used == b->capacity) {
        size_t capacity = b->capacity ? b->capacity * 2 : 1024;
        uint32_t *scratch = realloc(b->scratch, capacity * sizeof *scratch);
        if (scratch == NULL) {
            b->rc = -ENOMEM;
            return false;
        }
        b->scratch = scratch;
        b->capacity = capacity;
    }
    b->scratch[b->used++] = node;
    return true;
}

/* --- the sets of before: a stack beside the scratch --- */

static bool push_old(struct builder *b, uint32_t node)
{
    if (b->old_used == b->old_capacity) {
        size_t capacity = b->old_capacity ? b->old_capacity * 2 : 1024;
        uint32_t *old = realloc(b->old, capacity * sizeof *old);
        if (old == NULL) {
            b->rc = -ENOMEM;
            return false;
        }
        b->old = old;
        b->old_capacity = capacity;
    }
    b->old[b->old_used++] = node;
    return true;
}

/* Pushes the children of [first, end) that are the function. */
static void push_old_children(struct builder *b, size_t first, size_t end, uint32_t function)
{
    for (size_t i = first; i < end && function != UINT32_MAX; i++) {
        for (uint32_t child = b->old_nodes[b->old[i]].first_child; child != 0 && child < b->old_count;
             child = b->old_nodes[child].next_sibling) {
            if (b->old_nodes[child].function == function && !push_old(b, child))
                return;
        }
    }
}

/* Adds direct recursion to the set [first, old_used), as absorb() does. */
static void absorb_old(struct builder *b, size_t first, uint32_t function)
{
    for (size_t begin = first, end = b->old_used; begin < end; begin = end, end = b->old_used)
        push_old_children(b, begin, end, function);
}

static uint32_t old_function(const struct builder *b, uint32_t function)
{
    return b->before != NULL && function < b->before->count ? b->before->match[function] : UINT32_MAX;
}

static struct n1_flame_box *new_box(struct builder *b)
{
    struct n1_flame *flame = b->flame;
    if (flame->count == flame->capacity) {
        size_t capacity = flame->capacity ? flame->capacity * 2 : 256;
        struct n1_flame_box *boxes = realloc(flame->boxes, capacity * sizeof *boxes);
        if (boxes == NULL) {
            b->rc = -ENOMEM;
            return NULL;
        }
        flame->boxes = boxes;
        flame->capacity = capacity;
    }
    struct n1_flame_box *box = &flame->boxes[flame->count++];
    *box = (struct n1_flame_box){.parent = -1, .function = N1_FLAME_NONE, .fold = 1};
    return box;
}

static int column(const struct builder *b, uint64_t cumulated)
{
    unsigned __int128 twice = (unsigned __int128)b->width * cumulated * 2 + b->flame->whole_ns;
    return (int)(twice / ((unsigned __int128)b->flame->whole_ns * 2));
}

static uint64_t id_of(const struct builder *b, uint32_t function)
{
    return function < b->function_count ? b->functions[function].id : UINT64_C(0x7472756e63617465);
}

static uint64_t mix(uint64_t path, uint64_t id)
{
    uint64_t hash = (path ^ id) * UINT64_C(0x9e3779b97f4a7c15);
    return (hash ^ hash >> 29) | 1;
}

/* Adds to the set [first, used) the nodes below that are the same function; returns the levels of recursion.
 */
static uint32_t absorb(struct builder *b, size_t first, uint32_t function)
{
    uint32_t fold = 1;
    if (function >= b->function_count)
        return fold;
    for (size_t begin = first, end = b->used; begin < end; begin = end, end = b->used) {
        for (size_t i = begin; i < end; i++) {
            for (uint32_t child = b->nodes[b->scratch[i]].first_child; child != 0 && child < b->node_count;
                 child = b->nodes[child].next_sibling) {
                if (b->nodes[child].function == function && !push(b, child))
                    return fold;
            }
        }
        fold += b->used > end;
    }
    return fold;
}

static int by_name(const void *a, const void *b, void *context)
{
    const struct builder *builder = context;
    uint32_t x = builder->nodes[*(const uint32_t *)a].function,
             y = builder->nodes[*(const uint32_t *)b].function;
    if (x == y)
        return 0;
    bool p = x < builder->function_count, q = y < builder->function_count;
    if (!p || !q)
        return p ? -1 : 1; /* [truncated] last */
    int order = strcmp(builder->functions[x].name, builder->functions[y].name);
    return order ? order : builder->functions[x].id < builder->functions[y].id ? -1 : 1;
}

/* Pushes the children of the set [first, end) without those that belong to it, sorted by name. */
static void push_children(struct builder *b, size_t first, size_t end, uint32_t function)
{
    size_t begin = b->used;
    for (size_t i = first; i < end; i++) {
        for (uint32_t child = b->nodes[b->scratch[i]].first_child; child != 0 && child < b->node_count;
             child = b->nodes[child].next_sibling) {
            if (b->nodes[child].function == function && function < b->function_count)
                continue;
            if (!push(b, child))
                return;
        }
    }
    if (b->used > begin)
        qsort_r(b->scratch + begin, b->used - begin, sizeof *b->scratch, by_name, b);
}

/* The next group of equal functions in the sorted [*at, end). */
static bool next_group(const struct builder *b, size_t *at, size_t end, struct group *ret)
{
    if (*at >= end)
        return false;
    *ret = (struct group){b->nodes[b->scratch[*at]].function, *at, 0, 0, 0};
    while (*at < end && b->nodes[b->scratch[*at]].function == ret->function) {
        ret->total_ns += b->nodes[b->scratch[*at]].total_ns;
        ret->samples += b->nodes[b->scratch[*at]].samples;
        ret->count++;
        ++*at;
    }
    return true;
}

static void lay_box(struct builder *b, const struct group *group, int parent, int row, uint64_t cumulated,
                    bool odd, size_t old_first, size_t old_end);

/* Lays out the children of box `index`, whose set is the scratch from `first` on, and before [old_first,
 * old_used).
 */
static void lay_children(struct builder *b, int index, size_t first, uint64_t cumulated, size_t old_first)
{
    uint32_t function = b->flame->boxes[index].function;
    int row = b->flame->boxes[index].row + 1;
    size_t begin = b->used;
    push_children(b, first, begin, function);
    size_t end = b->used;
    uint64_t rest_ns = 0, at = cumulated;
    uint32_t rest = 0;
    bool odd = row & 1;
    size_t old_end = b->old_used;
    struct group group;
    for (size_t i = begin; b->rc == 0 && next_group(b, &i, end, &group);) {
        if ((unsigned __int128)group.total_ns * b->width < b->flame->whole_ns) {
            rest_ns += group.total_ns;
            rest++;
            continue;
        }
        lay_box(b, &group, index, row, at, odd, old_first, old_end);
        at += group.total_ns;
        odd = !odd;
    }
    int col = column(b, at), cols = column(b, at + rest_ns) - col;
    struct n1_flame_box *box = rest && cols > 0 && b->rc == 0 ? new_box(b) : NULL;
    if (box != NULL) {
        *box = (struct n1_flame_box){row, col, cols, index, N1_FLAME_NONE, 1, rest, rest_ns, 0,
                                     0,   0,   0,    0,     false};
        box->path = mix(b->flame->boxes[index].path, UINT64_C(0x72657374));
        if (row + 1 > b->flame->rows)
            b->flame->rows = row + 1;
    }
    b->used = begin;
}

/* [old_first, old_end): the parent's set before; of the root (no parent) the root's own. */
static void lay_box(struct builder *b, const struct group *group, int parent, int row, uint64_t cumulated,
                    bool odd, size_t old_first, size_t old_end)
{
    struct n1_flame_box *box = new_box(b);
    if (box == NULL)
        return;
    int index = (int)b->flame->count - 1;
    size_t own = parent < 0 ? old_first : b->old_used;
    uint32_t old = old_function(b, group->function);
    if (parent >= 0)
        push_old_children(b, old_first, old_end, old);
    for (size_t i = own; i < b->old_used; i++) {
        box->before_ns += b->old_nodes[b->old[i]].total_ns;
        box->before_samples += b->old_nodes[b->old[i]].samples;
    }
    absorb_old(b, own, old);
    size_t first = b->used;
    for (size_t i = 0; i < group->count; i++) {
        if (!push(b, b->scratch[group->first + i]))
            return;
    }
    uint32_t fold = absorb(b, first, group->function);
    box->row = row;
    box->col = column(b, cumulated);
    box->cols = column(b, cumulated + group->total_ns) - box->col;
    box->parent = parent;
    box->function = group->function < b->function_count ? group->function : N1_FLAME_NONE;
    box->fold = fold;
    box->total_ns = group->total_ns;
    box->samples = group->samples;
    for (size_t i = first; i < b->used; i++)
        box->self_ns += b->nodes[b->scratch[i]].self_ns;
    box->path = mix(parent < 0 ? 0 : b->flame->boxes[parent].path, id_of(b, group->function));
    box->odd = odd;
    if (row + 1 > b->flame->rows)
        b->flame->rows = row + 1;
    if (row < DEPTH_MAX)
        lay_children(b, index, first, cumulated, own);
    b->used = first;
    b->old_used = own;
}

/* All nodes of a function that are not below another call of it. */
static void push_calls(struct builder *b, uint32_t function)
{
    uint32_t at = 0;
    while (b->rc == 0) {
        uint32_t down = b->nodes[at].first_child;
        bool take = at != 0 && b->nodes[at].function == function;
        if (take)
            push(b, at);
        if (!take && down != 0 && down < b->node_count) {
            at = down;
            continue;
        }
        while (at != 0 && b->nodes[at].next_sibling == 0)
            at = b->nodes[at].parent;
        if (at == 0)
            return;
        at = b->nodes[at].next_sibling;
    }
}

/* The same before: nodes lie in pre-order, so what is below a call is the run of deeper ones after it. */
static void push_old_calls(struct builder *b, uint32_t function)
{
    for (size_t i = 1; i < b->old_count && function != UINT32_MAX && b->rc == 0; i++) {
        if (b->old_nodes[i].function != function)
            continue;
        push_old(b, (uint32_t)i);
        uint32_t depth = b->old_nodes[i].depth;
        while (i + 1 < b->old_count && b->old_nodes[i + 1].depth > depth)
            i++;
    }
}

/* Replaces the set in the scratch by the one at the end of the zoom; *ret_function is its function. */
static bool follow_zoom(struct builder *b, uint32_t *ret_function)
{
    struct n1_flame *flame = b->flame;
    *ret_function = N1_FLAME_NONE;
    flame->found = 0;
    if (flame->zoom_function != 0) {
        for (uint32_t i = 0; i < b->function_count; i++) {
            if (b->functions[i].id == flame->zoom_function)
                *ret_function = i;
        }
        if (*ret_function == N1_FLAME_NONE)
            return false;
        push_calls(b, *ret_function);
        push_old_calls(b, old_function(b, *ret_function));
    } else {
        push(b, 0);
        if (b->old_count > 0)
            push_old(b, 0);
    }
    for (size_t depth = 0; depth < flame->zoom_len && b->rc == 0; depth++) {
        absorb(b, 0, *ret_function);
        size_t begin = b->used, i = begin;
        push_children(b, 0, begin, *ret_function);
        struct group group;
        bool found = false;
        while (!found && next_group(b, &i, b->used, &group))
            found = id_of(b, group.function) == flame->zoom[depth];
        if (!found)
            return false;
        absorb_old(b, 0, old_function(b, *ret_function));
        size_t old_end = b->old_used;
        push_old_children(b, 0, old_end, old_function(b, group.function));
        b->old_used -= old_end;
        if (b->old_used > 0)
            memmove(b->old, b->old + old_end, b->old_used * sizeof *b->old);
        memmove(b->scratch, b->scratch + group.first, group.count * sizeof *b->scratch);
        b->used = group.count;
        *ret_function = group.function;
        flame->found = depth + 1;
    }
    return b->rc == 0;
}

static void keep_in_sight(struct n1_flame *flame, int page)
{
    int selected = n1_flame_selected(flame);
    int row = selected < 0 ? 0 : flame->boxes[selected].row;
    if (row < flame->top)
        flame->top = row;
    if (row >= flame->top + page)
        flame->top = row - page + 1;
    if (flame->top > flame->rows - page)
        flame->top = flame->rows - page;
    if (flame->top < 0)
        flame->top = 0;
}

int n1_flame_layout(struct n1_flame *flame, const struct n1_profile *profile, int width, int page,
                    const struct n1_flame_before *before)
{
    struct builder b = {.flame = flame, .width = width > 0 ? (uint64_t)width : 1};
    struct group root = {.function = N1_FLAME_NONE};
    b.functions = n1_profile_functions(profile, &b.function_count);
    b.nodes = n1_profile_nodes(profile, &b.node_count);
    if (before != NULL && before->profile != NULL) {
        b.before = before;
        b.old_nodes = n1_profile_nodes(before->profile, &b.old_count);
    }
    flame->count = 0;
    flame->rows = 0;
    flame->whole_ns = 0;
    if (b.node_count > 0 && follow_zoom(&b, &root.function)) {
        root.count = b.used;
        for (size_t i = 0; i < b.used; i++) {
            root.total_ns += b.nodes[b.scratch[i]].total_ns;
            root.samples += b.nodes[b.scratch[i]].samples;
        }
        flame->whole_ns = root.total_ns;
        if (root.total_ns > 0)
            lay_box(&b, &root, -1, 0, 0, false, 0, b.old_used);
    }
    free(b.scratch);
    free(b.old);
    keep_in_sight(flame, page < 1 ? 1 : page);
    return b.rc;
}

void n1_flame_finish(struct n1_flame *flame)
{
    free(flame->boxes);
    memset(flame, 0, sizeof *flame);
}

int n1_flame_selected(const struct n1_flame *flame)
{
    for (size_t i = 0; flame->selected != 0 && i < flame->count; i++) {
        if (flame->boxes[i].path == flame->selected)
            return (int)i;
    }
    return flame->count > 0 ? 0 : -1;
}

static int sibling(const struct n1_flame *flame, int index, int direction)
{
    int best = -1;
    const struct n1_flame_box *box = &flame->boxes[index];
    for (size_t i = 0; i < flame->count; i++) {
        const struct n1_flame_box *other = &flame->boxes[i];
        if (other->row != box->row || (int)i == index || (other->col > box->col) != (direction > 0))
            continue;
        if (best < 0 || (other->col < flame->boxes[best].col) == (direction > 0))
            best = (int)i;
    }
    return best;
}

static int widest_child(const struct n1_flame *flame, int index)
{
    int best = -1;
    for (size_t i = 0; i < flame->count; i++) {
        const struct n1_flame_box *box = &flame->boxes[i];
        if (box->parent == index && (best < 0 || box->total_ns > flame->boxes[best].total_ns))
            best = (int)i;
    }
    return best;
}

bool n1_flame_move(struct n1_flame *flame, enum n1_action action)
{
    int at = n1_flame_selected(flame), to;
    if (flame->flipped && (action == N1_ACTION_UP || action == N1_ACTION_DOWN))
        action = action == N1_ACTION_UP ? N1_ACTION_DOWN : N1_ACTION_UP;
    if (at < 0)
        return false;
    switch (action) {
    case N1_ACTION_UP:
        to = flame->boxes[at].parent;
        break;
    case N1_ACTION_DOWN:
        to = widest_child(flame, at);
        break;
    case N1_ACTION_LEFT:
        to = sibling(flame, at, -1);
        break;
    case N1_ACTION_RIGHT:
        to = sibling(flame, at, 1);
        break;
    case N1_ACTION_TOP:
        to = 0;
        break;
    default:
        return false;
    }
    if (to >= 0)
        flame->selected = flame->boxes[to].path;
    return true;
}

void n1_flame_zoom_in(struct n1_flame *flame, const struct n1_profile *profile)
{
    size_t count, depth = 0;
    uint64_t ids[DEPTH_MAX + 2];
    const struct n1_profile_function *functions = n1_profile_functions(profile, &count);
    int at = n1_flame_selected(flame);
    if (at >= 0 && flame->boxes[at].rest)
        at = flame->boxes[at].parent; /* its list is seen best with its parent as the root */
    for (; at > 0 && depth < DEPTH_MAX; at = flame->boxes[at].parent) {
        if (flame->boxes[at].function >= count)
            return;
        ids[depth++] = functions[flame->boxes[at].function].id;
    }
    if (flame->zoom_len + depth > N1_FLAME_ZOOM_MAX)
        return;
    while (depth > 0)
        flame->zoom[flame->zoom_len++] = ids[--depth];
    flame->selected = 0;
    flame->top = 0;
}

bool n1_flame_zoom_out(struct n1_flame *flame)
{
    if (flame->zoom_len > 0)
        flame->zoom_len--;
    else if (flame->zoom_function != 0)
        flame->zoom_function = 0;
    else
        return false;
    flame->selected = 0;
    flame->top = 0;
    return true;
}

size_t n1_flame_hits(const struct n1_profile *profile, const bool *match, uint64_t *ret_ns)
{
    size_t functions, count, hits = 0;
    n1_profile_functions(profile, &functions);
    const struct n1_profile_node *nodes = n1_profile_nodes(profile, &count);
    uint32_t at = 0;
    *ret_ns = 0;
    while (count > 0) {
        bool hit = at != 0 && nodes[at].function < functions && match[nodes[at].function];
        if (hit) {
            hits++;
            *ret_ns += nodes[at].total_ns;
        }
        if (!hit && nodes[at].first_child != 0 && nodes[at].first_child < count) {
            at = nodes[at].first_child;
            continue;
        }
        while (at != 0 && nodes[at].next_sibling == 0)
            at = nodes[at].parent;
        if (at == 0)
            break;
        at = nodes[at].next_sibling;
    }
    return hits;
}
