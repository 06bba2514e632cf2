/*
 * A target that keeps books on itself: each scene is a few threads that do one kind of work and count what
 * must not depend on whether anybody watches. Rows are named below; the driver (accounts.py) says which
 * values are right. Threads block all signals, so that a call cut short (EINTR) can only come from a tracer.
 */
#ifndef N1_TESTS_ACCOUNT_H
#define N1_TESTS_ACCOUNT_H

#include "tests/targets/target.h"

#include <stddef.h>

/* True until the end is asked for; scenes look at it at least every 50 ms. */
bool account_runs(void);
/* A thread of a scene: as target_thread, and the end waits for it. `run` returns when account_runs() is
 * false. */
void account_thread(const char *name, void *(*run)(void *), void *arg);
/* Registers work to be done after all threads have ended. */
void account_at_end(void (*check)(void));
/* A deterministic sum over a fixed table, some 20 µs of work. */
uint64_t account_sum(void);
/* Its right value, reckoned before anybody could watch. */
uint64_t account_right_sum(void);
/* The caller's microseconds since `since_ns`. */
uint64_t account_us_since(uint64_t since_ns);

/* The process's own attributes (limits, masks, rights, executable mappings) now, and whether they are still
 * the same: state_changed. */
void account_keep_state(void);
void account_compare_state(void);

void scene_sum(void); /* sums, sums_bad, canary_bad */
/* stopped_times, stopped_us, stopped_p50_us, stopped_max_us, stopped_blocks: of a thread that never waits */
void scene_stopped(void);
/* loop_events, loop_missing, loop_p50_us, loop_p99_us, loop_max_us, eintr_epoll_wait, eintr_clock_nanosleep
 */
void scene_loop(void);
void scene_waits(void);   /* waits, eintr_recv, eintr_sigtimedwait, eintr_semtimedop, eintr_poll, … */
void scene_timers(void);  /* timerfd_expired, timerfd_missing, posix_…, …_overruns */
void scene_signals(void); /* signals_sent, signals_received, signals_disorder */
void scene_forks(void);   /* children, children_bad, eintr_wait4 */
void scene_stops(void);   /* stops_sent, stops_seen, continues_seen, stops_wrong */
void scene_threads(void); /* threads_made, threads_ended, joined, passed */

/* What an executed child of scene_forks does: exits with a code that the parent knows. */
int account_child_main(const char *number);

#endif
