/*
 * The live layout of the shared model: one memfd, written by n1top-sampler only, mapped read-only by readers.
 *
 * Stability: none across versions; both sides must carry the same N1_MODEL_VERSION. The stable format is the
 * file's (n1/file.h, include/README.md). Fixed-width integers, natural alignment, offsets from the start of
 * the memory, no pointers, reserved words are zero. Ids are indexes into their segment; id 0 means "none"
 * everywhere.
 *
 * Laws: the writer never waits for a reader. A reader treats every byte as hostile. Unknown is not zero.
 * Loss is counted.
 *
 * Ordering. Every word that changes is a 64-bit atomic, stored with release and loaded with acquire (plain
 * moves on x86-64). An entry is written word by word, then its segment's head is stored. Before a ring
 * overwrites its oldest entry it stores the tail beyond it; a reader copies entries below the head, then
 * loads the tail again and drops what was lapped. Ids change only in a generation step: `generation` is odd
 * while one is under way, and a reader discards what it read if `generation` was odd or has changed.
 */
#ifndef N1_MODEL_H
#define N1_MODEL_H

#include "n1/time.h"

#include <assert.h>
#include <stdint.h>

#define N1_MODEL_MAGIC UINT64_C(0x314c45444f4d314e) /* "N1MODEL1", little endian */
#define N1_MODEL_VERSION 1u
#define N1_MODEL_HEADER_BYTES 4096u
#define N1_MODEL_SEGMENTS_MAX 24u

/* X(name, entry struct or byte, is it a ring) — a table fills up and is compacted; a ring laps its oldest
 * entry. */
#define N1_SEGMENT_MAP(X)                                                                                    \
    X(STRING_INDEX, struct n1_model_string, 0)                                                               \
    X(STRING_BYTES, uint8_t, 0)                                                                              \
    X(PROCESSES, struct n1_model_process, 0)                                                                 \
    X(THREADS, struct n1_model_thread, 0)                                                                    \
    X(MODULES, struct n1_model_module, 0)                                                                    \
    X(MAPPINGS, struct n1_model_mapping, 0)                                                                  \
    X(FUNCTIONS, struct n1_model_function, 0)                                                                \
    X(FRAMES, struct n1_model_frame, 0)                                                                      \
    X(NODES, struct n1_model_node, 0)                                                                        \
    X(SERIES, struct n1_model_series, 0)                                                                     \
    X(POINTS, struct n1_model_point, 1)                                                                      \
    X(SAMPLES, struct n1_model_sample, 1)                                                                    \
    X(WAITS, struct n1_model_wait, 1)                                                                        \
    X(SECONDS, struct n1_model_second, 1)                                                                    \
    X(MEMORY, struct n1_model_memory, 1)                                                                     \
    X(ANOMALIES, struct n1_model_anomaly, 1)

enum n1_segment_kind {
#define X(name, type, ring) N1_SEGMENT_##name,
    N1_SEGMENT_MAP(X)
#undef X
        N1_SEGMENT_COUNT
};

struct n1_model_segment {
    uint32_t kind;     /* enum n1_segment_kind; the table is in the order of the kinds */
    uint32_t stride;   /* bytes of one entry */
    uint64_t offset;   /* of entry 0, from the start of the memory, multiple of 64 */
    uint64_t capacity; /* entries */
    uint64_t reserved;
};

enum n1_model_state {
    N1_STATE_STARTING = 1, /* attaching; nothing sampled yet */
    N1_STATE_LIVE,
    N1_STATE_PAUSED,      /* sampling itself is paused on request */
    N1_STATE_TARGET_GONE, /* every target ended; the exit is in its process entry */
    N1_STATE_CLOSED       /* the sampler detached and writes no more */
};

