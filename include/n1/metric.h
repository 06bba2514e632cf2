/*
 * Metrics as data: one line of N1_METRIC_MAP declares a metric, one reader in sampler/metrics/ measures it,
 * and everything else (model rings, screen, report, metrics endpoint, rules) is driven by this table.
 *
 * A value is an int64 in the unit of its line, with the time it was measured and a valid bit: unknown is not
 * zero. The enum values belong to the live layout only, where both sides are of one version; files and
 * reports carry the names, which never change once released. Any thread; nothing here allocates or keeps
 * state.
 */
#ifndef N1_METRIC_H
#define N1_METRIC_H

#include "n1/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(constant, name). `ppm` is parts per million of the whole: of time for pressure, of one core for CPU. */
#define N1_METRIC_UNIT_MAP(X)                                                                                \
    X(N1_UNIT_BYTES, "bytes")                                                                                \
    X(N1_UNIT_NS, "ns")                                                                                      \
    X(N1_UNIT_COUNT, "count")                                                                                \
    X(N1_UNIT_PPM, "ppm")

enum n1_metric_unit {
#define X(constant, name) constant,
    N1_METRIC_UNIT_MAP(X)
#undef X
        N1_UNIT_END
};

/* A gauge stands for itself; a counter only grows, and its differences are what happened in between. */
enum n1_metric_kind { N1_METRIC_KIND_GAUGE, N1_METRIC_KIND_COUNTER };
enum n1_metric_scope { N1_SCOPE_HOST, N1_SCOPE_PROCESS, N1_SCOPE_THREAD };
/* Headline metrics fit into the first screen and the short report; details appear when asked for. */
enum n1_metric_level { N1_LEVEL_HEADLINE, N1_LEVEL_DETAIL };

/* Pressure of one resource (PSI): X is N1_METRIC_MAP's, P the constant's prefix, N the name's, F the file. */
#define N1_METRIC_PSI(X, P, N, SCOPE, F, WHAT)                                                               \
    X(P##_SOME_AVG10, N ".some_avg10", PPM, GAUGE, SCOPE, DETAIL, "time some task waited for " WHAT,         \
      F " some avg10")                                                                                       \
    X(P##_SOME_TOTAL, N ".some_total", NS, COUNTER, SCOPE, DETAIL, "time some task waited for " WHAT,        \
      F " some total")                                                                                       \
    X(P##_FULL_AVG10, N ".full_avg10", PPM, GAUGE, SCOPE, DETAIL, "time every task waited for " WHAT,        \
      F " full avg10")                                                                                       \
    X(P##_FULL_TOTAL, N ".full_total", NS, COUNTER, SCOPE, DETAIL, "time every task waited for " WHAT,       \
      F " full total")

/* Time of the threads blocked, summed, by what they waited for (sampler/waits). */
#define N1_METRIC_WAIT(X, P, N, WHAT)                                                                        \
    X(WAIT_##P, "wait." N, NS, COUNTER, PROCESS, DETAIL, "time its threads waited for " WHAT,                \
      "/proc/PID/task/TID/schedstat and syscall")

