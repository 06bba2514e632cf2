/*
 * The bytes of perf records: where the time of a record is, and a sample taken apart. Every length is checked
 * against the record, though the kernel wrote it: a mistake here would be ours to crash on. Pure, any thread.
 */
#ifndef N1_SAMPLER_ENGINE_PERF_RECORD_H
#define N1_SAMPLER_ENGINE_PERF_RECORD_H

#include "sampler/engine/engine.h"

#include <linux/perf_event.h>

/* What every event of the engine asks for, so that all records have one layout; the samples add the rest. */
#define N1_PERF_SAMPLE_COMMON                                                                                \
    (PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU |        \
     PERF_SAMPLE_PERIOD)

/* The kernel's register bits for the 16 general registers and the instruction pointer (asm/perf_regs.h). */
#define N1_PERF_USER_REGS UINT64_C(0xff01ff)

/* Byte offset of the time within a record: fixed in a sample, counted from the end in all others
 * (sample_id_all). */
size_t n1_perf_record_time_offset(const struct perf_event_header *header);

/* Process of a PERF_RECORD_SAMPLE of `size` bytes, -1 when it is too short to have one. */
pid_t n1_perf_record_sample_pid(const void *record, size_t size);

/* Takes a PERF_RECORD_SAMPLE of `size` bytes apart; `callchain`: the samples carry one. `ret_sample` borrows
 * from `record`; user.valid is 0 for a task without a user side. Returns 0, or -EBADMSG when the lengths do
 * not fit. */
int n1_perf_record_sample(const void *record, size_t size, bool callchain, struct n1_raw_sample *ret_sample,
                          uint64_t *ret_id);

/* The same for a sample of the side events (side.h): with an address after its time, without period and
 * call chain, with user registers, and with a stack where `stack` says so. */
int n1_perf_record_side(const void *record, size_t size, bool stack, struct n1_raw_sample *ret_sample,
                        uint64_t *ret_address);

/* Id of the event that wrote a PERF_RECORD_SAMPLE (an inherited one has its ancestor's); 0 when too short. */
uint64_t n1_perf_record_id(const void *record, size_t size);

/* The mapping of a PERF_RECORD_MMAP2 or PERF_RECORD_MMAP; `ret_event->path` borrows from `record` and is
 * terminated. Returns 0 or -EBADMSG. */
int n1_perf_record_mmap(const void *record, size_t size, struct n1_mmap_event *ret_event);

/* pid, tid and name of a PERF_RECORD_COMM; the name borrows from `record` and is terminated. 0 or -EBADMSG.
 */
int n1_perf_record_comm(const void *record, size_t size, pid_t *ret_pid, pid_t *ret_tid,
                        const char **ret_name);

/* The four ids of a PERF_RECORD_FORK or PERF_RECORD_EXIT. Returns 0 or -EBADMSG. */
int n1_perf_record_task(const void *record, size_t size, pid_t *ret_pid, pid_t *ret_parent_pid,
                        pid_t *ret_tid, pid_t *ret_parent_tid);

/* Number of records that a PERF_RECORD_LOST or PERF_RECORD_LOST_SAMPLES tells of; 0 for a damaged one. */
uint64_t n1_perf_record_lost(const void *record, size_t size);

#endif
