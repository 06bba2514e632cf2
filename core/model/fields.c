/*
 * The table of members. The order within an entry is the order of the record in a recording
 * (include/README.md): to change one is to change the file format, which takes a new version of that chunk.
 */
#include "core/model/fields.h"

#include "n1/metric.h"

#define N N1_REF_NONE
#define STRING N1_SEGMENT_STRING_INDEX
#define PROCESS N1_SEGMENT_PROCESSES
#define THREAD N1_SEGMENT_THREADS
#define MODULE N1_SEGMENT_MODULES
#define FUNCTION N1_SEGMENT_FUNCTIONS
#define FRAME N1_SEGMENT_FRAMES
#define NODE N1_SEGMENT_NODES
#define SERIES N1_SEGMENT_SERIES

#define PROCESSES_FIELDS(F)                                                                                  \
    F(pid, N)                                                                                                \
    F(parent_pid, N)                                                                                         \
    F(ns_pid, N)                                                                                             \
    F(uid, N)                                                                                                \
    F(start_ticks, N)                                                                                        \
    F(exe, STRING)                                                                                           \
    F(cmdline, STRING)                                                                                       \
    F(comm, STRING)                                                                                          \
    F(runtime, STRING)                                                                                       \
    F(container, STRING)                                                                                     \
    F(labels, STRING)                                                                                        \
    F(state, N)                                                                                              \
    F(exit_status, N)                                                                                        \
    F(attached, N)                                                                                           \
    F(ended, N)
#define THREADS_FIELDS(F)                                                                                    \
    F(process, PROCESS)                                                                                      \
    F(tid, N) F(start_ticks, N) F(name, STRING) F(flags, N) F(from, N) F(to, N) F(run_ns, N) F(wait_ns, N)
#define MODULES_FIELDS(F)                                                                                    \
    F(path, STRING)                                                                                          \
    F(kind, N) F(build_id, N) F(build_id_len, N) F(device, N) F(inode, N) F(symbols, N) F(reason, STRING)
#define MAPPINGS_FIELDS(F)                                                                                   \
    F(process, PROCESS) F(module, MODULE) F(start, N) F(end, N) F(file_offset, N) F(from, N) F(to, N)
#define FUNCTIONS_FIELDS(F)                                                                                  \
    F(name, STRING)                                                                                          \
    F(module, MODULE) F(kind, N) F(reason, STRING) F(start, N) F(size, N) F(file, STRING) F(line, N)
#define FRAMES_FIELDS(F)                                                                                     \
    F(offset, N) F(module, MODULE) F(function, FUNCTION) F(state, N) F(file, STRING) F(line, N)
#define NODES_FIELDS(F) F(parent, NODE) F(frame, FRAME) F(depth, N)
#define SERIES_FIELDS(F) F(metric, N) F(scope, N1_REF_SCOPE) F(head, N) F(last, N)
#define POINTS_FIELDS(F) F(series, SERIES) F(time, N) F(value, N)
#define SAMPLES_FIELDS(F)                                                                                    \
    F(time, N) F(thread, THREAD) F(node, NODE) F(leaf, FRAME) F(flags, N) F(weight_ns, N) F(cpu, N)
#define WAITS_FIELDS(F)                                                                                      \
    F(start, N)                                                                                              \
    F(end, N)                                                                                                \
    F(thread, THREAD)                                                                                        \
    F(node, NODE)                                                                                            \
    F(leaf, FRAME) F(wait_class, N) F(resource, STRING) F(syscall, N) F(owner, THREAD) F(flags, N)
#define SECONDS_FIELDS(F)                                                                                    \
    F(second, N)                                                                                             \
    F(thread, THREAD) F(node, NODE) F(leaf, FRAME) F(count, N) F(flags, N) F(weight_ns, N) F(bytes, N)
#define MEMORY_FIELDS(F)                                                                                     \
    F(time, N) F(bytes, N) F(address, N) F(thread, THREAD) F(node, NODE) F(leaf, FRAME) F(kind, N)
