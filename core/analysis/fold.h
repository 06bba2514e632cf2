/*
 * Stacks of the model folded into one tree of functions: call sites and addresses become functions, equal
 * chains of functions become one node. Built as stacks are asked for, kept between refreshes, thrown away
 * with a generation. Shared by profiles, histories and reports; internal to core/. One thread per fold.
 *
 * Nodes are numbered so that a parent's index is below its children's. Node 0 is the root, node 1 the
 * [truncated] marker below it. Function 0 is [other]. Nothing here counts: holders keep arrays beside the
 * nodes.
 */
#ifndef CORE_ANALYSIS_FOLD_H
#define CORE_ANALYSIS_FOLD_H

#include "n1/profile.h"

#include <regex.h>

#define N1_FOLD_NONE UINT32_MAX
#define N1_FOLD_ROOT 0u
#define N1_FOLD_TRUNCATED 1u
#define N1_FOLD_OTHER 0u

struct n1_fold_function {
    uint64_t id; /* hash of module path, name, start */
    uint64_t start;
    const char *name, *module_name, *path; /* in the arena */
    uint32_t function, frame, module;      /* model ids */
    uint32_t rank;                         /* place in the order of names, valid after n1_fold_order */
    uint8_t kind;                          /* enum n1_function_kind */
    bool match;                            /* of the text filter */
};

struct n1_fold_node {
    uint32_t parent, function;          /* function N1_FOLD_NONE: root, [truncated] */
    uint32_t first_child, next_sibling; /* by name, valid after n1_fold_order; 0: none */
    uint32_t depth;
    bool match; /* some function of the chain matches the text filter */
};

/* Ids to what was made of them, plus one; 0 is "not yet". */
struct n1_fold_memo {
    uint32_t *slot;
    size_t count;
};

struct n1_fold_arena;

struct n1_fold {
    struct n1_fold_function *functions;
    size_t function_count, function_cap;
    struct n1_fold_node *nodes;
    size_t node_count, node_cap;
    uint32_t *by_id, *by_child; /* open hashes of functions and nodes, indices plus one */
    size_t by_id_cap, by_child_cap;
    struct n1_fold_memo frames, named, modules, chains, truncated;
    uint32_t *pending; /* frames used without a name so far */
    size_t pending_count, pending_cap;
    uint32_t *walk; /* scratch of the way up */
    size_t walk_cap;
    struct n1_fold_module *module_names;
    size_t module_count, module_cap;
    struct n1_fold_arena *arena;
    char *text; /* of the filter; NULL: everything matches */
    bool is_regex;
    regex_t regex;
    uint8_t shown;          /* enum n1_frames: which become nodes */
    uint64_t epoch;         /* grows when node indices become void */
    size_t ordered, ranked; /* nodes and functions that the order covers */
};

int n1_fold_init(struct n1_fold *f); /* 0 or -ENOMEM; finish even then */
void n1_fold_finish(struct n1_fold *f);

/* Takes up names that came since the last call. Then node indices are void, `epoch` has grown and true is
 * returned. */
bool n1_fold_refresh(struct n1_fold *f, const struct n1_reader *r);

/* Node of the stack `leaf` on the chain `node` (model ids), N1_FOLD_NONE when out of memory. Ids that are 0
 * or bad become [other]. */
uint32_t n1_fold_stack(struct n1_fold *f, struct n1_reader *r, uint32_t node, uint32_t leaf, bool truncated);

/* Function of a frame (model id), N1_FOLD_NONE when out of memory. */
uint32_t n1_fold_frame(struct n1_fold *f, struct n1_reader *r, uint32_t frame);

/* Index of the function with this stable id, N1_FOLD_NONE when there is none. */
uint32_t n1_fold_find(const struct n1_fold *f, uint64_t id);

/* Sets the text filter (NULL or "": none). Returns 0, N1_E_USAGE (bad expression; the old one stays),
 * -ENOMEM. */
int n1_fold_filter(struct n1_fold *f, const char *text, bool regex, struct n1_error *reterr);

/* Chooses which frames become nodes; another choice makes node indices void. */
void n1_fold_frames(struct n1_fold *f, enum n1_frames frames);

/* Brings siblings into the order of names. 0 or -ENOMEM. */
int n1_fold_order(struct n1_fold *f);

/* --- between the files of this module --- */
int n1_fold_reserve(void **array, size_t *cap, size_t need, size_t size); /* grows by half; 0 or -ENOMEM */
uint64_t n1_fold_mix(uint64_t x);
bool n1_fold_matches(const struct n1_fold *f, const struct n1_fold_function *function);

#endif
