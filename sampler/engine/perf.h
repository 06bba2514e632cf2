/*
 * Engine A: samples by perf_event_open on the CPU clock, for several processes at once. The targets are never
 * stopped; the kernel copies registers and stack when the clock ticks, and we read them later in time order.
 *
 * Life: create; add_process (then read /proc/PID/maps, since mappings are reported from that moment on); wait
 * on n1_perf_fd; n1_perf_drain when it is readable; n1_perf_flush once at the end; destroy. Nothing stays in
 * the target. Sampler thread only; the sink is called from drain and flush only, and may call
 * n1_perf_remove_process and n1_perf_stats, but no other function here.
 */
#ifndef N1_SAMPLER_ENGINE_PERF_H
#define N1_SAMPLER_ENGINE_PERF_H

#include "sampler/engine/engine.h"
#include "sampler/engine/perf_plan.h"

struct n1_perf;

struct n1_perf_config {
    uint32_t rate_hz;     /* asked for, per running thread; 0: 99 */
    uint32_t stack_bytes; /* user stack to copy; 0: 16 KiB, or 8 when rings are small */
    size_t budget_bytes;  /* ring memory, pinned, in all; 0: 16 MiB */
    uint32_t drain_ms;    /* longest time between two drains; 0: 100 */
    uint32_t assume_cpus; /* number of CPUs for the choice of mode and the size of rings; 0: as it is */
    bool follow_children; /* sample the processes that a target forks, too */
    bool user_only;       /* do not ask for kernel mode even where it is permitted */
};

enum n1_perf_flags {
    N1_PERF_ON_EXEC = 1, /* start at the next exec: for a child of ours that waits before it */
};

/* What the engine does and did; counts since it was created. */
struct n1_perf_stats {
    uint32_t rate_asked_hz, rate_used_hz;
    uint64_t period_ns;
    uint32_t stack_bytes;
    size_t ring_bytes; /* data bytes of one ring */
    uint32_t rings;
    size_t pinned_bytes; /* all rings with their control pages */
    uint32_t fds;        /* open perf events, those of the rings included */
    bool kernel_frames;  /* kernel mode is sampled */
    int kernel_refusal;  /* -errno that forbade it, or 0 */
    bool paused;
    uint64_t records, samples;
    uint64_t lost;      /* records that found no room */
    uint64_t throttled; /* times the kernel held sampling back */
    uint64_t late;      /* records that came after a later one had been delivered; their time was moved up */
    uint64_t
        duplicates;     /* second samples of one tick, dropped (a thread born while its process was opened) */
    uint64_t foreign;   /* samples of processes not asked for, dropped */
    uint64_t damaged;   /* records or rings that made no sense */
    uint64_t unopened;  /* events wanted and not got: part of a process is not seen. 0 is complete */
    int unopened_errno; /* the last reason */
    uint32_t slowed_hz; /* rate of a process whose context switches made the full one too dear; 0: none is */
    uint64_t unwatched; /* thread scan only: threads that ran while all rings were taken */
};

/* Creates the engine: finds out what is permitted, makes the rings, raises the soft limit of open files to
 * the hard one, and asks the scheduler to serve this thread soon. `sink` is copied. Returns 0, or
 * N1_E_NOT_PERMITTED or -errno with the reason. */
int n1_perf_create(const struct n1_perf_config *config, const struct n1_engine_sink *sink,
                   struct n1_perf **ret_perf, struct n1_error *reterr);

/* The same engine behind the operations that every engine has; destroying that destroys `perf`. */
struct n1_engine n1_perf_engine(struct n1_perf *perf);

/* Ends all sampling and frees; NULL is fine. */
void n1_perf_destroy(struct n1_perf *perf);

/* Starts to sample all threads of a process, also those being born meanwhile; `flags` of enum n1_perf_flags.
 * Too few file descriptors is not a failure but counted in `unopened`. Returns 0 (also when it is there
 * already), N1_E_NO_PROCESS, N1_E_NOT_PERMITTED or -errno. */
int n1_perf_add_process(struct n1_perf *perf, pid_t pid, unsigned flags, struct n1_error *reterr);

/* Ends the sampling of a process; nothing happens when it is not there. Processes it forked stay. */
void n1_perf_remove_process(struct n1_perf *perf, pid_t pid);

/* An epoll descriptor, readable when it is time to drain: a ring filled to its watermark, or drain_ms went
 * by. It stays the engine's. */
int n1_perf_fd(const struct n1_perf *perf);

/* Delivers all events up to about 2 ms ago, in time order, and does the engine's housekeeping. Returns the
 * number of records delivered. */
size_t n1_perf_drain(struct n1_perf *perf);

/* As n1_perf_drain, but delivers everything that is there. */
size_t n1_perf_flush(struct n1_perf *perf);

/* Changes the rate (Hz) for all threads, those born since included: opens new events beside the old ones and
 * switches at one instant, so no time is counted twice or missed. Returns 0 or -errno; on failure the old
 * rate goes on. */
int n1_perf_set_rate(struct n1_perf *perf, uint32_t rate_hz);

/* Changes the bytes of user stack copied (up to 32 KiB); the rings keep their size, so ask for more only when
 * many stacks are truncated. Returns 0 or -errno. */
int n1_perf_set_stack(struct n1_perf *perf, uint32_t stack_bytes);

/* While paused no samples are taken, but mappings, threads and names go on being reported. Returns 0 or
 * -errno. */
int n1_perf_pause(struct n1_perf *perf, bool paused);

/* How a process is watched, and whether the samples account for the CPU time it used: sampled_ns / cpu_ns
 * falls below 1 when kernel time is hidden, and when threads end before their first sample (each starts with
 * a whole period). */
struct n1_perf_process_info {
    enum n1_perf_mode mode;
    unsigned births_per_s;   /* threads, in the last full second */
    unsigned switches_per_s; /* context switches of the threads that were sampled, in that second */
    bool cpu_known;          /* cpu_ns is valid */
    uint64_t cpu_ns;         /* used by the process since it was added, pauses included; its CPU-time clock */
    uint64_t sampled_ns;     /* weight of its samples */
};

/* False when the process is not there. */
bool n1_perf_process_info(const struct n1_perf *perf, pid_t pid, struct n1_perf_process_info *ret_info);

void n1_perf_stats(const struct n1_perf *perf, struct n1_perf_stats *ret_stats);

#endif