/* X(id, name, unit, kind, scope, level, one-liner, source) */
#define N1_METRIC_MAP(X)                                                                                     \
    X(CPU_TOTAL, "cpu.total", NS, COUNTER, PROCESS, HEADLINE,                                                \
      "CPU time of all threads, ended ones included",                                                        \
      "CPU clock of the process; else /proc/PID/stat utime + stime")                                         \
    X(CPU_USER, "cpu.user", NS, COUNTER, PROCESS, HEADLINE, "CPU time in user mode", "/proc/PID/stat utime") \
    X(CPU_SYSTEM, "cpu.system", NS, COUNTER, PROCESS, HEADLINE, "CPU time in the kernel",                    \
      "/proc/PID/stat stime")                                                                                \
    X(CPU_WAIT, "cpu.wait", NS, COUNTER, PROCESS, HEADLINE, "time runnable threads waited for a CPU",        \
      "/proc/PID/task/TID/schedstat, summed over threads seen")                                              \
    X(SCHED_SLICES, "sched.slices", COUNT, COUNTER, PROCESS, DETAIL, "times a thread was put on a CPU",      \
      "/proc/PID/task/TID/schedstat, summed over threads seen")                                              \
    X(SCHED_VOLUNTARY, "sched.voluntary", COUNT, COUNTER, PROCESS, DETAIL,                                   \
      "switches because a thread waited", "/proc/PID/task/TID/status, summed over threads seen")             \
    X(SCHED_INVOLUNTARY, "sched.involuntary", COUNT, COUNTER, PROCESS, DETAIL,                               \
      "switches because a thread was preempted", "/proc/PID/task/TID/status, summed over threads seen")      \
    X(THREADS, "threads", COUNT, GAUGE, PROCESS, HEADLINE, "threads", "/proc/PID/stat num_threads")          \
    X(FDS, "fds", COUNT, GAUGE, PROCESS, HEADLINE, "open file descriptors", "/proc/PID/fd")                  \
    X(FDS_LIMIT, "fds.limit", COUNT, GAUGE, PROCESS, DETAIL, "file descriptors allowed (soft limit)",        \
      "/proc/PID/limits Max open files")                                                                     \
    X(MEM_RSS, "mem.rss", BYTES, GAUGE, PROCESS, HEADLINE, "resident memory", "/proc/PID/status VmRSS")      \
    X(MEM_RSS_PEAK, "mem.rss_peak", BYTES, GAUGE, PROCESS, DETAIL, "largest resident memory so far",         \
      "/proc/PID/status VmHWM")                                                                              \
    X(MEM_VIRTUAL, "mem.virtual", BYTES, GAUGE, PROCESS, DETAIL, "mapped address space",                     \
      "/proc/PID/status VmSize")                                                                             \
    X(MEM_ANON, "mem.anon", BYTES, GAUGE, PROCESS, HEADLINE, "resident anonymous memory",                    \
      "/proc/PID/status RssAnon")                                                                            \
    X(MEM_FILE, "mem.file", BYTES, GAUGE, PROCESS, DETAIL, "resident memory of files",                       \
      "/proc/PID/status RssFile")                                                                            \
    X(MEM_SHMEM, "mem.shmem", BYTES, GAUGE, PROCESS, DETAIL, "resident shared memory",                       \
      "/proc/PID/status RssShmem")                                                                           \
    X(MEM_SWAP, "mem.swap", BYTES, GAUGE, PROCESS, HEADLINE, "anonymous memory swapped out",                 \
      "/proc/PID/status VmSwap")                                                                             \
    X(MEM_PSS, "mem.pss", BYTES, GAUGE, PROCESS, HEADLINE,                                                   \
      "resident memory, shared pages divided by sharers", "/proc/PID/smaps_rollup Pss")                      \
    X(MEM_USS, "mem.uss", BYTES, GAUGE, PROCESS, DETAIL, "resident memory no other process shares",          \
      "/proc/PID/smaps_rollup Private_*")                                                                    \
    X(MEM_HUGE, "mem.huge", BYTES, GAUGE, PROCESS, DETAIL, "anonymous memory in huge pages",                 \
      "/proc/PID/smaps_rollup AnonHugePages")                                                                \
    X(MEM_HEAP, "mem.heap", BYTES, GAUGE, PROCESS, HEADLINE, "size of the brk heap",                         \
      "/proc/PID/maps [heap]")                                                                               \
    X(MEM_ANON_MAPPED, "mem.anon_mapped", BYTES, GAUGE, PROCESS, DETAIL,                                     \
      "size of private writable anonymous mappings beside the heap", "/proc/PID/maps")                       \
    X(MEM_MAPPINGS, "mem.mappings", COUNT, GAUGE, PROCESS, DETAIL, "mappings", "/proc/PID/maps")             \
    X(FAULT_MINOR, "fault.minor", COUNT, COUNTER, PROCESS, DETAIL, "page faults served from memory",         \
      "/proc/PID/stat minflt")                                                                               \
    X(FAULT_MAJOR, "fault.major", COUNT, COUNTER, PROCESS, HEADLINE, "page faults that read from a disk",    \
      "/proc/PID/stat majflt")                                                                               \
    X(IO_READ_BYTES, "io.read_bytes", BYTES, COUNTER, PROCESS, HEADLINE, "bytes fetched from storage",       \
      "/proc/PID/io read_bytes")                                                                             \
    X(IO_WRITE_BYTES, "io.write_bytes", BYTES, COUNTER, PROCESS, HEADLINE, "bytes sent to storage",          \
      "/proc/PID/io write_bytes")                                                                            \
    X(IO_READ_CHARS, "io.read_chars", BYTES, COUNTER, PROCESS, DETAIL,                                       \
      "bytes returned by read calls, cached or not", "/proc/PID/io rchar")                                   \
    X(IO_WRITE_CHARS, "io.write_chars", BYTES, COUNTER, PROCESS, DETAIL, "bytes taken by write calls",       \
      "/proc/PID/io wchar")                                                                                  \
    X(IO_READ_CALLS, "io.read_calls", COUNT, COUNTER, PROCESS, DETAIL, "read calls", "/proc/PID/io syscr")   \
    X(IO_WRITE_CALLS, "io.write_calls", COUNT, COUNTER, PROCESS, DETAIL, "write calls",                      \
      "/proc/PID/io syscw")                                                                                  \
    X(CGROUP_MEM_CURRENT, "cgroup.mem.current", BYTES, GAUGE, PROCESS, DETAIL,                               \
      "memory charged to the cgroup", "memory.current (v1: memory.usage_in_bytes)")                          \
    X(CGROUP_MEM_LIMIT, "cgroup.mem.limit", BYTES, GAUGE, PROCESS, DETAIL,                                   \
      "lowest memory limit of the cgroup and those above it", "memory.max (v1: memory.limit_in_bytes)")      \
    X(CGROUP_MEM_HEADROOM, "cgroup.mem.headroom", BYTES, GAUGE, PROCESS, DETAIL,                             \
      "memory left below the nearest limit, of whichever level",                                             \
      "memory.max - memory.current, least of all levels")                                                    \
    X(CGROUP_MEM_PEAK, "cgroup.mem.peak", BYTES, GAUGE, PROCESS, DETAIL,                                     \
      "largest memory of the cgroup so far", "memory.peak (v1: memory.max_usage_in_bytes)")                  \
    X(CGROUP_MEM_LOW, "cgroup.mem.low", COUNT, COUNTER, PROCESS, DETAIL, "reclaims below memory.low",        \
      "memory.events low")                                                                                   \
    X(CGROUP_MEM_HIGH, "cgroup.mem.high", COUNT, COUNTER, PROCESS, DETAIL, "slow-downs above memory.high",   \
      "memory.events high")                                                                                  \
    X(CGROUP_MEM_MAX, "cgroup.mem.max", COUNT, COUNTER, PROCESS, DETAIL, "times the memory limit was hit",   \
      "memory.events max (v1: memory.failcnt)")                                                              \
    X(CGROUP_MEM_OOM, "cgroup.mem.oom", COUNT, COUNTER, PROCESS, DETAIL,                                     \
      "times the cgroup was out of memory", "memory.events oom")                                             \
    X(CGROUP_MEM_OOM_KILL, "cgroup.mem.oom_kill", COUNT, COUNTER, PROCESS, DETAIL,                           \
      "processes of the cgroup killed for memory", "memory.events oom_kill (v1: memory.oom_control)")        \
    X(CGROUP_CPU_QUOTA, "cgroup.cpu.quota", PPM, GAUGE, PROCESS, DETAIL,                                     \
      "lowest CPU quota of the cgroup and those above it; one core is 1,000,000",                            \
      "cpu.max (v1: cpu.cfs_quota_us / cpu.cfs_period_us)")                                                  \
    X(CGROUP_CPU_PERIODS, "cgroup.cpu.periods", COUNT, COUNTER, PROCESS, DETAIL,                             \
      "quota periods that ran, of the level with the lowest quota", "cpu.stat nr_periods")                   \
    X(CGROUP_CPU_THROTTLED, "cgroup.cpu.throttled", COUNT, COUNTER, PROCESS, DETAIL,                         \
      "quota periods that were cut short", "cpu.stat nr_throttled")                                          \
    X(CGROUP_CPU_THROTTLED_TIME, "cgroup.cpu.throttled_time", NS, COUNTER, PROCESS, DETAIL,                  \
      "time runnable tasks stood still for the quota, summed over CPUs",                                     \
      "cpu.stat throttled_usec (v1: throttled_time)")                                                        \
    N1_METRIC_PSI(X, CGROUP_PSI_CPU, "cgroup.psi.cpu", PROCESS, "cpu.pressure", "a CPU (cgroup)")            \
    N1_METRIC_PSI(X, CGROUP_PSI_MEM, "cgroup.psi.mem", PROCESS, "memory.pressure", "memory (cgroup)")        \
    N1_METRIC_PSI(X, CGROUP_PSI_IO, "cgroup.psi.io", PROCESS, "io.pressure", "storage (cgroup)")             \
    X(GC_CPU, "gc.cpu", NS, COUNTER, PROCESS, DETAIL,                                                        \
      "CPU time of garbage collector threads, known by their names",                                         \
      "/proc/PID/task/TID/schedstat of JVM, V8 and other collectors' threads")                               \
    N1_METRIC_WAIT(X, LOCK, "lock", "locks")                                                                 \
    N1_METRIC_WAIT(X, DISK, "disk", "storage")                                                               \
    N1_METRIC_WAIT(X, NET, "net", "sockets")                                                                 \
    N1_METRIC_WAIT(X, SLEEP, "sleep", "a time to come")                                                      \
    N1_METRIC_WAIT(X, POLL, "poll", "one of several descriptors")                                            \
    N1_METRIC_WAIT(X, PIPE, "pipe", "pipes and queues")                                                      \
    N1_METRIC_WAIT(X, GIL, "gil", "the interpreter's lock")                                                  \
    N1_METRIC_WAIT(X, GC, "gc", "a collector")                                                               \
    N1_METRIC_WAIT(X, OTHER, "other", "something else")                                                      \
    X(WAIT_DEADLOCKED, "wait.deadlocked", COUNT, GAUGE, PROCESS, DETAIL,                                     \
      "threads that wait for each other in a circle", "owners of the locks waited for")                      \
    X(WAIT_DEEP, "wait.uninterruptible", NS, GAUGE, PROCESS, DETAIL,                                         \
      "age of the longest wait now that nothing can end but the device", "/proc/PID/task/TID/stat state D")  \
    X(THREAD_CPU, "thread.cpu", NS, COUNTER, THREAD, HEADLINE, "CPU time of the thread",                     \
      "/proc/PID/task/TID/schedstat field 1")                                                                \
    X(THREAD_WAIT, "thread.wait", NS, COUNTER, THREAD, HEADLINE,                                             \
      "time the thread was runnable without a CPU", "/proc/PID/task/TID/schedstat field 2")                  \
    X(THREAD_SLICES, "thread.slices", COUNT, COUNTER, THREAD, DETAIL, "times the thread was put on a CPU",   \
      "/proc/PID/task/TID/schedstat field 3")                                                                \
    X(THREAD_VOLUNTARY, "thread.voluntary", COUNT, COUNTER, THREAD, DETAIL, "switches because it waited",    \
      "/proc/PID/task/TID/status voluntary_ctxt_switches")                                                   \
    X(THREAD_INVOLUNTARY, "thread.involuntary", COUNT, COUNTER, THREAD, DETAIL,                              \
      "switches because it was preempted", "/proc/PID/task/TID/status nonvoluntary_ctxt_switches")           \
    X(HOST_CPU_USER, "host.cpu.user", NS, COUNTER, HOST, DETAIL,                                             \
      "CPU time in user mode, all CPUs, nice included", "/proc/stat user + nice")                            \
    X(HOST_CPU_SYSTEM, "host.cpu.system", NS, COUNTER, HOST, DETAIL,                                         \
      "CPU time in the kernel, interrupts included", "/proc/stat system + irq + softirq")                    \
    X(HOST_CPU_IDLE, "host.cpu.idle", NS, COUNTER, HOST, DETAIL, "idle time, all CPUs", "/proc/stat idle")   \
    X(HOST_CPU_IOWAIT, "host.cpu.iowait", NS, COUNTER, HOST, DETAIL, "idle time with storage requests open", \
      "/proc/stat iowait")                                                                                   \
    X(HOST_CPU_STEAL, "host.cpu.steal", NS, COUNTER, HOST, HEADLINE,                                         \
      "time the hypervisor ran somebody else", "/proc/stat steal")                                           \
    X(HOST_CPUS, "host.cpus", COUNT, GAUGE, HOST, DETAIL, "CPUs online", "/proc/stat")                       \
    X(HOST_MEM_TOTAL, "host.mem.total", BYTES, GAUGE, HOST, DETAIL, "memory of the host",                    \
      "/proc/meminfo MemTotal")                                                                              \
    X(HOST_MEM_AVAILABLE, "host.mem.available", BYTES, GAUGE, HOST, HEADLINE,                                \
      "memory new work can have without swapping", "/proc/meminfo MemAvailable")                             \
    X(HOST_SWAP_TOTAL, "host.swap.total", BYTES, GAUGE, HOST, DETAIL, "swap space",                          \
      "/proc/meminfo SwapTotal")                                                                             \
    X(HOST_SWAP_FREE, "host.swap.free", BYTES, GAUGE, HOST, DETAIL, "swap space not used",                   \
      "/proc/meminfo SwapFree")                                                                              \
    N1_METRIC_PSI(X, HOST_PSI_CPU, "host.psi.cpu", HOST, "/proc/pressure/cpu", "a CPU (host)")               \
    N1_METRIC_PSI(X, HOST_PSI_MEM, "host.psi.mem", HOST, "/proc/pressure/memory", "memory (host)")           \
    N1_METRIC_PSI(X, HOST_PSI_IO, "host.psi.io", HOST, "/proc/pressure/io", "storage (host)")