/* What the sampler says of itself: X(name, unit, one-liner). Words of the header, each stored whole. */
#define N1_SELF_MAP(X)                                                                                       \
    X(RATE_ASKED, "Hz", "sampling rate asked for")                                                           \
    X(RATE_USED, "Hz", "sampling rate in force, after rounding to odd and after the governor")               \
    X(PERIOD_NS, "ns", "CPU time that one sample stands for")                                                \
    X(ENGINE, "enum n1_engine_kind", "engine in use")                                                        \
    X(KERNEL_FRAMES, "0 or 1", "kernel frames are permitted")                                                \
    X(SAMPLES, "count", "samples taken")                                                                     \
    X(LOST, "count", "samples the kernel had no room for")                                                   \
    X(TRUNCATED, "count", "samples whose walk ended before the stack's root")                                \
    X(REJECTED, "count", "samples thrown away as inconsistent")                                              \
    X(OTHER, "count", "samples without a node of their own because a table was full")                        \
    X(FALLBACK, "count", "samples for which libunwind was needed")                                           \
    X(FRAMES_WALKED, "count", "frames walked in all samples")                                                \
    X(THROTTLED, "count", "times the kernel lowered the sampling rate")                                      \
    X(KERNEL_HIDDEN_NS, "ns", "CPU time spent in the kernel for which no sample stands: not permitted")      \
    X(CPU_NS, "ns", "CPU time of the sampler and its helpers")                                               \
    X(MEMORY_BYTES, "bytes", "PSS of the sampler and its helpers, without pinned rings")                     \
    X(PINNED_BYTES, "bytes", "pages pinned for the engine's rings")                                          \
    X(PAUSE_P50_NS, "ns", "median time a thread of the target was stopped (0: never stopped)")               \
    X(PAUSE_P99_NS, "ns", "99th percentile of the same")                                                     \
    X(TICK_LATE_NS, "ns", "longest delay between a sample and its entry into the model in the last second")  \
    X(SYMBOLS_PENDING, "count", "frames whose name has been asked for and not yet answered")                 \
    X(SYMBOLS_FAILED, "count", "frames that have no name, for a stated reason")                              \
    X(GENERATIONS, "count", "generation steps so far")                                                       \
    X(ROWS_DROPPED, "count", "rows given up early because their names alone would have filled a table")      \
    X(ENGINE_WHY, "enum n1_engine_why", "why this engine")                                                   \
    X(RACES, "count", "system calls of the target that a stop may have cut short")                           \
    X(MISSED, "count", "samples that were due and could not be taken")                                       \
    X(GOVERNOR, "enum n1_governor_reason", "why the rate is lower than asked for")                           \
    X(TARGET_CPU_NS, "ns", "CPU time that the targets used while they were sampled")                         \
    X(SAMPLED_NS, "ns", "CPU time that the samples of that time stand for")

enum n1_self {
#define X(name, unit, text) N1_SELF_##name,
    N1_SELF_MAP(X)
#undef X
        N1_SELF_COUNT
};

/* Why the engine in use is used: X(name, words for the screen and the report). Codes are in recordings. */
#define N1_ENGINE_WHY_MAP(X)                                                                                 \
    X(NONE, "")                                                                                              \
    X(ASKED, "asked for")                                                                                    \
    X(SECCOMP, "perf_event_open refused (seccomp)")                                                          \
    X(PARANOID, "perf_event_open refused (kernel.perf_event_paranoid)")                                      \
    X(POLICY, "perf_event_open refused (security module)")                                                   \
    X(ABSENT, "no perf events in this kernel")                                                               \
    X(RINGS, "no memory for perf rings")                                                                     \
    X(TARGET, "perf_event_open refused on this process")                                                     \
    X(PYTHON, "Python and native frames of one instant")

enum n1_engine_why {
#define X(name, text) N1_ENGINE_WHY_##name,
    N1_ENGINE_WHY_MAP(X)
#undef X
        N1_ENGINE_WHY_COUNT
};
/* The words; "" for codes that are not known. */
const char *n1_engine_why_text(uint64_t why);

/* Why the rate is lower than asked for: a limit of the sampler's own, or what sampling would cost the target.
 */
