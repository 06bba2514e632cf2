/*
 * From the model to what people look at: samples of a window under a filter, summed up by function and as a
 * merged call tree. Pure over the reader; one thread per profile. Figures are CPU time (weights of samples),
 * never calls.
 *
 * Functions are merged by (module, canonical name, start); a frame without a name is a function of its own
 * named "module+0x12". Indices into the arrays are valid until the next n1_profile_update().
 */
#ifndef N1_PROFILE_H
#define N1_PROFILE_H

#include "n1/reader.h"

/* Half-open span [from, to) of model time. */
struct n1_window {
    n1_ns from, to;
};

enum n1_resolution { N1_RESOLUTION_SAMPLES = 1, N1_RESOLUTION_SECONDS, N1_RESOLUTION_MIXED };

/* What a profile adds up: X(constant, name, what its figures are, unit). For all but CPU the members named
 * ..._ns hold that unit, and samples are events of the kind. */
#define N1_PROFILE_OF_MAP(X)                                                                                 \
    X(CPU, "cpu", "CPU time", NS)                                                                            \
    X(MEMORY, "memory", "bytes first touched, by page-fault samples", BYTES)                                 \
    X(KEPT, "kept", "bytes allocated and not given back, by allocation tracing", BYTES)                      \
    X(WAITS, "waits", "time blocked or queued for a CPU, summed over threads", NS)                           \
    X(WALL, "wall", "time on a CPU and in waits, summed over threads", NS)

enum n1_profile_of {
#define X(constant, ...) N1_OF_##constant,
    N1_PROFILE_OF_MAP(X)
#undef X
        N1_OF_COUNT
};
const char *n1_profile_of_name(enum n1_profile_of of); /* "cpu"…; NULL when out of range */
const char *n1_profile_of_text(enum n1_profile_of of);
bool n1_profile_of_bytes(enum n1_profile_of of); /* the unit is bytes, else ns */
int n1_profile_of_find(const char *name);        /* -1 when there is none */

/* A sample passes when every condition that is set holds. */
/* Which frames of a stack are shown. MERGED leaves out the interpreter's evaluation loop below a leaf: the
 * Python functions that it runs stand for it. A stack without any frame of the kind keeps its leaf. */
enum n1_frames { N1_FRAMES_MERGED, N1_FRAMES_PYTHON, N1_FRAMES_NATIVE, N1_FRAMES_COUNT };

struct n1_filter {
    enum n1_frames frames;
    enum n1_profile_of of;
    uint32_t memory_kinds;    /* of memory: bits 1 << enum n1_memory_kind; 0: all */
    uint32_t wait_classes;    /* of waits: bits 1 << enum n1_wait_class; 0: all */
    uint32_t process, thread; /* ids; 0: all */
    uint32_t kinds;           /* bits 1 << enum n1_function_kind of the leaf; 0: all */
    const char
        *text;  /* some function on the stack has this in its name or module path (no case); NULL: all */
    bool regex; /* text is a POSIX extended regular expression */
};

struct n1_profile_function {
    uint64_t id;       /* stable across updates and generations: hash of module path, name and start */
    uint32_t function; /* model id, 0 for a frame without a name */
    uint32_t frame;    /* one frame of it (for module and offset) */
    uint32_t module;   /* model id, 0: unknown */
    enum n1_function_kind kind;
    const char *name;        /* display name, sanitised; owned by the profile */
    const char *module_name; /* last component of the module's path, or "[kernel]", "[jit]"; "" unknown */
    uint64_t self_ns, total_ns;
    uint64_t self_samples, total_samples; /* recursion counted once */
};

/* A node of the merged tree: a function called from the parent's chain. Node 0 is the root, "all"; the nodes
 * lie in pre-order, so a subtree is a run of the array. Samples without stack are in the function "[other]".
 */
struct n1_profile_node {
    uint32_t parent;                    /* own index of the root: 0 */
    uint32_t first_child, next_sibling; /* 0: none; children are ordered by name, so pictures hold still */
    uint32_t function; /* index into the functions; UINT32_MAX for the root and for [truncated], its child */
    uint32_t depth;    /* 0 for the root; unbounded: walk, do not recurse */
    uint64_t self_ns, total_ns;
    uint64_t samples; /* in the subtree */
};

struct n1_profile_summary {
    struct n1_window window; /* as really covered */
    enum n1_resolution resolution;
    uint64_t samples, weight_ns;  /* that passed the filter */
    uint64_t all_samples, all_ns; /* in the window before the filter */
    uint64_t truncated, in_kernel,
        kernel_hidden_ns; /* of those that passed; a hidden kernel sample's self is its user leaf's */
    uint64_t lost;        /* entries lapped before they could be read */
};

