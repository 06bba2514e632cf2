/*
 * Writing the model: interning, rings, per-second rows, generations. One thread of one process owns a writer;
 * only the memory it fills is shared. Nothing here waits, and after creation only the private hash tables
 * allocate.
 *
 * Every id returned is valid until the next generation step, which happens only inside n1_writer_maintain();
 * holders of ids learn the new ones through the remap callback. 0 means "did not fit": it is counted, and
 * callers pass it on (a sample with node 0 is shown as [other]).
 */
#ifndef N1_WRITER_H
#define N1_WRITER_H

#include "n1/error.h"
#include "n1/model.h"

#include <stdbool.h>
#include <stddef.h>

struct n1_writer;

/* What a generation step did to the ids: each function returns the new id, 0 when the entry is gone. */
struct n1_remap;
uint32_t n1_remap_thread(const struct n1_remap *remap, uint32_t old);
uint32_t n1_remap_module(const struct n1_remap *remap, uint32_t old);
uint32_t n1_remap_process(const struct n1_remap *remap, uint32_t old);
uint32_t n1_remap_function(const struct n1_remap *remap, uint32_t old);
uint32_t n1_remap_frame(const struct n1_remap *remap, uint32_t old);
uint32_t n1_remap_node(const struct n1_remap *remap, uint32_t old);
uint32_t n1_remap_string(const struct n1_remap *remap, uint32_t old);
uint32_t n1_remap_series(const struct n1_remap *remap, uint32_t old);

struct n1_writer_options {
    uint64_t memory_bytes; /* virtual size to split among the stores, 4 MiB … 16 GiB; pages are touched only
                              when used */
    void (*remapped)(void *context,
                     const struct n1_remap *remap); /* after each generation step; may be NULL */
    void *context;
};

/* Makes a sealed memfd (SHRINK, GROW, FUTURE_WRITE, SEAL) of full size with an empty model in it.
 * Errors: -errno. The caller destroys the writer. */
int n1_writer_create(const struct n1_writer_options *options, struct n1_writer **ret,
                     struct n1_error *reterr);

/* The same in private anonymous memory with the given capacities (by enum n1_segment_kind; entry 0 of a table
 * is never used, so n names take n + 1): for files and tests. Where the capacity of POINTS is 0, there is
 * room for points_per_series points of each series. Errors: -EINVAL, -ENOMEM. */
int n1_writer_create_private(const uint64_t capacity[N1_SEGMENT_COUNT], uint64_t points_per_series,
                             struct n1_writer **ret, struct n1_error *reterr);
void n1_writer_destroy(struct n1_writer *w);

int n1_writer_fd(const struct n1_writer *w); /* the memfd, owned by the writer; -1 for a private one */
void *n1_writer_base(const struct n1_writer *w,
                     size_t *ret_bytes); /* the memory, for a reader in the same process */
struct n1_model_header *n1_writer_header(struct n1_writer *w);

/* --- names and tables; every one interns: the same key gives the same id --- */

/* Interns `len` bytes after n1_sanitise (at most 4095 bytes are kept, cut in the middle with "…"). */
uint32_t n1_writer_string(struct n1_writer *w, const char *text, size_t len);
uint32_t n1_writer_string_z(struct n1_writer *w, const char *text); /* NULL or "" gives 0 */
/* Key: pid, start_ticks. One that is there already takes over the strings of `p` that are not 0 (exec changes
 * them). */
uint32_t n1_writer_process(struct n1_writer *w, const struct n1_model_process *p);
uint32_t n1_writer_thread(struct n1_writer *w,
                          const struct n1_model_thread *t); /* key: process, tid, start_ticks */
uint32_t n1_writer_module(struct n1_writer *w,
                          const struct n1_model_module *m); /* key: path, build id, device, inode, kind */
uint32_t n1_writer_mapping(struct n1_writer *w, const struct n1_model_mapping *m); /* appended */
uint32_t n1_writer_function(struct n1_writer *w,
                            const struct n1_model_function *f); /* key: module, start, name */
uint32_t n1_writer_frame(struct n1_writer *w, uint32_t module, uint64_t offset);
uint32_t n1_writer_node(struct n1_writer *w, uint32_t parent, uint32_t frame);
uint32_t n1_writer_series(struct n1_writer *w, uint32_t metric, uint32_t scope);