enum n1_metric_id {
#define X(id, name, unit, kind, scope, level, text, source) N1_METRIC_##id,
    N1_METRIC_MAP(X)
#undef X
        N1_METRIC_COUNT
};

struct n1_metric_info {
    const char *name; /* stable, in files and reports: "mem.rss" */
    enum n1_metric_unit unit;
    enum n1_metric_kind kind;
    enum n1_metric_scope scope;
    enum n1_metric_level level;
    const char *text;   /* what it is, for help and HELP lines; no unit, no full stop */
    const char *source; /* file and field it is read from */
};

/* One measured value. `value` and `time` mean nothing while `valid` is false. */
struct n1_metric_point {
    n1_ns time;    /* when it was measured, which for costly metrics is not every pass */
    int64_t value; /* in the metric's unit */
    bool valid;
};

/* The declaration of a metric, static storage; NULL when `id` is outside 0..N1_METRIC_COUNT-1. */
const struct n1_metric_info *n1_metric_info(int id);
/* The id of a name from a file or a config; -1 when there is none. */
int n1_metric_find(const char *name);

/* "bytes", "ns", "count", "ppm"; "?" when out of range. */
const char *n1_metric_unit_name(int unit);
/* "gauge" or "counter"; "?" when out of range. */
const char *n1_metric_kind_name(int kind);
/* "host", "process" or "thread"; "?" when out of range. */
const char *n1_metric_scope_name(int scope);

/* Writes `value` for a reader, three significant digits and a unit: "1.50 GiB", "12.3 ms", "1.20 M", "45.6
 * %"; bytes by 1024, the rest by 1000. Negative values keep their sign. NUL-terminated, cut at `cap` (> 0).
 * Returns the length written. */
size_t n1_metric_format(char *out, size_t cap, int unit, int64_t value);
/* As n1_metric_format, the value per second: "1.50 MiB/s", "45.6 %" for ns (share of one core), "12.0 /s". */
size_t n1_metric_format_rate(char *out, size_t cap, int unit, double per_second);

#endif