enum n1_governor_reason { N1_GOVERNOR_NONE, N1_GOVERNOR_CPU, N1_GOVERNOR_MEMORY, N1_GOVERNOR_SWITCHES };

enum n1_engine_kind { N1_ENGINE_NONE, N1_ENGINE_PERF, N1_ENGINE_PTRACE, N1_ENGINE_NONSTOP };

struct n1_model_header {
    /* Written once before the memory is shared. */
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes;
    uint64_t total_bytes;
    uint64_t features; /* none defined; a reader refuses bits it does not know */
    uint32_t writer_pid;
    uint32_t segment_count; /* N1_SEGMENT_COUNT */
    uint64_t writer_start;  /* start time of the writer, /proc/PID/stat field 22, clock ticks since boot */
    uint64_t created;       /* n1_ns at which the model was made; second 0 of the per-second rows */
    uint64_t anchor_mono;   /* n1_ns … */
    int64_t anchor_wall;    /* … and the wall clock at the same instant, ns since the epoch */
    uint64_t clock_ticks;   /* of writer_start and of processes' start times, per second */
    uint64_t reserved0[22];
    struct n1_model_segment segments[N1_MODEL_SEGMENTS_MAX];
    /* Written all the time, one writer; each word is loaded and stored whole. */
    uint64_t state;      /* enum n1_model_state */
    uint64_t heartbeat;  /* n1_ns of the last pass of the writer's loop */
    uint64_t generation; /* even: ids are stable; odd: a generation step is under way */
    uint64_t reserved1[5];
    uint64_t heads[N1_MODEL_SEGMENTS_MAX]; /* entries ever written; for tables also the next id */
    uint64_t tails[N1_MODEL_SEGMENTS_MAX]; /* rings: oldest entry still kept, ≤ head; tables: 0 */
    uint64_t self[40];                     /* by enum n1_self */
    uint64_t reserved2[256];
};
static_assert(sizeof(struct n1_model_header) <= N1_MODEL_HEADER_BYTES, "the header fits its page");
static_assert(N1_SEGMENT_COUNT <= N1_MODEL_SEGMENTS_MAX, "room for the segments");
static_assert(N1_SELF_COUNT <= 40, "room for the self figures");

#define N1_MODEL_STRING_MAX 4095u /* bytes of the longest string */
/* Bytes [offset, offset+len) of STRING_BYTES; already sanitised UTF-8 without NUL. offset is a multiple of
 * 8, and the bytes up to the next multiple after the end are zero. */
struct n1_model_string {
    uint32_t offset, len;
};

enum n1_process_state { N1_PROCESS_RUNNING = 1, N1_PROCESS_STOPPED, N1_PROCESS_ZOMBIE, N1_PROCESS_GONE };
#define N1_STATUS_UNKNOWN UINT32_C(0xffffffff)

struct n1_model_process {
    uint32_t pid, parent_pid;    /* in the sampler's PID namespace */
    uint32_t ns_pid, uid;        /* innermost PID namespace; real uid */
    uint64_t start_ticks;        /* /proc/PID/stat field 22 */
    uint32_t exe, cmdline;       /* strings */
    uint32_t comm, runtime;      /* strings; runtime e.g. "native", "python 3.11.2" */
    uint32_t container, labels;  /* strings; 0: none */
    uint32_t state, exit_status; /* one word: enum n1_process_state, wait(2) status or N1_STATUS_UNKNOWN */
    uint64_t attached, ended;    /* n1_ns; ended 0 while it runs */
    uint64_t reserved[2];
};

struct n1_model_thread {
    uint32_t process, tid;
    uint64_t start_ticks;     /* tids are reused; (tid, start) is not */
    uint32_t name, flags;     /* one word; name may change */
    uint64_t from, to;        /* n1_ns first and last seen; to is 0 while it lives */
    uint64_t run_ns, wait_ns; /* /proc/PID/task/TID/schedstat, ~0 when unknown */
    uint64_t reserved;
};