/* Finds a frame without making it; 0 when there is none (for answers that come after a generation step). */
uint32_t n1_writer_frame_find(struct n1_writer *w, uint32_t module, uint64_t offset);

/* What the writer holds of a frame; valid until the next call. All zero for an unknown id. */
const struct n1_model_frame *n1_writer_frame_at(const struct n1_writer *w, uint32_t frame);

/* Name of a frame's function, not terminated, valid until the next call; NULL while it has none. */
const char *n1_writer_frame_function(const struct n1_writer *w, uint32_t frame, size_t *ret_len);

/* --- what may be written later --- */
void n1_writer_frame_name(struct n1_writer *w, uint32_t frame, uint32_t function, enum n1_frame_state state);
void n1_writer_frame_line(struct n1_writer *w, uint32_t frame, uint32_t file, uint32_t line);
void n1_writer_function_line(struct n1_writer *w, uint32_t function, uint32_t file, uint32_t line);
void n1_writer_process_state(struct n1_writer *w, uint32_t process, enum n1_process_state state,
                             uint32_t exit_status, n1_ns ended);
/* After an exec: what the process now runs (strings). */
void n1_writer_process_exec(struct n1_writer *w, uint32_t process, uint32_t exe, uint32_t cmdline,
                            uint32_t comm, uint32_t runtime);
void n1_writer_thread_name(struct n1_writer *w, uint32_t thread, uint32_t name);
void n1_writer_thread_end(struct n1_writer *w, uint32_t thread, n1_ns to);
void n1_writer_thread_times(struct n1_writer *w, uint32_t thread, uint64_t run_ns, uint64_t wait_ns);
void n1_writer_mapping_end(struct n1_writer *w, uint32_t process, uint64_t start, n1_ns to);
void n1_writer_module_symbols(struct n1_writer *w, uint32_t module, enum n1_module_symbols state,
                              uint32_t reason);

/* --- the stores --- */

/* Pushes an on-CPU sample into the fine ring and adds it to the row of its second (unless it is a dump). */
void n1_writer_sample(struct n1_writer *w, const struct n1_model_sample *s);
/* Pushes a wait; returns its index in the ring, to be given to n1_writer_wait_end while it is not lapped. */
uint64_t n1_writer_wait(struct n1_writer *w, const struct n1_model_wait *wait);
void n1_writer_wait_end(struct n1_writer *w, uint64_t index, n1_ns end);
/* What is learnt of a wait while it lasts: a better class (names came), who holds the lock, flags. */
void n1_writer_wait_class(struct n1_writer *w, uint64_t index, enum n1_wait_class wait_class);
void n1_writer_wait_owner(struct n1_writer *w, uint64_t index, uint32_t owner, uint32_t flags);
void n1_writer_memory(struct n1_writer *w, const struct n1_model_memory *m);
void n1_writer_point(struct n1_writer *w, uint32_t series, n1_ns time, int64_t value);
void n1_writer_point_unknown(struct n1_writer *w, uint32_t series, n1_ns time, uint32_t why);
uint64_t n1_writer_anomaly(struct n1_writer *w, const struct n1_model_anomaly *a);
void n1_writer_anomaly_update(struct n1_writer *w, uint64_t index, const struct n1_model_anomaly *a);
/* Pushes a finished row (file loader only; the live writer makes rows from samples). */
void n1_writer_second(struct n1_writer *w, const struct n1_model_second *row);

/* --- the header's words --- */
void n1_writer_state(struct n1_writer *w, enum n1_model_state state);
void n1_writer_heartbeat(struct n1_writer *w, n1_ns now);
void n1_writer_self(struct n1_writer *w, enum n1_self which, uint64_t value);
void n1_writer_self_add(struct n1_writer *w, enum n1_self which, uint64_t more);

/* Once a second or more often: flushes rows of finished seconds (older than now - 1 s), and makes a
 * generation step when a table is more than 7/8 full; costs some nanoseconds when there is nothing to do, so
 * under churn it may be called after each batch. A step keeps what a retained row, a living process, thread
 * or mapping refers to; all else (a module, function or string that is only held by the caller) is gone, and
 * interned again when needed. Returns true when a generation step was made. */
bool n1_writer_maintain(struct n1_writer *w, n1_ns now);

/* Flushes every row, however young: before a model is closed or saved. */
void n1_writer_flush(struct n1_writer *w);

#endif