struct n1_profile;
struct n1_profile *n1_profile_create(void); /* NULL when out of memory */
void n1_profile_destroy(struct n1_profile *p);

/* Sums up `window` of the model under `filter` (NULL: all), from the finest store that covers it. Works on
 * after the last call when only the window moved. Call between n1_reader_begin and _end. Returns 0,
 * N1_E_USAGE (bad regular expression), -ENOMEM, -EAGAIN (the writer made a generation step meanwhile; try
 * again at the next refresh). On failure the last figures stay. Samples with ids that do not exist are
 * [other]. */
int n1_profile_update(struct n1_profile *p, struct n1_reader *r, struct n1_window window,
                      const struct n1_filter *filter, struct n1_error *reterr);

const struct n1_profile_summary *n1_profile_summary(const struct n1_profile *p);
/* Ordered by self time, then total, then name. */
const struct n1_profile_function *n1_profile_functions(const struct n1_profile *p, size_t *ret_count);
const struct n1_profile_node *n1_profile_nodes(const struct n1_profile *p, size_t *ret_count);
/* Index of the function with this stable id, or -1. */
ptrdiff_t n1_profile_find(const struct n1_profile *p, uint64_t id);

/* Who calls `function` (index), or whom it calls: time in `function` that came through, or went into, each.
 */
struct n1_profile_edge {
    uint32_t function; /* index; UINT32_MAX: the stack's root (callers) or itself, its self time (callees) */
    uint64_t ns, samples;
};
/* Fills up to `cap` edges, largest first; returns how many there are in all. */
size_t n1_profile_callers(const struct n1_profile *p, size_t function, struct n1_profile_edge *ret,
                          size_t cap);
size_t n1_profile_callees(const struct n1_profile *p, size_t function, struct n1_profile_edge *ret,
                          size_t cap);

/* How a function's figures differ between two profiles. */
struct n1_profile_growth {
    uint32_t function;              /* index into `now` */
    double share_before, share_now; /* of the samples that passed; before: 0 when it was not seen then */
    double share_z;               /* growth of the share over its sampling error; 0 when `before` is empty */
    double rate_before, rate_now; /* CPU seconds a second of the covered windows */
    double rate_z; /* growth of the rate over its counting error; before may be empty but not of no length */
};
/* What grew from `before` to `now`, largest growth of share first (of self time, or of total time), of
 * functions with at least `min_samples` samples in `now`. Names do not have to be of one generation or model:
 * functions are matched by id. Fills up to `cap`; returns how many grew in all. An idle time before has no
 * shares worth a name: look at rate_z then, which is sqrt(samples) for what is new. */
size_t n1_profile_growth(const struct n1_profile *before, const struct n1_profile *now, bool total,
                         uint64_t min_samples, struct n1_profile_growth *ret, size_t cap);

/* The share of `now`'s samples that went to other functions than in `before`, by self samples, beyond twice
 * what sampling explains: 0 to 1. NAN with fewer than 400 samples before or 150 now. */
double n1_profile_shift(const struct n1_profile *before, const struct n1_profile *now);

/* Half-width of the 95 % interval of a share of `part` of `whole` samples, as a fraction (Wilson). */
double n1_profile_share_error(uint64_t part, uint64_t whole);

/* CPU time of each function in each whole finished second of a window, from the per-second rows; of the last
 * day at most. Works on after the last call when the window moved forward; the errors are those of
 * n1_profile_update(), but after a failure there are no figures. */
struct n1_history;
struct n1_history *n1_history_create(void);
void n1_history_destroy(struct n1_history *h);
int n1_history_update(struct n1_history *h, struct n1_reader *r, struct n1_window window,
                      const struct n1_filter *filter, struct n1_error *reterr);
/* Seconds covered: *ret_first is the first (since n1_reader_created), the return value how many. */
size_t n1_history_seconds(const struct n1_history *h, uint32_t *ret_first);
/* Nanoseconds of self time (or total, recursion once) of the function with stable id `id` in each second;
 * `ret` has room for n1_history_seconds() values. Returns false when it was never seen (then all zero). */
bool n1_history_function(const struct n1_history *h, uint64_t id, bool total, uint64_t *ret);
/* All samples' nanoseconds in each second, before the filter. */
void n1_history_all(const struct n1_history *h, uint64_t *ret);

#endif