#define ANOMALIES_FIELDS(F)                                                                                  \
    F(start, N)                                                                                              \
    F(end, N)                                                                                                \
    F(process, PROCESS)                                                                                      \
    F(rule, STRING)                                                                                          \
    F(severity, N)                                                                                           \
    F(unit, STRING)                                                                                          \
    F(value, N)                                                                                              \
    F(expected, N)                                                                                           \
    F(culprit[0], FUNCTION)                                                                                  \
    F(culprit[1], FUNCTION)                                                                                  \
    F(culprit[2], FUNCTION)                                                                                  \
    F(share_ppm[0], N)                                                                                       \
    F(share_ppm[1], N)                                                                                       \
    F(share_ppm[2], N)                                                                                       \
    F(before_ppm[0], N)                                                                                      \
    F(before_ppm[1], N)                                                                                      \
    F(before_ppm[2], N)                                                                                      \
    F(resource, STRING)                                                                                      \
    F(text, STRING)

#define STRING_INDEX_FIELDS(F)
#define STRING_BYTES_FIELDS(F)

/* One entry type at a time, so that a field needs to say its name and kind only. */
#define FIELD(member, ref) {offsetof(ENTRY, member), sizeof(((ENTRY *)0)->member), ref},
#define WIDTH(member, ref) +sizeof(((ENTRY *)0)->member)

#define TABLE(name)                                                                                          \
    static const struct n1_field name##_table[] = {name##_FIELDS(FIELD)};                                    \
    enum { name##_packed = 0 name##_FIELDS(WIDTH) };

#define ENTRY struct n1_model_process
TABLE(PROCESSES)
#undef ENTRY
#define ENTRY struct n1_model_thread
TABLE(THREADS)
#undef ENTRY
#define ENTRY struct n1_model_module
TABLE(MODULES)
#undef ENTRY
#define ENTRY struct n1_model_mapping
TABLE(MAPPINGS)
#undef ENTRY
#define ENTRY struct n1_model_function
TABLE(FUNCTIONS)
#undef ENTRY
#define ENTRY struct n1_model_frame
TABLE(FRAMES)
#undef ENTRY
#define ENTRY struct n1_model_node
TABLE(NODES)
#undef ENTRY
#define ENTRY struct n1_model_series
TABLE(SERIES)
#undef ENTRY
#define ENTRY struct n1_model_point
TABLE(POINTS)
#undef ENTRY
#define ENTRY struct n1_model_sample
TABLE(SAMPLES)
#undef ENTRY
#define ENTRY struct n1_model_wait
TABLE(WAITS)
#undef ENTRY
#define ENTRY struct n1_model_second
TABLE(SECONDS)
#undef ENTRY
#define ENTRY struct n1_model_memory
TABLE(MEMORY)
#undef ENTRY
#define ENTRY struct n1_model_anomaly
TABLE(ANOMALIES)
#undef ENTRY

#define FIELDS(name, type, is_ring)                                                                          \
    [N1_SEGMENT_##name] = {name##_table, name##_packed ? sizeof(name##_table) / sizeof(struct n1_field) : 0, \
                           name##_packed, sizeof(type), is_ring},
/* Strings hold no ids and have no members of fixed width: no fields, although C wants an array of one. */
#define STRING_INDEX_packed 0
#define STRING_BYTES_packed 0
static const struct n1_field STRING_INDEX_table[1];
static const struct n1_field STRING_BYTES_table[1];

const struct n1_fields n1_model_fields[N1_SEGMENT_COUNT] = {N1_SEGMENT_MAP(FIELDS)};

uint8_t n1_model_scope_ref(uint32_t metric)
{
    const struct n1_metric_info *info = metric < N1_METRIC_COUNT ? n1_metric_info((int)metric) : NULL;
    if (!info || info->scope == N1_SCOPE_HOST)
        return N1_REF_NONE;
    return info->scope == N1_SCOPE_PROCESS ? N1_SEGMENT_PROCESSES : N1_SEGMENT_THREADS;
}