enum n1_module_kind {
    N1_MODULE_FILE = 1,
    N1_MODULE_VDSO,
    N1_MODULE_KERNEL,
    N1_MODULE_JIT,
    N1_MODULE_ANON,
    N1_MODULE_PYTHON
};
enum n1_module_symbols { N1_SYMBOLS_NOT_ASKED, N1_SYMBOLS_LOADED, N1_SYMBOLS_NONE, N1_SYMBOLS_FAILED };

struct n1_model_module {
    uint32_t path, kind; /* string; enum n1_module_kind */
    uint8_t build_id[20];
    uint32_t build_id_len; /* 0..20 */
    uint64_t device, inode;
    uint32_t symbols, reason; /* one word: enum n1_module_symbols; string: why there are none */
};

struct n1_model_mapping {
    uint32_t process, module;
    uint64_t start, end, file_offset;
    uint64_t from, to; /* n1_ns; to is 0 while it is mapped */
};

enum n1_function_kind {
    N1_KIND_UNKNOWN,
    N1_KIND_NATIVE,
    N1_KIND_PYTHON,
    N1_KIND_KERNEL,
    N1_KIND_JIT,
    N1_KIND_GC,
    N1_KIND_COUNT
};

/* A physical function. Canonical name: demangled, without its module. */
struct n1_model_function {
    uint32_t name, module;
    uint32_t kind, reason; /* enum n1_function_kind; string: why it is unknown, else 0 */
    uint64_t start, size;  /* ELF virtual address (absolute for kernel and JIT); size 0 when unknown */
    uint32_t file, line;   /* one word, may be written later: of its definition; 0 unknown */
};

/* A place in code. offset: ELF virtual address; absolute for kernel, JIT and anonymous memory. For callers it
 * is the return address less one, so that look-ups land in the call. */
struct n1_model_frame {
    uint64_t offset;
    uint32_t module, reserved;
    uint32_t function, state; /* one word, written once, later: 0 until named; state enum n1_frame_state */
    uint32_t file, line;      /* one word, written once, later; 0 unknown */
};
enum n1_frame_state { N1_FRAME_UNNAMED, N1_FRAME_NAMED, N1_FRAME_NAMELESS };

/* A call chain: this call site, called from the chain `parent`. parent < own id, so chains cannot loop. */
struct n1_model_node {
    uint32_t parent, frame;
    uint32_t depth, reserved; /* 1 for a chain of one frame */
};

/* What a series measures and for whom. Its points are a chain through the ring POINTS, newest first, so that
 * any number of series shares the memory by what each writes. */
struct n1_model_series {
    uint32_t metric, scope; /* enum n1_metric_id; process id, thread id or 0 for the host */
    uint64_t head;          /* points ever written */
    uint64_t last;          /* index in POINTS of the newest one, plus 1; 0: none yet */
};

#define N1_POINT_INVALID (UINT64_C(1) << 63)
struct n1_model_point {
    uint64_t time; /* n1_ns; top bit set: the value is unknown (value then holds a string id: why) */
    int64_t value;
    uint32_t series,
        back; /* back: how many entries before this one the series' previous point lies; 0: none */
};

/* X-bits of n1_model_sample.flags and n1_model_second.flags */
enum n1_sample_flags {
    N1_SAMPLE_IN_KERNEL = 1 << 0,
    N1_SAMPLE_TRUNCATED = 1 << 1,
    N1_SAMPLE_GIL_HELD = 1 << 2,
    N1_SAMPLE_GIL_WAIT = 1 << 3,
    N1_SAMPLE_IN_GC = 1 << 4,
    N1_SAMPLE_KERNEL_HIDDEN = 1 << 5, /* taken in the kernel, whose frames may not be seen */
    N1_SAMPLE_DUMP = 1 << 6           /* a stack of a dump: it stands for no CPU time */
};

