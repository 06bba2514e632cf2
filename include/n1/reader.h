/*
 * Reading the model, live or from a file, through one set of calls. A reader trusts nothing: counts, ids,
 * offsets and lengths are checked, a damaged model gives N1_E_DAMAGED and never a crash or an endless loop.
 * One thread per reader. Everything returned by value or as `const *` stays valid until the next
 * n1_reader_begin() that reports a new generation, or n1_reader_close().
 *
 * Use: n1_reader_begin(); read; n1_reader_end(). When end says -EAGAIN the writer made a generation step
 * meanwhile: throw away what was read (ids have changed), keep the last good picture, try again at the next
 * refresh.
 */
#ifndef N1_READER_H
#define N1_READER_H

#include "n1/error.h"
#include "n1/model.h"

#include <stdbool.h>
#include <stddef.h>

struct n1_reader;

/* Maps a live model. Refuses a descriptor without the seals SHRINK, GROW and FUTURE_WRITE (or WRITE):
 * N1_E_NOT_OURS. Takes no ownership of `fd`. Errors: N1_E_NOT_OURS, N1_E_VERSION, N1_E_DAMAGED, -errno. */
int n1_reader_open_fd(int fd, struct n1_reader **ret, struct n1_error *reterr);
/* Reads a model in this process's own memory, which must outlive the reader. */
int n1_reader_open_memory(const void *base, size_t bytes, struct n1_reader **ret, struct n1_error *reterr);
/* Loads a recording (n1/file.h) by pread; the reader is then as good as a live one whose writer has closed.
 */
int n1_reader_open_file(const char *path, struct n1_reader **ret, struct n1_error *reterr);
void n1_reader_close(struct n1_reader *r);

/* Takes the header's words for this pass. Returns 0; 1 when 0 but ids have changed since the last pass (drop
 * every cached id); -EAGAIN while a generation step is under way; N1_E_DAMAGED. Never blocks. */
int n1_reader_begin(struct n1_reader *r);
/* 0 when everything read since begin belongs to one generation, else -EAGAIN. */
int n1_reader_end(struct n1_reader *r);

/* --- facts of this pass --- */
uint64_t n1_reader_generation(const struct n1_reader *r);
enum n1_model_state n1_reader_state(const struct n1_reader *r);
n1_ns n1_reader_heartbeat(const struct n1_reader *r);
uint64_t n1_reader_self(const struct n1_reader *r, enum n1_self which);
uint32_t n1_reader_writer_pid(const struct n1_reader *r);
bool n1_reader_is_file(const struct n1_reader *r);
n1_ns n1_reader_created(const struct n1_reader *r);
/* Clock ticks a second of the processes' start times, on the host of the target; never 0. */
uint64_t n1_reader_clock_ticks(const struct n1_reader *r);
/* The latest time at which the model says anything: the heartbeat when live, the end of the recording for a
 * file. */
n1_ns n1_reader_now(const struct n1_reader *r);
/* Wall clock of a model time, ns since the epoch. */
int64_t n1_reader_wall_ns(const struct n1_reader *r, n1_ns time);
/* Entries of a segment: [*ret_tail, head) for a ring, [1, head) for a table. Returns head. */
uint64_t n1_reader_count(const struct n1_reader *r, enum n1_segment_kind kind, uint64_t *ret_tail);
uint64_t n1_reader_capacity(const struct n1_reader *r, enum n1_segment_kind kind);

/* --- tables; false when the id is out of range (then *ret is zeroed) --- */
/* NUL-terminated UTF-8, "" for id 0 or a bad id. Owned by the reader. */
const char *n1_reader_string(struct n1_reader *r, uint32_t id);

/* From now on (`on`) the reader gives no secrets away, whatever is made of what it reads: texts are redacted
 * as n1/redact.h says, processes have no command line, labels or container, and a recording written from it
 * names no host. Texts read before are invalid. Between passes. Returns what held before, or -ENOMEM. */
int n1_reader_redact(struct n1_reader *r, bool on);
bool n1_reader_process(const struct n1_reader *r, uint32_t id, struct n1_model_process *ret);
bool n1_reader_thread(const struct n1_reader *r, uint32_t id, struct n1_model_thread *ret);
bool n1_reader_module(const struct n1_reader *r, uint32_t id, struct n1_model_module *ret);
bool n1_reader_mapping(const struct n1_reader *r, uint32_t id, struct n1_model_mapping *ret);
bool n1_reader_function(const struct n1_reader *r, uint32_t id, struct n1_model_function *ret);
bool n1_reader_frame(const struct n1_reader *r, uint32_t id, struct n1_model_frame *ret);
/* Also checks parent < id, so walking up always ends. */
bool n1_reader_node(const struct n1_reader *r, uint32_t id, struct n1_model_node *ret);
bool n1_reader_series(const struct n1_reader *r, uint32_t id, struct n1_model_series *ret);
/* Finds the series of a metric and scope; 0 when nothing of the kind was ever measured. */
uint32_t n1_reader_series_find(const struct n1_reader *r, uint32_t metric, uint32_t scope);

/* --- rings: copies up to `cap` entries from index `from` on, oldest first. *ret_next is the index to go on
 * with; entries lapped before they could be copied are skipped and counted in *ret_lost (may be NULL).
 * Returns how many were copied. --- */
size_t n1_reader_samples(const struct n1_reader *r, uint64_t from, struct n1_model_sample *ret, size_t cap,
                         uint64_t *ret_next, uint64_t *ret_lost);
size_t n1_reader_waits(const struct n1_reader *r, uint64_t from, struct n1_model_wait *ret, size_t cap,
                       uint64_t *ret_next, uint64_t *ret_lost);
size_t n1_reader_seconds(const struct n1_reader *r, uint64_t from, struct n1_model_second *ret, size_t cap,
                         uint64_t *ret_next, uint64_t *ret_lost);
size_t n1_reader_memory(const struct n1_reader *r, uint64_t from, struct n1_model_memory *ret, size_t cap,
                        uint64_t *ret_next, uint64_t *ret_lost);
size_t n1_reader_anomalies(const struct n1_reader *r, uint64_t from, struct n1_model_anomaly *ret, size_t cap,
                           uint64_t *ret_next, uint64_t *ret_lost);
/* Points of a series with time in [from, to], oldest first, at most `cap` (the newest ones when there are
 * more). Unknown ones are included with N1_POINT_INVALID set in .time. */
size_t n1_reader_points(const struct n1_reader *r, uint32_t series, n1_ns from, n1_ns to,
                        struct n1_model_point *ret, size_t cap);

/* Index of the first sample (or row) whose time is at or after `t`; the head when there is none. O(log n).
 * Samples may lie out of order by up to 2 s, so callers test the time of each one they read all the same. */
uint64_t n1_reader_sample_at(const struct n1_reader *r, n1_ns t);
uint64_t n1_reader_second_at(const struct n1_reader *r, uint32_t second);

#endif