/* One on-CPU sample. The stack is the chain `node` (callers) with `leaf` on top. */
struct n1_model_sample {
    uint64_t time;
    uint32_t thread, node;
    uint32_t leaf, flags;
    uint32_t weight_ns, cpu; /* weight: CPU time it stands for */
};

enum n1_wait_class {
    N1_WAIT_RUN_QUEUE = 1,
    N1_WAIT_LOCK,
    N1_WAIT_DISK,
    N1_WAIT_NET,
    N1_WAIT_SLEEP,
    N1_WAIT_POLL,
    N1_WAIT_PIPE,
    N1_WAIT_GIL,
    N1_WAIT_GC,
    N1_WAIT_OTHER
};

enum n1_wait_flags {
    N1_WAIT_PART = 1 << 0,   /* stands for several waits too short to be told apart: the time is right, the
                                number is a least one */
    N1_WAIT_BEFORE = 1 << 1, /* it had begun before we came: its start is when it was first seen */
    N1_WAIT_DEAD = 1 << 2,   /* its owner waits for it in turn: a deadlock */
    N1_WAIT_DEEP = 1 << 3    /* uninterruptible (state D) */
};

/* One wait, however long: written at its start with end 0, and once more at its end. */
struct n1_model_wait {
    uint64_t start, end;
    uint32_t thread, node;
    uint32_t leaf, wait_class;
    uint32_t resource, syscall; /* string; system call number + 1, 0 unknown */
    uint32_t owner, flags;      /* one word: thread that holds what is waited for; enum n1_wait_flags */
};

/* CPU samples of one second under one (thread, node, leaf, flags). `leaf` is the entry frame of the leaf's
 * function when it was named by then, so that a hot loop takes one row. */
struct n1_model_second {
    uint32_t second, thread; /* second: whole seconds since header.created */
    uint32_t node, leaf;
    uint32_t count, flags;
    uint64_t weight_ns;
    uint64_t bytes; /* first touched under it, 0 when not tracked */
};

enum n1_memory_kind {
    N1_MEMORY_ANON = 1,
    N1_MEMORY_FILE,
    N1_MEMORY_STACK,
    N1_MEMORY_COW,
    N1_MEMORY_KEPT,   /* not a touch: what allocation tracing found … */
    N1_MEMORY_MAPPED, /* … and a large mapping that came or grew, and stayed */
    N1_MEMORY_KINDS
};

/* A page-fault sample, standing for `bytes` first touched. Kind KEPT: at the end of a trace of the allocator,
 * `bytes` allocated by this stack during it were kept and grew steadily; `address` is how many blocks. Kind
 * MAPPED: `bytes` at `address` that were not mapped when the look for leaks began, without a stack. The
 * entries of one look have the same time. */
struct n1_model_memory {
    uint64_t time, bytes, address;
    uint32_t thread, node;
    uint32_t leaf, kind;
};

enum n1_severity { N1_SEVERITY_INFO = 1, N1_SEVERITY_WARNING, N1_SEVERITY_CRITICAL };
#define N1_ANOMALY_CULPRITS 3

/* One episode of a rule: written when it fires with end 0, and once more when it ends. */
struct n1_model_anomaly {
    uint64_t start, end;
    uint32_t process, rule;                   /* rule: string, the rule's name */
    uint32_t severity, unit;                  /* unit: string */
    int64_t value, expected;                  /* in `unit` */
    uint32_t culprit[N1_ANOMALY_CULPRITS];    /* functions, most grown first; 0: none */
    uint32_t share_ppm[N1_ANOMALY_CULPRITS];  /* share of the span's samples now */
    uint32_t before_ppm[N1_ANOMALY_CULPRITS]; /* and before the span */
    uint32_t resource;                        /* string: file, lock, cgroup file…; 0: none */
    uint32_t text, reserved;                  /* string: one line for people */
};

#define X(name, type, ring)                                                                                  \
    static_assert(sizeof(type) == 1 || sizeof(type) % 8 == 0, "entries are whole words: " #name);
N1_SEGMENT_MAP(X)
#undef X

#endif
